"""The event loop of the request-level simulator."""

from __future__ import annotations

import numpy as np

from causaldisc.kernels import requests_world as x
from causaldisc.kernels.agenda import SIZE, SUBJECT_BITS, SUBJECTS, close_hole, kind_of, subject_of, take_first
from causaldisc.kernels.bits import child, exponential, uniform
from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner
from causaldisc.kernels.requests_calls import advance, answer, arrive, attempt_call, reply, stand_in
from causaldisc.kernels.requests_control import control, next_arrival, rate_of
from causaldisc.kernels.requests_pairs import end_pool_wait, send
from causaldisc.kernels.requests_slots import fill, free, later, take, then
from causaldisc.kernels.requests_work import begin, segment_done, want_core

DONE, MORE_CALLS = range(2)  # why a run came back


@inner(forceinline=True, _nrt=False)
def enter(w, j, t):
    """A stream's next request enters: its draws are keyed by its number in the stream."""
    x.stream(w)[j, x.STREAM_COUNT] += 1
    key = child(x.stream_key(w)[j], x.stream(w)[j, x.STREAM_COUNT])
    k, last = x.stream(w)[j, x.STREAM_FIRST], x.stream(w)[j, x.STREAM_LAST] - 1
    if k < last:
        chance = uniform(key, x.D_ENTRY)
        while k < last and chance >= x.entry_upto(w)[k]:
            k += 1
    i = take(w)
    flags = x.SYNTHETIC if j > 0 else 0
    if x.settings(w)[x.TRACE_SHARE] > 0.0 and uniform(key, x.D_TRACE) < x.settings(w)[x.TRACE_SHARE]:
        flags |= x.TRACED
    fill(w, i, x.entry_op(w)[k], key, x.NONE, x.NONE, 0, 0, flags)
    x.key(w)[i, 1], x.key(w)[i, 2] = np.uint64(0), key
    x.callf(w)[i, x.SENT] = t
    x.streamf(w)[j, x.STREAM_NEED] = exponential(key, x.D_GAP)
    tick = x.registers(w)[x.TICK] - 1
    next_arrival(w, j, rate_of(w, j, tick), t, (tick + 1) * x.clock(w)[x.STEP])
    return i


@inner(forceinline=True, _nrt=False)
def give_up(w, i, e, t):
    """A call's time is over: its caller hears of a failure; one that waited for a connection is not sent any more."""
    x.pair_deed(w)[e, x.TIMED_OUT] += 1.0
    g = stand_in(w, i)
    x.call(w)[g, x.FAILED] = 1
    x.call(w)[g, x.FLAGS] |= x.NO_WATCH
    state = x.call(w)[i, x.STATE]
    if state == x.CONNECTION or state == x.LOST:
        x.call(w)[g, x.FLAGS] |= x.NO_CONNECTION
        x.callf(w)[g, x.SENT] = t
        end_pool_wait(w, e, t - x.callf(w)[i, x.SINCE])
    if state == x.CONNECTION:
        x.call(w)[i, x.STATE] = x.LOST  # until its turn in the line
    elif state == x.LOST:
        free(w, i)  # its turn was at this moment
    then(w, x.ANSWER, g)


@inner(forceinline=True, _nrt=False)
def time_out(w, e, t):
    """Give up on a pair's call whose time is over, one an event, and look again when the next one's is."""
    i = x.pair(w)[e, x.TIMED_HEAD]
    if i != x.NONE and x.callf(w)[i, x.DEADLINE] <= t:
        after = x.call(w)[i, x.LATER]
        x.pair(w)[e, x.TIMED_HEAD] = after
        if after == x.NONE:
            x.pair(w)[e, x.TIMED_TAIL] = x.NONE
        else:
            x.call(w)[after, x.EARLIER] = x.NONE
        give_up(w, i, e, t)
        i = after
    if i == x.NONE:
        x.pair(w)[e, x.ARMED] = 0
    else:
        later(w, max(t, x.callf(w)[i, x.DEADLINE]), x.TIMER, e)


@inner(_nrt=False)
def write_log(w, t, kind, subject):
    """Keep an event for comparison: its time, kind and whom it concerned."""
    n = x.registers(w)[x.LOGGED]
    x.registers(w)[x.LOGGED] = n + 1
    if n < x.log_time_rows(w):
        x.log_time(w)[n] = t
        x.log(w)[n] = kind
        about = kind == x.CONTROL or kind == x.TIMER or kind == x.ROOT
        x.log_key(w)[n] = np.uint64(subject) if about else x.key(w)[subject, 0]


@kernel(_nrt=False)
def run(w, until):
    """Run up to a time (events at that time excluded); returns ``DONE``, or ``MORE_CALLS`` when the slots do not suffice.

    Called again, it goes on where it was.
    """
    room = x.todo_rows(w)
    logging = x.log_time_rows(w) > 0
    while x.registers(w)[SIZE] > 0 and x.times(w)[0] < until:
        if x.registers(w)[x.LIVE] + room > x.call_rows(w):
            return MORE_CALLS
        t, code = x.times(w)[0], x.codes(w)[0]
        take_first(x.registers(w))
        kind, i = kind_of(code), subject_of(code)
        x.clock(w)[x.NOW] = t
        if logging:
            write_log(w, t, kind, i)
        step = x.NOTHING
        if kind == x.ROOT:
            i = enter(w, i, t)
            kind = x.ARRIVE
        if kind == x.ARRIVE:
            step = arrive(w, i, t)
        elif kind == x.SEGMENT:
            step = segment_done(w, i, t)
        elif kind == x.REPLY:
            step = reply(w, i, t)
        elif kind == x.RETRY:
            attempt_call(w, i, x.spec(w)[x.call(w)[i, x.SPEC], x.SPEC_PAIR], t)
        elif kind == x.TIMER:
            time_out(w, i, t)
        elif kind == x.BEGIN:
            step = x.START
        elif kind == x.LAUNCH:
            if x.call(w)[i, x.ATTACHED] == 1:
                send(w, i, t)
            else:
                free(w, i)
        else:
            control(w, t)
        while True:
            if step == x.NOTHING:
                n = x.registers(w)[x.TODO] - 1
                if n < 0:
                    break
                x.registers(w)[x.TODO] = n
                i = x.todo(w)[n] & (SUBJECTS - 1)
                step = x.todo(w)[n] >> SUBJECT_BITS
            if step == x.WANT_CORE:
                want_core(w, i, t)
                step = x.NOTHING
            elif step == x.ADVANCE:
                step = advance(w, i, t)
            elif step == x.START:
                step = begin(w, i, t)
            else:
                answer(w, i, t)
                step = x.NOTHING
        close_hole(x.times(w), x.codes(w), x.registers(w))
    return DONE


@kernel(_nrt=False)
def plan_first(w):
    """Plan the first second, and how long each stream's first gap is."""
    for j in range(x.stream_rows(w)):
        x.streamf(w)[j, x.STREAM_NEED] = exponential(x.stream_key(w)[j], x.D_GAP)
    later(w, 0.0, x.CONTROL, 0)


@kernel
def keys(key, count):
    """Keys of the first ``count`` things that belong to the thing of a key, uint64[count]."""
    found = np.zeros(count, np.uint64)
    for k in range(count):
        found[k] = child(key, k)
    return found
