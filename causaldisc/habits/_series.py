"""Figures of one series: how often it changes and how regularly, how heavy its tails are, how long it remembers.

A series is float[T], NaN where missing; ``starts`` is bool[T], True at the first row of each environment, so that no step
reaches across a border.
"""

from __future__ import annotations

import numpy as np

_FEWEST_UPDATES = 8
_REGULAR = 0.9
_LOUD = 0.25  # share of the roughness from one scrape to the next that an alternation makes
_SURE = 6.0  # standard errors


def filled(x: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return float[T] with every gap holding the last value before it of its own environment; NaN where there is none.

    >>> filled(np.array([1.0, np.nan, 2.0, np.nan]), np.array([True, False, False, True])).tolist()
    [1.0, 1.0, 2.0, nan]
    """
    rows = np.arange(len(x))
    seen = np.maximum.accumulate(np.where(np.isnan(x), -1, rows))
    begun = np.maximum.accumulate(np.where(starts, rows, 0))
    return np.where(seen >= begun, x[np.maximum(seen, 0)], np.nan)


def updates(x: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return bool[T]: rows whose value differs from the last one seen, and the first value of each environment.

    >>> updates(np.array([3.0, 3.0, 4.0, 4.0]), np.array([True, False, False, False])).tolist()
    [True, False, True, False]
    """
    whole = filled(x, starts)
    before = np.concatenate([[np.nan], whole[:-1]])
    before[starts] = np.nan
    return ~np.isnan(x) & (x != before)


def unchanged_share(x: np.ndarray, starts: np.ndarray) -> float:
    """Share of the recorded steps at which the value stays what it was; NaN without a step.

    >>> unchanged_share(np.array([1.0, 1.0, 2.0]), np.array([True, False, False]))
    0.5
    """
    present, first = ~np.isnan(x), starts & ~np.isnan(x)
    steps = int(present.sum()) - max(int(first.sum()), 1)
    return float(1.0 - (updates(x, starts).sum() - max(int(first.sum()), 1)) / steps) if steps > 0 else float("nan")


def cadence(x: np.ndarray, starts: np.ndarray) -> float:
    """Mean rows between two values of an exporter that is slower than the scrape; 1.0 where the gaps are not regular.

    The gaps between changes count as regular when the middle one is 2 rows or more and nine in ten lie within half of it, or
    within a quarter of a small multiple of it (a value that came back the same), as those of a sleeping series do not.

    >>> slow = np.repeat(np.random.default_rng(0).normal(size=50), 4)
    >>> cadence(slow, np.arange(200) == 0), cadence(np.random.default_rng(0).normal(size=200), np.arange(200) == 0)
    (4.0, 1.0)
    """
    rows = np.flatnonzero(updates(x, starts))
    environment = np.cumsum(starts)[rows]
    gaps = np.diff(rows)[np.diff(environment) == 0]
    middle = float(np.median(gaps)) if len(gaps) >= _FEWEST_UPDATES else 1.0
    if middle < 2:
        return 1.0
    single = np.abs(gaps - middle) <= 0.5 * middle
    multiple = np.round(gaps / middle)
    again = (multiple >= 2) & (multiple <= 4) & (np.abs(gaps - multiple * middle) <= 0.25 * middle)
    spread = np.abs(gaps[single] - middle).mean() if single.any() else np.inf
    if (single | again).mean() < _REGULAR or single.mean() < 0.6 or spread > 0.3 * middle:
        return 1.0
    return float(gaps[single].mean())


def alternates(x: np.ndarray, starts: np.ndarray) -> bool:
    """Whether every other scrape tells another level: its alternation makes a quarter of the roughness, by 6 standard errors.

    >>> x = np.random.default_rng(0).normal(size=100); starts = np.arange(100) == 0
    >>> alternates(x, starts), alternates(x + np.tile([0.0, 2.0], 50), starts)
    (False, True)
    """
    y = x[1:-1] - 0.5 * (x[:-2] + x[2:])
    swing = y * np.where(np.arange(len(y)) % 2, 1.0, -1.0)
    swing = swing[~(np.isnan(swing) | starts[1:-1] | starts[2:])]
    if len(swing) < 20 or not swing.any():
        return False
    mean, square = float(swing.mean()), float(np.square(swing).mean())
    # Neighbouring second differences of independent values are correlated: their mean is as sure as one of n / 3 values.
    error = np.sqrt(3.0 * max(square - mean**2, 1e-300) / len(swing))
    return bool(mean**2 >= _LOUD * square and abs(mean) > _SURE * error)


def excess_kurtosis(x: np.ndarray) -> float:
    """Fourth standardised moment less 3 (0 for a Gaussian series); NaN for one that does not vary.

    >>> round(excess_kurtosis(np.array([-1.0, 1.0, -1.0, 1.0])), 3)
    -2.0
    """
    known = x[~np.isnan(x)]
    if not len(known) or known.max() == known.min():
        return float("nan")
    z = (known - known.mean()) / np.abs(known - known.mean()).max()
    return float(np.mean(z**4) / np.mean(z**2) ** 2 - 3.0)


def lag_one(x: np.ndarray, starts: np.ndarray) -> float:
    """Lag-1 autocorrelation within environments, over the steps whose ends are both there; NaN where nothing varies.

    >>> round(lag_one(np.tile([1.0, -1.0], 50), np.arange(100) == 0), 3)
    -1.0
    """
    present, environment = ~np.isnan(x), np.cumsum(starts) - 1
    sizes = np.maximum(np.bincount(environment[present], minlength=environment[-1] + 1), 1)
    mean = np.bincount(environment[present], x[present], minlength=environment[-1] + 1) / sizes
    centred = x - mean[environment]
    both = present[1:] & present[:-1] & ~starts[1:]
    largest = np.abs(centred[present]).max(initial=0.0)
    centred = centred / largest if largest > 0 else centred  # squares stay within range
    before, after = centred[:-1][both], centred[1:][both]
    scale = np.sqrt(np.square(before).sum() * np.square(after).sum())
    return float((before * after).sum() / scale) if scale > 0 else float("nan")


def effective_rows(x: np.ndarray, starts: np.ndarray) -> float:
    """Independent rows that a correlation of two series like this one is worth: n / (1 + 2 Σ ρ(k)²) (Bartlett 1946).

    >>> effective_rows(np.random.default_rng(0).normal(size=500), np.arange(500) == 0)
    500.0
    """
    from causaldisc.kernels.effective import effective_counts

    rows = float((~np.isnan(x)).sum())
    return float(effective_counts(x[:, None], np.array([[rows]]), np.cumsum(starts))[0, 0]) if rows >= 4 else rows


def starts_of(environments: np.ndarray) -> np.ndarray:
    """Return bool[T]: the first row of each environment.

    >>> starts_of(np.array([0, 0, 1])).tolist()
    [True, False, True]
    """
    return np.concatenate([[True], np.diff(environments) != 0])
