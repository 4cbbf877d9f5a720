"""The twin's life of a call: sent, admitted, worked on, its own calls made and awaited, answered.

Each function is one step at the time ``w.now``; what follows at once is left on the stack ``w.todo``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from causaldisc.sources._system.twin_draws import Draw, child, exponential, uniform
from causaldisc.sources._system.twin_parts import Call, Outgoing, Pair, Replica, Service

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
        w.then(answer, call)
        return
    call.replica = replica
    replica.inside[call] = None
    admit(w, call, s, replica)


def answer_without(w: Twin, call: Call, s: Service) -> None:
    """Answer a call of a service whose traffic is set or held, as that service says, without troubling it."""
    if not call.attached:
        return
    call.state = "ghost"
    if s.latency_track.held is not None:
        plan_reply(w, call, s)
    else:
        wait = s.latency_last if s.knobs.set_latency is None else s.knobs.set_latency
        w.plan(w.now + wait, "reply", call)


def plan_reply(w: Twin, ghost: Call, s: Service) -> None:
    """Plan when a service whose latency is set or held answers."""
    held = s.latency_track.held
    if held is not None:
        due, rank = held.due(ghost.key, ghost.sent)
        w.plan_taped(due, rank, "reply", ghost)
    elif s.knobs.set_latency is not None:
        w.plan(max(w.now, ghost.sent + s.knobs.set_latency), "reply", ghost)


def stand_in(call: Call) -> Call:
    """Give what a call owes its caller to a ghost; the call itself goes on, owing nothing."""
    ghost = Call(call.key, call.operation, call.parent, call.outgoing, call.attempt, attached=True, traced=call.traced)
    ghost.no_connection, ghost.no_watch = call.no_connection, call.no_watch
    ghost.sent, ghost.state, ghost.path, ghost.why = call.sent, "ghost", call.path, call.why
    call.attached, call.parent = False, None
    return ghost


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
            w.then(answer, call)
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
        track.gets(call.key, t, w.tracks.next_rank())
        w.then(begin, call)
    elif len(replica.queue) < s.queue_limit:
        replica.settle(t)
        call.state = "thread"
        track.asks(call.key, t)
        replica.queue.append(call)
    else:
        track.refuses(call.key, t)
        call.failed = True
        w.then(answer, call)


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
    track.gets(following.key, w.now, w.tracks.next_rank())
    w.then(begin, following)


# -- work ----------------------------------------------------------------------------------------------------------------


def begin(w: Twin, call: Call) -> None:
    """A call has its thread: draw its work, and do the first part of it."""
    op, s = call.operation, call.operation.service
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
        w.then(want_core, call)


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
        track.gets(call.key, w.now, w.tracks.next_rank())
        w.then(want_core, call)
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
        track.gets(lock.holder.key, w.now, w.tracks.next_rank())
        w.then(want_core, lock.holder)


def want_core(w: Twin, call: Call) -> None:
    """Ask for a core of the replica for a stretch of work; wait in line when all are busy."""
    replica, t = call.replica, w.now
    assert replica is not None
    s = replica.service
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
        replica.settle(t)
        replica.running += 1
        track.asks(place, t)
        track.gets(place, t, w.tracks.next_rank())
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
    call.met |= replica.service.slow_track.bit
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
        replica.settle(w.now)
        replica.running -= 1
        return
    following = replica.line.popleft()
    track.gets((following.key, following.stretch), w.now, w.tracks.next_rank())
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
    s.cpu_used += call.work
    call.stretch += 1
    w.then(advance, call)


# -- calling -------------------------------------------------------------------------------------------------------------


def advance(w: Twin, call: Call) -> None:
    """A call goes on: its next stage of calls; after the last, or a failure, the rest of its work; then its answer."""
    calls = call.operation.calls
    call.met |= call.met_soon
    while call.position < len(calls):
        call.met |= call.met_failing  # whether it failed decides whether it goes on
        if call.failed:
            break
        stage = calls[call.position].made.stage
        call.pending = 1  # so that no answer at once lets the call go on before all of the stage are out
        call.met_soon = 0
        while call.position < len(calls) and calls[call.position].made.stage == stage:
            issue(w, call, calls[call.position])
            call.position += 1
        call.pending -= 1
        if call.pending > 0:
            call.state = "calls"
            return
        call.met |= call.met_soon
    call.position = len(calls)
    if call.rest > 0.0:
        call.work, call.rest = call.rest, 0.0
        w.then(want_core, call)
    else:
        finish(w, call)


def issue(w: Twin, call: Call, made: Outgoing) -> None:
    """Make one of an operation's calls: perhaps not at all, perhaps spared by the cache."""
    key, path, s = child(call.key, made.place * 64), call.met, call.operation.service
    if made.made.probability < 1.0 and uniform(key, Draw.MAKE) >= made.made.probability:
        return
    if made.made.hit > 0.0:
        assert s.warm_track is not None
        path |= s.warm_track.bit
        if made.made.waits:
            call.met_soon |= s.warm_track.bit
        if uniform(key, Draw.HIT) < made.made.hit * s.warm:
            s.spared += 1
            return
    sub = Call(key, made.operation, call if made.made.waits else None, made, attached=made.made.waits, traced=call.traced)
    sub.parent_key, sub.request_key, sub.path = call.key, call.request_key, path
    if made.made.waits:
        call.pending += 1
        attempt_call(w, sub)
    else:
        send(w, sub)


def attempt_call(w: Twin, sub: Call) -> None:
    """Make an awaited call, unless the circuit is open."""
    assert sub.outgoing is not None and sub.parent is not None
    pair = sub.outgoing.pair
    stopped = open_circuit(pair, w.now)
    if pair.breaker is not None:
        track = pair.breaker
        track.looks_at(sub.path)
        track.tape.calls[sub.key] = stopped
        track.moves.append((w.now, sub.key, float(stopped)))
        sub.path |= track.bit
        sub.why |= track.bit
        if track.held is not None:
            stopped = bool(track.held.of_call(sub.key))
    if stopped:
        pair.callee.traffic_track.looks_at(sub.path)
        conclude(w, sub, True)
    else:
        dispatch(w, sub, pair)


def open_circuit(pair: Pair, t: float) -> bool:
    """Whether the breaker of a pair stops a call now; one call may probe a circuit that was open long enough."""
    if pair.set_breaker is not None:
        return pair.set_breaker > 0.5
    if pair.circuit == "open" and t >= pair.open_until:
        pair.circuit = "probing"
        return False
    return pair.circuit != "closed"


def dispatch(w: Twin, sub: Call, pair: Pair) -> None:
    """Send an awaited call over a connection of its pair; wait for one when all are in use."""
    t, track, inside = w.now, pair.pool, pair.set_pool
    watch(w, sub, pair)
    if track is not None:
        track.looks_at(sub.path)
        sub.path |= track.bit
    if track is not None and track.held is not None:
        sub.no_connection = True
        w.give(*track.held.due(sub.key, t), "launch", sub)
        return
    if inside is not None:
        sub.no_connection, sub.state = True, "held"
        w.plan(t + max(0.0, inside - pair.connections + 1.0) * pair.callee.usual / pair.connections, "launch", sub)
        return
    if track is not None:
        track.asks(sub.key, t)
    if pair.in_use < pair.connections:
        pair.in_use += 1
        if track is not None:
            track.gets(sub.key, t, w.tracks.next_rank())
        send(w, sub)
        return
    sub.state = "connection"
    pair.line.append(sub)


def launch(w: Twin, sub: Call) -> None:
    """A call has its imagined connection; it is sent if it is still wanted."""
    if sub.attached:
        send(w, sub)


def release_connection(w: Twin, sub: Call, pair: Pair, path: int) -> None:
    """Give a call's connection to the next in line that is still wanted, or close it."""
    track = pair.pool
    if track is not None:
        track.looks_at(path)
        track.loses(sub.key, w.now)
    while pair.line:
        following = pair.line.popleft()
        if following.deadline <= w.now:
            following.state = "lost"  # gives up at this very moment, so it is not sent
        if following.state != "lost":
            if track is not None:
                track.gets(following.key, w.now, w.tracks.next_rank())
            send(w, following)
            return
    pair.in_use -= 1


def send(w: Twin, sub: Call) -> None:
    """Put a call on the wire to its service; lost packets come again after a time-out that doubles."""
    assert sub.outgoing is not None
    pair, key = sub.outgoing.pair, sub.key
    sub.sent, sub.state = w.now, "wire"
    delay = pair.network * (0.5 + uniform(key, Draw.NETWORK)) + pair.pair_delay
    loss = 1.0 - (1.0 - pair.pair_loss) * (1.0 - pair.callee.knobs.loss) * (1.0 - pair.caller.knobs.loss)
    if loss > 0.0:
        wait, chance = w.physics.resend_s, uniform(key, Draw.LOSS)
        for _ in range(8):
            if chance >= loss:
                break
            delay += wait
            wait *= 2.0
            chance /= loss
    if pair.outage > 0.0 and uniform(key, Draw.OUTAGE) < pair.outage:
        if sub.attached:
            sub.state, sub.failed = "ghost", True
            w.plan(w.now + delay, "reply", sub)
        return
    w.plan(w.now + delay, "arrive", sub)


def watch(w: Twin, sub: Call, pair: Pair) -> None:
    """Set the time-out of a call: the last of its pair's, since all of a pair have the same."""
    sub.deadline = w.now + pair.timeout
    if sub.deadline < math.inf:
        pair.watched[sub.key] = sub
        if len(pair.watched) == 1 and not pair.armed:
            pair.armed = True
            w.plan(sub.deadline, "timer", pair)


def hand_over_watch(call: Call, ghost: Call) -> None:
    """Put a ghost in a call's place among those that are watched."""
    assert call.outgoing is not None
    ghost.deadline = call.deadline
    if call.deadline < math.inf:
        call.outgoing.pair.watched[call.key] = ghost


def time_out(w: Twin, pair: Pair) -> None:
    """Give up on a pair's call whose time is over, one an event, and look again when the next one's is."""
    sub = next(iter(pair.watched.values()), None)
    if sub is not None and sub.deadline <= w.now:
        del pair.watched[sub.key]
        ghost = stand_in(sub)
        ghost.failed = ghost.no_watch = True
        if sub.state in ("connection", "lost"):
            sub.state, ghost.no_connection = "lost", True
            pair.callee.traffic_track.looks_at(sub.path)
        w.then(answer, ghost)
        sub = next(iter(pair.watched.values()), None)
    pair.armed = sub is not None
    if sub is not None:
        w.plan(max(w.now, sub.deadline), "timer", pair)


# -- the answer ----------------------------------------------------------------------------------------------------------


def finish(w: Twin, call: Call) -> None:
    """A call is done: its thread goes to the next, its answer leaves, at once or as late as a fault holds it."""
    s, replica = call.operation.service, call.replica
    assert replica is not None
    call.failed = outcome(call, s)
    if not call.no_thread:
        release_thread(w, call, replica)
    call.state = "held"
    if s.knobs.delay > 0.0:
        leave(call)
        w.plan(w.now + s.knobs.delay, "reply", call)
    else:
        w.then(answer, call)


def leave(call: Call) -> None:
    """A call is no longer inside its replica."""
    if call.replica is not None:
        call.replica.inside.pop(call, None)
        call.replica = None


def outcome(call: Call, s: Service) -> bool:
    """Whether a call fails: by what it called, by itself, or as do() sets it."""
    chance = uniform(call.key, Draw.ERROR)
    if s.knobs.set_errors is not None:
        return chance < s.knobs.set_errors
    own = 1.0 - (1.0 - s.design.errors) * (1.0 - s.knobs.fault_errors)
    return chance < own or call.failed


def reply(w: Twin, call: Call) -> None:
    """An answer that was held leaves now; a stand-in answers as do() or a tape says, or as the service answered last."""
    if call.state == "ghost" and not call.failed:
        s = call.operation.service
        if s.errors_track.held is not None:
            call.failed = bool(s.errors_track.held.of_call(call.key))
        elif s.knobs.set_errors is not None:
            call.failed = uniform(call.key, Draw.ERROR) < s.knobs.set_errors
        else:
            call.failed = s.erred_last
    w.then(answer, call)


def answer(w: Twin, call: Call) -> None:
    """A call's answer leaves: it is counted, and the caller that awaits it hears of it, to try again or to go on."""
    s, failed, out = call.operation.service, call.failed, call.outgoing
    if call.state != "ghost":
        count(w, call, s)
        if s.errors_track.held is not None:
            failed = bool(s.errors_track.held.of_call(call.key))
    leave(call)
    if not call.attached:
        return
    assert out is not None and call.parent is not None
    pair = out.pair
    if not call.no_watch:
        pair.watched.pop(call.key, None)
    call.path |= s.latency_track.bit
    call.why |= s.errors_track.bit
    if pair.timeout < math.inf:
        call.why |= s.latency_track.bit | (0 if pair.pool is None else pair.pool.bit)
    if not call.no_connection:
        release_connection(w, call, pair, call.path)
    if pair.trip < math.inf:
        learn(w, call, pair, failed)
    if pair.retries > 0:
        call.path |= call.why
    if failed and call.attempt < pair.retries:
        try_again(w, call)
    else:
        conclude(w, call, failed)


def count(w: Twin, call: Call, s: Service) -> None:
    """Count an answer: its latency in its bucket, its failure."""
    t, latency = w.now, w.now - call.sent
    s.latency_track.looks_at(call.met)
    s.errors_track.looks_at(call.met | call.met_failing)
    s.latency_track.tape.calls[call.key] = (call.sent, t, w.tracks.next_rank())
    s.latency_track.moves.append((call.key, latency))
    s.errors_track.tape.calls[call.key] = call.failed
    if call.failed:
        s.errors_track.moves.append((t, call.key))
    s.answers += 1
    s.errors += call.failed
    s.erred_last, s.latency_last = call.failed, latency
    s.latency_sum += latency
    s.buckets[w.bucket(latency)] += 1
    if call.traced:
        w.note_span(call)


def learn(w: Twin, sub: Call, pair: Pair, failed: bool) -> None:
    """Let the breaker of a pair learn from an answer: it opens when the recent share of failures is too high."""
    assert pair.breaker is not None
    pair.breaker.looks_at(sub.path | sub.why)
    pair.failures += w.physics.breaker_memory * (failed - pair.failures)
    pair.seen += 1
    trips = pair.circuit == "closed" and pair.seen >= w.physics.breaker_least and pair.failures > pair.trip
    if trips or (pair.circuit == "probing" and failed):
        pair.circuit, pair.open_until = "open", w.now + pair.open_for
    elif pair.circuit == "probing":
        pair.circuit, pair.failures, pair.seen = "closed", 0.0, 0
    pair.breaker.moves.append((w.now, -1, pair.failures))


def try_again(w: Twin, sub: Call) -> None:
    """Plan the next attempt of a call after a back-off that doubles and jitters."""
    parent, out = sub.parent, sub.outgoing
    assert parent is not None and out is not None
    attempt = sub.attempt + 1
    again = Call(
        child(parent.key, out.place * 64 + attempt), sub.operation, parent, out, attempt, attached=True, traced=sub.traced
    )
    again.parent_key, again.request_key = parent.key, parent.request_key
    again.path, again.why, again.state = sub.path, sub.why, "pause"
    wait = out.pair.backoff * 2.0 ** (attempt - 1) * (0.5 + uniform(again.key, Draw.BACKOFF))
    w.plan(w.now + wait, "retry", again)


def conclude(w: Twin, sub: Call, failed: bool) -> None:
    """An awaited call is over for good; its caller goes on when it was the last awaited."""
    parent = sub.parent
    assert parent is not None and sub.outgoing is not None
    parent.met_soon |= sub.path
    if sub.outgoing.made.required:
        parent.met_failing |= sub.why
        parent.failed |= failed
    parent.pending -= 1
    if parent.pending == 0:
        w.then(advance, parent)
