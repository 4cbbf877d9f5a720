"""GIES from exact moments of every regime: the true interventional class, found by listing its members without any rule.

Two DAGs are equivalent under interventions with known targets if they have the same skeleton and colliders, and the same skeleton
once the arrows into the targets of each intervention are cut (Hauser & Bühlmann 2012, theorem 10). With mechanisms that change
instead (and rows without intervention) the classes are the same (Yang, Katcoff & Uhler 2018).
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from test_ges_property import faithful_model

from causaldisc.core.graph import acyclic
from causaldisc.kernels.ges_moves import POSSIBLE, REQUIRED
from causaldisc.kernels.gies_search import search
from causaldisc.kernels.regimes import Regimes, score

ROWS = 1e9


def colliders(dag):
    d = len(dag)
    return {(a, b, c) for b in range(d) for a, c in combinations(np.flatnonzero(dag[:, b]), 2) if not (dag[a, c] or dag[c, a])}


def cut(dag, targets):
    """The skeleton that is left of a DAG when its targets are held."""
    left = np.array(dag)
    left[:, list(targets)] = False
    return left | left.T


def equivalent(dag, family):
    """All DAGs that no data under these interventions tell apart from one."""
    edges, found = np.argwhere(dag), []
    wanted, skeletons = colliders(dag), [cut(dag, targets) for targets in family]
    for flips in product((False, True), repeat=len(edges)):
        other = np.zeros_like(dag)
        for (i, j), flip in zip(edges, flips, strict=True):
            other[(j, i) if flip else (i, j)] = True
        same = colliders(other) == wanted and all((cut(other, t) == s).all() for t, s in zip(family, skeletons, strict=True))
        if same and acyclic(other):
            found.append(other)
    return found


def mechanisms(dag, covariance):
    """Weights and noise variances of the linear model of a DAG with this covariance."""
    weights, variances = np.zeros(dag.shape), np.diag(covariance).copy()
    for j in range(len(dag)):
        p = np.flatnonzero(dag[:, j])
        if len(p):
            weights[p, j] = np.linalg.solve(covariance[np.ix_(p, p)], covariance[p, j])
            variances[j] -= covariance[j, p] @ weights[p, j]
    return weights, variances


def random_family(rng, d, observed):
    """Targets of one to three interventions; every variable is free in some regime."""
    while True:
        family = [()] if observed else []
        for _ in range(int(rng.integers(1, 4))):
            targets = tuple(sorted(rng.choice(d, int(rng.integers(1, min(d, 3) + 1)), replace=False).tolist()))
            if targets not in family:
                family.append(targets)
        if all(any(j not in targets for targets in family) for j in range(d)):
            return family


def moments_of(rng, dag, covariance, family, held):
    """Exact moments of every regime; the targets of ``held[r]`` are set at random or to one value, other targets change."""
    d, regimes = len(dag), len(family)
    weights, variances = mechanisms(dag, covariance)
    means, scatter = np.zeros((regimes, d + regimes)), np.zeros((regimes, d + regimes, d + regimes))
    counts, offset = np.ones((regimes, d), np.uint8), rng.normal(size=d)
    for r, targets in enumerate(family):
        w, v, shift = weights.copy(), variances.copy(), offset.copy()
        for j in targets:
            shift[j] += 2 * rng.normal()
            if held[r]:
                w[:, j], counts[r, j] = 0.0, 0
                # One value alone tells nothing of what it does, unless there are others to compare with.
                v[j] = rng.choice([0.0 if () in family else 1.0, rng.uniform(0.5, 2.0)])
            else:
                w[:, j] *= rng.uniform(0.3, 1.8, size=d)
                v[j] *= rng.choice([0.4, 2.5])
        inverse = np.linalg.inv(np.eye(d) - w)
        means[r, :d], scatter[r, :d, :d] = shift @ inverse, ROWS * inverse.T @ np.diag(v) @ inverse
    context = np.array([d + r if targets else -1 for r, targets in enumerate(family)])
    return Regimes(np.full(regimes, ROWS), means, scatter, np.arange(regimes), np.zeros(regimes, int), context, counts)


def told(d, family, held):
    """What is known before the search: the targets of what was held, and that anything else may have changed."""
    knowledge = np.zeros((d + len(family),) * 2, np.uint8)
    knowledge[:d, :d] = POSSIBLE * ~np.eye(d, dtype=bool)
    for r, targets in enumerate(family):
        if held[r]:
            knowledge[d + r, list(targets)] = REQUIRED
        elif targets:
            knowledge[d + r, :d] = POSSIBLE
    return knowledge


def check(rng, observed, soft):
    """Search one random system; returns whether interventions directed any edge that observation alone would not."""
    dag, covariance = faithful_model(rng, most=6)
    d, family = len(dag), random_family(rng, len(dag), observed)
    held = rng.random(len(family)) >= soft
    found = search(moments_of(rng, dag, covariance, family, held), told(d, family, held))
    members = equivalent(dag, family)
    assert found.marks[:d, :d].tolist() == np.any(members, axis=0).tolist()
    targets = np.zeros((len(family), d), dtype=bool)
    for r, chosen in enumerate(family):
        targets[r, list(chosen)] = True
    assert (found.marks[d:, :d] == targets).all(), "targets that were not told are found, too"
    return len(members) < len(equivalent(dag, [()]))


@pytest.mark.parametrize("block", range(8))
def test_the_true_interventional_class_from_exact_moments(block):
    rng = np.random.default_rng([11, block])
    assert sum(check(rng, observed=True, soft=0.0) for _ in range(25)) > 5


@pytest.mark.parametrize("block", range(4))
def test_the_true_class_without_any_row_free_of_intervention(block):
    rng = np.random.default_rng([12, block])
    assert sum(check(rng, observed=False, soft=0.0) for _ in range(25)) > 5


@pytest.mark.parametrize("block", range(4))
def test_targets_that_nobody_told_are_learned(block):
    rng = np.random.default_rng([13, block])
    assert sum(check(rng, observed=True, soft=1.0) for _ in range(25)) > 5


@pytest.mark.parametrize("block", range(4))
def test_the_true_class_where_some_targets_are_told(block):
    rng = np.random.default_rng([14, block])
    assert sum(check(rng, observed=True, soft=0.5) for _ in range(25)) > 5


@pytest.mark.parametrize("seed", range(20))
def test_members_of_one_class_score_the_same_and_others_less(seed):
    rng = np.random.default_rng([15, seed])
    dag, covariance = faithful_model(rng, most=5)
    d, family = len(dag), random_family(rng, len(dag), observed=True)
    held = rng.random(len(family)) < 0.5
    regimes = moments_of(rng, dag, covariance, family, held)

    def total(graph):
        full = np.zeros((d + len(family),) * 2, dtype=bool)
        full[:d, :d] = graph
        for r, targets in enumerate(family):
            full[d + r, list(targets)] = True
        return score(regimes, full, 10.0).sum()

    members = equivalent(dag, family)
    best = total(dag)
    assert np.allclose([total(m) for m in members], best, atol=1e-4)
    inside = {m.tobytes() for m in members}
    assert all(total(m) < best - 1.0 for m in equivalent(dag, [()]) if m.tobytes() not in inside)
