"""Structural intervention distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Metric
from causaldisc.metrics._gadjid import distance


@dataclass(frozen=True)
class Sid(Metric):
    """Number of ordered pairs whose intervention distribution the graph gets wrong by adjusting for parents.

    The count of Peters & Bühlmann (2015), 0..N(N - 1), on the summary graphs when both are acyclic, else on the window
    graphs (see :func:`causaldisc.metrics._gadjid.distance`). Defined between DAGs: an undirected edge makes it NaN.

    >>> from causaldisc.core.graph import Edge
    >>> Sid()(CausalGraph(["a", "b"], [Edge("b", "a")]), CausalGraph(["a", "b"], [Edge("a", "b")]), None)
    {'sid': 2.0}
    """

    name: ClassVar[str] = "sid"
    summary: ClassVar[str] = "structural intervention distance: pairs whose effect the graph gets wrong"
    keys: ClassVar[tuple[str, ...]] = ("sid",)

    def __call__(self, graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> dict[str, float]:
        """Count the mistakes."""
        return {"sid": distance("sid", graph, truth)[1]}
