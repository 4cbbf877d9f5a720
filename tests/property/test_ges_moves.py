"""Every move of GES against brute force: all graphs of a class, all edges, all scores, with and without knowledge."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from causaldisc.core.graph import acyclic
from causaldisc.kernels.bic import score
from causaldisc.kernels.ges_climb import Climber
from causaldisc.kernels.ges_moves import DELETE, INSERT, TURN
from causaldisc.kernels.ges_search import knowledge_of, search, task_of

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**32)
NODES = 5


def colliders(dag):
    nodes = range(len(dag))
    return {(a, b, c) for a, b, c in itertools.permutations(nodes, 3) if dag[a, b] & dag[c, b] and not dag[a, c] | dag[c, a]}


def members(dag, possible):
    """All DAGs of the skeleton and colliders of one that draw possible arrows only."""
    found = []
    for flips in itertools.product((False, True), repeat=int(dag.sum())):
        other = np.zeros_like(dag)
        for (i, j), flip in zip(np.argwhere(dag), flips, strict=True):
            other[(j, i) if flip else (i, j)] = True
        if not (other & ~possible).any() and acyclic(other) and colliders(other) == colliders(dag):
            found.append(other)
    return found


def moved(kind, dag, x, y, possible, required):
    """The DAG after a move of the edge between x and y that ends in x → y or none; None where it cannot be made."""
    after = dag.copy()
    if kind == INSERT and not dag[x, y] | dag[y, x] and possible[x, y]:
        after[x, y] = True
    elif kind == DELETE and dag[x, y] and not required[x, y]:
        after[x, y] = False
    elif kind == TURN and dag[y, x] and not required[y, x] and possible[x, y]:
        after[y, x], after[x, y] = False, True
    else:
        return None
    return after if acyclic(after) else None


def random_dag(rng, density):
    order = rng.permutation(NODES)
    dag = np.zeros((NODES, NODES), dtype=bool)
    dag[np.ix_(order, order)] = np.triu(rng.random((NODES, NODES)) < density, 1)
    return dag


def random_correlation(rng):
    noise = rng.normal(size=(NODES, NODES))
    covariance = noise @ noise.T + 0.3 * np.eye(NODES)
    scale = 1 / np.sqrt(np.diag(covariance))
    return covariance * np.outer(scale, scale)


def random_task(seed):
    """A DAG, arrows possible and required that go with it, and any correlations."""
    rng = np.random.default_rng(seed)
    dag = random_dag(rng, rng.choice([0.3, 0.5, 0.8]))
    possible, required = ~np.eye(NODES, dtype=bool), np.zeros_like(dag)
    if rng.random() < 0.75:
        possible &= dag | (rng.random(dag.shape) > rng.choice([0.1, 0.3, 0.5]))
        required = dag & (rng.random(dag.shape) < 0.2)
    return dag, possible & ~required.T, required, random_correlation(rng)


@SETTINGS
@given(SEEDS)
@example(33)  # an insertion past a path that takes a shortcut in every DAG
@example(768)
@example(690)  # a turn that needs a neighbour of the new effect among its parents
@example(1574)
def test_the_best_move_is_the_best_over_all_graphs_of_the_class(seed):
    dag, possible, required, R = random_task(seed)
    knowledge = knowledge_of(NODES, NODES, possible, required)
    graphs = members(dag, possible)
    # Insertions are free and deletions paid for, so that the best of many is asked for.
    for kind, penalty in ((INSERT, 0.0), (DELETE, 50.0), (TURN, 1.0)):
        climber = Climber(task_of(R, 100, penalty, knowledge, NODES), NODES, dag)
        assert (climber.marks == np.any(graphs, axis=0)).all()
        before = climber.local.sum()
        options = [
            (g, moved(kind, g, x, y, possible, required)) for g in graphs for x, y in itertools.permutations(range(NODES), 2)
        ]
        gains = [
            (score(R, 100.0, after, penalty) - score(R, 100.0, g, penalty)).sum() for g, after in options if after is not None
        ]
        best = max(gains, default=-np.inf)
        made = climber.climb(kind, most=1)
        assert made == (best > 1e-7)
        if made:
            assert np.isclose(climber.local.sum() - before, best)
            assert (climber.marks == np.any(members(climber.dag.astype(bool), possible), axis=0)).all()


class Watched(Climber):
    """Compares the gains of all moves with those before each move, where they were not computed anew."""

    table: np.ndarray

    def _stale(self, kind):
        rows, fresh = super()._stale(kind), self.survey(kind)
        kept = np.setdiff1d(np.arange(self.targets), rows)
        assert np.array_equal(self.table[kept], fresh[kept])
        self.table = fresh
        return rows


@SETTINGS
@given(SEEDS)
def test_gains_change_only_where_they_are_computed_anew(seed):
    rng = np.random.default_rng(seed)
    d = 12
    mixed = rng.normal(size=(60, d)) @ (np.eye(d) + (rng.random((d, d)) < 0.2))
    possible = rng.random((d, d)) < rng.choice([0.7, 1.0])
    climber = Watched(task_of(np.corrcoef(mixed.T), 60, 0.5, knowledge_of(d, d, possible, None), d), d, np.zeros((d, d)))
    for kind in (INSERT, DELETE, TURN):
        climber.table = climber.survey(kind)
        climber.climb(kind)


@SETTINGS
@given(SEEDS)
def test_graphs_of_one_class_have_one_score(seed):
    rng = np.random.default_rng(seed)
    dag, R = random_dag(rng, 0.6), random_correlation(rng)
    totals = [score(R, 200, other).sum() for other in members(dag, np.ones_like(dag))]
    assert np.allclose(totals, totals[0])


@SETTINGS
@given(SEEDS)
def test_a_search_ends_where_no_move_gains_with_the_score_that_its_graph_has(seed):
    _, possible, required, R = random_task(seed)
    found = search(R, 50, may=possible, required=required)
    assert np.allclose(found.local, score(R, 50, found.dag))
    graphs = members(found.dag, possible)
    assert (found.marks == np.any(graphs, axis=0)).all()
    assert (found.dag | ~required).all()
    for g, kind, (x, y) in itertools.product(graphs, (INSERT, DELETE, TURN), itertools.permutations(range(NODES), 2)):
        after = moved(kind, g, x, y, possible, required)
        assert after is None or score(R, 50, after).sum() <= found.local.sum() + 1e-6
