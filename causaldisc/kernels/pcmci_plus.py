"""The skeleton of PCMCI+ and its vote on colliders, on a lagged correlation matrix (Runge 2020, UAI).

Columns are those of :mod:`causaldisc.kernels.pcmci`. Every test holds the lagged parents of both ends fixed (MCI) and varies a
set of neighbours at lag 0 beside them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.conditioning import Index, grow, judge, log_p
from causaldisc.kernels.inner import inner
from causaldisc.kernels.pcmci import given

# Subsets of one size tested for one link; a neighbourhood that asks for more is cut short and counted.
MOST = 2**18


@inner
def _scan(
    moments: Any,
    series: Any,
    factor: Any,
    base: Index,
    conditions: Index,
    x: Index,
    y: Index,
    pool: np.ndarray,
    count: Index,
    size: Index,
    first: bool,
    known: np.ndarray,
    worst: np.ndarray,
    votes: np.ndarray,
    tally: np.ndarray,
) -> Index:
    """Test x and y given every subset of a size, beside the conditions in the factor, and count those that separate them.

    Parameters
    ----------
    base, conditions : size of the factor, and how many conditions it stands for.
    pool, count : int[N], the variables to choose from are the first ``count``.
    first : stop at the first subset that separates, and keep the weakest test in ``worst``.
    known : int[N], 1 for some; a subset of these variables alone is left out.
    worst : float[3]: correlation and degrees of freedom of the test of largest p-value, smallest absolute correlation.
    votes : int[N], counts for each variable the separating subsets that hold it.
    tally : int[3], see :func:`judge`; then the scans that were cut short.
    """
    picked, sizes, last = np.empty(size + 1, np.int64), np.empty(size + 1, np.int64), np.empty(1, np.int64)
    last[0] = x
    sizes[0], picked[0], depth, found, made = base, -1, 0 * size, 0, 0
    while depth >= 0:
        if depth < size:
            picked[depth] += 1
            if picked[depth] > count - size + depth:
                depth -= 1
                continue
            place = picked[depth]
            sizes[depth + 1] = grow(moments, series, factor, 0 * size, sizes[depth], pool, place, place + 1, y)
            depth += 1
            if depth < size:
                picked[depth] = picked[depth - 1]
                continue
        depth -= 1
        fresh = size == 0
        for q in range(size):
            fresh |= known[pool[picked[q]]] == 0
        if not fresh:
            continue
        if made == MOST:
            tally[2] += 1
            break
        made += 1
        grown = grow(moments, series, factor, 0 * size, sizes[size], last, 0 * size, 0 * size + 1, y)
        r, freedom, significant = judge(moments, series, factor, sizes[size], grown, x, y, conditions + size, tally)
        if first:
            same = freedom == worst[1] and size > 0
            if size == 0 or (abs(r) <= abs(worst[0]) if same else log_p(r, freedom) >= log_p(worst[0], worst[1])):
                worst[0], worst[1] = r, freedom
            worst[2] = abs(r) if abs(r) < worst[2] else worst[2]
        if not significant:
            found += 1
            for q in range(size):
                votes[pool[picked[q]]] += 1
            if first:
                break
    return found


@kernel
def judge_pairs(
    moments: Any,
    series: Any,
    factor: Any,
    pairs: np.ndarray,
    smallest: Index,
    largest: np.ndarray,
    first: bool,
    near: np.ndarray,
    degree: np.ndarray,
    parents: Any,
    worst: np.ndarray,
    found: np.ndarray,
    votes: np.ndarray,
    tally: np.ndarray,
) -> None:
    """Test links given the subsets of neighbours at lag 0: those of the target and, unless ``first``, of a source at lag 0.

    Parameters
    ----------
    pairs : int[P, 3], source, target and lag of each link; at lag 0 one of the two directions is enough.
    smallest, largest : sizes of the subsets, the largest int[N + 1] by the number of neighbours to choose from.
    first : stop at the first subset that separates, and keep the weakest test.
    near, degree : int[N, N], int[N]: the neighbours of a variable at lag 0, in the order of choice.
    worst : float[P, 3], see :func:`_scan`; in place.
    found, votes : int[P], int[P, N] (without ``first``), separating subsets and how many of them hold a variable; in place.
    """
    n = len(degree)
    pool, known, wanted = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(len(moments.R), np.int64)
    known[:] = 0
    for p in range(len(pairs)):
        i, j, lag = pairs[p, 0], pairs[p, 1], pairs[p, 2]
        base, conditions = given(moments, series, factor, parents, n, i, lag, j, wanted)
        for side in range(1 if first or lag else 2):
            end, other, count = i if side else j, j if side else i, 0 * lag
            for q in range(degree[end]):
                if lag or near[end, q] != other:
                    pool[count] = near[end, q]
                    count += 1
            # Without neighbours the second side would say the same again.
            for size in range(smallest if smallest > side else side, largest[count] + 1):
                found[p] += _scan(
                    moments,
                    series,
                    factor,
                    base,
                    conditions,
                    lag * n + i,
                    j,
                    pool,
                    count,
                    size,
                    first,
                    known,
                    worst[p],
                    votes[0 if first else p],
                    tally,
                )
            for q in range(degree[j]):
                known[near[j, q]] = 1 if side == 0 and lag == 0 and not first else 0
