"""Adjustment identification distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Metric
from causaldisc.metrics._gadjid import distance


@dataclass(frozen=True)
class Aid(Metric):
    """Share of ordered pairs whose causal effect the graph would identify wrongly, in 0..1.

    Adjusting for the ancestors of the cause (``ancestor_aid``) or for the optimal set (``oset_aid``); Henckel, Würtzen &
    Weichwald (2024). On the summary graphs when both are acyclic, else on the window graphs (see
    :func:`causaldisc.metrics._gadjid.distance`). An empty graph can beat a reversed edge: read them beside its row.

    >>> from causaldisc.core.graph import Edge
    >>> Aid()(CausalGraph(["a", "b"]), CausalGraph(["a", "b"], [Edge("a", "b")]), None)
    {'ancestor_aid': 0.5, 'oset_aid': 0.5}
    """

    name: ClassVar[str] = "aid"
    summary: ClassVar[str] = "adjustment identification distances: share of effects the graph would identify wrongly"
    keys: ClassVar[tuple[str, ...]] = ("ancestor_aid", "oset_aid")

    def __call__(self, graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> dict[str, float]:
        """Ask for both shares."""
        return {key: distance(key, graph, truth)[0] for key in self.keys}
