"""What each number of a topology may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from causaldisc.core.errors import InputError
from causaldisc.sources._system.topology import Call, Operation, Policy, Service


@dataclass(frozen=True, slots=True)
class Bound:
    """A number in ``low..high``, both included; ``above``: ``low`` itself is not; ``optional``: may be None."""

    low: float
    high: float
    whole: bool = False
    optional: bool = False
    above: bool = False

    def holds(self, value: Any) -> bool:
        """Whether a value is such a number."""
        if value is None:
            return self.optional
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.low <= value <= self.high and not (self.above and value == self.low)  # NaN is not

    def __str__(self) -> str:
        """The rule in words.

        >>> str(Bound(1, 8, whole=True, optional=True)), str(Bound(0, 1, above=True))
        ('a whole number in 1..8 or null', 'a number > 0 and <= 1')
        """
        kind = "a whole number" if self.whole else "a number"
        span = f"> {self.low:g} and <= {self.high:g}" if self.above else f"in {self.low:g}..{self.high:g}"
        return f"{kind} {span}{' or null' if self.optional else ''}"


_SHARE = Bound(0, 1)
_HOUR = 3_600_000.0  # milliseconds

RATE = Bound(0, 1e6, above=True)
ENTRY_SHARE = Bound(0, 1e9)
HOST_CORES = Bound(1, 4096, whole=True)
BOUNDS: dict[type, dict[str, Bound]] = {
    Service: {
        "cores": Bound(1, 1024, whole=True),
        "threads": Bound(1, 100_000, whole=True, optional=True),
        "queue": Bound(0, 1_000_000, whole=True, optional=True),
        "replicas": Bound(1, 1000, whole=True),
        "max_replicas": Bound(1, 1000, whole=True, optional=True),
        "floor": _SHARE,
        "errors": _SHARE,
        "memory": _SHARE,
        "memory_per_thread": _SHARE,
        "locks": Bound(0, 10_000, whole=True),
        "gc_s": Bound(0, 1e6),
        "gc_pause_ms": Bound(0, 60_000),
    },
    Operation: {"work_ms": Bound(0, 60_000), "first": _SHARE, "writes": _SHARE},
    Call: {"stage": Bound(0, 99, whole=True), "probability": _SHARE, "hit": _SHARE},
    Policy: {
        "timeout_ms": Bound(0, _HOUR, optional=True, above=True),
        "retries": Bound(0, 20, whole=True),
        "backoff_ms": Bound(0, 60_000),
        "connections": Bound(1, 1_000_000, whole=True, optional=True),
        "breaker": Bound(0, 1, optional=True, above=True),
        "open_ms": Bound(0, _HOUR, above=True),
        "network_ms": Bound(0, 10_000),
    },
}
FLAGS: dict[type, tuple[str, ...]] = {Service: ("disk",), Call: ("waits", "required")}


def check_number(value: Any, bound: Bound, where: str) -> None:
    """Raise InputError unless a value is within its bound."""
    if not bound.holds(value):
        raise InputError(f"{where} must be {bound}, got {shown(value)}")


def check_fields(part: Any, where: str) -> None:
    """Check every number and flag of a service, operation, call or policy.

    >>> check_fields(Policy(retries=-1), "policies.a->b")
    Traceback (most recent call last):
    ...
    causaldisc.core.errors.InputError: policies.a->b.retries must be a whole number in 0..20, got -1
    """
    for name, bound in BOUNDS[type(part)].items():
        check_number(getattr(part, name), bound, f"{where}.{name}")
    for name in FLAGS.get(type(part), ()):
        if not isinstance(getattr(part, name), bool):
            raise InputError(f"{where}.{name} must be true or false, got {shown(getattr(part, name))}")


def shown(value: Any) -> str:
    """A value as an error line shows it: never long, never more than one line."""
    if isinstance(value, list | tuple | dict | set):
        return f"a {type(value).__name__} of {len(value)}"
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than some thousand digits
        text = "a number too long to write"
    return text if len(text) <= 80 else f"{text[:77]}…"
