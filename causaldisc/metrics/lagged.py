"""Lagged edges: is each edge there at its true lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Metric
from causaldisc.metrics._weights import lagged_weights, overlap


@dataclass(frozen=True)
class Lagged(Metric):
    """Precision, recall and F1 over cells (source, target, lag), lag 0 included, the shorter graph padded with no edges.

    Edges of a variable to its own past are left out: nearly every metric has one, and finding it tells little.

    >>> from causaldisc.core.graph import Edge
    >>> found = CausalGraph(["a", "b"], [Edge("a", "b", 1)], "lagged", 1)
    >>> Lagged()(found, CausalGraph(["a", "b"], [Edge("a", "b", 2)], "lagged", 2), None)["lagged_f1"]
    0.0
    """

    name: ClassVar[str] = "lagged"
    summary: ClassVar[str] = "edges lag by lag against the true ones"
    keys: ClassVar[tuple[str, ...]] = ("lagged_precision", "lagged_recall", "lagged_f1")

    def __call__(self, graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> dict[str, float]:
        """Compare the two weight arrays up to the larger max_lag."""
        depth = max(graph.max_lag, truth.max_lag)
        return dict(zip(self.keys, overlap(lagged_weights(graph, depth), lagged_weights(truth, depth)), strict=True))
