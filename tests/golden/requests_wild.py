"""Wild little systems with every mechanism, fault and knob of the request-level simulator somewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from causaldisc.kernels import requests_world as x
from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology
from causaldisc.sources._system.wiring import Physics

NAN = float("nan")

KNOB_RANGES: dict[int, tuple[float, float, float]] = {  # low, high, and what sets it free again
    x.WORK_GAIN: (0.5, 3.0, 1.0),
    x.THROTTLE: (0.0, 0.8, 0.0),
    x.DELAY: (0.0, 0.05, 0.0),
    x.LOSS: (0.0, 0.4, 0.0),
    x.FAULT_ERRORS: (0.0, 0.5, 0.0),
    x.DOWN: (0.0, 1.0, 0.0),
    x.LEAK: (0.0, 0.3, 0.0),
    x.EXTRA: (0.0, 1.0, 0.0),
    x.SET_TRAFFIC: (0.0, 40.0, NAN),
    x.SET_LATENCY: (0.0, 0.2, NAN),
    x.SET_ERRORS: (0.0, 1.0, NAN),
    x.SET_CPU: (0.0, 1.2, NAN),
    x.SET_MEMORY: (0.0, 1.2, NAN),
    x.SET_QUEUE: (0.0, 20.0, NAN),
    x.SET_REPLICAS: (0.0, 4.0, NAN),
    x.SET_SLOW: (0.5, 3.0, NAN),
    x.SET_WARM: (0.0, 1.0, NAN),
}
PAIR_RANGES: dict[int, tuple[float, float, float]] = {
    x.OUTAGE: (0.0, 1.0, 0.0),
    x.PAIR_DELAY: (0.0, 0.05, 0.0),
    x.PAIR_LOSS: (0.0, 0.6, 0.0),
    x.SET_POOL: (0.0, 8.0, NAN),
    x.SET_BREAKER: (0.0, 1.0, NAN),
    x.TIMEOUT: (0.005, 0.1, float("inf")),
    x.BACKOFF: (0.0, 0.05, 0.01),
    x.OPEN_FOR: (0.1, 2.0, 0.5),
    x.NETWORK: (0.0, 0.02, 0.001),
}
HOST_RANGES: dict[int, tuple[float, float, float]] = {x.HOST_EXTRA: (0.0, 1.0, 0.0), x.SET_LOAD: (0.0, 2.0, NAN)}


def _one(rng: np.random.Generator, *values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _policy(rng: np.random.Generator) -> Policy:
    return Policy(
        timeout_ms=_one(rng, None, 15.0, 40.0, 200.0),
        retries=int(rng.integers(0, 3)),
        backoff_ms=_one(rng, 0.0, 5.0, 20.0),
        connections=_one(rng, None, 1, 2, 4),
        breaker=_one(rng, None, 0.2, 0.5),
        open_ms=_one(rng, 100.0, 700.0),
        network_ms=_one(rng, 0.0, 0.5, 3.0),
    )


def _calls(rng: np.random.Generator, k: int, names: list[str], ops: list[int]) -> tuple[Call, ...]:
    found = []
    for _ in range(int(rng.integers(0, 4))):
        waits = bool(rng.random() < 0.8)
        callee = int(rng.integers(k + 1, len(names))) if k + 1 < len(names) else -1
        if not waits and rng.random() < 0.2:
            callee = int(rng.integers(0, len(names)))  # a message may go back
        if callee < 0:
            continue
        found.append(
            Call(
                names[callee],
                f"o{int(rng.integers(0, ops[callee]))}",
                stage=int(rng.integers(0, 3)),
                probability=_one(rng, 1.0, 0.6) if waits and callee > k else 0.3,
                hit=_one(rng, 0.0, 0.7),
                waits=waits,
                required=bool(rng.random() < 0.7),
            )
        )
    return tuple(found)


def _service(rng: np.random.Generator, k: int, names: list[str], ops: list[int], hosts: list[str]) -> Service:
    operations = tuple(
        Operation(f"o{j}", _one(rng, 0.0, 1.0, 4.0, 10.0), _calls(rng, k, names, ops), _one(rng, 0.3, 0.7, 1.0), 0.5)
        for j in range(ops[k])
    )
    replicas = int(rng.integers(1, 3))
    return Service(
        names[k],
        operations,
        cores=int(rng.integers(1, 3)),
        threads=_one(rng, None, 1, 2, 5),
        queue=_one(rng, None, 0, 2, 6),
        replicas=replicas,
        max_replicas=_one(rng, None, 2, 4),
        floor=_one(rng, 0.0, 0.3, 1.0),
        errors=_one(rng, 0.0, 0.05),
        memory=_one(rng, 0.3, 0.9),
        memory_per_thread=_one(rng, 0.0, 0.03),
        locks=int(rng.integers(0, 3)),
        gc_s=_one(rng, 0.0, 0.5),
        gc_pause_ms=30.0,
        host=_one(rng, *hosts) if hosts and rng.random() < 0.8 else None,
    )


def _changes(rng: np.random.Generator, topology: Topology, ticks: int) -> list[tuple[int, int, int, int, float]]:
    found = []
    kinds = [(x.KNOB, KNOB_RANGES, len(topology.services), 8)]
    kinds += [(x.PAIR_KNOB, PAIR_RANGES, len(topology.edges), 5), (x.HOST_KNOB, HOST_RANGES, len(topology.hosts), 1)]
    for what, ranges, rows, most in kinds:
        for _ in range(int(rng.integers(0, most + 1)) if rows else 0):
            column = _one(rng, *ranges)
            low, high, free = ranges[column]
            row, second = int(rng.integers(rows)), int(rng.integers(0, ticks))
            found.append((second, what, row, column, float(rng.uniform(low, high))))
            if rng.random() < 0.7:
                found.append((second + int(rng.integers(1, 4)), what, row, column, free))
    return sorted(found, key=lambda change: change[0])


def wild_system(seed: int) -> dict[str, Any]:
    """Return what ``wire`` and ``Twin`` take, for one seed."""
    rng = np.random.default_rng(seed)
    names = [f"s{k}" for k in range(int(rng.integers(1, 6)))]
    ops = [int(rng.integers(1, 3)) for _ in names]
    hosts = [f"h{k}" for k in range(int(rng.integers(0, 3)))]
    services = tuple(_service(rng, k, names, ops, hosts) for k in range(len(names)))
    entries = {("s0", f"o{j}"): float(rng.uniform(0.1, 1.0)) for j in range(ops[0])}
    topology = Topology("wild", services, entries, 20.0, {h: int(rng.integers(1, 5)) for h in hosts})
    policies = {edge: _policy(rng) for edge in topology.edges}
    topology = Topology("wild", services, entries, 20.0, topology.hosts, policies)
    step, ticks = _one(rng, 1.0, 0.5, 0.1, 0.3), int(rng.integers(8, 16))
    rates = rng.uniform(0.0, 60.0 / step, ticks) * (rng.random(ticks) < 0.9)
    return {
        "topology": topology,
        "rates": np.minimum(rates, 150.0),
        "seed_key": int(rng.integers(0, 2**63)) * 2 + 1,
        "physics": Physics(
            restart_s=_one(rng, 0.2, 1.5),
            startup_s=0.7,
            scale_every_s=1.0,
            scale_target=_one(rng, 0.1, 0.7),
            scale_down_s=1.0,
            warm_s=3.0,
            breaker_least=4,
            breaker_memory=0.3,
            control_s=step,
        ),
        "background": rng.uniform(0.0, 0.5, (len(hosts), ticks)),
        "visits": {(s.name, o.name): float(rng.uniform(0.0, 1.0)) for s in services for o in s.operations},
        "usual_s": {(s.name, o.name): float(rng.uniform(0.001, 0.05)) for s in services for o in s.operations},
        "changes": _changes(rng, topology, ticks),
        "snapshot_every": int(rng.integers(1, 4)),
        "trace_share": 0.3,
    }
