"""Sortability: how far a number that each variable has by itself gives the causal order away.

Benchmarks of simulated data are easily won by sorting: where effects accumulate along the causal order, so do the variance of
a variable and the share of it that the others explain. Both are told of every simulated data set (``Dataset.notes``), as it is
given, in the units of the data. On data brought to variance 1 var-sortability is 0.5 by definition, whatever it was before;
R²-sortability is the same in any units.

Reisach, Seiler, Weichwald, "Beware of the simulated DAG! Causal discovery benchmarks may be easy to game", NeurIPS 2021;
Reisach, Tami, Seiler, Chambaz, Weichwald, "A scale-invariant sorting criterion to find a causal order in additive noise
models", NeurIPS 2023; for time series as here, by the summary graph: Lohse, Wahl, "Sortability of time series data", TMLR 2025.
"""

from __future__ import annotations

import numpy as np

from causaldisc.core.explained import explained_by_others
from causaldisc.core.graph import CausalGraph
from causaldisc.kernels.moments import correlation


def sortability(criterion: np.ndarray, truth: CausalGraph) -> float:
    """Share of directed paths whose end has more of a criterion than its beginning; ties count one half, NaN without an edge.

    0.5 says that the criterion tells nothing; near 0 or 1, sorting by it finds the causal order. Paths are those of the
    directed edges of the summary graph, each pair counted once per path length from 1 to N - 1.

    Parameters
    ----------
    criterion : float[N], not negative, in the order of the truth's nodes; differences below 1 in 10⁹ are ties.

    >>> from causaldisc.core.graph import Edge
    >>> sortability(np.array([1.0, 2.0, 2.0]), CausalGraph(["a", "b", "c"], [Edge("a", "b"), Edge("b", "c")]))
    0.8333333333333334
    """
    return share_rising(criterion, path_counts(directed_edges(truth)))


def share_rising(criterion: np.ndarray, counts: np.ndarray) -> float:
    """Return the share of the paths, float[N, N] of counts, along which a criterion rises; NaN without a path."""
    rising = criterion[None, :] > criterion[:, None] * (1 + 1e-9)
    falling = criterion[None, :] < criterion[:, None] * (1 - 1e-9)
    score = np.where(rising, 1.0, np.where(falling, 0.0, 0.5))
    total = counts.sum()
    return float((counts * score).sum() / total) if total else float("nan")


def path_counts(edges: np.ndarray) -> np.ndarray:
    """Return float[N, N]: how many lengths from 1 to N - 1 a directed path (a walk) from i to another j can have.

    >>> path_counts(np.array([[0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=bool)).astype(int).tolist()
    [[0, 1, 2], [0, 0, 1], [0, 0, 0]]
    """
    n, parents = len(edges), [np.flatnonzero(column) for column in edges.T]
    counts, met = np.zeros((n, n)), list[bytes]()
    paths = np.array(edges.T)  # [j, i]: from i to j, at the length looked at
    for length in range(n - 1):
        if not paths.any():
            break
        state = np.packbits(paths).tobytes()
        if state in met:  # from here on the same sets of paths come round again
            period = met[met.index(state) :]
            for k, again in enumerate(period):
                counts += len(range(length + k, n - 1, len(period))) * _unpacked(again, n)
            break
        met.append(state)
        counts += paths
        paths = np.stack([paths[p].any(axis=0) for p in parents])
    np.fill_diagonal(counts, 0.0)  # a path of a cyclic summary may come back to its beginning
    return counts.T


def var_sortability(values: np.ndarray, truth: CausalGraph) -> float:
    """Sortability by variance, in the units of the data.

    Parameters
    ----------
    values : float[T, N], columns in the order of the truth's nodes, NaN where missing.

    >>> from causaldisc.core.graph import Edge
    >>> x = np.array([[0.0, 0.0], [1.0, 5.0], [2.0, -5.0]])
    >>> var_sortability(x, CausalGraph(["a", "b"], [Edge("a", "b")]))
    1.0
    """
    return sortability(np.nanvar(values, axis=0), truth)


def r2_sortability(values: np.ndarray, truth: CausalGraph) -> float:
    """Sortability by R², the share of a variable's variance that a regression on all others of the same row explains.

    A missing value costs the pairs that it is in; pairs of fewer than four rows count as uncorrelated. A constant column has
    R² 0; columns that others determine, and all columns where there are no more rows than columns, have R² 1 and tie.

    Parameters
    ----------
    values : float[T, N], columns in the order of the truth's nodes, NaN where missing.

    >>> from causaldisc.core.graph import Edge
    >>> x = np.random.default_rng(0).normal(size=(500, 3)) @ [[1, 0, 1], [0, 1, 1], [0, 0, 1]]  # c = a + b + noise
    >>> r2_sortability(x, CausalGraph(["a", "b", "c"], [Edge("a", "c"), Edge("b", "c")]))
    1.0
    """
    return sortability(explained(values), truth)


def explained(values: np.ndarray) -> np.ndarray:
    """Return float[N], the R² of each column of float[T, N] (NaN where missing) on all others.

    >>> explained(np.array([[0.0, 1.0, 7.0], [1.0, 3.0, 7.0], [2.0, 5.0, 7.0], [3.0, 7.0, 7.0]])).tolist()
    [1.0, 1.0, 0.0]
    """
    return explained_by_others(correlation(values)[0])


def directed_edges(truth: CausalGraph) -> np.ndarray:
    """Return bool[N, N] of the directed edges, lags collapsed; what a hidden variable joins has no order."""
    matrix = np.zeros((len(truth.variables),) * 2, dtype=bool)
    for edge in truth.edges:
        if edge.is_directed and edge.source != edge.target:
            matrix[truth.index[edge.source], truth.index[edge.target]] = True
    return matrix


def _unpacked(state: bytes, n: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(state, dtype=np.uint8), count=n * n).reshape(n, n)
