"""The twin's calls between services: sent, awaited, given up, answered, tried again.

Each function is one step at the time ``w.now``; what follows at once is left on the stack ``w.todo``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from causaldisc.sources._system.twin_draws import Draw, child, uniform
from causaldisc.sources._system.twin_parts import Call, Outgoing, Pair, Service

if TYPE_CHECKING:
    from causaldisc.sources._system.twin import Twin

# -- calling -------------------------------------------------------------------------------------------------------------


def advance(w: Twin, call: Call) -> None:
    """A call goes on: its next stage of calls; after the last, or a failure, the rest of its work; then its answer."""
    calls = call.operation.calls
    call.met |= call.met_soon
    while call.position < len(calls):
        if any(made.made.waits for made in calls[call.position :]):
            call.met |= call.met_failing  # whether it failed decides what it still waits for
        if call.failed:
            break
        stage = calls[call.position].made.stage
        call.pending = 1  # so that no answer at once lets the call go on before all of the stage are out
        call.met_soon, path = 0, call.met | call.met_failing
        while call.position < len(calls) and calls[call.position].made.stage == stage:
            issue(w, call, calls[call.position], path)
            call.position += 1
        call.pending -= 1
        if call.pending > 0:
            call.state = "calls"
            return
        call.met |= call.met_soon
    call.position = len(calls)
    if call.rest > 0.0:
        call.work, call.rest = call.rest, 0.0
        w.then("want_core", call)
    else:
        w.then("finish", call)


def issue(w: Twin, call: Call, made: Outgoing, path: int) -> None:
    """Make one of an operation's calls: perhaps not at all, perhaps spared by the cache."""
    key, s = child(call.key, made.place * 64), call.operation.service
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
            track.gets(sub.key, t)
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
                track.gets(following.key, w.now)
                track.goes(following.key, w.tracks.next_rank())
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
        w.then("answer", ghost)
        sub = next(iter(pair.watched.values()), None)
    pair.armed = sub is not None
    if sub is not None:
        w.plan(max(w.now, sub.deadline), "timer", pair)


# -- the answer ----------------------------------------------------------------------------------------------------------


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
    w.then("answer", call)


def answer(w: Twin, call: Call) -> None:
    """A call's answer leaves: it is counted, and the caller that awaits it hears of it, to try again or to go on."""
    s, failed, out = call.operation.service, call.failed, call.outgoing
    if call.state != "ghost":
        count(w, call, s)
        if s.errors_track.held is not None:
            failed = bool(s.errors_track.held.of_call(call.key))
    call.leave()
    if not call.attached:
        return
    assert out is not None and call.parent is not None
    pair = out.pair
    if not call.no_watch:
        pair.watched.pop(call.key, None)
    call.path |= s.latency_track.bit
    if not call.no_watch:  # it was not given up
        call.why |= s.errors_track.bit
    if pair.timeout < math.inf:
        call.why |= s.latency_track.bit | (0 if pair.pool is None else pair.pool.bit)
    if not call.no_connection:
        release_connection(w, call, pair, call.path)
    if pair.trip < math.inf:
        learn(w, call, pair, failed)
    if pair.retries > 0:
        call.path |= call.why
    if call.attempt < pair.retries:  # whether it is made again depends on all this, also where it is not
        for track in (s.traffic_track, pair.pool, pair.breaker):
            if track is not None:
                track.looks_at(call.path)
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
        w.then("advance", parent)


# -- ghosts ----------------------------------------------------------------------------------------------------------------


def stand_in(call: Call) -> Call:
    """Give what a call owes its caller to a ghost; the call itself goes on, owing nothing."""
    ghost = Call(call.key, call.operation, call.parent, call.outgoing, call.attempt, attached=True, traced=call.traced)
    ghost.no_connection, ghost.no_watch = call.no_connection, call.no_watch
    ghost.sent, ghost.state, ghost.path, ghost.why = call.sent, "ghost", call.path, call.why
    call.attached, call.parent = False, None
    return ghost


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
