"""online_boutique: Online Boutique, Google's demo shop of 11 services, under simulated traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.sources._system.named_systems import named
from causaldisc.sources._system.options import RequestSource
from causaldisc.sources._system.topology import Topology


@dataclass(frozen=True)
class OnlineBoutique(RequestSource):
    """The call graph of a well-known demonstration system, simulated request by request as ``mesh`` is.

    Who calls whom, in which order and how often is read from the public source; times, sizes and limits are assumed. Both are
    told in ``causaldisc/sources/_system/named/online_boutique.yaml``. The seed draws traffic, faults and the order of columns.

    >>> system = OnlineBoutique(duration_s=300, trials=0, rate=5).system(seed=0)
    >>> len(system.topology.services), system.call_graph.number_of_edges() > 0
    (11, True)
    """

    name: ClassVar[str] = "online_boutique"
    summary: ClassVar[str] = "Online Boutique, Google's demo shop of 11 services, under simulated traffic"

    def topology(self, rng: np.random.Generator) -> Topology:
        """Read the system; nothing of it is drawn."""
        return named("online_boutique")
