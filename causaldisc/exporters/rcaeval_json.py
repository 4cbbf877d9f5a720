"""``rcaeval-json``: the graph file of CIRCA's ``MemoryGraph``, which RCAEval bundles: ``[cause, effect]`` by node index.

Data columns there are ``<service>_<metric>``, split at the first ``_``; so an underscore in a service is escaped, and
``FILE.names.json`` maps the columns that the data must have to the variables.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.directed import to_dag
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._files import meta_of, write_export
from causaldisc.exporters._names import inverse, percent_escape


@dataclass(frozen=True)
class RcaevalJson(Exporter):
    """Writes nodes with entity and metric, and index pairs."""

    name: ClassVar[str] = "rcaeval-json"
    summary: ClassVar[str] = "CIRCA MemoryGraph JSON, as RCAEval reads it"
    suffix: ClassVar[str] = ".json"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the DAG."""
        found = to_dag(graph)
        nodes = [{"entity": percent_escape(v.service, "_"), "metric": v.metric} for v in graph.variables]
        columns = {v.name: f"{n['entity']}_{n['metric']}" for v, n in zip(graph.variables, nodes, strict=True)}
        edges = [[graph.index[e.source], graph.index[e.target]] for e in found.graph.edges]
        text = json.dumps({"nodes": nodes, "edges": edges}, indent=1) + "\n"
        return write_export(path, text, names=inverse(columns), meta=meta_of(graph, self.name, found))
