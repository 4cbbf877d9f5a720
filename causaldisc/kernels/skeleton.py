"""The skeleton of PC-stable (Colombo & Maathuis 2014), with lagged copies of the variables.

Only pairs that end at time t are tested, and what holds of them holds of their copies in time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from causaldisc.core.arrays import cells
from causaldisc.kernels.separation import Neighbours, Tests, never, separate


class Skeleton(NamedTuple):
    """What a search for a skeleton found.

    Attributes
    ----------
    pairs : int[K, 2]: adjacent pairs, each a variable at lag 0 and a column; those of lag 0 once, the smaller first.
    statistic : float[N, M]: the smallest statistic over the tests made of a pair (0 where none could be made).
    strength : float[N, M]: the strength of dependence in that test.
    tests : tests made at each level, from no condition upwards.
    complete : whether there was time for all of them.
    """

    pairs: np.ndarray
    statistic: np.ndarray
    strength: np.ndarray
    tests: tuple[int, ...]
    complete: bool = True


def find_skeleton(
    tests: Tests,
    candidates: np.ndarray,
    required: np.ndarray,
    max_conditions: int | None = None,
    expired: Callable[[], bool] = never,
    critical: np.ndarray | None = None,
) -> Skeleton:
    """Find the skeleton level by level; neighbours are those at the beginning of a level, so order plays no part.

    Parameters
    ----------
    candidates : bool[N, M], pairs that may be adjacent (those of lag 0 in both cells).
    required : bool[N, M], pairs that stay whatever the tests say.
    max_conditions : largest conditioning set; None = as large as neighbourhoods get.
    expired : asked now and then whether to stop with the skeleton so far.
    critical : float[N, M], the largest statistic of independence of each pair; None = that of the tests for all.

    >>> from causaldisc.kernels.fisher import Fisher
    >>> R = np.array([[1.0, 0.8, 0.64], [0.8, 1.0, 0.8], [0.64, 0.8, 1.0]])
    >>> apart, free = ~np.eye(3, dtype=bool), np.ones((3, 3), dtype=bool)
    >>> find_skeleton(Fisher(R, np.full((3, 3), 500.0), free, 2.58), apart, ~free).pairs.tolist()
    [[0, 1], [1, 2]]
    """
    variables = len(candidates)
    statistic, strength, known = tests.marginal(variables)
    bars = np.broadcast_to(tests.critical, candidates.shape) if critical is None else critical
    once = candidates & np.triu(np.ones(candidates.shape, dtype=bool))
    pairs = np.stack(cells(once & (required | (statistic > bars))), axis=1)
    stay = required[*pairs.T]
    made, complete = [int(np.count_nonzero(once & known))], True
    while complete and (max_conditions is None or len(made) <= max_conditions):
        level, open_ = len(made), pairs[~stay]
        j, c = open_.T
        neighbours = Neighbours.of(pairs, variables)
        before = statistic[j, c], strength[j, c]
        found = separate(tests, neighbours, open_, (level, level), True, before, expired, bars[j, c])
        complete = found.complete
        if complete and not found.enough:
            break
        made.append(found.tests)
        for array, new in ((statistic, found.statistic), (strength, found.strength)):
            _put(array, j, c, new)
        keep = np.array(stay)
        keep[~stay] = found.found == 0
        pairs, stay = pairs[keep], stay[keep]
    return Skeleton(pairs, statistic, strength, tuple(made), complete)


def _put(array: np.ndarray, j: np.ndarray, c: np.ndarray, value: np.ndarray) -> None:
    """Set cells of pairs, and their mirror images at lag 0."""
    array[j, c] = value
    now = c < len(array)
    array[c[now], j[now]] = value[now]
