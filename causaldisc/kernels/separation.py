"""Tests of conditional independence on a correlation matrix: pairs of columns given sets of their neighbours.

Fisher's z: with ``r`` the partial correlation of x and y given Z and ``n`` rows, ``atanh(r) * sqrt(n - |Z| - 3)`` is
standard normal when x and y are independent given Z and everything is Gaussian (Fisher 1924).

There are N variables and M = N * (L + 1) columns; column ``lag * N + i`` is variable i at t - lag.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

# A pivot below this says that one variable is a linear function of others, up to rounding: no test can be made.
PIVOT = 1e-8
# The largest |r| that the statistic is computed from: an exact 1 has none.
LARGEST = 1.0 - 1e-15
_PORTION = 1e6


class Basis(NamedTuple):
    """What tests are made on, and by which measure.

    Attributes
    ----------
    R, n : float[M, M], correlations and the rows behind them; a test has the least of the counts that it involves.
    cause : bool[M, M], whether the column of the row may be a cause of the other; True everywhere without a prior.
    critical : two-sided critical value of the standard normal.
    """

    R: np.ndarray
    n: np.ndarray
    cause: np.ndarray
    critical: float


class Verdicts(NamedTuple):
    """What became of K pairs.

    Attributes
    ----------
    found : int[K], separating sets found.
    holding : int[K, M], those that hold a column (not counted, so empty, where the first set ends the search).
    statistic, strength : float[K], the smallest abs(z) over all tests of the pair, and the partial correlation there.
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


def marginal(R: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return abs(z) of correlations given nothing; 0 where n leaves no degree of freedom.

    >>> marginal(np.array([0.0, 0.5]), np.array([103.0, 3.0])).tolist()
    [0.0, 0.0]
    """
    return np.arctanh(np.minimum(np.abs(R), LARGEST)) * np.sqrt(np.maximum(n - 3.0, 0.0))


def separate(
    basis: Basis,
    adjacent: np.ndarray,
    pairs: np.ndarray,
    sizes: tuple[int, int],
    first: bool,
    before: tuple[np.ndarray, np.ndarray],
    expired: Callable[[], bool] = never,
) -> Verdicts:
    """Test pairs given all subsets, of some sizes, of the neighbours of either end.

    The neighbours of an end count only where it is at lag 0: the window does not show all neighbours of an earlier one. A
    set may hold no column that can be a cause of neither end (one that tiers or time put after both), and none is tested
    twice. A set that is singular, or that leaves an end no variance or the test no degree of freedom, separates nothing.

    Parameters
    ----------
    adjacent : bool[N, M], whether a variable at lag 0 and a column are neighbours.
    pairs : int[K, 2], each a variable at lag 0 and a column.
    sizes : smallest and largest size of a set.
    first : stop at the first separating set of a pair.
    before : statistic and strength, float[K] each, of the tests made of the pairs before.
    expired : asked now and then whether to stop; pairs not reached have no separating set.
    """
    degrees = adjacent.sum(axis=1)
    flat, starts = np.nonzero(adjacent)[1], np.concatenate([[0], np.cumsum(degrees)])
    found, holding = np.zeros(len(pairs), np.int64), np.zeros((0 if first else len(pairs), len(basis.R)), np.int32)
    best = np.stack(before, axis=1)
    # One layout of every array, so that one signature is compiled.
    R, n, cause, flat, starts, pairs = map(np.ascontiguousarray, (*basis[:3], flat, starts, pairs))
    fixed = (R, n, cause, float(basis.critical), bool(n.min() == n.max()), flat, starts)
    made, enough, begin = 0, False, 0
    for end in _portions(pairs, degrees, sizes):
        if expired():
            break
        part = slice(begin, end)
        kernel: Any = _separate_pairs
        more, deep = kernel(*fixed, pairs[part], *sizes, first, found[part], holding[part], best[part])
        made, enough, begin = made + more, enough or deep, end
    return Verdicts(found, holding, best[:, 0], best[:, 1], made, enough, begin == len(pairs))


def _portions(pairs: np.ndarray, degrees: np.ndarray, sizes: tuple[int, int]) -> list[int]:
    """Ends of portions of the pairs that each need about a million tests at most, so that a search can be stopped."""
    widest = int(degrees.max(initial=0))
    subsets = np.array([sum(math.comb(d, s) for s in range(sizes[0], sizes[1] + 1)) for d in range(widest + 1)], dtype=float)
    at_zero = pairs[:, 1] < len(degrees)
    cost = subsets[degrees[pairs[:, 0]]] + np.where(at_zero, subsets[degrees[np.where(at_zero, pairs[:, 1], 0)]], 0.0)
    portion = np.cumsum(cost) // _PORTION
    return [*(np.flatnonzero(np.diff(portion)) + 1).tolist(), len(pairs)] if len(pairs) else []


@njit(cache=True, error_model="numpy")
def _separate_pairs(R, n, cause, critical, uniform, flat, starts, pairs, low, high, first, found, holding, best):
    """Fill ``found``, ``holding`` and ``best`` pair by pair, sizes ascending; see :func:`separate`."""
    known, candidates = np.empty(len(R), np.bool_), np.empty(len(R), np.int64)
    work = known, np.empty((high + 2, high + 1)), np.empty(high + 1, np.int64)
    basis, results = (R, n, uniform, critical), (found, holding, best)
    total, enough = np.int64(0), False
    for k in range(len(pairs)):
        for size in range(low, high + 1):
            known[:] = False
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
                total += _separating_sets(basis, (end, other), candidates, count, size, first, k, results, work)
                for a in range(count):
                    known[candidates[a]] = True
    return total, enough


@njit(cache=True, error_model="numpy")
def _separating_sets(basis, ends, candidates, count, size, first, k, results, work):
    """Test both ends given every subset of the candidates that has a size and is not all known; return the tests made."""
    # Subsets are walked depth first over a growing Cholesky factor of (Z, ends), so that a set costs one row of it.
    (R, n, uniform, critical), (found, holding, best), (known, factor, picked), (x, y) = basis, results, work, ends
    made, depth = 0, 0
    picked[0] = -1
    while depth >= 0:
        if depth < size:
            picked[depth] += 1
            if picked[depth] > count - size + depth:
                depth -= 1
                continue
            z = candidates[picked[depth]]
            variance = 1.0
            for a in range(depth):
                entry = R[z, candidates[picked[a]]]
                for b in range(a):
                    entry -= factor[depth, b] * factor[a, b]
                entry /= factor[a, a]
                factor[depth, a] = entry
                variance -= entry * entry
            if variance < PIVOT:
                continue
            factor[depth, depth] = math.sqrt(variance)
            for end in range(2):
                entry = R[z, ends[end]]
                for a in range(depth):
                    entry -= factor[depth, a] * factor[size + end, a]
                factor[size + end, depth] = entry / factor[depth, depth]
            depth += 1
            picked[depth] = picked[depth - 1]
            continue
        depth -= 1
        left_x, left_y, left_xy, rows, fresh = 1.0, 1.0, R[x, y], n[x, y], size == 0
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
        r = left_xy / math.sqrt(left_x * left_y)
        magnitude = min(abs(r), LARGEST)
        statistic = 0.5 * math.log((1.0 + magnitude) / (1.0 - magnitude)) * math.sqrt(freedom)
        if statistic < best[k, 0]:
            best[k, 0], best[k, 1] = statistic, r
        if statistic <= critical:
            found[k] += 1
            if first:
                break
            for a in range(size):
                holding[k, candidates[picked[a]]] += 1
    return made
