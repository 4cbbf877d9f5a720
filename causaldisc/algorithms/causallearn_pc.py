"""The reference adapter of causal-learn's PC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.graph import CausalGraph
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Algorithm
from causaldisc.core.prior import HARD_CLAUSES
from causaldisc.core.telemetry import Telemetry


@dataclass(frozen=True)
class CausalLearnPC(Algorithm):
    """PC-stable of causal-learn (Zheng et al. 2024) with Fisher's z test and its defaults for colliders.

    Rows of all environments are pooled. It takes every clause but required edges, which its PC drops where the data do
    not show them.

    Raises
    ------
    InputError : missing values, linearly dependent columns, or fewer than 4 rows.
    """

    alpha: float = parameter(0.01, "level of the independence tests", low=1e-12, high=1.0 - 1e-12, search=(1e-4, 0.2, "log"))
    max_conditions: int | None = parameter(None, "largest conditioning set; null = as large as neighbourhoods get", low=0)
    name: ClassVar[str] = "causallearn_pc"
    summary: ClassVar[str] = "reference: PC of causal-learn, Fisher z, stable"
    clauses: ClassVar[frozenset[str]] = frozenset(HARD_CLAUSES) - {"required"}
    equivariant: ClassVar[bool] = False  # its collider conflicts go to the first comer

    @property
    def kind(self) -> str:
        """``cpdag``, and ``mpdag`` of a graph found under a prior."""
        return "cpdag"

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Run the library; nothing of it is random."""
        from causaldisc.algorithms._bridges.causallearn import run_pc, scores_of, usable

        values = usable(telemetry.values, telemetry.names, self.name)
        allowed = constraints.allowed[:, :, 0]
        codes = run_pc(values, self.alpha, allowed, self.max_conditions)
        kind = "mpdag" if constraints.prior.clause_kinds else "cpdag"
        graph = CausalGraph.from_codes(telemetry.variables, codes, kind=kind)
        return Learned(graph, scores_of(codes, values, allowed))
