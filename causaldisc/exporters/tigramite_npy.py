"""``tigramite-npy``: tigramite's string array ``[i, j, tau]``: ``-->``, ``<--``, ``o-o``, ``x-x``; lags are kept.

A summary graph may have two-cycles, which the array cannot hold at lag 0; it is collapsed to a DAG.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from causaldisc.core.directed import to_dag
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._arrays import by_index, npy
from causaldisc.exporters._files import meta_of, write_export

_LEFT = {"tail": "-", "arrow": "<", "circle": "o"}
_RIGHT = {"tail": "-", "arrow": ">", "circle": "o"}


@dataclass(frozen=True)
class TigramiteNpy(Exporter):
    """Writes str[N, N, max_lag + 1], lag 0 in both cells; ``FILE.names.json`` maps its rows to names."""

    name: ClassVar[str] = "tigramite-npy"
    summary: ClassVar[str] = "tigramite string graph, .npy"
    suffix: ClassVar[str] = ".npy"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the array."""
        collapsed = to_dag(graph) if graph.kind == "summary" else None
        array = np.zeros((len(graph.variables), len(graph.variables), graph.max_lag + 1), dtype="<U3")
        for edge in collapsed.graph.edges if collapsed else graph.edges:
            i, j = graph.index[edge.source], graph.index[edge.target]
            link = _link(edge, graph.kind)
            array[i, j, edge.lag] = link
            if edge.lag == 0:
                array[j, i, 0] = link[::-1].translate(str.maketrans("<>", "><"))
        return write_export(path, npy(array), names=by_index(graph.names), meta=meta_of(graph, self.name, collapsed))


def _link(edge: Edge, kind: str) -> str:
    if edge.conflict:
        return "x-x"
    if edge.is_undirected and kind != "pag":
        return "o-o"
    return f"{_LEFT[edge.source_mark]}-{_RIGHT[edge.target_mark]}"
