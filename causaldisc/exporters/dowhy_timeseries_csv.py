"""``dowhy-timeseries-csv``: ``node1,node2,time_lag`` for ``dowhy.utils.timeseries.create_graph_from_csv``.

Lags are kept, one row each; DoWhy before 0.14 keeps only the last row of a pair, so the largest lag stands last. Edges of a
variable to itself are kept. A node without an edge cannot be said in this format and is named in ``FILE.meta.json``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from causaldisc.core.directed import directed_part
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._csv import PANDAS_UNSAFE, csv_text
from causaldisc.exporters._files import meta_of, write_export
from causaldisc.exporters._names import escape_all, inverse


@dataclass(frozen=True)
class DowhyTimeseriesCsv(Exporter):
    """Writes one directed edge a row."""

    name: ClassVar[str] = "dowhy-timeseries-csv"
    summary: ClassVar[str] = "node1,node2,time_lag CSV for dowhy's time series"
    suffix: ClassVar[str] = ".csv"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the edges."""
        found = directed_part(graph)
        names = escape_all(graph.names, PANDAS_UNSAFE)
        edges = sorted(found.graph.edges, key=lambda e: (graph.index[e.source], graph.index[e.target], e.lag))
        text = csv_text([("node1", "node2", "time_lag"), *((names[e.source], names[e.target], e.lag) for e in edges)])
        joined = {end for e in edges for end in (e.source, e.target)}
        isolated = [n for n in graph.names if n not in joined]
        facts = {"lags": "kept, in steps", "nodes_without_an_edge": isolated}
        return write_export(path, text, names=inverse(names), meta=meta_of(graph, self.name, found, **facts))
