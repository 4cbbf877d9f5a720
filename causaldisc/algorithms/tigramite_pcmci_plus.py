"""The reference adapter of tigramite's PCMCI+."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from causaldisc.algorithms._tigramite import Tigramite
from causaldisc.core.parameters import parameter

if TYPE_CHECKING:
    from causaldisc.algorithms._bridges.tigramite import Answer


@dataclass(frozen=True)
class TigramitePCMCIPlus(Tigramite):
    """PCMCI+ of tigramite (Runge 2020) with its partial correlation test, majority rule and marking of conflicts.

    Directions that form a cycle at lag 0 are marked as conflicts. ``fdr`` changes the p-values of edges, not the graph. For
    the rest see ``tigramite_pcmci``.
    """

    pc_alpha: float = parameter(0.01, "level of all tests", low=0.0, high=1.0, search=(1e-4, 0.2, "log"))
    name: ClassVar[str] = "tigramite_pcmci_plus"
    summary: ClassVar[str] = "reference: PCMCI+ of tigramite, partial correlations, majority rule"
    equivariant: ClassVar[bool] = False  # the p-value of a link that it drops at lag 0 depends on which end comes first
    level: ClassVar[str] = "pc_alpha"

    def run(self, values: np.ndarray, environments: np.ndarray, may: np.ndarray, must: np.ndarray) -> Answer:
        """Call ``run_pcmciplus``."""
        from causaldisc.algorithms._bridges.tigramite import run_pcmci_plus

        return run_pcmci_plus(
            values,
            environments,
            may,
            must,
            pc_alpha=self.pc_alpha,
            max_conds_dim=self.max_conditions,
            fdr_method="fdr_bh" if self.fdr else "none",
        )
