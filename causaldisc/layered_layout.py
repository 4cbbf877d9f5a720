"""A layered layout of a call graph: callers left of what they call, few crossings, neighbours level with each other.

K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures", IEEE Trans. SMC 11(2),
1981: layers by longest path, stand-ins where an edge passes a layer, order by barycentres; heights by least squares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import networkx as nx

Node = Any  # a name, or (caller, callee, layer) where the edge between two passes a layer
_SWEEPS = 30
_THIN = 0.3  # room of a passing edge, in that of a node


@dataclass(frozen=True)
class Layout:
    """Where everything stands: ``layer`` and ``height`` of each node, and the passing points (layer, height) of each edge."""

    layer: Mapping[str, int]
    height: Mapping[str, float]
    bends: Mapping[tuple[str, str], Sequence[tuple[int, float]]]


def call_depth(graph: nx.DiGraph) -> dict[str, int]:
    """Return the longest way from an entry to each service, edges that lead back in a circle left out.

    >>> import networkx as nx
    >>> call_depth(nx.DiGraph([("web", "cart"), ("cart", "db"), ("web", "db"), ("db", "cart")]))
    {'web': 0, 'cart': 1, 'db': 2}
    """
    import networkx as nx

    forward = _forward(graph)
    depth: dict[str, int] = {}
    for node in nx.topological_sort(forward):
        depth[node] = max((depth[caller] + 1 for caller in forward.predecessors(node)), default=0)
    return {node: depth[node] for node in graph}


def layered(graph: nx.DiGraph) -> Layout:
    """Lay a graph out; heights are in rooms of one node, with 0 in the middle."""
    layer = call_depth(graph)
    between: dict[Node, list[Node]] = {}
    layers: list[list[Node]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for node in graph:
        layers[layer[node]].append(node)
    chains: dict[tuple[str, str], list[Node]] = {}
    for a, b in graph.edges:
        low, high = sorted((layer[a], layer[b]))
        passing = [(a, b, k) for k in range(low + 1, high)]
        for stand_in in passing:
            layers[stand_in[2]].append(stand_in)
        chain = [a, *passing, b] if layer[a] <= layer[b] else [b, *passing, a]
        chains[a, b] = chain
        if a != b and low != high:
            for one, other in pairwise(chain):
                between.setdefault(one, []).append(other)
                between.setdefault(other, []).append(one)
    number = {node: k for k, nodes in enumerate(layers) for node in nodes}
    height = _heights(_ordered(layers, between, number), between, number)
    bends = {}
    for (a, b), chain in chains.items():
        points = [(number[node], height[node]) for node in chain[1:-1]]
        bends[a, b] = points if layer[a] <= layer[b] else points[::-1]
    return Layout(layer, {node: height[node] for node in graph}, bends)


def _forward(graph: nx.DiGraph) -> nx.DiGraph:
    """The graph without the edges that lead back within a circle, as a search in depth from the entries meets them."""
    import networkx as nx

    start = object()
    searched: nx.DiGraph[Any] = nx.DiGraph(graph)
    searched.add_node(start)
    searched.add_edges_from((start, n) for n in sorted(graph, key=graph.in_degree))  # entries first
    order = {node: -k for k, node in enumerate(nx.dfs_postorder_nodes(searched, start))}
    circle = {node: k for k, nodes in enumerate(nx.strongly_connected_components(graph)) for node in nodes}
    found: nx.DiGraph[str] = nx.DiGraph()
    found.add_nodes_from(graph)
    found.add_edges_from((a, b) for a, b in graph.edges if circle[a] != circle[b] or order[a] < order[b])
    return found


def _ordered(layers: list[list[Node]], between: Mapping[Node, list[Node]], number: Mapping[Node, int]) -> list[list[Node]]:
    """Order each layer by the mean place of its neighbours before and after, in sweeps; the order with fewest crossings stays."""
    best, fewest = [list(nodes) for nodes in layers], _crossings(layers, between, number)
    current = [list(nodes) for nodes in layers]
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for k in range(len(current)) if down else reversed(range(len(current))):
            side = k - 1 if down else k + 1
            if not 0 <= side < len(current):
                continue
            place = {node: i / max(len(current[side]) - 1, 1) for i, node in enumerate(current[side])}
            own = {node: i / max(len(current[k]) - 1, 1) for i, node in enumerate(current[k])}
            means = {n: [place[m] for m in between.get(n, ()) if m in place] or [own[n]] for n in current[k]}
            current[k].sort(key=lambda n, means=means: sum(means[n]) / len(means[n]))
        crossings = _crossings(current, between, number)
        if crossings < fewest:
            best, fewest = [list(nodes) for nodes in current], crossings
    return best


def _crossings(layers: list[list[Node]], between: Mapping[Node, list[Node]], number: Mapping[Node, int]) -> int:
    count = 0
    for k, nodes in enumerate(layers[:-1]):
        place = {node: i for i, node in enumerate(layers[k + 1])}
        ends = [sorted(place[m] for m in between.get(n, ()) if number[m] == k + 1) for n in nodes]
        flat = np.array([e for found in ends for e in found])
        count += sum(int((flat[i + 1 :] < e).sum()) for i, e in enumerate(flat))
    return count


def _heights(layers: list[list[Node]], between: Mapping[Node, list[Node]], number: Mapping[Node, int]) -> dict[Node, float]:
    """Bring each node as near to the mean height of its neighbours as the order and the room of the others allow."""
    from scipy.optimize import isotonic_regression

    rooms = [np.array([_THIN if isinstance(n, tuple) else 1.0 for n in nodes]) for nodes in layers]
    upto = [np.cumsum((np.append(r[:1] * 0, r[:-1]) + np.append(r[:1] * 0, r[1:])) / 2) for r in rooms]
    height = {n: float(u - at.mean()) for nodes, at in zip(layers, upto, strict=True) for n, u in zip(nodes, at, strict=True)}
    for sweep in range(_SWEEPS):
        for k in range(len(layers)) if sweep % 2 == 0 else reversed(range(len(layers))):
            wanted = np.array([np.mean([height[m] for m in between.get(n, [n])]) for n in layers[k]])
            if len(wanted):
                placed = isotonic_regression(wanted - upto[k], weights=rooms[k]).x + upto[k]
                height.update(zip(layers[k], placed.tolist(), strict=True))
    if height:
        middle = (min(height.values()) + max(height.values())) / 2
        height = {n: h - middle for n, h in height.items()}
    return height
