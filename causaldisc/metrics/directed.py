"""Directed edges: the headline, on the summary graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Metric
from causaldisc.metrics._weights import overlap, summary_weights


@dataclass(frozen=True)
class Directed(Metric):
    """Precision, recall and F1 of directed edges, lags collapsed, self-loops left out; an undirected edge is half a hit.

    >>> from causaldisc.core.graph import Edge
    >>> open_edge = CausalGraph(["a", "b"], [Edge("a", "b", target_mark="tail")], "cpdag")
    >>> Directed()(open_edge, CausalGraph(["a", "b"], [Edge("a", "b")]), None)["directed_f1"]
    0.5
    """

    name: ClassVar[str] = "directed"
    summary: ClassVar[str] = "directed edges of the summary graph against the true ones"
    keys: ClassVar[tuple[str, ...]] = ("directed_precision", "directed_recall", "directed_f1")

    def __call__(self, graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> dict[str, float]:
        """Compare the two summary weight matrices."""
        return dict(zip(self.keys, overlap(summary_weights(graph), summary_weights(truth)), strict=True))
