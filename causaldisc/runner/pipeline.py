"""From telemetry and prior to a checked graph: the one way in which every algorithm is run."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from causaldisc import habits
from causaldisc.core.certificate import certify
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Discovery, Learned
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph, Edge, acyclic
from causaldisc.core.parameters import values_of
from causaldisc.core.plugins import Algorithm, algorithms
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.habits import Prepared, Preset

if TYPE_CHECKING:
    import pandas as pd

_VERSIONED = ("causaldisc", "numpy", "numba", "torch", "torch-geometric", "causal-learn", "tigramite")


def discover(
    telemetry: Telemetry | pd.DataFrame | Sequence[Telemetry | pd.DataFrame],
    algorithm: str | Algorithm = "pc",
    *,
    prior: ExpertPrior | None = None,
    seed: int = 0,
    preset: str | Preset | None = None,
    **parameters: Any,
) -> Discovery:
    """Learn a causal graph from telemetry under an expert's prior.

    Parameters
    ----------
    telemetry : a Telemetry, a DataFrame (one column a variable), or a list of either: one environment each. T rows, N variables.
    algorithm : its name (see ``causaldisc list algorithms``), or an Algorithm object.
    prior : hard clauses and beliefs; None = empty.
    seed : seed of all randomness, >= 0.
    preset : ``"telemetry"`` recognises the habits of each series and treats it by them, chooses by written rules the
        parameters that are not given (of an Algorithm object: those at their defaults), and answers twice: see
        :mod:`causaldisc.habits`. The graph and its p-values are then those of the treated series. None = data as they are.
    **parameters : the algorithm's own, checked by name and type.

    Returns
    -------
    Discovery : graph over all N columns; scores float[N, N, max_lag + 1]; the certificate of the prior; a report; with a
        preset also the core of the graph, candidates and a verdict.

    Raises
    ------
    InputError : bad telemetry, an unknown algorithm or parameter.
    PriorError : a prior that contradicts itself, names an unknown variable, or has a clause the algorithm cannot obey.

    >>> found = discover(Telemetry([[0.0, 1.0], [1.0, 0.5], [2.0, 2.0]], ["a", "b"]), "empty", max_lag=0)
    >>> found.graph.edges, found.certificate.ok
    ((), True)
    """
    if prior is not None and not isinstance(prior, ExpertPrior):
        raise InputError(f"prior must be an ExpertPrior or None, got {type(prior).__name__}; valid: ExpertPrior.load(path)")
    raw = data = as_telemetry(telemetry)
    plugin = _plugin(algorithm, parameters)
    ready = None
    if preset is not None:
        ready = habits.preset(preset).prepare(data, type(plugin), _given(plugin, algorithm, parameters), _speaks_of_lags(prior))
        data, plugin = ready.telemetry, algorithms.build(plugin.name, ready.parameters)
    constraints = Constraints.of(prior or ExpertPrior(), data.variables, plugin.max_lag)
    constraints.refuse_unsupported(plugin.clauses, plugin.name)
    _refuse_too_few_rows(data, plugin.max_lag)
    varying = np.flatnonzero(~data.constant)
    started = time.perf_counter()
    learned = _run(plugin, data, constraints, varying, _generator(seed, plugin.name))
    seconds = time.perf_counter() - started
    graph = _embed(learned.graph, data, constraints, varying, _provenance(plugin, raw, seed, ready))
    found = Discovery(
        graph,
        _embed_scores(learned.scores, len(data.names), plugin.max_lag, varying),
        certify(graph, constraints, learned.report.get("beliefs")),
        _report(raw, learned),
        seconds,
        None if learned.confidence is None else learned.confidence.embed(len(data.names), varying),
    )
    if ready is None:
        return found
    both = ready.answer(graph, found.scores)
    report = {**found.report, **ready.report()}
    return replace(found, core=both.core, candidates=both.candidates, verdict=ready.verdict, report=report)


def as_telemetry(telemetry: Any) -> Telemetry:
    """Accept a Telemetry, a DataFrame, or a list of either (environments)."""
    if isinstance(telemetry, Telemetry):
        return telemetry
    if isinstance(telemetry, list | tuple):
        return Telemetry.concat([as_telemetry(part) for part in telemetry])
    if hasattr(telemetry, "columns") and hasattr(telemetry, "iloc"):
        return Telemetry.from_pandas(telemetry)
    raise InputError(f"telemetry must be a Telemetry, a DataFrame or a list of them, got {type(telemetry).__name__}")


def versions() -> dict[str, str]:
    """Return the versions of the packages that a result depends on, without importing them."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = {}
    for package in _VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _plugin(algorithm: str | Algorithm, parameters: dict[str, Any]) -> Algorithm:
    if isinstance(algorithm, str):
        return algorithms.build(algorithm, parameters)
    if parameters:
        raise InputError("parameters must be given to the algorithm object itself, got them beside one")
    return algorithm


def _refuse_too_few_rows(data: Telemetry, max_lag: int) -> None:
    """Ask for two rows that have ``max_lag`` rows of their own environment before them."""
    _, lengths = np.unique(data.environments, return_counts=True)
    if np.maximum(lengths - max_lag, 0).sum() < 2:
        shape = f"{lengths[0]} rows" if len(lengths) == 1 else f"environments of {', '.join(map(str, lengths[:5]))} rows"
        raise InputError(f"telemetry must have at least 2 rows with max_lag={max_lag} rows before them, got {shape}")


def _generator(seed: int, name: str) -> np.random.Generator:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed must be a whole number >= 0, got {seed!r}")
    return np.random.default_rng([int(seed), zlib.crc32(name.encode())])


def _run(plugin: Algorithm, data: Telemetry, constraints: Constraints, varying: np.ndarray, rng: np.random.Generator) -> Learned:
    """Run the algorithm on the columns that vary; with none there is nothing to learn."""
    if not varying.size:
        shape = (0, 0, plugin.max_lag + 1)
        return Learned(CausalGraph([], [], plugin.kind, plugin.max_lag), np.empty(shape))
    if varying.size < len(data.names):
        data, constraints = data.select(varying), constraints.restrict(varying)
    learned = plugin.discover(data, constraints, rng)
    names = data.names
    shape = (len(names), len(names), plugin.max_lag + 1)
    if learned.graph.names != names or learned.scores.shape != shape:
        raise TypeError(
            f"{plugin.name} must return a graph over its input columns and scores of shape {shape}, "
            f"got {len(learned.graph.names)} nodes and scores of shape {learned.scores.shape}"
        )
    return learned


def _embed(
    graph: CausalGraph, data: Telemetry, constraints: Constraints, varying: np.ndarray, provenance: dict[str, Any]
) -> CausalGraph:
    """Put the graph back among all columns; constant ones stay isolated but for edges that the prior requires."""
    left_out = set(range(len(data.names))) - set(varying.tolist())
    if not left_out:
        return graph.replace(step_seconds=data.step_seconds, provenance=provenance)
    # Any lag would do where nothing varies; the past cannot close a cycle with what the algorithm found at lag 0.
    past_first = np.roll(np.arange(constraints.max_lag + 1)[::-1], 1)
    shape = constraints.allowed.shape
    pinned = constraints.pin(np.broadcast_to(past_first, shape))
    extra = [
        Edge(data.names[i], data.names[j], int(lag), evidence=("prior",))
        for i, j, lag in zip(*np.nonzero(pinned), strict=True)
        if i in left_out or j in left_out
    ]
    edges = _giving_way(graph.edges, [e for e in extra if e.lag == 0], {name: k for k, name in enumerate(data.names)})
    return graph.replace(variables=data.variables, edges=[*edges, *extra], step_seconds=data.step_seconds, provenance=provenance)


def _giving_way(edges: Sequence[Edge], forced: Sequence[Edge], place: Mapping[str, int]) -> list[Edge]:
    """Leave out the weakest lag-0 edges found that close a cycle with edges forced upon constant columns.

    The algorithm could not know of those: at lag 0 a required x → c → y orders x and y even when c is constant.
    """
    if not forced:
        return list(edges)
    instant, kept = np.zeros((len(place), len(place)), dtype=bool), set()
    for edge in [*forced, *sorted(edges, key=lambda e: ("prior" not in e.evidence, -abs(e.strength or 0.0)))]:
        trial = np.array(instant)
        if edge.lag == 0 and edge.is_directed:
            trial[place[edge.source], place[edge.target]] = True
        if acyclic(trial):
            instant = trial
            kept.add(edge)
    return [e for e in edges if e in kept]


def _embed_scores(scores: np.ndarray, n: int, max_lag: int, varying: np.ndarray) -> np.ndarray:
    if varying.size == n:
        return scores
    full = np.full((n, n, max_lag + 1), np.nan)
    full[np.ix_(varying, varying)] = scores
    return full


def _given(plugin: Algorithm, algorithm: str | Algorithm, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that the user set: those named, or of an object all that are not at their defaults."""
    values = values_of(plugin)
    if isinstance(algorithm, str):
        return {name: values[name] for name in parameters}
    defaults = {f.name: f.default for f in fields(cast(Any, plugin))}
    return {name: value for name, value in values.items() if value != defaults[name]}


def _speaks_of_lags(prior: ExpertPrior | None) -> bool:
    """Whether a prior counts in steps, so that a row must stay a row."""
    if prior is None:
        return False
    return prior.max_lag is not None or any(c.lag is not None for c in (*prior.required, *prior.forbidden, *prior.beliefs))


def _provenance(plugin: Algorithm, data: Telemetry, seed: int, ready: Prepared | None) -> dict[str, Any]:
    preset = {} if ready is None else {"preset": "telemetry"}
    return {
        "algorithm": plugin.name,
        **preset,
        "parameters": values_of(plugin),
        "seed": int(seed),
        "data_sha256": data.sha256,
        "versions": versions(),
    }


def _report(data: Telemetry, learned: Learned) -> dict[str, Any]:
    constant = [name for name, flat in zip(data.names, data.constant, strict=True) if flat]
    return {
        "rows": data.shape[0],
        "columns": data.shape[1],
        "constant_columns": constant,
        "missing_share": float(np.count_nonzero(data.missing) / data.missing.size),
        **learned.report,
    }
