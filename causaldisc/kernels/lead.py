"""Which of two series comes first, told only where one leads the other by more than a sampling interval.

Whatever acts within a row, however slowly each side changes by itself, makes cross-covariances that are the same forwards
and backwards: c(k) = c(-k). Clocks or sampling that are out of step by less than a row move their centre, but by less than
one row. So one series is said to lead only if all of this holds at stated levels, after both went through one and the same
whitening filter (filters of their own would themselves make a lead):

1. it leads at some lag k >= 1: its correlation with the other k rows later is not 0;
2. the other does not lead at any lag;
3. the two differ: c(k) is not c(-k);
4. the lead is longer than a row: c(1 + m) is larger than c(1 - m) for some m >= 1.

Standard errors are those of the means of products, row by row, with a first-order autoregression's allowance for the likeness
of neighbouring rows. Compare Haugh (JASA 71, 1976) on whitened cross-correlations, and Sims (AER 62, 1972) on their two sides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from causaldisc.kernels.nongaussian import error_of_mean
from causaldisc.kernels.whitening import whitened

MAX_LEAD = 5
STRICT, LAX = 0.001, 0.05


class Lead(NamedTuple):
    """``first`` is 1 where x leads y, -1 where y leads x, 0 where neither is demonstrable; ``rows`` the lag of the largest
    difference, ``z`` that difference over its standard error.
    """

    first: int
    rows: int
    z: float


def lead(x: np.ndarray, y: np.ndarray, blocks: list[slice], beyond: int = 1) -> Lead:
    """Say which of two series leads the other by more than ``beyond`` rows.

    Parameters
    ----------
    x, y : float[T], complete.
    blocks : stretches of rows that follow each other.
    beyond : 1, or 0 to take any lead (which clocks out of step may make).

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=500); y = np.roll(x, 2) + rng.normal(size=500)
    >>> lead(x, y, [slice(0, 500)])[:2], lead(x, x + rng.normal(size=500), [slice(0, 500)]).first
    ((1, 2), 0)
    """
    from scipy.stats import norm

    parts = [part for part in whitened(x, y, blocks) if part.shape[1] > 2 * MAX_LEAD]
    if sum(part.shape[1] for part in parts) < 10 * MAX_LEAD:
        return Lead(0, 0, 0.0)
    strict, lax = (float(norm.isf(level / 2 / MAX_LEAD)) for level in (STRICT, LAX))
    lags = range(1, MAX_LEAD + 1)
    difference = np.array([_z(parts, k, -k) for k in lags])
    at = int(np.argmax(np.abs(difference)))
    ahead, behind = (np.array([_z(parts, sign * k) for k in lags]) for sign in (1, -1))
    first = 1 if abs(ahead[at]) > abs(behind[at]) else -1
    if first < 0:
        ahead, behind = behind, ahead
    led = abs(difference[at]) > strict and abs(ahead[at]) > strict and np.abs(behind).max() < lax
    if led and beyond:
        led = _longer(parts, first, strict)
    return Lead(first if led else 0, at + 1, float(difference[at]))


def _longer(parts: list[np.ndarray], first: int, bar: float) -> bool:
    """Whether correlations are larger beyond a lead of one row than before it."""
    for m in range(1, MAX_LEAD):
        far, near = (_z(parts, first * k) for k in (1 + m, 1 - m))
        if abs(far) > abs(near) and abs(_z(parts, first * (1 + m), first * (1 - m), np.sign(far) * np.sign(near))) > bar:
            return True
    return False


def _z(parts: list[np.ndarray], k: int, other: int | None = None, sign: float = 1.0) -> float:
    """Mean of x(t) y(t + k), less ``sign`` times that at another lag, over its standard error."""
    products, starts = [], []
    for x, y in parts:
        n, reach = len(x), MAX_LEAD
        middle = slice(reach, n - reach)
        product = x[middle] * y[reach + k : n - reach + k]
        if other is not None:
            product = product - sign * x[middle] * y[reach + other : n - reach + other]
        products.append(product)
        starts.append(np.arange(len(product)) == 0)
    values = np.concatenate(products)
    error = error_of_mean(values, np.concatenate(starts))
    return float(values.mean()) / error if error > 0 else 0.0
