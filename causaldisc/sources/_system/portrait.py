"""Portrait: what a picture of a system needs: who calls whom how often, how busy each service is, where it runs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from causaldisc.core.telemetry import Telemetry
from causaldisc.sources._system.topology import Topology
from causaldisc.sources._system.traffic import utilisation, visits

if TYPE_CHECKING:
    from causaldisc.core.dataset import Dataset
    from causaldisc.core.plugins import System


@dataclass(frozen=True)
class Portrait:
    """``load`` service → share of CPU; ``calls`` (caller, callee) → per second; ``hosts`` service → host."""

    load: dict[str, float]
    calls: dict[tuple[str, str], float]
    hosts: dict[str, str]


def portrait(topology: Topology, telemetry: Telemetry | None = None) -> Portrait:
    """Return a system's portrait: its load as measured where telemetry shows CPU, else as its mean traffic asks for.

    Calls are those of the mean traffic while nothing fails.

    >>> from causaldisc.sources._system.named_systems import named
    >>> seen = portrait(named("online_boutique"))
    >>> round(seen.calls["cartservice", "redis-cart"]), seen.hosts["frontend"]
    (107, 'node-1')
    """
    load = utilisation(topology)
    shown = () if telemetry is None else zip(telemetry.variables, telemetry.values.T, strict=True)
    for variable, values in shown:
        if variable.metric == "cpu" and variable.service in load:
            share = float(np.nanmean(values))
            load[variable.service] = share / 100.0 if variable.unit == "%" else share
    calls: dict[tuple[str, str], float] = defaultdict(float)
    seen = visits(topology)
    for service in topology.services:
        for operation in service.operations:
            for call in operation.calls:
                rate = topology.rate * seen[service.name, operation.name] * call.probability * (1.0 - call.hit)
                calls[service.name, call.service] += rate
    return Portrait(load, dict(calls), {s.name: s.host for s in topology.services if s.host is not None})


def pictures_of(system: System, dataset: Dataset) -> dict[str, bytes]:
    """Draw a system and its held-out incidents: ``topology.png`` and ``trial_NNN.png``; nothing where no call graph is known."""
    from causaldisc.incident_drawing import incident_picture
    from causaldisc.topology_drawing import topology_picture

    graph, topology = dataset.call_graph, getattr(system, "topology", None)
    found: dict[str, bytes] = {}
    if graph is None:
        return found
    known = portrait(topology, dataset.telemetry) if isinstance(topology, Topology) else Portrait({}, {}, {})
    found["topology.png"] = topology_picture(graph, load=known.load, calls=known.calls, hosts=known.hosts, title=dataset.name)
    for k, trial in enumerate(dataset.trials):
        found[f"trial_{k:03d}.png"] = incident_picture(trial.telemetry, trial.intervention, graph)
    return found
