"""The controls, each against what it says it is."""

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.algorithms._controls import settle
from causaldisc.core.errors import PriorError


def noise(rows: int = 60, names: int = 6, seed: int = 0) -> cd.Telemetry:
    return cd.Telemetry(np.random.default_rng(seed).normal(size=(rows, names)), [f"x{k}" for k in range(names)])


def test_complete_has_every_allowed_edge_and_a_complete_summary() -> None:
    graph = cd.discover(noise(), "complete", max_lag=2).graph
    assert len(graph.edges) == 15 + 2 * 36
    assert (graph.summary().adjacency() == ~np.eye(6, dtype=bool)).all()


def test_complete_directs_what_the_prior_lets_run_one_way() -> None:
    prior = cd.ExpertPrior(roots=["x0"], forbidden=[("x1", "x2")])
    edges = {(e.source, e.target): e.is_directed for e in cd.discover(noise(), "complete", max_lag=0, prior=prior).graph.edges}
    assert all(edges["x0", f"x{k}"] for k in range(1, 6)) and edges["x2", "x1"] and not edges["x3", "x4"] and len(edges) == 15


def test_one_way_edges_in_a_circle_are_left_out_but_for_the_required_ones() -> None:
    circle = [("x1", "x0"), ("x2", "x1"), ("x0", "x2")]  # what is forbidden: x0 → x1 → x2 → x0 is left
    free = cd.discover(noise(names=3), "complete", max_lag=0, prior=cd.ExpertPrior(forbidden=circle)).graph
    assert free.edges == ()
    prior = cd.ExpertPrior(forbidden=circle, required=[("x0", "x1")])
    assert [(e.source, e.target) for e in cd.discover(noise(names=3), "complete", max_lag=0, prior=prior).graph.edges] == [
        ("x0", "x1")
    ]


def test_settle_keeps_a_pinned_direction() -> None:
    both = ~np.eye(2, dtype=bool)[:, :, None]
    pinned = np.array([[0, 0], [1, 0]], dtype=bool)[:, :, None]
    assert settle(both, both, pinned)[:, :, 0].tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_tournament_is_a_complete_dag_along_one_order(seed: int) -> None:
    graph = cd.discover(noise(), "tournament", seed=seed).graph
    adjacency = graph.summary().adjacency().astype(int)
    assert ((adjacency + adjacency.T) == 1 - np.eye(6)).all() and graph.is_acyclic()
    assert sorted(adjacency.sum(axis=1).tolist()) == [0, 1, 2, 3, 4, 5]


def test_tournament_is_another_with_another_seed_and_bends_to_the_prior() -> None:
    orders = {tuple(cd.discover(noise(), "tournament", seed=s).graph.summary().adjacency().sum(axis=1)) for s in range(10)}
    assert len(orders) > 5
    prior = cd.ExpertPrior(forbidden=[{"source": "*", "target": "*", "lag": 0}])
    assert {e.lag for e in cd.discover(noise(), "tournament", prior=prior).graph.edges} == {1}


@pytest.mark.parametrize("lag", [0, 3])
def test_random_has_the_degree_that_it_is_told(lag: int) -> None:
    counts = [len(cd.discover(noise(), "random", seed=s, degree=2.0, max_lag=lag).graph.edges) for s in range(150)]
    error = np.std(counts, ddof=1) / np.sqrt(len(counts))
    assert abs(np.mean(counts) - 6.0) < 4 * error  # 6 variables, 2 neighbours each: 6 edges
    assert len(set(counts)) > 3
    assert len(cd.discover(noise(), "random", degree=0.0).graph.edges) == 0
    assert len(cd.discover(noise(), "random", degree=99.0).graph.edges) == 15


def test_random_lags_and_directions_are_all_met() -> None:
    cells = {
        (e.source, e.target, e.lag)
        for s in range(60)
        for e in cd.discover(noise(names=2), "random", seed=s, max_lag=1).graph.edges
    }
    assert cells == {("x0", "x1", 0), ("x1", "x0", 0), ("x0", "x1", 1), ("x1", "x0", 1)}


def test_correlation_finds_what_correlates_and_keeps_its_level() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    x[1:, 2] += 0.6 * x[:-1, 0]
    x[:, 1] += x[:, 0]
    found = cd.discover(cd.Telemetry(x, ["a", "b", "c"]), "correlation", max_lag=1)
    assert {(e.source, e.target, e.lag, e.is_directed) for e in found.graph.edges} == {
        ("a", "b", 0, False),
        ("a", "c", 1, True),
        ("b", "c", 1, True),
    }
    assert found.scores[0, 1, 0] == found.scores[1, 0, 0] > 0.6
    false = sum(len(cd.discover(noise(seed=s), "correlation", alpha=0.05).graph.edges) > 0 for s in range(100))
    assert false <= 12  # expected at most 5


def test_correlation_is_directed_where_the_prior_lets_it_run_one_way() -> None:
    x = np.random.default_rng(0).normal(size=(100, 1)) + 0.1 * np.random.default_rng(1).normal(size=(100, 2))
    data = cd.Telemetry(x, ["a", "b"])
    found = cd.discover(data, "correlation", max_lag=0, prior=cd.ExpertPrior(roots=["b"]))
    assert [(e.source, e.target, e.is_directed) for e in found.graph.edges] == [("b", "a", True)]


def test_call_graph_follows_the_calls() -> None:
    names = ["shop:traffic", "shop:latency", "cart:traffic", "cart:cpu", "db:latency", "mail:latency"]
    data = cd.Telemetry(np.random.default_rng(0).normal(size=(20, 6)), names)
    prior = cd.ExpertPrior(calls=[("shop", "cart"), ("cart", "db"), ("shop", "db")], call_rules="open")
    edges = {(e.source, e.target) for e in cd.discover(data, "call_graph", prior=prior).graph.edges}
    assert edges == {
        ("shop:traffic", "shop:latency"),
        ("shop:traffic", "cart:traffic"),
        ("cart:traffic", "cart:cpu"),
        ("db:latency", "shop:latency"),
    }
    with pytest.raises(PriorError, match="`calls` must"):
        cd.discover(data, "call_graph")
