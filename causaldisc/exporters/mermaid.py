"""``mermaid``: a flowchart for Markdown pages; nodes are ``n0``, ``n1``, … with the names as labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._files import write_export


@dataclass(frozen=True)
class Mermaid(Exporter):
    """Writes a left-to-right flowchart; a lag is the edge's text, an edge that is not directed keeps its marks."""

    name: ClassVar[str] = "mermaid"
    summary: ClassVar[str] = "Mermaid flowchart for Markdown"
    suffix: ClassVar[str] = ".mmd"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the flowchart."""
        lines = [f'  n{k}["{_label(v.name)}"]' for k, v in enumerate(graph.variables)]
        lines += [f"  n{graph.index[e.source]} {_arrow(e)} n{graph.index[e.target]}" for e in graph.edges]
        names = {f"n{k}": name for k, name in enumerate(graph.names)}
        return write_export(path, "\n".join(["flowchart LR", *lines]) + "\n", names=names)


def _label(name: str) -> str:
    """Write every character that could mean something to Mermaid, Markdown or HTML as its code."""
    return "".join(c if c.isalnum() or c in " .:/-" else f"#{ord(c)};" for c in name)


def _arrow(edge: Edge) -> str:
    left = {"tail": "", "arrow": "<", "circle": "o"}[edge.source_mark]
    right = {"tail": "-", "arrow": ">", "circle": "o"}[edge.target_mark]
    text = f"|lag {edge.lag}|" if edge.lag else ""
    return f"{left}--{right}{text}"
