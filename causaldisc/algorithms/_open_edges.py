"""The edges at lag 0 that a graph leaves open, undirected or in conflict, and the graph with some of them directed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from causaldisc.core.graph import CONFLICT, DIRECTED, UNDIRECTED, CausalGraph, Edge


@dataclass(frozen=True, eq=False)
class Marks:
    """A graph at lag 0, with what orientation must know of its lags; arrays over N variables in an order of their own.

    Attributes
    ----------
    codes : int8[N, N] of cell codes, changed as edges are directed.
    heads : bool[N, N], ``[i, j]`` = the edge had an arrowhead at j in the beginning.
    late : int[N, N], how many past causes of j are not adjacent to i: i → j would make so many unshielded colliders.
    """

    codes: np.ndarray
    heads: np.ndarray
    late: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray) -> Marks:
        """Read int8[N, N, L + 1] of cell codes."""
        now = np.array(codes[:, :, 0], dtype=np.int8, order="C")
        heads = (now == DIRECTED) | (now == CONFLICT)
        past = (codes[:, :, 1:] > 0).transpose(2, 0, 1).reshape(-1, len(now))
        late = (~past).astype(np.int64).T @ past.astype(np.int64)
        return cls(now, heads, late)

    @property
    def open(self) -> np.ndarray:
        """bool[N, N], symmetric: undirected, or in conflict."""
        return (self.codes == UNDIRECTED) | (self.codes == CONFLICT)

    @property
    def adjacent(self) -> np.ndarray:
        """bool[N, N], symmetric."""
        return (self.codes > 0) | (self.codes.T > 0)


def turned(graph: CausalGraph, arrows: Mapping[tuple[int, int], str], kind: str) -> CausalGraph:
    """Return the graph with open edges directed.

    Parameters
    ----------
    arrows : what tells the direction, by (cause, effect), columns of the graph; it joins the edge's evidence.
    kind : of the result.
    """
    index = graph.index
    edges = [_turned(edge, index[edge.source], index[edge.target], arrows) for edge in graph.edges]
    edges.sort(key=lambda edge: (index[edge.source], index[edge.target], edge.lag))
    return graph.replace(edges=edges, kind=kind)


def _turned(edge: Edge, i: int, j: int, arrows: Mapping[tuple[int, int], str]) -> Edge:
    if edge.lag or edge.is_directed:
        return edge
    for cause, effect, ends in ((i, j, (edge.source, edge.target)), (j, i, (edge.target, edge.source))):
        told = arrows.get((cause, effect))
        if told is not None:
            return replace(
                edge,
                source=ends[0],
                target=ends[1],
                source_mark="tail",
                target_mark="arrow",
                conflict=False,
                orientation_confidence=None,  # what resampling said of the open edge
                evidence=tuple(dict.fromkeys((*edge.evidence, told))),
            )
    return edge
