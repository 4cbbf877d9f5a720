"""Correlation taken for causation: the control that every causal method has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._controls import Claim, Control
from causaldisc.core.constraints import Constraints
from causaldisc.core.parameters import parameter
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.moments import lagged, lagged_rows, pairwise_correlation


@dataclass(frozen=True)
class Correlation(Control):
    """Every pair whose Pearson correlation is significant after Bonferroni's correction; lag-0 pairs are undirected.

    Missing values are left out pair by pair. The test takes rows as independent, as a naive analyst would.

    >>> from causaldisc import Telemetry, discover
    >>> x = np.random.default_rng(0).normal(size=(200, 2)) @ [[1.0, 0.8], [0.0, 0.6]]
    >>> [e.is_undirected for e in discover(Telemetry(x, ["a", "b"]), "correlation", max_lag=0).graph.edges]
    [True]
    """

    alpha: float = parameter(0.01, "significance level of the whole family of tests", low=0, high=1, search=(1e-4, 0.2, "log"))
    name: ClassVar[str] = "correlation"
    summary: ClassVar[str] = "control: every significant correlation"
    flat_kind: ClassVar[str] = "mpdag"
    evidence: ClassVar[tuple[str, ...]] = ("data",)

    def association(self, telemetry: Telemetry, constraints: Constraints) -> np.ndarray:
        """Return |r|."""
        return np.abs(lagged_correlation(telemetry, self.max_lag)[0])

    def claim(self, telemetry: Telemetry, constraints: Constraints, pinned: np.ndarray, rng: np.random.Generator) -> Claim:
        """Claim the significant cells; a lag-0 pair is one test."""
        r, p_value = lagged_correlation(telemetry, self.max_lag)
        pairs = constraints.adjacent
        tests = pairs[:, :, 0].sum() // 2 + pairs[:, :, 1:].sum()
        return Claim(p_value * tests < self.alpha, np.abs(r), r, p_value)


def lagged_correlation(telemetry: Telemetry, max_lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (r, p), each float[N, N, L + 1]: Pearson's correlation of x_i(t - lag) with x_j(t), and its two-sided p-value.

    Where too few rows hold both values, or one of them does not vary there, r is 0 and p is 1.

    >>> r, p = lagged_correlation(Telemetry([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [0.0, 1.0]], ["a", "b"]), 0)
    >>> round(float(r[0, 1, 0]), 3), round(float(p[0, 1, 0]), 3)
    (0.968, 0.032)
    """
    from scipy.special import stdtr

    n, labels = telemetry.shape[1], telemetry.environments[lagged_rows(telemetry.environments, max_lag)]
    wide, rows = pairwise_correlation(lagged(telemetry.values, telemetry.environments, max_lag), labels)
    r, rows = (np.moveaxis(m[:, :n].reshape(max_lag + 1, n, n), 0, 2) for m in (wide, rows))
    freedom = np.maximum(rows - 2, 1)
    p_value = 2 * stdtr(freedom, -np.abs(r) * np.sqrt(freedom / np.maximum(1 - r**2, 1e-15)))
    return r, p_value
