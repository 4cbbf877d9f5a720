"""Call-graph matrix in CSV: an empty corner, services as header and index, a non-zero cell where row calls column.

This is the ``graph.csv`` of the PetShop data set (Hardt et al., CLeaR 2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from causaldisc.core.csv_table import read_rows
from causaldisc.core.errors import InputError
from causaldisc.ingest._reader import CallGraph, InputFile, Reader, service_name


@dataclass(frozen=True)
class CallMatrixCsv(Reader):
    """Reads a caller → callee matrix."""

    name: ClassVar[str] = "call_matrix_csv"
    summary: ClassVar[str] = "call-graph matrix CSV, caller row to callee column, such as PetShop's graph.csv"
    valid: ClassVar[str] = (
        "call-graph matrix CSV (empty corner, services as header and first column, caller row to callee column)"
    )

    def recognises(self, file: InputFile) -> bool:
        """An empty corner, and a second row as long as the first whose label is in the header."""
        rows = file.rows
        return len(rows) > 1 and rows[0][0] == "" and len(rows[0]) == len(rows[1]) > 1 and rows[1][0] in rows[0]

    def read(self, file: InputFile) -> CallGraph:
        """Read the matrix; raises InputError unless it is square with the same services on both sides."""
        header, *rows = read_rows(file.path)
        callees = [service_name(cell, f"{file.path}: header cell {k}") for k, cell in enumerate(header[1:], 1)]
        if len(set(callees)) != len(callees):
            raise InputError(f"{file.path}: services must be unique, got one twice in the header")
        calls, callers = [], []
        for k, row in enumerate(rows):
            if len(row) != len(header):
                raise InputError(f"{file.path}: row {k} must have {len(header)} cells like the header, got {len(row)}")
            callers.append(service_name(row[0], f"{file.path}: row {k}"))
            for callee, cell in zip(callees, row[1:], strict=True):
                if _number(cell, f"{file.path}: cell {callers[-1]!r} -> {callee!r}"):
                    calls.append((callers[-1], callee))
        if len(callers) != len(set(callers)) or set(callers) != set(callees):
            odd = sorted(set(callers) ^ set(callees))[:3] or "a repeated row"
            raise InputError(f"{file.path}: rows and columns must be the same services, got {odd}")
        return CallGraph.of(calls, callees)


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise InputError(f"{where} must be a number >= 0, got {cell!r}")
    return value
