"""The order search: valid orders, never worse than the start, and the best order where all can be tried."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.algorithms._orders import best_order, random_order, reachable


@st.composite
def dags(draw: st.DrawFn, most: int = 6) -> np.ndarray:
    n = draw(st.integers(1, most))
    order = draw(st.permutations(range(n)))
    upper = np.triu(np.array(draw(st.lists(st.booleans(), min_size=n * n, max_size=n * n))).reshape(n, n), k=1)
    return upper[np.ix_(order, order)]


def obeys(order: list[int], must: np.ndarray) -> bool:
    place = np.argsort(order)
    return sorted(order) == list(range(len(must))) and all(place[i] < place[j] for i, j in np.argwhere(must))


@given(dags(), st.integers(0, 2**32 - 1))
def test_random_orders_run_forward(must: np.ndarray, seed: int) -> None:
    assert obeys(random_order(must, np.random.default_rng(seed)), must)


@given(dags())
def test_reachable_is_the_sum_of_powers(must: np.ndarray) -> None:
    powers = sum(np.linalg.matrix_power(must.astype(int), k) for k in range(1, len(must) + 1))
    assert (reachable(must) == (powers > 0)).all()


def problem(seed: int, n: int):
    """Local scores of random parent gains, and the best that each set of predecessors offers."""
    gain = np.random.default_rng(seed).normal(size=(n, n))

    def best(node: int, earlier: frozenset[int]) -> float:
        return float(sum(max(gain[p, node], 0.0) for p in earlier))

    def total(order) -> float:
        return sum(best(node, frozenset(order[:k])) for k, node in enumerate(order))

    return best, total


@settings(max_examples=60, deadline=None)
@given(dags(5), st.integers(0, 2**32 - 1))
def test_search_obeys_and_never_loses(must: np.ndarray, seed: int) -> None:
    n, before = len(must), reachable(must)
    best, total = problem(seed, n)
    start = random_order(must, np.random.default_rng(seed))
    found = best_order(start, best, ~np.eye(n, dtype=bool), before, lambda: False)
    assert obeys(found, must) and total(found) >= total(start) - 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_search_from_every_start_meets_the_best_order(seed: int) -> None:
    best, total = problem(seed, 4)
    none = np.zeros((4, 4), dtype=bool)
    found = [best_order(s, best, ~np.eye(4, dtype=bool), none, lambda: False) for s in permutations(range(4))]
    assert abs(max(map(total, found)) - max(map(total, permutations(range(4))))) < 1e-9


def test_gain_of_a_walk_is_the_difference_of_totals() -> None:
    best, total = problem(1, 5)
    start = [0, 1, 2, 3, 4]
    found = best_order(start, best, ~np.eye(5, dtype=bool), np.zeros((5, 5), dtype=bool), lambda: False, sweeps=1)
    assert total(found) > total(start)


def test_a_stopped_search_returns_its_start() -> None:
    best, _ = problem(1, 5)
    start = [3, 1, 4, 0, 2]
    assert best_order(start, best, ~np.eye(5, dtype=bool), np.zeros((5, 5), dtype=bool), lambda: True) == start
