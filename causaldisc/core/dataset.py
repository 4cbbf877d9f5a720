"""Dataset: what a source gives: telemetry, an expert's prior, held-out trials, and the truth where it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from causaldisc.core.graph import CausalGraph
from causaldisc.core.intervention import Intervention
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, eq=False)
class Trial:
    """One held-out interventional trial: what was done, and the telemetry of that run."""

    intervention: Intervention
    telemetry: Telemetry


@dataclass(frozen=True, eq=False)
class Dataset:
    """Telemetry with what is known about it.

    Attributes
    ----------
    name : the source's name.
    telemetry : what a discovery algorithm may see.
    truth : metric-level causal graph, or None where nobody knows it.
    call_graph : ``nx.DiGraph`` of services, caller → callee, or None.
    prior : the expert's prior that comes with the source (call graph and its rules; never drawn from the truth).
    trials : held-out interventional trials; never shown to ``discover``.
    truths : further truths by name, scored apart: what else a source knows of the system (see the source's documentation).
    signals : file name → contents: the same run in other forms, such as traces and logs.
    service_truth : role → service-level graph, where only that is known (real systems).
    notes : JSON-ready facts about how it was made.
    """

    name: str
    telemetry: Telemetry
    truth: CausalGraph | None = None
    call_graph: nx.DiGraph | None = None
    prior: ExpertPrior = field(default_factory=ExpertPrior)
    trials: tuple[Trial, ...] = ()
    service_truth: Mapping[str, CausalGraph] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    truths: Mapping[str, CausalGraph] = field(default_factory=dict)
    signals: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def services(self) -> Mapping[str, CausalGraph]:
        """Role → service-level truth: given, or the quotient of the metric-level truth; empty when unknown."""
        if self.service_truth is not None:
            return self.service_truth
        return self.truth.services() if self.truth is not None else {}
