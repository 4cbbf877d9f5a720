"""Coverage: set the variable whose trial settles most doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Planner
from causaldisc.validation.planners._open import open_edges


@dataclass(frozen=True)
class Coverage(Planner):
    """Choose the variable whose untested outgoing edges carry the most doubt.

    An edge weighs 2 less its confidence (an unknown confidence is 0), and ``open_weight`` times that while its direction
    is open, since a trial on it can also orient it. Edges of a pair at several lags are one claim and weigh as the most
    doubtful of them. Ties go by column.

    >>> graph = CausalGraph(["a", "b", "c"], [Edge("a", "b"), Edge("b", "c", target_mark="tail")], "cpdag")
    >>> Coverage().choose(graph, {}, 1, np.random.default_rng(0))
    ['b']
    """

    open_weight: float = parameter(2.0, "weight of an edge without a direction, in directed ones", low=0)
    name: ClassVar[str] = "coverage"
    summary: ClassVar[str] = "the variable with most, least certain and least oriented edges to test"

    def choose(self, graph: CausalGraph, tested: Mapping[str, int], budget: int, rng: np.random.Generator) -> list[str]:
        """Return the candidates by falling doubt, cut to the budget."""
        edges = {name: open_edges(graph, name) for name in graph.names}
        return sorted((n for n in graph.names if edges[n]), key=lambda n: -self._doubt(edges[n], n))[:budget]

    def _doubt(self, edges: list[Edge], name: str) -> float:
        claims: dict[str, float] = {}
        for edge in edges:
            effect = edge.target if edge.source == name else edge.source
            weight = (2.0 - (edge.confidence or 0.0)) * (1.0 if edge.is_directed else self.open_weight)
            claims[effect] = max(claims.get(effect, 0.0), weight)
        return sum(claims.values())
