"""Largest relative change of the mean: the simplest graph-free rule, which matches elaborate methods on easy benchmarks.

"Rethinking the evaluation of microservice root-cause analysis" (arXiv:2510.04711) finds such rules on a par with the state of the
art on four public benchmarks; so it stays in every comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Ranker
from causaldisc.core.telemetry import Telemetry
from causaldisc.rca._periods import ranked, split


@dataclass(frozen=True)
class LargestChange(Ranker):
    """Scores a variable by |mean after − mean before| over the mean size of its values before (of all, if that is 0)."""

    name: ClassVar[str] = "largest_change"
    summary: ClassVar[str] = "largest relative change of the mean; baseline without the graph"
    uses_graph: ClassVar[bool] = False

    def rank(self, graph: CausalGraph, telemetry: Telemetry, at: float) -> list[tuple[str, float]]:
        """Rank the variables."""
        normal, abnormal = split(telemetry, at)
        before, after = _mean(telemetry.values[normal]), _mean(telemetry.values[abnormal])
        size, overall = _mean(np.abs(telemetry.values[normal])), _mean(np.abs(telemetry.values))
        size = np.where(size > 0, size, overall)
        with np.errstate(invalid="ignore", divide="ignore"):
            change = np.where(after == before, 0.0, np.abs(after - before) / size)
        return ranked(telemetry.names, change)


def _mean(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)
