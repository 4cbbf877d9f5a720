"""``dowhy-dot``: a DAG for ``dowhy.CausalModel(graph="FILE.dot")``, read through pydot or pygraphviz."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.directed import to_dag
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._dot import dot_names, quoted
from causaldisc.exporters._files import meta_of, write_export
from causaldisc.exporters._names import inverse


@dataclass(frozen=True)
class DowhyDot(Exporter):
    """Writes a bare digraph, collapsed to a DAG."""

    name: ClassVar[str] = "dowhy-dot"
    summary: ClassVar[str] = "DOT DAG for dowhy.CausalModel"
    suffix: ClassVar[str] = ".dot"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the DAG."""
        found = to_dag(graph)
        names = dot_names(graph.names)
        lines = [f"  {quoted(names[n])};" for n in graph.names]
        lines += [f"  {quoted(names[e.source])} -> {quoted(names[e.target])};" for e in found.graph.edges]
        text = "\n".join(["digraph {", *lines, "}"]) + "\n"
        return write_export(path, text, names=inverse(names), meta=meta_of(graph, self.name, found))
