"""Inside a service: threads, cores and locks, and the work that a call does with them.

``w`` is the list of :func:`~causaldisc.kernels.requests_world.addresses`, ``t`` the time, ``i`` a call, ``r`` a replica.
"""

from __future__ import annotations

from causaldisc.kernels import requests_world as x
from causaldisc.kernels.bits import exponential, uniform
from causaldisc.kernels.inner import inner
from causaldisc.kernels.requests_slots import join, later, leave, then


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
        join(w, i, x.replica(w), r, x.RUN_HEAD, x.RUN_TAIL)


@inner(forceinline=True, _nrt=False)
def release_core(w, r, t):
    """Give the core to the next in line, or leave it idle."""
    if x.replica(w)[r, x.RUN_HEAD] == x.NONE:
        settle_cores(w, r, t)
        x.replica(w)[r, x.RUNNING] -= 1
        return
    i = leave(w, x.replica(w), r, x.RUN_HEAD, x.RUN_TAIL)
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
    if x.lock(w)[lock, x.LOCK_HEAD] == x.NONE:
        x.lock(w)[lock, x.HOLDER] = x.NONE
        return
    k = leave(w, x.lock(w), lock, x.LOCK_HEAD, x.LOCK_TAIL)
    x.lock(w)[lock, x.HOLDER] = k
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
        return x.WANT_CORE
    x.call(w)[i, x.STATE] = x.LATCH
    x.callf(w)[i, x.SINCE] = t
    join(w, i, x.lock(w), lock, x.LOCK_HEAD, x.LOCK_TAIL)
    return x.NOTHING


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
        return want_lock(w, i, s, t)
    return x.WANT_CORE


@inner(forceinline=True, _nrt=False)
def release_thread(w, r, t):
    """Give the thread to the next in line, or leave it idle."""
    settle(w, r, t)
    if x.replica(w)[r, x.QUEUE_HEAD] == x.NONE:
        x.replica(w)[r, x.BUSY] -= 1
        return
    i = leave(w, x.replica(w), r, x.QUEUE_HEAD, x.QUEUE_TAIL)
    x.replica(w)[r, x.QUEUED] -= 1
    s = x.replica(w)[r, x.SERVICE]
    wait = t - x.callf(w)[i, x.SINCE]
    x.deed(w)[s, x.WAITED_THREAD] += wait
    if wait >= x.settings(w)[x.LONG_S]:
        x.deed(w)[s, x.LONG_WAITS] += 1.0
    then(w, x.START, i)


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
    return x.ADVANCE
