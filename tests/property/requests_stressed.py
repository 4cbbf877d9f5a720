"""Little systems under stress, so that every mechanism of the request-level simulator has something to do within two seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from causaldisc.kernels.requests_world import KNOB, LEAK
from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology
from causaldisc.sources._system.wiring import Physics

STEP_S, TICKS = 0.25, 6


def _one(rng: np.random.Generator, *values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _policy(rng: np.random.Generator) -> Policy:
    return Policy(
        timeout_ms=_one(rng, None, 30.0, 60.0),
        retries=_one(rng, 0, 1, 2),
        backoff_ms=10.0,
        connections=_one(rng, None, 2, 4),
        breaker=_one(rng, None, 0.3),
        open_ms=100.0,
        network_ms=_one(rng, 0.5, 2.0),
    )


def _operation(rng: np.random.Generator, name: str, callees: dict[str, str]) -> Operation:
    calls = tuple(
        Call(
            str(callee),
            _one(rng, *callees[str(callee)]),
            stage=int(rng.integers(0, 2)),
            probability=_one(rng, 1.0, 0.8),
            hit=_one(rng, 0.0, 0.0, 0.5),
            waits=bool(rng.random() < 0.85),
            required=bool(rng.random() < 0.7),
        )
        for callee in rng.permutation(list(callees))[: int(rng.integers(1, 3))]
    )
    return Operation(name, _one(rng, 3.0, 6.0, 10.0), calls, _one(rng, 0.6, 1.0), _one(rng, 0.0, 0.6))


def _service(rng: np.random.Generator, name: str, operations: str, callees: dict[str, str], hosts: list[str]) -> Service:
    return Service(
        name,
        tuple(_operation(rng, operation, callees) for operation in operations),
        cores=_one(rng, 1, 1, 2),
        threads=_one(rng, None, 2, 4),
        queue=_one(rng, None, 1, 4),
        replicas=_one(rng, 1, 2),
        max_replicas=_one(rng, None, 3),
        floor=0.3,
        errors=_one(rng, 0.1, 0.3),
        memory=_one(rng, 0.3, 0.7),
        memory_per_thread=_one(rng, 0.0, 0.05),
        locks=_one(rng, 0, 1, 2),
        gc_s=_one(rng, 0.0, 0.3),
        gc_pause_ms=40.0,
        host=_one(rng, None, *hosts),
    )


def _services(rng: np.random.Generator, names: list[str], hosts: list[str]) -> tuple[Service, ...]:
    operations = {name: _one(rng, "o", "o", "op") for name in names}
    callees = [{n: operations[n] for n in names[k + 1 :]} for k in range(len(names))]
    return tuple(_service(rng, name, operations[name], called, hosts) for name, called in zip(names, callees, strict=True))


def _reached(services: tuple[Service, ...]) -> tuple[Service, ...]:
    """Services without the operations that nobody asks for."""
    asked, kept = {("a", o.name) for o in services[0].operations}, []
    for service in services:  # callers come first
        operations = tuple(o for o in service.operations if (service.name, o.name) in asked)
        asked |= {(c.service, c.operation) for o in operations for c in o.calls}
        kept += [replace(service, operations=operations)] if operations else []
    return tuple(kept)


def stressed_system(seed: int) -> dict[str, Any]:
    """Return what ``Twin`` takes, for one seed."""
    rng = np.random.default_rng(seed)
    hosts = ["h", "i"][: _one(rng, 1, 2)]
    services: tuple[Service, ...] = ()
    while len(services) < 3:
        services = _reached(_services(rng, ["a", "b", "c", "d"][: _one(rng, 3, 4)], hosts))
    entries = {("a", o.name): 1.0 for o in services[0].operations}
    topology = Topology("stressed", services, entries, 80.0, {h: _one(rng, 2, 4) for h in hosts})
    return {
        "topology": replace(topology, policies={edge: _policy(rng) for edge in topology.edges}),
        "rates": rng.uniform(25.0, 80.0, TICKS),
        "seed_key": int(rng.integers(0, 2**63)),
        "physics": Physics(
            contention=2.0,
            restart_s=0.3,
            startup_s=0.2,
            scale_every_s=0.5,
            scale_target=0.5,
            scale_down_s=0.5,
            warm_s=1.0,
            breaker_memory=0.3,
            breaker_least=3,
            control_s=STEP_S,
        ),
        "changes": [(1, KNOB, k, LEAK, 0.4) for k in range(len(services)) if rng.random() < 0.4],
        "background": rng.uniform(0.0, 0.4, (len(hosts), TICKS)),
    }
