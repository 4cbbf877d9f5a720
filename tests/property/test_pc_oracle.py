"""PC against the truth: with population correlations it must return exactly what the equivalence class has in common.

The expected graph is found by listing every acyclic orientation of the skeleton with the same unshielded colliders that
the prior admits: no orientation rule is used, so a mistake in Meek's rules cannot hide.
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from causaldisc.core.constraints import Constraints
from causaldisc.core.graph import CausalGraph, acyclic
from causaldisc.core.prior import ExpertPrior
from causaldisc.kernels.duplicates import Groups
from causaldisc.kernels.fisher import Fisher, critical_value
from causaldisc.kernels.pc import Evidence, learn

ROWS = 1e15  # so many that a near-cancellation of paths is seen as well
NAMES = [f"v{k}" for k in range(8)]


def random_weights(rng, d, share):
    weights = rng.uniform(0.4, 1.2, (d, d)) * rng.choice([-1, 1], (d, d))
    weights *= np.triu(rng.random((d, d)) < share, 1)
    order = rng.permutation(d)
    return weights[np.ix_(order, order)]


def as_correlation(covariance):
    scale = 1 / np.sqrt(np.diag(covariance))
    R = covariance * np.outer(scale, scale)
    R = (R + R.T) / 2
    np.fill_diagonal(R, 1.0)
    return R


def population(weights):
    inverse = np.linalg.inv(np.eye(len(weights)) - weights)
    return as_correlation(inverse.T @ inverse)


def evidence_of(R, d):
    n = np.full(R.shape, ROWS)
    fisher = Fisher(R, n, np.ones(R.shape, dtype=bool), critical_value(0.01))
    return Evidence(R, n, Groups(np.arange(d), np.arange(d)), fisher, 0.0)


def colliders(dag, into):
    """Unshielded colliders of a DAG at lag 0; ``into[z]`` are lagged parents of z, ``beside[y]`` those of y."""
    d = len(dag)
    adjacent = dag | dag.T
    found = {(x, z, y) for z in range(d) for x, y in combinations(np.flatnonzero(dag[:, z]), 2) if not adjacent[x, y]}
    found |= {(c, z, y) for z in range(d) for y in np.flatnonzero(dag[:, z]) for c in into[z] - into[y]}
    return found


def common_to_class(dag, into, allowed, required):
    """Cell codes of the edges at lag 0, over all members of the equivalence class that the prior admits."""
    edges = [(i, j) for i, j in zip(*np.nonzero(dag), strict=True)]
    wanted, members = colliders(dag, into), []
    for flips in product((False, True), repeat=len(edges)):
        other = np.zeros_like(dag)
        for (i, j), flip in zip(edges, flips, strict=True):
            other[(j, i) if flip else (i, j)] = True
        if (other & ~allowed).any() or (required & ~other).any():
            continue
        if acyclic(other) and colliders(other, into) == wanted:
            members.append(other)
    everywhere, somewhere = np.all(members, axis=0), np.any(members, axis=0)
    return np.where(everywhere, 1, np.where(somewhere, 2, 0))


def true_prior(rng, weights):
    """Clauses that the true DAG obeys: some required edges, some forbidden ones, and tiers now and then."""
    d, dag = len(weights), weights != 0
    edges, absent = np.argwhere(dag), np.argwhere(~dag & ~np.eye(d, dtype=bool))
    required = [(NAMES[i], NAMES[j]) for i, j in edges if rng.random() < 0.2]
    forbidden = [(NAMES[i], NAMES[j]) for i, j in absent if rng.random() < 0.25]
    tiers = []
    if rng.random() < 0.4:
        order, left = [], list(range(d))
        while left:
            node = next(k for k in left if not dag[left, k].any())
            order.append(NAMES[node])
            left.remove(node)
        cut = int(rng.integers(1, d))
        tiers = [order[:cut], order[cut:]]
    return ExpertPrior(required=required, forbidden=forbidden, tiers=tiers)


def small_dag(rng):
    while True:
        d = int(rng.integers(2, 9))
        weights = random_weights(rng, d, min(1.0, rng.uniform(1.0, 3.0) / (d - 1)))
        if 0 < (weights != 0).sum() <= 11:
            return weights


@pytest.mark.parametrize("block", range(6))
def test_true_cpdag_from_population_correlations(block):
    rng = np.random.default_rng([1, block])
    for _ in range(25):
        weights = small_dag(rng)
        d = len(weights)
        limits = Constraints.of(ExpertPrior(), NAMES[:d], 0)
        found = learn(evidence_of(population(weights), d), limits.allowed, limits.pin)
        free = ~np.eye(d, dtype=bool)
        expected = common_to_class(weights != 0, [set()] * d, free, ~free & free)
        assert found.codes[:, :, 0].tolist() == expected.tolist()
        CausalGraph.from_codes(NAMES[:d], found.codes, kind="cpdag")


@pytest.mark.parametrize("block", range(6))
def test_true_mpdag_under_a_true_prior(block):
    rng = np.random.default_rng([2, block])
    turned = 0
    for _ in range(20):
        weights = small_dag(rng)
        d = len(weights)
        limits = Constraints.of(true_prior(rng, weights), NAMES[:d], 0)
        required = np.zeros((d, d), dtype=bool)
        for i, j, _window in limits.required:
            required[i, j] = True
        found = learn(evidence_of(population(weights), d), limits.allowed, limits.pin)
        expected = common_to_class(weights != 0, [set()] * d, limits.allowed[:, :, 0], required)
        assert found.codes[:, :, 0].tolist() == expected.tolist()
        plain = common_to_class(weights != 0, [set()] * d, ~np.eye(d, dtype=bool), np.zeros_like(required))
        turned += (plain != expected).any()
    assert turned > 0  # the priors do say something


def stationary(now, past):
    """Population correlations of lags 0..L of x(t) = past[k] x(t - 1 - k) + now x(t) + noise; weights are [cause, effect]."""
    d, lags = len(now), len(past)
    inverse = np.linalg.inv(np.eye(d) - now)
    # One step more than the window, so that the block of lags 0..L can be read off.
    steps = lags + 1
    companion = np.zeros((d * steps, d * steps))
    for k, block in enumerate(past):
        companion[:d, d * k : d * (k + 1)] = (block @ inverse).T
    companion[d:, : d * (steps - 1)] = np.eye(d * (steps - 1))
    if np.abs(np.linalg.eigvals(companion)).max() > 0.9:
        return None
    noise = np.zeros_like(companion)
    noise[:d, :d] = inverse.T @ inverse
    return as_correlation(solve_discrete_lyapunov(companion, noise))


@pytest.mark.parametrize("block", range(4))
def test_true_lagged_graph_from_population_correlations(block):
    rng = np.random.default_rng([3, block])
    checked = 0
    while checked < 8:
        d, lags = int(rng.integers(2, 5)), int(rng.integers(1, 3))
        now = random_weights(rng, d, 0.5)
        past = [rng.uniform(0.25, 0.6, (d, d)) * rng.choice([-1, 1], (d, d)) * (rng.random((d, d)) < 0.3) for _ in range(lags)]
        R = stationary(now, past)
        if R is None:
            continue
        checked += 1
        limits = Constraints.of(ExpertPrior(), NAMES[:d], lags)
        found = learn(evidence_of(R, d), limits.allowed, limits.pin)
        truth = np.stack(past, axis=2) != 0
        assert (found.codes[:, :, 1:] == 1).tolist() == truth.tolist()
        into = [{(int(i), int(k)) for i, k in np.argwhere(truth[:, z])} for z in range(d)]
        free = ~np.eye(d, dtype=bool)
        assert found.codes[:, :, 0].tolist() == common_to_class(now != 0, into, free, ~free & free).tolist()
