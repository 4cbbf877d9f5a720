"""How good a graph is, and whether two graphs are the same: for every run, ours and the reference's alike."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from causaldisc.core.directed import to_dag
from causaldisc.core.graph import DIRECTED, UNDIRECTED, CausalGraph
from causaldisc.core.plugins import metrics
from causaldisc.kernels.bic import score
from causaldisc.kernels.mpdag import complete, extend, link

KEYS = ("skeleton_f1", "directed_f1", "shd")


def judge(graph: CausalGraph, truth: CausalGraph, truth_class: np.ndarray, values: np.ndarray | None = None) -> dict[str, Any]:
    """Return accuracy, size and digests of a graph found on permuted columns of a data set.

    ``truth_class`` int8[N, N, L + 1] is :func:`class_of` the truth. With the data, float[T, N] in the order of the truth, also
    the BIC of a DAG of the graph's class.
    """
    graph = in_order(graph, truth.names)
    codes = graph.codes()
    result: dict[str, Any] = {"edges": len(graph.edges), "shd_cpdag": difference(codes, truth_class)}
    for name in metrics.names():
        metric = metrics.get(name)
        if set(metric.keys) & set(KEYS):
            found = metrics.build(name)(graph, truth, None)
            result |= {key: float(found[key]) for key in KEYS if key in found}
    if values is not None:
        dag = to_dag(graph).graph.adjacency()
        result["bic"] = float(score(np.corrcoef(values, rowvar=False), len(values), dag).sum())
    return result | {"graph": digest(codes), "skeleton": digest(skeleton(codes))}


def in_order(graph: CausalGraph, names: tuple[str, ...]) -> CausalGraph:
    """Return the graph with its nodes in the order of ``names``."""
    return graph.replace(variables=[graph.variables[graph.index[name]] for name in names])


def skeleton(codes: np.ndarray) -> np.ndarray:
    """Return bool[N, N, L + 1], where an edge is; at lag 0 in both cells."""
    there = codes != 0
    there[:, :, 0] |= there[:, :, 0].T
    return there


def digest(array: np.ndarray) -> str:
    """Return twelve hexadecimal digits that tell arrays of one shape apart."""
    return hashlib.sha256(np.ascontiguousarray(array, dtype=np.int8).tobytes()).hexdigest()[:12]


def difference(codes: np.ndarray, other: np.ndarray) -> int:
    """Return the structural Hamming distance of cell codes: pairs at lag 0, and cells at other lags, that differ."""
    differs = codes != other
    pairs = differs[:, :, 0] | differs[:, :, 0].T
    return int(np.triu(pairs, k=1).sum() + differs[:, :, 1:].sum())


def class_of(truth: CausalGraph, max_lag: int) -> np.ndarray:
    """Return int8[N, N, max_lag + 1], the cell codes of the CPDAG of a DAG, directed at every lag but 0.

    A lagged edge points forward in time, which directs others: the past joins the graph as nodes of its own.
    """
    true = truth.codes()
    n, depth = len(true), max_lag + 1
    codes = np.zeros((n, n, depth), np.int8)
    codes[:, :, : true.shape[2]] = true[:, :, :depth]
    m = n * depth
    dag = np.zeros((m, m), np.uint8)
    dag[:, :n] = codes.transpose(2, 0, 1).reshape(m, n) == DIRECTED
    knowledge = np.zeros((m, m), np.uint8)
    knowledge[:, :n] = 1  # nothing points into the past
    near, degree = np.zeros((m, m), np.int64), np.zeros(m, np.int64)
    for i, j in np.argwhere(dag).tolist():
        link(near, degree, i, j)
    order, marks = np.empty(m, np.int64), np.zeros((m, m), np.uint8)
    extend(dag.copy(), near, degree, dag.copy(), order)
    complete(dag, order, near, degree, knowledge, marks)
    both = (marks[:n, :n] != 0) & (marks[:n, :n].T != 0)
    codes[:, :, 0][both] = UNDIRECTED
    return codes
