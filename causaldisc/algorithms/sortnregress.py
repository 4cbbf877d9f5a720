"""SortnRegress: the control that takes a larger variance for a later place in the causal order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._sorting import SortAndRegress


@dataclass(frozen=True)
class SortNRegress(SortAndRegress):
    """Sort by marginal variance, then regress each variable sparsely on those before it.

    Reisach, Seiler, Weichwald, "Beware of the simulated DAG! Causal discovery benchmarks may be easy to game", NeurIPS 2021.
    What it scores on a simulated data set is owed to the simulation's scales. With ``standardise`` all variances are equal and
    the order is random: the same control without that knowledge. Missing values are left out column by column for the
    variance and pair by pair for the regression; variances are taken within environments.

    >>> from causaldisc import Telemetry, discover
    >>> x = np.random.default_rng(0).normal(size=(200, 2)) @ [[1.0, 2.0], [0.0, 1.0]]
    >>> [(e.source, e.target) for e in discover(Telemetry(x, ["a", "b"]), "sortnregress", max_lag=0).graph.edges]
    [('a', 'b')]
    """

    name: ClassVar[str] = "sortnregress"
    summary: ClassVar[str] = "control: sort by variance, regress on predecessors"

    def criterion(self, values: np.ndarray, environments: np.ndarray, R: np.ndarray) -> np.ndarray:
        """Return the logarithm of each column's variance within environments, or zeros."""
        if self.standardise:
            return np.zeros(len(R))
        centred = np.array(values)
        for label in np.unique(environments):
            block = environments == label
            there = ~np.isnan(values[block])
            totals = np.where(there, values[block], 0.0).sum(axis=0)
            centred[block] -= totals / np.maximum(there.sum(axis=0), 1)
        # Columns are scaled before they are squared, so that the squares stay within range.
        largest = np.nanmax(np.abs(centred), axis=0)
        largest = np.where(largest > 0, largest, np.finfo(float).tiny)
        spread = np.nanmean(np.square(centred / largest), axis=0)
        return np.log(np.maximum(spread, np.finfo(float).tiny)) + 2 * np.log(largest)
