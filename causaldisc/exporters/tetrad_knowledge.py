"""``tetrad-knowledge``: Tetrad's background-knowledge file: the graph's edges as ``requiredirect``, cause before effect."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.directed import to_dag
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._files import meta_of, write_export
from causaldisc.exporters._names import escape_all, inverse

# Names stand between blanks; ``/`` opens the file, ``*`` is a wildcard, a section's word must not be a name.
_UNSAFE = r"[\s,;*\x00-\x1f\x7f]|^/|^(?=(?:addtemporal|forbiddirect|requiredirect|forbiddengroup|requiredgroup)$)."


@dataclass(frozen=True)
class TetradKnowledge(Exporter):
    """Writes the three sections ``addtemporal``, ``forbiddirect`` (both empty) and ``requiredirect``."""

    name: ClassVar[str] = "tetrad-knowledge"
    summary: ClassVar[str] = "Tetrad knowledge file, edges as required"
    suffix: ClassVar[str] = ".txt"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the edges of the DAG."""
        found = to_dag(graph)
        names = escape_all(graph.names, _UNSAFE)
        edges = [f"{names[e.source]} {names[e.target]}" for e in found.graph.edges]
        text = "\n".join(["/knowledge", "addtemporal", "", "forbiddirect", "", "requiredirect", *edges]) + "\n"
        return write_export(path, text, names=inverse(names), meta=meta_of(graph, self.name, found))
