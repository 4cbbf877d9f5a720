"""Ancestors: the interventional truth of a system, found by twin runs that share every draw."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.intervention import Intervention
from causaldisc.core.telemetry import Telemetry
from causaldisc.sources._system.faults import SETTABLE

if TYPE_CHECKING:
    from causaldisc.sources._system.system import RequestSystem

_SETTINGS = np.array([-2.0, -1.0, 1.0, 2.0])  # standard deviations from the mean


def ancestors(system: RequestSystem, epsilon: float, runs: int = 1, progress: Any = None) -> CausalGraph:
    """Return who moves whom, a graph of kind ``summary``; see :meth:`RequestSystem.ancestors`."""
    if not epsilon >= 0 or runs < 1:
        raise InputError(f"epsilon must be a number >= 0 and runs >= 1, got {epsilon!r} and {runs!r}")
    free = [system.trial([], run) for run in range(runs)]
    spread = np.nanstd(np.concatenate([t.values for t in free]), axis=0)
    shifts = np.array([_shifts(system, i, free) for i in _counted(len(system.variables), progress)])
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(shifts > 0, shifts / spread[None, :], 0.0)
    edges = [
        Edge(a.name, b.name, strength=float(size[i, j]))
        for i, a in enumerate(system.variables)
        for j, b in enumerate(system.variables)
        if i != j and size[i, j] > epsilon and np.isfinite(size[i, j])
    ]
    provenance = {"source": system.source.name, "truth": "ancestors", "epsilon": epsilon, "runs": runs}
    return CausalGraph(system.variables, edges, kind="summary", step_seconds=system.step_s, provenance=provenance)


def _shifts(system: RequestSystem, i: int, free: Sequence[Telemetry]) -> np.ndarray:
    """Largest shift of each variable's mean over some settings of one, float[N] in the variables' units; 0 is exact."""
    v = system.variables[i]
    start = float(np.floor(0.1 * system.n_rows) * system.step_s)
    rows = free[0].times >= start
    own = np.concatenate([t.values[:, i] for t in free])
    found, spread = np.zeros(len(system.variables)), float(np.nanstd(own))
    if v.metric not in SETTABLE or not spread > 0:
        return found
    low, high = system.bounds[v.name]
    levels = (float(np.nanmean(own)) + spread * _SETTINGS) / system.factors[i]
    for level in np.unique(np.clip(levels, low, high)):
        plan = Intervention(v.service, "set", float(level), start, variable=v.name)
        moved = [(system.trial([plan], run).values - t.values)[rows] for run, t in enumerate(free)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a variable that was not seen at all in one of the runs
            shift = np.abs(np.nanmean(np.concatenate(moved), axis=0))
        found = np.maximum(found, np.nan_to_num(shift))
    found[i] = 0.0
    return found


def _counted(count: int, progress: Any) -> Iterator[int]:
    """The numbers below ``count``; ``progress`` hears of each when its turn is over."""
    for k in range(count):
        yield k
        if progress is not None:
            progress(k + 1)
