"""What the reference adapters of tigramite share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from causaldisc.algorithms._lagged import Findings, has_choice, learned, searched
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.errors import InputError
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Algorithm
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.moments import MIN_ROWS, lagged, lagged_rows, pairwise_correlation

if TYPE_CHECKING:
    from causaldisc.algorithms._bridges.tigramite import Answer


@dataclass(frozen=True)
class Tigramite(Algorithm):
    """A search of tigramite under a prior, which its ``link_assumptions`` take and :func:`learned` completes."""

    max_lag: int = parameter(3, "largest lag, in steps", low=0)
    max_conditions: int | None = parameter(None, "largest conditioning set of the searches; null = no limit", low=0)
    fdr: bool = parameter(False, "adjust the p-values of lagged links for their number (Benjamini-Hochberg)")
    level: ClassVar[str] = "alpha"

    @property
    def kind(self) -> str:
        """Always ``lagged``."""
        return "lagged"

    @abstractmethod
    def run(self, values: np.ndarray, environments: np.ndarray, may: np.ndarray, must: np.ndarray) -> Answer:
        """Call the library."""

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Run the library; nothing of it is random."""
        values, environments = telemetry.values, telemetry.environments
        windows, depth = len(lagged_rows(environments, 2 * self.max_lag)), 2 * self.max_lag
        if windows < MIN_ROWS:
            raise InputError(
                f"telemetry must have at least {depth + MIN_ROWS} rows on end in an environment (2 * max_lag + {MIN_ROWS}), "
                f"got {len(values)} rows; valid: more rows or a smaller max_lag"
            )
        association = np.zeros(constraints.allowed.shape)
        if has_choice(constraints):
            R, _ = pairwise_correlation(lagged(values, environments, self.max_lag))
            association = np.abs(R[: len(association)]).reshape(len(association), -1, len(association)).transpose(2, 0, 1)
        pinned = constraints.pin(association)
        answer = self.run(values, environments, searched(constraints), pinned)
        unbelieved = np.zeros(constraints.allowed.shape, dtype=bool)
        findings = Findings(answer.codes, answer.value, answer.log_p, answer.log_p, unbelieved, unbelieved, {"windows": windows})
        return learned(telemetry.variables, constraints, pinned, findings, getattr(self, self.level))
