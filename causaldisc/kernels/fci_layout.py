"""Where what is known of the neighbours of a variable, two by two, stands in memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from causaldisc.core.arrays import cells
from causaldisc.kernels.colliders import _mark_open
from causaldisc.kernels.separation import Neighbours


class Layout(NamedTuple):
    """The neighbours of every variable, and room for what is known of every two of them with the variable in the middle.

    Attributes
    ----------
    near : the neighbours, all at lag 0.
    place : int32[N, N], place of the second among the neighbours of the first, -1 where they are not adjacent.
    offsets : int64[N + 1], with k neighbours, what is known of (a-th neighbour, z, b-th neighbour) stands at
        ``offsets[z] + a * k + b``.
    """

    near: Neighbours
    place: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, pairs: np.ndarray, variables: int) -> Layout:
        """Lay out adjacent pairs int[K, 2], each once.

        >>> Layout.of(np.array([[0, 1], [1, 2]]), 3).place.tolist()
        [[-1, 0, -1], [0, -1, 1], [-1, 0, -1]]
        """
        near = Neighbours.of(pairs, variables)
        place = np.full((variables, variables), -1, np.int32)
        middles = np.repeat(np.arange(variables), near.degrees)
        place[middles, near.flat] = np.arange(len(near.flat)) - near.starts[middles]
        return cls(near, place, np.concatenate([[0], np.cumsum(near.degrees**2)]))

    def unshielded(self) -> np.ndarray:
        """int[K, 2]: pairs that are not adjacent but have a neighbour in common, each once."""
        mark: Any = _mark_open
        wanted = np.zeros(self.place.shape, np.bool_)
        mark(*self.near, self.place, self.place >= 0, wanted)
        return np.stack(cells(wanted), axis=1)
