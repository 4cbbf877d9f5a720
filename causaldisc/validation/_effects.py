"""Effects: does a variable move between two settings of another, and if not, could the trial have seen it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

MIN_BLOCKS, MAX_BLOCKS = 8, 30
_PER_BLOCK = 3  # effective observations in a block: then neighbouring block means are all but independent


@dataclass(frozen=True, slots=True)
class Effect:
    """What a trial says of one effect, in observational standard deviations of the affected variable.

    Attributes
    ----------
    estimate : the largest difference of means between two settings; ``error`` is its standard error.
    p_value : of no difference between any two settings.
    p_absence : of a difference of at least δ between some two settings: small = shown to be absent.
    blocks : independent blocks that the judgement rests on; with fewer than ``MIN_BLOCKS`` all else is NaN.
    """

    estimate: float
    error: float
    p_value: float
    p_absence: float
    blocks: int


def effect(settings: Sequence[Sequence[np.ndarray]], scale: float, delta: float) -> Effect:
    """Judge one effect.

    Parameters
    ----------
    settings : for each setting of the cause, one series float[T] of the affected variable a repeat; NaN where missing. Rows
        of different settings stand for the same time of the run, so that what all runs share (a daily cycle) cancels in
        their difference.
    scale : observational standard deviation of the affected variable.
    delta : smallest effect that matters, in units of ``scale``.

    Every two settings are compared by a t test on block means of the difference (batch means: Schmeiser, Operations Research 30,
    1982), as long as the series' autocorrelation asks. Presence takes the smallest p-value times the number of
    comparisons; absence takes the largest of the two one-sided tests against ±δ (Schuirmann, 1987).

    >>> rng = np.random.default_rng(0)
    >>> low, high = rng.normal(0, 1, 500), rng.normal(1, 1, 500)
    >>> found = effect([[low], [high]], scale=1.0, delta=0.2)
    >>> found.p_value < 1e-6, found.p_absence > 0.5
    (True, True)
    """
    compared = [_compare(a, b, scale, delta) for a, b in combinations(settings, 2)]
    if any(c.blocks < MIN_BLOCKS for c in compared):
        return unjudged(min(c.blocks for c in compared))
    strongest = max(compared, key=lambda c: abs(c.estimate))
    return Effect(
        strongest.estimate,
        strongest.error,
        min(1.0, len(compared) * min(c.p_value for c in compared)),
        max(c.p_absence for c in compared),
        min(c.blocks for c in compared),
    )


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Return q-values float[K]: reject where q ≤ α and the expected share of false rejections is at most α.

    Benjamini & Hochberg (1995). NaN stands for a test that could not be made: it stays NaN and does not count.

    >>> benjamini_hochberg(np.array([0.01, 0.04, np.nan, 0.03])).round(3).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    q_values = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    stepped = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    q_values[order] = np.minimum.accumulate(stepped[::-1])[::-1].clip(max=1.0)
    return q_values


def correlation_time(series: np.ndarray) -> float:
    """Integrated autocorrelation time in rows, at least 1: rows per effectively independent one.

    Geyer's initial monotone sequence estimator (Statistical Science 7, 1992).

    >>> correlation_time(np.random.default_rng(0).normal(size=2000)) < 1.3
    True
    """
    n = len(series)
    centred = series - series.mean()
    power = float(centred @ centred)
    if n < 4 or power <= 0:
        return 1.0
    spectrum = np.fft.rfft(centred, 2 * n)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:n] / power
    pairs = correlation[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    positive = np.minimum.accumulate(pairs[: max(int(ends[0]), 1)] if ends.size else pairs)
    return max(1.0, 2.0 * float(positive.sum()) - 1.0)


def block_means(series: np.ndarray) -> np.ndarray:
    """Return float[B]: means of B equal blocks of a series without NaN, B as large as its autocorrelation allows."""
    blocks = min(MAX_BLOCKS, int(len(series) / correlation_time(series) / _PER_BLOCK))
    if not blocks:
        return np.empty(0)
    width = len(series) // blocks
    return series[len(series) - blocks * width :].reshape(blocks, width).mean(axis=1)


def _compare(low: Sequence[np.ndarray], high: Sequence[np.ndarray], scale: float, delta: float) -> Effect:
    from scipy.special import stdtr

    differences = [(b - a) / scale for a, b in zip(low, high, strict=True)]
    means = np.concatenate([block_means(d[~np.isnan(d)]) for d in differences])
    if len(means) < MIN_BLOCKS:
        return unjudged(len(means))
    estimate, error, freedom = float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means))), len(means) - 1
    error = max(error, 1e-12)  # a variable that its causes fix exactly: the difference is then no estimate
    present = 2.0 * float(stdtr(freedom, -abs(estimate) / error))
    absent = float(stdtr(freedom, (abs(estimate) - delta) / error))
    return Effect(estimate, error, present, absent, len(means))


def unjudged(blocks: int) -> Effect:
    """Return the effect of which nothing can be said."""
    nan = float("nan")
    return Effect(nan, nan, nan, nan, blocks)
