"""Second moments of telemetry: lagged copies, correlations with missing values, near-duplicate columns.

Arrays in, arrays out. Everything here is unchanged by the scale and the offset of a column.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import numpy as np

from causaldisc.core.arrays import cells

logger = logging.getLogger(__name__)

# Fisher's z has n - 3 degrees of freedom: fewer joint rows say nothing about a pair.
MIN_ROWS = 4


def lagged_rows(environments: np.ndarray, max_lag: int) -> np.ndarray:
    """Return int[T']: the rows t of :func:`lagged`, those with ``max_lag`` rows of their own environment before them.

    >>> lagged_rows(np.array([0, 0, 0, 1, 1]), 1).tolist()
    [1, 2, 4]
    """
    labels = np.asarray(environments)
    rows = np.arange(max_lag, len(labels))
    # Environments stand in one block each, so equal labels at both ends mean one block.
    return rows[labels[rows] == labels[rows - max_lag]]


def lagged(values: np.ndarray, environments: np.ndarray, max_lag: int, order: np.ndarray | None = None) -> np.ndarray:
    """Return the lagged copies of all variables side by side, in a new array.

    Parameters
    ----------
    values : float[T, N], NaN where missing.
    environments : int[T], each environment one block of rows; no row of the result reaches across a border.
    max_lag : L, in rows.
    order : int[N], the order of the variables; None = as they stand.

    Returns
    -------
    float[T', N * (L + 1)] : column ``lag * N + i`` is variable i at t - lag; T' loses L rows an environment.

    >>> lagged(np.array([[1.0], [2.0], [3.0]]), np.zeros(3), 1).tolist()
    [[2.0, 1.0], [3.0, 2.0]]
    """
    if order is not None:
        values = np.take(values, order, axis=1)
    if max_lag == 0:
        return values if order is not None else np.array(values, dtype=float, order="C")
    rows = lagged_rows(environments, max_lag)
    return np.concatenate([values[rows - lag] for lag in range(max_lag + 1)], axis=1)


def correlation(X: np.ndarray, environments: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return Pearson correlations and the number of rows behind each, repaired to be positive semi-definite.

    With environments, columns are centred within each, so that a shift of the mean between environments makes no
    correlation; every environment beyond the first costs a pair one row, as in an analysis of covariance.

    Parameters
    ----------
    X : float[T, M], NaN where missing; a pair is correlated over the rows where both are there.
    environments : int[T], or None for one environment.

    Returns
    -------
    R : float[M, M], symmetric, unit diagonal; 0 where a pair has under 4 rows in common or no variance in them.
    n_eff : float[M, M], joint rows less the environments' extra means; 0 where R is 0 for want of data.

    >>> R, n = correlation(np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [4.0, 9.0]]))
    >>> round(float(R[0, 1]), 3), float(n[0, 1])
    (0.994, 4.0)
    """
    R, n_eff = pairwise_correlation(X, environments)
    repaired, change = repair(R)
    if change:
        logger.info("correlations by available pairs were indefinite: repaired, largest change %.3g", change)
    return repaired, n_eff


def pairwise_correlation(
    X: np.ndarray, environments: np.ndarray | None = None, overwrite: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(R, n_eff)`` as :func:`correlation` does, not repaired: with missing values R may be indefinite.

    ``overwrite`` allows X to be destroyed, which spares a copy.
    """
    present = ~np.isnan(X)
    present = None if present.all() else present
    labels = None if environments is None or len(environments) == 0 else np.asarray(environments)
    blocks = [slice(None)] if labels is None or labels[0] == labels[-1] else [labels == e for e in np.unique(labels)]
    if present is None:
        R, spread = _cross_products(X if overwrite else np.array(X), blocks)
        n_eff = np.full(R.shape, float(len(X) - len(blocks) + 1))
    else:
        R, n_eff, spread = _available_pairs(_standardised(X, present, blocks), present.astype(float), blocks)
    product = np.outer(spread, spread) if spread.ndim == 1 else spread * spread.T
    known = (product > 0) & (n_eff >= MIN_ROWS)
    R = np.clip(np.divide(R, product, out=np.zeros_like(R), where=known), -1.0, 1.0)
    R = 0.5 * (R + R.T)
    np.fill_diagonal(R, 1.0)
    return R, np.where(known, n_eff, 0.0)


def repair(R: np.ndarray, floor: float = 1e-9) -> tuple[np.ndarray, float]:
    """Return the nearest usable correlation matrix and the largest change of an entry (0.0 when none was needed).

    An indefinite R has its eigenvalues clipped from below and its diagonal scaled back to one.

    >>> R, change = repair(np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]))
    >>> bool(np.linalg.eigvalsh(R).min() > -1e-12), round(change, 2)
    (True, 0.4)
    """
    if _is_semidefinite(R):
        return R, 0.0
    eigenvalues, vectors = np.linalg.eigh(R)
    clipped = (vectors * np.maximum(eigenvalues, floor)) @ vectors.T
    scale = 1.0 / np.sqrt(np.diag(clipped))
    fixed = np.clip(clipped * np.outer(scale, scale), -1.0, 1.0)
    fixed = 0.5 * (fixed + fixed.T)
    np.fill_diagonal(fixed, 1.0)
    return fixed, float(np.abs(fixed - R).max())


def near_duplicates(R: np.ndarray, tolerance: float = 1e-6) -> tuple[tuple[int, ...], ...]:
    """Return the groups of columns that are the same up to scale and sign: ``|r| >= 1 - tolerance``, transitively.

    Groups have at least two members, in ascending order, and come in the order of their first member. With missing values
    give it :func:`pairwise_correlation`, since the repair of an indefinite matrix pulls duplicates apart.

    >>> near_duplicates(np.array([[1, 0.2, -1.0], [0.2, 1, -0.2], [-1.0, -0.2, 1]]))
    ((0, 2),)
    """
    i, j = cells(np.abs(R) >= 1.0 - tolerance)
    if len(i) <= len(R):  # nothing but the diagonal
        return ()
    group = np.arange(len(R))
    for a, b in zip(i[i < j], j[i < j], strict=True):
        group[group == group[b]] = group[a]
    labels, counts = np.unique(group, return_counts=True)
    members = [tuple(np.flatnonzero(group == label).tolist()) for label in labels[counts > 1]]
    return tuple(sorted(members))


def dependent(R: np.ndarray, tolerance: float = 1e-8) -> tuple[int, list[int]]:
    """Return the numerical rank of a correlation matrix, and which columns the others determine, up to ``tolerance`` of variance.

    Of columns that determine each other one is named, that of least variance left when those of most are taken first.

    >>> R = np.corrcoef(np.array([[1.0, 2, 4, 3], [0, 1, 0, 2], [1, 3, 4, 5]]))
    >>> dependent(R)[0]
    2
    """
    with suppress(np.linalg.LinAlgError):  # raised by a matrix of lower rank, which is what the rest is for
        if np.square(np.diag(np.linalg.cholesky(R))).min(initial=1.0) > tolerance:
            return len(R), []
    from scipy.linalg import get_lapack_funcs

    pivoted_cholesky: Any = get_lapack_funcs("pstrf", (R,))
    _, pivots, rank, _ = pivoted_cholesky(R, tol=tolerance)
    return int(rank), sorted(int(k) - 1 for k in pivots[rank:])


def canonical_order(values: np.ndarray) -> np.ndarray:
    """Return int[N]: an order of the columns that depends on their contents alone, not on where they stand.

    Working in this order makes a computation exactly equivariant: rounding and tie-breaking follow the columns wherever
    they are put. (Equal columns cannot be told apart and keep their order.)

    >>> one, other = np.array([[2.0, 1.0], [0.0, 5.0]]), np.array([[1.0, 2.0], [5.0, 0.0]])
    >>> bool((one[:, canonical_order(one)] == other[:, canonical_order(other)]).all())
    True
    """
    if len(values):  # the first row tells all columns apart as a rule
        order = np.argsort(values[0], kind="stable")
        if (np.diff(values[0][order]) > 0).all():
            return order
    columns = np.ascontiguousarray(values.T, dtype=float) + 0.0  # + 0.0 makes -0.0 and 0.0 the same bytes
    if columns.shape[1] == 0:
        return np.arange(len(columns))
    return np.argsort(columns.view(f"V{columns.shape[1] * columns.itemsize}").ravel(), kind="stable")


def reordered(array: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return a copy of [N, N, …] with both first axes in an order.

    >>> reordered(np.array([[1, 2], [3, 4]]), np.array([1, 0])).tolist()
    [[4, 3], [2, 1]]
    """
    # One axis at a time: rows and cells are then copied in one piece each.
    return np.take(np.take(array, order, axis=0), order, axis=1)


def _standardised(X: np.ndarray, present: np.ndarray | None, blocks: list) -> np.ndarray:
    """Centre within each block and bring columns to one scale; 0 where missing, a constant column exactly 0.

    ``present`` is bool[T, M], or None where nothing is missing. The layout of X in memory is kept.
    """
    centred = np.array(X, copy=True) if present is None else np.where(present, X, 0.0)
    largest = np.zeros(X.shape[1])
    for block in blocks:
        part, there = centred[block], None if present is None else present[block]
        if there is None:
            low, high, mean = part.min(axis=0), part.max(axis=0), part.mean(axis=0)
        else:
            low, high = np.where(there, part, np.inf).min(axis=0), np.where(there, part, -np.inf).max(axis=0)
            mean = part.sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        flat = low >= high  # rounding of the mean must not pass for variance
        part -= mean
        part[:, flat] = 0.0
        if there is not None:
            part[~there] = 0.0
        centred[block] = part
        largest = np.maximum(largest, np.where(flat, 0.0, np.maximum(high - mean, mean - low)))
    # The squares of very large and very small columns stay within range.
    centred *= np.divide(1.0, largest, out=np.zeros_like(largest), where=largest > np.finfo(float).tiny)
    return centred


def _cross_products(X: np.ndarray, blocks: list) -> tuple[np.ndarray, np.ndarray]:
    """Centre complete columns within each block, in place: (cross products, norm of each column), of a common scale."""
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.stack([X[block].mean(axis=0) for block in blocks])
        for block, mean in zip(blocks, means, strict=True):
            X[block] -= mean
        cross = X.T @ X
        squares, lost = np.diag(cross), 1e-20 * len(X) * np.square(means).max(axis=0)
        sound = (squares > np.maximum(lost, 1e-150)) & (squares < 1e150)
        if not sound.all():  # too large or small to be squared, or hardly more than the rounding of the mean
            scaled = _standardised(X, None, blocks)
            cross = scaled.T @ scaled
    return cross, np.sqrt(np.diag(cross))


def _available_pairs(scaled: np.ndarray, there: np.ndarray, blocks: list) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Co-moments over the rows where both of a pair are there: (cross products, n_eff, spread[i, j] of i beside j)."""
    m = scaled.shape[1]
    cross, spread, n_eff = np.zeros((m, m)), np.zeros((m, m)), np.ones((m, m))
    for block in blocks:
        z, mask = scaled[block], there[block]
        joint = mask.T @ mask
        share = np.divide(1.0, joint, out=np.zeros_like(joint), where=joint > 0)
        sums = z.T @ mask  # of i over the rows where j is there
        squares = (z * z).T @ mask
        cross += z.T @ z - sums * sums.T * share
        rest = squares - sums * sums * share
        # What is left after cancellation of nearly equal numbers is no variance.
        spread += np.where(rest > 1e-12 * squares, rest, 0.0)
        n_eff += joint - (joint > 0)
    return cross, n_eff, np.sqrt(spread)


def _is_semidefinite(R: np.ndarray) -> bool:
    try:
        np.linalg.cholesky(R + 1e-10 * len(R) * np.eye(len(R)))
    except np.linalg.LinAlgError:
        return False
    return True
