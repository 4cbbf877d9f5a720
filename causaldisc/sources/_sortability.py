"""Var-sortability: how far the variances alone give the causal order away."""

from __future__ import annotations

import numpy as np

from causaldisc.core.graph import CausalGraph


def var_sortability(values: np.ndarray, truth: CausalGraph) -> float:
    """Share of directed paths whose end has more variance than its beginning; ties count one half, NaN without an edge.

    0.5 says that variances tell nothing; near 0 or 1, sorting by variance finds the causal order. Paths are those of the
    summary graph, each pair counted once per path length. Reisach, Seiler, Weichwald, "Beware of the simulated DAG!",
    NeurIPS 2021.

    Parameters
    ----------
    values : float[T, N], columns in the order of the truth's nodes.

    >>> x = np.array([[0.0, 0.0], [1.0, 5.0], [2.0, -5.0]])
    >>> from causaldisc.core.graph import Edge
    >>> var_sortability(x, CausalGraph(["a", "b"], [Edge("a", "b")]))
    1.0
    """
    edges = np.array(truth.adjacency())
    variance = np.nanvar(values, axis=0)
    rising = variance[None, :] > variance[:, None] * (1 + 1e-9)
    falling = variance[None, :] < variance[:, None] * (1 - 1e-9)
    score = np.where(rising, 1.0, np.where(falling, 0.0, 0.5))
    np.fill_diagonal(score, 0.0)  # a path of a cyclic summary may come back to its beginning
    paths, found, total = edges, 0.0, 0
    for _ in range(len(edges) - 1):
        ends = paths & ~np.eye(len(edges), dtype=bool)
        if not ends.any():
            break
        found += float(score[ends].sum())
        total += int(ends.sum())
        paths = (paths.astype(np.float32) @ edges.astype(np.float32)) > 0.5
    return found / total if total else float("nan")
