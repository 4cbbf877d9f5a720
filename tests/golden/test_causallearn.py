"""PC against causal-learn, and the bridge to it."""

from __future__ import annotations

import numpy as np
import pytest

from causaldisc.algorithms._bridges.causallearn import codes_of, matrix_of
from causaldisc.core.errors import InputError, PriorUnsupportedError
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.runner.pipeline import discover


def linear_sem(seed, size, rows=1000, degree=2.0):
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.random((size, size)) < degree / (size - 1), 1) * rng.uniform(0.5, 1.5, (size, size))
    weights *= rng.choice([-1, 1], (size, size))
    values = rng.normal(size=(rows, size))
    for j in range(size):
        values[:, j] += values @ weights[:, j]
    order = rng.permutation(size)
    return Telemetry(values[:, order], [f"x{k}" for k in range(size)])


def skeleton(found):
    matrix = found.graph.adjacency()
    return matrix | matrix.T


@pytest.mark.parametrize("seed", range(5))
def test_same_skeleton_edge_for_edge(seed):
    data = linear_sem(seed, 20, degree=3.0)
    assert (skeleton(discover(data, "pc")) == skeleton(discover(data, "causallearn_pc"))).all()


def test_convention_on_a_graph_of_the_library_itself():
    from causallearn.graph.Edge import Edge
    from causallearn.graph.Endpoint import Endpoint
    from causallearn.graph.GeneralGraph import GeneralGraph
    from causallearn.graph.GraphNode import GraphNode

    nodes = [GraphNode(name) for name in "abcd"]
    graph = GeneralGraph(nodes)
    graph.add_directed_edge(nodes[0], nodes[1])
    graph.add_directed_edge(nodes[3], nodes[1])
    graph.add_edge(Edge(nodes[1], nodes[2], Endpoint.TAIL, Endpoint.TAIL))
    graph.add_edge(Edge(nodes[0], nodes[3], Endpoint.ARROW, Endpoint.ARROW))
    expected = np.zeros((4, 4), dtype=int)
    expected[0, 1] = expected[3, 1] = 1
    expected[1, 2] = expected[2, 1] = 2
    expected[0, 3] = expected[3, 0] = 3
    assert codes_of(graph.graph).tolist() == expected.tolist()
    assert matrix_of(expected).tolist() == graph.graph.tolist()


def test_directed_cycles_of_the_library_become_conflicts():
    cycle = np.zeros((4, 4), dtype=int)
    cycle[0, 1] = cycle[1, 2] = cycle[2, 0] = cycle[2, 3] = 1
    assert codes_of(matrix_of(cycle)).tolist() == [[0, 3, 3, 0], [3, 0, 3, 0], [3, 3, 0, 1], [0, 0, 0, 0]]
    with pytest.raises(ValueError, match="marks"):
        codes_of(np.array([[0, 2], [1, 0]]))


def test_direction_survives_the_journey():
    rng = np.random.default_rng(0)
    two = rng.normal(size=(1000, 2))
    data = Telemetry(np.column_stack([two.sum(axis=1) + rng.normal(size=1000), two]), ["effect", "one", "two"])
    for name in ("causallearn_pc", "causallearn_ges", "pc"):
        found = discover(data, name)
        assert {(e.source, e.target) for e in found.graph.edges if e.is_directed} == {("one", "effect"), ("two", "effect")}
        assert found.scores[1, 0, 0] > found.scores[0, 1, 0]


def test_prior_reaches_the_library():
    rng = np.random.default_rng(1)
    a = rng.normal(size=1000)
    data = Telemetry(np.column_stack([a, a + rng.normal(size=1000)]), ["a", "b"])
    for prior, expected in (
        (ExpertPrior(forbidden=[("a", "b")]), [("b", "a")]),
        (ExpertPrior(tiers=[["a"], ["b"]]), [("a", "b")]),
        (ExpertPrior(roots=["b"]), [("b", "a")]),
        (ExpertPrior(leaves=["b"]), [("a", "b")]),
        (ExpertPrior(forbidden=[("a", "b"), ("b", "a")]), []),
    ):
        found = discover(data, "causallearn_pc", prior=prior)
        assert [(e.source, e.target) for e in found.graph.edges] == expected
        assert all(e.is_directed for e in found.graph.edges) and found.certificate.ok


def test_what_the_library_cannot_obey_is_refused():
    data = linear_sem(0, 4)
    with pytest.raises(PriorUnsupportedError, match="required"):
        discover(data, "causallearn_pc", prior=ExpertPrior(required=[("x0", "x1")]))
    with pytest.raises(PriorUnsupportedError, match="no prior at all"):
        discover(data, "causallearn_ges", prior=ExpertPrior(roots=["x0"]))


@pytest.mark.parametrize("name", ["causallearn_pc", "causallearn_ges"])
def test_bad_input_is_named(name):
    rng = np.random.default_rng(2)
    values = rng.normal(size=(50, 3))
    holed, twin = values.copy(), np.column_stack([values, values[:, 0] * 3])
    holed[3, 1] = np.nan
    for bad, word in ((holed, "missing value.*'b'"), (twin, "linearly independent.*'a'"), (values[:3], "at least 4 rows")):
        with pytest.raises(InputError, match=word):
            discover(Telemetry(bad, list("abcd")[: bad.shape[1]]), name)
    assert discover(Telemetry(values[:, :1], ["a"]), name).graph.edges == ()


@pytest.mark.parametrize("name", ["causallearn_pc", "causallearn_ges"])
def test_quiet_and_free_of_scale(name, capfd):
    data = linear_sem(3, 6, degree=3.0)
    scaled = Telemetry(data.values * 10.0 ** np.array([-9, 12, 0, 3, -3, 6]), data.names)
    one, other = discover(data, name), discover(scaled, name)
    assert (one.graph.codes() == other.graph.codes()).all()
    assert capfd.readouterr() == ("", "")
