"""mesh: a random microservice system under live traffic, simulated request by request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.parameters import parameter
from causaldisc.sources._system.options import RequestSource
from causaldisc.sources._system.random_mesh import draw_mesh
from causaldisc.sources._system.topology import Topology


@dataclass(frozen=True)
class Mesh(RequestSource):
    """A random mesh of services: requests queue for threads and cores, calls wait, fail, time out and are tried again.

    Traffic flows from caller to callee, latency and errors flow back; hosts that services share, lines of calls and retries make
    effects beside the call graph, which are in the truth. Columns come in random order. Metrics, options, faults and truth are
    those of every request-level source: see ``experiments/simulator/MODEL.md``.

    >>> data = Mesh(n_services=4, duration_s=600, trials=1).system(seed=0).dataset()
    >>> data.telemetry.shape, data.truth.kind, sorted(data.truth.services())
    ((40, 16), 'lagged', ['cpu', 'errors', 'latency', 'merged', 'traffic'])
    """

    name: ClassVar[str] = "mesh"
    summary: ClassVar[str] = "random microservice system, request by request: queues, retries, caches, hosts, faults"

    n_services: int = parameter(8, "services, the entry included", low=2, high=1000)
    asynchronous: float = parameter(0.12, "share of calls that leave a message and do not wait", low=0, high=1)
    depth: int | None = parameter(None, "layers of calls below the entry, instead of what suits the size", low=1, high=50)
    fan_out: int = parameter(8, "services that one calls at most", low=1, high=1000)
    shared: float = parameter(0.45, "callers that a service has beyond the first, on average", low=0, high=10)
    use: float = parameter(0.3, "mean use of the services' cores at load 1", low=0.01, high=0.65)

    def topology(self, rng: np.random.Generator) -> Topology:
        """Draw the system."""
        return draw_mesh(
            self.n_services,
            rng,
            self.asynchronous,
            load=self.use,
            depth=self.depth,
            fan_out=self.fan_out,
            shared=self.shared,
        )
