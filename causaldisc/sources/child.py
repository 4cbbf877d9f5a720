"""child: congenital heart disease of newborns: rows of a published Bayesian network with an exact graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Source
from causaldisc.sources._shipped import SampledNetwork


@dataclass(frozen=True)
class Child(Source):
    """Twenty variables of two to six levels about newborns with a congenital heart disease, sampled from a published network.

    The seed chooses ``n_samples`` of the 10,000 rows shipped, without replacement, and the order of the columns. See the data
    card in ``datasets/child``.
    D. Spiegelhalter, R. Cowell, "Learning in probabilistic expert systems", Bayesian Statistics 4, 1992.

    >>> data = Child().system(seed=0).dataset()
    >>> data.telemetry.shape, len(data.truth.edges)
    ((2000, 20), 25)
    """

    name: ClassVar[str] = "child"
    summary: ClassVar[str] = "congenital heart disease of newborns: rows of a published Bayesian network with an exact graph"
    real: ClassVar[bool] = True

    n_samples: int = parameter(2000, "rows drawn by the seed out of the 10,000 shipped", low=10, high=10_000)

    def system(self, seed: int) -> SampledNetwork:
        """Return the record, with the rows that a seed chooses."""
        return SampledNetwork(self, seed, self.n_samples)
