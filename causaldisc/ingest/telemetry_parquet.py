"""Telemetry Parquet, with or without this project's metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from causaldisc.core.telemetry_file import TelemetryTable, read_table
from causaldisc.ingest._reader import InputFile, Reader


@dataclass(frozen=True)
class TelemetryParquet(Reader):
    """Reads telemetry from Parquet."""

    name: ClassVar[str] = "telemetry_parquet"
    summary: ClassVar[str] = "telemetry Parquet"
    valid: ClassVar[str] = "telemetry Parquet (column time)"

    def recognises(self, file: InputFile) -> bool:
        """The magic bytes of Parquet."""
        return file.head.startswith(b"PAR1")

    def read(self, file: InputFile) -> TelemetryTable:
        """Read the whole table."""
        return read_table(file.path)
