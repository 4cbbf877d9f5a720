"""Faults of the mesh: what each kind does to the equations of the service that it hits, and to no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.intervention import Intervention

Touch = tuple[float, float]  # gain of the drive, offset of the drive

_RETRANSMIT_MS = 200.0  # the smallest retransmission timeout of TCP on Linux


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    ``metric`` is the one whose equation it breaks first, ``touches`` gives gain and offset per metric for a magnitude in
    ``low``..``high`` (``unit`` says what it counts); ``creeps`` lets the offset grow from 0 over the window.
    """

    metric: str
    unit: str
    low: float
    high: float
    touches: Callable[[float], Mapping[str, Touch]]
    creeps: bool = False


FAULTS: Mapping[str, Fault] = {
    "cpu_throttle": Fault("cpu", "share of CPU taken away", 0.0, 0.99, lambda m: {"cpu": (1.0 / (1.0 - m), 0.0)}),
    "memory_leak": Fault("memory", "share of the limit lost at the end", 0.0, 1.0, lambda m: {"memory": (1.0, m)}, creeps=True),
    "latency": Fault("latency", "seconds added", 0.0, 60.0, lambda m: {"latency": (1.0, 1000.0 * m)}),
    "packet_loss": Fault(
        "latency", "share of packets lost", 0.0, 0.99, lambda m: {"latency": (1.0, _RETRANSMIT_MS * m / (1.0 - m))}
    ),
    "error": Fault("errors", "share of requests failing", 0.0, 1.0, lambda m: {"errors": (1.0 - m, m)}),
    "kill": Fault(
        "errors",
        "ignored: the service is down",
        -np.inf,
        np.inf,
        # Nothing is served or passed on and a refused connection answers fast; the errors' offset keeps them at their bound.
        lambda m: {"requests": (0.0, 0.0), "cpu": (0.0, 0.0), "latency": (0.05, 0.0), "errors": (0.0, 9.0)},
    ),
    "traffic_surge": Fault("requests", "share of requests added", 0.0, 100.0, lambda m: {"requests": (1.0 + m, 0.0)}),
}


def check_magnitude(intervention: Intervention) -> None:
    """Raise InputError when a fault's magnitude is outside what its kind can mean."""
    fault = FAULTS[intervention.kind]
    if not fault.low <= intervention.magnitude <= fault.high:
        raise InputError(
            f"intervention magnitude of {intervention.kind!r} ({fault.unit}) must be in {fault.low:g}..{fault.high:g}, "
            f"got {intervention.magnitude!r}"
        )


def touches_of(intervention: Intervention, inside: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return metric → (gain float[T], offset float[T]) of one fault; ``inside`` bool[T] marks its window."""
    fault = FAULTS[intervention.kind]
    rows = np.flatnonzero(inside)
    growth = np.linspace(0.0, 1.0, len(rows)) if fault.creeps else np.ones(len(rows))
    found = {}
    for metric, (gain, offset) in fault.touches(intervention.magnitude).items():
        gains, offsets = np.ones(len(inside)), np.zeros(len(inside))
        gains[rows], offsets[rows] = gain, offset * growth
        found[metric] = (gains, offsets)
    return found
