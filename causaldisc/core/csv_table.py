"""CSV as numbers: every cell accounted for, with the name, the value and the row of the first that is wrong."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from causaldisc.core.errors import InputError

MAX_FILE_BYTES = 512 * 2**20
MAX_CELLS = 50_000_000
_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})
_TRUTH = {"true": 1.0, "false": 0.0}


def read_csv_table(source: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Read a telemetry CSV.

    Returns
    -------
    (names of the N variables, T raw cells of the time column, float[T, N] with NaN where a cell is missing)

    Raises
    ------
    InputError : naming file, column, value and row (from 0) of the first offence.
    """
    return _read(read_rows(source), source)


def read_rows(source: Path) -> Iterator[list[str]]:
    """Yield the rows of a CSV file but the blank lines; raises InputError for what is no UTF-8, comma-separated text."""
    try:
        with source.open(encoding="utf-8-sig", newline="") as handle:
            yield from (row for row in csv.reader(_lines(handle, source), strict=True, skipinitialspace=True) if row)
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: must be UTF-8 text or Parquet, got byte {error.object[error.start]:#04x}") from error
    except csv.Error as error:
        raise InputError(f"{source}: must be comma-separated values, got {error}") from error
    except OSError as error:
        raise InputError(f"{source}: must be a readable file, got {error.strerror or error}") from error


def _lines(handle: TextIO, source: Path) -> Iterator[str]:
    for line in handle:
        if "\0" in line:
            raise InputError(f"{source}: must be text or Parquet, got a NUL byte")
        yield line


def _read(rows: Iterator[list[str]], source: Path) -> tuple[list[str], list[str], np.ndarray]:
    header, first = _header(rows, source)
    place = header.index("time")
    times, data = [], array("d")
    names = header[:place] + header[place + 1 :]
    for k, row in enumerate(_chain(first, rows)):
        if len(row) != len(header):
            raise InputError(f"{source}: row {k} must have {len(header)} cells like the header, got {len(row)}")
        times.append(row.pop(place))
        data.extend(_numbers(row, names, k, source))
        if len(data) > MAX_CELLS:
            raise InputError(f"{source}: must hold at most {MAX_CELLS} cells, got more after row {k}")
    if len(times) < 2:
        raise InputError(f"{source}: must hold at least 2 rows below the header, got {len(times)}")
    return names, times, np.frombuffer(data, dtype=float).reshape(len(times), len(names))


def _header(rows: Iterator[list[str]], source: Path) -> tuple[list[str], list[str] | None]:
    """Return the column names, and a first row of data that was read on the way."""
    header = next(rows, None)
    if header is None:
        raise InputError(f"{source}: must hold a header and at least 2 rows, got no line")
    second = next(rows, None)
    if second is not None and second[0].strip().lower() == "metric" and len(header) > 1:
        names, second = _petshop_header(header, second, rows, source)
    else:
        names = ["time" if cell.strip() == "time" else cell for cell in header]
    if "time" not in names:
        hint = "separate cells by commas" if len(names) == 1 else "rename or add it"
        raise InputError(f"{source}: first column must be 'time' (ISO 8601, or seconds), got {_short(names[0])!r}; {hint}")
    if len(names) == 1:
        raise InputError(f"{source}: must have at least one column besides time, got none; separate cells by commas")
    seen: set[str] = set()
    for k, name in enumerate(names):
        if not name.strip():
            raise InputError(f"{source}: column {k} must have a name, got {name!r}")
        if name in seen:
            raise InputError(f"{source}: column names must be unique, got {_short(name)!r} twice")
        seen.add(name)
    return names, second


def _petshop_header(
    services: list[str], metrics: list[str], rows: Iterator[list[str]], source: Path
) -> tuple[list[str], list[str] | None]:
    """Join PetShop's header rows (service, metric, statistic, and a row that names the index)."""
    statistics = next(rows, None)
    if statistics is None or statistics[0].strip().lower() != "statistic":
        raise InputError(
            f"{source}: header rows must be service, metric, statistic, got {_short((statistics or [''])[0])!r} third"
        )
    if not len(services) == len(metrics) == len(statistics):
        lengths = (len(services), len(metrics), len(statistics))
        raise InputError(f"{source}: the three header rows must be equally long, got {lengths}")
    names = [f"{s}:{m}_{a}" for s, m, a in zip(services[1:], metrics[1:], statistics[1:], strict=True)]
    first = next(rows, None)
    if first is not None and not any(cell.strip() for cell in first[1:]):
        first = next(rows, None)
    return ["time", *names], first


def _chain(first: list[str] | None, rows: Iterator[list[str]]) -> Iterator[list[str]]:
    if first is not None:
        yield first
        yield from rows


def _numbers(row: list[str], names: list[str], k: int, source: Path) -> list[float]:
    try:
        if "_" in "".join(row):  # Python would read 1_000 as a number
            raise ValueError
        return [float(cell) for cell in row]
    except ValueError:
        return [_number(cell, name, k, source) for cell, name in zip(row, names, strict=True)]


def _number(cell: str, name: str, k: int, source: Path) -> float:
    text = cell.strip().lower()
    if text in _MISSING:
        return float("nan")
    if text in _TRUTH:
        return _TRUTH[text]
    try:
        if "_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        raise InputError(f"{source}: column {name!r} must be numeric, got {_short(cell)!r} at row {k}") from None


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
