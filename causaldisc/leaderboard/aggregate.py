"""Outcomes → cells: mean and 95 % interval over seeds of every metric, for each algorithm on each source."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from causaldisc.core.errors import InputError
from causaldisc.core.interval import Interval
from causaldisc.core.outcome import Outcome
from causaldisc.core.plugins import algorithms

# How a column says under which prior its runs stood.
_PRIORS = {"none": "", "source": " under its own prior", "file": " under a prior from a file"}
COST = ("seconds", "cpu_seconds", "peak_memory_mb")


@dataclass(frozen=True)
class Cell:
    """All runs of one algorithm on one source: metrics as intervals over seeds, and how many runs ended how."""

    metrics: Mapping[str, Interval]
    statuses: Mapping[str, int]
    keys: tuple[str, ...]

    @property
    def runs(self) -> int:
        """All runs, failed ones included."""
        return sum(self.statuses.values())

    @property
    def failures(self) -> dict[str, int]:
        """Runs that did not end ``ok``, by status."""
        return {status: n for status, n in self.statuses.items() if status != "ok"}


@dataclass(frozen=True)
class Row:
    """One algorithm (with its parameters, where several settings compete) over all sources."""

    label: str
    algorithm: str
    control: bool
    cells: Mapping[str, Cell]

    def mean(self, metric: str, columns: Sequence[str]) -> float:
        """Mean over the sources on which the row has a value."""
        values = [self.cells[c].metrics[metric].mean for c in columns if c in self.cells and metric in self.cells[c].metrics]
        known = [v for v in values if not math.isnan(v)]
        return math.fsum(known) / len(known) if known else math.nan


@dataclass(frozen=True)
class Board:
    """Rows (algorithms) and columns (sources under a prior) with the cells between them."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that some cell has."""
        return tuple(dict.fromkeys(m for row in self.rows for cell in row.cells.values() for m in cell.metrics))


def aggregate(outcomes: Sequence[Outcome]) -> Board:
    """Group outcomes by algorithm and source and summarise each group over seeds.

    Raises
    ------
    InputError : no outcome at all.
    """
    if not outcomes:
        raise InputError("leaderboard must have at least one outcome, got none; valid: run experiments first (causaldisc run …)")
    presets = [o.config.get("preset") for o in outcomes]
    row_labels = _labels([_part(o, "algorithm") for o in outcomes])
    row_labels = [f"{label}, preset {name}" if name else label for label, name in zip(row_labels, presets, strict=True)]
    source_labels = _labels([_part(o, "source") for o in outcomes])
    column_labels = [
        label + _PRIORS.get(_prior(o), f", prior {_prior(o)}") for label, o in zip(source_labels, outcomes, strict=True)
    ]
    groups: dict[str, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for row, column, outcome in zip(row_labels, column_labels, outcomes, strict=True):
        groups[row][column].append(outcome)
    rows = []
    for label, columns in groups.items():
        name = str(_part(next(iter(columns.values()))[0], "algorithm").get("name", label))
        rows.append(Row(label, name, _is_control(name), {c: _cell(runs) for c, runs in columns.items()}))
    return Board(tuple(sorted(set(column_labels))), tuple(sorted(rows, key=lambda r: r.label)))


def _cell(runs: list[Outcome]) -> Cell:
    good = [r for r in runs if r.is_ok]
    names = dict.fromkeys(name for r in good for name in r.metrics)
    metrics = {name: Interval.of(float(r.metrics.get(name, math.nan)) for r in good) for name in names}
    for name in COST:
        metrics[name] = Interval.of(math.nan if getattr(r, name) is None else float(getattr(r, name)) for r in good)
    return Cell(metrics, dict(Counter(r.status for r in runs)), tuple(sorted(r.key for r in runs)))


def _part(outcome: Outcome, name: str) -> Mapping[str, Any]:
    part = outcome.config.get(name)
    return part if isinstance(part, Mapping) else {"name": str(part)}


def _prior(outcome: Outcome) -> str:
    prior = _part(outcome, "prior")
    return str(prior.get("kind") or prior.get("name") or "none")


def _labels(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name each part; where one name comes with several settings, add the parameters in which they differ."""
    settings: dict[str, set[str]] = defaultdict(set)
    for part in parts:
        settings[str(part.get("name"))].add(json.dumps(part, sort_keys=True, default=str))
    labels = []
    for part in parts:
        name = str(part.get("name"))
        variants = [json.loads(text) for text in sorted(settings[name])]
        odd = sorted(k for k in {k for v in variants for k in v} if len({json.dumps(v.get(k)) for v in variants}) > 1)
        labels.append(name + (f" ({', '.join(f'{k}={part.get(k)}' for k in odd)})" if odd else ""))
    return labels


def _is_control(name: str) -> bool:
    try:
        return algorithms.get(name).control
    except InputError:
        return False
