"""The call graph as a causal graph: the control that knows the architecture and looks at no data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.algorithms._controls import Claim, Control
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import PriorError
from causaldisc.core.telemetry import Telemetry


@dataclass(frozen=True)
class CallGraph(Control):
    """Every lag-0 edge that the call rules allow within a service, and between services of which one calls the other.

    Raises PriorError for a prior without ``calls``.

    >>> from causaldisc import ExpertPrior, Telemetry, discover
    >>> data = Telemetry([[0.0, 1.0], [1.0, 0.5], [2.0, 2.0]], ["shop:latency", "cart:latency"])
    >>> found = discover(data, "call_graph", prior=ExpertPrior(calls=[("shop", "cart")]), max_lag=0)
    >>> [(e.source, e.target) for e in found.graph.edges]
    [('cart:latency', 'shop:latency')]
    """

    name: ClassVar[str] = "call_graph"
    summary: ClassVar[str] = "control: every edge that the call rules allow along the calls, without a look at the data"
    flat_kind: ClassVar[str] = "mpdag"
    evidence: ClassVar[tuple[str, ...]] = ("prior",)

    def claim(self, telemetry: Telemetry, constraints: Constraints, pinned: np.ndarray, rng: np.random.Generator) -> Claim:
        """Claim the allowed pairs of one service, or of two of which one calls the other."""
        if not constraints.prior.calls:
            raise PriorError(
                "`calls` must name who calls whom for call_graph, got a prior without it; valid: [[caller, callee], …]"
            )
        services = [v.service for v in constraints.variables]
        joined = {frozenset(call) for call in constraints.prior.calls}
        near = np.array([[a == b or frozenset((a, b)) in joined for b in services] for a in services])
        cells = np.zeros_like(pinned)
        cells[:, :, 0] = near & constraints.allowed[:, :, 0]
        return Claim(cells)
