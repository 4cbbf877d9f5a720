"""Correlations of variables and their lagged copies over all windows of complete series, without a copy of the windows."""

from __future__ import annotations

import numpy as np

# Below this share of its second moment a column's variance is rounding.
_ROUNDING = 1e-12


def window_correlation(
    values: np.ndarray, environments: np.ndarray, depth: int, own_means: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`causaldisc.kernels.moments.pairwise_correlation` says of lagged copies, several times faster.

    Parameters
    ----------
    values : float[T, N], nothing missing; at least one environment is longer than ``depth``.
    environments : int[T], each environment one block of rows, in one of which a window of ``depth`` + 1 rows lies.
    own_means : whether each environment has means of its own; every one beyond the first then costs one row.

    Returns
    -------
    R : float[M, M], M = N * (depth + 1), column ``lag * N + i`` is variable i at t - lag; 0 beside a column without variance.
    n : float[M, M], the rows behind every pair, all the same.

    >>> R, n = window_correlation(np.array([[1.0], [2.0], [4.0], [3.0]]), np.zeros(4), 1)
    >>> R.round(3).tolist(), float(n[0, 0])
    ([[1.0, 0.327], [0.327, 1.0]], 3.0)
    """
    columns = values.shape[1] * (depth + 1)
    cross, moment, rows = np.zeros((columns, columns)), np.zeros(columns), 1
    borders = np.flatnonzero(np.diff(environments)) + 1
    parts = [part for part in np.split(values, borders) if len(part) > depth]
    # Scaled by the data as a whole, so that squares stay within range and environments within proportion.
    largest = np.abs(values - values.mean(axis=0)).max(axis=0)
    scale = np.where(largest > 0, largest, 1.0)
    for pool in [[part] for part in parts] if own_means else [parts]:
        # About the median, so that an outlier shifts no window that it is not in.
        middle, sums, windows = np.median(np.concatenate(pool), axis=0), np.zeros(columns), 0
        for part in pool:
            products, some = _products((part - middle) / scale, depth)
            moment += np.diag(products)
            cross += products
            sums += some
            windows += len(part) - depth
        cross -= np.outer(sums, sums) / windows
        rows += windows - 1
    variance = np.diag(cross)
    scale = np.zeros(columns)
    np.divide(1.0, np.sqrt(np.abs(variance)), out=scale, where=variance > _ROUNDING * moment)
    cross *= np.outer(scale, scale)
    np.clip(cross, -1.0, 1.0, out=cross)
    np.fill_diagonal(cross, 1.0)
    return cross, np.full(cross.shape, float(rows))


def scaled(values: np.ndarray) -> np.ndarray:
    """Return columns about their medians and within ±1, so that squares stay in range and rounding in proportion.

    >>> scaled(np.array([[1e200], [3e200], [2e200]])).ravel().tolist()
    [-1.0, 1.0, 0.0]
    """
    centred = values - np.median(values, axis=0)
    largest = np.abs(centred).max(axis=0)
    return centred / np.where(largest > 0, largest, 1.0)


def repeated_correlation(columns: np.ndarray, rows: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`causaldisc.kernels.moments.pairwise_correlation` says of ``columns[rows]``, each row multiplied once.

    Parameters
    ----------
    columns : float[T', M], nothing missing, scaled.
    rows : int[K], with repetitions.
    labels : int[T'], environments with means of their own, or None.

    >>> X = scaled(np.array([[1.0, 2.0], [2.0, 1.0], [4.0, 5.0], [7.0, 3.0]]))
    >>> R, n = repeated_correlation(X, np.array([0, 0, 1, 2, 3, 3]), None)
    >>> bool(np.isclose(R[0, 1], np.corrcoef(X[[0, 0, 1, 2, 3, 3]].T)[0, 1])), float(n[0, 1])
    (True, 6.0)
    """
    counts = np.bincount(rows, minlength=len(columns))
    drawn = np.flatnonzero(counts)
    some, weight = columns[drawn], counts[drawn].astype(float)
    moment = weight @ np.square(some)
    groups = [np.arange(len(drawn))] if labels is None else [np.flatnonzero(labels[drawn] == e) for e in np.unique(labels[drawn])]
    for group in groups:
        some[group] -= weight[group] @ some[group] / weight[group].sum()
    some *= np.sqrt(weight)[:, None]
    cross = some.T @ some
    variance = np.diag(cross)
    scale = np.zeros(len(cross))
    np.divide(1.0, np.sqrt(np.abs(variance)), out=scale, where=variance > _ROUNDING * moment)
    cross *= np.outer(scale, scale)
    np.clip(cross, -1.0, 1.0, out=cross)
    np.fill_diagonal(cross, 1.0)
    return cross, np.full(cross.shape, float(len(rows) - len(groups) + 1))


def _products(x: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums of products and sums of the columns of all windows of float[T, N].

    The sums for two lags share all rows with those for two other lags equally far apart, except a few at either end: those
    are added by themselves. (Taking rows away instead would lose precision to an outlier.)
    """
    rows, n = x.shape
    products, sums = np.empty((depth + 1, n, depth + 1, n)), np.empty((depth + 1, n))
    for lag in range(depth + 1):
        sums[lag] = x[depth - lag : rows - lag].sum(axis=0)
    for gap in range(depth + 1):
        end = rows - depth + gap
        shared = x[depth:end].T @ x[depth - gap : end - gap] if end > depth else None
        for lag in range(depth + 1 - gap):
            other = lag + gap
            if shared is None:
                block = x[depth - lag : rows - lag].T @ x[depth - other : rows - other]
            else:
                block = shared + x[depth - lag : depth].T @ x[depth - other : depth - gap]
                block += x[end : rows - lag].T @ x[end - gap : rows - other]
            products[lag, :, other], products[other, :, lag] = block, block.T
    return products.reshape(n * (depth + 1), -1), sums.reshape(-1)
