"""Parts of the twin: what a topology becomes as objects.

Times are seconds. ``None`` stands for what is not set, not bounded or not there.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from causaldisc.sources._system import topology as design
from causaldisc.sources._system.twin_tapes import Track, Tracks

BUCKETS = 31


@dataclass(slots=True, eq=False)
class Knobs:
    """What faults and do() set for a service, in the order in which changes number them; ``set_*`` is None while it is free."""

    work_gain: float = 1.0
    throttle: float = 0.0
    delay: float = 0.0
    loss: float = 0.0
    fault_errors: float = 0.0
    down: float = 0.0
    leak: float = 0.0
    extra: float = 0.0
    set_traffic: float | None = None
    set_latency: float | None = None
    set_errors: float | None = None
    set_cpu: float | None = None
    set_memory: float | None = None
    set_queue: float | None = None
    set_replicas: float | None = None
    set_slow: float | None = None
    set_warm: float | None = None


@dataclass(slots=True, eq=False)
class Host:
    """A machine; ``load`` is the share of its cores that was used in the second before."""

    cores: float
    load: float
    extra: float
    set_load: float | None
    track: Track
    neighbours: Track

    KNOBS = ("cores", "load", "extra", "set_load")


@dataclass(slots=True, eq=False)
class Replica:
    """One replica: ``queue`` waits for its threads, ``line`` for its cores; areas are under the counts since the start."""

    service: Service
    number: int
    place: int
    up: bool
    queue: deque[Call] = field(default_factory=deque)
    line: deque[Call] = field(default_factory=deque)
    inside: dict[Call, None] = field(default_factory=dict)
    busy: int = 0
    running: int = 0
    pauses: int = 0
    slow: float = 1.0
    pause_from: float = 0.0
    pause_to: float = 0.0
    settled: float = 0.0
    cores_settled: float = 0.0
    queue_area: float = 0.0
    thread_area: float = 0.0
    core_area: float = 0.0
    threads_before: float = 0.0

    def settle(self, t: float) -> None:
        """Bring the areas of calls inside and in line up to now, before one of the two changes."""
        since, self.settled = t - self.settled, t
        self.queue_area += since * len(self.queue)
        self.thread_area += since * self.busy

    def settle_cores(self, t: float) -> None:
        """Bring the area of busy cores up to now, before their number changes."""
        since, self.cores_settled = t - self.cores_settled, t
        self.core_area += since * self.running


@dataclass(slots=True, eq=False)
class Lock:
    """A lock of a service, and the writing calls that wait for it."""

    holder: Call | None = None
    line: deque[Call] = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class Operation:
    """What a service does for one kind of request; ``calls`` in the order in which they are made."""

    number: int
    service: Service
    work: float
    first: float
    writes: float
    calls: list[Outgoing] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Outgoing:
    """A call that an operation makes; ``place`` in its list, ``number`` in the whole system."""

    number: int
    place: int
    made: design.Call
    operation: Operation
    pair: Pair


@dataclass(slots=True, eq=False)
class Pair:
    """One service's way of calling another; ``watched`` calls by key, the earliest deadline first."""

    number: int
    caller: Service
    callee: Service
    retries: int
    connections: float
    timeout: float
    backoff: float
    trip: float
    open_for: float
    network: float
    pool: Track | None
    breaker: Track | None
    failures: float = 0.0
    open_until: float = 0.0
    outage: float = 0.0
    pair_delay: float = 0.0
    pair_loss: float = 0.0
    set_pool: float | None = None
    set_breaker: float | None = None
    in_use: int = 0
    line: deque[Call] = field(default_factory=deque)
    watched: dict[int, Call] = field(default_factory=dict)
    armed: bool = False
    circuit: str = "closed"
    seen: int = 0

    KNOBS = (
        *("timeout", "backoff", "trip", "open_for", "network", "failures", "open_until", "outage"),
        *("pair_delay", "pair_loss", "set_pool", "set_breaker"),
    )


@dataclass(slots=True, eq=False)
class Service:
    """A service of a running system."""

    design: design.Service
    threads: float
    queue_limit: float
    host: Host | None
    nominal: float
    usual: float
    traffic_track: Track
    threads_track: Track
    cores_track: Track
    cpu_track: Track
    slow_track: Track
    latency_track: Track
    errors_track: Track
    memory_track: Track
    replicas_track: Track
    restarts_track: Track
    locks_track: Track | None
    warm_track: Track | None
    knobs: Knobs = field(default_factory=Knobs)
    replicas: list[Replica] = field(default_factory=list)
    locks: list[Lock] = field(default_factory=list)
    answering: int = 0
    size_wanted: int = 0
    size_ready: int = 0
    arrivals: int = 0
    answers: int = 0
    errors: int = 0
    restarts: int = 0
    spared: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    erred_last: bool = False
    latency_last: float = 0.0
    latency_sum: float = 0.0
    cpu_used: float = 0.0
    cpu_before: float = 0.0
    cpu_scaled: float = 0.0
    cpu_limit: float = 0.0
    memory: float = 0.0
    leaked: float = 0.0
    warm: float = 1.0
    back_at: float = 0.0
    scale_at: float = 0.0
    idle_since: float = 0.0


@dataclass(slots=True, eq=False)
class Stream:
    """Arrivals from outside: the users', or the extra ones of a service; ``upto`` adds up its operations' shares."""

    key: int
    number: int
    service: Service | None
    operations: list[Operation]
    upto: list[float]
    count: int = 0
    idle: bool = True
    need: float = 0.0


@dataclass(slots=True, eq=False)
class Call:
    """One call of an operation: where it is, what it owes to whom, and what it met on its way.

    ``met``: the states that had a say in how far it is, since it reached its service. ``met_soon``: those of the calls that it
    waits for. ``met_failing``: those that had a say in whether it fails. ``path``: the states of the caller's side that brought
    it here; ``why``: those that had a say in whether its caller sees it fail.
    """

    key: int
    operation: Operation
    parent: Call | None = None
    outgoing: Outgoing | None = None
    attempt: int = 0
    attached: bool = False
    traced: bool = False
    synthetic: bool = False
    replayed: bool = False
    no_thread: bool = False
    no_core: bool = False
    no_connection: bool = False
    no_watch: bool = False
    replica: Replica | None = None
    state: str = "new"
    position: int = 0
    pending: int = 0
    failed: bool = False
    lock: Lock | None = None
    sent: float = 0.0
    since: float = 0.0
    rest: float = 0.0
    work: float = 0.0
    stretch: int = 0
    deadline: float = 0.0
    parent_key: int = 0
    request_key: int = 0
    met: int = 0
    met_soon: int = 0
    met_failing: int = 0
    path: int = 0
    why: int = 0

    def leave(self) -> None:
        """It is no longer inside its replica."""
        if self.replica is not None:
            self.replica.inside.pop(self, None)
            self.replica = None


def build(
    topology: design.Topology, tracks: Tracks, visits: Mapping[tuple[str, str], float], usual_s: Mapping[tuple[str, str], float]
) -> tuple[dict[str, Service], list[Pair], dict[str, Host], dict[tuple[str, str], Operation]]:
    """Return the services, pairs, hosts and operations of a topology, in its order."""
    hosts = {
        h: Host(float(cores), 0.0, 0.0, None, tracks.of("load", h), tracks.of("neighbours", h))
        for h, cores in topology.hosts.items()
    }
    services = {s.name: _service(s, hosts, tracks, visits, usual_s) for s in topology.services}
    replicas = 0
    for service in services.values():
        for replica in service.replicas:
            replica.number += replicas
        replicas += len(service.replicas)
    operations: dict[tuple[str, str], Operation] = {}
    for s in topology.services:
        for o in s.operations:
            writes = o.writes if s.locks else 0.0
            operations[s.name, o.name] = Operation(len(operations), services[s.name], o.work_ms / 1000.0, o.first, writes)
    pairs = {edge: _pair(topology, k, edge, services, tracks) for k, edge in enumerate(topology.edges)}
    number = 0
    for s in topology.services:
        for o in s.operations:
            calls = operations[s.name, o.name].calls
            for c in sorted(o.calls, key=lambda c: c.stage):
                calls.append(Outgoing(number, len(calls), c, operations[c.service, c.operation], pairs[s.name, c.service]))
                number += 1
    return services, list(pairs.values()), hosts, operations


def _bounded(value: float | None, scale: float = 1.0) -> float:
    return math.inf if value is None else value / scale


def _pair(topology: design.Topology, number: int, edge: tuple[str, str], services: Mapping[str, Service], tracks: Tracks) -> Pair:
    policy, name = topology.policy_of(*edge), "->".join(edge)
    return Pair(
        number=number,
        caller=services[edge[0]],
        callee=services[edge[1]],
        retries=policy.retries,
        connections=_bounded(policy.connections),
        timeout=_bounded(policy.timeout_ms, 1000.0),
        backoff=policy.backoff_ms / 1000.0,
        trip=_bounded(policy.breaker),
        open_for=policy.open_ms / 1000.0,
        network=policy.network_ms / 1000.0,
        pool=None if policy.connections is None else tracks.of("pool", name),
        breaker=None if policy.breaker is None else tracks.of("breaker", name),
    )


def _service(
    s: design.Service,
    hosts: Mapping[str, Host],
    tracks: Tracks,
    visits: Mapping[tuple[str, str], float],
    usual_s: Mapping[tuple[str, str], float],
) -> Service:
    weights = np.array([visits.get((s.name, o.name), 0.0) for o in s.operations])
    share = weights / weights.sum() if weights.sum() > 0 else np.full(len(weights), 1.0 / len(weights))
    work = [o.work_ms / 1000.0 for o in s.operations]
    usual = float(share @ np.array([usual_s.get((s.name, o.name), w) for o, w in zip(s.operations, work, strict=True)]))
    roles = ("traffic", "threads", "cores", "cpu", "slow", "latency", "errors", "memory", "replicas", "restarts")
    cached = any(c.hit > 0 for o in s.operations for c in o.calls)
    locked = s.locks > 0 and any(o.writes > 0 for o in s.operations)
    found = Service(
        s,
        _bounded(s.threads),
        _bounded(s.queue),
        None if s.host is None else hosts[s.host],
        float(share @ np.array(work)),
        usual,
        *(tracks.of(role, s.name) for role in roles),
        locks_track=tracks.of("locks", s.name) if locked else None,
        warm_track=tracks.of("warm", s.name) if cached else None,
    )
    found.answering = found.size_wanted = found.size_ready = s.replicas
    found.latency_last, found.memory = usual, s.memory
    found.replicas = [Replica(found, j, j, j < s.replicas) for j in range(max(s.replicas, s.max_replicas or 0))]
    found.locks = [Lock() for _ in range(s.locks)]
    return found
