"""Second moments of rows by regime and stratum, as a search over regimes needs them."""

from __future__ import annotations

import numpy as np

from causaldisc.kernels.bic import partial_correlations
from causaldisc.kernels.moments import pairwise_correlation, repair
from causaldisc.kernels.regimes import Regimes

# Pairs with fewer joint rows than this are not correlated, where others have more.
_FEWEST_ROWS = 20


def regimes_of(values: np.ndarray, strata: np.ndarray, regime: np.ndarray, context: np.ndarray, counts: np.ndarray) -> Regimes:
    """Return the sufficient statistics of rows.

    Parameters
    ----------
    values : float[T, N], NaN where missing.
    strata : int[T], rows of one stratum share their intercepts (environments). Strata that are of one regime alone are pooled
        about their own means.
    regime : int[T], 0..R - 1, or -1 for rows that do not count.
    context : int[R], the node of each regime, at N or behind it, -1 for that of reference.
    counts : bool[R, N], whether a regime's rows count for a variable.

    >>> values, regime = np.array([[0.0], [1.0], [5.0], [6.0]]), np.array([0, 0, 1, 1])
    >>> both = regimes_of(values, np.zeros(4), regime, np.array([-1, 1]), np.ones((2, 1)))
    >>> both.rows.tolist(), both.regime.tolist(), both.means.shape
    ([2.0, 2.0], [0, 1], (2, 2))
    """
    kept = regime >= 0
    X, strata, regime = _standardised(values[kept]), np.asarray(strata)[kept], regime[kept]
    n, m = X.shape[1], max(X.shape[1], int(context.max(initial=0)) + 1)
    mixed = {s for s in np.unique(strata).tolist() if len(np.unique(regime[strata == s])) > 1}
    alone = ~np.isin(strata, list(mixed))
    blocks = [(int(r), -1 - int(r), alone & (regime == r)) for r in np.unique(regime[alone])]
    blocks += [(int(r), s, (strata == s) & (regime == r)) for s in sorted(mixed) for r in np.unique(regime[strata == s])]
    rows, means, scatter = np.zeros(len(blocks)), np.zeros((len(blocks), m)), np.zeros((len(blocks), m, m))
    for b, (_, _, inside) in enumerate(blocks):
        rows[b], means[b, :n], scatter[b, :n, :n] = _block(X[inside], strata[inside])
    _, codes = np.unique([s for _, s, _ in blocks], return_inverse=True)
    kinds = np.array([r for r, _, _ in blocks], dtype=np.int64)
    return Regimes(
        rows, means, scatter, kinds, codes.astype(np.int64), np.asarray(context, np.int64), np.array(counts, np.uint8, order="C")
    )


def node_partial_correlations(regimes: Regimes, dag: np.ndarray) -> np.ndarray:
    """Return float[N, N]: for every edge i → j of a DAG, bool[M, M], their correlation given the other parents of j, else NaN.

    It is taken within the blocks whose rows count for j.
    """
    n = regimes.counts.shape[1]
    found = np.full((n, n), np.nan)
    for j in range(n):
        blocks = regimes.counts[regimes.regime, j] > 0
        column = np.zeros((n, n), dtype=bool)
        column[:, j] = dag[:n, j]
        if blocks.any() and column.any():
            found[:, j] = partial_correlations(regimes.scatter[blocks].sum(axis=0)[:n, :n], column)[:, j]
    return found


def _standardised(values: np.ndarray) -> np.ndarray:
    """Bring columns to mean 0 and variance 1; NaN stays, a constant column is 0."""
    seen = ~np.isnan(values)
    size = np.abs(np.where(seen, values, 0.0)).max(axis=0, initial=0.0)
    X = values / np.where(size > 0, size, 1.0)  # the squares of very large and very small columns stay within range
    count = np.maximum(seen.sum(axis=0), 1)
    X = X - np.where(seen, X, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.square(np.where(seen, X, 0.0)).sum(axis=0) / count)
    flat = spread < 1e-12
    return np.where(seen, np.where(flat, 0.0, X / np.where(flat, 1.0, spread)), np.nan)


def _block(X: np.ndarray, strata: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return rows, means and scatter of a block; pairs are taken over the rows where both are there."""
    seen = ~np.isnan(X)
    filled, labels = np.where(seen, X, 0.0), np.unique(strata)
    mean = filled.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    for label in labels:
        part = strata == label
        centre = filled[part].sum(axis=0) / np.maximum(seen[part].sum(axis=0), 1)
        filled[part] = np.where(seen[part], filled[part] - centre, 0.0)
    if seen.all():
        return float(len(X) - len(labels) + 1), mean, filled.T @ filled
    R, joint = pairwise_correlation(X, strata)
    itself = np.eye(len(R), dtype=bool)
    known = (joint >= min(_FEWEST_ROWS, joint.max())) & (joint > 0) & ~itself
    fixed, _ = repair(np.where(known | itself, R, 0.0))
    rows = float(joint[known].min()) if known.any() else float(len(X) - len(labels) + 1)
    variance = (filled**2).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    spread = np.sqrt(np.where(seen.any(axis=0), variance, 1.0))  # of a column that was never seen, nothing is known
    return rows, mean, rows * fixed * np.outer(spread, spread)
