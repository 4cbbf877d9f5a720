"""Wiring: a topology and its options become the arrays that the event loop runs on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.sources._system.topology import Topology

# Upper bounds of the latency buckets in seconds: those that Prometheus clients use, and what lies between and around them.
BOUNDS_S = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.35),
    *(0.5, 0.75, 1.0, 1.5, 2.5, 3.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0),
)
_MOST_CALLS = 1 << 21  # under way at once; beyond it a system is overloaded, not busy
_ENDLESS = 1 << 40  # threads, queue places or connections that nobody counts


@dataclass(frozen=True)
class Physics:
    """What holds for a whole system; seconds and shares.

    ``contention``: how much a fully used host slows its pods; ``restart_s``, ``startup_s``: until a killed pod answers again,
    until a new one does; ``scale_every_s``, ``scale_target``, ``scale_down_s``: the autoscaler's look, the CPU share that it
    aims at, the calm before it takes a pod away; ``warm_s``: time constant of a cache that fills; ``resend_s``: TCP's least
    retransmission time-out; ``breaker_memory``, ``breaker_least``: weight of the newest answer in a breaker's share of
    failures, answers before it may open;
    ``control_s``: time between two looks of everything slow.
    """

    contention: float = 0.5
    restart_s: float = 10.0
    startup_s: float = 20.0
    scale_every_s: float = 15.0
    scale_target: float = 0.7
    scale_down_s: float = 300.0
    warm_s: float = 60.0
    resend_s: float = 0.2
    breaker_memory: float = 0.05
    breaker_least: int = 20
    control_s: float = 1.0


def wire(
    topology: Topology,
    rates: np.ndarray,
    seed_key: int,
    *,
    physics: Physics | None = None,
    background: np.ndarray | None = None,
    visits: Mapping[tuple[str, str], float] | None = None,
    usual_s: Mapping[tuple[str, str], float] | None = None,
    changes: Sequence[tuple[int, int, int, int, float]] = (),
    snapshot_every: int = 15,
    spans: int = 0,
    trace_share: float = 0.0,
    log: int = 0,
    long_s: float = math.inf,
) -> World:
    """Return the tables of a run at time 0.

    Parameters
    ----------
    rates : float[K], users' requests per second in each second of control.
    seed_key : 0 … 2**64 - 1, from which every draw of the run derives.
    background : float[H, K], what unseen neighbours take of each host, as a share of its cores; default none.
    visits, usual_s : (service, operation) → mean calls per users' request, and usual latency in seconds; for do() and surges.
    changes : (second, what, row, column, value), sorted by second: see ``KNOB``, ``PAIR_KNOB``, ``HOST_KNOB``.
    snapshot_every : seconds of control between two snapshots.
    long_s : waits from this many seconds on are counted as long.
    spans, log : how many spans and events to keep at most.
    trace_share : share of the users' requests that are traced.
    """
    from causaldisc.kernels import requests_world as x
    from causaldisc.kernels.buckets import bins_of
    from causaldisc.kernels.requests_run import keys

    physics = physics or Physics()
    services, hosts = topology.services, list(topology.hosts)
    ops = [(s.name, o.name) for s in services for o in s.operations]
    op_index = {o: k for k, o in enumerate(ops)}
    pair_index = {p: k for k, p in enumerate(topology.edges)}
    visits, usual_s = visits or {}, usual_s or {}

    op, opf, spec, specf = _operations(topology, op_index, pair_index)
    pair, pairf = _pairs(topology)
    service, servicef, replica, replicaf, lock = _services(topology, hosts, visits, usual_s)
    stream, entry_op, entry_upto = _streams(topology, op_index, visits)
    n, ticks = len(services), len(rates)
    knob = np.zeros((n, x.KNOBS))
    knob[:, x.WORK_GAIN] = 1.0
    knob[:, [x.SET_TRAFFIC, x.SET_LATENCY, x.SET_ERRORS, x.SET_CPU, x.SET_MEMORY, x.SET_QUEUE, x.SET_REPLICAS]] = np.nan
    knob[:, [x.SET_SLOW, x.SET_WARM]] = np.nan
    hostf = np.zeros((len(hosts), 4))
    hostf[:, x.HOST_CORES] = [topology.hosts[h] for h in hosts]
    hostf[:, x.SET_LOAD] = np.nan
    rows = list(changes)
    snapshots = (ticks - 1) // snapshot_every + 1
    room = 64 + len(op) + len(spec)  # an event goes up at most one path of callers, which can all be at their last calls
    slots = 4 * room
    return World(
        registers=np.zeros(x.REGISTERS, np.int64),
        clock=np.array([0.0, physics.control_s]),
        settings=_settings(physics, snapshot_every, trace_share, long_s),
        times=np.zeros(2 * slots + len(pair) + len(stream) + 16),
        codes=np.zeros(2 * slots + len(pair) + len(stream) + 16, np.int64),
        todo=np.zeros(room, np.int64),
        call=np.zeros((slots, x.CALL_INTS), np.int64),
        callf=np.zeros((slots, x.CALL_FLOATS)),
        key=np.zeros((slots, 3), np.uint64),
        replica=replica,
        replicaf=replicaf,
        service=service,
        servicef=servicef,
        knob=knob,
        deed=np.zeros((n, x.SERVICE_DEEDS)),
        op=op,
        opf=opf,
        spec=spec,
        specf=specf,
        pair=pair,
        pairf=pairf,
        pair_deed=np.zeros((len(pair), x.PAIR_DEEDS)),
        hostf=hostf,
        background=np.zeros(len(hosts) * ticks) if background is None else np.ascontiguousarray(background, float).ravel(),
        lock=lock,
        stream=stream,
        streamf=np.zeros((n + 1, 2)),
        stream_key=keys(np.uint64(seed_key), n + 1),
        entry_op=entry_op,
        entry_upto=entry_upto,
        rates=np.ascontiguousarray(rates, float),
        change=np.array([r[:4] for r in rows], np.int64).reshape(-1, 4),
        change_to=np.array([r[4] for r in rows], float),
        bounds=np.array([*BOUNDS_S, math.inf]),
        bins=bins_of(np.array(BOUNDS_S)),
        buckets=np.zeros((n, x.BUCKETS), np.int64),
        snapshot=np.zeros((snapshots * n, x.SNAPSHOT)),
        snapshot_buckets=np.zeros((snapshots * n, x.BUCKETS), np.int64),
        span=np.zeros((spans, 5), np.int64),
        span_key=np.zeros((spans, 3), np.uint64),
        span_time=np.zeros((spans, 2)),
        log=np.zeros(log, np.int64),
        log_key=np.zeros(log, np.uint64),
        log_time=np.zeros(log),
    )


class World:
    """The tables of one run, and the loop over them; ``world["service"]`` is a table."""

    def __init__(self, **tables: np.ndarray) -> None:
        """Take the tables, at time 0."""
        from causaldisc.kernels.requests_run import plan_first

        self.tables = tables
        self._link(0)
        plan_first(self.at)

    def __getitem__(self, name: str) -> np.ndarray:
        """A table by its name in ``causaldisc.kernels.requests_world``."""
        return self.tables[name]

    def run(self, until: float) -> None:
        """Go on up to a time in seconds, events at that time excluded.

        Raises
        ------
        InputError : more calls are under way at once than can be kept; a time after the last second that has a rate.
        """
        from causaldisc.kernels.requests_run import DONE, run

        end = len(self["rates"]) * self["clock"][1]
        if not until <= end:
            raise InputError(f"until must be at most {end:g} s, where the users' rates end, got {until:g}")
        while run(self.at, until) != DONE:
            self._enlarge()

    def _enlarge(self) -> None:
        """Make room for twice as many calls at once."""
        count = len(self["call"])
        if count > _MOST_CALLS:
            raise InputError(f"system must keep up with its load, got {count} calls under way at {self['clock'][0]:.0f} s")
        grown = {"call": 2 * count, "callf": 2 * count, "key": 2 * count}
        grown |= {"times": len(self["times"]) + 2 * count, "codes": len(self["times"]) + 2 * count}
        for name, size in grown.items():
            old = self.tables[name]
            self.tables[name] = np.zeros((size, *old.shape[1:]), old.dtype)
            self.tables[name][: len(old)] = old
        self._link(count)

    def _link(self, first: int) -> None:
        """Put the slots from ``first`` on in front of the list of empty ones, and note where the tables lie."""
        from causaldisc.kernels import requests_world as x

        call, registers = self["call"], self["registers"]
        call[first:, x.NEXT] = np.arange(first + 1, len(call) + 1)
        call[-1, x.NEXT] = registers[x.FREE] if first else x.NONE
        registers[x.FREE] = first
        self.at = x.addresses(self.tables)


def _settings(physics: Physics, snapshot_every: int, trace_share: float, long_s: float) -> np.ndarray:
    kept = {f.name: float(getattr(physics, f.name)) for f in fields(physics)}
    order = "contention restart_s startup_s scale_every_s scale_target scale_down_s warm_s resend_s breaker_memory breaker_least"
    found = [kept[name] for name in order.split()]
    found[3] = max(1.0, round(kept["scale_every_s"] / kept["control_s"]))
    return np.array([*found, float(snapshot_every), trace_share, long_s])


def _operations(topology: Topology, op_index: Mapping[Any, int], pair_index: Mapping[Any, int]) -> tuple[Any, ...]:
    op, opf, spec, specf = [], [], [], []
    for s, service in enumerate(topology.services):
        for o in service.operations:
            first = len(spec)
            for c in sorted(o.calls, key=lambda c: c.stage):
                edge = pair_index[service.name, c.service]
                spec.append((op_index[c.service, c.operation], c.stage, int(c.waits), int(c.required), edge))
                specf.append((c.probability, c.hit))
            op.append((s, first, len(spec)))
            opf.append((o.work_ms / 1000.0, o.first, o.writes if service.locks else 0.0))
    return (
        np.array(op, np.int64).reshape(-1, 3),
        np.array(opf, float).reshape(-1, 3),
        np.array(spec, np.int64).reshape(-1, 5),
        np.array(specf, float).reshape(-1, 2),
    )


def _pairs(topology: Topology) -> tuple[np.ndarray, np.ndarray]:
    from causaldisc.kernels import requests_world as x

    pair = np.full((len(topology.edges), x.PAIR_INTS), x.NONE, np.int64)
    pairf = np.zeros((len(topology.edges), x.PAIR_FLOATS))
    for e, (caller, callee) in enumerate(topology.edges):
        p = topology.policy_of(caller, callee)
        pair[e, [x.CALLER, x.CALLEE]] = topology.index[caller], topology.index[callee]
        pair[e, [x.RETRIES, x.POOL]] = p.retries, _ENDLESS if p.connections is None else p.connections
        pair[e, [x.IN_USE, x.ARMED, x.BREAKER, x.SEEN]] = 0
        pairf[e, x.TIMEOUT] = math.inf if p.timeout_ms is None else p.timeout_ms / 1000.0
        pairf[e, [x.BACKOFF, x.OPEN_FOR, x.NETWORK]] = p.backoff_ms / 1000.0, p.open_ms / 1000.0, p.network_ms / 1000.0
        pairf[e, x.TRIP] = math.inf if p.breaker is None else p.breaker
    pairf[:, [x.SET_POOL, x.SET_BREAKER]] = np.nan
    return pair, pairf


def _services(
    topology: Topology, hosts: Sequence[str], visits: Mapping[Any, float], usual: Mapping[Any, float]
) -> tuple[Any, ...]:
    from causaldisc.kernels import requests_world as x

    n = len(topology.services)
    service, servicef = np.zeros((n, x.SERVICE_INTS), np.int64), np.zeros((n, x.SERVICE_FLOATS))
    replicas: list[tuple[int, int, bool]] = []
    locks = 0
    for k, s in enumerate(topology.services):
        most = max(s.replicas, s.max_replicas or 0)
        base = hosts.index(s.host) if s.host is not None else x.NONE
        service[k, [x.FIRST_REPLICA, x.LAST_REPLICA]] = len(replicas), len(replicas) + most
        replicas += [(k, base, j < s.replicas) for j in range(most)]
        service[k, [x.CORES, x.LEAST, x.SIZE_WANTED, x.SIZE_READY, x.ANSWERING]] = s.cores, *[s.replicas] * 4
        service[k, x.THREADS] = _ENDLESS if s.threads is None else s.threads
        service[k, x.QUEUE_LIMIT] = _ENDLESS if s.queue is None else s.queue
        service[k, [x.FIRST_LOCK, x.LAST_LOCK]] = locks, locks + s.locks
        locks += s.locks
        weights = np.array([visits.get((s.name, o.name), 0.0) for o in s.operations])
        share = weights / weights.sum() if weights.sum() > 0 else np.full(len(weights), 1.0 / len(weights))
        work = np.array([o.work_ms / 1000.0 for o in s.operations])
        wait = np.array([usual.get((s.name, o.name), w) for o, w in zip(s.operations, work, strict=True)])
        servicef[k, [x.FLOOR, x.OWN_ERRORS, x.BASE_MEMORY, x.THREAD_MEMORY]] = s.floor, s.errors, s.memory, s.memory_per_thread
        servicef[k, [x.GC_EVERY, x.GC_PAUSE, x.MEMORY, x.WARM]] = s.gc_s, s.gc_pause_ms / 1000.0, s.memory, 1.0
        servicef[k, [x.NOMINAL, x.USUAL]] = float(share @ work), float(share @ wait)
        servicef[k, x.LATENCY_LAST] = servicef[k, x.USUAL]
    replica = np.zeros((len(replicas), x.REPLICA_INTS), np.int64)
    replicaf = np.zeros((len(replicas), x.REPLICA_FLOATS))
    replica[:, [x.QUEUE_HEAD, x.QUEUE_TAIL, x.RUN_HEAD, x.RUN_TAIL]] = x.NONE
    for r, (k, host, up) in enumerate(replicas):
        replica[r, [x.SERVICE, x.HOST, x.UP]] = k, host, int(up)
    replicaf[:, x.SLOW] = 1.0
    lock = np.full((locks, 3), x.NONE, np.int64)
    return service, servicef, replica, replicaf, lock


def _streams(topology: Topology, op_index: Mapping[Any, int], visits: Mapping[Any, float]) -> tuple[Any, Any, Any]:
    """Users first, then the extra arrivals of each service; each with the operations that it asks for, and their shares."""
    from causaldisc.kernels import requests_world as x

    stream, ops, upto = np.zeros((len(topology.services) + 1, 4), np.int64), [], []
    wanted = [topology.entries]
    wanted += [{(s.name, o.name): visits.get((s.name, o.name), 0.0) for o in s.operations} for s in topology.services]
    for j, shares in enumerate(wanted):
        weights = np.array(list(shares.values()), float)
        weights = weights if weights.sum() > 0 else np.ones(len(weights))
        stream[j, [x.STREAM_FIRST, x.STREAM_LAST, x.STREAM_IDLE]] = len(ops), len(ops) + len(weights), 1
        ops += [op_index[o] for o in shares]
        upto += np.cumsum(weights / weights.sum()).tolist()
    return stream, np.array(ops, np.int64), np.array(upto, float)
