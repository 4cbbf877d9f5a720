"""The books of a simulated system: what must balance between any two events, and what must once all calls are over.

All of it holds for systems whose counts are not themselves set by ``do()``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from causaldisc.kernels import requests_world as x
from causaldisc.kernels.agenda import SIZE, kind_of, subject_of
from causaldisc.sources._system.wiring import World

INSIDE = (x.THREAD, x.CORE, x.LATCH, x.WORK, x.CALLS, x.HELD)  # arrived, and not yet answered
ON_THREAD = (x.CORE, x.LATCH, x.WORK, x.CALLS)
WITH_EVENT = (x.WIRE, x.WORK, x.HELD, x.PAUSE, x.GHOST)  # one event of its own will move it on
SLOT_EVENTS = (x.ARRIVE, x.SEGMENT, x.REPLY, x.RETRY, x.BEGIN, x.LAUNCH)
SLOT_TABLES = ("call", "callf", "key", "times", "codes", "todo")  # where things lie in these depends on the slots there are


def areas(world: World, t: float) -> np.ndarray:
    """Return float[services, 3]: the time integrals of calls in queue, threads and cores in use, brought up to ``t``."""
    replica, replicaf = world["replica"], world["replicaf"]
    since = t - replicaf[:, x.SETTLED]
    counts = replica[:, [x.QUEUED, x.BUSY, x.RUNNING]]
    found = np.zeros((len(world["service"]), 3))
    np.add.at(found, replica[:, x.SERVICE], replicaf[:, [x.QUEUE_AREA, x.THREAD_AREA, x.CORE_AREA]] + since[:, None] * counts)
    return found


def walk(first: int, after: np.ndarray) -> list[int]:
    """The members of a linked list; fails on a circle."""
    found: list[int] = []
    while first != x.NONE:
        found.append(int(first))
        assert len(found) <= len(after), "a list must end"
        first = after[first]
    return found


def check_now(world: World) -> None:
    """Check what must hold between any two events: nothing lost, nothing counted twice."""
    _check_slots(world)
    _check_flow(world)
    _check_lines(world)
    _check_agenda(world)
    _check_numbers(world)


def _check_slots(world: World) -> None:
    call, live = world["call"], np.flatnonzero(world["call"][:, x.STATE] != x.EMPTY)
    assert len(live) == world["registers"][x.LIVE] <= world["registers"][x.PEAK]
    empty = walk(world["registers"][x.FREE], call[:, x.NEXT])
    assert sorted([*empty, *live.tolist()]) == list(range(len(call)))
    awaited = Counter(int(call[i, x.PARENT]) for i in live if call[i, x.ATTACHED] == 1)
    assert awaited == {int(i): int(call[i, x.PENDING]) for i in live if call[i, x.STATE] == x.CALLS}


def _check_flow(world: World) -> None:
    """Arrivals = answers + inside; sent = arrived + on the wire + stopped by an outage; the rest are users."""
    call, n = world["call"], len(world["service"])
    state, of = call[:, x.STATE], world["op"][call[:, x.OPERATION], x.OP_SERVICE]
    inside = np.bincount(of[np.isin(state, INSIDE)], minlength=n)
    service = world["service"]
    np.testing.assert_array_equal(service[:, x.ARRIVALS], service[:, x.ANSWERS] + inside)
    sent = np.zeros(n)
    np.add.at(sent, world["pair"][:, x.CALLEE], world["pair_deed"][:, x.SENT_CALLS] - world["pair_deed"][:, x.BLOCKED])
    users = service[:, x.ARRIVALS] + np.bincount(of[state == x.WIRE], minlength=n) - sent
    assert users.sum() == world["stream"][:, x.STREAM_COUNT].sum()
    entered = {int(world["op"][o, x.OP_SERVICE]) for o in world["entry_op"][: world["stream"][0, x.STREAM_LAST]]}
    surged = {s for s in range(n) if world["stream"][s + 1, x.STREAM_COUNT] > 0}
    assert all(users[s] >= 0 if s in entered | surged else users[s] == 0 for s in range(n))
    np.testing.assert_array_equal(world["buckets"].sum(1), service[:, x.ANSWERS])
    assert service[:, x.ARRIVALS].sum() == world["registers"][x.ARRIVED]


def _check_lines(world: World) -> None:
    """Every line of waiting calls holds just those that wait there, and every count is that of its holders."""
    call, state = world["call"], world["call"][:, x.STATE]
    after = call[:, x.NEXT]
    for r, row in enumerate(world["replica"]):
        here = call[:, x.REPLICA] == r
        assert row[x.BUSY] == np.isin(state[here], ON_THREAD).sum() <= world["service"][row[x.SERVICE], x.THREADS]
        assert row[x.RUNNING] == (state[here] == x.WORK).sum() <= world["service"][row[x.SERVICE], x.CORES]
        line, cores = walk(row[x.QUEUE_HEAD], after), walk(row[x.RUN_HEAD], after)
        assert row[x.QUEUED] == len(line) <= world["service"][row[x.SERVICE], x.QUEUE_LIMIT]
        assert sorted(line) == np.flatnonzero(here & (state == x.THREAD)).tolist()
        assert sorted(cores) == np.flatnonzero(here & (state == x.CORE)).tolist()
        assert not cores or row[x.RUNNING] == world["service"][row[x.SERVICE], x.CORES]
    latched = [i for row in world["lock"] for i in walk(row[x.LOCK_HEAD], after)]
    assert sorted(latched) == np.flatnonzero(state == x.LATCH).tolist()
    for k, row in enumerate(world["lock"]):
        held = np.flatnonzero(call[:, x.LOCK] == k)
        assert held[state[held] != x.EMPTY].tolist() == ([] if row[x.HOLDER] == x.NONE else [row[x.HOLDER]])
    of = (
        np.where(call[:, x.SPEC] == x.NONE, x.NONE, world["spec"][call[:, x.SPEC], x.SPEC_PAIR])
        if len(world["spec"])
        else state * 0 - 1
    )
    awaited = (call[:, x.ATTACHED] == 1) & (state != x.EMPTY)
    for e, row in enumerate(world["pair"]):
        here = (of == e) & awaited
        holding = here & ~np.isin(state, (x.CONNECTION, x.PAUSE, x.LOST)) & (call[:, x.FLAGS] & x.NO_CONNECTION == 0)
        assert row[x.IN_USE] == holding.sum() <= row[x.POOL]
        line = walk(row[x.POOL_HEAD], after)
        assert sorted(line) == np.flatnonzero((of == e) & np.isin(state, (x.CONNECTION, x.LOST))).tolist()
        timed = walk(row[x.TIMED_HEAD], call[:, x.LATER])
        watched = here & (state != x.PAUSE) & np.isfinite(world["pairf"][e, x.TIMEOUT])
        assert sorted(timed) == np.flatnonzero(watched).tolist()
        assert timed == walk(row[x.TIMED_TAIL], call[:, x.EARLIER])[::-1]
        assert np.all(np.diff(world["callf"][timed, x.DEADLINE]) >= 0)
        assert row[x.ARMED] == 1 or not timed


def _check_agenda(world: World) -> None:
    """The heap is in order, lies ahead, and holds one event for each call that waits for one."""
    size = int(world["registers"][SIZE])
    times, codes = world["times"][:size], world["codes"][:size]
    above = (np.arange(1, size) - 1) // 2
    assert np.all((times[above] < times[1:]) | ((times[above] == times[1:]) & (codes[above] < codes[1:])))
    assert np.all(times >= world["clock"][x.NOW])
    kinds = [(kind_of.py_func(int(c)), subject_of.py_func(int(c))) for c in codes]
    moved = sorted(i for kind, i in kinds if kind in SLOT_EVENTS)
    assert moved == np.flatnonzero(np.isin(world["call"][:, x.STATE], WITH_EVENT)).tolist()
    assert sorted(e for kind, e in kinds if kind == x.TIMER) == np.flatnonzero(world["pair"][:, x.ARMED] == 1).tolist()
    assert sum(kind == x.CONTROL for kind, _ in kinds) == 1


def _check_numbers(world: World) -> None:
    """No time, area or count is negative or undefined; nothing is used more than there is of it."""
    for name in ("deed", "pair_deed", "service", "buckets", "snapshot"):
        assert np.all(world[name] >= 0), name
    times = (x.LATENCY_SUM, x.CPU_USED, x.CPU_LIMIT, x.MEMORY, x.LEAKED, x.WARM)
    assert np.all(world["servicef"][:, times] >= 0)
    t, replicas = world["clock"][x.NOW], world["replica"]
    assert np.all(world["replicaf"][:, [x.QUEUE_AREA, x.THREAD_AREA, x.CORE_AREA]] >= 0)
    assert np.all(world["replicaf"][:, x.SETTLED] <= t)
    cores = world["service"][replicas[:, x.SERVICE], x.CORES]
    assert np.all(world["replicaf"][:, x.CORE_AREA] <= cores * t * (1 + 1e-12))
    service, deed, pair = world["service"], world["deed"], world["pair_deed"]
    assert np.all(service[:, x.ERRORS] <= service[:, x.ANSWERS])
    failures = deed[:, x.REFUSED] + deed[:, x.UNSERVED]
    assert np.all(failures <= service[:, x.ERRORS])
    assert np.all(pair[:, x.RETRIED] <= pair[:, x.FAILED_TRIES])
    assert np.all(pair[:, x.TIMED_OUT] <= pair[:, x.FAILED_TRIES])
    long = min(world["settings"][x.LONG_S], 1e9)  # without a bound, no wait is long
    for table, count, waited in (
        (deed, x.LONG_WAITS, x.WAITED_THREAD),
        (deed, x.LONG_CORES, x.WAITED_CORE),
        (pair, x.LONG_POOLS, x.WAITED_POOL),
    ):
        assert np.all(long * table[:, count] <= table[:, waited] * (1 + 1e-9))


def check_drained(world: World, t: float, wires_known: bool = True) -> None:
    """Check that nobody is left, and Little's law L = λW to rounding: every area is the sum of its sojourn times.

    ``wires_known``: nothing but the network's own time delays a call or its answer.
    """
    check_now(world)
    registers, service, deed, pair = world["registers"], world["service"], world["deed"], world["pair_deed"]
    assert registers[x.LIVE] == 0
    np.testing.assert_array_equal(service[:, x.ARRIVALS], service[:, x.ANSWERS])
    queue, threads, cores = areas(world, t).T
    close: Any = {"rtol": 1e-9, "atol": 1e-7}
    np.testing.assert_allclose(queue, deed[:, x.WAITED_THREAD], **close)
    np.testing.assert_allclose(cores, deed[:, x.WORKED] + deed[:, x.STRETCHED] + deed[:, x.PAUSED], **close)
    np.testing.assert_allclose(world["servicef"][:, x.CPU_USED], deed[:, x.WORKED], **close)
    awaited = threads - cores - deed[:, x.WAITED_CORE] - deed[:, x.WAITED_LOCK]
    spent = np.zeros(len(service))
    np.add.at(spent, world["pair"][:, x.CALLER], pair[:, x.CALLEE_SECONDS] + pair[:, x.WAITED_POOL] + pair[:, x.BACKED_OFF])
    slack = 1e-7 + 1e-9 * threads
    assert np.all(awaited >= -slack)
    assert np.all(awaited <= spent + slack)
    one_by_one = [_one_by_one(world, s) for s in range(len(service))]
    assert np.all((np.abs(awaited - spent) <= slack)[one_by_one])
    wire = world["servicef"][:, x.LATENCY_SUM] - queue - threads
    mean = np.zeros(len(service))
    np.add.at(mean, world["pair"][:, x.CALLEE], (pair[:, x.SENT_CALLS] - pair[:, x.BLOCKED]) * world["pairf"][:, x.NETWORK])
    slack = 1e-7 + 1e-9 * world["servicef"][:, x.LATENCY_SUM]
    assert np.all(wire >= 0.5 * mean - slack)
    assert not wires_known or np.all(wire <= 1.5 * mean + slack)


def _one_by_one(world: World, s: int) -> bool:
    """Whether a service never waits for two answers at once."""
    for row in world["op"][world["op"][:, x.OP_SERVICE] == s]:
        waits = [tuple(c) for c in world["spec"][row[x.OP_FIRST] : row[x.OP_LAST], [x.SPEC_STAGE, x.SPEC_WAITS]]]
        if max(Counter(stage for stage, waits_for in waits if waits_for).values(), default=0) > 1:
            return False
    return True


def check_same(one: World, other: World, but: tuple[str, ...] = ()) -> None:
    """Check that two runs have the same bits in every table (but some)."""
    for name, table in one.tables.items():
        if name not in but:
            assert table.tobytes() == other[name].tobytes(), f"{name} differs"
