"""The empty graph: the control that claims nothing but what the prior requires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.graph import CausalGraph
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Algorithm
from causaldisc.core.telemetry import Telemetry


@dataclass(frozen=True)
class Empty(Algorithm):
    """No edge, except those that the prior requires."""

    max_lag: int = parameter(3, "largest lag, in steps", low=0)
    name: ClassVar[str] = "empty"
    summary: ClassVar[str] = "control: no edge but the required ones"
    control: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        """``lagged`` with lags, else ``dag``."""
        return "lagged" if self.max_lag else "dag"

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Return the required edges alone."""
        pinned = constraints.pin(np.zeros(constraints.allowed.shape))
        codes = pinned.astype(np.int8)
        evidence = dict.fromkeys(zip(*(a.tolist() for a in np.nonzero(pinned)), strict=True), ("prior",))
        graph = CausalGraph.from_codes(telemetry.variables, codes, kind=self.kind, evidence=evidence)
        return Learned(graph, np.where(constraints.allowed, codes.astype(float), np.nan))
