"""Structural equations over time: the one place from which both a simulation and its true graph are derived."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

import numpy as np

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.variables import Variable

Drive = Callable[[Sequence[np.ndarray], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Equation:
    """``x(t) = clip(keep · x(t-1) + (1 - keep) · drive(t), low, high)``, where ``drive`` reads the parents and its own noise.

    An intervention makes it ``gain(t) · drive(t) + offset(t) · exp(0.1 · noise(t))``, or holds ``x(t)`` at a value.

    Attributes
    ----------
    variable : what it determines.
    parents : (variable name, lag in steps) of everything that ``drive`` reads; it is handed nothing else.
    drive : (parent series float[T] each, own noise float[T]) → float[T], row by row.
    keep : share of the past state that stays, 0 = no memory; it makes the self-edge at lag 1.
    low, high : bounds of the state.
    """

    variable: Variable
    parents: tuple[tuple[str, int], ...]
    drive: Drive
    keep: float = 0.0
    low: float = 0.0
    high: float = np.inf


@dataclass(frozen=True)
class Effect:
    """What interventions do to one equation, each float[T]: gain and offset of its drive, and where it is held (NaN: free)."""

    gain: np.ndarray
    offset: np.ndarray
    held: np.ndarray

    @classmethod
    def none(cls, rows: int) -> Effect:
        """Return the effect that changes nothing."""
        return cls(np.ones(rows), np.zeros(rows), np.full(rows, np.nan))


def solve(equations: Sequence[Equation], noise: np.ndarray, effects: Mapping[str, Effect]) -> np.ndarray:
    """Run the equations.

    Parameters
    ----------
    equations : N, in any order; their graph without self-edges must have no cycle.
    noise : float[T, N], column k for equation k.
    effects : variable name → what is done to it.

    Returns
    -------
    float[T, N] : the states; before the first row everything was as in the first row.

    >>> a = Equation(Variable.of("a"), (), lambda parents, noise: noise)
    >>> b = Equation(Variable.of("b"), (("a", 1),), lambda parents, noise: 2 * parents[0])
    >>> solve([b, a], np.array([[0.0, 1.0], [0.0, 3.0]]), {}).tolist()
    [[2.0, 1.0], [2.0, 3.0]]
    """
    place = {e.variable.name: k for k, e in enumerate(equations)}
    states = np.empty_like(noise)
    for name in causal_order(equations):
        k = place[name]
        equation = equations[k]
        read = [_delayed(states[:, place[parent]], lag) for parent, lag in equation.parents]
        drive = equation.drive(read, noise[:, k])
        effect = effects.get(name)
        if effect is not None:
            drive = effect.gain * drive + effect.offset * np.exp(0.1 * noise[:, k])
        states[:, k] = _settle(equation, drive, None if effect is None else effect.held)
    return states


def causal_order(equations: Sequence[Equation]) -> list[str]:
    """Return the variable names, causes first; raises graphlib.CycleError when there is none."""
    return list(TopologicalSorter({e.variable.name: [p for p, _ in e.parents] for e in equations}).static_order())


def truth_of(
    equations: Sequence[Equation], order: Sequence[int], step_seconds: float, provenance: Mapping[str, Any]
) -> CausalGraph:
    """Return the graph of the equations: an edge wherever one reads a variable at a lag; nodes in the order given."""
    edges = [Edge(source, e.variable.name, lag, evidence=("truth",)) for e in equations for source, lag in e.parents]
    edges += [Edge(e.variable.name, e.variable.name, 1, evidence=("truth",)) for e in equations if e.keep > 0]
    max_lag = max((edge.lag for edge in edges), default=0)
    return CausalGraph([equations[k].variable for k in order], edges, "lagged", max_lag, step_seconds, provenance)


def _delayed(series: np.ndarray, lag: int) -> np.ndarray:
    if lag == 0:
        return series
    return np.concatenate([np.repeat(series[:1], lag), series[:-lag]])


def _settle(equation: Equation, drive: np.ndarray, held: np.ndarray | None) -> np.ndarray:
    """Apply memory, bounds and what is held."""
    if equation.keep == 0.0:
        free = np.clip(drive, equation.low, equation.high)
        return free if held is None else np.where(np.isnan(held), free, held)
    keep, low, high = equation.keep, equation.low, equation.high
    state, settled = float(drive[0]), []
    holds = [np.nan] * len(drive) if held is None else held.tolist()
    for now, hold in zip(((1.0 - keep) * drive).tolist(), holds, strict=True):
        state = min(max(keep * state + now, low), high) if hold != hold else hold
        settled.append(state)
    return np.array(settled)
