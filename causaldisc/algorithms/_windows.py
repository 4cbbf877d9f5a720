"""Windows of lags: every row beside the rows just before it, never across the border of two environments."""

from __future__ import annotations

import numpy as np

from causaldisc.core.telemetry import Telemetry


def lag_windows(telemetry: Telemetry, max_lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Lay the past of every row beside it.

    Parameters
    ----------
    telemetry : T rows, N variables.
    max_lag : L, in steps.

    Returns
    -------
    rows : int[R], the rows t whose whole window t - L .. t lies in one environment.
    window : float[R, N, L + 1], ``window[r, i, lag]`` = x_i(rows[r] - lag); NaN where missing.

    >>> rows, window = lag_windows(Telemetry([[1.0], [2.0], [3.0]], ["x"]), 1)
    >>> rows.tolist(), window[:, 0].tolist()
    ([1, 2], [[2.0, 1.0], [3.0, 2.0]])
    """
    rows = np.arange(max_lag, telemetry.shape[0])
    # Rows of one environment stand together, so the two ends of a window tell of all of it.
    rows = rows[telemetry.environments[rows] == telemetry.environments[rows - max_lag]]
    window = telemetry.values[rows[:, None] - np.arange(max_lag + 1)]
    return rows, np.swapaxes(window, 1, 2)
