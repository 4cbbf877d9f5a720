"""Partial correlations with one target by a growing Cholesky factor, and their t test.

A conditioning set is a factor: :func:`grow` adds a column to it, a smaller ``size`` takes the last columns away, and
:func:`judge` tests the last column against the target given those before it. Sets that share a beginning share its work.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner
from causaldisc.kernels.testwise import correlate

# An int or an integer of numpy: numba does not tell them apart.
Index = Any
# Variance left of a standardised column, below which it counts as determined by the others.
PIVOT = 1e-10
# 1 - r² of a perfect correlation, for a finite logarithm of its p-value.
TINY = 1e-18
HALF_LOG_PI = 0.5 * math.log(math.pi)


class Moments(NamedTuple):
    """Correlations of M columns and the rows behind them.

    Attributes
    ----------
    R : float[M, M], symmetric, unit diagonal.
    n : float[M, M], rows behind each pair, whole numbers.
    uniform : whether all of ``n`` are the same.
    critical : float[n.max() + 1], smallest absolute correlation that is significant, by degrees of freedom.
    """

    R: np.ndarray
    n: np.ndarray
    uniform: bool
    critical: np.ndarray


class Factor(NamedTuple):
    """The Cholesky factor of the correlations of a growing list of columns, and the target column.

    Attributes
    ----------
    rows : float[K, K], row k holds the factor left of its diagonal.
    columns : int[K], the columns in the factor.
    notes : float[4, K + 1], of column k: ``SCALE``, one over the diagonal, and ``TARGET``, the entry of the row that the
        target would have; of the first k columns: ``LEFT``, variance of the target that they leave, and ``FEWEST``, fewest
        rows behind any pair among them and the target.
    base : float[M, B], rows of all columns in a factor that begins with some fixed B columns.
    """

    rows: np.ndarray
    columns: np.ndarray
    notes: np.ndarray
    base: np.ndarray


SCALE, TARGET, LEFT, FEWEST = range(4)


def moments(R: np.ndarray, n: np.ndarray, alpha: float) -> Moments:
    """Return the moments, with the level of the tests, in the memory layout that the kernels are compiled for.

    >>> given = moments(np.eye(2), np.full((2, 2), 12.0), 0.05)
    >>> round(float(given.critical[10]), 4), given.uniform
    (0.576, True)
    """
    from scipy.special import stdtrit

    # Arrays that cannot be written to, or in another order, would compile everything once more.
    R, n = (np.require(array, float, ["C", "W"]) for array in (R, n))
    freedom = np.arange(int(n.max(initial=0.0)) + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(stdtrit(freedom, 0.5 * alpha))
        critical = 1.0 / np.sqrt(1.0 + freedom / t / t)
    uniform = bool(n.size == 0 or n.min() == n.max())
    return Moments(R, n, uniform, np.where(t > 0.0, critical, 0.0))


def factor(capacity: int, columns: int = 0, base: int = 0) -> Factor:
    """Return room for a factor of so many columns, the one under test included.

    ``base`` of them may be fixed, for so many ``columns`` to test.

    >>> factor(3).rows.shape
    (3, 3)
    """
    k = max(int(capacity), 1)
    return Factor(np.zeros((k, k)), np.zeros(k, np.int64), np.zeros((4, k + 1)), np.zeros((columns, base)))


# Sums may be taken in any order, which lets long ones use vector instructions.
@inner(fastmath={"reassoc", "contract"})
def grow(
    moments: Any, series: Any, factor: Any, base: Index, size: Index, wanted: np.ndarray, first: Index, last: Index, y: Index
) -> Index:
    """Add the columns ``wanted[first:last]`` to a factor of ``size`` columns, except those that others in it determine.

    Parameters
    ----------
    series : None, or the series on which every test correlates its own columns: then they are only written down here.
    base : how many of the columns in the factor are those of ``factor.base``.
    y : the target; it has to be the same from the first column on.

    Returns
    -------
    The new size. The row of the last column is there even if the column was left out.
    """
    R, rows, columns, notes = moments.R, factor.rows, factor.columns, factor.notes
    if series is not None:
        for place in range(first, last):
            columns[size] = wanted[place]
            size += 1
        return size
    notes[LEFT, 0], notes[FEWEST, 0] = 1.0, moments.n[y, y]
    for place in range(first, last):
        column = wanted[place]
        left, shared = 1.0, R[column, y]
        for k in range(base):
            entry = factor.base[column, k]
            rows[size, k] = entry
            left -= entry * entry
            shared -= entry * notes[TARGET, k]
        for k in range(base, size):
            entry = R[column, columns[k]]
            for q in range(k):
                entry -= rows[k, q] * rows[size, q]
            entry *= notes[SCALE, k]
            rows[size, k] = entry
            left -= entry * entry
            shared -= entry * notes[TARGET, k]
        if left < PIVOT:
            continue
        fewest, pair = notes[FEWEST, size], moments.n[column, y]
        fewest = pair if pair < fewest else fewest
        if not moments.uniform:
            for k in range(size):
                pair = moments.n[column, columns[k]]
                fewest = pair if pair < fewest else fewest
        scale = 1.0 / math.sqrt(left)
        shared *= scale
        columns[size] = column
        notes[SCALE, size], notes[TARGET, size] = scale, shared
        notes[LEFT, size + 1], notes[FEWEST, size + 1] = notes[LEFT, size] - shared * shared, fewest
        size += 1
    return size


@inner(inline="always")
def judge(
    moments: Any,
    series: Any,
    factor: Any,
    size: Index,
    grown: Index,
    x: Index,
    y: Index,
    conditions: Index,
    tally: np.ndarray,
) -> tuple[float, float, bool]:
    """Test x and the target y given the first ``size`` columns, after x was added to them by :func:`grow`.

    Where the conditions determine x or y there is no residual to correlate. Those conditions that x, y and the conditions
    before them determine are then left out: an adjacency is never given up for a deterministic relation.

    Parameters
    ----------
    series : None, or the series on which to correlate the columns of this test anew, see :mod:`causaldisc.kernels.testwise`.
    grown : size of the factor with x.
    conditions : how many cost a degree of freedom: redundant ones do.
    tally : int[2], counts the tests, and those whose conditions had to be cut.

    Returns
    -------
    (partial correlation, its degrees of freedom, whether it is significant)
    """
    if series is None:
        return _decide(moments, factor, size, grown, x, y, conditions, tally)
    return _anew(moments, series, factor, size, x, y, tally)


@inner
def _decide(
    moments: Any, factor: Any, size: Index, grown: Index, x: Index, y: Index, conditions: Index, tally: np.ndarray
) -> tuple[float, float, bool]:
    """Do what :func:`judge` does without series; apart from it, since code of a recursion does not come back from disk."""
    tally[0] += 1
    notes = factor.notes
    freedom = notes[FEWEST, grown] - 2.0 - conditions
    if grown > size and notes[LEFT, size] >= PIVOT:
        r = notes[TARGET, size] / math.sqrt(notes[LEFT, size])
    else:
        tally[1] += 1
        pair = moments.n[x, y] - 2.0 - conditions
        freedom = pair if pair < freedom else freedom
        r = _pruned(moments, factor, size, x, y)
    r = -1.0 if r < -1.0 else 1.0 if r > 1.0 else r
    return r, freedom, significant(moments, r, freedom)


@inner
def significant(moments: Any, r: float, freedom: float) -> bool:
    """Whether a correlation is, at the level of the moments; never without a degree of freedom."""
    return freedom >= 1.0 and abs(r) >= moments.critical[np.int64(freedom)]


@inner
def _anew(
    moments: Any, series: Any, factor: Any, size: Index, x: Index, y: Index, tally: np.ndarray
) -> tuple[float, float, bool]:
    """Test x and y given ``size`` columns over the windows where all of these are present; constant ones cost nothing."""
    total = size + 2
    columns, wanted, R = np.empty(total, np.int64), np.empty(total, np.int64), np.empty((total, total))
    columns[size], columns[size + 1], gappy = x, y, False
    for k in range(total):
        if k < size:
            columns[k] = factor.columns[k]
        gappy |= series.gappy[columns[k] % len(series.gappy)]
    if gappy:
        n = correlate(series, columns, R)
    else:
        n = moments.n[y, y]
        for k in range(total):
            for q in range(total):
                R[k, q] = moments.R[columns[k], columns[q]]
    series.used[int(n)] += 1
    conditions = 0 * size
    for k in range(size):
        if R[k, k] > 0.0:
            wanted[conditions] = k
            conditions += 1
    wanted[conditions] = size
    own = Moments(R, np.full((total, total), float(n)), True, moments.critical)
    room = Factor(np.empty((total, total)), np.empty(total, np.int64), np.empty((4, total + 1)), factor.base)
    if R[size, size] == 0.0 or R[size + 1, size + 1] == 0.0:
        tally[0] += 1
        return 0.0, 0.0, False
    begin = grow(own, None, room, 0 * size, 0 * size, wanted, 0 * size, conditions, size + 1)
    grown = grow(own, None, room, 0 * size, begin, wanted, conditions, conditions + 1, size + 1)
    return _decide(own, room, begin, grown, size, size + 1, conditions, tally)


@inner
def _pruned(moments: Any, factor: Any, size: Index, x: Index, y: Index) -> float:
    """Partial correlation given those conditions that x, y and the conditions before them do not determine."""
    room, zero = size + 3, 0 * size
    spare = Factor(np.empty((room, room)), np.empty(room, np.int64), np.empty((4, room + 1)), factor.base)
    wanted = np.empty(room, np.int64)
    wanted[0], wanted[1] = x, y
    for k in range(size):
        wanted[k + 2] = factor.columns[k]
    kept = zero
    # The first round finds the conditions to keep, behind x and y; the second puts them in alone, and x last.
    for step in range(2):
        kept = grow(moments, None, spare, zero, zero, wanted, zero, size + 2 if step == 0 else kept - 1, y)
        if step == 0:
            if kept < 2 or spare.columns[1] != y:
                return moments.R[x, y]
            for k in range(2, kept):
                wanted[k - 2] = spare.columns[k]
            wanted[kept - 2] = x
    left = spare.notes[LEFT, kept - 1]
    return spare.notes[TARGET, kept - 1] / math.sqrt(left) if left > 0.0 else 0.0


@inner
def log_p(r: float, freedom: float) -> float:
    """Natural logarithm of the two-sided p-value of a correlation by Student's t; 0.0 without a degree of freedom.

    p is the regularised incomplete beta function at 1 - r², by its continued fraction. The logarithm stays finite where p
    itself is too small for a float, so strong links keep their order.
    """
    square = r * r
    if freedom < 1.0 or square <= 0.0:
        return 0.0
    a, x = 0.5 * freedom, (1.0 - r) * (1.0 + r)
    x = x if x > TINY else TINY
    front = a * math.log(x) + 0.5 * math.log(square) + math.lgamma(a + 0.5) - math.lgamma(a) - HALF_LOG_PI
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


@kernel
def log_p_values(value: np.ndarray, freedom: np.ndarray, out: np.ndarray) -> None:
    """Write :func:`log_p` of flat arrays.

    >>> out = np.empty(2)
    >>> log_p_values(np.array([0.5, 0.5]), np.array([10.0, 0.0]), out)
    >>> np.exp(out).round(6).tolist()
    [0.097855, 1.0]
    """
    for k in range(len(value)):
        out[k] = log_p(value[k], freedom[k])
