"""PCMCI on a lagged correlation matrix: selection of lagged parents (PC1), then momentary conditional independence (MCI).

N variables, M = N * (2L + 1) columns: column ``lag * N + i`` is variable i at t - lag. Links end at time t and reach back L
steps; the conditions of their sources reach back L more, which shifts a column by ``lag * N``.

Papers: Runge et al. 2019, Science Advances 5, eaau4996 (PCMCI); Runge 2020, UAI (PCMCI+).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.conditioning import Index, grow, judge, log_p_values, significant
from causaldisc.kernels.inner import inner


class Parents(NamedTuple):
    """Selected lagged parents: ``columns[j, : sizes[j]]`` are those of variable j, strongest first."""

    columns: np.ndarray
    sizes: np.ndarray


class Links(NamedTuple):
    """What tests said of every link i(t - lag) → j(t), float[N, N, L + 1] each.

    ``value`` is the partial correlation, ``freedom`` its degrees of freedom; 0 where nothing was tested.
    """

    value: np.ndarray
    freedom: np.ndarray


def no_links(n: int, max_lag: int) -> Links:
    """Return links about which nothing is known yet.

    >>> no_links(2, 1).value.shape
    (2, 2, 2)
    """
    shape = (n, n, max_lag + 1)
    return Links(np.zeros(shape), np.zeros(shape))


def no_parents(n: int, max_lag: int) -> Parents:
    """Return an empty selection with room for every lagged column.

    >>> no_parents(2, 3).columns.shape
    (2, 6)
    """
    return Parents(np.zeros((n, max(n * max_lag, 1)), np.int64), np.zeros(n, np.int64))


@kernel
def select_parents(
    moments: Any,
    series: Any,
    factor: Any,
    may: np.ndarray,
    must: np.ndarray,
    max_conditions: Index,
    j: Index,
    parents: Any,
    links: Any,
    tally: np.ndarray,
) -> None:
    """Select the lagged parents of variable j by PC1, in place.

    At level p every candidate is tested once given the p strongest others, and those found independent leave after the
    level; strength is the smallest absolute partial correlation so far.

    Parameters
    ----------
    series : None, or the series on which every test correlates its own columns.
    may, must : bool[N, N, L + 1], links that may be tested, and among them those that stay.
    links : of a candidate that left, the last test; those that stay keep what they had.
    """
    n, lags = len(may), may.shape[2] - 1
    zero = np.int64(0)  # a literal 0 would compile everything once more
    order, strength, count = np.empty(n * lags, np.int64), np.empty(n * lags), zero
    for i in range(n):
        for lag in range(1, lags + 1):
            if may[i, j, lag]:
                order[count], strength[count] = lag * n + i, np.inf
                count += 1
    sizes, kept = np.empty(count + 1, np.int64), np.empty(count, np.int64)
    level, sizes[0] = zero, 0
    while level <= max_conditions and count - 1 >= level:
        for k in range(level):
            sizes[k + 1] = grow(moments, series, factor, zero, sizes[k], order, k, k + 1, j)
        # Weaker candidates share the factor of the `level` strongest; a strong one trades its place there for the next,
        # last first, so that the rows before its place stay as they are.
        for step in range(count):
            k = level + step if step < count - level else count - 1 - step
            i, lag = order[k] % n, order[k] // n
            kept[k] = must[i, j, lag]
            if kept[k] == 1:
                strength[k] = 1.0
                continue
            if level == 0:  # most tests by far, and nothing to condition on
                r, freedom = moments.R[order[k], j], moments.n[order[k], j] - 2.0
                kept[k] = significant(moments, r, freedom)
                tally[0] += 1
                if series is not None:
                    series.used[int(moments.n[order[k], j])] += 1
            else:
                size = grow(moments, series, factor, zero, sizes[level if level < k else k], order, k + 1, level + 1, j)
                grown = grow(moments, series, factor, zero, size, order, k, k + 1, j)
                r, freedom, kept[k] = judge(moments, series, factor, size, grown, order[k], j, level, tally)
            strength[k] = abs(r) if abs(r) < strength[k] else strength[k]
            if kept[k] == 0:
                links.value[i, j, lag], links.freedom[i, j, lag] = r, freedom
        count = _sort(order, strength, kept, count, n)
        level += 1
    parents.sizes[j] = count
    for k in range(count):
        parents.columns[j, k] = order[k]


@inner
def _sort(order: np.ndarray, strength: np.ndarray, kept: np.ndarray, total: Index, n: Index) -> Index:
    """Move those kept to the front, strongest first, ties by variable and lag, and return how many they are."""
    count = 0
    for k in range(total):
        if kept[k] == 0:
            continue
        column, weight, place = order[k], strength[k], count
        while place > 0:
            other = order[place - 1]
            later = other % n > column % n or (other % n == column % n and other > column)
            if strength[place - 1] > weight or (strength[place - 1] == weight and not later):
                break
            order[place], strength[place] = other, strength[place - 1]
            place -= 1
        order[place], strength[place] = column, weight
        count += 1
    return count


@inner
def given(
    moments: Any, series: Any, factor: Any, parents: Any, n: Index, i: Index, lag: Index, j: Index, wanted: np.ndarray
) -> tuple[Index, Index]:
    """Build the factor of the momentary conditions of i(t - lag) → j(t): the parents of j and those of i, shifted by the lag.

    Returns (size of the factor, number of conditions); ``wanted`` is room for the columns.
    """
    count = 0 * j
    own = parents.sizes[j]
    for k in range(own + parents.sizes[i]):
        column = parents.columns[j, k] if k < own else parents.columns[i, k - own] + lag * n
        known = column == lag * n + i
        for q in range(own if k >= own else 0):
            known |= parents.columns[j, q] == column
        if not known:
            wanted[count] = column
            count += 1
    return grow(moments, series, factor, 0 * j, 0 * j, wanted, 0 * j, count, j), count


@kernel
def judge_links(
    moments: Any, series: Any, factor: Any, may: np.ndarray, j: Index, parents: Any, links: Any, tally: np.ndarray
) -> None:
    """Test every link into variable j given the parents of j and those of the source, shifted by its lag (MCI), in place.

    At lag 0 a test says the same of both directions: it is made once, with the smaller index as source.
    """
    n, lags, zero = len(may), may.shape[2] - 1, np.int64(0)
    own = parents.sizes[j]
    wanted, of_target = np.empty(len(moments.R), np.int64), np.empty(len(moments.R), np.int64)
    of_target[:] = 0
    for k in range(own):
        of_target[parents.columns[j, k]] = 1
    base = grow(moments, series, factor, zero, zero, parents.columns[j], zero, own, j)
    # What all columns would have in that factor, once for all tests.
    for column in range(len(moments.R)):
        wanted[0] = column
        grow(moments, series, factor, zero, base, wanted, zero, zero + 1, j)
        for k in range(base):
            factor.base[column, k] = factor.rows[base, k]
    # A source among the parents of j leaves its conditions, so that the factor cannot begin with all of them: those come last.
    for among in range(2):
        for i in range(n):
            for lag in range(lags + 1):
                x, tested = lag * n + i, may[i, j, lag] or (lag == 0 and may[j, i, 0])
                if of_target[x] != among or not tested or (lag == 0 and i >= j):
                    continue
                count, begin = zero, zero if among else base
                for k in range(own if among else zero):
                    if parents.columns[j, k] != x:
                        wanted[count] = parents.columns[j, k]
                        count += 1
                for k in range(parents.sizes[i]):
                    column = parents.columns[i, k] + lag * n
                    if of_target[column] == 0:
                        wanted[count] = column
                        count += 1
                conditions = count if among else own + count
                wanted[count] = x
                grown = grow(moments, series, factor, begin, begin, wanted, zero, count + 1, j)
                size = grown - 1 if factor.columns[grown - 1] == x else grown
                r, freedom, _ = judge(moments, series, factor, size, grown, x, j, conditions, tally)
                links.value[i, j, lag], links.freedom[i, j, lag] = r, freedom
                if lag == 0:
                    links.value[j, i, 0], links.freedom[j, i, 0] = r, freedom


def log_p_of(links: Links) -> np.ndarray:
    """Return float[N, N, L + 1], natural logarithms of the p-values of links; 0.0 where nothing was tested.

    >>> links = no_links(2, 0)
    >>> links.value[0, 1, 0], links.freedom[0, 1, 0] = 0.5, 10.0
    >>> np.exp(log_p_of(links)[:, :, 0]).round(4).tolist()
    [[1.0, 0.0979], [1.0, 1.0]]
    """
    out = np.zeros(links.value.shape)
    log_p_values(links.value.ravel(), links.freedom.ravel(), out.reshape(-1))
    return out


def false_discovery(log_p: np.ndarray, family: np.ndarray) -> np.ndarray:
    """Return natural logarithms of p-values adjusted by Benjamini & Hochberg (1995) within a family, a mask of tests.

    >>> tests = np.log(np.array([0.01, 0.02, 0.9, 0.5]))
    >>> np.exp(false_discovery(tests, np.array([True, True, True, False]))).round(3).tolist()
    [0.03, 0.03, 0.9, 0.5]
    """
    adjusted = np.array(log_p)
    tests = log_p[family]
    order = np.argsort(tests, kind="stable")
    ranked = tests[order] + math.log(max(len(tests), 1)) - np.log(np.arange(1, len(tests) + 1))
    smallest = np.minimum.accumulate(ranked[::-1])[::-1]
    back = np.empty_like(tests)
    back[order] = np.minimum(smallest, 0.0)
    adjusted[family] = back
    return adjusted
