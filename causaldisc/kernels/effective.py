"""Effective sample sizes of autocorrelated series: how many independent rows would tell as much.

The correlation of two independent series varies about 0 by ``(1 + 2 Σ ρx(k) ρy(k)) / n`` (Bartlett 1935, 1946; Bayley &
Hammersley 1946), so that many fewer than ``n`` rows are behind it where both are slow. Two things make the estimate of that
sum usable. Autocorrelations are cut off where they no longer differ from 0, by the rule of Politis (2003) with a flat-top
taper, so that noise at long lags does not add up; the rule also bears series that swing. And taking out the mean makes every
estimated autocovariance too small by the variance of the mean, which is put back.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

# An autocorrelation is small below so many times sqrt(log10(n) / n); so many small ones on end are the end (Politis 2003).
_THRESHOLD, _RUN = 2.0, 5
# Columns transformed at a time: a bound on memory.
_CHUNK = 16


class Autocorrelations(NamedTuple):
    """Autocorrelations of M series up to lag K, and how the rows lie.

    Attributes
    ----------
    rho : float[M, K + 1], 1 at lag 0 and 0 beyond the window of each series.
    thinning : float[M, K + 1], chance that a value is there k rows after another, over that of any row: 1 without gaps.
    share : float[K + 1], rows with a row k before them in their environment, over all rows.
    rows : float[M], values of each series.
    """

    rho: np.ndarray
    thinning: np.ndarray
    share: np.ndarray
    rows: np.ndarray


def autocorrelations(values: np.ndarray, environments: np.ndarray | None = None) -> Autocorrelations:
    """Return the autocorrelations of the columns of float[T, M], NaN where missing, within int[T] environments.

    Each environment has a mean of its own; all share one autocorrelation. Lags go up to half of the longest environment.

    >>> steps = np.repeat(np.random.default_rng(0).normal(size=500), 4)[:, None]
    >>> autocorrelations(steps).rho[0, :4].round(1).tolist()
    [1.0, 0.7, 0.5, 0.2]
    """
    blocks = blocks_of(environments, len(values))
    depth = max(max((b.stop - b.start for b in blocks), default=0) // 2, 1)
    total, columns = max(len(values), 1), values.shape[1]
    rho, thinning, rows = np.zeros((columns, depth)), np.ones((columns, depth)), np.zeros(columns)
    share = sum((np.maximum(b.stop - b.start - np.arange(depth), 0.0) for b in blocks), np.zeros(depth)) / total
    for begin in range(0, columns, _CHUNK):
        part = slice(begin, begin + _CHUNK)
        products, counts, spread = _mean_products(values[:, part], blocks, depth)
        rows[part] = counts[:, 0]
        rho[part] = cut_off(products, spread, counts[:, 0])
        present = counts / np.maximum(share * total, 1.0)
        thinning[part] = np.divide(present, present[:, :1], out=np.ones_like(present), where=present[:, :1] > 0)
    used = max(int(np.flatnonzero((rho != 0).any(axis=0)).max(initial=0)) + 1, 1)
    return Autocorrelations(rho[:, :used], np.minimum(thinning[:, :used], 1.0), share[:used], rows)


def effective_size(values: np.ndarray, environments: np.ndarray | None = None) -> np.ndarray:
    """Return float[M]: as many independent values of each column of float[T, M] would tell its mean as well.

    ``n / (1 + 2 Σ ρ(k))``, between 1 and the number of values (0 without any, and 1 for a column that is constant).

    >>> rng = np.random.default_rng(0)
    >>> walk, white = np.cumsum(rng.normal(size=1000)), rng.normal(size=1000)
    >>> sizes = effective_size(np.column_stack([walk, white]))
    >>> bool(sizes[0] < 20), float(sizes[1])
    (True, 1000.0)
    """
    found = autocorrelations(values, environments)
    inflation = 1.0 + 2.0 * (found.share * found.thinning * found.rho)[:, 1:].sum(axis=1)
    sizes = np.clip(found.rows / np.maximum(inflation, 1.0), np.minimum(found.rows, 1.0), found.rows)
    return np.where(found.rho[:, 0] > 0, sizes, np.minimum(found.rows, 1.0))


def effective_counts(values: np.ndarray, n: np.ndarray, environments: np.ndarray | None = None) -> np.ndarray:
    """Return float[M, M]: as many independent rows would tell the correlation of two independent columns as well.

    To be used in the place of ``n`` in Fisher's z. Two series of which one is white keep all of their rows, however slow the
    other. Where one swings against the other's slowness the correlation is told better than by independent rows; no more
    than ``n`` are credited.

    Parameters
    ----------
    values : float[T, M], NaN where missing.
    n : float[M, M], rows behind each correlation, such as :func:`causaldisc.kernels.moments.pairwise_correlation` returns.
    environments : int[T], each one block of rows with a mean of its own; None = one.

    >>> rng = np.random.default_rng(0)
    >>> slow = np.convolve(rng.normal(size=2019), np.ones(20), "valid"), np.convolve(rng.normal(size=2019), np.ones(20), "valid")
    >>> counts = effective_counts(np.column_stack([*slow, rng.normal(size=2000)]), np.full((3, 3), 2000.0))
    >>> 100 < counts[0, 1] < 200, float(counts[0, 2])
    (np.True_, 2000.0)
    """
    return n / inflation(autocorrelations(values, environments), n, len(values))


def inflation(found: Autocorrelations, n: np.ndarray, total: int) -> np.ndarray:
    """Return float[M, M], at least 1: rows that tell as much of a correlation as an independent one; n of ``total`` are joint."""
    alike = gaps_alike(found.rows, n, total)
    weight, rho, thin = 2.0 * found.share[1:], found.rho[:, 1:], found.thinning[:, 1:]
    independent, same = rho * thin, rho * np.sqrt(thin)
    more = (1.0 - alike) * ((independent * weight) @ independent.T) + alike * ((same * weight) @ same.T)
    return np.maximum(1.0 + more, 1.0)


def gaps_alike(rows: np.ndarray, n: np.ndarray, total: int) -> np.ndarray:
    """Return how far two series lack the same rows, float[M, M]: 0 where their gaps are independent, 1 where they coincide.

    Gaps set the rows of a pair apart, and so make their products less dependent: those of both if they are independent.

    >>> gaps_alike(np.array([80.0, 80.0]), np.array([[80.0, 64.0], [64.0, 80.0]]), 100).round(6).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    there = rows / max(total, 1)
    chance, most = np.outer(there, there), np.minimum.outer(there, there)
    excess = n / max(total, 1) - chance
    return np.clip(np.divide(excess, most - chance, out=np.zeros_like(n), where=most - chance > 1e-9), 0.0, 1.0)


def blocks_of(environments: np.ndarray | None, rows: int) -> list[slice]:
    """Return the slices of rows that are the environments."""
    if environments is None or rows == 0:
        return [slice(0, rows)] if rows else []
    borders = [0, *(np.flatnonzero(np.diff(environments)) + 1).tolist(), rows]
    return [slice(a, b) for a, b in pairwise(borders)]


def cut_off(products: np.ndarray, spread: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return autocorrelations float[M, K] of mean products, with the variance of the mean put back; 0 beyond their windows.

    Parameters
    ----------
    products : float[M, K], means of products of deviations k rows apart.
    spread : float[M, K], the share that each autocovariance has in the variance of the mean.
    rows : float[M], values behind them.
    """
    variance = products[:, :1]
    rough = np.divide(products, variance, out=np.zeros_like(products), where=variance > 0)
    count = np.maximum(rows, 2.0)
    small = np.abs(rough[:, 1:]) < (_THRESHOLD * np.sqrt(np.log10(count) / count))[:, None]
    # Beyond the last lag all is taken to be small.
    small = np.pad(small, ((0, 0), (0, _RUN)), constant_values=True)
    runs = np.cumsum(np.pad(small, ((0, 0), (1, 0))), axis=1)
    window = ((runs[:, _RUN:] - runs[:, :-_RUN]) == _RUN).argmax(axis=1)[:, None]
    lags = np.arange(products.shape[1])
    taper = np.where(lags <= window, 1.0, np.clip(2.0 - lags / np.maximum(window, 1), 0.0, 1.0) * (window > 0))
    shift = (spread * taper * rough).sum(axis=1) / (1.0 - np.minimum((spread * taper).sum(axis=1), 0.9))
    whole = taper * (rough + np.maximum(shift, 0.0)[:, None]) * (variance > 0)
    return np.divide(whole, whole[:, :1], out=np.zeros_like(whole), where=whole[:, :1] > 0)


def _mean_products(values: np.ndarray, blocks: list[slice], depth: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean products of deviations, how many are behind each, and shares in the variance of the mean, float[M, depth] each."""
    there = ~np.isnan(values)
    largest = np.abs(np.where(there, values, 0.0)).max(axis=0, initial=0.0)
    scaled = np.where(there, values, 0.0) / np.where(largest > 0, largest, 1.0)
    sums, counts, spread = np.zeros((3, values.shape[1], depth))
    for block in blocks:
        mask = there[block].T.astype(float)
        present = mask.sum(axis=1, keepdims=True)
        part = scaled[block].T
        centred = np.where(mask > 0, part - part.sum(axis=1, keepdims=True) / np.maximum(present, 1.0), 0.0)
        # Rounding of the mean must not pass for variance.
        centred[np.abs(centred).max(axis=1) < 1e-13] = 0.0
        pairs = np.maximum(np.rint(_lagged_sums(mask, depth)), 0.0)
        sums += _lagged_sums(centred, depth)
        counts += pairs
        spread += pairs / np.maximum(present, 1.0)
    spread[:, 1:] *= 2.0
    products = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    return products, counts, spread / np.maximum(counts[:, :1], 1.0)


def _lagged_sums(x: np.ndarray, depth: int) -> np.ndarray:
    """Sums over t of ``x[t] x[t + k]`` of each row of float[M, T], k below ``depth``, by the fast Fourier transform."""
    size = 1 << (x.shape[1] + depth - 1).bit_length()
    return np.fft.irfft(np.abs(np.fft.rfft(x, size, axis=1)) ** 2, size, axis=1)[:, :depth]
