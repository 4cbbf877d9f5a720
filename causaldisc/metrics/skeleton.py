"""Skeleton: are the adjacent pairs the true ones, directions and lags aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Metric
from causaldisc.metrics._weights import overlap, summary_weights


@dataclass(frozen=True)
class Skeleton(Metric):
    """Precision, recall and F1 of unordered adjacent pairs; an edge of any marks makes a pair adjacent.

    >>> from causaldisc.core.graph import Edge
    >>> reversed_edge = CausalGraph(["a", "b"], [Edge("b", "a")])
    >>> Skeleton()(reversed_edge, CausalGraph(["a", "b"], [Edge("a", "b")]), None)["skeleton_f1"]
    1.0
    """

    name: ClassVar[str] = "skeleton"
    summary: ClassVar[str] = "adjacent pairs against the true ones, directions and lags aside"
    keys: ClassVar[tuple[str, ...]] = ("skeleton_precision", "skeleton_recall", "skeleton_f1")

    def __call__(self, graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> dict[str, float]:
        """Compare the upper triangles of the two skeletons."""
        return dict(zip(self.keys, overlap(_pairs(graph), _pairs(truth)), strict=True))


def _pairs(graph: CausalGraph) -> np.ndarray:
    weights = summary_weights(graph)
    return np.triu((weights + weights.T) > 0, k=1).astype(float)
