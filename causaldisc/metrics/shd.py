"""Structural Hamming distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Metric
from causaldisc.metrics._weights import summary_weights


@dataclass(frozen=True)
class Shd(Metric):
    """Number of pairs of the summary graph whose state (none, →, ←, open, both) differs from the true one.

    A missing, an extra and a reversed edge count 1 each (Tsamardinos, Brown & Aliferis, 2006; some libraries count a reversed
    edge 2).

    >>> from causaldisc.core.graph import Edge
    >>> Shd()(CausalGraph(["a", "b"], [Edge("b", "a")]), CausalGraph(["a", "b"], [Edge("a", "b")]), None)
    {'shd': 1.0}
    """

    name: ClassVar[str] = "shd"
    summary: ClassVar[str] = "structural Hamming distance of the summary graphs; a reversed edge counts 1"
    keys: ClassVar[tuple[str, ...]] = ("shd",)

    def __call__(self, graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> dict[str, float]:
        """Count the pairs that differ in either cell."""
        differ = summary_weights(graph) != summary_weights(truth)
        return {"shd": float(np.triu(differ | differ.T).sum())}
