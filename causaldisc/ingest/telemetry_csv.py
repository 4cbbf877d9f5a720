"""Telemetry CSV: one header row with ``time``, or PetShop's three header rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from causaldisc.core.telemetry_file import TelemetryTable, read_table
from causaldisc.ingest._reader import InputFile, Reader


@dataclass(frozen=True)
class TelemetryCsv(Reader):
    """Reads telemetry from CSV."""

    name: ClassVar[str] = "telemetry_csv"
    summary: ClassVar[str] = "telemetry CSV, PetShop's three header rows included"
    valid: ClassVar[str] = "telemetry CSV (first column time, or PetShop's header rows microservice, metric, statistic)"

    def recognises(self, file: InputFile) -> bool:
        """A header cell ``time``, or rows that begin with ``metric`` and ``statistic`` below the first."""
        firsts = [row[0].lower() for row in file.rows]
        return bool(firsts) and ("time" in file.rows[0] or firsts[1:3] == ["metric", "statistic"])

    def read(self, file: InputFile) -> TelemetryTable:
        """Read the whole table."""
        return read_table(file.path)
