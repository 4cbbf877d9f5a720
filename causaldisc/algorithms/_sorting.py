"""What both sorting controls share: an order by one number a variable, then a sparse regression on what stands before."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._controls import Claim, Control
from causaldisc.algorithms._orders import reachable
from causaldisc.core.constraints import Constraints
from causaldisc.core.parameters import parameter
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.moments import canonical_order, correlation, lagged, lagged_rows, reordered


@dataclass(frozen=True)
class SortAndRegress(Control):
    """Sort the variables by :meth:`criterion`, smallest first, and regress each on those before it and on the past of all.

    The regression is the adaptive Lasso of the papers: least squares give every candidate a weight, the Lasso path runs over
    the weighted candidates, and BIC picks its point (Zou, "The adaptive lasso and its oracle properties", JASA 2006).

    The prior comes first: the order obeys its required edges, and where its other clauses leave pairs open one way only and
    that makes no cycle, it obeys those too. Equal numbers (beyond nine digits) are ordered by ``rng``.

    Everything is read from pairwise correlations: a missing value is left out pair by pair, and the smallest number of joint
    rows counts as the number of rows. A variable has at most T / log T candidates, those of strongest correlation (Fan & Lv,
    "Sure independence screening", JRSS B 2008), so that fewer rows than columns are no obstacle. Of columns that determine each
    other the Lasso takes what it meets first.
    """

    standardise: bool = parameter(False, "whether columns are brought to variance 1 before they are sorted")
    evidence: ClassVar[tuple[str, ...]] = ("data",)
    imports: ClassVar[tuple[str, ...]] = ("sklearn.linear_model",)

    @abstractmethod
    def criterion(self, values: np.ndarray, environments: np.ndarray, R: np.ndarray) -> np.ndarray:
        """Return float[N] by which to sort, from values float[T, N] and their correlations R float[N, N]."""

    def association(self, telemetry: Telemetry, constraints: Constraints) -> np.ndarray:
        """Return |r|."""
        n, depth = telemetry.shape[1], self.max_lag + 1
        wide, _, _ = _moments(telemetry, self.max_lag, np.arange(n))
        return np.abs(np.moveaxis(wide[:, :n].reshape(depth, n, n), 0, 2))

    def claim(self, telemetry: Telemetry, constraints: Constraints, pinned: np.ndarray, rng: np.random.Generator) -> Claim:
        """Claim what the regressions keep; scores are the coefficients, what was kept above what was not."""
        n = telemetry.shape[1]
        order = canonical_order(telemetry.values)
        back = np.argsort(order)
        R, rows, values = _moments(telemetry, self.max_lag, order)
        numbers = self.criterion(values, telemetry.environments, R[:n, :n])
        allowed, must = reordered(constraints.allowed, order), reordered(pinned[:, :, 0], order)
        rank = np.argsort(sorted_order(numbers, _before(must, allowed[:, :, 0]), rng))
        may = np.array(allowed)
        may[:, :, 0] &= rank[:, None] < rank[None, :]
        weight, kept = np.zeros(may.shape), np.zeros(may.shape)
        for j in range(n):
            lags, causes = np.nonzero(may[:, j].T)
            columns = lags * n + causes
            found = sparse_regression(R[np.ix_(columns, columns)], R[columns, j], rows[columns, j].min(initial=len(values)))
            weight[causes, j, lags], kept[causes, j, lags] = found
        score = np.abs(weight) / (1.0 + np.abs(weight))
        ranking = np.where(kept != 0, 1.0 + np.abs(kept) / (1.0 + np.abs(kept)), score)
        ranking, kept = reordered(ranking, back), reordered(kept, back)
        return Claim(kept != 0, np.where(pinned, 2.0, ranking), np.where(kept != 0, kept, np.nan))


def sorted_order(numbers: np.ndarray, before: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Return the order by numbers, smallest first, in which every edge of an acyclic bool[N, N] runs forward.

    >>> sorted_order(np.array([3.0, 1.0, 2.0]), np.zeros((3, 3), dtype=bool), np.random.default_rng(0))
    [1, 2, 0]
    """
    import networkx as nx

    ties = rng.random(len(numbers))
    keys = list(zip(np.round(numbers, 9).tolist(), ties.tolist(), strict=True))
    graph = nx.from_numpy_array(before.astype(int), create_using=nx.DiGraph)
    return list(nx.lexicographical_topological_sort(graph, key=lambda node: keys[node]))


def sparse_regression(G: np.ndarray, g: np.ndarray, rows: float) -> tuple[np.ndarray, np.ndarray]:
    """Regress a standardised variable on standardised candidates by the adaptive Lasso; BIC picks the point of its path.

    Parameters
    ----------
    G : float[P, P], correlations of the candidates, positive semi-definite.
    g : float[P], their correlations with the variable.
    rows : number of rows behind them.

    Returns
    -------
    (least-squares coefficients, Lasso coefficients), each float[P]; 0 for a candidate that was screened out.

    >>> sparse_regression(np.eye(2), np.array([0.6, 0.001]), 1000)[1].round(2).tolist()
    [0.6, 0.0]
    """
    weight, sparse = np.zeros(len(g)), np.zeros(len(g))
    most = int(min(rows / np.log(max(rows, 2.0)), rows - 3))
    chosen = np.sort(np.argsort(-np.abs(g), kind="stable")[: max(most, 0)])
    if not len(chosen):
        return weight, sparse
    G, g = G[np.ix_(chosen, chosen)], g[chosen]
    full = np.linalg.pinv(G, rcond=1e-8, hermitian=True) @ g
    weight[chosen] = full
    live = np.flatnonzero(np.abs(full) > 1e-8)
    if len(live):
        scale = np.abs(full[live])
        path = _lasso_path(G[np.ix_(live, live)] * np.outer(scale, scale), g[live] * scale, int(rows)) * scale[:, None]
        unexplained = max(1.0 - g @ full, 1e-10) / (rows - len(chosen) - 1)
        left = 1.0 - 2.0 * (g[live] @ path) + np.einsum("ik,ij,jk->k", path, G[np.ix_(live, live)], path, optimize=True)
        bic = left / unexplained + np.log(rows) * np.count_nonzero(np.abs(path) > np.finfo(float).eps, axis=0)
        sparse[chosen[live]] = path[:, int(np.argmin(bic))]
    return weight, sparse


def _lasso_path(G: np.ndarray, g: np.ndarray, rows: int) -> np.ndarray:
    """float[P, K]: the coefficients at the knots of the Lasso path (LARS)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lars_path_gram

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it drops a candidate that others determine, as it should
        warnings.simplefilter("ignore", RuntimeWarning)
        path = lars_path_gram(g * rows, G * rows, n_samples=rows, method="lasso", max_iter=4 * len(g) + 8)
    return np.nan_to_num(np.asarray(path[2], dtype=float))


def _moments(telemetry: Telemetry, max_lag: int, order: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlations and joint rows of the lagged copies, float[N (L + 1), N (L + 1)], and the values, in an order."""
    environments = telemetry.environments
    wide = lagged(telemetry.values, environments, max_lag, order)
    R, rows = correlation(wide, environments[lagged_rows(environments, max_lag)])
    return R, rows, np.take(telemetry.values, order, axis=1)


def _before(must: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """bool[N, N]: who has to come before whom; what may run one way only counts where it closes no cycle."""
    one_way = must | (allowed & ~allowed.T)
    return must if np.diag(reachable(one_way)).any() else one_way
