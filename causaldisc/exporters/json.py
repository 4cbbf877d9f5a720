"""``json``: the project's own graph file, lossless; ``networkx.node_link_graph(data, edges="edges")`` reads it as it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.graph import CausalGraph
from causaldisc.core.graph_json import to_json
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._files import write_export


@dataclass(frozen=True)
class Json(Exporter):
    """Writes node-link JSON."""

    name: ClassVar[str] = "json"
    summary: ClassVar[str] = "node-link JSON, lossless (networkx)"
    suffix: ClassVar[str] = ".json"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the graph file."""
        return write_export(path, json.dumps(to_json(graph), indent=1, allow_nan=False) + "\n")
