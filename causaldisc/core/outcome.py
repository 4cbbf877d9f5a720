"""Outcome: the record of one run, whatever became of it. An empty graph is a result; a failure is a status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.files import plain

STATUSES = ("ok", "timeout", "crashed", "out_of_memory", "prior_violated", "skipped", "invalid_input")


@dataclass(frozen=True)
class Outcome:
    """One cell of an experiment.

    Attributes
    ----------
    key : content address of the cell.
    status : one of ``STATUSES``; ``error`` says why when it is not ``ok``.
    config : the resolved configuration (algorithm, source, prior, validation, seed, limits).
    metrics : metric name → value, NaN where undefined.
    graph, certificate, report, trials : JSON-ready; None or empty when the run did not get there.
    data_sha256, versions, git_commit : what the figures depend on.
    seconds, cpu_seconds, peak_memory_mb : cost of the discovery.
    started : ISO 8601, UTC.

    >>> Outcome(key="k", status="timeout", config={}, error="after 5 s").is_ok
    False
    """

    key: str
    status: str
    config: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)
    graph: Mapping[str, Any] | None = None
    certificate: Mapping[str, Any] | None = None
    report: Mapping[str, Any] = field(default_factory=dict)
    trials: tuple[Mapping[str, Any], ...] = ()
    error: str = ""
    data_sha256: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    git_commit: str = ""
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_memory_mb: float | None = None
    started: str = ""

    def __post_init__(self) -> None:
        """Refuse an unknown status."""
        if self.status not in STATUSES:
            raise InputError(
                f"outcome status must be a known status, got {self.status!r}; {did_you_mean(str(self.status), STATUSES)}"
            )

    @property
    def is_ok(self) -> bool:
        """Whether the run finished and its graph obeys the prior."""
        return self.status == "ok"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping; NaN becomes None."""
        return plain(asdict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "outcome") -> Outcome:
        """Read what :meth:`to_dict` wrote; raises InputError when it is something else."""
        if not isinstance(data, Mapping) or not {"key", "status", "config"} <= set(data):
            raise InputError(f"{where}: must be an outcome with key, status and config")
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        metrics = {k: float("nan") if v is None else float(v) for k, v in dict(known.get("metrics") or {}).items()}
        return cls(**{**known, "metrics": metrics, "trials": tuple(known.get("trials") or ())})
