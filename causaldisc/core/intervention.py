"""Interventions: do() on a variable, or a fault injected into a service, over a window of time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from causaldisc.core.errors import InputError, did_you_mean

KINDS = (
    "cpu_throttle",
    "memory_leak",
    "latency",
    "packet_loss",
    "error",
    "kill",
    "traffic_surge",
    "bad_deployment",
    "dependency_outage",
    "disk_slowdown",
    "set",
    "unknown",
)


@dataclass(frozen=True, slots=True)
class Intervention:
    """One intervention on a system.

    Parameters
    ----------
    target : the service that is touched.
    kind : one of ``KINDS``; ``set`` is the surgical do() on one variable, ``unknown`` a fault whose mechanism is not recorded.
    magnitude : strength in the unit of the kind (a fraction for ``cpu_throttle``, the value itself for ``set``).
    start, stop : seconds from the start of the telemetry, or of its environment; ``start < stop``.
    variable : the full variable name, needed for kind ``set``.
    environment : label of the environment in which it lies, where a telemetry has several; None = the first.

    Raises
    ------
    InputError : a field that breaks these rules.

    >>> Intervention(target="cart", kind="cpu_throttle", magnitude=0.5, start=600, stop=900).duration
    300.0
    """

    target: str
    kind: str
    magnitude: float = 0.5
    start: float = 0.0
    stop: float = math.inf
    variable: str | None = None
    environment: int | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        if self.kind not in KINDS:
            raise InputError(f"intervention kind must be a known kind, got {self.kind!r}; {did_you_mean(str(self.kind), KINDS)}")
        if not isinstance(self.target, str) or not self.target:
            raise InputError(f"intervention target must name a service, got {self.target!r}")
        for name in ("magnitude", "start", "stop"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
                raise InputError(f"intervention {name} must be a number, got {value!r}")
        if not math.isfinite(self.magnitude):
            raise InputError(f"intervention magnitude must be finite, got {self.magnitude!r}")
        if self.start < 0 or self.stop <= self.start:
            raise InputError(f"intervention window must be 0 <= start < stop, got start={self.start!r}, stop={self.stop!r}")
        if self.kind == "set" and not self.variable:
            raise InputError("intervention of kind 'set' must name its variable, such as variable='cart:cpu'")
        if self.environment is not None and (isinstance(self.environment, bool) or not isinstance(self.environment, int)):
            raise InputError(f"intervention environment must be a whole number or None, got {self.environment!r}")

    @property
    def duration(self) -> float:
        """Length of the window in seconds."""
        return float(self.stop - self.start)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping; an open end becomes ``None``, and an environment is named only where one is."""
        data = asdict(self)
        if self.environment is None:
            del data["environment"]
        if math.isinf(self.stop):
            data["stop"] = None
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Intervention:
        """Read what :meth:`to_dict` wrote; other keys (such as ``file``) are left to the caller."""
        known = {f.name for f in fields(cls)}
        kept = {k: v for k, v in data.items() if k in known}
        if "target" not in kept or "kind" not in kept:
            raise InputError(f"intervention must have target and kind, got keys {sorted(data)}")
        if kept.get("stop", 0.0) is None:
            kept["stop"] = math.inf
        return cls(**kept)
