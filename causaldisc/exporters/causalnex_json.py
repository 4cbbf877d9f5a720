"""``causalnex-json``: node-link JSON for CausalNex's ``StructureModel``, an ``nx.DiGraph`` whose edges have weight and origin.

A graph with lags is unrolled as DYNOTEARS names nodes there: ``{variable}_lag{l}`` → ``{variable}_lag0``. CausalNex cannot be
installed on Python 3.11; ``StructureModel(networkx.node_link_graph(data, edges="edges"))`` is the documented way, unproved.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from causaldisc.core.directed import directed_part, to_dag
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._files import meta_of, write_export


@dataclass(frozen=True)
class CausalnexJson(Exporter):
    """Writes node-link JSON; an unknown weight is 1."""

    name: ClassVar[str] = "causalnex-json"
    summary: ClassVar[str] = "node-link JSON for CausalNex's StructureModel"
    suffix: ClassVar[str] = ".json"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the graph: unrolled when it has lags, else a DAG."""
        lagged = graph.max_lag > 0
        found = directed_part(graph) if lagged else to_dag(graph)
        nodes = {(n, lag): f"{n}_lag{lag}" if lagged else n for n in graph.names for lag in range(graph.max_lag + 1)}
        edges = [
            {
                "source": nodes[e.source, e.lag],
                "target": nodes[e.target, 0],
                "weight": e.strength if e.strength is not None and math.isfinite(e.strength) else 1.0,
                "origin": "expert" if e.evidence == ("prior",) else "learned",
            }
            for e in found.graph.edges
        ]
        data: dict[str, Any] = {"directed": True, "multigraph": False, "graph": {}}
        text = json.dumps({**data, "nodes": [{"id": n} for n in nodes.values()], "edges": edges}, indent=1, allow_nan=False)
        unrolled = {"lags": "kept, unrolled into nodes"} if lagged else {}
        names = {node: name for (name, _), node in nodes.items()} if lagged else None
        return write_export(path, text + "\n", names=names, meta=meta_of(graph, self.name, found, **unrolled))
