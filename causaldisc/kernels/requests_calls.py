"""The life of a call: sent, admitted, worked on, its own calls made and awaited, answered.

Each function is one step. What follows at once it returns (``NOTHING``, or a step of the same call) or leaves on the list
``todo``, so that no step calls itself. ``w`` is the list of :func:`~causaldisc.kernels.requests_world.addresses`, ``t`` the time,
``i`` a call.
"""

from __future__ import annotations

from causaldisc.kernels import requests_world as x
from causaldisc.kernels.bits import child, uniform
from causaldisc.kernels.buckets import bucket_of
from causaldisc.kernels.inner import inner
from causaldisc.kernels.requests_pairs import dispatch, hand_over_watch, learn, open_circuit, release_connection, send, unwatch
from causaldisc.kernels.requests_slots import fill, free, join, later, name, take, then
from causaldisc.kernels.requests_work import release_thread, settle


@inner(forceinline=True, _nrt=False)
def replica_for(w, i, s):
    """One of the replicas that take calls, each with the same chance; -1 when there is none."""
    up = x.service(w)[s, x.ANSWERING]
    if up == 0:
        return x.NONE
    first = x.service(w)[s, x.FIRST_REPLICA]
    wanted = 0
    if up > 1:
        wanted = int(uniform(x.key(w)[i, 0], x.D_REPLICA) * up)
    r = first
    while True:
        if x.replica(w)[r, x.UP] == 1:
            if wanted == 0:
                return r
            wanted -= 1
        r += 1


@inner(forceinline=True, _nrt=False)
def stand_in(w, i):
    """Give what a call owes its caller to another slot; the call itself goes on, owing nothing."""
    g = take(w)
    fill(
        w,
        g,
        x.call(w)[i, x.OPERATION],
        x.key(w)[i, 0],
        x.call(w)[i, x.PARENT],
        x.call(w)[i, x.SPEC],
        x.call(w)[i, x.ATTEMPT],
        1,
        x.call(w)[i, x.FLAGS],
    )
    x.callf(w)[g, x.SENT] = x.callf(w)[i, x.SENT]
    x.call(w)[g, x.STATE] = x.GHOST
    x.call(w)[i, x.ATTACHED] = 0
    x.call(w)[i, x.PARENT] = x.NONE
    return g


@inner(forceinline=True, _nrt=False)
def arrive(w, i, t):
    """A call reaches its service: a replica is chosen, and a thread taken, waited for, or refused."""
    s = x.op(w)[x.call(w)[i, x.OPERATION], x.OP_SERVICE]
    traffic = x.knob(w)[s, x.SET_TRAFFIC]
    if traffic == traffic and not x.call(w)[i, x.FLAGS] & x.SYNTHETIC:
        if x.call(w)[i, x.ATTACHED] == 1:
            x.call(w)[i, x.STATE] = x.GHOST
            held = x.knob(w)[s, x.SET_LATENCY]
            later(w, t + (held if held == held else x.servicef(w)[s, x.LATENCY_LAST]), x.REPLY, i)
        else:
            free(w, i)
        return x.NOTHING
    x.service(w)[s, x.ARRIVALS] += 1
    x.registers(w)[x.ARRIVED] += 1
    held = x.knob(w)[s, x.SET_LATENCY]
    if held == held and x.call(w)[i, x.ATTACHED] == 1:
        e = x.spec(w)[x.call(w)[i, x.SPEC], x.SPEC_PAIR]
        g = stand_in(w, i)
        hand_over_watch(w, i, g, e)
        later(w, max(t, x.callf(w)[i, x.SENT] + held), x.REPLY, g)
    r = replica_for(w, i, s)
    if r == x.NONE:
        x.deed(w)[s, x.UNSERVED] += 1.0
        x.call(w)[i, x.FAILED] = 1
        return x.ANSWER
    x.call(w)[i, x.REPLICA] = r
    inside = x.knob(w)[s, x.SET_QUEUE]
    if inside == inside:
        threads = float(x.service(w)[s, x.THREADS]) * x.service(w)[s, x.ANSWERING]
        wait = max(0.0, inside - threads + 1.0) * x.servicef(w)[s, x.USUAL] / threads
        x.deed(w)[s, x.WAITED_THREAD] += wait
        x.call(w)[i, x.FLAGS] |= x.NO_THREAD
        x.call(w)[i, x.STATE] = x.HELD
        later(w, t + wait, x.BEGIN, i)
    elif x.replica(w)[r, x.BUSY] < x.service(w)[s, x.THREADS]:
        settle(w, r, t)
        x.replica(w)[r, x.BUSY] += 1
        return x.START
    elif x.replica(w)[r, x.QUEUED] < x.service(w)[s, x.QUEUE_LIMIT]:
        settle(w, r, t)
        x.replica(w)[r, x.QUEUED] += 1
        x.call(w)[i, x.STATE] = x.THREAD
        x.callf(w)[i, x.SINCE] = t
        join(w, i, x.replica(w), r, x.QUEUE_HEAD, x.QUEUE_TAIL)
    else:
        x.deed(w)[s, x.REFUSED] += 1.0
        x.call(w)[i, x.FAILED] = 1
        return x.ANSWER
    return x.NOTHING


@inner(forceinline=True, _nrt=False)
def attempt_call(w, i, e, t):
    """Make an awaited call, unless the circuit is open."""
    if open_circuit(w, e, t):
        x.pair_deed(w)[e, x.CUT] += 1.0
        spec, parent = x.call(w)[i, x.SPEC], x.call(w)[i, x.PARENT]
        free(w, i)
        conclude(w, parent, spec, 1)
    else:
        dispatch(w, i, e, t)


@inner(forceinline=True, _nrt=False)
def conclude(w, parent, spec, failed):
    """An awaited call is over for good; its caller goes on when it was the last awaited."""
    if failed == 1 and x.spec(w)[spec, x.SPEC_REQUIRED] == 1:
        x.call(w)[parent, x.FAILED] = 1
        x.pair_deed(w)[x.spec(w)[spec, x.SPEC_PAIR], x.SPOILT] += 1.0
    x.call(w)[parent, x.PENDING] -= 1
    if x.call(w)[parent, x.PENDING] == 0:
        then(w, x.ADVANCE, parent)


@inner(forceinline=True, _nrt=False)
def issue(w, i, spec, t):
    """Make one of an operation's calls: perhaps not at all, perhaps spared by the cache."""
    op = x.call(w)[i, x.OPERATION]
    number = (spec - x.op(w)[op, x.OP_FIRST]) * 64
    key = child(x.key(w)[i, 0], number)
    if x.specf(w)[spec, x.SPEC_PROBABILITY] < 1.0 and uniform(key, x.D_MAKE) >= x.specf(w)[spec, x.SPEC_PROBABILITY]:
        return
    s = x.op(w)[op, x.OP_SERVICE]
    if x.specf(w)[spec, x.SPEC_HIT] > 0.0 and uniform(key, x.D_HIT) < x.specf(w)[spec, x.SPEC_HIT] * x.servicef(w)[s, x.WARM]:
        x.deed(w)[s, x.SPARED] += 1.0
        return
    k = take(w)
    waits = x.spec(w)[spec, x.SPEC_WAITS]
    fill(w, k, x.spec(w)[spec, x.SPEC_OP], key, i if waits == 1 else x.NONE, spec, 0, waits, x.call(w)[i, x.FLAGS] & x.TRACED)
    name(w, k, i)
    if waits == 0:
        send(w, k, t)
        return
    x.call(w)[i, x.PENDING] += 1
    attempt_call(w, k, x.spec(w)[spec, x.SPEC_PAIR], t)


@inner(forceinline=True, _nrt=False)
def advance(w, i, t):
    """A call goes on: its next stage of calls; after the last, or a failure, the rest of its work; then its answer."""
    op = x.call(w)[i, x.OPERATION]
    last = x.op(w)[op, x.OP_LAST]
    while x.call(w)[i, x.POSITION] < last and x.call(w)[i, x.FAILED] == 0:
        spec = x.call(w)[i, x.POSITION]
        stage = x.spec(w)[spec, x.SPEC_STAGE]
        x.call(w)[i, x.PENDING] = 1  # so that no answer at once lets the call go on before all of the stage are out
        while spec < last and x.spec(w)[spec, x.SPEC_STAGE] == stage:
            issue(w, i, spec, t)
            spec += 1
        x.call(w)[i, x.POSITION] = spec
        x.call(w)[i, x.PENDING] -= 1
        if x.call(w)[i, x.PENDING] > 0:
            x.call(w)[i, x.STATE] = x.CALLS
            return x.NOTHING
    if x.call(w)[i, x.POSITION] < last:
        x.deed(w)[x.op(w)[op, x.OP_SERVICE], x.SKIPPED] += 1.0
        x.call(w)[i, x.POSITION] = last
    rest = x.callf(w)[i, x.REST]
    if rest > 0.0:
        x.callf(w)[i, x.REST] = 0.0
        x.callf(w)[i, x.BEGUN] = rest
        return x.WANT_CORE
    return finish(w, i, t)


@inner(forceinline=True, _nrt=False)
def note_span(w, i, failed, t):
    """Keep the span of a traced call."""
    n = x.registers(w)[x.SPANS]
    x.registers(w)[x.SPANS] = n + 1
    if n >= x.span_time_rows(w):
        return
    for k in range(3):
        x.span_key(w)[n, k] = x.key(w)[i, k]
    x.span(w)[n, 0], x.span(w)[n, 1], x.span(w)[n, 2] = x.call(w)[i, x.OPERATION], x.call(w)[i, x.REPLICA], x.call(w)[i, x.SPEC]
    x.span(w)[n, 3], x.span(w)[n, 4] = x.call(w)[i, x.ATTEMPT], failed
    x.span_time(w)[n, 0], x.span_time(w)[n, 1] = x.callf(w)[i, x.SENT], t


@inner(forceinline=True, _nrt=False)
def count(w, s, latency, failed):
    """Count an answer: its latency in its bucket, its failure."""
    x.service(w)[s, x.ANSWERS] += 1
    x.service(w)[s, x.ERRORS] += failed
    x.service(w)[s, x.ERRED_LAST] = failed
    x.servicef(w)[s, x.LATENCY_SUM] += latency
    x.servicef(w)[s, x.LATENCY_LAST] = latency
    x.buckets(w)[s, bucket_of(latency, x.bounds(w), x.bins(w), x.bins_rows(w))] += 1


@inner(forceinline=True, _nrt=False)
def answer(w, i, t):
    """A call's answer leaves: it is counted, and the caller that awaits it hears of it, to try again or to go on."""
    failed = x.call(w)[i, x.FAILED]
    op, parent, spec, attempt = x.call(w)[i, x.OPERATION], x.call(w)[i, x.PARENT], x.call(w)[i, x.SPEC], x.call(w)[i, x.ATTEMPT]
    flags, attached, sent = x.call(w)[i, x.FLAGS], x.call(w)[i, x.ATTACHED], x.callf(w)[i, x.SENT]
    if x.call(w)[i, x.STATE] != x.GHOST:
        count(w, x.op(w)[op, x.OP_SERVICE], t - sent, failed)
        if flags & x.TRACED:
            note_span(w, i, failed, t)
    if attached == 0:
        free(w, i)
        return
    e = x.spec(w)[spec, x.SPEC_PAIR]
    if not flags & x.NO_WATCH:
        unwatch(w, i, e)
    if not flags & x.NO_CONNECTION:
        release_connection(w, e, t)
    free(w, i)
    x.pair_deed(w)[e, x.CALLEE_SECONDS] += t - sent
    x.pair_deed(w)[e, x.FAILED_TRIES] += failed
    learn(w, e, failed, t)
    if failed == 1 and attempt < x.pair(w)[e, x.RETRIES]:
        try_again(w, parent, spec, op, attempt + 1, flags & x.TRACED, t)
    else:
        conclude(w, parent, spec, failed)


@inner(forceinline=True, _nrt=False)
def try_again(w, parent, spec, op, attempt, flags, t):
    """Plan the next attempt of a call after a back-off that doubles and jitters."""
    e = x.spec(w)[spec, x.SPEC_PAIR]
    k = take(w)
    number = (spec - x.op(w)[x.call(w)[parent, x.OPERATION], x.OP_FIRST]) * 64 + attempt
    fill(w, k, op, child(x.key(w)[parent, 0], number), parent, spec, attempt, 1, flags)
    name(w, k, parent)
    x.call(w)[k, x.STATE] = x.PAUSE
    wait = x.pairf(w)[e, x.BACKOFF] * 2.0 ** (attempt - 1) * (0.5 + uniform(x.key(w)[k, 0], x.D_BACKOFF))
    x.pair_deed(w)[e, x.RETRIED] += 1.0
    x.pair_deed(w)[e, x.BACKED_OFF] += wait
    later(w, t + wait, x.RETRY, k)


@inner(forceinline=True, _nrt=False)
def outcome(w, i, s):
    """Whether a call fails: by what it called, by itself, or as do() sets it."""
    set_to = x.knob(w)[s, x.SET_ERRORS]
    if set_to == set_to:
        return 1 if uniform(x.key(w)[i, 0], x.D_ERROR) < set_to else 0
    own = 1.0 - (1.0 - x.servicef(w)[s, x.OWN_ERRORS]) * (1.0 - x.knob(w)[s, x.FAULT_ERRORS])
    if own > 0.0 and uniform(x.key(w)[i, 0], x.D_ERROR) < own:
        x.deed(w)[s, x.OWN_FAILURES] += 1.0
        return 1
    return x.call(w)[i, x.FAILED]


@inner(forceinline=True, _nrt=False)
def finish(w, i, t):
    """A call is done: its thread goes to the next, its answer leaves, at once or as late as a fault holds it."""
    s = x.op(w)[x.call(w)[i, x.OPERATION], x.OP_SERVICE]
    x.call(w)[i, x.FAILED] = outcome(w, i, s)
    if not x.call(w)[i, x.FLAGS] & x.NO_THREAD:
        release_thread(w, x.call(w)[i, x.REPLICA], t)
    hold = x.knob(w)[s, x.DELAY]
    x.call(w)[i, x.STATE] = x.HELD
    if hold > 0.0:
        x.call(w)[i, x.REPLICA] = x.NONE
        later(w, t + hold, x.REPLY, i)
        return x.NOTHING
    return x.ANSWER


@inner(forceinline=True, _nrt=False)
def reply(w, i, t):
    """An answer that was held leaves now; a stand-in answers as do() says, or as the service answered last."""
    if x.call(w)[i, x.STATE] == x.GHOST and x.call(w)[i, x.FAILED] == 0:
        s = x.op(w)[x.call(w)[i, x.OPERATION], x.OP_SERVICE]
        set_to = x.knob(w)[s, x.SET_ERRORS]
        if set_to == set_to:
            x.call(w)[i, x.FAILED] = 1 if uniform(x.key(w)[i, 0], x.D_ERROR) < set_to else 0
        else:
            x.call(w)[i, x.FAILED] = x.service(w)[s, x.ERRED_LAST]
    return x.ANSWER
