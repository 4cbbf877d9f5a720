"""The reference adapter of tigramite's PCMCI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from causaldisc.algorithms._tigramite import Tigramite
from causaldisc.core.parameters import parameter

if TYPE_CHECKING:
    from causaldisc.algorithms._bridges.tigramite import Answer


@dataclass(frozen=True)
class TigramitePCMCI(Tigramite):
    """PCMCI of tigramite (Runge et al. 2019) with its partial correlation test.

    Environments are its multiple data sets, pooled with one mean; a test leaves out the samples in which one of its variables
    is missing. A required edge with a choice of lags takes the one of largest lagged correlation.
    """

    alpha: float = parameter(0.05, "level of the graph", low=0.0, high=1.0, search=(1e-4, 0.2, "log"))
    pc_alpha: float = parameter(0.2, "level of the selection of lagged parents", low=0.0, high=1.0, search=(0.005, 0.5, "log"))
    name: ClassVar[str] = "tigramite_pcmci"
    summary: ClassVar[str] = "reference: PCMCI of tigramite, partial correlations"

    def run(self, values: np.ndarray, environments: np.ndarray, may: np.ndarray, must: np.ndarray) -> Answer:
        """Call ``run_pcmci``."""
        from causaldisc.algorithms._bridges.tigramite import run_pcmci

        return run_pcmci(
            values,
            environments,
            may,
            must,
            pc_alpha=self.pc_alpha,
            alpha_level=self.alpha,
            max_conds_dim=self.max_conditions,
            fdr_method="fdr_bh" if self.fdr else "none",
        )
