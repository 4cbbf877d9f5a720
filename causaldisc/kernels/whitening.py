"""Whitening of two series together, so that neither their relation within a row nor its direction in time is touched."""

from __future__ import annotations

import numpy as np

_MOST_TERMS = 10


def whitened(x: np.ndarray, y: np.ndarray, blocks: list[slice]) -> list[np.ndarray]:
    """Pass two series through the one filter that whitens their mean autocovariance.

    What holds between them within a row holds after one and the same filter too, which filters of their own would not keep.

    Parameters
    ----------
    x, y : float[T], complete.
    blocks : stretches of rows that follow each other; the filter looks back within a stretch alone.

    Returns
    -------
    float[2, T'] a stretch, both series of one scale; shorter by the order of the autoregression that the filter undoes (by BIC,
    0 where rows are independent), and none for a stretch too short for it, or where a series is constant.

    >>> noise = np.random.default_rng(0).normal(size=(2, 500))
    >>> [part.shape for part in whitened(noise[0], noise[0] + noise[1], [slice(0, 500)])]
    [(2, 500)]
    """
    pair = np.stack([x, y])
    spread = pair.std(axis=1, keepdims=True)
    if not (spread > 0).all():
        return []
    pair = (pair - pair.mean(axis=1, keepdims=True)) / spread
    parts = [pair[:, block] for block in blocks]
    taps = np.concatenate([[1.0], -_autoregression(parts, len(x))])
    return [np.stack([np.convolve(series, taps, mode="valid") for series in part]) for part in parts if part.shape[1] > len(taps)]


def _autoregression(parts: list[np.ndarray], rows: int) -> np.ndarray:
    """Weights of the autoregression of the mean autocovariance of all series, its order by BIC."""
    from scipy.linalg import solve_toeplitz

    terms = min(_MOST_TERMS, max(part.shape[1] for part in parts) // 10)
    c = np.zeros(terms + 1)
    for part in parts:
        for k in range(min(terms + 1, part.shape[1])):
            c[k] += float((part[:, k:] * part[:, : part.shape[1] - k]).sum())
    c /= 2 * rows
    c[0] *= 1.0 + 1e-6
    fits: list[tuple[float, np.ndarray]] = [(rows * np.log(c[0]), np.empty(0))]
    for p in range(1, terms + 1):
        weights = np.asarray(solve_toeplitz(c[:p], c[1 : p + 1]), dtype=float)
        left = float(c[0] - weights @ c[1 : p + 1])
        fits.append((rows * np.log(max(left, 1e-12)) + p * np.log(rows), weights))
    return min(fits, key=lambda fit: fit[0])[1]
