"""The twin's life of a call inside its service: admitted, worked on, done.

Each function is one step at the time ``w.now``; what follows at once is left on the stack ``w.todo``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from causaldisc.sources._system.twin_awaits import answer_without, hand_over_watch, plan_reply, stand_in
from causaldisc.sources._system.twin_draws import Draw, exponential, uniform
from causaldisc.sources._system.twin_parts import Call, Replica, Service

if TYPE_CHECKING:
    from causaldisc.sources._system.twin import Twin

# -- arrival -------------------------------------------------------------------------------------------------------------


def arrive(w: Twin, call: Call) -> None:
    """A call reaches its service: a replica is chosen, and a thread taken, waited for, or refused."""
    s, t = call.operation.service, w.now
    track = s.traffic_track
    if not call.replayed:
        track.looks_at(call.path)
        track.tape.arrivals.append((t, w.tracks.next_rank(), call.key, call.operation.number, call.sent))
        if track.held is not None or (s.knobs.set_traffic is not None and not call.synthetic):
            answer_without(w, call, s)
            return
    s.arrivals += 1
    call.met = track.bit
    s.latency_track.tape.calls[call.key] = (call.sent, math.inf, 0)
    if call.attached and (s.latency_track.held is not None or s.knobs.set_latency is not None):
        ghost = stand_in(call)
        hand_over_watch(call, ghost)
        plan_reply(w, ghost, s)
    call.met |= s.replicas_track.bit
    replica = replica_for(call, s)
    if replica is None:
        call.failed = True
        w.then("answer", call)
        return
    call.replica = replica
    replica.inside[call] = None
    admit(w, call, s, replica)


def replica_for(call: Call, s: Service) -> Replica | None:
    """One of the replicas that take calls, each with the same chance."""
    if s.answering == 0:
        return None
    up = [r for r in s.replicas if r.up]
    return up[0] if s.answering == 1 else up[int(uniform(call.key, Draw.REPLICA) * s.answering)]


def admit(w: Twin, call: Call, s: Service, replica: Replica) -> None:
    """Let a call have a thread, wait for one, or be refused."""
    t, track, inside = w.now, s.threads_track, s.knobs.set_queue
    track.looks_at(call.met)
    bounded = s.threads < math.inf
    if bounded:
        call.met |= track.bit
    if bounded and track.held is not None:
        call.no_thread = True
        due, rank = track.held.due(call.key, t)
        if due is None:
            call.failed = True
            w.then("answer", call)
        else:
            w.give(due, rank, "begin", call)
    elif inside is not None:
        threads = s.threads * s.answering
        call.no_thread, call.state = True, "held"
        w.plan(t + max(0.0, inside - threads + 1.0) * s.usual / threads, "begin", call)
    elif replica.busy < s.threads:
        replica.settle(t)
        replica.busy += 1
        track.asks(call.key, t)
        track.gets(call.key, t)
        w.then("begin", call)
    elif len(replica.queue) < s.queue_limit:
        replica.settle(t)
        call.state = "thread"
        track.asks(call.key, t)
        replica.queue.append(call)
    else:
        track.refuses(call.key, t)
        call.failed = True
        w.then("answer", call)


def release_thread(w: Twin, call: Call, replica: Replica) -> None:
    """Give a call's thread to the next in line, or leave it idle."""
    track = replica.service.threads_track
    track.looks_at(call.met)
    track.loses(call.key, w.now)
    replica.settle(w.now)
    if not replica.queue:
        replica.busy -= 1
        return
    following = replica.queue.popleft()
    track.gets(following.key, w.now)
    w.then("begin", following)


# -- work ----------------------------------------------------------------------------------------------------------------


def begin(w: Twin, call: Call) -> None:
    """A call has its thread: draw its work, and do the first part of it."""
    op, s = call.operation, call.operation.service
    s.threads_track.goes(call.key, w.tracks.next_rank())
    floor = s.design.floor
    demand = op.work * s.knobs.work_gain
    if floor < 1.0:
        demand *= floor + (1.0 - floor) * exponential(call.key, Draw.WORK)
    if op.calls:
        call.rest = demand * (1.0 - op.first)
        demand *= op.first
    call.work = demand
    if op.writes > 0.0 and uniform(call.key, Draw.WRITE) < op.writes:
        want_lock(w, call, s)
    else:
        w.then("want_core", call)


def want_lock(w: Twin, call: Call, s: Service) -> None:
    """Ask for the lock that a writing call needs, then for a core."""
    track = s.locks_track
    assert track is not None
    track.looks_at(call.met)
    call.met |= track.bit
    lock = s.locks[int(uniform(call.key, Draw.LOCK) * len(s.locks))]
    if track.held is not None:
        w.give(*track.held.due(call.key, w.now), "want_core", call)
        return
    track.asks(call.key, w.now)
    if lock.holder is None:
        lock.holder, call.lock = call, lock
        track.gets(call.key, w.now)
        w.then("want_core", call)
        return
    call.state = "latch"
    lock.line.append(call)


def release_lock(w: Twin, call: Call, s: Service) -> None:
    """Pass the lock that a call holds to the next in line."""
    track, lock = s.locks_track, call.lock
    assert track is not None and lock is not None
    track.looks_at(call.met)
    track.loses(call.key, w.now)
    call.lock = None
    lock.holder = lock.line.popleft() if lock.line else None
    if lock.holder is not None:
        lock.holder.lock = lock
        track.gets(lock.holder.key, w.now)
        w.then("want_core", lock.holder)


def want_core(w: Twin, call: Call) -> None:
    """Ask for a core of the replica for a stretch of work; wait in line when all are busy."""
    replica, t = call.replica, w.now
    assert replica is not None
    s = replica.service
    if call.lock is not None and s.locks_track is not None:
        s.locks_track.goes(call.key, w.tracks.next_rank())
    track, place = s.cores_track, (call.key, call.stretch)
    track.looks_at(call.met)
    call.met |= track.bit
    if track.held is not None:
        call.no_core = True
        w.give(*track.held.due(place, t), "work", call)
    elif s.knobs.set_cpu is not None:
        call.no_core, call.state = True, "work"
        call.met |= s.slow_track.bit
        w.plan(t + imagined_wait(call, s, s.knobs.set_cpu) + call.work * replica.slow, "segment", call)
    elif replica.running < s.design.cores:
        replica.settle_cores(t)
        replica.running += 1
        track.asks(place, t)
        track.gets(place, t)
        work(w, call)
    else:
        call.state = "core"
        track.asks(place, t)
        replica.line.append(call)


def imagined_wait(call: Call, s: Service, use: float) -> float:
    """Wait for a core at the utilisation that do() sets, drawn as in an M/M/c queue (Erlang C)."""
    use, cores, blocked = min(max(use, 0.0), 0.99), s.design.cores, 1.0
    for k in range(1, cores + 1):
        load = use * cores * blocked
        blocked = load / (k + load)
    if uniform(call.key, Draw.CHANCE) >= blocked / (1.0 - use * (1.0 - blocked)):
        return 0.0
    return exponential(call.key, Draw.WAIT) * s.nominal / (cores * (1.0 - use))


def work(w: Twin, call: Call) -> None:
    """Let a call work: it ends after its demand, stretched by the replica's slowness and by a pause that it meets."""
    replica, t = call.replica, w.now
    assert replica is not None
    s = replica.service
    s.cores_track.goes((call.key, call.stretch), w.tracks.next_rank())
    call.met |= s.slow_track.bit
    length = call.work * replica.slow
    if t < replica.pause_to and t + length > replica.pause_from:
        length += replica.pause_to - max(t, replica.pause_from)
    call.state = "work"
    w.plan(t + length, "segment", call)


def release_core(w: Twin, call: Call, replica: Replica) -> None:
    """Give a call's core to the next in line, or leave it idle."""
    track = replica.service.cores_track
    track.loses((call.key, call.stretch), w.now)
    if not replica.line:
        replica.settle_cores(w.now)
        replica.running -= 1
        return
    following = replica.line.popleft()
    track.gets((following.key, following.stretch), w.now)
    work(w, following)


def segment_done(w: Twin, call: Call) -> None:
    """A stretch of work ends: core and lock are free again, and the call goes on."""
    replica = call.replica
    assert replica is not None
    s = replica.service
    s.cores_track.looks_at(call.met)
    if call.no_core:
        call.no_core = False
    else:
        release_core(w, call, replica)
    if call.lock is not None:
        release_lock(w, call, s)
    s.cpu_track.looks_at(call.met)
    s.cpu_track.moves.append((w.now, call.key, call.work))
    s.cpu_used += call.work
    call.stretch += 1
    w.then("advance", call)


# -- the end ---------------------------------------------------------------------------------------------------------------


def finish(w: Twin, call: Call) -> None:
    """A call is done: its thread goes to the next, its answer leaves, at once or as late as a fault holds it."""
    s, replica = call.operation.service, call.replica
    assert replica is not None
    call.failed = outcome(call, s)
    if not call.no_thread:
        release_thread(w, call, replica)
    call.state = "held"
    if s.knobs.delay > 0.0:
        call.leave()
        w.plan(w.now + s.knobs.delay, "reply", call)
    else:
        w.then("answer", call)


def outcome(call: Call, s: Service) -> bool:
    """Whether a call fails: by what it called, by itself, or as do() sets it."""
    chance = uniform(call.key, Draw.ERROR)
    if s.knobs.set_errors is not None:
        return chance < s.knobs.set_errors
    own = 1.0 - (1.0 - s.design.errors) * (1.0 - s.knobs.fault_errors)
    return chance < own or call.failed
