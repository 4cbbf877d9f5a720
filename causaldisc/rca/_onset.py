"""Finding the onset of an incident when nobody says it.

Every indicator (latency and errors where there are any, else every variable) is put on a robust scale, (x - median) / MAD over
all rows. The root mean square over indicators is the excitement of a row. What exceeds its own median by three robust deviations
counts for, what falls short counts against, and the onset is the first row of the contiguous stretch with the largest sum: the
scan for an epidemic change (Levin and Kline, 1985), solved by Kadane's recursion. The rule takes the incident to be the smaller
part of the data, and knows neither seasons nor trends.
"""

from __future__ import annotations

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.telemetry import Telemetry
from causaldisc.rca._periods import MIN_NORMAL_ROWS

_CLIP = 20.0
_DEVIATIONS = 3.0


def find_onset(telemetry: Telemetry) -> float:
    """Return the time at which the incident begins, in seconds of the telemetry's clock.

    Raises
    ------
    InputError : nothing stands out.

    >>> values = np.random.default_rng(0).normal(size=(200, 3))
    >>> values[150:, 1] += 8
    >>> find_onset(Telemetry(values, ["a:latency", "b:latency", "c:cpu"]))
    150.0
    """
    excitement = _excitement(telemetry)
    middle = np.median(excitement)
    surprise = excitement - middle - _DEVIATIONS * max(1.4826 * float(np.median(np.abs(excitement - middle))), 1e-9)
    best, best_start, total, start = 0.0, -1, 0.0, 0
    starts = np.diff(telemetry.environments, prepend=telemetry.environments[0]) != 0
    for row, gain in enumerate(surprise):
        if total <= 0 or starts[row]:
            total, start = 0.0, row
        total += float(gain)
        if total > best:
            best, best_start = total, start
    if best_start < 0:
        raise InputError("at must be given: no stretch of the telemetry stands out as an incident")
    several = len(np.unique(telemetry.environments)) > 1
    if best_start < MIN_NORMAL_ROWS and not several:
        raise InputError(f"at must be given: the telemetry stands out from its row {best_start} on, so no normal period precedes")
    return float(telemetry.times[best_start])


def _excitement(telemetry: Telemetry) -> np.ndarray:
    """float[T]: root mean square of the indicators' clipped robust z; a missing value counts as normal."""
    indicators = [k for k, v in enumerate(telemetry.variables) if v.role in ("latency", "errors")]
    values = telemetry.values[:, indicators] if indicators else telemetry.values
    known = ~np.isnan(values)
    z = np.zeros_like(values)
    for k in range(values.shape[1]):
        column = values[known[:, k], k]
        center = np.median(column)
        scale = 1.4826 * np.median(np.abs(column - center)) or column.std()
        if scale > 0:
            z[known[:, k], k] = np.clip((column - center) / scale, -_CLIP, _CLIP)
    return np.sqrt((z**2).mean(axis=1))
