"""Density: how many edges the graph claims, and how much better than chance they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Metric
from causaldisc.metrics._weights import overlap, ratio, summary_weights


@dataclass(frozen=True)
class Density(Metric):
    """Number of edges, share of ordered pairs that are true edges, and precision in units of that share.

    ``n_edges`` sums the weights of the summary graph: 1 a directed edge (a two-cycle is two), 1 an undirected edge (a half
    each way), self-loops left out. ``prevalence`` is the same sum of the truth over N(N - 1): the directed precision of
    edges drawn at random. ``precision_lift`` is directed precision over prevalence: 1 = chance.

    >>> from causaldisc.core.graph import Edge
    >>> graph = CausalGraph(["a", "b", "c"], [Edge("a", "b")])
    >>> Density()(graph, graph, None) == {"n_edges": 1.0, "prevalence": 1 / 6, "precision_lift": 6.0}
    True
    """

    name: ClassVar[str] = "density"
    summary: ClassVar[str] = "edges claimed, prevalence of true edges, and directed precision over prevalence"
    keys: ClassVar[tuple[str, ...]] = ("n_edges", "prevalence", "precision_lift")

    def __call__(self, graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> dict[str, float]:
        """Sum both summary weight matrices."""
        found, true = summary_weights(graph), summary_weights(truth)
        prevalence = ratio(float(true.sum()), float(len(true) * (len(true) - 1)))
        precision, _, _ = overlap(found, true)
        return {"n_edges": float(found.sum()), "prevalence": prevalence, "precision_lift": ratio(precision, prevalence)}
