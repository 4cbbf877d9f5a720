"""Between a caller and a callee: the wire, connections, time-outs and breakers.

``w`` is the list of :func:`~causaldisc.kernels.requests_world.addresses`, ``t`` the time, ``i`` a call, ``e`` a pair.
"""

from __future__ import annotations

import math

from causaldisc.kernels import requests_world as x
from causaldisc.kernels.bits import uniform
from causaldisc.kernels.inner import inner
from causaldisc.kernels.requests_slots import free, join, later, leave


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
def tie(w, e, earlier, after, follows, leads):
    """On a pair's list of time-outs, let ``follows`` come after one call and ``leads`` before another; no call is an end."""
    if earlier == x.NONE:
        x.pair(w)[e, x.TIMED_HEAD] = follows
    else:
        x.call(w)[earlier, x.LATER] = follows
    if after == x.NONE:
        x.pair(w)[e, x.TIMED_TAIL] = leads
    else:
        x.call(w)[after, x.EARLIER] = leads


@inner(forceinline=True, _nrt=False)
def unwatch(w, i, e):
    """Take a call off its pair's list of time-outs, if it is on it: the pair may have got or lost its time-out since."""
    if not x.callf(w)[i, x.DEADLINE] < math.inf:
        return
    earlier, after = x.call(w)[i, x.EARLIER], x.call(w)[i, x.LATER]
    tie(w, e, earlier, after, after, earlier)


@inner(forceinline=True, _nrt=False)
def hand_over_watch(w, i, g, e):
    """Put a call in another's place on its pair's list of time-outs."""
    x.callf(w)[g, x.DEADLINE] = x.callf(w)[i, x.DEADLINE]
    if not x.callf(w)[i, x.DEADLINE] < math.inf:
        return
    earlier, after = x.call(w)[i, x.EARLIER], x.call(w)[i, x.LATER]
    x.call(w)[g, x.EARLIER], x.call(w)[g, x.LATER] = earlier, after
    tie(w, e, earlier, after, g, g)


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
    join(w, i, x.pair(w), e, x.POOL_HEAD, x.POOL_TAIL)


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
        if x.pair(w)[e, x.POOL_HEAD] == x.NONE:
            x.pair(w)[e, x.IN_USE] -= 1
            return
        i = leave(w, x.pair(w), e, x.POOL_HEAD, x.POOL_TAIL)
        if x.call(w)[i, x.STATE] == x.LOST:
            free(w, i)
            continue
        if x.callf(w)[i, x.DEADLINE] <= t:  # gives up at this very moment, so it is not sent
            x.call(w)[i, x.STATE] = x.LOST
            continue
        end_pool_wait(w, e, t - x.callf(w)[i, x.SINCE])
        send(w, i, t)
        return
