"""BIC of a linear-Gaussian model from a correlation or covariance matrix.

The local score of node j with parents P and n rows is ``-(n / 2) log(residual variance) - penalty (|P| / 2) log n``, larger is
better (Schwarz 1978). Residual variances come from a Cholesky factor with a guarded pivot: a parent that is a linear
combination of those before it explains nothing and still pays, and a variable that its parents determine has a small
residual variance instead of none, so that no score is infinite.
"""

from __future__ import annotations

import math

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner

# Share of a variance under which it counts as none; the rounding of a correlation lies far below.
SINGULAR = 1e-8


@inner
def project(
    matrix: np.ndarray, triangle: np.ndarray, chosen: np.ndarray, size: int, node: int, coordinates: np.ndarray, begin: int
) -> float:
    """Regress a node on factored ones: write its coordinates from ``begin`` on, return its residual variance, kept above 0.

    ``triangle`` is as :func:`regress` leaves it.
    """
    variance = matrix[node, node]
    least = SINGULAR * variance
    for a in range(size):
        row = a * (a + 1) // 2
        entry = 0.0
        if triangle[row + a] > 0:
            entry = matrix[node, chosen[a]]
            for k in range(a):
                entry -= triangle[row + k] * coordinates[begin + k]
            entry /= triangle[row + a]
        coordinates[begin + a] = entry
        variance -= entry * entry
    return variance if variance > least else least


@inner
def regress(node: int, matrix: np.ndarray, chosen: np.ndarray, size: int, triangle: np.ndarray, coordinates: np.ndarray) -> float:
    """Regress a node on the chosen ones as :func:`project` does, and write their factor to the flat ``triangle``.

    It is the lower Cholesky factor of ``matrix[chosen, chosen]``, row by row; row a begins at ``a (a + 1) / 2``. A column without
    a residual variance of its own gets a zero pivot.
    """
    for a in range(size):
        row, own = a * (a + 1) // 2, matrix[chosen[a], chosen[a]]
        left = project(matrix, triangle, chosen, a, chosen[a], triangle, row)
        triangle[row + a] = math.sqrt(left) if left > SINGULAR * own else 0.0
    return project(matrix, triangle, chosen, size, node, coordinates, np.int64(0))


@kernel
def local_scores(matrix: np.ndarray, n: float, price: float, dag: np.ndarray, nodes: np.ndarray, scores: np.ndarray) -> None:
    """Write to ``scores[nodes]`` the BIC of nodes given their parents in a DAG, uint8[M, M]; each parent costs ``price``."""
    m = dag.shape[0]
    parents = np.empty(m, np.int64)
    coordinates = np.empty(m)
    for v in range(nodes.shape[0]):
        j = nodes[v]
        size = np.int64(0)
        for i in range(m):
            if dag[i, j]:
                parents[size] = i
                size += 1
        triangle = np.empty(size * (size + 1) // 2)
        scores[j] = -0.5 * n * math.log(regress(j, matrix, parents, size, triangle, coordinates)) - price * size


def price_of(penalty: float, n: float) -> float:
    """Return what one parent costs: ``penalty (1 / 2) log n``.

    >>> round(price_of(1.0, 100), 3)
    2.303
    """
    return 0.5 * penalty * math.log(n)


def minus_log10_p(gains: np.ndarray, price: float) -> np.ndarray:
    """Return -log10 p of the likelihood ratios behind gains in BIC: a parent that changes nothing gains half a χ² of one degree.

    >>> minus_log10_p(np.array([1.9207 - 3.0, -3.0]), 3.0).round(3).tolist()
    [1.301, 0.0]
    """
    from scipy.special import log_ndtr

    likelihood = np.maximum(gains + price, 0.0)
    return np.maximum(-(log_ndtr(-np.sqrt(2.0 * likelihood)) + math.log(2.0)) / math.log(10.0), 0.0)


def score(matrix: np.ndarray, n: float, dag: np.ndarray, penalty: float = 1.0) -> np.ndarray:
    """Return float[M]: the BIC of every node given its parents.

    Parameters
    ----------
    matrix : float[M, M], correlations or covariances.
    n : number of rows.
    dag : bool[M, M], ``[i, j]`` = i → j.
    penalty : factor on the penalty of BIC.

    >>> R = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> forward, backward = score(R, 100, np.array([[0, 1], [0, 0]])), score(R, 100, np.array([[0, 0], [1, 0]]))
    >>> bool(np.isclose(forward.sum(), backward.sum()))
    True
    """
    m = len(dag)
    scores = np.empty(m)
    local_scores(np.array(matrix, float), float(n), price_of(penalty, n), np.array(dag, np.uint8), np.arange(m), scores)
    return scores


def partial_correlations(matrix: np.ndarray, dag: np.ndarray) -> np.ndarray:
    """Return float[M, M]: for every edge i → j of a DAG the correlation of i and j given j's other parents, else NaN.

    It is 0 where i or j is determined by the others.

    >>> partial_correlations(np.array([[1.0, 0.5], [0.5, 1.0]]), np.array([[0, 1], [0, 0]]))[0, 1]
    np.float64(0.5)
    """
    result = np.full(np.shape(dag), np.nan)
    for j in np.flatnonzero(np.any(dag, axis=0)):
        parents = np.flatnonzero(dag[:, j])
        for i in parents:
            rest = parents[parents != i]
            pair = np.array([i, j])
            left = matrix[np.ix_(pair, pair)]
            if rest.size:
                inverse = np.linalg.pinv(matrix[np.ix_(rest, rest)], rcond=SINGULAR, hermitian=True)
                left = left - matrix[np.ix_(pair, rest)] @ inverse @ matrix[np.ix_(rest, pair)]
            known = left[0, 0] > SINGULAR * matrix[i, i] and left[1, 1] > SINGULAR * matrix[j, j]
            result[i, j] = np.clip(left[0, 1] / math.sqrt(left[0, 0] * left[1, 1]), -1.0, 1.0) if known else 0.0
    return result
