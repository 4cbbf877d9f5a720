"""``pyrca-csv``: adjacency matrix that PyRCA's ``BayesianNetwork`` reads by a bare ``pd.read_csv``: row = cause, no index.

PyRCA's ``HT`` and ``RandomWalk`` compare index and columns and so cannot read any CSV; give them :func:`pyrca_frame`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from causaldisc.core.directed import to_dag
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._csv import csv_text
from causaldisc.exporters._files import meta_of, write_export
from causaldisc.exporters._names import escape_all, inverse

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PyrcaCsv(Exporter):
    """Writes a 0/1 matrix under a header of the names; a carriage return in a name, which pandas would drop, is escaped."""

    name: ClassVar[str] = "pyrca-csv"
    summary: ClassVar[str] = "adjacency CSV for PyRCA's BayesianNetwork, row = cause"
    suffix: ClassVar[str] = ".csv"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the matrix of the DAG."""
        found = to_dag(graph)
        names = escape_all(graph.names, r"[\x00\r]")
        text = csv_text([[names[n] for n in graph.names], *found.graph.adjacency().astype(int).tolist()])
        return write_export(path, text, names=inverse(names), meta=meta_of(graph, self.name, found))


def pyrca_frame(graph: CausalGraph) -> pd.DataFrame:
    """Return the 0/1 DataFrame, index and columns the names, row = cause, that PyRCA's ``HT`` and ``RandomWalk`` take.

    >>> from causaldisc.core.graph import Edge
    >>> int(pyrca_frame(CausalGraph(["a", "b"], [Edge("a", "b")])).loc["a", "b"])
    1
    """
    import pandas as pd

    names = list(graph.names)
    return pd.DataFrame(to_dag(graph).graph.adjacency().astype(int), index=names, columns=names)
