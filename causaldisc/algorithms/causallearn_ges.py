"""The reference adapter of causal-learn's GES."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Algorithm
from causaldisc.core.telemetry import Telemetry


@dataclass(frozen=True)
class CausalLearnGES(Algorithm):
    """GES of causal-learn (Zheng et al. 2024; Chickering 2002) with the Gaussian BIC; it takes no prior at all.

    Rows of all environments are pooled.

    Raises
    ------
    InputError : missing values, linearly dependent columns, or fewer than 4 rows.
    """

    name: ClassVar[str] = "causallearn_ges"
    summary: ClassVar[str] = "reference: GES of causal-learn, BIC"
    clauses: ClassVar[frozenset[str]] = frozenset()
    equivariant: ClassVar[bool] = False  # equal scores go to the first comer

    @property
    def kind(self) -> str:
        """``cpdag``."""
        return "cpdag"

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Run the library; nothing of it is random."""
        from causaldisc.algorithms._bridges.causallearn import run_ges, scores_of, usable

        values = usable(telemetry.values, telemetry.names, self.name)
        codes = run_ges(values)
        graph = CausalGraph.from_codes(telemetry.variables, codes, kind="cpdag")
        return Learned(graph, scores_of(codes, values, constraints.allowed[:, :, 0]))
