"""Twin of the event loop: the same system as plain Python objects, one request at a time, bit for bit.

``causaldisc.kernels.requests_run`` is fast; this is there to be read, and to ask what no table can answer: which state really
looked at which, and what a system does while some of its states are held at what they did in another run.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from causaldisc.sources._system.mechanisms import State
from causaldisc.sources._system.topology import Topology
from causaldisc.sources._system.twin_awaits import advance, answer, attempt_call, launch, reply, time_out
from causaldisc.sources._system.twin_calls import arrive, begin, finish, segment_done, want_core, work
from causaldisc.sources._system.twin_control import control, next_arrival, rate_of
from causaldisc.sources._system.twin_draws import Draw, child, exponential, uniform
from causaldisc.sources._system.twin_parts import Call, Host, Knobs, Operation, Pair, Service, Stream, build
from causaldisc.sources._system.twin_tapes import Tape, Tracks
from causaldisc.sources._system.wiring import BOUNDS_S, Physics

Change = tuple[int, int, int, int, float]

KINDS = ("root", "arrive", "segment", "reply", "retry", "timer", "control", "begin", "launch")


class Snapshot(NamedTuple):
    """A service's counters since the start, and its gauges, as they are read from outside."""

    arrivals: int
    answers: int
    errors: int
    latency: float
    queue: float
    threads: float
    cores: float
    cpu: float
    limit: float
    memory: float
    replicas: int
    restarts: int
    hits: int
    buckets: tuple[int, ...]


class Span(NamedTuple):
    """A traced call; numbers are those of the tables, -1 = none."""

    key: int
    parent: int
    request: int
    operation: int
    replica: int
    made: int
    attempt: int
    failed: bool
    sent: float
    answered: float


class Twin:
    """One run of a system.

    Parameters
    ----------
    topology, rates, seed_key, physics, background, visits, usual_s, changes, snapshot_every, trace_share : as of ``wiring.wire``.
    hold : states that do not live but are seen as on a tape, usually of another run's :meth:`tapes`. Calls that reach a service
        whose ``traffic`` is held are answered as its ``latency`` and ``errors`` say, and the taped arrivals come instead, awaited
        by nobody.

    ``log`` : (time, kind, key of the call or number of the stream or pair) of each event; ``snapshots``, ``spans`` : what was
    seen.

    >>> from causaldisc.sources._system.topology import Operation, Service, Topology
    >>> shop = Service("shop", (Operation("buy", 5.0),), cores=1)
    >>> system = Topology("one", (shop,), {("shop", "buy"): 1.0}, 20.0)
    >>> twin = Twin(system, np.full(3, 20.0), 7)
    >>> twin.run(3.0)
    >>> len(twin.tape("traffic", "shop").arrivals) == twin.services["shop"].arrivals > 40
    True
    """

    def __init__(
        self,
        topology: Topology,
        rates: np.ndarray,
        seed_key: int,
        *,
        physics: Physics | None = None,
        background: np.ndarray | None = None,
        visits: Mapping[tuple[str, str], float] | None = None,
        usual_s: Mapping[tuple[str, str], float] | None = None,
        changes: Sequence[Change] = (),
        snapshot_every: int = 15,
        trace_share: float = 0.0,
        hold: Mapping[State, Tape] | None = None,
    ) -> None:
        """Set a system up at time 0."""
        self.physics, self.rates, self.snapshot_every, self.trace_share = physics or Physics(), rates, snapshot_every, trace_share
        self.scale_every = max(1, round(self.physics.scale_every_s / self.physics.control_s))
        self.background = np.zeros((len(topology.hosts), len(rates))) if background is None else background
        self.tracks = Tracks(hold or {})
        self.users = self.tracks.of("users", "")
        self.services, self.pairs, self.hosts, operations = build(topology, self.tracks, visits or {}, usual_s or {})
        self.operations = list(operations.values())
        self.streams = _streams(topology, seed_key, self.services, operations, visits or {})
        self.changes = deque(self._name_change(change) for change in changes)
        self.now, self.tick, self.sequence = 0.0, 0, 0
        self.agenda: list[tuple[float, int, int, str, Any]] = []
        self.todo: list[tuple[str, Call]] = []
        self.log: list[tuple[float, str, int]] = []
        self.snapshots: list[dict[str, Snapshot]] = []
        self.spans: list[Span] = []
        for stream in self.streams:
            stream.need = exponential(stream.key, Draw.GAP)
        self._plan_replays()
        self.plan(0.0, "control", None)

    def _name_change(self, change: Change) -> tuple[int, Any, str, float]:
        second, what, row, column, value = change
        if what == 0:
            return second, list(self.services.values())[row], list(Knobs.__dataclass_fields__)[column], value
        part: Any = self.pairs[row] if what == 1 else list(self.hosts.values())[row]
        return second, part, (Pair if what == 1 else Host).KNOBS[column], value

    def _plan_replays(self) -> None:
        for s in self.services.values():
            for t, rank, key, number, sent in () if s.traffic_track.held is None else s.traffic_track.held.arrivals:
                call = Call(key, self.operations[number], replayed=True, sent=sent, request_key=key)
                self.plan_taped(t, rank, "arrive", call)

    # -- the agenda ------------------------------------------------------------------------------------------------------

    def plan(self, t: float, kind: str, subject: Any) -> None:
        """Put an event on the agenda; equal times come in the order in which they were planned."""
        self.sequence += 1
        heappush(self.agenda, (t, 0, self.sequence, kind, subject))

    def plan_taped(self, t: float, rank: int, kind: str, subject: Any) -> None:
        """Put an event of a tape on the agenda: after the others of that time, in the order of the taped run."""
        if t < math.inf:
            self.sequence += 1
            heappush(self.agenda, (max(t, self.now), 1 + rank, self.sequence, kind, subject))

    def give(self, t: float, rank: int, kind: str, call: Call) -> None:
        """Let a call have what it asks for when the tape says so."""
        call.state = "held"
        if t <= self.now:
            _STEPS[kind](self, call)
        else:
            self.plan_taped(t, rank, kind, call)

    def then(self, step: str, call: Call) -> None:
        """Leave a step to be done at once, before what was left earlier."""
        self.todo.append((step, call))

    def run(self, until: float) -> None:
        """Run up to a time in seconds, events at that time excluded."""
        while self.agenda and self.agenda[0][0] < until:
            self.now, _, _, kind, subject = heappop(self.agenda)
            about = 0 if subject is None else subject.key if isinstance(subject, Call) else subject.number
            self.log.append((self.now, kind, about))
            _STEPS[kind](self, subject)
            while self.todo:
                step, call = self.todo.pop()
                _STEPS[step](self, call)

    def enter(self, stream: Stream) -> None:
        """A stream's next request enters: its draws are keyed by its number in the stream."""
        stream.count += 1
        key, k = child(stream.key, stream.count), 0
        chance = uniform(key, Draw.ENTRY)
        while k < len(stream.operations) - 1 and chance >= stream.upto[k]:
            k += 1
        call = Call(key, stream.operations[k], request_key=key, sent=self.now, synthetic=stream.service is not None)
        call.traced = self.trace_share > 0.0 and uniform(key, Draw.TRACE) < self.trace_share
        call.path = self.users.bit
        stream.need = exponential(key, Draw.GAP)
        tick = self.tick - 1
        next_arrival(self, stream, rate_of(self, stream, tick), self.now, (tick + 1) * self.physics.control_s)
        arrive(self, call)

    # -- what is seen ----------------------------------------------------------------------------------------------------

    def key_of(self, service: Service) -> int:
        """The key from which a service's own draws derive."""
        return next(stream.key for stream in self.streams if stream.service is service)

    def bucket(self, latency: float) -> int:
        """The number of a latency's bucket."""
        return bisect_left(BOUNDS_S, latency)

    def snapshot(self) -> None:
        """Write down every service's counters and gauges."""
        found = {}
        for name, s in self.services.items():
            queue = threads = cores = 0.0
            for r in s.replicas:
                r.settle(self.now)
                r.settle_cores(self.now)
                queue += r.queue_area
                threads += r.thread_area
                cores += r.core_area
            found[name] = Snapshot(
                *(s.arrivals, s.answers, s.errors, s.latency_sum),
                *(queue, threads, cores, s.cpu_used, s.cpu_limit),
                *(s.memory, s.answering, s.restarts, s.spared),
                tuple(s.buckets),
            )
        self.snapshots.append(found)

    def note_span(self, call: Call) -> None:
        """Keep the span of a traced call."""
        ids = call.key, call.parent_key, call.request_key
        where = call.operation.number, -1 if call.replica is None else call.replica.number
        made = -1 if call.outgoing is None else call.outgoing.number
        self.spans.append(Span(*ids, *where, made, call.attempt, call.failed, call.sent, self.now))

    def tape(self, role: str, name: str) -> Tape:
        """The tape of a state."""
        return self.tracks.by_state[State(role, name)].tape

    def tapes(self) -> dict[State, Tape]:
        """The tapes of all states."""
        return {state: track.tape for state, track in self.tracks.by_state.items()}

    def trajectories(self) -> dict[State, tuple[Any, ...]]:
        """What each state did, fit to be compared with another run."""
        return {state: track.trajectory() for state, track in self.tracks.by_state.items()}

    def looked_at(self) -> set[tuple[State, State]]:
        """(source, target) of every read that this run did."""
        return self.tracks.looked_at()


_STEPS: Mapping[str, Callable[[Twin, Any], None]] = {
    "root": Twin.enter,
    "arrive": arrive,
    "segment": segment_done,
    "reply": reply,
    "retry": attempt_call,
    "timer": time_out,
    "control": control,
    "begin": begin,
    "launch": launch,
    "want_core": want_core,
    "work": work,
    "advance": advance,
    "finish": finish,
    "answer": answer,
}


def _streams(
    topology: Topology,
    seed_key: int,
    services: Mapping[str, Service],
    operations: Mapping[tuple[str, str], Operation],
    visits: Mapping[tuple[str, str], float],
) -> list[Stream]:
    """Users first, then the extra arrivals of each service."""
    wanted: list[Any] = [(None, topology.entries)]
    for s in topology.services:
        wanted.append((services[s.name], {(s.name, o.name): visits.get((s.name, o.name), 0.0) for o in s.operations}))
    found = []
    for j, (service, shares) in enumerate(wanted):
        weights = np.array(list(shares.values()), float)
        weights = weights if weights.sum() > 0 else np.ones(len(weights))
        upto = np.cumsum(weights / weights.sum()).tolist()
        found.append(Stream(child(seed_key, j), j, service, [operations[o] for o in shares], upto))
    return found
