"""Tests that are made one by one in Python: what a slow test of conditional independence needs to carry a search.

Only the question itself is left to write: whether columns x and y are independent given others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Self

import numpy as np

from causaldisc.kernels.separation import Neighbours

_LOG_10 = float(np.log(10.0))


@dataclass(frozen=True, eq=False)
class Looped(ABC):
    """Tests among M columns; see :class:`causaldisc.kernels.separation.Tests`. The statistic is -log10 of the p-value.

    What was tested once is remembered, since directions are found by the tests that found the skeleton.

    Attributes
    ----------
    columns : int[M], the columns of the data behind those that are tested.
    cause : bool[M, M], whether the column of the row may be a cause of the other.
    critical : -log10 of the level of the tests.
    known : results so far, by columns of the data.
    """

    columns: np.ndarray
    cause: np.ndarray
    critical: float
    known: dict[tuple[int, int, tuple[int, ...]], tuple[float, float] | None] = field(default_factory=dict, kw_only=True)

    @abstractmethod
    def test(self, x: int, y: int, given: tuple[int, ...]) -> tuple[float, float] | None:
        """Return (-log10 of the p-value, strength) of two columns of the data given others, None where no test can be made.

        x < y, and ``given`` ascends.
        """

    @property
    @abstractmethod
    def cost(self) -> float:
        """Time of a test, in tests on a correlation matrix."""

    def under(self, cause: np.ndarray) -> Self:
        """Return the same tests with other possible causes, bool[M, M]."""
        return replace(self, cause=cause)

    def of(self, columns: np.ndarray) -> Self:
        """Return the tests of int[K] columns, in their order, each once or more."""
        return replace(self, columns=self.columns[columns], cause=self.cause[np.ix_(columns, columns)])

    def marginal(self, variables: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return statistic, strength float[N, M] and whether there is a test bool[N, M], of the first N columns and all."""
        statistic, strength = np.zeros((2, variables, len(self.columns)))
        known = np.zeros(statistic.shape, dtype=bool)
        for j in range(variables):
            for c in range(j + 1, len(self.columns)):
                found = self._ask(j, c, ())
                for a, b in [(j, c), (c, j)] if c < variables else [(j, c)]:
                    statistic[a, b], strength[a, b] = found or (0.0, 0.0)
                    known[a, b] = found is not None
        return statistic, strength, known

    def judge(
        self,
        neighbours: Neighbours,
        pairs: np.ndarray,
        sizes: tuple[int, int],
        first: bool,
        results: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> tuple[int, bool]:
        """Test pairs given subsets of their neighbours."""
        found, holding, best = results
        made, enough = 0, False
        for k, (x, y) in enumerate(pairs.tolist()):
            sides = [self._candidates(neighbours, x, y), self._candidates(neighbours, y, x)]
            for size in range(sizes[0], sizes[1] + 1):
                if first and found[k]:
                    break
                enough |= size == sizes[1] and max(map(len, sides)) >= size
                for given in _sets(sides, size):
                    verdict = self._ask(x, y, given)
                    if verdict is None:
                        continue
                    made += 1
                    if verdict[0] < best[k, 0]:
                        best[k] = verdict
                    if verdict[0] <= self.critical:
                        found[k] += 1
                        if first:
                            break
                        holding[k, list(given)] += 1
        return made, enough

    def log_p(self, statistic: np.ndarray) -> np.ndarray:
        """Return the natural logarithm of the p-values that belong to statistics."""
        return -_LOG_10 * np.asarray(statistic)

    def _candidates(self, neighbours: Neighbours, end: int, other: int) -> list[int]:
        """The neighbours of an end at lag 0 that may stand in a set."""
        if end >= len(neighbours.starts) - 1:
            return []
        flat: Any = neighbours.flat[neighbours.starts[end] : neighbours.starts[end + 1]]
        return [z for z in flat.tolist() if z != other and (self.cause[z, end] or self.cause[z, other])]

    def _ask(self, x: int, y: int, given: tuple[int, ...]) -> tuple[float, float] | None:
        a, b = sorted((int(self.columns[x]), int(self.columns[y])))
        z = tuple(sorted(int(self.columns[c]) for c in given))
        if (a, b, z) not in self.known:
            # Columns that stand for the same column of the data are as dependent as can be; a condition on an end is no test.
            degenerate = a == b or a in z or b in z
            self.known[a, b, z] = ((np.inf, 1.0) if not z else None) if degenerate else self.test(a, b, z)
        return self.known[a, b, z]


def _sets(sides: list[list[int]], size: int) -> Iterator[tuple[int, ...]]:
    """Subsets of one size of either side, none twice."""
    yield from combinations(sides[0], size)
    if size:
        before = set(sides[0])
        yield from (chosen for chosen in combinations(sides[1], size) if not before.issuperset(chosen))
