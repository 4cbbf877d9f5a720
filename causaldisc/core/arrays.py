"""Read-only arrays: what a frozen noun may hold."""

from __future__ import annotations

from typing import Any

import numpy as np


def frozen(array: Any, dtype: Any = None) -> np.ndarray:
    """Return a C-ordered private copy of the array that cannot be written to."""
    copy = np.array(array, dtype=dtype, order="C", copy=True)
    copy.setflags(write=False)
    return copy


def cells(array: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the indices of the cells that are not 0, one int[K] an axis: ``np.nonzero``, many times faster in three dimensions.

    >>> [axis.tolist() for axis in cells(np.array([[0, 1], [2, 0]]))]
    [[0, 1], [1, 0]]
    """
    return np.unravel_index(np.flatnonzero(array != 0), array.shape)
