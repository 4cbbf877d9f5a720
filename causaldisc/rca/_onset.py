"""Finding the onset of an incident when nobody says it.

Every indicator (latency and errors where there are any, else every variable) is put on a robust scale, (x - median) / MAD over
all rows; the excitement of a row is its largest. The incident is the stretch of rows whose mean excitement stands out most from
the rest, the change in mean over one segment of Olshen et al., "Circular binary segmentation", Biostatistics 2004; its first row
is the onset. It must stand out more than noise of the same spread and autocorrelation would by chance over all stretches.

The rule takes the incident to be the smaller part of the data, and knows neither seasons nor trends: on simulated meshes with a
daily swing it finds a kill, errors or added latency within two rows in about three of four incidents, a throttled CPU or a surge
within the swing in one of five. Give the onset wherever it is known.
"""

from __future__ import annotations

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.telemetry import Telemetry
from causaldisc.rca._periods import MIN_NORMAL_ROWS

_CLIP = 20.0
_LONGEST = 2000  # rows of an incident; bounds the work on long telemetry


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
    start, stop, contrast = _segment(excitement, telemetry.environments)
    rest = np.delete(excitement, np.arange(start, stop))
    if contrast <= _noise(rest) * np.sqrt(2 * np.log(len(excitement) * (len(excitement) - 1) / 2)):
        raise InputError("at must be given: no stretch of the telemetry stands out as an incident")
    return float(telemetry.times[start])


def _noise(rest: np.ndarray) -> float:
    """Robust deviation of the rows outside, widened for means of rows that resemble the row before (AR(1))."""
    around = rest - np.median(rest)
    spread = 1.4826 * float(np.median(np.abs(around))) or float(rest.std())
    energy = float((around**2).sum())
    persistence = float((around[1:] * around[:-1]).sum()) / energy if energy else 0.0
    persistence = min(max(persistence, 0.0), 0.99)
    return spread * float(np.sqrt((1 + persistence) / (1 - persistence)))


def _segment(excitement: np.ndarray, environments: np.ndarray) -> tuple[int, int, float]:
    """Return (start, stop, contrast) of the rows, within one environment, that stand out most; two rows at least.

    The contrast is the difference of the means inside and outside in units of its standard error for unit noise.
    """
    total = len(excitement)
    sums = np.concatenate([[0.0], np.cumsum(excitement)])
    borders = np.append(np.flatnonzero(np.diff(environments)) + 1, total)
    longest = min(total // 2, _LONGEST)
    best = (0, 1, -np.inf)
    for start in range(MIN_NORMAL_ROWS if len(borders) == 1 else 0, total - 1):
        border = int(borders[np.searchsorted(borders, start, side="right")])
        stops = np.arange(start + 2, min(border, start + longest) + 1)
        if stops.size:
            inside = sums[stops] - sums[start]
            rows = stops - start
            difference = inside / rows - (sums[-1] - inside) / (total - rows)
            contrast = difference * np.sqrt(rows * (total - rows) / total)
            k = int(np.argmax(contrast))
            if contrast[k] > best[2]:
                best = (start, int(stops[k]), float(contrast[k]))
    return best


def _excitement(telemetry: Telemetry) -> np.ndarray:
    """float[T]: largest of the indicators' clipped robust |z|; a missing value counts as normal."""
    indicators = [k for k, v in enumerate(telemetry.variables) if v.role in ("latency", "errors")]
    values = telemetry.values[:, indicators] if indicators else telemetry.values
    known = ~np.isnan(values)
    z = np.zeros_like(values)
    for k in range(values.shape[1]):
        column = values[known[:, k], k]
        center = np.median(column)
        scale = 1.4826 * np.median(np.abs(column - center)) or column.std()
        if scale > 0:
            z[known[:, k], k] = np.minimum(np.abs(column - center) / scale, _CLIP)
    return z.max(axis=1)
