"""``pyrca-yaml``: PyRCA's domain-knowledge file: the graph's edges as ``requires``, ``[cause, effect]``.

What the graph leaves out stays open there: PyRCA may add edges. Root and leaf nodes are a user's own claim and are left empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.directed import to_dag
from causaldisc.core.files import yaml_text
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._files import meta_of, write_export


@dataclass(frozen=True)
class PyrcaYaml(Exporter):
    """Writes ``causal-graph`` with metrics, root-nodes, leaf-nodes, forbids and requires."""

    name: ClassVar[str] = "pyrca-yaml"
    summary: ClassVar[str] = "PyRCA domain knowledge YAML, edges as requires"
    suffix: ClassVar[str] = ".yaml"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the edges of the DAG."""
        found = to_dag(graph)
        requires = [[e.source, e.target] for e in found.graph.edges]
        body = {"metrics": list(graph.names), "root-nodes": [], "leaf-nodes": [], "forbids": [], "requires": requires}
        return write_export(path, yaml_text({"causal-graph": body}), meta=meta_of(graph, self.name, found))
