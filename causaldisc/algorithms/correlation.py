"""Correlation taken for causation: the control that every causal method has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._controls import Claim, Control
from causaldisc.algorithms._windows import lag_windows
from causaldisc.core.constraints import Constraints
from causaldisc.core.parameters import parameter
from causaldisc.core.telemetry import Telemetry


@dataclass(frozen=True)
class Correlation(Control):
    """Every pair whose Pearson correlation is significant after Bonferroni's correction; lag-0 pairs are undirected.

    Missing values are left out pair by pair. The test takes rows as independent, as a naive analyst would.

    >>> from causaldisc import Telemetry, discover
    >>> x = np.random.default_rng(0).normal(size=(200, 2)) @ [[1.0, 0.8], [0.0, 0.6]]
    >>> [e.is_undirected for e in discover(Telemetry(x, ["a", "b"]), "correlation", max_lag=0).graph.edges]
    [True]
    """

    alpha: float = parameter(0.01, "significance level of the whole family of tests", low=0, high=1)
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

    Where fewer than three rows hold both values, or one of them does not vary there, r is 0 and p is 1.

    >>> r, p = lagged_correlation(Telemetry([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [0.0, 1.0]], ["a", "b"]), 0)
    >>> round(float(r[0, 1, 0]), 3)
    0.968
    """
    from scipy.special import stdtr

    _, window = lag_windows(telemetry, max_lag)
    scale = np.nanstd(telemetry.values, axis=0)[:, None]
    window = (window - np.nanmean(telemetry.values, axis=0)[:, None]) / np.where(scale > 0, scale, 1.0)
    seen = ~np.isnan(window)
    x = np.where(seen, window, 0.0)
    mask, now, here = seen.astype(float), x[:, :, 0], seen[:, :, 0].astype(float)

    def total(past: np.ndarray, present: np.ndarray) -> np.ndarray:
        return np.einsum("ril,rj->ijl", past, present, optimize=True)

    rows = np.maximum(total(mask, here), 1.0)
    mean_i, mean_j = total(x, here) / rows, total(mask, now) / rows
    covariance = total(x, now) / rows - mean_i * mean_j
    variance_i = total(x**2, here) / rows - mean_i**2
    variance_j = total(mask, now**2) / rows - mean_j**2
    known = (rows > 2) & (np.minimum(variance_i, variance_j) > 1e-12)
    r = np.where(known, covariance / np.sqrt(np.where(known, variance_i * variance_j, 1.0)), 0.0)
    r[:, :, 0] = (r[:, :, 0] + r[:, :, 0].T) / 2  # equal to the last bit, whatever the order of summation
    r = np.clip(r, -1 + 1e-12, 1 - 1e-12)
    p_value = 2 * stdtr(np.maximum(rows - 2, 1), -np.abs(r) * np.sqrt(np.maximum(rows - 2, 0) / (1 - r**2)))
    return r, p_value
