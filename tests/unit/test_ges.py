"""GES by example: scores worked by hand, small graphs, priors, lags, twins, holes, and input that is too little."""

from __future__ import annotations

import math

import numpy as np
import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.bic import SINGULAR, partial_correlations, score
from causaldisc.kernels.ges_climb import Climber
from causaldisc.kernels.ges_moves import INSERT, MAX_SETS
from causaldisc.kernels.ges_search import knowledge_of, search, task_of
from causaldisc.runner.pipeline import discover


def dag_of(size, *edges):
    dag = np.zeros((size, size), dtype=bool)
    for i, j in edges:
        dag[i, j] = True
    return dag


def chain(rows=600, seed=0):
    """x0 → x1 → x2, and x3 apart."""
    noise = np.random.default_rng(seed).normal(size=(rows, 4))
    noise[:, 1] += noise[:, 0]
    noise[:, 2] += noise[:, 1]
    return Telemetry(noise, ["a:cpu", "a:latency", "b:latency", "c:cpu"])


def edges_of(graph):
    return {(e.source, e.target, e.lag) for e in graph.edges if e.is_directed}


# -- scores ------------------------------------------------------------------------------------------------------------------


def test_score_by_hand():
    R, n = np.array([[1.0, 0.6], [0.6, 1.0]]), 100
    gain = -0.5 * n * math.log(1 - 0.36) - 0.5 * math.log(n)
    assert np.allclose(score(R, n, dag_of(2, (0, 1))), [0.0, gain])
    assert np.allclose(score(R, n, dag_of(2, (0, 1)), penalty=2.0), [0.0, gain - 0.5 * math.log(n)])


def test_score_is_the_likelihood_of_a_regression():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4))
    values -= values.mean(axis=0)
    residual = values[:, 3] - values[:, :3] @ np.linalg.lstsq(values[:, :3], values[:, 3], rcond=None)[0]
    expected = -25 * math.log(residual @ residual / 50) - 1.5 * math.log(50)
    assert np.isclose(score(values.T @ values / 50, 50, dag_of(4, (0, 3), (1, 3), (2, 3)))[3], expected)


def test_a_parent_that_others_determine_adds_nothing_and_pays():
    R = np.corrcoef(np.random.default_rng(1).normal(size=(3, 40)))
    mixed = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], dtype=float)  # the last is the sum of the first two
    S = mixed @ R @ mixed.T
    without, with_it = score(S, 40, dag_of(4, (0, 2), (1, 2))), score(S, 40, dag_of(4, (0, 2), (1, 2), (3, 2)))
    assert np.isclose(with_it[2], without[2] - 0.5 * math.log(40))
    determined = score(S, 40, dag_of(4, (0, 3), (1, 3)))[3]
    assert np.isclose(determined, -20 * math.log(SINGULAR * S[3, 3]) - math.log(40))


def test_partial_correlations_by_hand():
    R = np.array([[1.0, 0.5, 0.7], [0.5, 1.0, 0.6], [0.7, 0.6, 1.0]])
    found = partial_correlations(R, dag_of(3, (0, 2), (1, 2)))
    assert np.isclose(found[0, 2], (0.7 - 0.5 * 0.6) / math.sqrt((1 - 0.25) * (1 - 0.36)))
    assert np.isnan(found[2, 0])
    assert partial_correlations(np.ones((3, 3)), dag_of(3, (0, 2), (1, 2)))[0, 2] == 0.0


# -- searches ----------------------------------------------------------------------------------------------------------------


def test_chain_is_undirected_and_a_collider_directed():
    R = np.array([[1.0, 0.6, 0.36], [0.6, 1.0, 0.6], [0.36, 0.6, 1.0]])
    assert search(R, 1000).marks.astype(int).tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    R[0, 2] = R[2, 0] = 0.0
    assert search(R, 1000).marks.astype(int).tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_one_known_direction_spreads_along_a_chain():
    R = 0.5 ** np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    may = np.ones((5, 5), dtype=bool)
    may[1, 0] = False
    assert (np.argwhere(search(R, 2000, may=may).marks) == [[0, 1], [1, 2], [2, 3], [3, 4]]).all()


def test_a_hub_of_many_leaves():
    d = 60
    R = np.full((d, d), 0.49)
    R[0], R[:, 0] = 0.7, 0.7
    np.fill_diagonal(R, 1.0)
    marks = search(R, 5000).marks
    assert marks[0, 1:].all() and marks[1:, 0].all() and marks.sum() == 2 * (d - 1)


def test_cliques_too_many_to_try_are_tried_up_to_a_size_that_no_order_changes():
    d = 17
    assert 2 ** (d - 1) > MAX_SETS
    R = np.full((d, d), 0.5) + 0.5 * np.eye(d)
    task = task_of(R, 100, 1.0, knowledge_of(d, d, None, None), d)
    clique = np.triu(np.ones((d - 1, d - 1), dtype=bool), 1)
    climber = Climber(task, d, np.pad(clique, ((0, 1), (0, 1))))
    bounds = climber.survey(INSERT)
    # Into any of the clique the last node is best added beside few of the others, and nowhere else is anything to add.
    assert np.isfinite(bounds[:-1, -1]).all() and np.allclose(bounds[:-1, -1], bounds[0, -1])
    assert np.isneginf(bounds[:-1, :-1]).all()


def test_required_and_forbidden_against_the_data():
    data = chain()
    prior = ExpertPrior(required=[("c:cpu", "b:latency"), ("b:latency", "a:latency")], forbidden=[("a:cpu", "a:latency")])
    found = discover(data, "ges", prior=prior)
    assert found.certificate.ok and found.graph.kind == "mpdag"
    assert {("c:cpu", "b:latency", 0), ("b:latency", "a:latency", 0)} <= edges_of(found.graph)
    evidence = {(e.source, e.target): e.evidence for e in found.graph.edges}
    assert evidence["c:cpu", "b:latency"] == ("prior",) and evidence["a:latency", "a:cpu"] == ("data", "prior")
    assert np.isnan(found.scores[0, 1, 0])
    assert found.scores[3, 2, 0] == np.nanmax(found.scores)


def test_tiers_direct_what_data_leave_open():
    prior = ExpertPrior(tiers=[["a:cpu"], ["a:latency", "b:latency", "c:cpu"]])
    found = discover(chain(), "ges", prior=prior)
    assert edges_of(found.graph) == {("a:cpu", "a:latency", 0), ("a:latency", "b:latency", 0)}
    free = discover(chain(), "ges").graph
    assert free.kind == "cpdag" and all(e.is_undirected for e in free.edges)


def test_knowledge_that_closes_the_ways_of_the_search_does_not_cost_the_better_graph():
    S = np.array([[3.43, 1.85, 1.86], [1.85, 1.67, 1.29], [1.86, 1.29, 1.76]])  # of 1 → 0, 1 → 2 → 0
    may = np.ones((3, 3), dtype=bool)
    may[0, 2] = may[2, 1] = False
    task = task_of(S, 1000, 1.0, knowledge_of(3, 3, may, None), 3)
    alone = Climber(task, 3, np.zeros((3, 3)))
    alone.ascend(math.inf)
    assert (alone.marks | alone.marks.T).sum() == 4  # 0 → 1 came first, and 2 → 0 would now close a cycle
    found = search(S, 1000, may=may)
    assert (np.argwhere(found.marks) == [[1, 0], [1, 2], [2, 0]]).all()
    assert found.local.sum() > alone.local.sum()


def test_lags_point_forward_and_the_own_past_stays_hidden_where_forbidden():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(800, 3))
    for t in range(1, 800):
        values[t, 0] += 0.8 * values[t - 1, 0]
        values[t, 1] += 0.7 * values[t - 1, 0]
    values[:, 2] += values[:, 1]
    found = discover(Telemetry(values, ["x", "y", "z"]), "ges", max_lag=2)
    assert found.graph.kind == "lagged"
    assert edges_of(found.graph) == {("x", "x", 1), ("x", "y", 1), ("y", "z", 0)}  # the past of y directs y → z
    prior = ExpertPrior(forbidden=[{"source": "x", "target": "x"}], max_lag=1)
    hidden = discover(Telemetry(values, ["x", "y", "z"]), "ges", prior=prior, max_lag=2)
    assert edges_of(hidden.graph) == {("x", "y", 1), ("y", "z", 0)}
    assert np.isnan(hidden.scores[0, 0]).all() and np.isnan(hidden.scores[:, :, 2]).all()


def test_required_lag_is_the_one_that_the_data_like_best():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(300, 2))
    values[2:, 1] += 0.3 * values[:-2, 0]
    prior = ExpertPrior(required=[{"source": "x", "target": "y", "lag": [0, 3]}])
    found = discover(Telemetry(values, ["x", "y"]), "ges", prior=prior, max_lag=3)
    assert ("x", "y", 2) in edges_of(found.graph) and found.certificate.ok


def test_of_twins_one_is_searched_and_the_others_are_joined_to_it():
    data = chain()
    values = np.column_stack([data.values, -3.0 * data.values[:, 1] + 7.0])
    twins = Telemetry(values, [*data.names, "d:latency"])
    found = discover(twins, "ges")
    assert len(found.report["duplicates"]) == 1 and set(found.report["duplicates"][0]) == {"a:latency", "d:latency"}
    adjacency = found.graph.adjacency()
    assert adjacency[1, 4] or adjacency[4, 1]
    first = found.report["duplicates"][0][0]
    joined = {frozenset((e.source, e.target)) for e in found.graph.edges}
    assert {frozenset(("a:cpu", first)), frozenset((first, "b:latency"))} <= joined and len(joined) == 3
    assert np.isclose(found.scores[0, 1, 0], found.scores[0, 4, 0])
    demanded = discover(twins, "ges", prior=ExpertPrior(required=[("c:cpu", "d:latency"), ("a:latency", "c:cpu")]))
    assert demanded.certificate.ok
    assert {("c:cpu", "d:latency", 0), ("a:latency", "c:cpu", 0)} <= edges_of(demanded.graph)


def test_missing_values_cost_rows_but_not_the_graph():
    data = chain(2000)
    values = np.array(data.values)
    values[np.random.default_rng(4).random(values.shape) < 0.2] = np.nan
    found = discover(Telemetry(values, data.names), "ges")
    assert (found.graph.codes() == discover(data, "ges").graph.codes()).all()
    assert 1100 < found.report["effective_sample_size"] < 1400


def test_pairs_never_seen_together_are_not_joined():
    values = np.array(chain(400).values)
    values[:200, 0], values[200:, 1] = np.nan, np.nan
    found = discover(Telemetry(values, "abcd"), "ges")
    assert not (found.graph.adjacency() | found.graph.adjacency().T)[0, 1]
    assert found.report["unknown_pairs"] == 2 and np.isfinite(found.scores[0, 1, 0])


def test_settings():
    data = chain()
    assert not discover(data, "ges", penalty=1e6).graph.edges
    dense = discover(data, "ges", penalty=0.0)
    assert len(dense.graph.edges) == 6
    sparse = discover(data, "ges", penalty=0.0, max_parents=1)
    assert len(sparse.graph.edges) < 6
    assert not discover(data, "ges", max_parents=0).graph.edges
    hurried = discover(data, "ges", deadline_s=0.0)
    assert hurried.report["truncated"] and not hurried.graph.edges
    with pytest.raises(InputError, match=r"ges\.penalty must be >= 0"):
        discover(data, "ges", penalty=-1.0)


def test_report():
    found = discover(chain(), "ges")
    R = np.corrcoef(chain().values.T)
    assert found.report["steps"] == {"insert": 2, "delete": 0, "turn": 0} and not found.report["truncated"]
    assert np.isclose(found.report["score"], score(R, 600, dag_of(4, (0, 1), (1, 2))).sum())
    strength = {(e.source, e.target): e.strength for e in found.graph.edges}
    assert np.isclose(strength["a:cpu", "a:latency"], R[0, 1], atol=0.2)


def test_little_input():
    rng = np.random.default_rng(5)
    assert not discover(Telemetry(rng.normal(size=(2, 3)), "abc"), "ges").graph.edges
    assert not discover(Telemetry(rng.normal(size=(50, 1)), "a"), "ges").graph.edges
    required = discover(Telemetry(rng.normal(size=(2, 3)), "abc"), "ges", prior=ExpertPrior(required=[("c", "a")]))
    assert edges_of(required.graph) == {("c", "a", 0)}
    wide = discover(Telemetry(rng.normal(size=(12, 40)), [f"x{k}" for k in range(40)]), "ges")
    assert wide.graph.is_acyclic() and np.isfinite(wide.report["score"])
    pieces = Telemetry(rng.normal(size=(4, 2)), "ab", environments=[0, 0, 1, 1])
    with pytest.raises(InputError, match=r"telemetry must have at least \d rows"):
        discover(pieces, "ges", max_lag=2)
