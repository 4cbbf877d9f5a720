"""Arrays as ``.npy`` bytes, without pickle."""

from __future__ import annotations

import io

import numpy as np


def npy(array: np.ndarray) -> bytes:
    """Return the bytes of ``numpy.save``; the array must not hold objects."""
    sink = io.BytesIO()
    np.save(sink, array, allow_pickle=False)
    return sink.getvalue()


def by_index(names: tuple[str, ...]) -> dict[str, str]:
    """Return row and column number → name."""
    return {str(k): name for k, name in enumerate(names)}
