"""The tournament: the control that knows every adjacency and guesses every direction by one random order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._controls import Claim, Control
from causaldisc.algorithms._orders import random_order
from causaldisc.core.constraints import Constraints
from causaldisc.core.telemetry import Telemetry


@dataclass(frozen=True)
class Tournament(Control):
    """A complete directed acyclic graph over a random order; each edge has the smallest lag that the prior allows.

    >>> from causaldisc import Telemetry, discover
    >>> data = Telemetry([[0.0, 1.0, 3.0], [1.0, 0.5, 1.0], [2.0, 2.0, 0.0]], ["a", "b", "c"])
    >>> len(discover(data, "tournament", max_lag=0).graph.edges)
    3
    """

    name: ClassVar[str] = "tournament"
    summary: ClassVar[str] = "control: a complete DAG over a random order"
    equivariant: ClassVar[bool] = False

    def claim(self, telemetry: Telemetry, constraints: Constraints, pinned: np.ndarray, rng: np.random.Generator) -> Claim:
        """Claim every pair along the order, at its first allowed lag."""
        rank = np.argsort(random_order(pinned[:, :, 0], rng))
        forward = constraints.allowed & (rank[:, None, None] < rank[None, :, None])
        joined = pinned.any(axis=2, keepdims=True)
        forward &= ~(joined | np.swapaxes(joined, 0, 1))
        return Claim(forward & (np.cumsum(forward, axis=2) == 1))
