"""Graphs as weight matrices: how much of each directed cell a graph claims, and what two of them share."""

from __future__ import annotations

import numpy as np

from causaldisc.core.graph import CausalGraph

NAN = float("nan")


def summary_weights(graph: CausalGraph) -> np.ndarray:
    """Return float[N, N] of the summary graph: lags collapsed, self-loops left out.

    A directed edge gives 1 to its cell; an undirected, conflicting, bidirected or circle–circle edge gives 1/2 to both cells,
    since it is one adjacency that leaves the direction open; circle–arrow, which rules one direction out and leaves the other
    open, gives 1/2 to the cell of the arrow alone. A cell keeps the largest claim made on it.

    >>> from causaldisc.core.graph import Edge
    >>> g = CausalGraph(["a", "b", "c"], [Edge("a", "b"), Edge("b", "c", target_mark="tail")], "cpdag")
    >>> summary_weights(g).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 0.5], [0.0, 0.5, 0.0]]
    """
    weights = np.zeros((len(graph.names),) * 2)
    for edge in graph.edges:
        claim = 1.0 if edge.is_directed else 0.5
        for cause, effect in edge.directions:
            cell = graph.index[cause], graph.index[effect]
            weights[cell] = max(weights[cell], claim)
    np.fill_diagonal(weights, 0.0)
    return weights


def lagged_weights(graph: CausalGraph, max_lag: int) -> np.ndarray:
    """Return float[N, N, max_lag + 1], cell (i, j, lag) for i(t - lag) → j(t); self-loops left out.

    At lag 0 marks count as in :func:`summary_weights`; at a larger lag an edge that is not directed gives 1/2 to its own cell
    alone, since time rules the other direction out.
    """
    weights = np.zeros((len(graph.names), len(graph.names), max_lag + 1))
    for edge in graph.edges:
        if edge.source == edge.target:
            continue
        claim = 1.0 if edge.is_directed else 0.5
        for cause, effect in edge.directions if edge.lag == 0 else ((edge.source, edge.target),):
            cell = graph.index[cause], graph.index[effect], edge.lag
            weights[cell] = max(weights[cell], claim)
    return weights


def overlap(found: np.ndarray, true: np.ndarray) -> tuple[float, float, float]:
    """Return (precision, recall, F1) of one weight array against another of the same shape.

    TP = Σ min(found, true), FP = Σ found - TP, FN = Σ true - TP and F1 = 2TP / (2TP + FP + FN): an empty graph scores 0
    against a truth that has edges. Precision is NaN when nothing is found, recall when nothing is true, F1 when both.

    >>> overlap(np.array([1.0, 0.5, 0.0]), np.array([1.0, 1.0, 0.0]))
    (1.0, 0.75, 0.8571428571428571)
    """
    hits = float(np.minimum(found, true).sum())
    return ratio(hits, float(found.sum())), ratio(hits, float(true.sum())), ratio(2 * hits, float(found.sum() + true.sum()))


def ratio(part: float, whole: float) -> float:
    """Return part / whole, NaN when the whole is 0 or either is NaN."""
    return part / whole if whole else NAN
