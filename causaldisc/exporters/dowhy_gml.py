"""``dowhy-gml``: a DAG for ``dowhy.CausalModel(graph="FILE.gml")`` and, as networkx reads it, for ``dowhy.gcm``.

Node labels are the column names. DoWhy takes the file by its ending, so it should be ``.gml``. Checked against dowhy 0.14:
``CausalModel`` finds edges, backdoor set and effect of an asymmetric graph, and ``gcm.attribute_anomalies`` its root cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.directed import to_dag
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._files import meta_of, write_export
from causaldisc.exporters._names import escape_all, inverse

_BLANK_ENDS = r"^\s+|\s+$"  # DoWhy wants no blanks around names


@dataclass(frozen=True)
class DowhyGml(Exporter):
    """Writes GML with string labels, collapsed to a DAG."""

    name: ClassVar[str] = "dowhy-gml"
    summary: ClassVar[str] = "GML DAG for dowhy.CausalModel and dowhy.gcm"
    suffix: ClassVar[str] = ".gml"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the DAG."""
        import networkx as nx

        found = to_dag(graph)
        names = escape_all(graph.names, _BLANK_ENDS)
        dag = nx.DiGraph()
        dag.add_nodes_from(names[n] for n in found.graph.names)
        dag.add_edges_from((names[e.source], names[e.target]) for e in found.graph.edges)
        text = "\n".join(nx.generate_gml(dag)) + "\n"
        return write_export(path, text, names=inverse(names), meta=meta_of(graph, self.name, found))
