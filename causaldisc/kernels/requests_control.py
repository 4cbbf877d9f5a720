"""What happens once a second: hosts, memory, pauses, autoscaling, restarts, arrivals of the second, snapshots.

Slow things read the second before, so that no order among services matters.
"""

from __future__ import annotations

import math

from causaldisc.kernels import requests_world as x
from causaldisc.kernels.bits import child, exponential
from causaldisc.kernels.inner import inner
from causaldisc.kernels.requests_slots import later
from causaldisc.kernels.requests_work import settle, settle_cores


@inner(_nrt=False)
def next_arrival(w, j, rate, t, until):
    """Plan a stream's next arrival if it comes before ``until``; else keep what is left of its gap."""
    if not rate > 0.0:
        x.stream(w)[j, x.STREAM_IDLE] = 1
        return
    at = t + x.streamf(w)[j, x.STREAM_NEED] / rate
    if at < until:
        x.stream(w)[j, x.STREAM_IDLE] = 0
        later(w, at, x.ROOT, j)
    else:
        x.streamf(w)[j, x.STREAM_NEED] -= (until - t) * rate
        x.stream(w)[j, x.STREAM_IDLE] = 1


@inner(_nrt=False)
def rate_of(w, j, tick):
    """Arrivals a second of a stream in one second: the users', or the extra ones of a service."""
    if j == 0:
        return x.rates(w)[tick]
    s = j - 1
    set_to = x.knob(w)[s, x.SET_TRAFFIC]
    return set_to if set_to == set_to else x.knob(w)[s, x.EXTRA] * x.rates(w)[tick]


@inner(_nrt=False)
def contention(w, r):
    """How much slower a replica works for what its host bears."""
    h = x.replica(w)[r, x.HOST]
    if h == x.NONE:
        return 1.0
    load = x.hostf(w)[h, x.HOST_LOAD]
    return 1.0 + x.settings(w)[x.CONTENTION] * load * load


@inner(_nrt=False)
def weigh_hosts(w, tick):
    """Share of each host's cores used in the second before, unseen neighbours included; a service's replicas share one host."""
    step = x.clock(w)[x.STEP]
    for h in range(x.hostf_rows(w)):
        x.hostf(w)[h, x.HOST_LOAD] = x.background(w)[h * x.rates_rows(w) + tick] + x.hostf(w)[h, x.HOST_EXTRA]
    for s in range(x.service_rows(w)):
        used = x.servicef(w)[s, x.CPU_USED] - x.servicef(w)[s, x.CPU_BEFORE]
        x.servicef(w)[s, x.CPU_BEFORE] = x.servicef(w)[s, x.CPU_USED]
        set_to = x.knob(w)[s, x.SET_CPU]
        if set_to == set_to:
            used = set_to * x.service(w)[s, x.ANSWERING] * x.service(w)[s, x.CORES] * step
        x.servicef(w)[s, x.CPU_SCALED] += used
        h = x.replica(w)[x.service(w)[s, x.FIRST_REPLICA], x.HOST]
        if h != x.NONE:
            x.hostf(w)[h, x.HOST_LOAD] += used / (x.hostf(w)[h, x.HOST_CORES] * step)
    for h in range(x.hostf_rows(w)):
        if x.hostf(w)[h, x.SET_LOAD] == x.hostf(w)[h, x.SET_LOAD]:
            x.hostf(w)[h, x.HOST_LOAD] = x.hostf(w)[h, x.SET_LOAD]


@inner(_nrt=False)
def remember(w, s, t):
    """Memory of a service: its base, what its busy threads hold, and what leaked; full memory restarts it."""
    step = x.clock(w)[x.STEP]
    busy, up = 0.0, x.service(w)[s, x.ANSWERING]
    for r in range(x.service(w)[s, x.FIRST_REPLICA], x.service(w)[s, x.LAST_REPLICA]):
        settle(w, r, t)
        busy += (x.replicaf(w)[r, x.THREAD_AREA] - x.replicaf(w)[r, x.THREADS_BEFORE]) / step
        x.replicaf(w)[r, x.THREADS_BEFORE] = x.replicaf(w)[r, x.THREAD_AREA]
    inside = x.knob(w)[s, x.SET_QUEUE]
    if inside == inside:
        busy = min(inside, float(x.service(w)[s, x.THREADS]) * up)
    x.servicef(w)[s, x.LEAKED] += x.knob(w)[s, x.LEAK] * step
    full = x.servicef(w)[s, x.BASE_MEMORY] + x.servicef(w)[s, x.LEAKED] + x.servicef(w)[s, x.THREAD_MEMORY] * busy / max(up, 1)
    if up == 0:
        full = 0.0
    set_to = x.knob(w)[s, x.SET_MEMORY]
    x.servicef(w)[s, x.MEMORY] = set_to if set_to == set_to else min(full, 1.0)
    return x.servicef(w)[s, x.MEMORY] >= 1.0


@inner(_nrt=False)
def restart(w, s, t):
    """Restart a service: away for a while, its memory empty and its cache cold."""
    x.service(w)[s, x.RESTARTS] += 1
    x.servicef(w)[s, x.LEAKED] = 0.0
    x.servicef(w)[s, x.WARM] = 0.0
    x.servicef(w)[s, x.BACK_AT] = t + x.settings(w)[x.RESTART_S]


@inner(_nrt=False)
def scale(w, s, tick, t):
    """Autoscaling: as many replicas as the CPU used since the last look asks for; more take a while, fewer need calm."""
    if x.service(w)[s, x.SIZE_WANTED] > x.service(w)[s, x.SIZE_READY] and t >= x.servicef(w)[s, x.SCALE_AT]:
        x.service(w)[s, x.SIZE_READY] = x.service(w)[s, x.SIZE_WANTED]
    every = int(x.settings(w)[x.SCALE_EVERY])
    most = x.service(w)[s, x.LAST_REPLICA] - x.service(w)[s, x.FIRST_REPLICA]
    if tick % every != 0 or most == x.service(w)[s, x.LEAST]:
        return
    ready = x.service(w)[s, x.SIZE_READY]
    use = x.servicef(w)[s, x.CPU_SCALED] / (ready * x.service(w)[s, x.CORES] * every * x.clock(w)[x.STEP])
    x.servicef(w)[s, x.CPU_SCALED] = 0.0
    ratio = use / x.settings(w)[x.SCALE_TARGET]
    wanted = ready
    if ratio > 1.1 or ratio < 0.9:
        wanted = min(most, max(x.service(w)[s, x.LEAST], math.ceil(ready * ratio - 1e-9)))
    if wanted >= ready:
        x.servicef(w)[s, x.IDLE_SINCE] = t
    if wanted > ready and x.service(w)[s, x.SIZE_WANTED] < wanted:
        x.service(w)[s, x.SIZE_WANTED] = wanted
        x.servicef(w)[s, x.SCALE_AT] = t + x.settings(w)[x.STARTUP_S]
    elif wanted < ready and t - x.servicef(w)[s, x.IDLE_SINCE] >= x.settings(w)[x.SCALE_DOWN_S]:
        x.service(w)[s, x.SIZE_READY] = ready - 1
        x.service(w)[s, x.SIZE_WANTED] = ready - 1
        x.servicef(w)[s, x.IDLE_SINCE] = t


@inner(_nrt=False)
def kill(w, r):
    """A replica dies: the calls inside fail at their next step."""
    for i in range(x.call_rows(w)):
        state = x.call(w)[i, x.STATE]
        if state != x.EMPTY and state != x.GHOST and x.call(w)[i, x.REPLICA] == r:
            x.call(w)[i, x.FAILED] = 1
            x.deed(w)[x.replica(w)[r, x.SERVICE], x.KILLED] += 1.0


@inner(_nrt=False)
def staff(w, s, t):
    """Let as many replicas take calls as are ready, less those that a fault keeps down: these fail their calls."""
    first, last = x.service(w)[s, x.FIRST_REPLICA], x.service(w)[s, x.LAST_REPLICA]
    ready = x.service(w)[s, x.SIZE_READY]
    set_to = x.knob(w)[s, x.SET_REPLICAS]
    if set_to == set_to:
        ready = min(last - first, max(0, math.floor(set_to + 0.5)))
    down = math.ceil(x.knob(w)[s, x.DOWN] * ready - 1e-9)
    if t < x.servicef(w)[s, x.BACK_AT]:
        down = ready
    x.service(w)[s, x.ANSWERING] = ready - down
    for k in range(last - first):
        r = first + k
        up = 1 if k < ready - down else 0
        if x.replica(w)[r, x.UP] == 1 and up == 0 and k < ready:
            kill(w, r)
        x.replica(w)[r, x.UP] = up


@inner(_nrt=False)
def pause(w, s, t):
    """Plan the next stop-the-world pause of each replica; they come the faster the fuller the memory is."""
    every = x.servicef(w)[s, x.GC_EVERY]
    if not every > 0.0:
        return
    room = max(0.05, (1.0 - x.servicef(w)[s, x.MEMORY]) / max(1.0 - x.servicef(w)[s, x.BASE_MEMORY], 1e-9))
    for r in range(x.service(w)[s, x.FIRST_REPLICA], x.service(w)[s, x.LAST_REPLICA]):
        if x.replicaf(w)[r, x.PAUSE_TO] <= t:
            x.replica(w)[r, x.PAUSES] += 1
            key = child(x.stream_key(w)[s + 1], x.replica(w)[r, x.PAUSES] * 4096 + r - x.service(w)[s, x.FIRST_REPLICA])
            x.replicaf(w)[r, x.PAUSE_FROM] = t + every * room * exponential(key, x.D_PAUSE)
            x.replicaf(w)[r, x.PAUSE_TO] = x.replicaf(w)[r, x.PAUSE_FROM] + x.servicef(w)[s, x.GC_PAUSE]


@inner(_nrt=False)
def slow_down(w, s):
    """How much longer work takes on each replica: the host's contention and the CPU that a fault takes away."""
    set_to = x.knob(w)[s, x.SET_SLOW]
    for r in range(x.service(w)[s, x.FIRST_REPLICA], x.service(w)[s, x.LAST_REPLICA]):
        slow = contention(w, r) / (1.0 - x.knob(w)[s, x.THROTTLE])
        x.replicaf(w)[r, x.SLOW] = set_to if set_to == set_to else slow


@inner(_nrt=False)
def snapshot(w, t):
    """Write down every service's counters and gauges."""
    n = x.registers(w)[x.SNAPSHOTS]
    x.registers(w)[x.SNAPSHOTS] = n + 1
    if (n + 1) * x.service_rows(w) > x.snapshot_rows(w):
        return
    for s in range(x.service_rows(w)):
        queue, threads, cores = 0.0, 0.0, 0.0
        for r in range(x.service(w)[s, x.FIRST_REPLICA], x.service(w)[s, x.LAST_REPLICA]):
            settle(w, r, t)
            settle_cores(w, r, t)
            queue += x.replicaf(w)[r, x.QUEUE_AREA]
            threads += x.replicaf(w)[r, x.THREAD_AREA]
            cores += x.replicaf(w)[r, x.CORE_AREA]
        row = x.snapshot(w)[n * x.service_rows(w) + s]
        row[x.S_ARRIVALS], row[x.S_ANSWERS] = x.service(w)[s, x.ARRIVALS], x.service(w)[s, x.ANSWERS]
        row[x.S_ERRORS], row[x.S_LATENCY] = x.service(w)[s, x.ERRORS], x.servicef(w)[s, x.LATENCY_SUM]
        row[x.S_QUEUE], row[x.S_THREADS], row[x.S_CORES] = queue, threads, cores
        row[x.S_CPU], row[x.S_LIMIT] = x.servicef(w)[s, x.CPU_USED], x.servicef(w)[s, x.CPU_LIMIT]
        row[x.S_MEMORY], row[x.S_REPLICAS] = x.servicef(w)[s, x.MEMORY], x.service(w)[s, x.ANSWERING]
        row[x.S_RESTARTS], row[x.S_HITS] = x.service(w)[s, x.RESTARTS], x.deed(w)[s, x.SPARED]
        for b in range(x.BUCKETS):
            x.snapshot_buckets(w)[n * x.service_rows(w) + s, b] = x.buckets(w)[s, b]


@inner(_nrt=False)
def turn_knobs(w, tick):
    """Apply the changes that faults, do() and deployments make at this second; a kill counts as a restart."""
    while x.registers(w)[x.CHANGED] < x.change_rows(w) and x.change(w)[x.registers(w)[x.CHANGED], 0] <= tick:
        n = x.registers(w)[x.CHANGED]
        what, row, column = x.change(w)[n, 1], x.change(w)[n, 2], x.change(w)[n, 3]
        if what == x.KNOB:
            if column == x.DOWN and x.change_to(w)[n] > x.knob(w)[row, x.DOWN]:
                x.service(w)[row, x.RESTARTS] += 1
                x.servicef(w)[row, x.LEAKED] = 0.0
                x.servicef(w)[row, x.WARM] = 0.0
            x.knob(w)[row, column] = x.change_to(w)[n]
        elif what == x.PAIR_KNOB:
            x.pairf(w)[row, column] = x.change_to(w)[n]
        else:
            x.hostf(w)[row, column] = x.change_to(w)[n]
        x.registers(w)[x.CHANGED] = n + 1


@inner(_nrt=False)
def control(w, t):
    """Do all that is done once a second, then plan the next time."""
    tick, step = x.registers(w)[x.TICK], x.clock(w)[x.STEP]
    x.registers(w)[x.TICK] = tick + 1
    if tick % int(x.settings(w)[x.SNAPSHOT_EVERY]) == 0:
        snapshot(w, t)
    turn_knobs(w, tick)
    weigh_hosts(w, tick)
    for s in range(x.service_rows(w)):
        if tick > 0 and remember(w, s, t):
            restart(w, s, t)
        scale(w, s, tick, t)
        staff(w, s, t)
        warm, set_to = x.servicef(w)[s, x.WARM], x.knob(w)[s, x.SET_WARM]
        x.servicef(w)[s, x.WARM] = set_to if set_to == set_to else warm + (1.0 - warm) * min(1.0, step / x.settings(w)[x.WARM_S])
        pause(w, s, t)
        slow_down(w, s)
        x.servicef(w)[s, x.CPU_LIMIT] += (
            x.service(w)[s, x.ANSWERING] * x.service(w)[s, x.CORES] * step * (1.0 - x.knob(w)[s, x.THROTTLE])
        )
    for j in range(x.stream_rows(w)):
        if x.stream(w)[j, x.STREAM_IDLE] == 1:
            next_arrival(w, j, rate_of(w, j, tick), t, (tick + 1) * step)
    later(w, (tick + 1) * step, x.CONTROL, 0)  # not t + step, whose rounding errors would add up to one look too many
