"""Fisher's z test of partial correlations, on a correlation matrix.

With ``r`` the partial correlation of x and y given Z and ``n`` rows, ``atanh(r) * sqrt(n - |Z| - 3)`` is standard normal when
x and y are independent given Z and everything is Gaussian (Fisher 1924).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner
from causaldisc.kernels.separation import Neighbours

# A pivot below this says that one variable is a linear function of others, up to rounding: no test can be made.
PIVOT = 1e-8
# The largest |r| that the statistic is computed from: an exact 1 has none.
LARGEST = 1.0 - 1e-15


@dataclass(frozen=True, eq=False)
class Fisher:
    """Fisher's z, two-sided; see :class:`causaldisc.kernels.separation.Tests`. The statistic is abs(z), the strength r.

    Attributes
    ----------
    R, n : float[M, M], correlations and the rows behind them; a test has the least of the counts that it involves.
    cause : bool[M, M], whether the column of the row may be a cause of the other.
    critical : two-sided critical value of the standard normal.

    >>> R, n = np.array([[1.0, 0.5], [0.5, 1.0]]), np.full((2, 2), 103.0)
    >>> statistic, _, _ = Fisher(R, n, np.ones((2, 2), dtype=bool), 2.58).marginal(2)
    >>> round(float(statistic[0, 1]), 3)
    5.493
    """

    R: np.ndarray
    n: np.ndarray
    cause: np.ndarray
    critical: float

    @property
    def cost(self) -> float:
        """Time of a test, in those on a correlation matrix."""
        return 1.0

    def under(self, cause: np.ndarray) -> Fisher:
        """Return the same tests with other possible causes, bool[M, M]."""
        return replace(self, cause=cause)

    def of(self, columns: np.ndarray) -> Fisher:
        """Return the tests of int[K] columns, in their order, each once or more."""
        among = np.ix_(columns, columns)
        return Fisher(self.R[among], self.n[among], self.cause[among], self.critical)

    def marginal(self, variables: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ``(abs(z), r, known)`` given nothing, [N, M] each; 0 where n leaves no degree of freedom."""
        R, freedom = self.R[:variables], self.n[:variables] - 3.0
        return np.arctanh(np.minimum(np.abs(R), LARGEST)) * np.sqrt(np.maximum(freedom, 0.0)), np.array(R), freedom > 0

    def judge(
        self,
        neighbours: Neighbours,
        pairs: np.ndarray,
        sizes: tuple[int, int],
        first: bool,
        results: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> tuple[int, bool]:
        """Test pairs given subsets of their neighbours."""
        # One layout of every array, so that one signature is compiled.
        R, n, cause, pairs = map(np.ascontiguousarray, (self.R, self.n, self.cause, pairs))
        judge: Any = _judge_pairs
        return judge(R, n, cause, float(self.critical), self.uniform, *neighbours, pairs, *sizes, first, *results)

    @cached_property
    def uniform(self) -> bool:
        """Whether there are as many rows behind every pair."""
        return bool(self.n.size and self.n.min() == self.n.max())

    def log_p(self, statistic: np.ndarray) -> np.ndarray:
        """Return the natural logarithm of two-sided p-values of a standard normal; finite for any finite statistic."""
        from scipy.special import log_ndtr

        return np.minimum(log_ndtr(-statistic) + math.log(2.0), 0.0)


def critical_value(alpha: float) -> float:
    """Return the two-sided critical value of the standard normal; infinite at level 0.

    >>> round(critical_value(0.05), 3)
    1.96
    """
    return -NormalDist().inv_cdf(alpha / 2) if alpha > 0 else math.inf


@kernel(nogil=True)
def _judge_pairs(R, n, cause, critical, uniform, flat, starts, pairs, low, high, first, found, holding, best):
    """Fill ``found``, ``holding`` and ``best`` pair by pair, sizes ascending; see ``separate``."""
    known, candidates = np.empty(len(R), np.bool_), np.empty(len(R), np.int64)
    factor, picked = np.empty((high + 2, high + 1)), np.empty(high + 1, np.int64)
    total, enough = np.int64(0), False
    for k in range(len(pairs)):
        for size in range(low, high + 1):
            # With as many rows everywhere, the statistic grows with the square of r, which is all that need be compared.
            freedom = n[0, 0] - size - 3.0
            cut = math.tanh(critical / math.sqrt(freedom)) ** 2 if freedom >= 1.0 else 0.0
            walked = np.int64(0)  # sides whose subsets were tested: the other need not test them again
            for side in range(2):
                end, other = pairs[k, side], pairs[k, 1 - side]
                if end >= len(starts) - 1 or (side == 1 and size == 0):
                    continue
                count = np.int64(0)
                for at in range(starts[end], starts[end + 1]):
                    z = flat[at]
                    if z != other and (cause[z, end] or cause[z, other]):
                        candidates[count] = z
                        count += 1
                if count < size or (first and found[k] > 0):
                    continue
                enough = enough or size == high
                if uniform and freedom < 1.0:
                    continue
                total += _test_subsets(
                    R, n, uniform, cut, critical, end, other, candidates, count, size, first, walked > 0, known, factor, picked,
                    found, holding, best, k,
                )  # fmt: skip
                if side == 0:
                    walked += 1
                    for a in range(len(known)):
                        known[a] = False
                    for a in range(count):
                        known[candidates[a]] = True
    return total, enough


@inner
def _test_subsets(
    R, n, uniform, cut, critical, x, y, candidates, count, size, first, fresh_only, known, factor, picked, found, holding, best, k
):  # fmt: skip
    """Test x and y given every subset of the candidates that has a size and is not all known; return the tests made."""
    # Subsets are walked depth first over a growing Cholesky factor of (Z, x, y), so that a set costs one row of it.
    made, depth = 0, 0
    picked[0] = -1
    smallest, at_smallest = 2.0, 0.0
    while depth >= 0:
        if depth < size:
            picked[depth] += 1
            if picked[depth] > count - size + depth:
                depth -= 1
                continue
            z = candidates[picked[depth]]
            left, to_x, to_y = 1.0, R[z, x], R[z, y]
            for a in range(depth):
                entry = R[z, candidates[picked[a]]]
                for b in range(a):
                    entry -= factor[depth, b] * factor[a, b]
                entry /= factor[a, a]
                factor[depth, a] = entry
                left -= entry * entry
                to_x -= entry * factor[size, a]
                to_y -= entry * factor[size + 1, a]
            if left < PIVOT:
                continue
            scale = math.sqrt(left)
            factor[depth, depth] = scale
            factor[size, depth], factor[size + 1, depth] = to_x / scale, to_y / scale
            depth += 1
            picked[depth] = picked[depth - 1]
            continue
        depth -= 1
        left_x, left_y, left_xy, rows, fresh = 1.0, 1.0, R[x, y], n[x, y], not fresh_only
        for a in range(size):
            z = candidates[picked[a]]
            fresh = fresh or not known[z]
            left_x -= factor[size, a] * factor[size, a]
            left_y -= factor[size + 1, a] * factor[size + 1, a]
            left_xy -= factor[size, a] * factor[size + 1, a]
            if not uniform:
                rows = min(rows, min(n[z, x], n[z, y]))
                for b in range(a):
                    rows = min(rows, n[z, candidates[picked[b]]])
        freedom = rows - size - 3.0
        if not fresh or left_x < PIVOT or left_y < PIVOT or freedom < 1.0:
            continue
        made += 1
        square = left_xy * left_xy / (left_x * left_y)
        if uniform:
            separated = square <= cut
        else:
            statistic = _statistic(square, freedom)
            separated = statistic <= critical
            if statistic < best[k, 0]:
                best[k, 0], best[k, 1] = statistic, math.copysign(math.sqrt(square), left_xy)
        if square < smallest:
            smallest, at_smallest = square, left_xy
        if separated:
            found[k] += 1
            if first:
                break
            for a in range(size):
                holding[k, candidates[picked[a]]] += 1
    if uniform and made:
        statistic = _statistic(smallest, n[x, y] - size - 3.0)
        if statistic < best[k, 0]:
            best[k, 0], best[k, 1] = statistic, math.copysign(math.sqrt(smallest), at_smallest)
    return made


@inner
def _statistic(square, freedom):
    r = min(math.sqrt(square), LARGEST)
    return 0.5 * math.log((1.0 + r) / (1.0 - r)) * math.sqrt(freedom)
