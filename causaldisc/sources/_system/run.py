"""One run of a system: the world as it ended, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass

from causaldisc.core.intervention import Intervention
from causaldisc.sources._system.observe import Counters
from causaldisc.sources._system.regime import Regime
from causaldisc.sources._system.topology import Topology
from causaldisc.sources._system.wiring import World


@dataclass(frozen=True, eq=False)
class Run:
    """One run: the world as it ended, and when its first row began; times are in seconds since then."""

    topology: Topology
    world: World
    warm_s: float
    control_s: float
    every: int
    rows: int
    step_s: float
    interventions: tuple[Intervention, ...] = ()
    deployments: tuple[Intervention, ...] = ()

    @property
    def counters(self) -> Counters:
        """Snapshots from the first row's beginning to the last one's end."""
        services = len(self.topology.services)
        table = self.world["snapshot"].reshape(-1, services, self.world["snapshot"].shape[1])
        buckets = self.world["snapshot_buckets"].reshape(-1, services, self.world["snapshot_buckets"].shape[1])
        first = round(self.warm_s / (self.every * self.control_s))
        return Counters(table[first:], buckets[first:], self.every * self.control_s)

    def regime(self, epsilon: float) -> Regime:
        """What its mechanisms did, warm-up included."""
        from causaldisc.kernels import requests_world as x

        table, world = self.counters.table, self.world
        return Regime(
            self.topology,
            world["service"],
            world["servicef"],
            world["deed"],
            world["pair_deed"],
            table[:, :, x.S_REPLICAS],
            table[:, :, x.S_MEMORY],
            self.step_s,
            epsilon,
        )
