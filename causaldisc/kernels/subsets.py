"""The conditioning sets of a pair of columns, one by one, for tests that are made on rows and not on a matrix.

They are the subsets of the neighbours of either end, by ascending size; none is given twice. A test takes far longer than
the step to its set, so this is written to be short.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from causaldisc.kernels.inner import inner

SIZE, SIDE, COUNT, CHANGED, LARGE = range(5)


class Walk(NamedTuple):
    """Where a walk over sets stands; the present set is ``chosen[:at[SIZE]]``.

    Attributes
    ----------
    known : bool[M], the columns that sets of the present size were taken from at the other end.
    candidates : int64[M], the neighbours that sets are taken from, the first ``at[COUNT]`` of them.
    picked, chosen : int64[K + 1], places in ``candidates``, ascending, and the columns there.
    at : int64[5]: size of the set, the end that it is taken from, candidates, the first place of ``chosen`` that is another
        than in the set before, and whether an end had neighbours enough for the largest sets.
    """

    known: np.ndarray
    candidates: np.ndarray
    picked: np.ndarray
    chosen: np.ndarray
    at: np.ndarray


def walk_over(columns: int, high: int) -> Walk:
    """Return room for walks over sets of up to ``high`` of so many columns."""
    picked, chosen = np.empty((2, high + 1), np.int64)
    return Walk(np.empty(columns, bool), np.empty(columns, np.int64), picked, chosen, np.zeros(5, np.int64))


@inner
def begin(walk: Any, low: Any) -> None:
    """Stand before the first set of a pair, those of size ``low``."""
    for a in range(len(walk.known)):
        walk.known[a] = False
    walk.at[SIZE], walk.at[SIDE], walk.at[COUNT] = low, -1, -1


@inner
def next_set(walk: Any, cause: Any, neighbours: Any, x: Any, y: Any, high: Any) -> bool:
    """Go to the next set, return whether there is one.

    Only ends at lag 0 give sets, of those of their neighbours that may be a cause of x or of y.
    """
    known, candidates, picked, chosen, at = walk
    at[CHANGED] = at[SIZE]
    while at[SIZE] <= high:
        if at[COUNT] >= at[SIZE] and _advance(candidates, picked, chosen, at):
            if at[SIDE] == 0 or at[SIZE] == 0:
                return True
            for a in range(at[SIZE]):
                if not known[chosen[a]]:
                    return True
            continue
        for a in range(at[COUNT]):
            known[candidates[a]] = True
        at[SIDE], at[COUNT], at[CHANGED] = at[SIDE] + 1, -1, 0
        if at[SIDE] == 2 or (at[SIDE] == 1 and at[SIZE] == 0):
            at[SIZE], at[SIDE] = at[SIZE] + 1, -1
            for a in range(len(known)):
                known[a] = False
            continue
        at[COUNT] = _gather(candidates, cause, neighbours, x if at[SIDE] == 0 else y, y if at[SIDE] == 0 else x)
        if at[COUNT] >= at[SIZE]:
            picked[0] = -1
            at[LARGE] |= at[SIZE] == high
    return False


@inner
def _gather(candidates: Any, cause: Any, neighbours: Any, end: Any, other: Any) -> Any:
    """Fill in the neighbours of an end that may stand in a set; return how many, -1 where the end has none known."""
    flat, starts = neighbours
    if end >= len(starts) - 1:
        return -1
    count = 0
    for place in range(starts[end], starts[end + 1]):
        z = flat[place]
        if z != other and (cause[z, end] or cause[z, other]):
            candidates[count] = z
            count += 1
    return count


@inner
def _advance(candidates: Any, picked: Any, chosen: Any, at: Any) -> bool:
    """Pick the next subset in lexicographic order; False after the last. ``picked[0]`` is -1 before the first."""
    size, count = at[SIZE], at[COUNT]
    if picked[0] < 0:
        place, value = 0, 0
    else:
        place = size - 1
        while place >= 0 and picked[place] == count - size + place:
            place -= 1
        if place < 0:
            return False
        value = picked[place] + 1
    if size == 0:
        picked[0] = 0  # the empty set was given
    for a in range(place, size):
        picked[a] = value + a - place
        chosen[a] = candidates[picked[a]]
    at[CHANGED] = min(at[CHANGED], place)
    return True


@inner
def record(walk: Any, results: Any, k: Any, statistic: Any, strength: Any, critical: Any) -> bool:
    """Note the test of pair k given the present set; return whether it separates the pair.

    ``results`` are found int[K], holding int[K, M] or none to count in, and best float[K, 2] as in
    :func:`causaldisc.kernels.separation.separate`.
    """
    found, holding, best = results
    if statistic < best[k, 0]:
        best[k, 0], best[k, 1] = statistic, strength
    if statistic > critical:
        return False
    found[k] += 1
    if len(holding):
        for a in range(walk.at[SIZE]):
            holding[k, walk.chosen[a]] += 1
    return True
