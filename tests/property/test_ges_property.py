"""What must hold of GES on any telemetry and under any prior, and what it finds where there are data enough."""

from __future__ import annotations

import numpy as np
import pytest
from awkward_tasks import tasks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_pc_separation_oracle import cpdag

from causaldisc.core.errors import InputError
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.ges_climb import Climber
from causaldisc.kernels.ges_search import knowledge_of, search, task_of
from causaldisc.runner.pipeline import discover

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def run(telemetry, prior, max_lag):
    try:
        return discover(telemetry, "ges", prior=prior, max_lag=max_lag)
    except InputError:
        return None


@SETTINGS
@given(tasks())
def test_sound_answer_that_obeys_the_prior(task):
    telemetry, prior, max_lag = task
    found = run(telemetry, prior, max_lag)
    if found is None:
        return
    found.certificate.raise_if_violated()
    assert found.graph.kind == ("lagged" if max_lag else "mpdag" if prior.clause_kinds else "cpdag")
    varying = ~telemetry.constant
    scores, own = found.scores[np.ix_(varying, varying)], np.eye(varying.sum(), dtype=bool)
    assert np.isnan(scores[:, :, 0][own]).all()
    assert not np.isinf(found.scores).any()
    if not prior.clause_kinds:
        assert np.isfinite(scores[:, :, 0][~own]).all() and np.isfinite(scores[:, :, 1:]).all()
    for edge in found.graph.edges:
        for cause, effect in edge.directions:
            i, j = found.graph.index[cause], found.graph.index[effect]
            assert varying[[i, j]].all() <= np.isfinite(found.scores[i, j, edge.lag])


@SETTINGS
@given(tasks(duplicates=False), st.randoms(use_true_random=False))
def test_the_order_of_columns_changes_nothing_at_all(task, random):
    telemetry, prior, max_lag = task
    order = list(range(len(telemetry.names)))
    random.shuffle(order)
    one, other = run(telemetry, prior, max_lag), run(telemetry.select(order), prior, max_lag)
    if one is None or other is None:
        assert one is other
        return
    assert np.array_equal(other.scores, one.scores[np.ix_(order, order)], equal_nan=True)
    assert (other.graph.codes() == one.graph.codes()[np.ix_(order, order)]).all()


@pytest.mark.parametrize("max_lag", [0, 2])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_present_edges_outrank_absent_ones(max_lag, missing):
    rng = np.random.default_rng(5)
    values = rng.normal(size=(400, 8)) @ (np.eye(8) + np.triu(rng.random((8, 8)) < 0.3, 1))
    values[rng.random(values.shape) < missing] = np.nan
    found = discover(Telemetry(values, [f"x{k}" for k in range(8)]), "ges", max_lag=max_lag)
    codes = found.graph.codes()
    rated = np.isfinite(found.scores)
    assert found.scores[rated & (codes != 0)].min() > found.scores[rated & (codes == 0)].max()
    assert (codes == 1).any()


# -- what it finds in population moments -------------------------------------------------------------------------------------


def faithful_model(rng, most=8):
    """A DAG of 2 to ``most`` nodes and its covariance, no partial correlation closer to zero than 1e-3 unless it is zero."""
    while True:
        d = int(rng.integers(2, most + 1))
        order = rng.permutation(d)
        dag = np.zeros((d, d), dtype=bool)
        dag[np.ix_(order, order)] = np.triu(rng.random((d, d)) < rng.uniform(0.2, 0.6), 1)
        weights = dag * rng.uniform(0.4, 1.2, (d, d)) * rng.choice([-1, 1], (d, d))
        inverse = np.linalg.inv(np.eye(d) - weights)
        covariance = inverse.T @ np.diag(rng.uniform(0.5, 2.0, d)) @ inverse
        if smallest_partial_correlation(covariance) > 1e-3:
            return dag, covariance


def smallest_partial_correlation(covariance):
    d, smallest = len(covariance), 1.0
    for code in range(2**d):
        chosen = np.flatnonzero((code >> np.arange(d)) & 1)
        if len(chosen) < 2:
            continue
        precision = np.linalg.inv(covariance[np.ix_(chosen, chosen)])
        scale = np.sqrt(np.diag(precision))
        partial = np.abs(precision / np.outer(scale, scale))
        smallest = min(smallest, partial[partial > 1e-9].min())
    return smallest


def class_of(dag, may=None):
    """The completed graph of a DAG."""
    d = len(dag)
    return Climber(task_of(np.eye(d), 10, 1.0, knowledge_of(d, d, may, None), d), d, dag).marks.astype(bool)


@pytest.mark.parametrize("seed", range(20))
def test_the_true_class_from_population_moments(seed):
    rng = np.random.default_rng(seed)
    for _ in range(10):
        dag, covariance = faithful_model(rng, most=10)
        found = search(covariance, 1e9).marks
        assert (found == class_of(dag)).all()
        assert (found == (cpdag(dag) > 0)).all()


@pytest.mark.parametrize("seed", range(4))
def test_knowledge_that_is_true_narrows_the_true_class(seed):
    rng = np.random.default_rng(100 + seed)
    for _ in range(10):
        dag, covariance = faithful_model(rng)
        may = dag | (rng.random(dag.shape) < 0.7)
        required = dag & (rng.random(dag.shape) < 0.2)
        found = search(covariance, 1e9, may=may & ~required.T, required=required)
        assert (found.marks == class_of(dag, may & ~required.T)).all()


@pytest.mark.parametrize("seed", range(4))
def test_clauses_that_are_wrong_hold_all_the_same(seed):
    rng = np.random.default_rng(200 + seed)
    for _ in range(10):
        dag, covariance = faithful_model(rng)
        d = len(dag)
        names = [f"x{k}" for k in range(d)]
        values = rng.multivariate_normal(np.zeros(d), covariance, size=300)
        # Every clause turns an edge of the truth around, forbids it, or demands one that is not there.
        order = [names[k] for k in rng.permutation(d)]
        edges = [(names[i], names[j]) for i, j in np.argwhere(dag)]
        rank = {name: k for k, name in enumerate(order)}
        required = [(a, b) for a, b in (*[(b, a) for a, b in edges[::3]], (order[0], order[-1])) if rank[a] < rank[b]]
        forbidden = [pair for pair in edges[1::3] if pair not in required]
        tiers = [order[: d // 2], order[d // 2 :]]
        prior = ExpertPrior(required=required, forbidden=forbidden, tiers=tiers)
        found = discover(Telemetry(values, names), "ges", prior=prior)
        assert found.certificate.ok
        assert {(e.source, e.target) for e in found.graph.edges if e.is_directed} >= set(required)
