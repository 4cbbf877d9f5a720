"""Unshielded triples of a skeleton, judged by the majority rule (Colombo & Maathuis 2014)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from causaldisc.kernels.separation import Basis, marginal, never, separate

SHIELDED, NONCOLLIDER, COLLIDER, AMBIGUOUS = 0, 1, 2, 3
_CHUNK = 2048


class Triples(NamedTuple):
    """The neighbours of every variable, and what is known of every two of them with the variable in the middle.

    Attributes
    ----------
    flat, starts : neighbours of variable z are the columns ``flat[starts[z]:starts[z + 1]]``, ascending.
    kinds, offsets : with k neighbours, the kind of the triple (a-th neighbour, z, b-th neighbour) is
        ``kinds[offsets[z] + a * k + b]``; ``SHIELDED`` also where no edge of it can be turned.
    tests : tests made.
    complete : whether there was time for all of them.
    """

    flat: np.ndarray
    starts: np.ndarray
    kinds: np.ndarray
    offsets: np.ndarray
    tests: int
    complete: bool


def judge_triples(
    basis: Basis, adjacent: np.ndarray, open_: np.ndarray, max_size: int, expired: Callable[[], bool] = never
) -> Triples:
    """Judge every unshielded triple (x, z, y) by how many of all separating sets of x and y hold z.

    The sets are those among the neighbours of x or of y. A minority makes z a collider, a majority a non-collider; at
    exactly one half, and when no set separates x and y, the triple is ambiguous.

    Parameters
    ----------
    adjacent : bool[N, M], the skeleton.
    open_ : bool[N, N], adjacencies at lag 0 whose direction is not settled.
    max_size : largest separating set to try.
    expired : asked now and then whether to stop; triples not reached are ambiguous.

    >>> R = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.5], [0.0, 0.5, 1.0]])
    >>> chain = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
    >>> free = np.ones((3, 3), dtype=bool)
    >>> judge_triples(Basis(R, np.full((3, 3), 99.0), free, 2.58), chain, chain, 1).kinds.tolist()
    [0, 0, 2, 2, 0, 0]
    """
    flat, degrees = np.nonzero(adjacent)[1], adjacent.sum(axis=1)
    starts, offsets = np.concatenate([[0], np.cumsum(degrees)]), np.concatenate([[0], np.cumsum(degrees**2)])
    place = np.cumsum(adjacent, axis=1) - 1
    kinds = np.zeros(int(offsets[-1]), np.int8)
    pairs = _open_pairs(adjacent, open_)
    made, complete = 0, True
    for begin in range(0, len(pairs), _CHUNK):
        some = pairs[begin : begin + _CHUNK]
        y, c = some.T
        before = marginal(basis.R[y, c], basis.n[y, c]), basis.R[y, c]
        verdicts = separate(basis, adjacent, some, (0, max_size), False, before, expired)
        made, complete = made + verdicts.tests, complete and verdicts.complete
        k, z = np.nonzero(adjacent[:, y].T & adjacent[:, c].T)
        a, b = place[z, y[k]], place[z, c[k]]
        kind = _majority(verdicts.found[k], verdicts.holding[k, z])
        kinds[offsets[z] + a * degrees[z] + b] = kind
        kinds[offsets[z] + b * degrees[z] + a] = kind
    return Triples(flat, starts, kinds, offsets, made, complete)


def _open_pairs(adjacent: np.ndarray, open_: np.ndarray) -> np.ndarray:
    """int[K, 2]: pairs that are not adjacent but have a common neighbour to which one edge is not settled."""
    edges, loose = adjacent.astype(np.float32), open_.astype(np.float32)
    variables = len(edges)
    common = loose.T @ edges
    common[:, :variables] += edges[:, :variables].T @ loose
    wanted = (common > 0) & ~adjacent & np.triu(np.ones(adjacent.shape, dtype=bool), 1)
    return np.argwhere(wanted)


def _majority(found: np.ndarray, holding: np.ndarray) -> np.ndarray:
    kind = np.where(2 * holding < found, COLLIDER, np.where(2 * holding > found, NONCOLLIDER, AMBIGUOUS))
    return np.where(found == 0, AMBIGUOUS, kind)
