"""sachs: protein signalling: rows of a published Bayesian network with an exact graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Source
from causaldisc.sources._shipped import SampledNetwork


@dataclass(frozen=True)
class Sachs(Source):
    """Eleven proteins at three levels (1 = low, 3 = high), sampled from a Bayesian network fitted to single cells.

    The seed chooses ``n_samples`` of the 10,000 rows shipped, without replacement, and the order of the columns. See the data
    card in ``datasets/sachs``.
    K. Sachs et al., "Causal protein-signaling networks derived from multiparameter single-cell data", Science 308, 2005.

    >>> data = Sachs().system(seed=0).dataset()
    >>> data.telemetry.shape, len(data.truth.edges)
    ((2000, 11), 17)
    """

    name: ClassVar[str] = "sachs"
    summary: ClassVar[str] = "protein signalling: rows of a published Bayesian network with an exact graph"
    real: ClassVar[bool] = True

    n_samples: int = parameter(2000, "rows drawn by the seed out of the 10,000 shipped", low=10, high=10_000)

    def system(self, seed: int) -> SampledNetwork:
        """Return the record, with the rows that a seed chooses."""
        return SampledNetwork(self, seed, self.n_samples)
