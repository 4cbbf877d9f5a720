"""mesh: a random microservice system under live traffic, with its metrics, its call graph and its faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.intervention import Intervention
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Source
from causaldisc.core.prior import ExpertPrior
from causaldisc.sources._equations import Effect, solve, truth_of
from causaldisc.sources._mesh_equations import mesh_equations
from causaldisc.sources._mesh_faults import FAULTS, check_magnitude, touches_of
from causaldisc.sources._mesh_topology import ENTRY, Topology, draw_topology
from causaldisc.sources._simulated import SimulatedSystem
from causaldisc.sources._streams import stream

_WARM_UP = 60  # rows run before the first one recorded, so that the start leaves no trace
_STRENGTH = {"cpu_throttle": 0.5, "latency": 0.2, "error": 0.3, "traffic_surge": 0.8, "kill": 1.0}


@dataclass(frozen=True)
class Mesh(Source):
    """A random mesh of services: traffic flows from caller to callee, latency and errors flow back.

    Each service has ``requests`` (per second), ``cpu`` (share), ``latency`` (ms), ``errors`` (share of requests) and, if asked
    for, ``memory`` (share of the limit). Traffic enters at ``frontend`` with a daily cycle and bursts; CPU follows traffic,
    latency follows a queueing law in the CPU's (for some services also a connection pool's) use plus the latency of the
    callees waited for, errors follow timeouts and the callees' errors. Services differ in which of these effects they have
    and which last longer than a scrape. Scraping adds noise to what is seen, never to what happens.

    Faults: ``cpu_throttle`` (share of CPU taken away), ``latency`` (seconds added), ``packet_loss`` (share), ``error`` (share of
    requests), ``kill``, ``traffic_surge`` (share added), ``memory_leak`` (share of the limit, needs ``memory``), and ``set`` of
    any variable.

    >>> data = Mesh(n_services=4, duration_s=600, trials=1).system(seed=0).dataset()
    >>> data.telemetry.shape, data.truth.kind, sorted(data.truth.services())
    ((40, 16), 'lagged', ['cpu', 'errors', 'latency', 'merged', 'traffic'])
    """

    name: ClassVar[str] = "mesh"
    summary: ClassVar[str] = "random microservice system: traffic, CPU, latency and errors over a random call graph"

    n_services: int = parameter(8, "services, the entry included", low=2, high=1000)
    duration_s: float = parameter(7200.0, "length of a run, in seconds", low=1)
    step_s: float = parameter(15.0, "seconds between scrapes", low=0.001)
    day_s: float = parameter(3600.0, "length of the daily cycle, in seconds (a real one has 86400)", low=1)
    load: float = parameter(1.0, "traffic in multiples of what the services are sized for", low=0.01, high=100)
    asynchronous: float = parameter(0.12, "share of calls that leave a message and do not wait", low=0, high=1)
    memory: bool = parameter(False, "whether services have a memory metric")
    scrape_noise: float = parameter(0.01, "relative standard deviation of the measurement noise", low=0, high=1)
    missing: float = parameter(0.0, "share of cells lost at random", low=0, high=0.95)
    trials: int = parameter(4, "held-out faults", low=0, high=1000)

    def system(self, seed: int) -> MeshSystem:
        """Return the system that a seed draws."""
        return MeshSystem(self, seed)


class MeshSystem(SimulatedSystem):
    """One mesh: its topology, its equations, and its runs."""

    def __init__(self, source: Mesh, seed: int) -> None:
        """Draw topology, parameters and column order; no noise of a run."""
        super().__init__(source, seed)
        self.options = source
        self.step_s, self.missing = source.step_s, source.missing
        self.n_rows = round(source.duration_s / source.step_s)
        if self.n_rows < 20:
            raise InputError(
                f"mesh.duration_s must hold at least 20 steps of step_s={source.step_s:g} s, got {source.duration_s:g} s"
            )
        rng = stream(self.seed, "mesh", "system")
        self.topology = draw_topology(source.n_services, source.asynchronous, rng)
        self.equations = mesh_equations(self.topology, self._daily_cycle(float(rng.uniform())), source.memory)
        self.order = rng.permutation(len(self.equations))
        self.truth = truth_of(self.equations, self.order.tolist(), step_seconds=source.step_s, provenance={"source": "mesh"})
        self.bounds = {e.variable.name: (e.low, e.high) for e in self.equations}
        self.kinds = tuple(k for k in (*FAULTS, "set") if source.memory or k != "memory_leak")
        self.call_graph = _call_graph(self.topology)
        self.prior = _prior(self.topology)

    def resolve(self, intervention: Intervention) -> Intervention:
        """Check as every simulator does, and the fault's magnitude; a fault is labelled with the variable that it breaks."""
        found = super().resolve(intervention)
        if found.kind == "set":
            return found
        check_magnitude(found)
        return replace(found, variable=f"{found.target}:{FAULTS[found.kind].metric}")

    def states(self, interventions: Sequence[Intervention], rng: np.random.Generator) -> np.ndarray:
        """Run the equations: float[T, N], requests per second, shares and milliseconds, in column order."""
        noise = rng.standard_normal((_WARM_UP + self.n_rows, len(self.equations)))
        noise[:, 0] = rng.laplace(size=len(noise))  # users come in bursts
        return solve(self.equations, noise, self._effects(interventions))[_WARM_UP:, self.order]

    def observe(self, states: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Scrape: relative noise, within the bounds of each metric."""
        seen = states * np.exp(self.options.scrape_noise * rng.standard_normal(states.shape))
        return np.minimum(seen, [self.bounds[name][1] for name in self.truth.names])

    def notes(self, states: np.ndarray) -> dict[str, Any]:
        """Return what every simulator tells, and how busy the services are."""
        cpu = states[:, [v.role == "cpu" for v in self.truth.variables]]
        busy = {"mean_cpu": float(np.nanmean(cpu)), "peak_cpu": float(np.nanmax(cpu))}
        return {**super().notes(states), **busy, "calls": len(self.topology.calls)}

    def planned_trials(self, rng: np.random.Generator) -> list[Intervention]:
        """Plan faults of different kinds in the second half of a run, each on a random service."""
        kinds = [list(_STRENGTH)[k] for k in rng.permutation(len(_STRENGTH))]
        length = max(2 * self.step_s, min(900.0, 0.25 * self.duration_s))
        plans = []
        for k in range(self.options.trials):
            kind = kinds[k % len(kinds)]
            target = self.topology.services[int(rng.integers(len(self.topology.services)))].name
            start = float(np.floor(rng.uniform(0.45, 0.7) * self.n_rows) * self.step_s)
            plans.append(Intervention(target, kind, _STRENGTH[kind], start, min(start + length, self.duration_s)))
        return plans

    def _daily_cycle(self, phase: float) -> np.ndarray:
        """What the cycle makes of the entry's mean rate, float[warm-up + T]."""
        times = np.arange(-_WARM_UP, self.n_rows) * self.step_s
        return self.options.load * (1.0 + 0.3 * np.sin(2 * np.pi * (times / self.options.day_s + phase)))

    def _effects(self, interventions: Sequence[Intervention]) -> dict[str, Effect]:
        """Gather what the interventions do to each equation, the warm-up left alone."""
        effects: dict[str, Effect] = {}
        clamps = self.clamps(interventions)
        for intervention in interventions:
            inside = np.concatenate([np.zeros(_WARM_UP, dtype=bool), self.rows_of(intervention)])
            if intervention.kind == "set":
                name = str(intervention.variable)
                old = effects.get(name, Effect.none(len(inside)))
                held = np.concatenate([np.full(_WARM_UP, np.nan), clamps[:, self.truth.index[name]]])
                effects[name] = Effect(old.gain, old.offset, held)
                continue
            for metric, (gain, offset) in touches_of(intervention, inside).items():
                name = f"{intervention.target}:{metric}"
                old = effects.get(name, Effect.none(len(inside)))
                effects[name] = Effect(old.gain * gain, old.offset * gain + offset, old.held)
        return effects


def _call_graph(topology: Topology) -> Any:
    """``nx.DiGraph`` of services, caller → callee."""
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(sorted(s.name for s in topology.services))
    for call in topology.calls:
        graph.add_edge(call.caller, call.callee, waits=call.waits)
    return graph


def _prior(topology: Topology) -> ExpertPrior:
    """What whoever runs the system knows: who calls whom, and that users do not look at the servers before they come."""
    after = ("cpu", "memory", "latency", "errors")
    return ExpertPrior(
        forbidden=[
            {"source": f"*:{role}", "target": f"{ENTRY}:requests", "from": "traffic at the entry is exogenous"} for role in after
        ],
        calls=sorted((c.caller, c.callee) for c in topology.calls),
    )
