"""``graphml``: every edge with its lag and marks, for networkx, Gephi, yEd, Cytoscape."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._files import write_export

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Graphml(Exporter):
    """Writes a directed GraphML multigraph; what is unknown is left out, evidence is joined by ``;``."""

    name: ClassVar[str] = "graphml"
    summary: ClassVar[str] = "GraphML, lossless but for provenance (networkx, Gephi, yEd)"
    suffix: ClassVar[str] = ".graphml"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the graph; raises InputError for a name with a character that XML 1.0 cannot hold."""
        import networkx as nx

        for name in graph.names:
            if bad := _NOT_XML.search(name):
                raise InputError(
                    f"node name {name!r} must be text that XML 1.0 can hold, got {bad.group()!r}; valid: json, dowhy-gml"
                )
        plain = nx.MultiDiGraph()
        plain.graph.update(kind=graph.kind, max_lag=graph.max_lag)
        if graph.step_seconds is not None:
            plain.graph["step_seconds"] = graph.step_seconds
        for v in graph.variables:
            plain.add_node(v.name, service=v.service, metric=v.metric, role=v.role, **({"unit": v.unit} if v.unit else {}))
        for e in graph.edges:
            numbers = {
                k: getattr(e, k)
                for k in ("strength", "confidence", "orientation_confidence", "p_value")
                if getattr(e, k) is not None
            }
            plain.add_edge(
                e.source,
                e.target,
                key=e.lag,
                lag=e.lag,
                source_mark=e.source_mark,
                target_mark=e.target_mark,
                conflict=e.conflict,
                evidence=";".join(e.evidence),
                validation=e.validation,
                **{k: float(v) for k, v in numbers.items()},
            )
        text = "\n".join(nx.generate_graphml(plain))
        return write_export(path, f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n')
