"""The bar that beliefs set, the searches' equivariance under beliefs, and the graphs that directions from beliefs lead to."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import causaldisc as cd
from causaldisc.kernels.belief_directions import direct_class, direct_skeleton
from causaldisc.kernels.beliefs import adjacency, bars, bonus, critical_values, evidence, log_p_of, square_at, square_of
from causaldisc.kernels.colliders import COLLIDER, NONCOLLIDER, Triples
from causaldisc.kernels.ges_climb import Climber
from causaldisc.kernels.ges_moves import DELETE, INSERT
from causaldisc.kernels.ges_search import knowledge_of, task_of
from causaldisc.kernels.mpdag import complete, extend, link
from causaldisc.kernels.orientation import UNDIRECTED, orient
from causaldisc.kernels.separation import Neighbours

PLAIN = st.floats(0.0, 40.0)
LOGIT = st.floats(-12.0, 12.0)
ROWS = st.floats(0.0, 1e7)
# A machine that is busy elsewhere draws slowly.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


# -- the bar ---------------------------------------------------------------------------------------------------------


@CALM
@given(PLAIN, LOGIT, LOGIT, ROWS)
def test_a_stronger_belief_never_raises_the_bar(plain: float, one: float, other: float, rows: float) -> None:
    low, high = sorted((one, other))
    assert bars(plain, np.array(high), rows) <= bars(plain, np.array(low), rows) + 1e-9


@CALM
@given(PLAIN, LOGIT, ROWS)
def test_even_odds_leave_the_bar_and_small_ones_nearly(plain: float, logit: float, rows: float) -> None:
    assert bars(plain, np.array(0.0), rows) == plain
    for tiny in (1e-9, -1e-9):
        assert abs(bars(plain, np.array(tiny), rows) - plain) < 1e-6
    nearby = bars(plain, np.array([logit, logit + 1e-7]), rows)
    assert abs(np.diff(nearby)[0]) < 1e-6


@CALM
@given(PLAIN, LOGIT, ROWS, ROWS)
def test_belief_lowers_doubt_raises_and_rows_take_belief_back(plain: float, logit: float, some: float, more: float) -> None:
    few, many = np.sort([some, more])
    at = bars(plain, np.full(3, logit), np.array([few, many, 1e300]))
    if logit > 0:
        assert 0.0 <= at[0] <= at[1] + 1e-9 <= plain + 2e-9 and at[2] == plain
    elif logit < 0:
        assert at[0] == at[1] == at[2] >= plain
        # Evidence that has the odds of the doubt against it comes through.
        assert np.isclose(evidence(at[0]), evidence(plain) - logit)


@CALM
@given(st.lists(st.tuples(LOGIT, ROWS), min_size=1, max_size=8), PLAIN, st.randoms(use_true_random=False))
def test_each_pair_is_judged_for_itself(pairs: list[tuple[float, float]], plain: float, shuffle: Any) -> None:
    logits, rows = np.array(pairs).T
    order = np.random.default_rng(len(pairs)).permutation(len(pairs))
    assert np.array_equal(bars(plain, logits, rows)[order], bars(plain, logits[order], rows[order]))
    assert np.array_equal(bars(plain, logits, rows), [bars(plain, a, n) for a, n in zip(logits, rows, strict=True)])


@CALM
@given(st.floats(0.0, 1e6))
def test_scales_go_back_and_forth(square: float) -> None:
    assert np.isclose(square_of(evidence(square)), square, rtol=1e-9, atol=1e-9)
    assert np.isclose(square_at(log_p_of(square)), square, rtol=1e-6, atol=1e-6)


@CALM
@given(st.lists(LOGIT, min_size=1, max_size=6), st.floats(1.0, 5.0), st.floats(10.0, 1e5))
def test_the_bar_of_a_test_is_that_of_its_p_value(logits: list[float], critical: float, rows: float) -> None:
    """Whatever the scale of a statistic: here of -log10 p, as of tables, beside that of abs(z)."""
    said, many = np.array(logits), np.full(len(logits), rows)
    z = critical_values(lambda x: log_p_of(x**2), critical, said, many)
    tables = critical_values(lambda x: -x * np.log(10.0), -log_p_of(critical**2).item() / np.log(10.0), said, many)
    assert np.allclose(log_p_of(z**2), -tables * np.log(10.0), rtol=1e-6, atol=1e-9)
    assert (z[said == 0] == critical).all()


# -- the score -------------------------------------------------------------------------------------------------------


def correlations(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.asarray(
        np.corrcoef(rng.normal(size=(60, size)) @ (np.eye(size) + 0.4 * rng.normal(size=(size, size))), rowvar=False)
    )


@settings(CALM, max_examples=25)
@given(st.integers(0, 10**6))
def test_gains_of_moves_are_those_of_the_score_with_its_bonus(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth = np.triu(bonus(2.0, rng.choice([-3.0, 0.0, 3.0], size=(5, 5)), 60.0), 1)
    task = task_of(correlations(rng, 5), 60, 1.0, knowledge_of(5, 5, None, None), 5, None, worth + worth.T)
    climber = Climber(task, 5, np.zeros((5, 5), dtype=bool))
    for kind in (INSERT, INSERT, INSERT, DELETE):
        promised = climber.survey(kind).max()
        before = climber.local.sum()
        if climber.climb(kind, most=1):
            assert np.isclose(climber.local.sum() - before, promised) or kind != INSERT
            assert climber.local.sum() > before
        else:
            assert promised <= climber.tolerance or kind == INSERT
    again = np.empty(5)
    climber._rescore(climber.dag, np.arange(5), again)
    assert np.allclose(again, climber.local)


# -- directions ------------------------------------------------------------------------------------------------------


def completed(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A random DAG and the completed graph of its class."""
    order = rng.permutation(size)
    dag = np.zeros((size, size), dtype=np.uint8)
    for a in range(size):
        for b in range(a + 1, size):
            dag[order[a], order[b]] = rng.random() < 0.45
    near, degree = np.zeros((size, size), np.int64), np.zeros(size, np.int64)
    for i, j in np.argwhere(dag).tolist():
        link(near, degree, i, j)
    marks, sorted_ = np.zeros_like(dag), np.zeros(size, np.int64)
    whole = dag.copy()
    extend(whole, near, degree, dag, sorted_)
    complete(dag, sorted_, near, degree, np.ones((size, size), np.uint8), marks)
    return dag.astype(bool), marks.astype(bool)


def colliders(arrows: np.ndarray, skeleton: np.ndarray) -> set[tuple[int, int, int]]:
    size = len(arrows)
    return {
        (i, k, j)
        for k in range(size)
        for i in range(size)
        for j in range(i)
        if arrows[i, k] and arrows[j, k] and not skeleton[i, j]
    }


def judged(marks: np.ndarray) -> tuple[np.ndarray, Triples]:
    """Codes of a completed graph, and its triples judged as an oracle does."""
    skeleton = marks | marks.T
    codes = np.where(marks & marks.T, UNDIRECTED, marks).astype(np.int8)
    flat, starts = Neighbours.of(np.argwhere(np.triu(skeleton)), len(marks))
    kinds = []
    for z in range(len(marks)):
        around = flat[starts[z] : starts[z + 1]]
        for x in around:
            for y in around:
                into = marks[x, z] and marks[y, z] and not marks[z, x] and not marks[z, y]
                kinds.append(0 if x == y or skeleton[x, y] else COLLIDER if into else NONCOLLIDER)
    offsets = np.concatenate([[0], np.cumsum(np.diff(starts) ** 2)])
    return codes, Triples(flat, starts, np.array(kinds, np.int8), offsets, 0, True)


@settings(CALM, max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 7))
def test_beliefs_lead_to_members_of_the_class(seed: int, size: int) -> None:
    """By both ways: same skeleton and colliders, no cycle, no arrow turned, and the same graph."""
    rng = np.random.default_rng(seed)
    _, marks = completed(rng, size)
    worth = np.triu(rng.normal(size=(size, size)) * (rng.random((size, size)) < 0.7), 1)
    worth = worth - worth.T
    after, turned = direct_class(marks, worth, np.ones((size, size), np.uint8))
    codes, triples = judged(marks)
    settled, also = direct_skeleton(codes, worth, triples)
    directed = after & ~after.T
    assert ((settled == 1) == directed).all() and (also == turned).all()
    assert ((after | after.T) == (marks | marks.T)).all()
    assert (directed[marks & ~marks.T]).all()
    assert colliders(directed, marks | marks.T) == colliders(marks & ~marks.T, marks | marks.T)
    assert not np.linalg.matrix_power(directed.astype(int), size).any()
    assert (orient(settled, triples) == settled).all()
    strongest = np.unravel_index(np.argmax(np.where(marks & marks.T, worth, -np.inf)), worth.shape)
    if worth[strongest] > 0 and (marks & marks.T)[strongest]:
        assert directed[strongest]


@CALM
@given(st.integers(0, 10**6))
def test_adjacency_does_not_depend_on_the_order_of_variables(seed: int) -> None:
    rng = np.random.default_rng(seed)
    said, allowed = rng.normal(size=(4, 4, 3)) * (rng.random((4, 4, 3)) < 0.5), rng.random((4, 4, 3)) < 0.7
    turn = np.ix_(*(rng.permutation(4),) * 2)
    assert np.array_equal(adjacency(said, allowed)[turn], adjacency(said[turn], allowed[turn]))


# -- the searches ----------------------------------------------------------------------------------------------------


@functools.cache
def told(name: str) -> cd.Telemetry:
    lag: dict[str, Any] = {"max_lag": 1} if name.startswith("pcmci") else {}
    source = "var" if lag else "sem"
    return cd.simulate(source, seed=4, n_variables=7, n_samples=150, trials=0, **lag).telemetry


@settings(CALM, max_examples=12)
@given(st.sampled_from(["pc", "ges", "pcmci", "pcmci_plus"]), st.integers(0, 10**6))
def test_columns_may_stand_anywhere(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = told(name)
    pairs = rng.permutation([(a, b) for a in data.names for b in data.names if a != b])[:5]
    beliefs = [
        {"source": str(a), "target": str(b), "probability": float(p)} for (a, b), p in zip(pairs, rng.random(5), strict=True)
    ]
    lag: dict[str, Any] = {"max_lag": 1} if name.startswith("pcmci") else {}
    turn = rng.permutation(7)

    def ends(edge: cd.Edge) -> tuple[str, ...]:
        both = (edge.source, edge.target)
        return both if edge.is_directed else tuple(sorted(both))

    def graph(columns: np.ndarray) -> set[tuple[Any, ...]]:
        some = cd.Telemetry(data.values[:, columns], [data.names[k] for k in columns])
        moved = cd.discover(some, name, prior=cd.ExpertPrior(beliefs=beliefs), bootstrap=0, **lag)
        return {(*ends(e), e.lag, e.target_mark, e.evidence) for e in moved.graph.edges}

    assert graph(turn) == graph(np.arange(7))
