"""Resampling of rows that follow each other in time: how long blocks must be, and draws of blocks.

Rows within an environment stand on end; a block never reaches from one environment into the next.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

# Autocorrelations are called zero below c * sqrt(log10 n / n), c of Politis & White.
_CUT = 2.0


def block_length(values: np.ndarray, environments: np.ndarray) -> int:
    """Return the length of blocks that keeps the dependence between rows: the median over columns of the automatic choice.

    The choice for the circular block bootstrap of Politis & White (2004, Econometric Reviews 23), as corrected by Patton,
    Politis & White (2009): the longer autocorrelation lasts, the longer the blocks; 1 where rows are independent.

    Parameters
    ----------
    values : float[T, N], NaN where missing.
    environments : int[T], each environment one block of rows; the longest speaks for all.

    >>> noise = np.random.default_rng(0).normal(size=(400, 3))
    >>> walk = np.array(noise)
    >>> for t in range(1, 400): walk[t] += 0.9 * walk[t - 1]
    >>> block_length(noise, np.zeros(400)) <= 3, block_length(walk, np.zeros(400)) >= 10
    (True, True)
    """
    labels, counts = np.unique(environments, return_counts=True)
    part = values[np.asarray(environments) == labels[np.argmax(counts)]]
    n = len(part)
    if n < 8 or values.shape[1] == 0:
        return 1
    window = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = min(math.ceil(math.sqrt(n)) + window, n - 1)
    rho = autocorrelations(part, most)
    lengths = [_length(column, n, window) for column in rho.T]
    return max(1, min(round(float(np.median(lengths))), math.ceil(min(3 * math.sqrt(n), n / 3))))


def autocorrelations(values: np.ndarray, lags: int) -> np.ndarray:
    """Return float[lags + 1, N], the autocorrelations of columns at lags 0 to ``lags``, missing values at the mean.

    >>> autocorrelations(np.array([[1.0], [-1.0], [1.0], [-1.0]]), 1)[:, 0].tolist()
    [1.0, -0.75]
    """
    centred = values - np.nanmean(values, axis=0)
    centred[np.isnan(centred)] = 0.0
    largest = np.abs(centred).max(axis=0, initial=0.0)
    centred /= np.where(largest > 0, largest, 1.0)  # squares of very large and very small columns stay within range
    size = 1 << (len(values) + lags - 1).bit_length()
    spectrum = np.fft.rfft(centred, size, axis=0)
    products = np.fft.irfft(spectrum * spectrum.conj(), size, axis=0)[: lags + 1]
    rho = np.divide(products, products[0], out=np.zeros_like(products), where=products[0] > 0)
    rho[0] = 1.0
    return rho


def _length(rho: np.ndarray, n: int, window: int) -> float:
    """The automatic block length of one series, from its autocorrelations."""
    small = np.abs(rho[1:]) < _CUT * math.sqrt(math.log10(n) / n)
    quiet = [m for m in range(len(small) - window + 1) if small[m : m + window].all()]
    large = np.flatnonzero(~small)
    last = quiet[0] if quiet else (int(large[-1]) + 1 if large.size else 0)
    reach = min(2 * max(last, 1), len(rho) - 1)
    k = np.arange(-reach, reach + 1)
    flat_top = np.clip(2.0 * (1.0 - np.abs(k) / reach), 0.0, 1.0)
    weighted = flat_top * rho[np.abs(k)]
    bias, variance = float((weighted * np.abs(k)).sum()), 4.0 / 3.0 * float(weighted.sum()) ** 2
    if last == 0 or variance <= 0.0:
        return 1.0
    return max(1.0, (2.0 * bias * bias / variance) ** (1 / 3) * n ** (1 / 3))


def draw(labels: np.ndarray, block: int, rng: np.random.Generator) -> np.ndarray:
    """Draw as many rows as there are, block by block with replacement (circular block bootstrap, Politis & Romano 1992).

    Parameters
    ----------
    labels : int[T], the environment of each row, each one block; as many rows are drawn of each as it has.
    block : length of the blocks; 1 draws rows one by one.

    Returns
    -------
    int[T] : row numbers, those of an environment where its own rows stand.

    >>> draw(np.array([0, 0, 0, 0, 1, 1]), 2, np.random.default_rng(3)).tolist()
    [3, 0, 0, 1, 4, 5]
    """
    drawn = []
    for begin, size in _parts(labels):
        starts = rng.integers(size, size=math.ceil(size / block))
        drawn.append(begin + (starts[:, None] + np.arange(block)).ravel()[:size] % size)
    return np.concatenate(drawn)


def halves(labels: np.ndarray, block: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Part the rows into two random halves, block by block (complementary pairs, Shah & Samworth 2013).

    >>> one, other = halves(np.zeros(8, int), 2, np.random.default_rng(0))
    >>> sorted([*one.tolist(), *other.tolist()]), len(one)
    ([0, 1, 2, 3, 4, 5, 6, 7], 4)
    """
    first, second = [], []
    for begin, size in _parts(labels):
        pieces = math.ceil(size / min(block, max(size // 2, 1)))
        piece = np.arange(size) * pieces // size
        mine = np.zeros(pieces, dtype=bool)
        mine[rng.permutation(pieces)[: pieces // 2]] = True
        rows = begin + np.arange(size)
        first.append(rows[mine[piece]])
        second.append(rows[~mine[piece]])
    return np.concatenate(first), np.concatenate(second)


def _parts(labels: np.ndarray) -> list[tuple[int, int]]:
    """(first row, number of rows) of every environment."""
    borders = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    return [(a, b - a) for a, b in itertools.pairwise(borders) if b > a]
