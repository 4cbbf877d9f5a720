"""Partial correlations with one target by a growing Cholesky factor, and their t test.

A conditioning set is a factor: :func:`grow` adds a column to it, a smaller ``size`` takes the last columns away, and
:func:`judge` tests a column against the target given those that are in. Sets that share a beginning share its work.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

# An int or an integer of numpy: numba does not tell them apart.
Index = Any
# Variance left of a standardised column, below which it counts as determined by the others.
PIVOT = 1e-10
# 1 - r² of a perfect correlation, for a finite logarithm of its p-value.
TINY = 1e-18


class Moments(NamedTuple):
    """Correlations of M columns and the rows behind them.

    Attributes
    ----------
    R : float[M, M], symmetric, unit diagonal.
    n : float[M, M], rows behind each pair, whole numbers.
    uniform : whether all of ``n`` are the same.
    critical : float[n.max() + 1], smallest significant correlation by degrees of freedom; NaN = not yet worked out.
    log_alpha : natural logarithm of the level.
    """

    R: np.ndarray
    n: np.ndarray
    uniform: bool
    critical: np.ndarray
    log_alpha: float


class Factor(NamedTuple):
    """The Cholesky factor of the correlations of a growing list of columns, and the target column.

    Attributes
    ----------
    rows : float[K + 1, K], row k holds the factor left of its diagonal; one row more serves the column under test.
    columns : int[K], the columns in the factor.
    notes : float[4, K + 1], of column k: ``SCALE``, one over the diagonal, and ``TARGET``, the entry of the row that the
        target would have; of the first k columns: ``LEFT``, variance of the target that they leave, and ``FEWEST``, fewest
        rows behind any pair among them and the target.
    base : float[M, B], rows of all columns in a factor that begins with some B columns fixed by :func:`fix`.
    """

    rows: np.ndarray
    columns: np.ndarray
    notes: np.ndarray
    base: np.ndarray


SCALE, TARGET, LEFT, FEWEST = range(4)


def moments(R: np.ndarray, n: np.ndarray, alpha: float) -> Moments:
    """Return the moments, with the level of the tests, in the memory layout that the kernels are compiled for."""
    n = np.array(n, dtype=float, order="C")
    uniform = bool(n.size == 0 or n.min() == n.max())
    critical = np.full(int(n.max(initial=0.0)) + 1, np.nan)
    return Moments(np.array(R, dtype=float, order="C"), n, uniform, critical, math.log(alpha) if alpha > 0 else -math.inf)


def factor(capacity: int, columns: int = 0, base: int = 0) -> Factor:
    """Return room for a factor of so many columns, the first ``base`` of which may be fixed among ``columns``.

    >>> R = np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 0.25], [0.5, 0.25, 1.0]])
    >>> given, room = moments(R, np.full((3, 3), 100.0), 0.01), factor(2)
    >>> size = grow(given, room, 0, 0, 0, 2)
    >>> judge(given, room, 0, size, 1, 2, 1, np.zeros(2, np.int64))
    (0.0, 97.0, False)
    """
    k = max(int(capacity), 1)
    return Factor(np.zeros((k + 1, k)), np.zeros(k, np.int64), np.zeros((4, k + 1)), np.zeros((columns, base)))


@njit(cache=True, error_model="numpy")
def fix(moments: Any, factor: Any, size: Index, y: Index) -> None:
    """Work out the rows that all columns would have in the factor as it stands, for use as a ``base`` of that size."""
    for column in range(len(moments.R)):
        _solve(moments, factor, 0 * size, size, column, y)
        for k in range(size):
            factor.base[column, k] = factor.rows[size, k]


@njit(cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def _solve(moments: Any, factor: Any, base: Index, size: Index, column: Index, y: Index) -> tuple[float, float, float]:
    """Write the row that a column would have as the next one of the factor.

    Returns the variance left of the column, its covariance left with the target, and the fewest rows behind any pair.
    """
    R, rows, columns, notes = moments.R, factor.rows, factor.columns, factor.notes
    if size == 0:
        notes[LEFT, 0], notes[FEWEST, 0] = 1.0, moments.n[y, y]
    left, shared = 1.0, R[column, y]
    for k in range(size):
        if k < base:
            entry = factor.base[column, k]
        else:
            entry = R[column, columns[k]]
            for q in range(k):
                entry -= rows[k, q] * rows[size, q]
            entry *= notes[SCALE, k]
        rows[size, k] = entry
        left -= entry * entry
        shared -= entry * notes[TARGET, k]
    fewest = min(moments.n[column, y], notes[FEWEST, size])
    if not moments.uniform:
        for k in range(size):
            fewest = min(fewest, moments.n[column, columns[k]])
    return left, shared, fewest


@njit(cache=True, error_model="numpy")
def grow(moments: Any, factor: Any, base: Index, size: Index, column: Index, y: Index) -> Index:
    """Add a column to a factor of ``size`` columns and return the new size; a column that those determine is left out.

    The first column fixes the target y of all that follow.
    """
    left, shared, fewest = _solve(moments, factor, base, size, column, y)
    if left < PIVOT:
        return size
    scale = 1.0 / math.sqrt(left)
    notes, entry = factor.notes, shared * scale
    factor.columns[size] = column
    notes[SCALE, size], notes[TARGET, size] = scale, entry
    notes[LEFT, size + 1], notes[FEWEST, size + 1] = notes[LEFT, size] - entry * entry, fewest
    return size + 1


@njit(cache=True, error_model="numpy")
def judge(
    moments: Any, factor: Any, base: Index, size: Index, x: Index, y: Index, conditions: Index, tally: np.ndarray
) -> tuple[float, float, bool]:
    """Test x and the target y given the first ``size`` columns.

    Where the conditions determine x or y there is no residual to correlate. Those conditions that x, y and the conditions
    before them determine are then left out: an adjacency is never given up for a deterministic relation.

    Parameters
    ----------
    conditions : how many cost a degree of freedom: redundant ones do.
    tally : int[2], counts the tests, and those whose conditions had to be cut.

    Returns
    -------
    (partial correlation, its degrees of freedom, whether it is significant)
    """
    tally[0] += 1
    left_x, shared, fewest = _solve(moments, factor, base, size, x, y)
    left_y, freedom = factor.notes[LEFT, size], fewest - 2.0 - conditions
    if left_x >= PIVOT and left_y >= PIVOT:
        r = shared / math.sqrt(left_x * left_y)
    else:
        tally[1] += 1
        r = _pruned(moments, factor, size, x, y)
    r = max(-1.0, min(1.0, r))
    return r, freedom, freedom >= 1.0 and abs(r) >= _critical(moments, freedom)


@njit(cache=True, error_model="numpy")
def _pruned(moments: Any, factor: Any, size: Index, x: Index, y: Index) -> float:
    """Partial correlation given those conditions that x, y and the conditions before them do not determine."""
    room, zero = size + 2, 0 * size
    spare = Factor(np.empty((room + 1, room)), np.empty(room, np.int64), np.empty((4, room + 1)), factor.base)
    # Two rounds: the first finds the conditions to keep, behind x and y; the second puts them in alone.
    kept, end = zero, room
    for step in range(2 * room):
        if step == room:
            kept, end = zero, kept
        if step < room:
            column = x if step == 0 else y if step == 1 else factor.columns[step - 2]
        elif step - room + 2 < end:
            column = spare.columns[step - room + 2]
        else:
            break
        kept = grow(moments, spare, zero, kept, column, y)
        if step == 1 and kept < 2:
            return moments.R[x, y]
    left, shared, _ = _solve(moments, spare, zero, kept, x, y)
    left *= spare.notes[LEFT, kept]
    return shared / math.sqrt(left) if left > 0.0 else 0.0


@njit(cache=True, error_model="numpy")
def _critical(moments: Any, freedom: float) -> float:
    """Smallest absolute correlation that is significant, by bisection when first asked for."""
    place = int(freedom)
    high = moments.critical[place]
    if high == high:
        return high
    low, high, middle = 0.0, 1.0, 0.5
    while low < middle < high:
        if log_p(middle, freedom) <= moments.log_alpha:
            high = middle
        else:
            low = middle
        middle = 0.5 * (low + high)
    moments.critical[place] = high
    return high


@njit(cache=True, error_model="numpy")
def log_p(r: float, freedom: float) -> float:
    """Natural logarithm of the two-sided p-value of a correlation by Student's t; 0.0 without a degree of freedom.

    p is the regularised incomplete beta function at 1 - r², by its continued fraction. The logarithm stays finite where p
    itself is too small for a float, so strong links keep their order.

    >>> round(math.exp(log_p(0.5, 10.0)), 6)
    0.097855
    """
    square = r * r
    if freedom < 1.0 or square <= 0.0:
        return 0.0
    a, x = 0.5 * freedom, max((1.0 - r) * (1.0 + r), TINY)
    front = a * math.log(x) + 0.5 * math.log(square) - math.lgamma(a) - math.lgamma(0.5) + math.lgamma(a + 0.5)
    direct = x < (a + 1.0) / (a + 2.5)
    first, second, where = (a, 0.5, x) if direct else (0.5, a, square)
    # Continued fraction by Lentz's method; it converges fast below the mean of the distribution.
    c, d = 1.0, 1.0 / (1.0 - (first + second) * where / (first + 1.0))
    fraction = d
    for m in range(1, 300):
        even = m * (second - m) * where / ((first + 2 * m - 1.0) * (first + 2 * m))
        odd = -(first + m) * (first + second + m) * where / ((first + 2 * m) * (first + 2 * m + 1.0))
        d, c = 1.0 / (1.0 + even * d), 1.0 + even / c
        fraction *= d * c
        d, c = 1.0 / (1.0 + odd * d), 1.0 + odd / c
        fraction *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    if direct:
        return front + math.log(fraction / first)
    return math.log1p(-math.exp(front) * fraction / first)


@njit(cache=True, error_model="numpy")
def log_p_values(value: np.ndarray, freedom: np.ndarray, out: np.ndarray) -> None:
    """Write :func:`log_p` of flat arrays."""
    for k in range(len(value)):
        out[k] = log_p(value[k], freedom[k])
