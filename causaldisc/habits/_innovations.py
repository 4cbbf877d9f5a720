"""What is new in every series: residuals after its own past, and how sure their dependence is."""

from __future__ import annotations

import numpy as np

from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.moments import lagged, lagged_rows, pairwise_correlation

SPARSE = 0.9  # share of rows at one value from which on coincidences are counted instead of correlated
_FEWEST_ROWS = 12


def innovations(telemetry: Telemetry, lags: int, load: np.ndarray | None = None) -> Telemetry:
    """Return the residuals of each column after its own past and, if given, a load.

    The regressions are made by environment-centred least squares, each on the rows where all of it is there.

    Parameters
    ----------
    lags : L >= 0, rows of own past.
    load : float[T] or float[T, N] (one for each column), at lag 0 and 1; NaN or a column itself where it must not be used.

    >>> walk = np.cumsum(np.random.default_rng(0).normal(size=(300, 1)), axis=0)
    >>> new = innovations(Telemetry(walk, ["a"]), 2)
    >>> new.shape, bool(abs(np.corrcoef(new.values[1:, 0], new.values[:-1, 0])[0, 1]) < 0.15)
    ((298, 1), True)
    """
    rows = lagged_rows(telemetry.environments, lags)
    labels, count = telemetry.environments[rows], telemetry.shape[1]
    wide = lagged(telemetry.values, telemetry.environments, lags)
    burden = None if load is None else np.broadcast_to(load if load.ndim == 2 else load[:, None], telemetry.shape)
    result = np.full((len(rows), count), np.nan)
    for k in range(count):
        parts = [wide[:, lag * count + k] for lag in range(1, lags + 1)]
        if burden is not None and not np.isnan(burden[:, k]).all():
            parts += [burden[rows, k], burden[np.maximum(rows - 1, 0), k]] if lags else [burden[rows, k]]
        result[:, k] = residual(wide[:, k], parts, labels)
    empty = np.isnan(result).all(axis=0)
    result[:, empty] = 0.0
    return Telemetry(result, telemetry.variables, telemetry.times[rows], labels, (), telemetry.clock)


def lags_for(environments: np.ndarray, lags: int) -> int:
    """Return so many lags, or 0 where rows on end are too few for residuals at these and dependence at as many more.

    >>> lags_for(np.zeros(9), 2), lags_for(np.repeat(np.arange(30), 3), 2)
    (2, 0)
    """
    return lags if len(lagged_rows(environments, 2 * lags)) > 2 * lags else 0


def after_own_past(telemetry: Telemetry, lags: int, load: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return (r, p) of :func:`dependence` between the innovations of treated telemetry, at lags 0..L."""
    new = innovations(telemetry, lags, load)
    return dependence(new, lags, telemetry.rows(lagged_rows(telemetry.environments, lags)))


def dependence(telemetry: Telemetry, max_lag: int, levels: Telemetry | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return (r, p), each float[N, N, L + 1]: correlation of x_i(t - lag) and x_j(t), and its two-sided p-value.

    ``levels`` are the series of which the telemetry holds residuals, row by row (default: itself).

    Of two columns that rest at one value in nine of ten rows the p-value is at least that of as many coincidences by chance
    (Fisher's exact test): products of rare events are not Gaussian. Where nothing can be tested, and on the lag-0 diagonal,
    r is 0 and p is 1.

    >>> x = np.random.default_rng(0).normal(size=(200, 2)); x[1:, 1] += x[:-1, 0]
    >>> (dependence(Telemetry(x, ["a", "b"]), 1)[1] < 1e-6)[0, 1].tolist()
    [False, True]
    """
    from scipy.special import stdtr

    count = telemetry.shape[1]
    labels = telemetry.environments[lagged_rows(telemetry.environments, max_lag)]
    wide = lagged(telemetry.values, telemetry.environments, max_lag)
    r, rows = pairwise_correlation(wide, labels)
    r, rows = (np.moveaxis(m[:, :count].reshape(max_lag + 1, count, count), 0, 2).copy() for m in (r, rows))
    freedom = np.maximum(rows - 2, 1)
    with np.errstate(divide="ignore"):
        p = 2 * stdtr(freedom, -np.abs(r) * np.sqrt(freedom / np.maximum(1 - r**2, 1e-15)))
    p = np.where(rows >= _FEWEST_ROWS, p, 1.0)
    source = wide if levels is None else lagged(levels.values, levels.environments, max_lag)
    _floor_by_coincidence(source, p)
    own = np.arange(count)
    r[own, own, 0], p[own, own, 0] = 0.0, 1.0
    return r, p


def _floor_by_coincidence(wide: np.ndarray, p: np.ndarray) -> None:
    """Raise p-values of pairs of sparse columns to the chance of their coincidences, in place."""
    count, depth = p.shape[1:]
    present = ~np.isnan(wide)
    awake, sparse = np.zeros(wide.shape), np.zeros(wide.shape[1], dtype=bool)
    for k in range(wide.shape[1]):
        values, sizes = np.unique(np.round(wide[present[:, k], k], 9), return_counts=True)
        if len(sizes) and sizes.max() >= SPARSE * sizes.sum():
            sparse[k] = True
            awake[:, k] = present[:, k] & (np.abs(wide[:, k] - values[np.argmax(sizes)]) > 1e-9)
    if not sparse[:count].any():
        return
    from scipy.stats import hypergeom

    now = np.flatnonzero(sparse[:count])
    for lag in range(depth):
        then = np.flatnonzero(sparse[lag * count : (lag + 1) * count])
        a, b = awake[:, lag * count + then], awake[:, now]
        joint, first, second = a.T @ b, a.sum(axis=0)[:, None], b.sum(axis=0)[None, :]
        above = hypergeom.sf(joint - 1, len(wide), first, second)
        below = hypergeom.cdf(joint, len(wide), first, second)
        floor = np.minimum(2 * np.minimum(above, below), 1.0)
        where = (then[:, None], now[None, :], lag)
        p[where] = np.maximum(p[where], floor)


def residual(y: np.ndarray, parts: list[np.ndarray], labels: np.ndarray) -> np.ndarray:
    known = ~np.isnan(y)
    for part in parts:
        known &= ~np.isnan(part)
    rest = np.full(len(y), np.nan)
    if known.sum() < len(parts) + _FEWEST_ROWS // 2:
        parts, known = [], ~np.isnan(y)
    if not known.any():
        return rest
    groups = np.unique(labels[known], return_inverse=True)[1]
    table = np.column_stack([y[known], *(part[known] for part in parts)])
    sizes = np.bincount(groups)
    table = table - np.stack([np.bincount(groups, c) / sizes for c in table.T], axis=1)[groups]
    if len(parts):
        weights = np.linalg.lstsq(table[:, 1:], table[:, 0], rcond=1e-10)[0]
        rest[known] = table[:, 0] - table[:, 1:] @ weights
    else:
        rest[known] = table[:, 0]
    return rest
