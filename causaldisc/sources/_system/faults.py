"""Faults: what each kind does to a service, to the calls between two services, or to a host, and which states it touches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.intervention import Intervention
from causaldisc.sources._system.mechanisms import State
from causaldisc.sources._system.topology import Topology

SERVICE, PAIR, HOST = "service", "pair", "host"

Turn = tuple[str, float]  # a knob of the event loop, by name, and what it is turned to


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault on one kind of target.

    ``metric`` is the one that it breaks first (of the service, or of the callee); ``unit`` says what the magnitude counts, in
    ``low`` … ``high``; ``turns`` gives the knobs for a magnitude and a length in seconds; ``touches`` the roles of the states
    whose mechanisms it changes.
    """

    metric: str
    unit: str
    low: float
    high: float
    turns: Callable[[float, float], Sequence[Turn]]
    touches: tuple[str, ...]


FAULTS: Mapping[tuple[str, str], Fault] = {
    ("cpu_throttle", SERVICE): Fault(
        "cpu", "share of CPU taken away", 0, 0.99, lambda m, _: [("THROTTLE", m)], ("slow", "cpu", "replicas", "load")
    ),
    ("memory_leak", SERVICE): Fault(
        "memory", "share of the limit lost by the end", 0, 10, lambda m, s: [("LEAK", m / s)], ("memory", "restarts")
    ),
    ("latency", SERVICE): Fault("latency", "seconds added", 0, 60, lambda m, _: [("DELAY", m)], ("latency", "errors")),
    ("packet_loss", SERVICE): Fault(
        "latency", "share of packets lost", 0, 0.99, lambda m, _: [("LOSS", m)], ("latency", "traffic")
    ),
    ("error", SERVICE): Fault("errors", "share of requests failing", 0, 1, lambda m, _: [("FAULT_ERRORS", m)], ("errors",)),
    ("kill", SERVICE): Fault("replicas", "share of the pods", 0, 1, lambda m, _: [("DOWN", m)], ("replicas", "restarts")),
    ("traffic_surge", SERVICE): Fault("requests", "share of requests added", 0, 100, lambda m, _: [("EXTRA", m)], ("traffic",)),
    ("bad_deployment", SERVICE): Fault(
        "latency",
        "share of work added, and a tenth of it as errors",
        0,
        20,
        lambda m, _: [("WORK_GAIN", 1.0 + m), ("FAULT_ERRORS", min(1.0, 0.1 * m))],
        ("cores", "cpu", "latency", "errors", "locks", "threads"),
    ),
    ("disk_slowdown", SERVICE): Fault(
        "latency",
        "share of work added",
        0,
        100,
        lambda m, _: [("WORK_GAIN", 1.0 + m)],
        ("cores", "cpu", "latency", "locks", "threads"),
    ),
    ("dependency_outage", SERVICE): Fault(
        "errors", "share of calls to it that are refused", 0, 1, lambda m, _: [("OUTAGE", m)], ("traffic", "errors", "latency")
    ),
    ("dependency_outage", PAIR): Fault(
        "errors", "share of the calls that are refused", 0, 1, lambda m, _: [("OUTAGE", m)], ("traffic", "errors", "latency")
    ),
    ("latency", PAIR): Fault("latency", "seconds added", 0, 60, lambda m, _: [("PAIR_DELAY", m)], ("latency", "traffic")),
    ("packet_loss", PAIR): Fault(
        "latency", "share of packets lost", 0, 0.99, lambda m, _: [("PAIR_LOSS", m)], ("latency", "traffic")
    ),
    ("cpu_throttle", HOST): Fault(
        "cpu", "share of the host's cores used by others", 0, 10, lambda m, _: [("HOST_EXTRA", m)], ("load",)
    ),
}
KINDS = tuple(dict.fromkeys(kind for kind, _ in FAULTS))
# What do() turns for a metric; `pool` and `queue` speak of the same line of calls.
_SETS = {
    "requests": ("SET_TRAFFIC", 1.0),
    "latency": ("SET_LATENCY", 1e-3),
    "latency_p50": ("SET_LATENCY", 1e-3),
    "latency_p95": ("SET_LATENCY", 1e-3),
    "latency_p99": ("SET_LATENCY", 1e-3),
    "errors": ("SET_ERRORS", 1.0),
    "cpu": ("SET_CPU", 1.0),
    "memory": ("SET_MEMORY", 1.0),
    "queue": ("SET_QUEUE", 1.0),
    "pool": ("SET_QUEUE", 1.0),
    "replicas": ("SET_REPLICAS", 1.0),
}
_GAINS, _SHARES = ("WORK_GAIN",), ("THROTTLE", "LOSS", "FAULT_ERRORS", "DOWN", "OUTAGE", "PAIR_LOSS")


def place_of(topology: Topology, target: str) -> tuple[str, str]:
    """What a target is and its name: a service, ``caller->callee``, or ``host:NAME``.

    Raises
    ------
    InputError : no such service, pair or host.
    """
    if target in topology.index:
        return SERVICE, target
    pairs = [f"{a}->{b}" for a, b in topology.edges]
    if target in pairs:
        return PAIR, target
    if target.removeprefix("host:") in topology.hosts and target.startswith("host:"):
        return HOST, target.removeprefix("host:")
    valid = [*topology.index, *pairs, *(f"host:{h}" for h in topology.hosts)]
    hint = did_you_mean(target, valid)
    raise InputError(
        "intervention target must name a service, a call `caller->callee` or a host `host:NAME`, "
        f"got {target!r}; {hint if len(hint) < 300 else hint[:300] + ' …'}"
    )


def fault_of(topology: Topology, intervention: Intervention) -> tuple[Fault, str, str]:
    """The fault of an intervention, what its target is, and the target's name; checks kind, target and magnitude.

    Raises
    ------
    InputError : an unknown kind or target, a kind that does not go with the target, a magnitude out of range.
    """
    kind = intervention.kind
    if kind not in KINDS:
        raise InputError(
            f"intervention kind must be one that the system knows, got {kind!r}; {did_you_mean(kind, (*KINDS, 'set'))}"
        )
    place, name = place_of(topology, intervention.target)
    if (kind, place) not in FAULTS:
        places = sorted(p for k, p in FAULTS if k == kind)
        raise InputError(
            f"intervention target of {kind!r} must be a {' or a '.join(places)}, got the {place} {intervention.target!r}"
        )
    fault = FAULTS[kind, place]
    if not fault.low <= intervention.magnitude <= fault.high:
        raise InputError(
            f"intervention magnitude of {kind!r} ({fault.unit}) must be in {fault.low:g}..{fault.high:g}, "
            f"got {intervention.magnitude!r}"
        )
    if kind == "disk_slowdown" and not topology.services[topology.index[name]].disk:
        disks = ", ".join(s.name for s in topology.services if s.disk)[:200] or "none of this system"
        raise InputError(f"intervention target of 'disk_slowdown' must be a service with a disk, got {name!r}; valid: {disks}")
    return fault, place, name


def labelled(topology: Topology, intervention: Intervention) -> Intervention:
    """The fault with the variable that it breaks first; one of a host has none."""
    fault, place, name = fault_of(topology, intervention)
    if place == HOST:
        return replace(intervention, variable=None)
    service = name if place == SERVICE else name.partition("->")[2]
    return replace(intervention, variable=f"{service}:{fault.metric}")


def touched(topology: Topology, intervention: Intervention) -> list[State]:
    """The states whose mechanisms an intervention changes or, for ``set``, the state that it cuts off from its causes."""
    if intervention.kind == "set":
        service, _, metric = str(intervention.variable).rpartition(":")
        return [State(STATE_OF[metric], service)]
    fault, place, name = fault_of(topology, intervention)
    service = name.partition("->")[2] if place == PAIR else name
    # A lossy network delays what others hear of a service, and what the service hears.
    found = [State(role, service) for role in fault.touches]
    if intervention.kind == "packet_loss" and place == SERVICE:
        found += [State(role, b) for a, b in topology.edges if a == service for role in fault.touches]
    return found


STATE_OF = {
    "requests": "traffic",
    "latency": "latency",
    "latency_p50": "latency",
    "latency_p95": "latency",
    "latency_p99": "latency",
    "errors": "errors",
    "cpu": "cpu",
    "memory": "memory",
    "queue": "threads",
    "pool": "threads",
    "replicas": "replicas",
    "restarts": "restarts",
}
METRICS = tuple(STATE_OF)
SETTABLE = tuple(_SETS)


def changes(
    topology: Topology,
    interventions: Sequence[Intervention],
    *,
    control_s: float,
    warm_ticks: int,
    visits: Mapping[str, float],
) -> list[tuple[int, int, int, int, float]]:
    """Return the turns of knobs for ``wire``: (second of control, what, row, column, value), by second.

    Where several interventions turn one knob at once, gains multiply, shares combine as independent chances, additions add up,
    and of two ``set`` the later in the list holds.
    """
    from causaldisc.kernels import requests_world as x

    turns: dict[tuple[int, int, int], list[tuple[int, int, float]]] = {}
    names: dict[tuple[int, int, int], str] = {}
    for intervention in interventions:
        first = warm_ticks + math.ceil(intervention.start / control_s - 1e-9)
        last = warm_ticks + math.ceil(min(intervention.stop, 1e15) / control_s - 1e-9)
        for what, row, knob, value in _turned(topology, intervention, visits):
            key = (what, row, getattr(x, knob))
            names[key] = knob
            turns.setdefault(key, []).append((first, last, value))
    found = []
    for key, spans in turns.items():
        for tick in sorted({t for first, last, _ in spans for t in (first, last)}):
            active = [value for first, last, value in spans if first <= tick < last]
            found.append((tick, *key, _combined(names[key], active)))
    return sorted(found, key=lambda c: c[:4])


def _turned(topology: Topology, intervention: Intervention, visits: Mapping[str, float]) -> list[tuple[int, int, str, float]]:
    from causaldisc.kernels import requests_world as x

    if intervention.kind == "set":
        service, _, metric = str(intervention.variable).rpartition(":")
        knob, unit = _SETS[metric]
        value = intervention.magnitude * unit
        if metric == "queue":
            value += _threads(topology, service)
        return [(x.KNOB, topology.index[service], knob, value)]
    fault, place, name = fault_of(topology, intervention)
    found = []
    for knob, value in fault.turns(intervention.magnitude, intervention.duration):
        if knob == "EXTRA":
            found.append((x.KNOB, topology.index[name], knob, value * visits[name]))
        elif knob == "OUTAGE" and place == SERVICE:
            found += [(x.PAIR_KNOB, e, knob, value) for e, (_, callee) in enumerate(topology.edges) if callee == name]
        elif place == PAIR:
            found.append((x.PAIR_KNOB, [f"{a}->{b}" for a, b in topology.edges].index(name), knob, value))
        elif place == HOST:
            found.append((x.HOST_KNOB, list(topology.hosts).index(name), knob, value))
        else:
            found.append((x.KNOB, topology.index[name], knob, value))
    return found


def _threads(topology: Topology, service: str) -> float:
    found = topology.services[topology.index[service]]
    return float(found.threads or 0) * found.replicas


def _combined(knob: str, active: Sequence[float]) -> float:
    if knob.startswith("SET_"):
        return active[-1] if active else math.nan
    if knob in _GAINS:
        return math.prod(active)
    if knob in _SHARES:
        return 1.0 - math.prod(1.0 - value for value in active)
    return sum(active)
