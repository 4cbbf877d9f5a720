"""Read-only arrays: what a frozen noun may hold."""

from __future__ import annotations

from typing import Any

import numpy as np


def frozen(array: Any, dtype: Any = None) -> np.ndarray:
    """Return a C-ordered private copy of the array that cannot be written to."""
    copy = np.array(array, dtype=dtype, order="C", copy=True)
    copy.setflags(write=False)
    return copy
