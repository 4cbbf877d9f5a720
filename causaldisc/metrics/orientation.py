"""Orientation: of the adjacencies that were found, are the arrows the right way round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Metric
from causaldisc.metrics._weights import NAN, summary_weights


@dataclass(frozen=True)
class Orientation(Metric):
    """Share of the adjacencies present in both graphs that are oriented as in the truth; NaN when there is none.

    A pair counts 1 - (|w_ij - t_ij| + |w_ji - t_ji|) / 2: the same state 1, reversed 0, and half where one graph says a
    direction and the other leaves it open or claims both.

    >>> from causaldisc.core.graph import Edge
    >>> found = CausalGraph(["a", "b", "c"], [Edge("a", "b"), Edge("c", "b")])
    >>> Orientation()(found, CausalGraph(["a", "b", "c"], [Edge("a", "b"), Edge("b", "c")]), None)
    {'orientation_accuracy': 0.5}
    """

    name: ClassVar[str] = "orientation"
    summary: ClassVar[str] = "share of the true adjacencies found that point the right way"
    keys: ClassVar[tuple[str, ...]] = ("orientation_accuracy",)

    def __call__(self, graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> dict[str, float]:
        """Average the agreement over shared adjacencies."""
        found, true = summary_weights(graph), summary_weights(truth)
        shared = np.triu((found + found.T > 0) & (true + true.T > 0), k=1)
        gap = np.abs(found - true)
        agreement = 1.0 - (gap + gap.T) / 2
        return {"orientation_accuracy": float(agreement[shared].mean()) if shared.any() else NAN}
