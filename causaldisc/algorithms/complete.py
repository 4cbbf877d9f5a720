"""The complete graph: the control that claims every edge that the prior allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._controls import Claim, Control
from causaldisc.core.constraints import Constraints
from causaldisc.core.telemetry import Telemetry


@dataclass(frozen=True)
class Complete(Control):
    """Every allowed edge: at lag 0 undirected where both directions are allowed, directed where one is; all lagged ones.

    Lag-0 edges that the prior lets run one way only, in a circle, are left out: no acyclic graph holds them all.

    >>> from causaldisc import Telemetry, discover
    >>> data = Telemetry([[0.0, 1.0], [1.0, 0.5], [2.0, 2.0]], ["a", "b"])
    >>> discover(data, "complete", max_lag=0).graph.edges[0].is_undirected
    True
    >>> discover(data, "complete", max_lag=1).graph.summary().adjacency().tolist()
    [[False, True], [True, False]]
    """

    name: ClassVar[str] = "complete"
    summary: ClassVar[str] = "control: every edge that the prior allows"
    flat_kind: ClassVar[str] = "mpdag"

    def claim(self, telemetry: Telemetry, constraints: Constraints, pinned: np.ndarray, rng: np.random.Generator) -> Claim:
        """Claim all that is allowed."""
        return Claim(np.array(constraints.allowed))
