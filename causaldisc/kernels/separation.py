"""Search for separating sets: pairs of columns tested given subsets of their neighbours, by any test.

There are N variables and M = N * (L + 1) columns; column ``lag * N + i`` is variable i at t - lag.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np

# Tests in a portion of work, if on a correlation matrix: what is done between two looks at the clock, and what a thread takes
# at a time.
_PORTION = 2e5


class Tests(Protocol):
    """A kind of test of conditional independence, on data summed up beforehand.

    Attributes
    ----------
    cause : bool[M, M], whether the column of the row may be a cause of the other; True everywhere without a prior.
    critical : a pair is dependent where its statistic is larger; a field that :func:`dataclasses.replace` can change.
    cost : how many tests on a correlation matrix take as long as one of these, roughly.
    """

    @property
    def cause(self) -> np.ndarray:
        """bool[M, M], possible causes."""
        ...

    @property
    def critical(self) -> float:
        """The largest statistic of independence."""
        ...

    @property
    def cost(self) -> float:
        """Time of a test, in tests on a correlation matrix."""
        ...

    def under(self, cause: np.ndarray) -> Tests:
        """Return the same tests with other possible causes, bool[M, M]."""
        ...

    def of(self, columns: np.ndarray) -> Tests:
        """Return the tests of int[K] columns, in their order, each once or more."""
        ...

    def marginal(self, variables: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Test the first N columns against all, given nothing.

        Returns ``(statistic, strength, known)``, [N, M] each: 0 and False where no test can be made.
        """
        ...

    def judge(
        self,
        neighbours: Neighbours,
        pairs: np.ndarray,
        sizes: tuple[int, int],
        first: bool,
        results: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> tuple[int, bool]:
        """Test pairs as :func:`separate` says and fill their ``(found, holding, best)``, without the lock of the interpreter.

        Returns the number of tests, and whether any pair had neighbours enough for the largest sets.
        """
        ...

    def log_p(self, statistic: np.ndarray) -> np.ndarray:
        """Return the natural logarithm of the p-values that belong to statistics."""
        ...


class Neighbours(NamedTuple):
    """The neighbours of every variable at lag 0: columns ``flat[starts[j]:starts[j + 1]]``, ascending."""

    flat: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, pairs: np.ndarray, variables: int) -> Neighbours:
        """Arrange adjacent pairs, each a variable at lag 0 and a column; those of lag 0 once.

        >>> Neighbours.of(np.array([[0, 1], [0, 2], [1, 3]]), 3).flat.tolist()
        [1, 2, 0, 3, 0]
        """
        now = pairs[pairs[:, 1] < variables]
        ends, others = np.concatenate([pairs[:, 0], now[:, 1]]), np.concatenate([pairs[:, 1], now[:, 0]])
        columns = int(others.max(initial=0)) + 1
        starts = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=variables))])
        return cls(np.sort(ends * columns + others) % columns, starts)

    @property
    def degrees(self) -> np.ndarray:
        """int[N], how many neighbours each variable has."""
        return np.diff(self.starts)


class Verdicts(NamedTuple):
    """What became of K pairs.

    Attributes
    ----------
    found : int[K], separating sets found.
    holding : int[K, M], those that hold a column (not counted, so empty, where the first set ends the search).
    statistic, strength : float[K], the smallest statistic over all tests of the pair, and the strength in that test.
    tests : tests made.
    enough : whether any pair had neighbours enough for the largest sets.
    complete : whether there was time for all pairs.
    """

    found: np.ndarray
    holding: np.ndarray
    statistic: np.ndarray
    strength: np.ndarray
    tests: int
    enough: bool
    complete: bool


def never() -> bool:
    """The clock of a search without a deadline."""
    return False


def separate(
    tests: Tests,
    neighbours: Neighbours,
    pairs: np.ndarray,
    sizes: tuple[int, int],
    first: bool,
    before: tuple[np.ndarray, np.ndarray],
    expired: Callable[[], bool] = never,
    critical: np.ndarray | None = None,
) -> Verdicts:
    """Test pairs given all subsets, of some sizes, of the neighbours of either end.

    The neighbours of an end count only where it is at lag 0: the window does not show all neighbours of an earlier one. A
    set may hold no column that can be a cause of neither end (one that tiers or time put after both), and none is tested
    twice. A set that is singular, or that leaves an end no variance or the test no degree of freedom, separates nothing.
    Portions of the pairs are shared out among threads; each pair is judged for itself, so that changes nothing.

    Parameters
    ----------
    pairs : int[K, 2], each a variable at lag 0 and a column.
    sizes : smallest and largest size of a set.
    first : stop at the first separating set of a pair.
    before : statistic and strength, float[K] each, of the tests made of the pairs before.
    expired : asked now and then whether to stop; pairs not reached have no separating set.
    critical : float[K], the largest statistic of independence of each pair; None = that of the tests.
    """
    if critical is not None and (critical != tests.critical).any():
        return _apart(tests, neighbours, pairs, sizes, first, before, expired, critical)
    found = np.zeros(len(pairs), np.int64)
    holding = np.zeros((0 if first else len(pairs), len(tests.cause)), np.int32)
    best = np.stack(before, axis=1)

    def work(part: slice) -> tuple[int, bool] | None:
        if expired():
            return None
        return tests.judge(neighbours, pairs[part], sizes, first, (found[part], holding[part], best[part]))

    done = _share_out(work, _portions(neighbours.degrees, pairs, sizes, _PORTION / tests.cost))
    made = [result for result in done if result is not None]
    enough = any(deep for _, deep in made)
    return Verdicts(found, holding, best[:, 0], best[:, 1], sum(n for n, _ in made), enough, len(made) == len(done))


def _apart(
    tests: Tests,
    neighbours: Neighbours,
    pairs: np.ndarray,
    sizes: tuple[int, int],
    first: bool,
    before: tuple[np.ndarray, np.ndarray],
    expired: Callable[[], bool],
    critical: np.ndarray,
) -> Verdicts:
    """Test the pairs of each critical value by themselves, with the same tests at that value."""
    kind: Any = tests
    found, holding = np.zeros(len(pairs), np.int64), np.zeros((0 if first else len(pairs), len(tests.cause)), np.int32)
    statistic, strength = np.array(before[0]), np.array(before[1])
    made, enough, complete = 0, False, True
    for value in np.unique(critical):
        mine = np.flatnonzero(critical == value)
        own = (before[0][mine], before[1][mine])
        part = separate(replace(kind, critical=float(value)), neighbours, pairs[mine], sizes, first, own, expired)
        found[mine], statistic[mine], strength[mine] = part.found, part.statistic, part.strength
        if not first:
            holding[mine] = part.holding
        made, enough, complete = made + part.tests, enough or part.enough, complete and part.complete
    return Verdicts(found, holding, statistic, strength, made, enough, complete)


def _share_out(work: Callable[[slice], tuple[int, bool] | None], parts: list[slice]) -> list[tuple[int, bool] | None]:
    # The number that NUMBA_NUM_THREADS sets, read without starting numba's own threads.
    settings: Any = importlib.import_module("numba.core.config")
    threads = min(len(parts), int(settings.NUMBA_NUM_THREADS))
    if threads <= 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def _portions(degrees: np.ndarray, pairs: np.ndarray, sizes: tuple[int, int], most: float) -> list[slice]:
    """Slices of the pairs that each need so many tests at most (or are one pair)."""
    widest = int(degrees.max(initial=0))
    subsets = np.array([sum(math.comb(d, s) for s in range(sizes[0], sizes[1] + 1)) for d in range(widest + 1)], dtype=float)
    if 2 * len(pairs) * subsets[-1] <= most:
        return [slice(0, len(pairs))] if len(pairs) else []
    j, c = pairs.T
    at_zero = c < len(degrees)
    cost = subsets[degrees[j]] + np.where(at_zero, subsets[degrees[np.where(at_zero, c, 0)]], 0.0)
    portion = np.cumsum(cost) // most
    ends = [*(np.flatnonzero(np.diff(portion)) + 1).tolist(), len(pairs)]
    return [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]
