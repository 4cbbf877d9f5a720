"""Call-graph edge list in CSV: columns ``caller`` and ``callee``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from causaldisc.core.csv_table import read_rows
from causaldisc.core.errors import InputError
from causaldisc.ingest._reader import CallGraph, InputFile, Reader, service_name


@dataclass(frozen=True)
class CallEdgesCsv(Reader):
    """Reads one call a row; other columns are left unread."""

    name: ClassVar[str] = "call_edges_csv"
    summary: ClassVar[str] = "call-graph edge list CSV with columns caller and callee"
    valid: ClassVar[str] = "call-graph edge list CSV (columns caller, callee)"

    def recognises(self, file: InputFile) -> bool:
        """Both columns in the header."""
        return bool(file.rows) and {"caller", "callee"} <= {cell.lower() for cell in file.rows[0]}

    def read(self, file: InputFile) -> CallGraph:
        """Read the calls."""
        header, *rows = read_rows(file.path)
        names = [cell.strip().lower() for cell in header]
        places = names.index("caller"), names.index("callee")
        calls = []
        for k, row in enumerate(rows):
            if len(row) != len(header):
                raise InputError(f"{file.path}: row {k} must have {len(header)} cells like the header, got {len(row)}")
            caller, callee = (service_name(row[p], f"{file.path}: row {k}, {names[p]}") for p in places)
            calls.append((caller, callee))
        return CallGraph.of(calls)
