"""Slots of calls, lines of waiting calls, and what is left to be done: the bookkeeping of the event loop."""

from __future__ import annotations

from causaldisc.kernels import requests_world as x
from causaldisc.kernels.agenda import SUBJECT_BITS, plan
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
def join(w, i, table, row, head, tail):
    """Put a call at the end of a line, whose ends stand in two columns of a row."""
    x.call(w)[i, x.NEXT] = x.NONE
    last = table[row, tail]
    if last == x.NONE:
        table[row, head] = i
    else:
        x.call(w)[last, x.NEXT] = i
    table[row, tail] = i


@inner(forceinline=True, _nrt=False)
def leave(w, table, row, head, tail):
    """Take the first call off a line; there is one."""
    i = table[row, head]
    table[row, head] = x.call(w)[i, x.NEXT]
    if table[row, head] == x.NONE:
        table[row, tail] = x.NONE
    return i
