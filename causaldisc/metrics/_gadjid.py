"""The bridge to gadjid: graphs as its matrices, checked before the call, since a bad one makes it panic."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from functools import cache

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.metrics._chain import DIRECTED, UNDIRECTED, is_chain, is_cpdag, is_dag

LOG = logging.getLogger(__name__)

# Work grows with N² (N + edges). These bounds keep the worst case, dense graphs, near ten seconds on one core.
WORK = {"sid": 4e10, "ancestor_aid": 4e10, "oset_aid": 1e9}
MAX_NODES = 5000  # of a window graph: its dense matrix must fit


def distance(name: str, graph: CausalGraph, truth: CausalGraph) -> tuple[float, float]:
    """Return (share, count) of the ordered pairs whose causal effect the graph would identify wrongly; NaN where undefined.

    The pairs are those of the summary graphs when both are free of cycles, else those of the window graphs: nodes
    (variable, slice) for L + 1 slices, L the larger max_lag, every edge repeated in each slice that its lag reaches, edges of
    a variable to its own past included. There are N(N - 1) pairs of summary nodes, and likewise of window nodes.

    Undefined are: a graph with conflicting, bidirected or circle edges, or whose undirected part cannot be oriented freely
    (see :func:`causaldisc.metrics._chain.is_chain`); a truth that is neither a DAG nor, on the summary, a CPDAG; fewer than two
    nodes; and graphs beyond the bounds in ``WORK``. For ``sid`` both must be DAGs.
    """
    undefined = float("nan"), float("nan")
    pair = _comparable(graph, truth)
    if pair is None or (name == "sid" and not all(is_dag(codes) for codes in pair)):
        return undefined
    n, edges = len(pair[0]), max(int(np.count_nonzero(codes)) for codes in pair)
    if n < 2 or n**2 * (n + edges) > WORK[name]:
        LOG.info("%s left undefined: %d nodes and %d edges are beyond its bound", name, n, edges)
        return undefined
    return _call(name, *pair)


def _comparable(graph: CausalGraph, truth: CausalGraph) -> tuple[np.ndarray, np.ndarray] | None:
    """Return (true, found) matrices on one level that gadjid can read, the summary if possible, or None."""
    found, true = _codes(graph), _codes(truth)
    if found is not None and true is not None and is_chain(found) and (is_dag(true) or is_cpdag(true)):
        return true, found
    depth = max(graph.max_lag, truth.max_lag)
    if not depth or len(graph.names) * (depth + 1) > MAX_NODES:
        return None
    found, true = _codes(graph, depth + 1), _codes(truth, depth + 1)
    return (true, found) if found is not None and true is not None and is_chain(found) and is_dag(true) else None


def _codes(graph: CausalGraph, slices: int = 0) -> np.ndarray | None:
    """Return int8[M, M] of the summary graph (no slices, M = N) or of the window graph (M = N · slices, slice by slice).

    None when an edge is neither directed nor undirected. A pair that some lags direct and others leave open, or direct the
    other way, reads 1 in both cells, which no acyclicity check lets pass.
    """
    n = len(graph.names)
    codes = np.zeros((n * max(slices, 1),) * 2, dtype=np.int8)
    for edge in graph.edges:
        if not (edge.is_directed or edge.is_undirected):
            return None
        i, j = graph.index[edge.source], graph.index[edge.target]
        if slices:
            for s in range(edge.lag, slices):
                _enter(codes, (s - edge.lag) * n + i, s * n + j, edge.is_directed)
        elif i != j:
            _enter(codes, i, j, edge.is_directed)
    return codes


def _enter(codes: np.ndarray, a: int, b: int, directed: bool) -> None:
    known = max(codes[a, b], codes[b, a])
    code = DIRECTED if directed else UNDIRECTED
    if known and known != code:
        codes[a, b] = codes[b, a] = DIRECTED
    else:
        codes[a, b] = code
        codes[b, a] = codes[b, a] if directed else code


def _call(name: str, true: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    if _pool_process() != os.getpid():
        return _call_apart(name, true, found)
    import gadjid

    try:
        share, count = getattr(gadjid, name)(true, found, edge_direction="from row to column")
    except BaseException as error:  # its PanicException is no Exception
        if type(error).__name__ not in ("PanicException", "RuntimeError"):
            raise
        LOG.warning("gadjid refused two graphs that were checked before: %s", str(error).partition("\n")[0])
        return float("nan"), float("nan")
    return float(share), float(count)


@cache
def _pool_process() -> int:
    """The process that first called gadjid, and so holds its threads: in a fork of it a call would wait for them for ever."""
    return os.getpid()


_APART = """
import json, sys, numpy, gadjid
true, found = numpy.frombuffer(sys.stdin.buffer.read(), dtype=numpy.int8).reshape(2, int(sys.argv[2]), int(sys.argv[2]))
print(json.dumps(getattr(gadjid, sys.argv[1])(true, found, edge_direction="from row to column")))
"""


def _call_apart(name: str, true: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Call gadjid in a fresh interpreter, which a forked process needs."""
    command = [sys.executable, "-c", _APART, name, str(len(true))]
    done = subprocess.run(command, input=true.tobytes() + found.tobytes(), capture_output=True, check=False)
    if done.returncode:
        LOG.warning("gadjid failed apart from this forked process: %s", done.stderr.decode(errors="replace").strip()[-200:])
        return float("nan"), float("nan")
    share, count = json.loads(done.stdout)
    return float(share), float(count)
