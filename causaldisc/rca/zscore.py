"""Largest z-score (n-sigma): the graph-free baseline that every root-cause ranker has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Ranker
from causaldisc.core.telemetry import Telemetry
from causaldisc.rca._periods import ranked, scale_of, split, worst


@dataclass(frozen=True)
class Zscore(Ranker):
    """Scores a variable by its largest deviation after the onset, in standard deviations of the normal period."""

    name: ClassVar[str] = "zscore"
    summary: ClassVar[str] = "largest |z| after the onset; baseline without the graph"
    uses_graph: ClassVar[bool] = False

    def rank(self, graph: CausalGraph, telemetry: Telemetry, at: float) -> list[tuple[str, float]]:
        """Rank the variables."""
        normal, abnormal = split(telemetry, at)
        mean, deviation = scale_of(telemetry, normal)
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.where(deviation > 0, (telemetry.values[abnormal] - mean) / deviation, 0.0)
        z[np.isnan(telemetry.values[abnormal])] = np.nan
        return ranked(telemetry.names, worst(z))
