"""Fisher's z test with test-wise deletion: every test uses all rows in which each of its columns is recorded.

Correlations by available pairs may come from as many different samples as there are pairs, and together need not be those
of any; here each test has one sample, and its number of rows. Sums over that sample are the sums over all rows less those of
the rows left out, so a test takes as long as its columns have gaps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.fisher import LARGEST, PIVOT, Fisher, critical_value
from causaldisc.kernels.inner import inner
from causaldisc.kernels.moments import _standardised, pairwise_correlation
from causaldisc.kernels.separation import Neighbours
from causaldisc.kernels.subsets import LARGE, SIZE, begin, next_set, record, walk_over

# Variance left of a column in the rows of a test, relative to all that it has, below which it counts as constant there.
_CONSTANT = 1e-12


class Rows(NamedTuple):
    """Columns with gaps, and sums over all rows; 0.0 stands for a missing value.

    Attributes
    ----------
    values : float64[T, M], of one scale.
    gaps, starts : int64[G], int64[M + 1]: column c is missing in the rows ``gaps[starts[c]:starts[c + 1]]``.
    strata : int64[T], the environment of each row, 0 to E - 1; each has means of its own.
    counts : float64[E], rows of each.
    products, sums : float64[M, M] and float64[E, M], sums of products and of values over all rows.
    """

    values: np.ndarray
    gaps: np.ndarray
    starts: np.ndarray
    strata: np.ndarray
    counts: np.ndarray
    products: np.ndarray
    sums: np.ndarray


@dataclass(frozen=True, eq=False)
class Testwise:
    """Fisher's z, two-sided, each test on its own rows; see :class:`causaldisc.kernels.separation.Tests`.

    The statistic is abs(z), the strength the partial correlation. A test cannot be made where a column is constant or
    determined by others in the rows left, or where they leave no degree of freedom.

    Attributes
    ----------
    rows : the columns.
    R, n : float[M, M], correlations by available pairs, and the rows behind them: what test-wise deletion gives two columns.
    cause : bool[M, M], whether the column of the row may be a cause of the other.
    critical : two-sided critical value of the standard normal.
    """

    rows: Rows
    R: np.ndarray
    n: np.ndarray
    cause: np.ndarray
    critical: float

    # Not a class of tests to collect.
    __test__ = False

    @classmethod
    def build(cls, values: np.ndarray, environments: np.ndarray, alpha: float) -> Testwise:
        """Prepare float[T, M] of values, NaN where missing, in int[T] environments.

        >>> values = np.array([[1.0, 2.0], [2.0, np.nan], [3.0, 5.0], [4.0, 9.0], [5.0, 8.0], [np.nan, 1.0]])
        >>> tests = Testwise.build(values, np.zeros(6, int), 0.05)
        >>> float(tests.n[0, 1]), float(tests.R[0, 1].round(3))
        (4.0, 0.926)
        """
        R, n = pairwise_correlation(values, environments)
        labels, strata = np.unique(environments, return_inverse=True)
        blocks = [strata == e for e in range(len(labels))] if len(labels) > 1 else [slice(None)] * len(labels)
        missing = np.isnan(values)
        scaled = np.ascontiguousarray(_standardised(values, ~missing, blocks))
        column, gaps = np.nonzero(missing.T)
        sums = np.stack([scaled[block].sum(axis=0) for block in blocks]) if blocks else np.zeros((0, len(R)))
        rows = Rows(
            scaled,
            gaps.astype(np.int64),
            np.searchsorted(column, np.arange(len(R) + 1)).astype(np.int64),
            strata.astype(np.int64),
            np.bincount(strata, minlength=len(labels)).astype(float),
            scaled.T @ scaled,
            sums,
        )
        return cls(rows, R, n, np.ones(R.shape, dtype=bool), critical_value(alpha))

    @cached_property
    def fisher(self) -> Fisher:
        """The tests by available pairs."""
        return Fisher(self.R, self.n, self.cause, self.critical)

    @property
    def cost(self) -> float:
        """How many tests on a correlation matrix take as long as one of these, roughly."""
        return 4.0 + 0.1 * len(self.rows.gaps) / max(len(self.R), 1)

    def under(self, cause: np.ndarray) -> Testwise:
        """Return the same tests with other possible causes, bool[M, M]."""
        return replace(self, cause=np.ascontiguousarray(cause))

    def of(self, columns: np.ndarray) -> Testwise:
        """Return the tests of int[K] columns, in their order, each once or more."""
        among, rows = np.ix_(columns, columns), self.rows
        parts = [rows.gaps[rows.starts[c] : rows.starts[c + 1]] for c in columns]
        starts = np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)])
        chosen = rows._replace(
            values=np.ascontiguousarray(rows.values[:, columns]),
            gaps=np.concatenate([*parts, np.zeros(0, np.int64)]),
            starts=starts,
            products=rows.products[among],
            sums=np.ascontiguousarray(rows.sums[:, columns]),
        )
        return Testwise(chosen, self.R[among], self.n[among], self.cause[among], self.critical)

    def marginal(self, variables: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ``(abs(z), r, known)`` given nothing, [N, M] each; 0 where no degree of freedom is left."""
        return self.fisher.marginal(variables)

    def judge(
        self,
        neighbours: Neighbours,
        pairs: np.ndarray,
        sizes: tuple[int, int],
        first: bool,
        results: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> tuple[int, bool]:
        """Test pairs given subsets of their neighbours."""
        judge: Any = _judge
        low, high = sizes
        pairs = np.ascontiguousarray(pairs)  # one layout, so that one signature is compiled
        walk = walk_over(len(self.cause), high)
        wide, total = high + 2, len(self.rows.values)
        room = _Room(
            np.full(total, -1, np.int64),
            np.empty(total, np.int64),
            np.empty(wide, np.int64),
            np.empty((wide, wide)),
            np.empty((len(self.rows.counts), wide + 1)),
        )
        return judge(self.rows, self.cause, self.critical, room, walk, *neighbours, pairs, low, high, first, *results)

    def log_p(self, statistic: np.ndarray) -> np.ndarray:
        """Return the natural logarithm of two-sided p-values of a standard normal; finite for any finite statistic."""
        return self.fisher.log_p(statistic)


class _Room(NamedTuple):
    """Where a test is worked out, for sets of up to K columns.

    Attributes
    ----------
    seen : int64[T], the last test that left a row out.
    without : int64[T], rows that a test leaves out.
    columns : int64[K + 2], its columns: the conditions, then the pair.
    products : float64[K + 2, K + 2], sums of products over its rows, then of deviations, then their Cholesky factor.
    sums : float64[E, K + 3], sums of values over its rows, by environment, and in the last place how many there are.
    """

    seen: np.ndarray
    without: np.ndarray
    columns: np.ndarray
    products: np.ndarray
    sums: np.ndarray


@kernel(nogil=True)
def _judge(rows, cause, critical, room, walk, flat, starts, pairs, low, high, first, found, holding, best):
    """Fill in the results pair by pair, sizes ascending."""
    neighbours, results = (flat, starts), (found, holding, best)
    made, number = np.int64(0), np.int64(0)
    for k in range(len(pairs)):
        x, y = pairs[k, 0], pairs[k, 1]
        begin(walk, low)
        while next_set(walk, cause, neighbours, x, y, high):
            size = walk.at[SIZE]
            for a in range(size):
                room.columns[a] = walk.chosen[a]
            room.columns[size], room.columns[size + 1] = x, y
            _sum_up(rows, room, size + 2, number)
            number += 1
            r, freedom = _correlate(rows.products, room.columns, room.products, room.sums, size + 2)
            if freedom < 1.0:
                continue
            made += 1
            magnitude = min(abs(r), LARGEST)
            statistic = 0.5 * math.log((1.0 + magnitude) / (1.0 - magnitude)) * math.sqrt(freedom)
            if record(walk, results, k, statistic, r, critical) and first:
                break
    return made, walk.at[LARGE] > 0


@inner
def _sum_up(rows: Any, room: Any, wide: Any, number: Any) -> None:
    """Fill in sums of products and of values over the rows of a test."""
    columns, products, sums, total, without = room.columns, room.products, room.sums, len(room.seen), np.int64(0)
    for a in range(wide):
        for at in range(rows.starts[columns[a]], rows.starts[columns[a] + 1]):
            t = rows.gaps[at]
            if room.seen[t] != number:
                room.seen[t] = number
                room.without[without] = t
                without += 1
    # Either the rows left out are taken from the sums over all, or, where they are more, those kept are added up.
    few = 2 * without <= total
    for a in range(wide):
        for b in range(a + 1):
            products[a, b] = rows.products[columns[a], columns[b]] if few else 0.0
        for e in range(len(sums)):
            sums[e, a] = rows.sums[e, columns[a]] if few else 0.0
    for e in range(len(sums)):
        sums[e, wide] = rows.counts[e] if few else 0.0
    sign = -1.0 if few else 1.0
    for k in range(without if few else total):
        t = room.without[k] if few else k
        if not few and room.seen[t] == number:
            continue
        e = rows.strata[t]
        sums[e, wide] += sign
        for a in range(wide):
            value = sign * rows.values[t, columns[a]]
            sums[e, a] += value
            for b in range(a + 1):
                products[a, b] += value * rows.values[t, columns[b]]


@inner
def _correlate(whole: Any, columns: Any, products: Any, sums: Any, wide: Any) -> Any:
    """Return the partial correlation of the last two columns given the others, and its degrees of freedom.

    0.0 degrees where it cannot be told.
    """
    freedom = 1.0 - (wide - 2) - 3.0
    for e in range(len(sums)):
        count = sums[e, wide]
        if count > 0.0:
            freedom += count - 1.0
            for a in range(wide):
                for b in range(a + 1):
                    products[a, b] -= sums[e, a] * sums[e, b] / count
    if freedom < 1.0:
        return 0.0, 0.0
    # Row by row of the Cholesky factor; the last two columns are not taken out of each other.
    for a in range(wide):
        variance = products[a, a]
        if variance <= _CONSTANT * whole[columns[a], columns[a]]:
            return 0.0, 0.0
        left = variance
        for b in range(min(a, wide - 2)):
            entry = products[a, b]
            for c in range(b):
                entry -= products[a, c] * products[b, c]
            entry /= products[b, b]
            products[a, b] = entry
            left -= entry * entry
        if left < PIVOT * variance:
            return 0.0, 0.0
        products[a, a] = math.sqrt(left)
    x, y = wide - 2, wide - 1
    shared = products[y, x]
    for c in range(x):
        shared -= products[y, c] * products[x, c]
    return shared / (products[x, x] * products[y, y]), freedom
