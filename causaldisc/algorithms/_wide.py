"""Arrays by variable and lag, [N, N, L + 1], as arrays over lagged columns: column ``lag * N + i`` is variable i at t - lag."""

from __future__ import annotations

import numpy as np


def square(cells: np.ndarray) -> np.ndarray:
    """Return [M, M] over lagged columns of [N, N, L + 1]; nothing points into the past.

    >>> square(np.array([[[0, 1]]])).tolist()
    [[0, 0], [1, 0]]
    """
    n, _, depth = cells.shape
    wide = np.zeros((n * depth, n * depth), dtype=cells.dtype)
    wide[:, :n] = cells.transpose(2, 0, 1).reshape(n * depth, n)
    return wide


def by_lag(wide: np.ndarray) -> np.ndarray:
    """Return [N, N, L + 1] of an array [M, N] over lagged columns.

    >>> by_lag(np.array([[5], [7]])).tolist()
    [[[5, 7]]]
    """
    n = wide.shape[1]
    return np.array(wide.reshape(-1, n, n).transpose(1, 2, 0))
