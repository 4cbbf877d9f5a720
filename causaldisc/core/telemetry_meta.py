"""What a telemetry file says of its table besides the numbers: units, roles, clock, environments, intervention windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as brief
from typing import Any

import numpy as np

from causaldisc.core.csv_table import MAX_CELLS
from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.files import plain, read_text
from causaldisc.core.intervention import Intervention
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.variables import Variable

FORMAT, VERSION = "causaldisc-telemetry", 1
_META_KEYS = ("format", "version", "variables", "clock", "environments", "windows")
_VARIABLE_KEYS = ("service", "metric", "role", "unit")


@dataclass(frozen=True)
class Meta:
    """What a file says of its table: name → role and unit, clock, runs of (environment label, rows), windows."""

    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    clock: str | None = None
    environments: tuple[tuple[int, int], ...] = ()
    windows: tuple[Intervention, ...] = ()


def variable_of(name: str, said: Mapping[str, str]) -> Variable:
    """Build a variable from its name and what the metadata say of it; the rest is guessed from the name."""
    guess = Variable.of(name, role=said.get("role"), unit=said.get("unit", ""))
    return Variable(name, said.get("service", guess.service), said.get("metric", guess.metric), guess.role, guess.unit)


def meta_of(telemetry: Telemetry) -> dict[str, Any]:
    """Return the JSON- and YAML-ready metadata of a telemetry, the inverse of :func:`parse_meta`."""
    labels = telemetry.environments
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    runs = zip(labels[starts].tolist(), np.diff(starts, append=len(labels)).tolist(), strict=True)
    variables = {v.name: {k: getattr(v, k) for k in _VARIABLE_KEYS if k != "unit" or v.unit} for v in telemetry.variables}
    return plain(
        {
            "format": FORMAT,
            "version": VERSION,
            "clock": telemetry.clock,
            "environments": [list(run) for run in runs],
            "windows": [w.to_dict() for w in telemetry.windows],
            "variables": variables,
        }
    )


def meta_beside(source: Path) -> Meta:
    """Read ``NAME.meta.yaml`` (or ``NAME.csv.meta.yaml``) beside ``NAME.csv``; empty when there is none."""
    from causaldisc.core.plain_yaml import load_yaml

    for beside in (source.with_suffix(".meta.yaml"), source.with_name(source.name + ".meta.yaml")):
        if beside.is_file():
            return parse_meta(load_yaml(read_text(beside, limit=16 * 2**20), str(beside)), str(beside))
    return Meta()


def parse_meta(data: Any, where: str) -> Meta:
    """Check metadata of unknown origin; raises InputError naming file and field."""
    if data is None:
        return Meta()
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: metadata must be a mapping, got {type(data).__name__}")
    for key in data:
        if key not in _META_KEYS:
            raise InputError(f"{where}: unknown metadata field {key!r}; {did_you_mean(str(key), _META_KEYS)}")
    if data.get("format", FORMAT) != FORMAT or data.get("version", VERSION) != VERSION:
        raise InputError(f"{where}: must be {FORMAT} version {VERSION}, got {data.get('format')!r} {data.get('version')!r}")
    variables = data.get("variables") or {}
    if not isinstance(variables, Mapping) or not all(isinstance(k, str) and isinstance(v, Mapping) for k, v in variables.items()):
        raise InputError(f"{where}: variables must map a name to role and unit, got {brief(variables)}")
    for name, said in variables.items():
        for key, value in said.items():
            if key not in _VARIABLE_KEYS or not isinstance(value, str):
                raise InputError(
                    f"{where}: variables.{name}.{key} must be text under {', '.join(_VARIABLE_KEYS)}, got {brief(value)}"
                )
    return Meta(variables, _clock(data, where), _runs(data, where), _windows(data, where))


def _clock(data: Mapping[str, Any], where: str) -> str | None:
    clock = data.get("clock")
    if clock not in (None, "utc", "relative"):
        raise InputError(f"{where}: clock must be 'utc' or 'relative', got {clock!r}")
    return clock


def _runs(data: Mapping[str, Any], where: str) -> tuple[tuple[int, int], ...]:
    runs = data.get("environments") or []
    whole = isinstance(runs, list) and all(isinstance(r, list) and len(r) == 2 and all(type(x) is int for x in r) for r in runs)
    if not whole or any(not 1 <= n <= MAX_CELLS for _, n in runs) or sum(n for _, n in runs) > MAX_CELLS:
        raise InputError(f"{where}: environments must be a list of [label, rows], got {brief(runs)}")
    return tuple((label, rows) for label, rows in runs)


def _windows(data: Mapping[str, Any], where: str) -> tuple[Intervention, ...]:
    windows = data.get("windows") or []
    if not isinstance(windows, list) or not all(
        isinstance(w, Mapping) and all(isinstance(v, str | int | float | None) for v in w.values()) for w in windows
    ):
        raise InputError(f"{where}: windows must be a list of interventions, got {brief(windows)}")
    try:
        return tuple(Intervention.from_dict(w) for w in windows)
    except InputError as error:
        raise InputError(f"{where}: windows: {error}") from error
