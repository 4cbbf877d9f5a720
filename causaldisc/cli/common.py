"""What several commands share: arguments that mean the same, output files, and printing."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from causaldisc.core.errors import InputError
from causaldisc.core.files import plain
from causaldisc.core.parameters import parse_settings


def add_output(parser: argparse.ArgumentParser, metavar: str, required: bool = False) -> None:
    """Add ``-o``."""
    parser.add_argument("-o", "--output", metavar=metavar, required=required, help="where the result goes")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print the result on stdout as JSON")


def add_settings(parser: argparse.ArgumentParser, of: str) -> None:
    """Add ``--seed`` and ``--set key=value``."""
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="seed of all randomness (default 0)")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help=f"a parameter of {of}")


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the ``--set`` parameters as values."""
    return parse_settings(args.settings)


def whole(text: str) -> int:
    """Read a whole number >= 0 for argparse."""
    try:
        value = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 0, got {text!r}") from error
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 0, got {text!r}")
    return value


def check_output(path: str | None, inputs: Sequence[str] = ()) -> None:
    """Refuse an output path that cannot be written, or that is one of the inputs, before any work is done."""
    if path is None:
        return
    target = Path(path)
    if any(target.resolve() == Path(given).resolve() for given in inputs):
        raise InputError(f"-o {path}: must not be one of the inputs")
    if target.is_dir():
        raise InputError(f"-o {path}: must be a file, got a folder")
    folder = next((p for p in target.absolute().parents if p.exists()), Path("/"))
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"-o {path}: must be in a writable folder, got {folder}")


def emit(data: Any, as_json: bool, text: str) -> None:
    """Print a result to stdout, as JSON or as text."""
    sys.stdout.write((json.dumps(plain(data), indent=1, allow_nan=False) if as_json else text.rstrip("\n")) + "\n")


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Lay out rows under a header in aligned columns; numbers with four significant digits, NaN as a dash.

    >>> print(table(["name", "f1"], [["pc", 0.51234], ["empty", float("nan")]]))
    name   f1
    pc     0.5123
    empty  -
    """
    cells = [[_cell(value) for value in row] for row in [header, *rows]]
    widths = [max(len(row[k]) for row in cells) for k in range(len(header))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
