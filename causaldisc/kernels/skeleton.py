"""The skeleton of PC-stable on a correlation matrix (Colombo & Maathuis 2014), with lagged copies of the variables.

Only pairs that end at time t are tested, and what holds of them holds of their copies in time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from causaldisc.kernels.separation import Basis, marginal, never, separate


class Skeleton(NamedTuple):
    """What a search for a skeleton found.

    Attributes
    ----------
    adjacent : bool[N, M]: ``[j, c]`` says that variable j at t and column c are adjacent; symmetric in the first N columns.
    statistic : float[N, M]: the smallest abs(z) over the tests made of the pair (0 where none could be made).
    strength : float[N, M]: the (partial) correlation in that test.
    tests : tests made at each level, from no condition upwards.
    complete : whether there was time for all of them.
    """

    adjacent: np.ndarray
    statistic: np.ndarray
    strength: np.ndarray
    tests: tuple[int, ...]
    complete: bool = True


def find_skeleton(
    basis: Basis,
    candidates: np.ndarray,
    required: np.ndarray,
    max_conditions: int | None = None,
    expired: Callable[[], bool] = never,
) -> Skeleton:
    """Find the skeleton level by level; neighbours are those at the beginning of a level, so order plays no part.

    Parameters
    ----------
    basis : what the tests are made on, of M columns.
    candidates : bool[N, M], pairs that may be adjacent (those of lag 0 in both cells).
    required : bool[N, M], pairs that stay whatever the tests say.
    max_conditions : largest conditioning set; None = as large as neighbourhoods get.
    expired : asked now and then whether to stop with the skeleton so far.

    >>> R = np.array([[1.0, 0.8, 0.64], [0.8, 1.0, 0.8], [0.64, 0.8, 1.0]])
    >>> pairs, free = ~np.eye(3, dtype=bool), np.ones((3, 3), dtype=bool)
    >>> find_skeleton(Basis(R, np.full((3, 3), 500.0), free, 2.58), pairs, ~free).adjacent.tolist()
    [[False, True, False], [True, False, True], [False, True, False]]
    """
    variables = len(candidates)
    statistic = marginal(basis.R[:variables], basis.n[:variables])
    strength = np.array(basis.R[:variables])
    adjacent = candidates & (required | (statistic > basis.critical))
    once = np.triu(np.ones(candidates.shape, dtype=bool))
    complete = True
    made = [int((candidates & once & (basis.n[:variables] > 3)).sum())]
    while complete and (max_conditions is None or len(made) <= max_conditions):
        level = len(made)
        pairs = np.argwhere(adjacent & ~required & once)
        j, c = pairs.T
        found = separate(basis, adjacent, pairs, (level, level), True, (statistic[j, c], strength[j, c]), expired)
        complete = found.complete
        if complete and not found.enough:
            break
        made.append(found.tests)
        gone = found.found > 0
        for of, new in ((statistic, found.statistic), (strength, found.strength)):
            _put(of, j, c, new)
        _put(adjacent, j[gone], c[gone], False)
    return Skeleton(adjacent, statistic, strength, tuple(made), complete)


def _put(array: np.ndarray, j: np.ndarray, c: np.ndarray, value: np.ndarray | bool) -> None:
    """Set cells of pairs, and their mirror images at lag 0."""
    array[j, c] = value
    now = c < len(array)
    array[c[now], j[now]] = value if isinstance(value, bool) else value[now]
