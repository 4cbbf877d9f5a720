"""topology: the user's own system, written down in YAML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from causaldisc.core.parameters import parameter
from causaldisc.sources._system.named_systems import NAMED, named
from causaldisc.sources._system.options import RequestSource
from causaldisc.sources._system.topology import Topology
from causaldisc.sources._system.topology_yaml import load_topology


@dataclass(frozen=True)
class FromFile(RequestSource):
    """A system of the user's own, from a YAML file, simulated request by request as ``mesh`` is.

    The format is told in ``experiments/simulator/MODEL.md``; the files in ``causaldisc/sources/_system/named`` are examples.

    >>> import tempfile
    >>> text = "{version: 1, name: shop, rate: 20, entries: {web/get: 1}, services: {web: {operations: {get: {work_ms: 5}}}}}"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "shop.yaml").write_text(text)
    ...     FromFile(file=f"{folder}/shop.yaml", duration_s=300, trials=0).system(0).dataset().telemetry.shape
    (20, 4)
    """

    name: ClassVar[str] = "topology"
    summary: ClassVar[str] = "your own system from a YAML file of services, operations and calls, under simulated traffic"

    file: str = parameter("sock_shop", f"path of the YAML file, or one of {', '.join(NAMED)}")

    def topology(self, rng: np.random.Generator) -> Topology:
        """Read the file.

        Raises
        ------
        InputError : no such file, or one that is not a sound topology.
        """
        return named(self.file) if self.file in NAMED else load_topology(Path(self.file))
