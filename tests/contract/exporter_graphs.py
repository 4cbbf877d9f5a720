"""Graphs that an exporter can get wrong: asymmetric ones, names that break quoting, marks and lags."""

from __future__ import annotations

from itertools import pairwise

from causaldisc.core.graph import CausalGraph, Edge

NASTY = (
    "AWS::SSM/x:latency_p95",
    " blanks around ",
    'say "hi"',
    "back\\slash\\",
    "two\nlines",
    "<b>&amp;'quote'",
    "größe/日本:cpu",
    "100% _under;semi,comma|pipe`tick#1]",
    "n0",
    "node",
    "NA",
    "1e5",
    "%22",
    '"',
)


def chain(names: tuple[str, ...], lag: int = 0, kind: str = "dag") -> CausalGraph:
    """names[0] → names[1] → …, and names[0] → names[2]: no graph looks like its own reverse."""
    pairs = [*pairwise(names), *([(names[0], names[2])] if len(names) > 3 else [])]
    return CausalGraph(names, [Edge(a, b, lag) for a, b in pairs], kind, lag)


def reverse(graph: CausalGraph) -> CausalGraph:
    return graph.replace(edges=[Edge(e.target, e.source, e.lag) for e in graph.edges])


def cpdag() -> CausalGraph:
    edges = [Edge("a", "c"), Edge("b", "c"), Edge("c", "d"), Edge("d", "e", target_mark="tail")]
    return CausalGraph(["a", "b", "c", "d", "e"], edges, "cpdag")


def pag() -> CausalGraph:
    edges = [Edge("a", "b", source_mark="circle"), Edge("b", "c", source_mark="arrow"), Edge("c", "d")]
    return CausalGraph(["a", "b", "c", "d"], edges, "pag")


def lagged() -> CausalGraph:
    edges = [Edge("a:cpu", "b:cpu", 1, strength=0.5), Edge("b:cpu", "a:cpu", 2, strength=0.1), Edge("a:cpu", "a:cpu", 1)]
    return CausalGraph(["a:cpu", "b:cpu", "c:cpu"], [*edges, Edge("b:cpu", "c:cpu")], "lagged", 2, 15.0)
