"""Correlations of a test's own columns over the windows where all of them are present, when values are missing.

Windows end at a row and reach back; column ``lag * N + i`` is variable i at t - lag, as in :mod:`causaldisc.kernels.pcmci`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from causaldisc.kernels.inner import inner


class Series(NamedTuple):
    """Time series with missing values, for tests that each take the windows they can use.

    Attributes
    ----------
    values : float[N, T], 0.0 where missing.
    there : bool[N, T], where they are not.
    gappy : bool[N], variables with a missing value.
    ends : bool[T], rows at which a window ends.
    borders : int[B + 1], rows from one to the next have a mean of their own.
    used : int[T + 1], counts the tests by the windows that they used.
    """

    values: np.ndarray
    there: np.ndarray
    gappy: np.ndarray
    ends: np.ndarray
    borders: np.ndarray
    used: np.ndarray


def series_of(values: np.ndarray, environments: np.ndarray, depth: int, own_means: bool = False) -> Series:
    """Return the series of float[T, N] with NaN where missing; windows of ``depth`` + 1 rows lie in one environment.

    >>> series = series_of(np.array([[1.0], [np.nan], [3.0], [4.0]]), np.array([0, 0, 1, 1]), 1)
    >>> series.ends.tolist(), series.there.tolist(), series.borders.tolist()
    ([False, True, False, True], [[True, False, True, True]], [0, 4])
    """
    there = np.ascontiguousarray(~np.isnan(values).T)
    scaled = np.where(there, values.T, 0.0)
    # Scaled, so that squares stay within range; every test centres and scales its columns itself.
    scaled /= np.maximum(np.abs(scaled).max(axis=1, keepdims=True), np.finfo(float).tiny)
    total, ends = len(values), np.zeros(len(values), dtype=bool)
    ends[depth:] = environments[depth:] == environments[: total - depth]
    inner = np.flatnonzero(np.diff(environments)) + 1 if own_means else []
    borders = np.array([0, *inner, total], np.int64)
    return Series(scaled, there, np.asarray(np.isnan(values).any(axis=0)), ends, borders, np.zeros(total + 1, np.int64))


# Sums may be taken in any order, which lets long ones use vector instructions.
@inner(fastmath={"reassoc", "contract"})
def correlate(series: Any, columns: np.ndarray, R: np.ndarray) -> float:
    """Write the correlations of columns to float[K, K], over the windows where all are present; 0.0 on and beside the
    diagonal of a column that is constant in them.

    Returns
    -------
    The number of those windows, less the means beyond the first.
    """
    n, total = series.values.shape
    complete = series.ends.copy()
    for column in columns:
        lag, there = column // n, series.there[column % n]
        for t in range(lag, total):
            complete[t] &= there[t - lag]
    place, stops, count = np.empty(total, np.int64), np.empty(len(series.borders), np.int64), 0
    stops[0], means = 0, 0
    for b in range(len(stops) - 1):
        for t in range(series.borders[b], series.borders[b + 1]):
            place[count] = t
            count += complete[t]
        stops[b + 1] = count
        means += count > stops[b]
    part = np.empty((len(columns), count))
    for k in range(len(columns)):
        lag, whole, mine, square = columns[k] // n, series.values[columns[k] % n], part[k], 0.0
        for b in range(len(stops) - 1):
            first, last, total_here, varies = stops[b], stops[b + 1], 0.0, False
            for t in range(first, last):
                mine[t] = whole[place[t] - lag]
                total_here += mine[t]
                varies |= mine[t] != mine[first]
            mean = total_here / (last - first)
            for t in range(first, last):
                # Rounding of the mean must not pass for variance.
                mine[t] = mine[t] - mean if varies else 0.0
                square += mine[t] * mine[t]
        scale = 1.0 / math.sqrt(square) if square > 0.0 else 0.0
        for t in range(count):
            mine[t] *= scale
        for other in range(k + 1):
            entry, theirs = 0.0, part[other]
            for t in range(count):
                entry += mine[t] * theirs[t]
            R[k, other] = R[other, k] = max(-1.0, min(1.0, entry))
    return count - max(means - 1, 0)
