"""The empty graph: the control that claims nothing but what the prior requires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._controls import Claim, Control
from causaldisc.core.constraints import Constraints
from causaldisc.core.telemetry import Telemetry


@dataclass(frozen=True)
class Empty(Control):
    """No edge, except those that the prior requires.

    >>> from causaldisc import Telemetry, discover
    >>> discover(Telemetry([[0.0, 1.0], [1.0, 0.5], [2.0, 2.0]], ["a", "b"]), "empty", max_lag=0).graph.edges
    ()
    """

    name: ClassVar[str] = "empty"
    summary: ClassVar[str] = "control: no edge but the required ones"

    def claim(self, telemetry: Telemetry, constraints: Constraints, pinned: np.ndarray, rng: np.random.Generator) -> Claim:
        """Claim nothing."""
        return Claim(np.zeros_like(pinned))
