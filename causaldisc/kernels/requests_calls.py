"""The life of a call: sent, admitted, worked on, its own calls made and awaited, answered.

Each function is one step; what follows at once is left on the list ``todo``, so that no step calls itself. ``w`` is the list
of :func:`~causaldisc.kernels.requests_world.addresses`, ``t`` the time, ``i`` a call.
"""

from __future__ import annotations

import math

from causaldisc.kernels import requests_world as x
from causaldisc.kernels.agenda import SUBJECT_BITS, plan
from causaldisc.kernels.bits import child, exponential, uniform
from causaldisc.kernels.inner import inner


@inner(forceinline=True, _nrt=False)
def later(w, time, kind, subject):
    """Put an event on the agenda."""
    plan(x.times(w), x.codes(w), x.registers(w), time, kind, subject)


@inner(forceinline=True, _nrt=False)
def then(w, step, i):
    """Leave a step of a call to be done at once, after this one."""
    n = x.registers(w)[x.TODO]
    x.todo(w)[n] = (step << SUBJECT_BITS) | i
    x.registers(w)[x.TODO] = n + 1


@inner(forceinline=True, _nrt=False)
def take(w):
    """Take an empty slot for a call; there is one, since the loop made sure before the event."""
    i = x.registers(w)[x.FREE]
    x.registers(w)[x.FREE] = x.call(w)[i, x.NEXT]
    x.registers(w)[x.LIVE] += 1
    if x.registers(w)[x.LIVE] > x.registers(w)[x.PEAK]:
        x.registers(w)[x.PEAK] = x.registers(w)[x.LIVE]
    return i


@inner(forceinline=True, _nrt=False)
def free(w, i):
    """Give a slot back."""
    x.call(w)[i, x.STATE] = x.EMPTY
    x.call(w)[i, x.NEXT] = x.registers(w)[x.FREE]
    x.registers(w)[x.FREE] = i
    x.registers(w)[x.LIVE] -= 1


@inner(forceinline=True, _nrt=False)
def fill(w, i, op, key, parent, spec, attempt, attached, flags):
    """Write a new call into a slot."""
    x.call(w)[i, x.OPERATION] = op
    x.call(w)[i, x.REPLICA] = x.NONE
    x.call(w)[i, x.PARENT] = parent
    x.call(w)[i, x.SPEC] = spec
    x.call(w)[i, x.ATTEMPT] = attempt
    x.call(w)[i, x.PENDING] = 0
    x.call(w)[i, x.FAILED] = 0
    x.call(w)[i, x.NEXT] = x.NONE
    x.call(w)[i, x.EARLIER] = x.NONE
    x.call(w)[i, x.LATER] = x.NONE
    x.call(w)[i, x.ATTACHED] = attached
    x.call(w)[i, x.LOCK] = x.NONE
    x.call(w)[i, x.FLAGS] = flags
    x.key(w)[i, 0] = key
    x.callf(w)[i, x.HOLD] = 0.0


@inner(forceinline=True, _nrt=False)
def name(w, i, parent):
    """Remember whose call it is, and of which users' request."""
    x.key(w)[i, 1], x.key(w)[i, 2] = x.key(w)[parent, 0], x.key(w)[parent, 2]


@inner(forceinline=True, _nrt=False)
def settle(w, r, t):
    """Bring the areas under a replica's calls inside and in line up to now, before one of the two changes."""
    since = t - x.replicaf(w)[r, x.SETTLED]
    if since == 0.0:
        return
    x.replicaf(w)[r, x.SETTLED] = t
    x.replicaf(w)[r, x.QUEUE_AREA] += since * x.replica(w)[r, x.QUEUED]
    x.replicaf(w)[r, x.THREAD_AREA] += since * x.replica(w)[r, x.BUSY]


@inner(forceinline=True, _nrt=False)
def settle_cores(w, r, t):
    """Bring the area under a replica's busy cores up to now, before their number changes."""
    since = t - x.replicaf(w)[r, x.CORES_SETTLED]
    x.replicaf(w)[r, x.CORES_SETTLED] = t
    x.replicaf(w)[r, x.CORE_AREA] += since * x.replica(w)[r, x.RUNNING]


# -- work ----------------------------------------------------------------------------------------------------------------


@inner(forceinline=True, _nrt=False)
def work(w, i, r, t):
    """Let a call work: it ends after its demand, stretched by the replica's slowness and by a pause that it meets."""
    demand = x.callf(w)[i, x.BEGUN]
    s = x.replica(w)[r, x.SERVICE]
    length = demand * x.replicaf(w)[r, x.SLOW]
    x.deed(w)[s, x.STRETCHED] += length - demand
    pause_from, pause_to = x.replicaf(w)[r, x.PAUSE_FROM], x.replicaf(w)[r, x.PAUSE_TO]
    if t < pause_to and t + length > pause_from:
        stop = pause_to - max(t, pause_from)
        x.deed(w)[s, x.PAUSED] += stop
        length += stop
    x.call(w)[i, x.STATE] = x.WORK
    later(w, t + length, x.SEGMENT, i)


@inner(forceinline=True, _nrt=False)
def erlang_c(servers, use):
    """Share of newcomers that wait in an M/M/c queue of that utilisation (0..1)."""
    blocked = 1.0
    for k in range(1, servers + 1):
        load = use * servers * blocked
        blocked = load / (k + load)
    return blocked / (1.0 - use * (1.0 - blocked))


@inner(_nrt=False)
def imagined_wait(w, i, s, use):
    """Wait for a core at the utilisation that do() sets, drawn as in an M/M/c queue."""
    bounded = min(max(use, 0.0), 0.99)
    cores = x.service(w)[s, x.CORES]
    if uniform(x.key(w)[i, 0], x.D_CHANCE) >= erlang_c(cores, bounded):
        return 0.0
    return exponential(x.key(w)[i, 0], x.D_WAIT) * x.servicef(w)[s, x.NOMINAL] / (cores * (1.0 - bounded))


@inner(forceinline=True, _nrt=False)
def want_core(w, i, t):
    """Ask for a core of the replica for a stretch of work; wait in line when all are busy."""
    r = x.call(w)[i, x.REPLICA]
    s = x.replica(w)[r, x.SERVICE]
    demand = x.callf(w)[i, x.BEGUN]
    use = x.knob(w)[s, x.SET_CPU]
    if use == use:
        wait = imagined_wait(w, i, s, use)
        x.deed(w)[s, x.WAITED_CORE] += wait
        x.call(w)[i, x.FLAGS] |= x.NO_CORE
        x.call(w)[i, x.STATE] = x.WORK
        later(w, t + wait + demand * x.replicaf(w)[r, x.SLOW], x.SEGMENT, i)
    elif x.replica(w)[r, x.RUNNING] < x.service(w)[s, x.CORES]:
        settle_cores(w, r, t)
        x.replica(w)[r, x.RUNNING] += 1
        work(w, i, r, t)
    else:
        x.call(w)[i, x.STATE] = x.CORE
        x.callf(w)[i, x.SINCE] = t
        tail = x.replica(w)[r, x.RUN_TAIL]
        if tail == x.NONE:
            x.replica(w)[r, x.RUN_HEAD] = i
        else:
            x.call(w)[tail, x.NEXT] = i
        x.replica(w)[r, x.RUN_TAIL] = i
        x.call(w)[i, x.NEXT] = x.NONE


@inner(forceinline=True, _nrt=False)
def release_core(w, r, t):
    """Give the core to the next in line, or leave it idle."""
    i = x.replica(w)[r, x.RUN_HEAD]
    if i == x.NONE:
        settle_cores(w, r, t)
        x.replica(w)[r, x.RUNNING] -= 1
        return
    x.replica(w)[r, x.RUN_HEAD] = x.call(w)[i, x.NEXT]
    if x.call(w)[i, x.NEXT] == x.NONE:
        x.replica(w)[r, x.RUN_TAIL] = x.NONE
    s = x.replica(w)[r, x.SERVICE]
    wait = t - x.callf(w)[i, x.SINCE]
    x.deed(w)[s, x.WAITED_CORE] += wait
    if wait >= x.settings(w)[x.LONG_S]:
        x.deed(w)[s, x.LONG_CORES] += 1.0
    work(w, i, r, t)


@inner(forceinline=True, _nrt=False)
def release_lock(w, i, t):
    """Pass the lock that a call holds to the next in line."""
    lock = x.call(w)[i, x.LOCK]
    x.call(w)[i, x.LOCK] = x.NONE
    k = x.lock(w)[lock, x.LOCK_HEAD]
    x.lock(w)[lock, x.HOLDER] = k
    if k == x.NONE:
        return
    x.lock(w)[lock, x.LOCK_HEAD] = x.call(w)[k, x.NEXT]
    if x.call(w)[k, x.NEXT] == x.NONE:
        x.lock(w)[lock, x.LOCK_TAIL] = x.NONE
    x.call(w)[k, x.LOCK] = lock
    x.deed(w)[x.op(w)[x.call(w)[k, x.OPERATION], x.OP_SERVICE], x.WAITED_LOCK] += t - x.callf(w)[k, x.SINCE]
    then(w, x.WANT_CORE, k)


@inner(forceinline=True, _nrt=False)
def want_lock(w, i, s, t):
    """Ask for the lock that a writing call needs, then for a core."""
    locks = x.service(w)[s, x.LAST_LOCK] - x.service(w)[s, x.FIRST_LOCK]
    lock = x.service(w)[s, x.FIRST_LOCK] + int(uniform(x.key(w)[i, 0], x.D_LOCK) * locks)
    if x.lock(w)[lock, x.HOLDER] == x.NONE:
        x.lock(w)[lock, x.HOLDER] = i
        x.call(w)[i, x.LOCK] = lock
        then(w, x.WANT_CORE, i)
        return
    x.call(w)[i, x.STATE] = x.LATCH
    x.callf(w)[i, x.SINCE] = t
    x.call(w)[i, x.NEXT] = x.NONE
    tail = x.lock(w)[lock, x.LOCK_TAIL]
    if tail == x.NONE:
        x.lock(w)[lock, x.LOCK_HEAD] = i
    else:
        x.call(w)[tail, x.NEXT] = i
    x.lock(w)[lock, x.LOCK_TAIL] = i


@inner(forceinline=True, _nrt=False)
def begin(w, i, t):
    """A call has its thread: draw its work, and do the first part of it."""
    op = x.call(w)[i, x.OPERATION]
    s = x.op(w)[op, x.OP_SERVICE]
    floor = x.servicef(w)[s, x.FLOOR]
    demand = x.opf(w)[op, x.OP_WORK] * x.knob(w)[s, x.WORK_GAIN]
    if floor < 1.0:
        demand *= floor + (1.0 - floor) * exponential(x.key(w)[i, 0], x.D_WORK)
    x.call(w)[i, x.POSITION] = x.op(w)[op, x.OP_FIRST]
    x.callf(w)[i, x.REST] = 0.0
    if x.op(w)[op, x.OP_FIRST] < x.op(w)[op, x.OP_LAST]:
        x.callf(w)[i, x.REST] = demand * (1.0 - x.opf(w)[op, x.OP_SHARE])
        demand *= x.opf(w)[op, x.OP_SHARE]
    x.callf(w)[i, x.BEGUN] = demand
    if x.opf(w)[op, x.OP_WRITES] > 0.0 and uniform(x.key(w)[i, 0], x.D_WRITE) < x.opf(w)[op, x.OP_WRITES]:
        want_lock(w, i, s, t)
    else:
        then(w, x.WANT_CORE, i)


# -- arrival -------------------------------------------------------------------------------------------------------------


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
        return
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
        then(w, x.ANSWER, i)
        return
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
        then(w, x.START, i)
    elif x.replica(w)[r, x.QUEUED] < x.service(w)[s, x.QUEUE_LIMIT]:
        settle(w, r, t)
        x.replica(w)[r, x.QUEUED] += 1
        x.call(w)[i, x.STATE] = x.THREAD
        x.callf(w)[i, x.SINCE] = t
        x.call(w)[i, x.NEXT] = x.NONE
        tail = x.replica(w)[r, x.QUEUE_TAIL]
        if tail == x.NONE:
            x.replica(w)[r, x.QUEUE_HEAD] = i
        else:
            x.call(w)[tail, x.NEXT] = i
        x.replica(w)[r, x.QUEUE_TAIL] = i
    else:
        x.deed(w)[s, x.REFUSED] += 1.0
        x.call(w)[i, x.FAILED] = 1
        then(w, x.ANSWER, i)


@inner(forceinline=True, _nrt=False)
def release_thread(w, r, t):
    """Give the thread to the next in line, or leave it idle."""
    settle(w, r, t)
    i = x.replica(w)[r, x.QUEUE_HEAD]
    if i == x.NONE:
        x.replica(w)[r, x.BUSY] -= 1
        return
    x.replica(w)[r, x.QUEUE_HEAD] = x.call(w)[i, x.NEXT]
    if x.call(w)[i, x.NEXT] == x.NONE:
        x.replica(w)[r, x.QUEUE_TAIL] = x.NONE
    x.replica(w)[r, x.QUEUED] -= 1
    s = x.replica(w)[r, x.SERVICE]
    wait = t - x.callf(w)[i, x.SINCE]
    x.deed(w)[s, x.WAITED_THREAD] += wait
    if wait >= x.settings(w)[x.LONG_S]:
        x.deed(w)[s, x.LONG_WAITS] += 1.0
    then(w, x.START, i)


# -- calling -------------------------------------------------------------------------------------------------------------


@inner(forceinline=True, _nrt=False)
def send(w, i, t):
    """Put a call on the wire to its service; lost packets come again after a time-out that doubles."""
    e = x.spec(w)[x.call(w)[i, x.SPEC], x.SPEC_PAIR]
    callee, caller = x.pair(w)[e, x.CALLEE], x.pair(w)[e, x.CALLER]
    x.callf(w)[i, x.SENT] = t
    x.pair_deed(w)[e, x.SENT_CALLS] += 1.0
    key = x.key(w)[i, 0]
    delay = x.pairf(w)[e, x.NETWORK] * (0.5 + uniform(key, x.D_NETWORK)) + x.pairf(w)[e, x.PAIR_DELAY]
    loss = 1.0 - (1.0 - x.pairf(w)[e, x.PAIR_LOSS]) * (1.0 - x.knob(w)[callee, x.LOSS]) * (1.0 - x.knob(w)[caller, x.LOSS])
    if loss > 0.0:
        wait, chance = x.settings(w)[x.RESEND_S], uniform(key, x.D_LOSS)
        for _ in range(8):
            if chance >= loss:
                break
            delay += wait
            wait *= 2.0
            chance /= loss
    x.call(w)[i, x.STATE] = x.WIRE
    if x.pairf(w)[e, x.OUTAGE] > 0.0 and uniform(key, x.D_OUTAGE) < x.pairf(w)[e, x.OUTAGE]:
        x.pair_deed(w)[e, x.BLOCKED] += 1.0
        if x.call(w)[i, x.ATTACHED] == 0:
            free(w, i)
            return
        x.call(w)[i, x.STATE] = x.GHOST
        x.call(w)[i, x.FAILED] = 1
        later(w, t + delay, x.REPLY, i)
        return
    later(w, t + delay, x.ARRIVE, i)


@inner(forceinline=True, _nrt=False)
def watch(w, i, e, t):
    """Set the time-out of a call: the last of its pair's list, since all of a pair have the same."""
    deadline = t + x.pairf(w)[e, x.TIMEOUT]
    x.callf(w)[i, x.DEADLINE] = deadline
    if not deadline < math.inf:
        return
    tail = x.pair(w)[e, x.TIMED_TAIL]
    x.call(w)[i, x.EARLIER], x.call(w)[i, x.LATER] = tail, x.NONE
    x.pair(w)[e, x.TIMED_TAIL] = i
    if tail == x.NONE:
        x.pair(w)[e, x.TIMED_HEAD] = i
        if x.pair(w)[e, x.ARMED] == 0:
            x.pair(w)[e, x.ARMED] = 1
            later(w, deadline, x.TIMER, e)
    else:
        x.call(w)[tail, x.LATER] = i


@inner(forceinline=True, _nrt=False)
def unwatch(w, i, e):
    """Take a call off its pair's list of time-outs, if it is on it: the pair may have got or lost its time-out since."""
    if not x.callf(w)[i, x.DEADLINE] < math.inf:
        return
    earlier, after = x.call(w)[i, x.EARLIER], x.call(w)[i, x.LATER]
    if earlier == x.NONE:
        x.pair(w)[e, x.TIMED_HEAD] = after
    else:
        x.call(w)[earlier, x.LATER] = after
    if after == x.NONE:
        x.pair(w)[e, x.TIMED_TAIL] = earlier
    else:
        x.call(w)[after, x.EARLIER] = earlier


@inner(forceinline=True, _nrt=False)
def hand_over_watch(w, i, g, e):
    """Put a call in another's place on its pair's list of time-outs."""
    x.callf(w)[g, x.DEADLINE] = x.callf(w)[i, x.DEADLINE]
    if not x.callf(w)[i, x.DEADLINE] < math.inf:
        return
    earlier, after = x.call(w)[i, x.EARLIER], x.call(w)[i, x.LATER]
    x.call(w)[g, x.EARLIER], x.call(w)[g, x.LATER] = earlier, after
    if earlier == x.NONE:
        x.pair(w)[e, x.TIMED_HEAD] = g
    else:
        x.call(w)[earlier, x.LATER] = g
    if after == x.NONE:
        x.pair(w)[e, x.TIMED_TAIL] = g
    else:
        x.call(w)[after, x.EARLIER] = g


@inner(forceinline=True, _nrt=False)
def open_circuit(w, e, t):
    """Whether the breaker of a pair stops a call now; one call may probe a circuit that was open long enough."""
    forced = x.pairf(w)[e, x.SET_BREAKER]
    if forced == forced:
        return forced > 0.5
    state = x.pair(w)[e, x.BREAKER]
    if state == x.CLOSED:
        return False
    if state == x.OPEN and t >= x.pairf(w)[e, x.OPEN_UNTIL]:
        x.pair(w)[e, x.BREAKER] = x.PROBING
        return False
    return True


@inner(forceinline=True, _nrt=False)
def learn(w, e, failed, t):
    """Let the breaker of a pair learn from an answer: it opens when the recent share of failures is too high."""
    if not x.pairf(w)[e, x.TRIP] < math.inf:
        return
    memory = x.settings(w)[x.BREAKER_MEMORY]
    state = x.pair(w)[e, x.BREAKER]
    x.pairf(w)[e, x.FAILURES] += memory * (failed - x.pairf(w)[e, x.FAILURES])
    x.pair(w)[e, x.SEEN] += 1
    trips = (
        state == x.CLOSED
        and x.pair(w)[e, x.SEEN] >= x.settings(w)[x.BREAKER_LEAST]
        and x.pairf(w)[e, x.FAILURES] > x.pairf(w)[e, x.TRIP]
    )
    if trips or (state == x.PROBING and failed == 1):
        x.pair(w)[e, x.BREAKER] = x.OPEN
        x.pairf(w)[e, x.OPEN_UNTIL] = t + x.pairf(w)[e, x.OPEN_FOR]
        x.pair_deed(w)[e, x.BROKE] += 1.0
    elif state == x.PROBING:
        x.pair(w)[e, x.BREAKER] = x.CLOSED
        x.pairf(w)[e, x.FAILURES] = 0.0
        x.pair(w)[e, x.SEEN] = 0


@inner(forceinline=True, _nrt=False)
def dispatch(w, i, e, t):
    """Send an awaited call over a connection of its pair; wait for one when all are in use."""
    watch(w, i, e, t)
    x.callf(w)[i, x.SENT] = t  # it may give up before it is sent
    inside = x.pairf(w)[e, x.SET_POOL]
    if inside == inside:
        wait = (
            max(0.0, inside - x.pair(w)[e, x.POOL] + 1.0) * x.servicef(w)[x.pair(w)[e, x.CALLEE], x.USUAL] / x.pair(w)[e, x.POOL]
        )
        x.pair_deed(w)[e, x.WAITED_POOL] += wait
        x.call(w)[i, x.FLAGS] |= x.NO_CONNECTION
        x.call(w)[i, x.STATE] = x.HELD
        later(w, t + wait, x.LAUNCH, i)
        return
    if x.pair(w)[e, x.IN_USE] < x.pair(w)[e, x.POOL]:
        x.pair(w)[e, x.IN_USE] += 1
        send(w, i, t)
        return
    x.call(w)[i, x.STATE] = x.CONNECTION
    x.callf(w)[i, x.SINCE] = t
    x.call(w)[i, x.NEXT] = x.NONE
    tail = x.pair(w)[e, x.POOL_TAIL]
    if tail == x.NONE:
        x.pair(w)[e, x.POOL_HEAD] = i
    else:
        x.call(w)[tail, x.NEXT] = i
    x.pair(w)[e, x.POOL_TAIL] = i


@inner(forceinline=True, _nrt=False)
def end_pool_wait(w, e, wait):
    """Count a wait for a connection, at whose end the call was sent or given up."""
    x.pair_deed(w)[e, x.WAITED_POOL] += wait
    x.pair_deed(w)[e, x.POOLED] += 1.0
    if wait >= x.settings(w)[x.LONG_S]:
        x.pair_deed(w)[e, x.LONG_POOLS] += 1.0


@inner(forceinline=True, _nrt=False)
def release_connection(w, e, t):
    """Give a pair's connection to the next call in line that is still wanted, or close it."""
    while True:
        i = x.pair(w)[e, x.POOL_HEAD]
        if i == x.NONE:
            x.pair(w)[e, x.IN_USE] -= 1
            return
        x.pair(w)[e, x.POOL_HEAD] = x.call(w)[i, x.NEXT]
        if x.call(w)[i, x.NEXT] == x.NONE:
            x.pair(w)[e, x.POOL_TAIL] = x.NONE
        if x.call(w)[i, x.STATE] == x.LOST:
            free(w, i)
            continue
        if x.callf(w)[i, x.DEADLINE] <= t:  # gives up at this very moment, so it is not sent
            x.call(w)[i, x.STATE] = x.LOST
            continue
        end_pool_wait(w, e, t - x.callf(w)[i, x.SINCE])
        send(w, i, t)
        return


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
            return
    if x.call(w)[i, x.POSITION] < last:
        x.deed(w)[x.op(w)[op, x.OP_SERVICE], x.SKIPPED] += 1.0
        x.call(w)[i, x.POSITION] = last
    rest = x.callf(w)[i, x.REST]
    if rest > 0.0:
        x.callf(w)[i, x.REST] = 0.0
        x.callf(w)[i, x.BEGUN] = rest
        then(w, x.WANT_CORE, i)
    else:
        finish(w, i, t)


# -- the answer ----------------------------------------------------------------------------------------------------------


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
    low, high = 0, x.bounds_rows(w)
    while low < high:
        middle = (low + high) >> 1
        if x.bounds(w)[middle] < latency:
            low = middle + 1
        else:
            high = middle
    x.buckets(w)[s, low] += 1


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
    chance = uniform(x.key(w)[i, 0], x.D_ERROR)
    if set_to == set_to:
        return 1 if chance < set_to else 0
    own = 1.0 - (1.0 - x.servicef(w)[s, x.OWN_ERRORS]) * (1.0 - x.knob(w)[s, x.FAULT_ERRORS])
    if chance < own:
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
    else:
        then(w, x.ANSWER, i)


@inner(forceinline=True, _nrt=False)
def segment_done(w, i, t):
    """A stretch of work ends: core and lock are free again, and the call goes on."""
    r = x.call(w)[i, x.REPLICA]
    s = x.replica(w)[r, x.SERVICE]
    if x.call(w)[i, x.FLAGS] & x.NO_CORE:
        x.call(w)[i, x.FLAGS] &= ~x.NO_CORE
    else:
        release_core(w, r, t)
    if x.call(w)[i, x.LOCK] != x.NONE:
        release_lock(w, i, t)
    x.servicef(w)[s, x.CPU_USED] += x.callf(w)[i, x.BEGUN]
    x.deed(w)[s, x.WORKED] += x.callf(w)[i, x.BEGUN]
    then(w, x.ADVANCE, i)


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
    then(w, x.ANSWER, i)
