"""Claims: what a graph says that an intervention can test, and what the answers make of its edges."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from causaldisc.core.graph import CausalGraph, Edge, acyclic

Pair = tuple[str, str]


def claims(graph: CausalGraph) -> list[Pair]:
    """Return the (cause, effect) pairs to test: of each undecided edge the directions that it leaves possible.

    Edges of one pair at several lags make one claim, since a setting that is held shows no lag; an edge of a variable to its
    own past makes none, since a variable that is set cannot answer.
    """
    pairs = [pair for e in graph.edges if e.validation == "untested" for pair in _possible(e)]
    return list(dict.fromkeys(p for p in pairs if p[0] != p[1]))


def possible_parents(graph: CausalGraph, effect: str) -> set[str]:
    """Variables that some edge lets be a cause of ``effect``, itself left out."""
    return {a for e in graph.edges for a, b in _possible(e) if b == effect and a != effect}


def separable(graph: CausalGraph, effects: Collection[str]) -> list[str]:
    """Choose effects that one trial can test while the other possible parents of each are held: none is a parent of another.

    Greedy, the least entangled first; ties by column.
    """
    parents = {j: possible_parents(graph, j) for j in effects}
    entangled = {j: {k for k in effects if k in parents[j] or j in parents[k]} for j in effects}
    chosen: list[str] = []
    for j in sorted(effects, key=lambda j: (len(entangled[j]), graph.index[j])):
        if not entangled[j].intersection(chosen):
            chosen.append(j)
    return sorted(chosen, key=lambda j: graph.index[j])


def mark(graph: CausalGraph, verdicts: Mapping[Pair, str]) -> CausalGraph:
    """Return the graph with its undecided edges marked, and oriented where one direction is confirmed and the other refuted.

    An orientation that would close a directed cycle at lag 0 is not made: the edge is confirmed and stays open.
    """
    directed = np.zeros((len(graph.names),) * 2, dtype=bool)
    for e in graph.edges:
        if e.is_directed and e.lag == 0:
            directed[graph.index[e.source], graph.index[e.target]] = True
    edges = []
    for edge in graph.edges:
        judged = _judge(edge, verdicts) if edge.validation == "untested" else edge
        i, j = graph.index[judged.source], graph.index[judged.target]
        if judged.is_directed and judged.lag == 0 and not directed[i, j]:
            directed[i, j] = True
            if graph.kind not in ("pag", "summary") and not acyclic(directed):
                directed[i, j], judged = False, _decided(edge, "confirmed")
        edges.append(judged)
    oriented = sum(e.is_directed for e in edges) > sum(e.is_directed for e in graph.edges)
    return graph.replace(edges=edges, kind="mpdag" if graph.kind == "cpdag" and oriented else graph.kind)


def still_open(graph: CausalGraph, verdicts: Mapping[Pair, str]) -> CausalGraph:
    """Return the graph that a planner sees (kind ``summary``): every ``untested`` edge of it can be tested by setting a cause.

    Decided edges are marked; an edge that was tested without an answer is left out; an undirected edge with one direction
    tested is shown as the other one.
    """
    marked = {(e.source, e.target, e.lag): e for e in mark(graph, verdicts).edges}
    edges: dict[tuple[str, str, int], Edge] = {}
    for edge in graph.edges:
        left = [p for p in _possible(edge) if p not in verdicts and p[0] != p[1]]
        if edge.validation != "untested" or len(left) == len(_possible(edge)):
            shown = edge
        elif left:
            shown = replace(edge, source=left[0][0], target=left[0][1], source_mark="tail", target_mark="arrow", conflict=False)
        else:
            ends = ((edge.source, edge.target, edge.lag), (edge.target, edge.source, edge.lag))
            decided = [marked[k] for k in ends if k in marked and marked[k].validation != "untested"]
            if not decided:
                continue
            shown = decided[0]
        edges.setdefault((shown.source, shown.target, shown.lag), shown)
    return graph.replace(edges=edges.values(), kind="summary")


def _possible(edge: Edge) -> tuple[Pair, ...]:
    """The (cause, effect) pairs that the edge leaves possible; time rules the backward one out."""
    return edge.directions if edge.lag == 0 else ((edge.source, edge.target),)


def _judge(edge: Edge, verdicts: Mapping[Pair, str]) -> Edge:
    """The edge with its validation state, turned into a directed one where the answers say so."""
    forward, backward = (edge.source, edge.target), (edge.target, edge.source)
    answers = {pair: verdicts.get(pair, "untested") for pair in (forward, backward)}
    if edge.is_directed or forward == backward:
        return _decided(edge, answers[forward])
    if edge.lag > 0:
        answers[backward] = "refuted"  # by time
    for pair in (forward, backward):  # or by an arrowhead opposite a mark that is none
        if pair not in edge.directions and answers[pair] == "untested":
            answers[pair] = "refuted"
    for cause, effect in (forward, backward):
        if answers[cause, effect] == "confirmed" and answers[effect, cause] == "refuted":
            turned = replace(edge, source=cause, target=effect, source_mark="tail", target_mark="arrow", conflict=False)
            return _decided(turned, "confirmed")
    return _decided(edge, _open_state(edge, answers[forward], answers[backward]))


def _open_state(edge: Edge, forward: str, backward: str) -> str:
    """The state of an edge that stays open.

    An arrowhead at a node says that it causes not the other end; unless the arrowheads are a conflict, an effect against one
    refutes the edge. Two effects shown absent refute an edge that says one of them exists; where a circle or two arrowheads
    allow a hidden common cause they decide nothing.
    """
    against_source = not edge.conflict and edge.source_mark == "arrow" and forward == "confirmed"
    against_target = not edge.conflict and edge.target_mark == "arrow" and backward == "confirmed"
    if against_source or against_target:
        return "refuted"
    if "confirmed" in (forward, backward):
        return "confirmed"
    if forward == backward == "refuted" and (edge.is_undirected or edge.conflict):
        return "refuted"
    return "untested"


def _decided(edge: Edge, state: str) -> Edge:
    if state == "untested":
        return edge
    return replace(edge, validation=state, evidence=tuple(dict.fromkeys((*edge.evidence, "intervention"))))
