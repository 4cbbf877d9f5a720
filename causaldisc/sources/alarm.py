"""alarm: monitoring of patients under anaesthesia: rows of a published Bayesian network with an exact graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Source
from causaldisc.sources._shipped import SampledNetwork


@dataclass(frozen=True)
class Alarm(Source):
    """Thirty-seven variables of two to four levels about patients under anaesthesia, from a published network.

    The seed chooses ``n_samples`` of the 10,000 rows shipped, without replacement, and the order of the columns. See the data
    card in ``datasets/alarm``.
    I. Beinlich et al., "The ALARM monitoring system: a case study with two probabilistic inference techniques for belief
    networks", Proc. 2nd European Conference on Artificial Intelligence in Medicine, 1989.

    >>> data = Alarm().system(seed=0).dataset()
    >>> data.telemetry.shape, len(data.truth.edges)
    ((2000, 37), 46)
    """

    name: ClassVar[str] = "alarm"
    summary: ClassVar[str] = "monitoring of patients under anaesthesia: rows of a published Bayesian network with an exact graph"
    real: ClassVar[bool] = True

    n_samples: int = parameter(2000, "rows drawn by the seed out of the 10,000 shipped", low=10, high=10_000)

    def system(self, seed: int) -> SampledNetwork:
        """Return the record, with the rows that a seed chooses."""
        return SampledNetwork(self, seed, self.n_samples)
