"""What the twin does once a second: hosts, memory, pauses, autoscaling, restarts, arrivals of the second."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from causaldisc.sources._system.twin_draws import Draw, child, exponential
from causaldisc.sources._system.twin_parts import Service, Stream

if TYPE_CHECKING:
    from causaldisc.sources._system.twin import Twin


def control(w: Twin, _: Any) -> None:
    """Do all that is done once a second, then plan the next time."""
    tick, step = w.tick, w.physics.control_s
    following = (tick + 1) * step
    w.tick += 1
    if tick % w.snapshot_every == 0:
        w.snapshot()
    turn_knobs(w, tick)
    weigh_hosts(w, tick, step)
    for s in w.services.values():
        if tick == 0:
            s.memory = s.memory_track.second(tick, s.memory)
        else:
            remember(w, s, tick, step)
        scale(w, s, tick, step)
        staff(w, s, tick)
        warm_up(w, s, tick, step)
        pause(w, s)
        slow_down(s, tick, w.physics.contention)
        s.cpu_limit += s.answering * s.design.cores * step * (1.0 - s.knobs.throttle)
    for stream in w.streams:
        if stream.idle:
            next_arrival(w, stream, rate_of(w, stream, tick), w.now, following)
    w.plan(following, "control", None)


def turn_knobs(w: Twin, tick: int) -> None:
    """Apply the changes that faults, do() and deployments make at this second; a kill counts as a restart."""
    while w.changes and w.changes[0][0] <= tick:
        _, part, name, value = w.changes.popleft()
        if name == "down" and value > part.knobs.down:
            part.restarts += 1
            part.leaked = part.warm = 0.0
        if name.startswith("set_") and math.isnan(value):
            value = None
        setattr(part.knobs if isinstance(part, Service) else part, name, value)


def weigh_hosts(w: Twin, tick: int, step: float) -> None:
    """Share of each host's cores used in the second before, unseen neighbours included."""
    for h, host in enumerate(w.hosts.values()):
        host.load = host.neighbours.second(tick, float(w.background[h][tick])) + host.extra
        host.track.looks_at(host.neighbours.bit)
    for s in w.services.values():
        used, s.cpu_before = s.cpu_used - s.cpu_before, s.cpu_used
        if s.knobs.set_cpu is not None:
            used = s.knobs.set_cpu * s.answering * s.design.cores * step
        used = s.cpu_track.second(tick, used)
        s.cpu_scaled += used
        if s.host is not None:
            s.host.track.looks_at(s.cpu_track.bit)
            s.host.load += used / (s.host.cores * step)
    for host in w.hosts.values():
        host.load = host.track.second(tick, host.load if host.set_load is None else host.set_load)


def remember(w: Twin, s: Service, tick: int, step: float) -> None:
    """Memory of a service: its base, what its busy threads hold, and what leaked; full memory restarts it."""
    busy, track = 0.0, s.memory_track
    for r in s.replicas:
        r.settle(w.now)
        busy += (r.thread_area - r.threads_before) / step
        r.threads_before = r.thread_area
    if s.knobs.set_queue is not None:
        busy = min(s.knobs.set_queue, s.threads * s.answering)
    busy = s.threads_track.second(tick, busy)
    s.leaked += s.knobs.leak * step
    track.looks_at(s.replicas_track.bit)
    if s.leaked > 0.0:
        track.looks_at(s.restarts_track.bit)
    if s.design.memory_per_thread > 0.0:
        track.looks_at(s.threads_track.bit)
    full = s.design.memory + s.leaked + s.design.memory_per_thread * busy / max(s.answering, 1)
    if s.answering == 0:
        full = 0.0
    s.memory = track.second(tick, min(full, 1.0) if s.knobs.set_memory is None else s.knobs.set_memory)
    s.restarts_track.looks_at(track.bit)
    if s.restarts_track.second(tick, s.memory >= 1.0):
        restart(w, s)


def restart(w: Twin, s: Service) -> None:
    """Restart a service: away for a while, its memory empty and its cache cold."""
    s.restarts += 1
    s.leaked = s.warm = 0.0
    s.back_at = w.now + w.physics.restart_s


def scale(w: Twin, s: Service, tick: int, step: float) -> None:
    """Autoscaling: as many replicas as the CPU used since the last look asks for; more take a while, fewer need calm."""
    t, physics = w.now, w.physics
    if s.size_wanted > s.size_ready and t >= s.scale_at:
        s.size_ready = s.size_wanted
    every, most, least = w.scale_every, len(s.replicas), s.design.replicas
    if tick % every != 0 or most == least:
        return
    s.replicas_track.looks_at(s.cpu_track.bit)
    ready = s.size_ready
    use, s.cpu_scaled = s.cpu_scaled / (ready * s.design.cores * every * step), 0.0
    ratio, wanted = use / physics.scale_target, ready
    if ratio > 1.1 or ratio < 0.9:
        wanted = min(most, max(least, math.ceil(ready * ratio - 1e-9)))
    if wanted >= ready:
        s.idle_since = t
    if wanted > ready and s.size_wanted < wanted:
        s.size_wanted, s.scale_at = wanted, t + physics.startup_s
    elif wanted < ready and t - s.idle_since >= physics.scale_down_s:
        s.size_ready = s.size_wanted = ready - 1
        s.idle_since = t


def staff(w: Twin, s: Service, tick: int) -> None:
    """Let as many replicas take calls as are ready, less those that are down; the calls inside those that go down fail."""
    ready = s.size_ready
    if s.knobs.set_replicas is not None:
        ready = min(len(s.replicas), max(0, math.floor(s.knobs.set_replicas + 0.5)))
    down = math.ceil(s.knobs.down * ready - 1e-9)
    if w.now < s.back_at:
        down = ready
    s.replicas_track.looks_at(s.restarts_track.bit)
    ready, s.answering = s.replicas_track.second(tick, (ready, ready - down))
    for k, r in enumerate(s.replicas):
        up = k < s.answering
        if r.up and not up and k < ready:
            for call in r.inside:
                call.failed = True
                call.met_failing |= s.replicas_track.bit
        r.up = up


def warm_up(w: Twin, s: Service, tick: int, step: float) -> None:
    """Fill the cache a little more."""
    if s.warm_track is None:
        return
    s.warm_track.looks_at(s.restarts_track.bit)
    filled = s.warm + (1.0 - s.warm) * min(1.0, step / w.physics.warm_s)
    s.warm = s.warm_track.second(tick, filled if s.knobs.set_warm is None else s.knobs.set_warm)


def pause(w: Twin, s: Service) -> None:
    """Plan the next stop-the-world pause of each replica; they come the faster the fuller the memory is."""
    every, base = s.design.gc_s, s.design.memory
    if not every > 0.0:
        return
    room = max(0.05, (1.0 - s.memory) / max(1.0 - base, 1e-9))
    for r in s.replicas:
        if r.pause_to <= w.now:
            s.slow_track.looks_at(s.memory_track.bit)
            r.pauses += 1
            key = child(w.key_of(s), r.pauses * 4096 + r.place)
            r.pause_from = w.now + every * room * exponential(key, Draw.PAUSE)
            r.pause_to = r.pause_from + s.design.gc_pause_ms / 1000.0


def slow_down(s: Service, tick: int, contention: float) -> None:
    """How much longer work takes on each replica: the host's contention, the CPU that a fault takes away, and pauses."""
    shared = 1.0
    if s.host is not None:
        s.slow_track.looks_at(s.host.track.bit)
        shared = 1.0 + contention * s.host.load * s.host.load
    slow = shared / (1.0 - s.knobs.throttle) if s.knobs.set_slow is None else s.knobs.set_slow
    seen = s.slow_track.second(tick, tuple((slow, r.pause_from, r.pause_to) for r in s.replicas))
    for r, found in zip(s.replicas, seen, strict=True):
        r.slow, r.pause_from, r.pause_to = found


def rate_of(w: Twin, stream: Stream, tick: int) -> float:
    """Arrivals a second of a stream in one second: the users', or the extra ones of a service."""
    users = w.users.second(tick, float(w.rates[tick]))
    if stream.service is None:
        return users
    knobs = stream.service.knobs
    return knobs.extra * users if knobs.set_traffic is None else knobs.set_traffic


def next_arrival(w: Twin, stream: Stream, rate: float, t: float, until: float) -> None:
    """Plan a stream's next arrival if it comes before ``until``; else keep what is left of its gap."""
    if not rate > 0.0:
        stream.idle = True
        return
    at = t + stream.need / rate
    stream.idle = at >= until
    if stream.idle:
        stream.need -= (until - t) * rate
    else:
        w.plan(at, "root", stream)
