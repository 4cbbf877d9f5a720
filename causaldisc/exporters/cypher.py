r"""``cypher``: statements that merge the graph into Neo4j or Memgraph.

A name is put between single quotes. Neo4j resolves ``\uXXXX`` before it looks for the end of a string, so no backslash escape is
safe there: quotes, backslashes and control characters are percent-encoded instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._files import write_export
from causaldisc.exporters._names import escape_all, inverse, percent_escape

_UNSAFE = r"['\"`\\\x00-\x1f\x7f\u0085\u2028\u2029]"


@dataclass(frozen=True)
class Cypher(Exporter):
    """Writes one ``MERGE`` a node and an edge, one statement a line."""

    name: ClassVar[str] = "cypher"
    summary: ClassVar[str] = "Cypher statements for Neo4j or Memgraph"
    suffix: ClassVar[str] = ".cypher"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the statements."""
        names = escape_all(graph.names, _UNSAFE)
        lines = [
            f"MERGE (v:Variable {{name: '{names[v.name]}'}}) SET v.service = '{percent_escape(v.service, _UNSAFE)}', "
            f"v.metric = '{percent_escape(v.metric, _UNSAFE)}', v.role = '{v.role}';"
            for v in graph.variables
        ]
        lines += [_merge(e, names) for e in graph.edges]
        return write_export(path, "\n".join(lines) + "\n", names=inverse(names))


def _merge(edge: Edge, names: dict[str, str]) -> str:
    numbers = {
        k: getattr(edge, k)
        for k in ("strength", "confidence", "orientation_confidence", "p_value")
        if getattr(edge, k) is not None
    }
    facts = "".join(f", e.{k} = {float(v)!r}" for k, v in numbers.items())
    return (
        f"MATCH (a:Variable {{name: '{names[edge.source]}'}}), (b:Variable {{name: '{names[edge.target]}'}}) "
        f"MERGE (a)-[e:CAUSES {{lag: {edge.lag}}}]->(b) SET e.source_mark = '{edge.source_mark}', "
        f"e.target_mark = '{edge.target_mark}', e.validation = '{edge.validation}'{facts};"
    )
