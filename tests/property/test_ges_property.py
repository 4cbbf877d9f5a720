"""What GES finds where there are data enough, and under knowledge, true and wrong."""

from __future__ import annotations

import numpy as np
import pytest
from test_pc_separation_oracle import cpdag

from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.ges_climb import Climber
from causaldisc.kernels.ges_search import knowledge_of, search, task_of
from causaldisc.runner.pipeline import discover


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
