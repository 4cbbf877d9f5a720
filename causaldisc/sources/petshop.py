"""petshop: telemetry of a real microservice application at low traffic, with injected faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from causaldisc.core.dataset import Dataset, Trial
from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.intervention import Intervention
from causaldisc.core.parameters import parameter, values_of
from causaldisc.core.plugins import Source
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.variables import Variable
from causaldisc.sources._shipped import RecordedSystem, read_facts, read_table

_STEP_S = 300.0
_STATISTICS = ("Average", "p50", "p90", "p95", "p99")


@dataclass(frozen=True)
class Petshop(Source):
    """A real microservice application: 41 services with requests, latency and availability, every five minutes.

    By default the record without an incident. With ``incident`` (such as ``test/issue_3``) the five rows of that incident
    follow it as a second environment, and ``notes["incident"]`` says when it was seen, and in which variable. Nobody knows
    the metric-level graph (``truth`` is None); ``service_truth`` is the call graph for traffic and its reverse for latency
    and errors. The seed changes nothing. See the data card in ``datasets/petshop``.
    M. Hardt et al., "The PetShop Dataset", CLeaR 2024, arXiv 2311.04806.

    >>> data = Petshop().system(seed=0).dataset()
    >>> data.telemetry.shape, data.call_graph.number_of_edges(), len(data.trials)
    ((589, 123), 44, 26)
    """

    name: ClassVar[str] = "petshop"
    summary: ClassVar[str] = "real microservice application on AWS with 26 injected faults; call graph known"
    real: ClassVar[bool] = True

    incident: str | None = parameter(None, "an incident to append, such as train/issue_0; null = none")
    latency: str = parameter("Average", "which statistic of latency", choices=(*_STATISTICS, "all"))

    def system(self, seed: int) -> PetshopSystem:
        """Return the record."""
        return PetshopSystem(self, seed)


class PetshopSystem(RecordedSystem):
    """The record of PetShop, cut to the statistics asked for."""

    def __init__(self, source: Petshop, seed: int) -> None:
        """Read the shipped files; raises InputError for an unknown incident."""
        super().__init__(source, seed)
        self.options = source
        self.facts = read_facts("petshop")
        self.incidents: dict[str, Mapping[str, Any]] = {fact["incident"]: fact for fact in self.facts["incidents"]}
        if source.incident is not None and source.incident not in self.incidents:
            raise InputError(
                f"petshop.incident must be a known one, got {source.incident!r}; {did_you_mean(source.incident, self.incidents)}"
            )
        table = read_table("petshop", "metrics.parquet")
        dropped = {"time", "incident"} | {
            name for name in table.columns if ":latency_" in name and source.latency not in ("all", name.rpartition("_")[2])
        }
        self.names = [name for name in table.columns if name not in dropped]
        self.times = table["time"].to_numpy(float)
        self.part = table["incident"].to_numpy(str)
        self.values = table[self.names].to_numpy(float)

    def record(self) -> Dataset:
        """Return the record, with the incidents as trials of a fault of unknown mechanism."""
        chosen = self.options.incident
        trials = tuple(self._trial(name) for name in self.incidents if chosen in (None, name))
        notes: dict[str, Any] = {"parameters": values_of(self.options), "step_s": _STEP_S}
        telemetry = self._telemetry("")
        if chosen is not None:
            telemetry, at = self._with_incident(chosen)
            notes["incident"] = {"name": chosen, "at": at, "seen_in": self.incidents[chosen]["target"]}
        calls = [(a, b) for a, b in self.facts["calls"]]
        return Dataset(
            "petshop",
            telemetry,
            call_graph=_call_graph(self.facts["services"], calls),
            prior=ExpertPrior(calls=calls),
            trials=trials,
            service_truth=_service_truth(telemetry.variables, calls),
            notes=notes,
        )

    def _telemetry(self, part: str) -> Telemetry:
        """One part of the record; a column that was never recorded in it is left out."""
        rows = self.part == part
        present = np.flatnonzero(~np.isnan(self.values[rows]).all(axis=0))
        return Telemetry(self.values[np.ix_(rows, present)], [self.names[k] for k in present], self.times[rows], clock="utc")

    def _trial(self, name: str) -> Trial:
        telemetry = self._telemetry(name)
        start = max(0.0, float(self.incidents[name]["time"]) - float(telemetry.times[0]))
        stop = float(telemetry.times[-1] - telemetry.times[0]) + _STEP_S
        return Trial(Intervention(self.incidents[name]["root_cause"], "unknown", 1.0, start, stop), telemetry)

    def _with_incident(self, name: str) -> tuple[Telemetry, float]:
        """The normal record and, right behind it on one relative clock, the incident; and when the incident was seen."""
        normal, incident = self.part == "", self.part == name
        begin = self.times[normal][0]
        behind = self.times[normal][-1] - begin + _STEP_S
        times = np.concatenate([self.times[normal] - begin, self.times[incident] - self.times[incident][0] + behind])
        values = np.concatenate([self.values[normal], self.values[incident]])
        environments = np.repeat([0, 1], [normal.sum(), incident.sum()])
        at = float(self.incidents[name]["time"]) - float(self.times[incident][0]) + float(behind)
        return Telemetry(values, self.names, times, environments), at


def _call_graph(services: list[str], calls: list[tuple[str, str]]) -> Any:
    """``nx.DiGraph``, caller → callee."""
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(services)
    graph.add_edges_from(calls)
    return graph


def _service_truth(variables: tuple[Variable, ...], calls: list[tuple[str, str]]) -> dict[str, CausalGraph]:
    """Role → graph of the services with telemetry: traffic goes down a call, latency and errors come back up."""
    services = list(dict.fromkeys(v.service for v in variables))
    known = [(a, b) for a, b in calls if a in services and b in services]
    up = [(b, a) for a, b in known]
    by_role = {"traffic": known, "latency": up, "errors": up, "merged": list(dict.fromkeys([*known, *up]))}
    return {
        role: CausalGraph(
            [Variable(s, s, "value", role if role != "merged" else "other") for s in services],
            [Edge(a, b, evidence=("call graph",)) for a, b in pairs],
            "summary",
            step_seconds=_STEP_S,
            provenance={"source": "petshop"},
        )
        for role, pairs in by_role.items()
    }
