"""``dot``: Graphviz, every edge with its lag and marks, for drawing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._dot import dot_names, label, quoted
from causaldisc.exporters._files import write_export
from causaldisc.exporters._names import inverse

_HEADS = {"tail": "none", "arrow": "normal", "circle": "odot"}


@dataclass(frozen=True)
class Dot(Exporter):
    """Writes a digraph; marks are arrow heads and tails, an undirected edge has neither, a lag is the edge's label."""

    name: ClassVar[str] = "dot"
    summary: ClassVar[str] = "Graphviz DOT for drawing, with marks and lags"
    suffix: ClassVar[str] = ".dot"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the digraph."""
        names = dot_names(graph.names)
        lines = [f"  {quoted(names[v.name])} [label={label(v.name)}, role={quoted(v.role)}];" for v in graph.variables]
        lines += [f"  {quoted(names[e.source])} -> {quoted(names[e.target])} [{_attributes(e)}];" for e in graph.edges]
        return write_export(path, "\n".join(["digraph causal {", *lines, "}"]) + "\n", names=inverse(names))


def _attributes(edge: Edge) -> str:
    parts = [f"dir=both, arrowtail={_HEADS[edge.source_mark]}, arrowhead={_HEADS[edge.target_mark]}, lag={edge.lag}"]
    parts += [f'label="lag {edge.lag}"'] if edge.lag else []
    parts += ["color=red"] if edge.conflict else []
    return ", ".join([*parts, f"validation={edge.validation}"])
