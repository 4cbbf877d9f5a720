"""Verification: run a stored outcome's configuration again and compare, bit for bit; times are left out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from causaldisc.core.errors import InputError
from causaldisc.core.files import plain
from causaldisc.core.outcome import Outcome
from causaldisc.runner.cell import run
from causaldisc.runner.store import Store

# What was found, without what merely says where and with which versions.
_GRAPH = ("nodes", "edges")
_HEAD = ("kind", "max_lag", "step_seconds")


def verify(outcome: Outcome) -> list[str]:
    """Run an outcome's configuration again and return the differences, one line each; none when all is the same.

    Compared are status, data, metrics, and the graph with its validation, all as stored: floats bit for bit, NaN equal to
    NaN. Not compared: times, memory, versions.
    """
    return differences(outcome, run(outcome.config).outcome)


def verify_stored(root: str | Path = "outcomes", keys: Sequence[str] = ()) -> Iterator[tuple[str, list[str]]]:
    """Verify stored outcomes: those of the given keys, or unique beginnings of keys; none = all.

    Yields
    ------
    (key, differences) : one outcome after another.

    Raises
    ------
    InputError : an empty store, or a key that names no outcome or more than one; before anything is run.
    """
    store = Store(Path(root))
    chosen = [store.find(key) for key in keys] if keys else list(store)
    if not chosen:
        raise InputError(f"{root}: must be a store of outcomes (<key>/outcome.json), got none")
    for outcome in chosen:
        yield outcome.key, verify(outcome)


def differences(stored: Outcome, again: Outcome) -> list[str]:
    """Compare two outcomes of one configuration.

    >>> a = Outcome("k", "ok", {}, {"shd": 3.0}); b = Outcome("k", "ok", {}, {"shd": 4.0})
    >>> differences(a, b)
    ['metrics.shd: stored 3.0, now 4.0']
    """
    found = []
    for name in ("status", "data_sha256"):
        found += _compare(name, getattr(stored, name), getattr(again, name))
    for name in sorted({*stored.metrics, *again.metrics}):
        found += _compare(f"metrics.{name}", stored.metrics.get(name), again.metrics.get(name))
    before, after = _graph(stored), _graph(again)
    for part in (*_HEAD, *_GRAPH):
        found += _compare(f"graph.{part}", before.get(part), after.get(part))
    return found


def _graph(outcome: Outcome) -> dict[str, Any]:
    graph: Mapping[str, Any] = outcome.graph or {}
    head = graph.get("graph", {})
    parts = {**{k: head.get(k) for k in _HEAD}, **{k: graph.get(k) for k in _GRAPH}}
    return json.loads(json.dumps(plain(parts)))


def _compare(name: str, stored: Any, again: Any) -> list[str]:
    if stored == again or (_is_nan(stored) and _is_nan(again)):
        return []
    if isinstance(stored, list) and isinstance(again, list):
        changed = sum(a != b for a, b in zip(stored, again, strict=False)) + abs(len(stored) - len(again))
        return [f"{name}: {changed} of {max(len(stored), len(again))} differ"]
    return [f"{name}: stored {stored!r}, now {again!r}"]


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
