"""Build the static leaderboard: one HTML page that needs no server and no script, and the same figures as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from causaldisc.core.errors import InputError
from causaldisc.core.files import read_json, write_json, write_text
from causaldisc.core.interval import Interval
from causaldisc.core.outcome import Outcome
from causaldisc.leaderboard.aggregate import Board, Row, aggregate

# Title, and what to know when reading it. "up" = higher is better.
METRICS: dict[str, tuple[str, str, str]] = {
    "directed_f1": ("Directed F1", "up", "cause → effect edges, lags collapsed; an undirected edge counts as half a hit."),
    "directed_f1_z": (
        "Directed F1, in standard deviations above chance",
        "up",
        "against the same graph with its node labels permuted: what density cannot buy. Undefined for empty and complete graphs.",
    ),
    "precision_lift": (
        "Precision lift",
        "up",
        "directed precision divided by the share of true edges among all ordered pairs; 1 is guessing.",
    ),
    "skeleton_f1": ("Skeleton F1", "up", "adjacencies without direction."),
    "shd": (
        "Structural Hamming distance",
        "down",
        "pairs of variables whose edge differs; a reversed edge counts 1. Mind the row of the empty graph.",
    ),
    "ancestor_aid": ("Ancestor adjustment distance", "down", "share of wrong adjustment sets (Henckel et al. 2024)."),
    "auroc": ("AUROC of the scores", "up", "ranking of ordered pairs; read it beside prevalence."),
    "seconds": ("Wall-clock seconds", "down", "of the discovery alone."),
}


def build(outcomes: str | Path, output: str | Path) -> Path:
    """Write ``index.html`` and ``leaderboard.json`` from a folder of outcomes and return the page's path.

    Raises
    ------
    InputError : a folder without outcomes, or an outcome file that is malformed (named).
    """
    records = load_outcomes(outcomes)
    board = aggregate(records)
    folder = Path(output)
    page = write_text(folder / "index.html", render(board, len(records)))
    write_json(folder / "leaderboard.json", to_json(board))
    return page


def load_outcomes(folder: str | Path) -> list[Outcome]:
    """Read every ``*/outcome.json`` below a folder, in the order of their keys."""
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root}: must be a folder of outcomes, such as `causaldisc run` writes; got nothing there")
    return [Outcome.from_dict(read_json(path), str(path)) for path in sorted(root.glob("*/outcome.json"))]


def to_json(board: Board) -> dict[str, Any]:
    """Return the board as plain data; undefined values are null."""
    rows = [
        {
            "label": r.label,
            "algorithm": r.algorithm,
            "control": r.control,
            "cells": {
                c: {
                    "statuses": dict(cell.statuses),
                    "keys": list(cell.keys),
                    "metrics": {m: asdict(i) for m, i in cell.metrics.items()},
                }
                for c, cell in r.cells.items()
            },
        }
        for r in board.rows
    ]
    return {"format": "causaldisc-leaderboard", "version": 1, "columns": list(board.columns), "rows": rows}


def render(board: Board, count: int) -> str:
    """Return the page; every text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("causaldisc.leaderboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [_section(board, metric) for metric in METRICS if metric in board.metrics]
    return environment.get_template("index.html").render(
        sections=sections, columns=board.columns, count=count, rows=len(board.rows), failures=_failures(board.rows)
    )


def _section(board: Board, metric: str) -> dict[str, Any]:
    title, better, note = METRICS[metric]
    low, high = _span(board, metric)
    sign = -1.0 if better == "up" else 1.0
    ordered = sorted(board.rows, key=lambda r: _sort_value(r.mean(metric, board.columns), sign))
    rows = [
        {"label": r.label, "control": r.control, "cells": [_picture(r, c, metric, low, high) for c in board.columns]}
        for r in ordered
    ]
    return {"id": metric, "title": title, "better": better, "note": note, "rows": rows}


def _sort_value(mean: float, sign: float) -> float:
    return math.inf if math.isnan(mean) else sign * mean


def _span(board: Board, metric: str) -> tuple[float, float]:
    """The range that the small pictures of one metric share."""
    cells = [cell.metrics[metric] for row in board.rows for cell in row.cells.values() if metric in cell.metrics]
    ends = [0.0, *(v for i in cells for v in (i.mean, i.mean - i.half, i.mean + i.half) if not math.isnan(v))]
    low, high = min(ends), max(ends)
    return low, high if high > low else low + 1.0


def _picture(row: Row, column: str, metric: str, low: float, high: float) -> dict[str, Any]:
    """One table cell: the figure as text, and positions in per cent for the dot and the whisker."""
    cell = row.cells.get(column)
    if cell is None:
        return {"text": "not run", "known": False, "n": "", "failed": ""}
    interval = cell.metrics.get(metric, Interval(math.nan, math.nan, 0))
    good = cell.statuses.get("ok", 0)
    failed = ", ".join(f"{n} {status.replace('_', ' ')}" for status, n in cell.failures.items())
    n = f"{interval.n} of {cell.runs}" if interval.n < cell.runs else f"{cell.runs}"
    if interval.n == 0:
        return {"text": "undefined" if good else "no result", "known": False, "n": n, "failed": failed}

    def place(value: float) -> float:
        return round(100 * (min(max(value, low), high) - low) / (high - low), 2)

    half = 0.0 if math.isnan(interval.half) else interval.half
    text = f"{interval.mean:.3g}" + (f" ± {interval.half:.2g}" if not math.isnan(interval.half) else "")
    return {
        "text": text,
        "known": True,
        "n": n,
        "failed": failed,
        "at": place(interval.mean),
        "left": place(interval.mean - half),
        "width": round(place(interval.mean + half) - place(interval.mean - half), 2),
    }


def _failures(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {"label": row.label, "column": column, "what": ", ".join(f"{n} × {s}" for s, n in cell.failures.items())}
        for row in rows
        for column, cell in row.cells.items()
        if cell.failures
    ]
