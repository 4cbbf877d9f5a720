"""Doctor: what the environment offers, and what an audit of telemetry says about the assumptions of discovery."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from causaldisc.core.telemetry import Telemetry
from causaldisc.runner.doctor_audit import audit
from causaldisc.runner.doctor_environment import environment
from causaldisc.runner.doctor_habits import habits_of
from causaldisc.runner.finding import Finding

_MARKS = {"ok": " ok ", "note": "note", "warning": "WARN"}
_SHOWN = 4


@dataclass(frozen=True)
class Checkup:
    """The findings about the environment, and about telemetry where it was given."""

    environment: tuple[Finding, ...]
    telemetry: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping; ``telemetry`` is None when none was given."""
        return {
            "environment": [asdict(f) for f in self.environment],
            "telemetry": [asdict(f) for f in self.telemetry] or None,
        }

    def text(self) -> str:
        """Return the findings for people, one with its meaning each."""
        lines = ["environment", *(_line(f) for f in self.environment)]
        if self.telemetry:
            lines += ["", "telemetry", *(_line(f) for f in self.telemetry)]
        return "\n".join(lines)


def doctor(telemetry: Telemetry | None = None) -> Checkup:
    """Look at the environment and, when given, audit telemetry and tell its habits.

    Nothing heavy is imported and nothing is changed. The audit speaks of what the data show; what needs the truth, such as
    var-sortability, is not claimed.

    >>> checkup = doctor(Telemetry([[0.0, 1.0], [1.0, 1.0], [3.0, 1.0]], ["a:cpu", "b:cpu"]))
    >>> next(f.value for f in checkup.telemetry if f.topic == "constant columns")
    ['b:cpu']
    """
    return Checkup(environment(), (*audit(telemetry), *habits_of(telemetry)) if telemetry is not None else ())


def _line(finding: Finding) -> str:
    return f"[{_MARKS[finding.level]}] {finding.topic}: {_shown(finding.value)}. {finding.meaning}"


def _shown(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    more = f" (and {len(value) - _SHOWN} more)" if len(value) > _SHOWN else ""
    return ", ".join(str(v) for v in value[:_SHOWN]) + more or "none"
