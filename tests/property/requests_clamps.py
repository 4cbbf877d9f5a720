"""Clamps: the tape of a state bent so that it is another, and what has to live for one state's update to be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from causaldisc.sources._system.mechanisms import State
from causaldisc.sources._system.topology import Topology
from causaldisc.sources._system.twin_tapes import Tape

LINES = ("threads", "cores", "locks", "pool", "breaker")  # how they go on depends on how they went on
_SLOW = ("load", "memory", "replicas", "restarts", "warm", "slow")


def _second(role: str, strong: bool) -> Callable[[int, Any], Any]:
    bends: dict[str, tuple[Callable[[int, Any], Any], Callable[[int, Any], Any]]] = {
        "slow": (
            lambda k, v: tuple((6.0 * slow, start, end) for slow, start, end in v),
            lambda k, v: tuple((0.5 * slow, start, end) for slow, start, end in v),
        ),
        "replicas": (lambda k, v: (v[0], 0 if k % 3 == 1 else v[1]), lambda k, v: (v[0], int(v[1] == 0))),
        "memory": (lambda k, v: v + 1.0, lambda k, v: 0.1),
        "load": (lambda k, v: v + 1.0, lambda k, v: 0.0),
        "cpu": (lambda k, v: 3.0 * v + 2.0, lambda k, v: 0.0),
        "warm": (lambda k, v: 0.3 * v, lambda k, v: 1.0),
        "restarts": (lambda k, v: v or k % 3 == 1, lambda k, v: False),
        "users": (lambda k, v: 0.5 * v, lambda k, v: 1.5 * v),
        "neighbours": (lambda k, v: v + 1.0, lambda k, v: 0.0),
        "threads": (lambda k, v: v + 3.0, lambda k, v: 0.0),
    }
    return bends.get(role, (lambda k, v: v, lambda k, v: v))[not strong]


def bend(state: State, tape: Tape, strong: bool = True) -> Tape:
    """Another tape than that of a state: of two kinds, since one alone may change nothing where a bound is reached."""
    role, calls, arrivals = state.role, dict(tape.calls), tape.arrivals
    if role == "traffic":
        arrivals = [a for a in arrivals if a[2] % 3] if strong else []
    elif role in ("threads", "cores", "locks", "pool", "latency"):
        later = 0.3 if strong else 0.02
        for n, (key, (asked, given, rank)) in enumerate(calls.items()):
            refused = role == "threads" and n % 5 == 0
            calls[key] = asked, None if refused or given is None else given + later, rank
    elif role in ("errors", "breaker"):
        calls = {key: not found if strong or n % 2 else found for n, (key, found) in enumerate(calls.items())}
    second = _second(role, strong)
    return Tape(calls, {k: second(k, v) for k, v in tape.seconds.items()}, arrivals)


def at_work(topology: Topology, target: State) -> set[str]:
    """The services whose calls a state's update sees."""
    if target.role in _SLOW:
        return set()
    if target.role == "traffic":
        return {caller for caller, callee in topology.edges if callee == target.of}
    return {target.of.split("->")[0]}
