"""PCMCI: select lagged parents, then test every link given the parents of both its ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._lagged import Findings
from causaldisc.algorithms._momentary import Momentary, Search, levels
from causaldisc.core.graph import DIRECTED, UNDIRECTED
from causaldisc.core.parameters import parameter


@dataclass(frozen=True)
class PCMCI(Momentary):
    """PCMCI with partial correlations (Runge et al. 2019, Science Advances 5, eaau4996).

    Linear relations, stationarity and no hidden common cause are assumed; time directs lagged edges, and those of lag 0 stay
    undirected unless the prior allows one direction only. Tests, their p-values and their order are those of tigramite's
    ``run_pcmci`` with ``ParCorr``: all use the same T - 2 * max_lag windows. Columns that are exact linear functions of others
    cost tests those conditions, never their links. Every clause of a prior is obeyed: what it forbids is not tested, except a
    variable's own past, which is conditioned on and then left out of the graph. A belief shifts the level of its link by its
    log-odds; one about lag 0 directs a link there, as long as that closes no cycle.

    Windows stay within an environment, and all environments are pooled, as tigramite's multiple data sets are. A shift of
    their means then makes correlations, as any unmeasured common cause does; ``own_means`` takes these means out first, for a
    degree of freedom each. With missing values, ``missing="testwise"`` makes tigramite's tests with ``missing_flag``: each
    uses the windows where all its columns are present, some 20 times slower than tests from common correlations, which
    the other choices make.

    >>> from causaldisc.core.telemetry import Telemetry
    >>> from causaldisc.runner.pipeline import discover
    >>> noise = np.random.default_rng(0).normal(size=(500, 2))
    >>> noise[1:, 1] += 0.8 * noise[:-1, 0]
    >>> found = discover(Telemetry(noise, ["a", "b"]), "pcmci", max_lag=2)
    >>> [(e.source, e.target, e.lag) for e in found.graph.edges]
    [('a', 'b', 1)]
    """

    alpha: float = parameter(0.05, "level of the graph", low=0.0, high=1.0, search=(1e-4, 0.2, "log"))
    judges_colliders: ClassVar[bool] = False
    name: ClassVar[str] = "pcmci"
    summary: ClassVar[str] = "PCMCI with partial correlations"

    def find(self, search: Search) -> Findings:
        """Test all links and keep the significant ones."""
        from causaldisc.kernels.belief_directions import direct
        from causaldisc.kernels.pcmci import log_p_of

        links = self.momentary(search)
        log_p = log_p_of(links)
        adjusted = self.adjust(search, log_p)
        # links.freedom: without a degree of freedom there was no test.
        tested, level = links.freedom >= 1, np.exp(levels(search, search.logits, self.alpha))
        kept = (np.exp(adjusted) <= np.where(search.logits == 0, self.alpha, level)) & tested
        codes, turned = np.where(kept, DIRECTED, 0).astype(np.int8), np.zeros(kept.shape, dtype=bool)
        forward = (search.may & ~search.may.swapaxes(0, 1) | search.must)[:, :, 0]
        codes[:, :, 0] = np.where(kept[:, :, 0] & ~forward.T, np.where(forward, DIRECTED, UNDIRECTED), 0)
        # No triple is judged here: a direction that beliefs give has to close no cycle, and nothing follows from it.
        codes[:, :, 0], turned[:, :, 0] = direct(codes[:, :, 0], search.directions, lambda now: now, lambda now: now < 0)
        owed = kept & (search.logits > 0) & (np.exp(adjusted) > self.alpha)
        return Findings(codes, links.value, log_p, adjusted, owed, turned, {})
