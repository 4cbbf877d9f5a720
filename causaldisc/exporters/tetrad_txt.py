"""``tetrad-txt``: Tetrad's graph text, also read by causal-learn's ``txt2generalgraph``; all marks are kept.

A graph with lags is collapsed to a DAG, since the format holds one edge a pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.directed import to_dag
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._files import meta_of, write_export
from causaldisc.exporters._names import escape_all, inverse

# Names are parted by ``;`` (or ``,`` in older files) and edges by blanks.
_UNSAFE = r"[\s;,\x00-\x1f\x7f]"
_LEFT = {"tail": "-", "arrow": "<", "circle": "o"}
_RIGHT = {"tail": "-", "arrow": ">", "circle": "o"}


@dataclass(frozen=True)
class TetradTxt(Exporter):
    """Writes ``Graph Nodes:`` and ``Graph Edges:``."""

    name: ClassVar[str] = "tetrad-txt"
    summary: ClassVar[str] = "Tetrad and causal-learn graph text, with all marks"
    suffix: ClassVar[str] = ".txt"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write nodes and edges."""
        collapsed = to_dag(graph) if graph.max_lag or graph.kind == "summary" else None
        edges = collapsed.graph.edges if collapsed else graph.edges
        names = escape_all(graph.names, _UNSAFE)
        lines = [f"{k}. {names[e.source]} {_marks(e)} {names[e.target]}" for k, e in enumerate(edges, 1)]
        nodes = (
            ["Graph Nodes:", ";".join(names.values()), ""] if names else []
        )  # without names the next line would be taken for one
        text = "\n".join([*nodes, "Graph Edges:", *lines]) + "\n"
        return write_export(path, text, names=inverse(names), meta=meta_of(graph, self.name, collapsed))


def _marks(edge: Edge) -> str:
    return f"{_LEFT[edge.source_mark]}-{_RIGHT[edge.target_mark]}"
