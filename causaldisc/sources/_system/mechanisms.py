"""Mechanisms: which state reads which, written down beside the event loop's code and proved against it.

A state is a trajectory: the calls that reach a service, the line before its threads, what its answers say. A read is an update of
one state that looks at another. Its kind says what difference it makes:

- ``what``: it changes how many, how long, or whether;
- ``when``: it only shifts the moment of something that happens anyway;
- ``which``: it only picks the requests, all alike, that something happens to.

``because`` names the mechanism, so that :mod:`~causaldisc.sources._system.regime` can tell whether it acted in a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology


@dataclass(frozen=True, slots=True, order=True)
class State:
    """A state: its role, and the service, pair ``caller->callee`` or host whose it is.

    Roles of a service: ``traffic`` (calls that reach it), ``threads`` (calls inside and in line), ``cores`` (work running and in
    line), ``cpu`` (CPU time used), ``slow`` (how much longer work takes, pauses included), ``locks``, ``latency``, ``errors``,
    ``memory``, ``replicas``, ``restarts``, ``warm`` (how full its cache is). Of a pair: ``pool`` (connections in use and waited
    for), ``breaker``. Of a host: ``load``, and ``neighbours``, who are not part of the system. ``users`` are nobody's.
    """

    role: str
    of: str

    def __str__(self) -> str:
        return f"{self.of}:{self.role}"


@dataclass(frozen=True, slots=True, order=True)
class Read:
    """The update of ``target`` looks at ``source``."""

    source: State
    target: State
    kind: str
    because: str = "always"


@dataclass(frozen=True, slots=True)
class _Pair:
    """One service's awaited calls of another."""

    caller: str
    callee: str
    calls: tuple[Call, ...]
    policy: Policy

    @property
    def name(self) -> str:
        return f"{self.caller}->{self.callee}"

    @property
    def required(self) -> bool:
        return any(c.required for c in self.calls)

    @property
    def timed(self) -> bool:
        return self.policy.timeout_ms is not None

    def answers(self, kind: str, *, through: bool) -> Iterator[tuple[State, str, str]]:
        """What an operation that awaits this call feels of it: (state, kind, because)."""
        yield State("latency", self.callee), kind, f"wait {self.name}"
        if self.policy.retries > 0 or through:
            yield State("errors", self.callee), kind, f"again {self.name}"
        yield from self.line(kind)

    def line(self, kind: str) -> Iterator[tuple[State, str, str]]:
        """What stands between the decision to call and the call: connections and the breaker."""
        if self.policy.connections is not None:
            yield State("pool", self.name), kind, f"line {self.name}"
        if self.policy.breaker is not None:
            yield State("breaker", self.name), kind, f"cut {self.name}"


def reads(topology: Topology) -> tuple[Read, ...]:
    """Return every read of a system, sorted; none twice (of several kinds, ``what`` counts before ``when`` before ``which``)."""
    found: dict[tuple[State, State, str], Read] = {}
    rank = {"what": 0, "when": 1, "which": 2}
    for read in _all(topology):
        key = (read.source, read.target, read.because)
        if read.source != read.target and (key not in found or rank[read.kind] < rank[found[key].kind]):
            found[key] = read
    return tuple(sorted(found.values()))


def _all(topology: Topology) -> Iterator[Read]:
    for service, _ in topology.entries:
        yield Read(State("users", ""), State("traffic", service), "what")
    for host in topology.hosts:
        yield Read(State("neighbours", host), State("load", host), "what")
    for service in topology.services:
        pairs = _pairs(topology, service)
        yield from _calls_out(topology, service, pairs)
        yield from _inside(topology, service, pairs)
        yield from _answers(service, pairs)
        yield from _slow_states(service)


def _pairs(topology: Topology, service: Service, operations: Iterable[Operation] | None = None) -> list[_Pair]:
    """The pairs over which a service, or some of its operations, make calls that they wait for."""
    calls: dict[str, list[Call]] = {}
    for operation in service.operations if operations is None else operations:
        for call in operation.calls:
            if call.waits:
                calls.setdefault(call.service, []).append(call)
    return [
        _Pair(service.name, callee, tuple(found), topology.policy_of(service.name, callee)) for callee, found in calls.items()
    ]


def _place(service: Service, operation: Operation | None = None) -> Iterator[tuple[State, str, str]]:
    """What a call, perhaps of one operation, meets inside its service before and while it works: (state, kind, because)."""
    name = service.name
    yield State("replicas", name), "what", f"unserved {name}"
    if service.threads is not None:
        yield State("threads", name), "what", f"threads {name}"
    yield State("cores", name), "what", f"cores {name}"
    yield State("slow", name), "what", f"slow {name}"
    if _locks(service) if operation is None else service.locks > 0 and operation.writes > 0:
        yield State("locks", name), "what", f"locks {name}"


def _locks(service: Service) -> bool:
    return service.locks > 0 and any(o.writes > 0 for o in service.operations)


def _cached(name: str, operations: Iterable[Operation]) -> list[tuple[State, str, str]]:
    """What operations that wait for calls which the cache may spare feel of it: (state, kind, because)."""
    spared = any(c.hit > 0 and c.waits for o in operations for c in o.calls)
    return [(State("warm", name), "what", f"cache {name}")] if spared else []


def _to(target: State, sources: Iterable[tuple[State, str, str]], kind: str | None = None) -> Iterator[Read]:
    for state, own, because in sources:
        yield Read(state, target, kind or own, because)


def _calls_out(topology: Topology, service: Service, pairs: list[_Pair]) -> Iterator[Read]:
    """The traffic that a service sends on, and its lines for connections and breakers."""
    name = service.name
    by_callee = {p.callee: p for p in pairs}
    for operation in service.operations:
        for call in operation.calls:
            pair = by_callee.get(call.service) if call.waits else None
            before = [c for c in operation.calls if c.waits and c.stage < call.stage]
            sources = list(_issued(service, operation, call, before, by_callee))
            targets = [State("traffic", call.service)]
            if pair is not None:
                targets += [state for state, _, _ in pair.line("what")]
            for target in targets:
                yield Read(State("traffic", name), target, "what")
                yield from _to(target, sources)
            if pair is not None:
                yield from _again(pair)


def _issued(
    service: Service, operation: Operation, call: Call, before: list[Call], by_callee: dict[str, _Pair]
) -> Iterator[tuple[State, str, str]]:
    """What decides whether and when one call is made, the number of requests apart."""
    name = service.name
    for state, _, because in _place(service, operation):
        if state.role == "replicas":
            yield state, "what", because
        else:
            yield state, "when", f"backlog {because}"
    if call.hit > 0:
        yield State("warm", name), "what", f"cache {name}"
    if any(c.hit > 0 for c in before):
        yield State("warm", name), "when", f"cache {name}"
    for earlier in before:
        pair = by_callee[earlier.service]
        yield State("latency", pair.callee), "when", f"backlog wait {pair.name}"
        if earlier.required:
            yield State("errors", pair.callee), "what", f"abort {pair.name}"
            yield from ((s, "what", f"abort {b}") for s, _, b in pair.line("what") if s.role == "breaker")
            if pair.timed:
                yield State("latency", pair.callee), "what", f"abort late {pair.name}"
        if pair.policy.retries > 0:
            yield State("errors", pair.callee), "when", f"again {pair.name}"
        yield from ((s, "when", f"backlog {b}") for s, _, b in pair.line("when"))


def _again(pair: _Pair) -> Iterator[Read]:
    """A call that waits for a connection or a circuit, and one that is made again."""
    traffic = State("traffic", pair.callee)
    line = [s for s, _, _ in pair.line("what")]
    for state in line:
        kind = "what" if state.role == "breaker" else "when"
        yield Read(state, traffic, kind, f"cut {pair.name}" if kind == "what" else f"backlog line {pair.name}")
        for other in line:
            yield Read(state, other, "what", f"cut {pair.name}" if state.role == "breaker" else f"line {pair.name}")
        yield Read(State("latency", pair.callee), state, "what", f"wait {pair.name}")
        if state.role == "breaker" or pair.policy.retries > 0:
            yield Read(State("errors", pair.callee), state, "what", f"again {pair.name}")
    if pair.policy.retries > 0:
        yield Read(State("errors", pair.callee), traffic, "what", f"again {pair.name}")
        if pair.timed:
            yield Read(State("latency", pair.callee), traffic, "what", f"again late {pair.name}")
        else:
            yield Read(State("latency", pair.callee), traffic, "when", f"backlog wait {pair.name}")


def _inside(topology: Topology, service: Service, pairs: list[_Pair]) -> Iterator[Read]:
    """The lines before threads, cores and locks, and the CPU time that goes into the work."""
    name = service.name
    place = list(_place(service))
    felt = _felt(service.operations, pairs, name)
    threads, cores, cpu, locks = (State(role, name) for role in ("threads", "cores", "cpu", "locks"))
    for target in (threads, cores, cpu):
        yield Read(State("traffic", name), target, "what")
    yield from _to(threads, [*place, *felt])
    # Work after the calls is done all the same, only later.
    halved = [o for o in service.operations if o.first < 1.0]
    later = [(s, "when", b) for s, _, b in _felt(halved, _pairs(topology, service, halved), name)]
    yield from _to(cores, [(s, k if s.role in ("slow", "replicas") else "when", b) for s, k, b in place] + later)
    yield from _to(cpu, [(s, k if s.role == "replicas" else "when", b) for s, k, b in place] + later)
    if _locks(service):
        yield Read(State("traffic", name), locks, "what")
        yield from _to(locks, [(s, "what" if s.role in ("cores", "slow") else "when", b) for s, _, b in place])


def _felt(operations: Iterable[Operation], pairs: list[_Pair], name: str) -> list[tuple[State, str, str]]:
    """What lies between the two halves of operations: the calls that they wait for, and the cache that spares some."""
    return [a for p in pairs for a in p.answers("what", through=_through(operations, p))] + _cached(name, operations)


def _through(operations: Iterable[Operation], pair: _Pair) -> bool:
    """Whether a failure of a pair's call makes one of the operations skip later calls that it would wait for."""
    return any(
        c.required and c.waits and c.service == pair.callee and any(o.waits and o.stage > c.stage for o in operation.calls)
        for operation in operations
        for c in operation.calls
    )


def _answers(service: Service, pairs: list[_Pair]) -> Iterator[Read]:
    """How long answers take and whether they are failures."""
    name = service.name
    latency, errors = State("latency", name), State("errors", name)
    place = list(_place(service))
    for target in (latency, errors):
        yield Read(State("traffic", name), target, "which")
    yield from _to(latency, [*place, *_felt(service.operations, pairs, name)])
    refuses = service.threads is not None and service.queue is not None
    for state, _, because in place:
        if state.role == "replicas":
            yield Read(state, errors, "what", because)
        elif state.role == "threads" and refuses:
            yield Read(state, errors, "what", f"refused {name}")
        else:
            yield Read(state, errors, "when", because)
    yield from _to(errors, _cached(name, service.operations))
    for pair in pairs:
        kind = "what" if pair.required else "when"
        for state, _, because in pair.answers(kind, through=pair.required):
            late = state.role in ("latency", "pool")
            if late and not (pair.required and pair.timed):
                yield Read(state, errors, "when", because)
            else:
                yield Read(state, errors, kind, f"through {'late ' if late else ''}{pair.name}")


def _slow_states(service: Service) -> Iterator[Read]:
    """What is looked at once a second: hosts, pauses, memory, the autoscaler, restarts, the cache."""
    name = service.name
    slow, memory, replicas, restarts = (State(role, name) for role in ("slow", "memory", "replicas", "restarts"))
    if service.host is not None:
        yield Read(State("cpu", name), State("load", service.host), "what", f"host {name}")
        yield Read(State("load", service.host), slow, "what", f"contention {name}")
    if service.gc_s > 0:
        yield Read(memory, slow, "what", f"pauses {name}")
    if service.memory_per_thread > 0:
        yield Read(State("threads", name), memory, "what", f"memory {name}")
    yield Read(replicas, memory, "what", f"unserved {name}")
    yield Read(restarts, memory, "what", f"restarts {name}")
    yield Read(memory, restarts, "what", f"full {name}")
    yield Read(restarts, replicas, "what", f"restarts {name}")
    if service.max_replicas is not None and service.max_replicas > service.replicas:
        yield Read(State("cpu", name), replicas, "what", f"scaling {name}")
    if any(c.hit > 0 for o in service.operations for c in o.calls):
        yield Read(restarts, State("warm", name), "what", f"restarts {name}")
