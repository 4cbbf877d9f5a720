"""The random graph: the control that is as sparse as a real system and knows nothing of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._controls import Claim, Control
from causaldisc.algorithms._orders import random_order
from causaldisc.core.constraints import Constraints
from causaldisc.core.parameters import parameter
from causaldisc.core.telemetry import Telemetry


@dataclass(frozen=True)
class Random(Control):
    """An Erdős–Rényi graph over a random order: every pair is joined with probability degree / (N - 1).

    A joined pair gets one of its allowed cells at random, at lag 0 along the order only; the scores are random numbers.

    >>> from causaldisc import Telemetry, discover
    >>> data = Telemetry([[0.0, 1.0], [1.0, 0.5], [2.0, 2.0]], ["a", "b"])
    >>> len(discover(data, "random", degree=1, max_lag=0).graph.edges)
    1
    """

    degree: float = parameter(2.0, "expected number of neighbours of a variable", low=0, search=(0.5, 8.0, "log"))
    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "control: a random sparse graph"
    equivariant: ClassVar[bool] = False

    def claim(self, telemetry: Telemetry, constraints: Constraints, pinned: np.ndarray, rng: np.random.Generator) -> Claim:
        """Claim one random allowed cell of every pair drawn."""
        n = len(pinned)
        rank = np.argsort(random_order(pinned[:, :, 0], rng))
        ranking = rng.random(pinned.shape)
        drawn = np.triu(rng.random((n, n)) < self.degree / max(n - 1, 1), k=1)
        may = constraints.allowed & ~np.eye(n, dtype=bool)[:, :, None]
        may[:, :, 0] &= np.less.outer(rank, rank)
        lottery = np.where(may, rng.random(pinned.shape), -1.0)
        best = np.maximum(lottery.max(axis=2), lottery.max(axis=2).T)[:, :, None]
        return Claim(may & (lottery == best) & (drawn | drawn.T)[:, :, None], ranking)
