"""Variables: the columns of telemetry, each a metric of a service with a role."""

from __future__ import annotations

import re
from dataclasses import dataclass

from causaldisc.core.errors import InputError, did_you_mean

ROLES = ("traffic", "latency", "errors", "cpu", "memory", "saturation", "other")

# First match wins: "failed_requests" speaks of errors and "request_duration" of latency, not of traffic.
_ROLE_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "errors",
        (
            "err",
            "error",
            "errors",
            "fail",
            "failed",
            "failure",
            "failures",
            "fault",
            "faults",
            "availability",
            "5xx",
            "4xx",
            "exceptions",
            "success",
            "timeouts",
        ),
    ),
    ("latency", ("latency", "latencies", "duration", "delay", "response", "rt", "rtt", "elapsed")),
    ("cpu", ("cpu", "processor", "cores")),
    ("memory", ("mem", "memory", "rss", "heap", "ram", "oom")),
    (
        "saturation",
        (
            "saturation",
            "queue",
            "queued",
            "pool",
            "inflight",
            "backlog",
            "utilization",
            "utilisation",
            "threads",
            "connections",
            "disk",
            "diskio",
            "io",
            "iops",
            "socket",
            "sockets",
            "replicas",
            "throttled",
        ),
    ),
    (
        "traffic",
        (
            "traffic",
            "request",
            "requests",
            "req",
            "rps",
            "qps",
            "tps",
            "throughput",
            "calls",
            "hits",
            "load",
            "workload",
            "users",
            "rate",
            "invocations",
        ),
    ),
)


def split_name(name: str) -> tuple[str, str]:
    """Split ``service:metric`` at the last colon, since service names may hold ``::`` themselves.

    >>> split_name("AWS::SSM:latency_p95")
    ('AWS::SSM', 'latency_p95')
    >>> split_name("x3")
    ('x3', 'value')
    """
    service, colon, metric = name.rpartition(":")
    if not colon or not service or not metric or service.endswith(":"):
        return name, "value"
    return service, metric


def guess_role(metric: str) -> str:
    """Guess the role of a metric from the words in its name; ``other`` when none is known.

    >>> guess_role("latency_p95"), guess_role("availability"), guess_role("httpRequests_Sum")
    ('latency', 'errors', 'traffic')
    """
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", metric)
    words = set(re.split(r"[^a-z0-9]+", spaced.lower()))
    for role, vocabulary in _ROLE_WORDS:
        if words.intersection(vocabulary):
            return role
    return "other"


@dataclass(frozen=True, slots=True)
class Variable:
    """One column of telemetry: its full name, service, metric, role and unit.

    Parameters
    ----------
    name : the column name, unique within a telemetry.
    service, metric : the two halves of the name (see :func:`split_name`).
    role : one of ``ROLES``.
    unit : free text such as ``"s"`` or ``"1/s"``; empty when unknown.

    Raises
    ------
    InputError : an empty name or an unknown role.

    >>> Variable.of("cart:latency_p95").role
    'latency'
    """

    name: str
    service: str
    metric: str
    role: str = "other"
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse an empty name and an unknown role."""
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"variable name must be a non-empty string, got {self.name!r}")
        if self.role not in ROLES:
            raise InputError(
                f"role of {self.name!r} must be a known role, got {self.role!r}; {did_you_mean(str(self.role), ROLES)}"
            )

    @classmethod
    def of(cls, name: str, *, role: str | None = None, unit: str = "") -> Variable:
        """Build a variable from its column name, guessing the role unless it is given."""
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"variable name must be a non-empty string, got {name!r}")
        service, metric = split_name(name)
        return cls(name, service, metric, role or guess_role(metric), unit)
