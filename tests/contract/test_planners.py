"""What every planner keeps, whoever wrote it."""

import numpy as np
import pytest

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.parameters import values_of
from causaldisc.core.plugins import planners

OPEN = {"target_mark": "tail"}
GRAPHS = {
    "dag": CausalGraph(list("abcd"), [Edge("a", "b"), Edge("a", "c"), Edge("c", "d")], "summary"),
    "open": CausalGraph(list("abcd"), [Edge("a", "b", **OPEN), Edge("b", "c", **OPEN), Edge("c", "d")], "cpdag"),
    "lagged": CausalGraph(list("abcd"), [Edge("a", "b", 1), Edge("a", "b", 2), Edge("b", "b", 1)], "lagged", 2),
    "marks": CausalGraph(list("abcd"), [Edge("a", "b", 0, "circle", "circle"), Edge("c", "d", 0, "arrow", "arrow")], "pag"),
    "cyclic": CausalGraph(list("abcd"), [Edge("a", "b"), Edge("b", "a")], "summary"),
}


@pytest.fixture(params=planners.names())
def planner(request):
    return planners.build(request.param)


def candidates(graph):
    """Variables that some untested edge to another variable leaves as a cause."""
    edges = [e for e in graph.edges if e.validation == "untested" and e.source != e.target]
    return {cause for e in edges for cause, _ in (e.directions if e.lag == 0 else [(e.source, e.target)])}


def test_both_planners_are_found():
    assert {"random", "coverage"} <= set(planners.names())


def test_named_and_described(planner):
    assert planner.name in planners.names() and planner.summary
    assert isinstance(values_of(planner), dict)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("budget", [1, 2, 10])
def test_chooses_distinct_testable_variables_within_budget(planner, name, budget):
    graph = GRAPHS[name]
    chosen = planner.choose(graph, {}, budget, np.random.default_rng(0))
    assert 1 <= len(chosen) <= budget and len(set(chosen)) == len(chosen)
    assert set(chosen) <= candidates(graph)


def test_same_generator_same_choice(planner):
    one, two = (planner.choose(GRAPHS["open"], {"a": 1}, 4, np.random.default_rng(5)) for _ in range(2))
    assert one == two


def test_nothing_left_to_test(planner):
    decided = CausalGraph(["a", "b"], [Edge("a", "b", validation="confirmed"), Edge("b", "b", 1)], "lagged", 1)
    for graph in (decided, CausalGraph(["a"]), CausalGraph([])):
        assert list(planner.choose(graph, {}, 5, np.random.default_rng(0))) == []


def test_input_is_left_alone(planner):
    tested = {"a": 2}
    planner.choose(GRAPHS["dag"], tested, 3, np.random.default_rng(0))
    assert tested == {"a": 2}


def test_coverage_prefers_open_then_doubtful_then_many():
    coverage = planners.build("coverage")
    rng = np.random.default_rng(0)
    assert coverage.choose(GRAPHS["open"], {}, 1, rng) == ["b"]
    sure = CausalGraph(list("abcd"), [Edge("a", "b", confidence=0.99), Edge("c", "d", confidence=0.2)])
    assert coverage.choose(sure, {}, 1, rng) == ["c"]
    assert coverage.choose(GRAPHS["dag"], {}, 4, rng) == ["a", "c"]
    # Two lags of one pair are one claim.
    lags = CausalGraph(list("abcd"), [Edge("a", "b", 1), Edge("a", "b", 2), Edge("c", "d", 1), Edge("c", "b", 1)], "lagged", 2)
    assert coverage.choose(lags, {}, 1, rng) == ["c"]


def test_random_reaches_every_candidate():
    rng = np.random.default_rng(0)
    seen = {planners.build("random").choose(GRAPHS["open"], {}, 1, rng)[0] for _ in range(60)}
    assert seen == {"a", "b", "c"}
