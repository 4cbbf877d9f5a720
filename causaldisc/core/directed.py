"""From a causal graph to plain directed edges, and to a DAG, for consumers that know nothing else; nothing is lost silently.

The rules, in this order:

1. An edge that an intervention refuted is left out.
2. Undirected lag-0 edges get the directions of a consistent extension, a member of the equivalence class (Dor and Tarsi, "A
   simple algorithm to construct a consistent extension of a partially oriented graph", 1992); where none exists they are left
   out. Edges with a circle, two arrows or a conflict are left out, and those of a PAG with two tails, which tell of selection.
3. For a DAG, lags are collapsed: an edge at any lag becomes one edge, and a variable's edges to itself are left out.
4. Where that closes a cycle, edges are taken in the order confirmed, required by the prior, larger confidence, smaller p-value,
   larger strength, column order, and one that would close a cycle is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from causaldisc.core.graph import CausalGraph, Edge, acyclic

RULES = {
    "refuted": "left out",
    "undirected": "oriented by a consistent extension (Dor and Tarsi 1992); left out where none exists",
    "bidirected, circle, conflict": "left out",
    "lags": "collapsed to one edge a pair; edges of a variable to itself left out",
    "cycles": "broken: the edge that closes a cycle is left out, by confirmed, required, confidence, p-value, strength, column",
}


@dataclass(frozen=True)
class Directed:
    """The directed reading of a graph.

    Attributes
    ----------
    graph : over the same variables, every edge directed.
    oriented : (source, target) of the undirected edges that were given a direction.
    left_out : (edge, why) of the edges that are not in ``graph``.
    collapsed : whether rules 3 and 4 (lags, cycles) were applied.
    """

    graph: CausalGraph
    oriented: tuple[tuple[str, str], ...] = ()
    left_out: tuple[tuple[Edge, str], ...] = ()
    collapsed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready facts: the rules, what was oriented, and what was left out and why."""
        return {
            "rules": {what: rule for what, rule in RULES.items() if self.collapsed or what not in ("lags", "cycles")},
            "oriented": [list(pair) for pair in self.oriented],
            "left_out": [{"source": e.source, "target": e.target, "lag": e.lag, "why": why} for e, why in self.left_out],
        }


def directed_part(graph: CausalGraph) -> Directed:
    """Give every edge a direction by rules 1 and 2, keeping lags.

    >>> found = directed_part(CausalGraph(["a", "b"], [Edge("a", "b", target_mark="tail")], kind="cpdag"))
    >>> found.graph.edges[0].is_directed, len(found.oriented)
    (True, 1)
    """
    left_out = [(e, "refuted by an intervention") for e in graph.edges if e.validation == "refuted"]
    live = [e for e in graph.edges if e.validation != "refuted"]
    undirected = [e for e in live if e.is_undirected and graph.kind != "pag"]
    left_out += [(e, _ambiguity(e)) for e in live if not e.is_directed and e not in undirected]
    order = _consistent_extension(graph, live) if undirected else None
    kept, oriented = [], []
    for edge in live:
        if edge.is_directed:
            kept.append(edge)
        elif edge in undirected and order is None:
            left_out.append((edge, "undirected, and no consistent extension exists"))
        elif edge in undirected and order is not None:
            source, target = sorted((edge.source, edge.target), key=lambda n: order[graph.index[n]])
            kept.append(replace(edge, source=source, target=target, target_mark="arrow"))
            oriented.append((source, target))
    kind = {"cpdag": "dag", "mpdag": "dag", "pag": "summary"}.get(graph.kind, graph.kind)
    return Directed(graph.replace(edges=kept, kind=kind), tuple(oriented), tuple(left_out))


def to_dag(graph: CausalGraph) -> Directed:
    """Return a DAG without lags, by rules 1 to 4; deterministic.

    >>> g = CausalGraph(["a", "b"], [Edge("a", "b", 1, confidence=0.9), Edge("b", "a", 1, confidence=0.6)], "lagged", 1)
    >>> [(e.source, e.target) for e in to_dag(g).graph.edges], to_dag(g).left_out[0][1]
    ([('a', 'b')], 'would close a cycle')
    """
    part = directed_part(graph)
    summary = part.graph.summary()
    left_out = [*part.left_out, *((e, "an edge of a variable to itself") for e in part.graph.edges if e.source == e.target)]
    edges = list(summary.edges)
    if not acyclic(np.array(summary.adjacency())):
        edges, cut = _without_cycles(summary)
        left_out += [(e, "would close a cycle") for e in cut]
    dag = summary.replace(edges=edges, kind="dag", max_lag=0)
    return Directed(dag, part.oriented, tuple(left_out), collapsed=True)


def _ambiguity(edge: Edge) -> str:
    if edge.conflict:
        return "conflicting orientations"
    if edge.is_undirected:
        return "selected"
    return "bidirected" if "circle" not in (edge.source_mark, edge.target_mark) else "a circle mark"


def _consistent_extension(graph: CausalGraph, edges: list[Edge]) -> np.ndarray | None:
    """Rank of every node in a consistent extension of the lag-0 edges, causes first; None when there is none."""
    n = len(graph.variables)
    arrows, lines = np.zeros((n, n), dtype=bool), np.zeros((n, n), dtype=bool)
    for edge in edges:
        i, j = graph.index[edge.source], graph.index[edge.target]
        if edge.lag == 0 and edge.is_directed:
            arrows[i, j] = True
        elif edge.is_undirected:
            lines[i, j] = lines[j, i] = True
    rank, left = np.zeros(n, dtype=int), np.ones(n, dtype=bool)
    for place in range(n - 1, -1, -1):
        sink = next((x for x in np.flatnonzero(left)[::-1] if _is_sink(x, arrows, lines)), None)
        if sink is None:
            return None
        rank[sink], left[sink] = place, False
        for matrix in (arrows, lines):
            matrix[sink, :] = matrix[:, sink] = False
    return rank


def _is_sink(x: int, arrows: np.ndarray, lines: np.ndarray) -> bool:
    """Whether no arrow leaves x and every undirected neighbour of x is adjacent to all of x's other neighbours."""
    if arrows[x].any():
        return False
    around = arrows[:, x] | lines[x]
    for y in np.flatnonzero(lines[x]):
        adjacent = arrows[y] | arrows[:, y] | lines[y]
        adjacent[y] = True
        if (around & ~adjacent).any():
            return False
    return True


def _without_cycles(summary: CausalGraph) -> tuple[list[Edge], list[Edge]]:
    n = len(summary.variables)
    reach = np.eye(n, dtype=bool)
    kept: set[tuple[str, str]] = set()
    cut = []
    for edge in sorted(summary.edges, key=lambda e: _trust(e, summary)):
        i, j = summary.index[edge.source], summary.index[edge.target]
        if reach[j, i]:
            cut.append(edge)
            continue
        kept.add((edge.source, edge.target))
        reach |= np.outer(reach[:, i], reach[j])
    return [e for e in summary.edges if (e.source, e.target) in kept], cut


def _trust(edge: Edge, graph: CausalGraph) -> tuple[Any, ...]:
    """Sort key: the most trusted edge first."""
    return (
        edge.validation != "confirmed",
        "prior" not in edge.evidence,
        -(edge.confidence if edge.confidence is not None else 0.0),
        edge.p_value if edge.p_value is not None else 1.0,
        -abs(edge.strength if edge.strength is not None else 0.0),
        graph.index[edge.source],
        graph.index[edge.target],
    )
