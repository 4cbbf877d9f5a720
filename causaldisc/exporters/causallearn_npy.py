"""``causallearn-npy``: causal-learn's endpoint matrix, ``m[j, i] = 1`` and ``m[i, j] = -1`` for i → j.

``m[a, b]`` is the mark at a of the edge a – b: tail -1, arrow 1, circle 2. A graph with lags is collapsed to a DAG, since the
matrix holds one edge a pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from causaldisc.core.directed import to_dag
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Exporter
from causaldisc.exporters._arrays import by_index, npy
from causaldisc.exporters._files import meta_of, write_export

_MARKS = {"tail": -1, "arrow": 1, "circle": 2}


@dataclass(frozen=True)
class CausallearnNpy(Exporter):
    """Writes int[N, N]; ``FILE.names.json`` maps its rows to names."""

    name: ClassVar[str] = "causallearn-npy"
    summary: ClassVar[str] = "causal-learn endpoint matrix, .npy"
    suffix: ClassVar[str] = ".npy"

    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the matrix."""
        collapsed = to_dag(graph) if graph.max_lag or graph.kind == "summary" else None
        matrix = np.zeros((len(graph.variables),) * 2, dtype=np.int64)
        for edge in collapsed.graph.edges if collapsed else graph.edges:
            i, j = graph.index[edge.source], graph.index[edge.target]
            matrix[i, j], matrix[j, i] = _MARKS[edge.source_mark], _MARKS[edge.target_mark]
        return write_export(path, npy(matrix), names=by_index(graph.names), meta=meta_of(graph, self.name, collapsed))
