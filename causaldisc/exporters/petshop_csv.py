"""``petshop-csv``: adjacency CSV with an index, as PetShop's ``graph.csv``: the CALL graph, row = caller.

PetShop's rankers reverse it, since latency and errors flow from callee to caller; so an edge cause → effect is written at row
effect, column cause. Cycles are kept: a call graph may have them.
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
class PetshopCsv(Exporter):
    """Writes the transposed 0/1 matrix under names as header and index; meant for ``level="service"``."""

    name: ClassVar[str] = "petshop-csv"
    summary: ClassVar[str] = "PetShop adjacency CSV, row = caller = effect"
    suffix: ClassVar[str] = ".csv"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the matrix of the directed edges, lags collapsed."""
        found = directed_part(graph)
        names = escape_all(graph.names, PANDAS_UNSAFE)
        matrix = found.graph.summary().adjacency().T.astype(float)
        rows = [[names[n], *row] for n, row in zip(graph.names, matrix.tolist(), strict=True)]
        text = csv_text([["", *(names[n] for n in graph.names)], *rows])
        return write_export(path, text, names=inverse(names), meta=meta_of(graph, self.name, found, cycles="kept"))
