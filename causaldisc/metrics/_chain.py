"""Which partly directed graphs stand for a set of DAGs in which each undirected part can be oriented on its own."""

from __future__ import annotations

import numpy as np

from causaldisc.core.graph import acyclic

DIRECTED, UNDIRECTED = 1, 2


def is_dag(codes: np.ndarray) -> bool:
    """Whether int8[N, N] (1 directed, 2 undirected in both cells) is a DAG."""
    return not (codes == UNDIRECTED).any() and acyclic(codes == DIRECTED)


def is_chain(codes: np.ndarray) -> bool:
    """Whether the graph meets conditions (i)-(iii) of Andersson, Madigan & Perlman (1997, theorem 4.1).

    (i) no partially directed cycle, (ii) chordal undirected components, (iii) no a → b - c with a, c apart. Every
    DAG, every CPDAG and every CPDAG after interventions or tiers is such a graph. In it the possibly directed paths are
    those that follow no edge backwards, which is what adjustment criteria walk along (Perković, Kalisch & Maathuis, 2017).

    >>> is_chain(np.array([[0, 1, 0], [0, 0, 2], [0, 2, 0]]))  # a → b - c, a and c apart: b → c is compelled
    False
    """
    directed, undirected = codes == DIRECTED, codes == UNDIRECTED
    if (directed & directed.T).any() or not undirected.any():
        return acyclic(directed)
    return _no_flag(directed, undirected) and _chordal(undirected) and _acyclic_components(directed, undirected)


def is_cpdag(codes: np.ndarray) -> bool:
    """Whether the graph is the essential graph of a Markov equivalence class: :func:`is_chain` and every arrow compelled.

    (iv) of the same theorem: each a → b is in c → a → b, or a → b ← c (c apart from the other end), or a → c → b, or
    a - c → b ← d - a with c, d apart.
    """
    directed, undirected = codes == DIRECTED, codes == UNDIRECTED
    apart = ~(directed | directed.T | undirected | np.eye(len(codes), dtype=bool))
    return is_chain(codes) and all(_protected(int(a), int(b), directed, undirected, apart) for a, b in np.argwhere(directed))


def _no_flag(directed: np.ndarray, undirected: np.ndarray) -> bool:
    """No a → b - c with a and c not adjacent."""
    paths = directed.astype(np.int64) @ undirected.astype(np.int64)
    return not ((paths > 0) & ~(directed | directed.T | undirected) & ~np.eye(len(directed), dtype=bool)).any()


def _chordal(undirected: np.ndarray) -> bool:
    import networkx as nx

    return nx.is_chordal(nx.from_numpy_array(undirected))


def _acyclic_components(directed: np.ndarray, undirected: np.ndarray) -> bool:
    """No directed edge inside an undirected component, and no directed cycle among components."""
    import networkx as nx

    label = np.zeros(len(directed), dtype=int)
    for k, component in enumerate(nx.connected_components(nx.from_numpy_array(undirected))):
        label[list(component)] = k
    tails, heads = np.nonzero(directed)
    quotient = np.zeros((label.max() + 1,) * 2, dtype=bool)
    quotient[label[tails], label[heads]] = True
    return acyclic(quotient)  # an edge inside a component is a loop of the quotient, and no loop is acyclic


def _protected(a: int, b: int, directed: np.ndarray, undirected: np.ndarray, apart: np.ndarray) -> bool:
    into_a = directed[:, a] & apart[:, b]
    into_b = directed[:, b] & apart[:, a]
    through = directed[a] & directed[:, b]
    beside = np.flatnonzero(undirected[a] & directed[:, b])
    return bool(into_a.any() or into_b.any() or through.any() or apart[np.ix_(beside, beside)].any())
