"""What a planner chooses from: the edges that setting a variable would test."""

from __future__ import annotations

from causaldisc.core.graph import CausalGraph, Edge


def open_edges(graph: CausalGraph, name: str) -> list[Edge]:
    """Return the untested edges with the variable as a possible cause; its own past is not one.

    >>> graph = CausalGraph(["a", "b", "c"], [Edge("a", "b"), Edge("b", "c", target_mark="tail")], "cpdag")
    >>> [len(open_edges(graph, name)) for name in graph.names]
    [1, 1, 1]
    """
    return [
        e
        for e in graph.edges
        if e.validation == "untested"
        and e.source != e.target
        and (e.source == name or (e.target == name and e.lag == 0 and not e.is_directed))
    ]
