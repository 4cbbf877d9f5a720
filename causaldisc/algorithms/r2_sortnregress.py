"""R²-SortnRegress: the control that takes a better explained variable for a later one in the causal order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._sorting import SortAndRegress
from causaldisc.core.explained import explained_by_others


@dataclass(frozen=True)
class R2SortNRegress(SortAndRegress):
    """Sort by R², the share of a variable that all others of the same row explain, then regress on those before it.

    Reisach, Tami, Seiler, Chambaz, Weichwald, "A scale-invariant sorting criterion to find a causal order in additive noise
    models", NeurIPS 2023. It is the same in any units, so ``standardise`` changes nothing; the parameter is there to be set
    beside that of ``sortnregress``. Missing values are left out pair by pair. With no more rows than columns every R² is 1, and
    the order is random.

    >>> from causaldisc import Telemetry, discover
    >>> x = np.random.default_rng(0).normal(size=(200, 3)) @ [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]
    >>> found = discover(Telemetry(x, ["a", "b", "sum"]), "r2_sortnregress", max_lag=0).graph
    >>> sorted((e.source, e.target) for e in found.edges)
    [('a', 'sum'), ('b', 'sum')]
    """

    name: ClassVar[str] = "r2_sortnregress"
    summary: ClassVar[str] = "control: sort by explained variance (R²), regress on predecessors"

    def criterion(self, values: np.ndarray, environments: np.ndarray, R: np.ndarray) -> np.ndarray:
        """Return R² of each column on all others."""
        return explained_by_others(R)
