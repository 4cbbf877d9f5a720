"""Telemetry files: CSV, Parquet and PetShop's three-header CSV, read under limits and written whole.

First column ``time`` (ISO 8601, or seconds), then one column a variable; empty cells are missing. Parquet keeps units, roles,
environments, clock and intervention windows in its schema metadata; a CSV keeps them in ``NAME.meta.yaml`` beside it.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from causaldisc.core.csv_table import MAX_CELLS, MAX_FILE_BYTES, read_csv_table
from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.files import check_file, write_bytes, write_text, yaml_text
from causaldisc.core.intervention import Intervention
from causaldisc.core.telemetry import Telemetry, seconds_of
from causaldisc.core.telemetry_meta import Meta, meta_beside, meta_of, parse_meta, variable_of
from causaldisc.core.variables import Variable

_METADATA_KEY = b"causaldisc"


@dataclass(frozen=True, eq=False)
class TelemetryTable:
    """What a telemetry file holds, before it is judged: a column may be all missing.

    ``values`` float[T, N], ``times`` float[T] seconds, ``environments`` int[T]; the rest as in :class:`Telemetry`.
    """

    values: np.ndarray
    variables: tuple[Variable, ...]
    times: np.ndarray
    clock: str
    environments: np.ndarray
    windows: tuple[Intervention, ...] = ()

    def without_empty(self) -> tuple[TelemetryTable, tuple[str, ...]]:
        """Return the table without columns that hold no value at all, and the names of those."""
        empty = np.asarray(np.isnan(self.values).all(axis=0))
        kept = tuple(v for v, gone in zip(self.variables, empty, strict=True) if not gone)
        dropped = tuple(v.name for v, gone in zip(self.variables, empty, strict=True) if gone)
        return replace(self, values=self.values[:, ~empty], variables=kept), dropped

    def telemetry(self, where: str) -> Telemetry:
        """Judge the table; errors begin with ``where``."""
        try:
            return Telemetry(self.values, self.variables, self.times, self.environments, self.windows, self.clock)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error


def read_telemetry(path: str | Path) -> Telemetry:
    r"""Read telemetry from a CSV or Parquet file, told apart by content.

    Parameters
    ----------
    path : a regular file of at most 512 MiB and 50 million cells. A CSV is UTF-8, comma-separated, with one header row, or
        PetShop's three (service, metric, statistic), whose names become ``service:metric_statistic``.

    Raises
    ------
    InputError : naming the file and what is wrong with it: missing, empty, not text, a row of another length, duplicate
        names, a cell that is no number, no ``time`` column, unsorted or repeated times, a column without any value.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_text(Path(folder) / "t.csv", "time,cart:cpu\n0,0.5\n15,\n30,0.7\n")
    ...     t = read_telemetry(Path(folder) / "t.csv")
    >>> t.shape, t.step_seconds, int(t.missing.sum())
    ((3, 1), 15.0, 1)
    """
    return read_table(path).telemetry(str(path))


def read_table(path: str | Path) -> TelemetryTable:
    """Read a telemetry file as :func:`read_telemetry` does, but accept columns without any value."""
    source = check_file(path, MAX_FILE_BYTES)
    with source.open("rb") as handle:
        magic = handle.read(4)
    return _read_parquet(source) if magic == b"PAR1" else _read_csv(source)


def write_parquet(telemetry: Telemetry, path: str | Path) -> Path:
    """Write telemetry as Parquet, whole or not at all; :func:`read_telemetry` gives the same telemetry back, bit for bit."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if "time" in telemetry.names:
        raise InputError(f"{path}: no variable may be named 'time', since that is the name of the time column")
    columns = [pa.array(telemetry.times), *(pa.array(c, from_pandas=True) for c in telemetry.values.T)]
    table = pa.table(dict(zip(("time", *telemetry.names), columns, strict=True)))
    metadata = json.dumps(meta_of(telemetry), allow_nan=False).encode()
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({_METADATA_KEY: metadata}), sink, write_page_checksum=True)
    return write_bytes(path, sink.getvalue())


def write_csv(telemetry: Telemetry, path: str | Path) -> Path:
    """Write telemetry as CSV with times in seconds, and ``NAME.meta.yaml`` beside it; numbers survive bit for bit."""
    if "time" in telemetry.names:
        raise InputError(f"{path}: no variable may be named 'time', since that is the name of the time column")
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(("time", *telemetry.names))
    rows = csv.writer(text, lineterminator="\n")
    for time, row in zip(telemetry.times.tolist(), telemetry.values.tolist(), strict=True):
        rows.writerow([repr(time), *("" if x != x else repr(x) for x in row)])
    write_text(Path(path).with_suffix(".meta.yaml"), yaml_text(meta_of(telemetry)))
    return write_text(path, text.getvalue())


def _read_csv(source: Path) -> TelemetryTable:
    names, cells, values = read_csv_table(source)
    return _table(source, names, _time_cells(cells), values, meta_beside(source))


def _read_parquet(source: Path) -> TelemetryTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(source, page_checksum_verification=True) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            if rows * max(len(schema.names), file.metadata.num_columns) > MAX_CELLS:
                raise InputError(f"{source}: must hold at most {MAX_CELLS} cells, got {rows} rows of {len(schema.names)}")
            _check_schema(source, schema)
            table = file.read(use_pandas_metadata=False)
            names = [n for n in schema.names if n != "time"]
            columns = [table[n].cast(pa.float64(), safe=False).to_numpy() for n in names]
            time: Any = table["time"].to_pandas()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: must be a whole Parquet file, got {' '.join(str(error).split())[:200]}") from error
    metadata = (schema.metadata or {}).get(_METADATA_KEY)
    try:
        meta = parse_meta(json.loads(metadata), str(source)) if metadata else Meta()
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: its metadata key 'causaldisc' must be JSON, got {error}") from error
    return _table(source, names, time, np.column_stack(columns), meta)


def _check_schema(source: Path, schema: Any) -> None:
    """Refuse, before any data are read, a schema that is no telemetry."""
    import pyarrow as pa

    if "time" not in schema.names:
        raise InputError(
            f"{source}: first column must be 'time' (ISO 8601, or seconds), got {schema.names[:3]}; rename or add it"
        )
    if len(schema.names) < 2:
        raise InputError(f"{source}: must have at least one column besides time, got none")
    for name, kind in zip(schema.names, schema.types, strict=True):
        if schema.names.count(name) > 1:
            raise InputError(f"{source}: column names must be unique, got {name!r} twice")
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        stamp = pa.types.is_timestamp(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if (
            not number
            and not (name == "time" and stamp)
            and not (name != "time" and (pa.types.is_boolean(kind) or pa.types.is_null(kind)))
        ):
            raise InputError(
                f"{source}: column {name!r} must be {'ISO 8601 or ' if name == 'time' else ''}numeric, got type {kind}"
            )


def _time_cells(cells: list[str]) -> Any:
    """float[T] where every cell is a number, else a pandas Series of text."""
    try:
        return np.array([float(c) for c in cells])
    except ValueError:
        import pandas as pd  # dates alone are worth the time that it takes to load

        return pd.Series([c.strip() or None for c in cells], dtype=object)


def _table(source: Path, names: list[str], time: Any, values: np.ndarray, meta: Meta) -> TelemetryTable:
    for name in meta.variables:
        if name not in names:
            raise InputError(f"{source}: metadata names the unknown variable {name!r}; {did_you_mean(name, names)}")
    try:
        seconds, clock = seconds_of(time)
        variables = tuple(variable_of(name, meta.variables.get(name, {})) for name in names)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    if seconds.size and np.abs(seconds).max() > 1e11:
        raise InputError(f"{source}: time must be in seconds, got {seconds[0]:.15g}, which looks like milliseconds or less")
    labels = np.repeat([k for k, _ in meta.environments], [n for _, n in meta.environments]).astype(np.int64)
    if meta.environments and labels.shape != seconds.shape:
        raise InputError(f"{source}: environments of its metadata must cover its {len(seconds)} rows, got {len(labels)}")
    environments = labels if meta.environments else np.zeros(len(seconds), dtype=np.int64)
    return TelemetryTable(values, variables, seconds, meta.clock or clock, environments, meta.windows)
