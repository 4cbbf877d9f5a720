"""Root-cause analysis: rank the variables of a graph by how likely the incident began there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import rankers
from causaldisc.core.telemetry import Telemetry
from causaldisc.rca._onset import find_onset
from causaldisc.rca._periods import beside_normal, split

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class RootCause:
    """One suspect: ``rank`` from 1, the variable, its service, and the method's score (comparable within one ranking only)."""

    rank: int
    variable: str
    service: str
    score: float


@dataclass(frozen=True)
class Ranking:
    """Suspects, best first; iterates over :class:`RootCause`.

    Attributes
    ----------
    causes : the suspects.
    method : the ranker's name.
    onset : when the incident begins, in seconds of the telemetry's clock; ``onset_found`` when it was not given.
    onset_text : the same for people.
    report : JSON-ready: rows of both periods, ``not_in_telemetry``, ``not_in_graph``, ``without_score``.
    """

    causes: tuple[RootCause, ...]
    method: str
    onset: float
    onset_found: bool
    onset_text: str
    report: Mapping[str, Any]

    @property
    def services(self) -> tuple[str, ...]:
        """The services of the suspects, each once, in order."""
        return tuple(dict.fromkeys(c.service for c in self.causes))

    def __iter__(self) -> Iterator[RootCause]:
        """Iterate over the suspects."""
        return iter(self.causes)

    def __len__(self) -> int:
        """Count the suspects."""
        return len(self.causes)

    def __getitem__(self, k: int) -> RootCause:
        """Return the suspect at a position from 0."""
        return self.causes[k]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return {
            "method": self.method,
            "onset": self.onset,
            "onset_found": self.onset_found,
            "onset_text": self.onset_text,
            "causes": [asdict(c) for c in self.causes],
            "report": dict(self.report),
        }


def rca(
    graph: CausalGraph,
    telemetry: Telemetry | pd.DataFrame,
    at: float | str | None = None,
    method: str = "rht",
    top: int | None = 5,
    normal: Telemetry | pd.DataFrame | None = None,
    **parameters: Any,
) -> Ranking:
    """Rank root causes of an incident.

    Parameters
    ----------
    graph : causal graph over variables; what only the graph or only the telemetry knows is left out and reported.
    telemetry : T rows that hold a normal period and the incident; with ``normal`` the incident alone will do.
    at : onset, in seconds of the telemetry's clock or as ISO 8601; None = found from the data (see ``onset_found``).
    method : name of a ranker (see ``causaldisc list rca``); ``**parameters`` are its own.
    top : how many suspects to name; None = all.
    normal : telemetry of a normal period recorded apart; the incident then begins with the first row of ``telemetry``, unless
        ``at`` says otherwise. Variables that only one of the two has are left out.

    Raises
    ------
    InputError : an unknown method, an onset outside the telemetry, no variable in common, or no onset that could be found.

    >>> from causaldisc.core.graph import Edge
    >>> rng = np.random.default_rng(0)
    >>> cpu = rng.normal(size=300)
    >>> cpu[250:] += 10
    >>> data = Telemetry(np.column_stack([3 * cpu + rng.normal(size=300), cpu]), ["web:latency", "web:cpu"])
    >>> rca(CausalGraph(["web:cpu", "web:latency"], [Edge("web:cpu", "web:latency")]), data, at=250)[0].variable
    'web:cpu'
    """
    if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 0):
        raise InputError(f"top must be a whole number >= 0 or None, got {top!r}")
    ranker = rankers.build(method, parameters)
    data = telemetry if isinstance(telemetry, Telemetry) else Telemetry.from_pandas(telemetry)
    if normal is not None:
        at = float(data.times[0]) if at is None else at
        data = beside_normal(normal if isinstance(normal, Telemetry) else Telemetry.from_pandas(normal), data)
    shared = [k for k, name in enumerate(data.names) if name in graph.index]
    if not shared:
        raise InputError(
            f"graph and telemetry must share variables, got {_few(graph.names)} in one and {_few(data.names)} in the other"
        )
    onset = find_onset(data) if at is None else seconds_of_onset(at, data.clock)
    before, after = split(data, onset)
    known = data.select(shared)
    ranking = ranker.rank(_restricted(graph, set(known.names)), known, onset)
    service = {v.name: v.service for v in graph.variables}
    causes = tuple(RootCause(k, name, service[name], score) for k, (name, score) in enumerate(ranking[:top], 1))
    report = {
        "normal_rows": int(before.sum()),
        "abnormal_rows": int(after.sum()),
        "not_in_telemetry": [n for n in graph.names if n not in set(data.names)],
        "not_in_graph": [n for n in data.names if n not in graph.index],
        "without_score": [n for n in known.names if n not in {name for name, _ in ranking}],
    }
    return Ranking(causes, method, onset, at is None, _onset_text(onset, data.clock, at is None), report)


def seconds_of_onset(at: float | str, clock: str) -> float:
    """Read an onset: a number, a number as text, or ISO 8601 (UTC unless it says otherwise) for telemetry with a UTC clock.

    >>> seconds_of_onset("600", "relative"), seconds_of_onset("2024-01-01T00:00:00Z", "utc")
    (600.0, 1704067200.0)
    """
    wrong = InputError(f"at must be seconds of the telemetry's clock or ISO 8601, got {at!r}; valid: 600, 2024-01-01T00:10:00Z")
    if isinstance(at, bool) or not isinstance(at, str | int | float | np.number):
        raise wrong
    try:
        seconds = float(at)
    except ValueError:
        try:
            stamp = datetime.fromisoformat(str(at))
        except ValueError:
            raise wrong from None
        if clock != "utc":
            raise InputError(f"at must be in seconds, since the telemetry's clock counts from its start, got {at!r}") from None
        seconds = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    if not np.isfinite(seconds):
        raise wrong
    return seconds


def _restricted(graph: CausalGraph, names: set[str]) -> CausalGraph:
    edges = [e for e in graph.edges if e.source in names and e.target in names]
    return graph.replace(variables=[v for v in graph.variables if v.name in names], edges=edges)


def _onset_text(onset: float, clock: str, found: bool) -> str:
    when = datetime.fromtimestamp(onset, UTC).isoformat().replace("+00:00", "Z") if clock == "utc" else f"{onset:.15g} s"
    return f"{when} ({'found from the data' if found else 'given'})"


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(repr(n) for n in names[:3]) + (", …" if len(names) > 3 else "") if names else "none"
