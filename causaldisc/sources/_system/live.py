"""Live: what a run is doing while it runs, between one look at it and the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from causaldisc.sources._system.observe import quantile

if TYPE_CHECKING:
    from causaldisc.sources._system.run import Run


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One service since the last look; NaN where nothing was answered.

    ``rate`` calls per simulated second, ``cpu`` and ``errors`` shares, ``p95_ms`` of the latency, ``inside`` calls at work or in
    line.
    """

    name: str
    rate: float
    cpu: float
    p95_ms: float
    errors: float
    inside: int
    replicas: int


@dataclass(frozen=True, slots=True)
class Look:
    """A moment of a run: seconds since its first row (negative in the warm-up), calls since the last look, services by load."""

    seconds: float
    calls: int
    failed: int
    services: tuple[ServiceState, ...]


class Watcher:
    """Looks at runs, one after the other, and tells what happened since the look before."""

    def __init__(self) -> None:
        """Begin without a run."""
        self._run: Run | None = None
        self._before: dict[str, np.ndarray] = {}
        self._since = 0.0

    @staticmethod
    def calls(run: Run) -> int:
        """Calls that came in since the run began."""
        from causaldisc.kernels import requests_world as x

        return int(run.world["service"][:, x.ARRIVALS].sum())

    def look(self, seconds: float, run: Run) -> Look:
        """Look at a run ``seconds`` after its first row began; services come with the highest use of their cores first."""
        from causaldisc.kernels import requests_world as x

        now = {name: run.world[name].copy() for name in ("service", "servicef", "buckets")}
        if run is not self._run:
            self._run, self._before, self._since = run, {name: np.zeros_like(t) for name, t in now.items()}, -run.warm_s
        grown = {name: now[name] - self._before[name] for name in now}
        passed = max(seconds - self._since, 1e-9)
        self._before, self._since = now, seconds
        counts, sums = grown["service"], grown["servicef"]
        inside = run.world["replica"][:, [x.BUSY, x.QUEUED]].sum(axis=1)
        owner = run.world["replica"][:, x.SERVICE]
        with np.errstate(divide="ignore", invalid="ignore"):
            cpu = sums[:, x.CPU_USED] / sums[:, x.CPU_LIMIT]
            errors = counts[:, x.ERRORS] / counts[:, x.ANSWERS]
        p95_ms = 1000.0 * quantile(grown["buckets"], 0.95)
        states = [
            ServiceState(
                service.name,
                float(counts[s, x.ARRIVALS] / passed),
                float(cpu[s]),
                float(p95_ms[s]),
                float(errors[s]),
                int(inside[owner == s].sum()),
                int(now["service"][s, x.ANSWERING]),
            )
            for s, service in enumerate(run.topology.services)
        ]
        states.sort(key=lambda s: -s.cpu if s.cpu == s.cpu else np.inf)
        return Look(seconds, int(counts[:, x.ARRIVALS].sum()), int(counts[:, x.ERRORS].sum()), tuple(states))
