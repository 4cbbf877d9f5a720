"""Random choice: the planner that any other has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Planner
from causaldisc.validation.planners._open import open_edges


@dataclass(frozen=True)
class Random(Planner):
    """Choose uniformly among the variables with an edge to test.

    >>> from causaldisc.core.graph import Edge
    >>> Random().choose(CausalGraph(["a", "b"], [Edge("a", "b")]), {}, 5, np.random.default_rng(0))
    ['a']
    """

    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "control: a random variable among those with an edge to test"

    def choose(self, graph: CausalGraph, tested: Mapping[str, int], budget: int, rng: np.random.Generator) -> list[str]:
        """Return a random order of the candidates, cut to the budget."""
        candidates = [name for name in graph.names if open_edges(graph, name)]
        return [candidates[k] for k in rng.permutation(len(candidates))[:budget]]
