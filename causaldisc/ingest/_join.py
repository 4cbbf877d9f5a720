"""Joining several telemetry inputs: as environments, or side by side on time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.telemetry_file import TelemetryTable
from causaldisc.core.variables import Variable
from causaldisc.core.windows import relabelled

Named = tuple[str, TelemetryTable]


def join(parts: Sequence[Named]) -> tuple[TelemetryTable, str]:
    """Join tables read from files, each with its name.

    Inputs that share columns are environments ``0, 1, …`` over the union of their columns, missing where an input lacks one;
    inputs without a column in common are joined side by side on the union of their times.

    Returns
    -------
    (table, how) : how is ``alone``, ``environments`` or ``side by side``.

    Raises
    ------
    InputError : only some inputs share columns, clocks differ, no time is in common, a second input joined side by side has
        intervention windows, or two inputs with partly the same columns cover the same times.
    """
    if len(parts) == 1:
        return parts[0][1], "alone"
    _refuse_mixed(parts)
    if _names(parts[0][1]) & _names(parts[1][1]):
        return _environments(parts), "environments"
    return _side_by_side(parts), "side by side"


def _names(table: TelemetryTable) -> set[str]:
    return {v.name for v in table.variables}


def _refuse_mixed(parts: Sequence[Named]) -> None:
    first_name, first = parts[0]
    shared = bool(_names(first) & _names(parts[1][1]))
    for k, (name, table) in enumerate(parts[1:], 1):
        if table.clock != first.clock:
            raise InputError(
                f"{name}: time must be of one clock in all inputs, got {table.clock} beside {first.clock} in {first_name}"
            )
        if table.windows and not shared:
            raise InputError(
                f"{name}: inputs joined side by side keep the intervention windows of the first alone, got some in another; "
                "put it first, or ingest it alone"
            )
        for other_name, other in parts[:k]:
            if bool(_names(table) & _names(other)) != shared:
                raise InputError(
                    f"{name}: inputs must all share columns (environments) or have none in common (side by side), "
                    f"got both; join {other_name} first"
                )
            partly = shared and _names(table) != _names(other)
            if partly and max(table.times[0], other.times[0]) <= min(table.times[-1], other.times[-1]):
                column = min(_names(table) & _names(other))
                raise InputError(
                    f"{name}: column {column!r} is also in {other_name} over the same times, and other columns differ; "
                    "rename it or drop it in one of them"
                )


def _union(parts: Sequence[Named]) -> dict[str, Variable]:
    variables: dict[str, Variable] = {}
    for _, table in parts:
        for variable in table.variables:
            variables.setdefault(variable.name, variable)
    return variables


def _environments(parts: Sequence[Named]) -> TelemetryTable:
    variables = _union(parts)
    place = {name: k for k, name in enumerate(variables)}
    blocks, labels, windows, base = [], [], [], 0
    for _, table in parts:
        block = np.full((len(table.times), len(place)), np.nan)
        block[:, [place[v.name] for v in table.variables]] = table.values
        blocks.append(block)
        known, codes = np.unique(table.environments, return_inverse=True)
        renamed = {label: base + k for k, label in enumerate(known.tolist())}
        windows += relabelled(table.windows, table.environments, renamed, leads=base == 0)
        labels.append(codes + base)
        base += len(known)
    return TelemetryTable(
        np.concatenate(blocks),
        tuple(variables.values()),
        np.concatenate([t.times for _, t in parts]),
        parts[0][1].clock,
        np.concatenate(labels),
        tuple(windows),
    )


def _side_by_side(parts: Sequence[Named]) -> TelemetryTable:
    for name, table in parts:
        if len(np.unique(table.environments)) > 1 or (np.diff(table.times) <= 0).any():
            raise InputError(f"{name}: an input joined side by side must be one environment with increasing times")
    times = np.unique(np.concatenate([t.times for _, t in parts]))
    common = np.logical_and.reduce([np.isin(times, t.times) for _, t in parts])
    if not common.any():
        raise InputError(f"{parts[1][0]}: inputs joined side by side must have times in common, got none with {parts[0][0]}")
    values = np.full((len(times), sum(len(t.variables) for _, t in parts)), np.nan)
    start = 0
    for _, table in parts:
        stop = start + len(table.variables)
        values[np.searchsorted(times, table.times), start:stop] = table.values
        start = stop
    first = parts[0][1]
    shift = float(first.times[0] - times[0])
    if shift and first.windows:
        raise InputError(
            f"{parts[0][0]}: an input with intervention windows must begin first, got one that begins {shift:g} s earlier"
        )
    return TelemetryTable(
        values, tuple(_union(parts).values()), times, first.clock, np.zeros(len(times), np.int64), first.windows
    )
