"""GES against that of causal-learn: a BIC as good or better on the same data."""

from __future__ import annotations

import numpy as np
import pytest

from causaldisc.algorithms._bridges.causallearn import run_ges
from causaldisc.kernels.bic import score
from causaldisc.kernels.ges_search import search
from causaldisc.kernels.mpdag import extend, link


def linear_sem(seed, size=10, rows=500, degree=2.0):
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.random((size, size)) < degree / (size - 1), 1) * rng.uniform(0.5, 1.5, (size, size))
    weights *= rng.choice([-1, 1], (size, size))
    values = rng.normal(size=(rows, size)) @ np.linalg.inv(np.eye(size) - weights)
    return values[:, rng.permutation(size)]


def dag_in(codes):
    """Some DAG of a CPDAG in cell codes."""
    marks = (codes > 0).astype(np.uint8)
    near, degree, dag = np.zeros(marks.shape, np.int64), np.zeros(len(marks), np.int64), np.zeros_like(marks)
    for i, j in np.argwhere(np.triu(marks | marks.T)).tolist():
        link(near, degree, i, j)
    assert extend(marks, near, degree, dag, np.empty(len(marks), np.int64))
    return dag


@pytest.mark.parametrize("degree", [2.0, 4.0])
@pytest.mark.parametrize("seed", range(6))
def test_bic_as_good_or_better(seed, degree):
    values = linear_sem(seed, degree=degree)
    R = np.corrcoef(values.T)
    ours, theirs = search(R, len(values)), run_ges(values)
    assert ours.local.sum() >= score(R, len(values), dag_in(theirs)).sum() - 1e-6
    assert np.isclose(ours.local.sum(), score(R, len(values), ours.dag).sum())


def test_their_score_is_ours_up_to_a_constant():
    from causallearn.score.LocalScoreFunction import local_score_BIC

    values = linear_sem(0)
    covariance, rows = np.cov(values.T, ddof=0), len(values)
    for parents in ([], [3], [3, 5, 8]):
        dag = np.zeros((10, 10), dtype=bool)
        dag[parents, 0] = True
        theirs = local_score_BIC(values, 0, parents) + 0.5 * rows + 0.5 * np.log(rows)
        assert np.isclose(score(covariance, rows, dag)[0], theirs)
