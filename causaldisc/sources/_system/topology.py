"""Topology: services with their operations, the calls between them and how they are made, hosts, and where users enter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Call:
    """One call that an operation makes of another service's operation.

    ``stage``: calls of one stage go out together, the next stage waits for the answers. ``probability`` that a request makes
    the call at all; ``hit`` share of it that a warm cache of the caller spares. ``waits`` is False for a message that is left
    and not waited for. ``required``: whether its failure fails the caller, which then skips its later stages.
    """

    service: str
    operation: str
    stage: int = 0
    probability: float = 1.0
    hit: float = 0.0
    waits: bool = True
    required: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """What a service does for one kind of request.

    ``work_ms`` is the mean CPU time of its own work; ``first`` the share of it done before its calls (all of it when it makes
    none); ``writes`` the share of requests that need one of the service's locks during that work.
    """

    name: str
    work_ms: float
    calls: tuple[Call, ...] = ()
    first: float = 0.7
    writes: float = 0.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How one service calls another; times in milliseconds, ``None`` = without a bound.

    ``timeout_ms`` from the sending; ``retries`` after a failure, with back-off ``backoff_ms`` that doubles and jitters;
    ``connections`` that may be open at once, for all replicas together; ``breaker`` share of failures that opens the circuit
    for ``open_ms``; ``network_ms`` mean time on the wire, there and back.
    """

    timeout_ms: float | None = 2000.0
    retries: int = 1
    backoff_ms: float = 50.0
    connections: int | None = 64
    breaker: float | None = 0.5
    open_ms: float = 5000.0
    network_ms: float = 0.5


@dataclass(frozen=True, slots=True)
class Service:
    """How one service is built.

    ``threads`` and ``cores`` are those of one replica: a request holds a thread from its start to its answer, and a core only
    while it works. ``queue`` requests may wait for a thread at one replica before more are refused. ``floor`` is the share of
    an operation's work that is the same for every request; the rest is exponential. ``gc_s`` is the mean time between
    stop-the-world pauses of ``gc_pause_ms`` (0 = none). ``max_replicas`` > ``replicas`` lets it scale by CPU.
    """

    name: str
    operations: tuple[Operation, ...]
    cores: int = 2
    threads: int | None = 64
    queue: int | None = 256
    replicas: int = 1
    max_replicas: int | None = None
    floor: float = 0.3
    errors: float = 3e-4
    memory: float = 0.35
    memory_per_thread: float = 0.002
    locks: int = 0
    gc_s: float = 0.0
    gc_pause_ms: float = 40.0
    disk: bool = False
    host: str | None = None

    def operation(self, name: str) -> Operation:
        """The operation of a name; raises KeyError."""
        return {o.name: o for o in self.operations}[name]


@dataclass(frozen=True)
class Topology:
    """A whole system.

    ``entries`` maps (service, operation) to its share of the users' requests; ``rate`` is their mean number per second.
    ``hosts`` maps a host to its cores. ``policies`` maps (caller, callee) to how it calls, ``policy`` is the default.
    """

    name: str
    services: tuple[Service, ...]
    entries: Mapping[tuple[str, str], float]
    rate: float
    hosts: Mapping[str, int] = field(default_factory=dict)
    policies: Mapping[tuple[str, str], Policy] = field(default_factory=dict)
    policy: Policy = Policy()

    @cached_property
    def index(self) -> dict[str, int]:
        """Service name → its number."""
        return {s.name: k for k, s in enumerate(self.services)}

    @cached_property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """(caller, callee) of the call graph, each once, in the order of first mention."""
        pairs = ((s.name, c.service) for s in self.services for o in s.operations for c in o.calls)
        return tuple(dict.fromkeys(pairs))

    def policy_of(self, caller: str, callee: str) -> Policy:
        """How one service calls another."""
        return self.policies.get((caller, callee), self.policy)
