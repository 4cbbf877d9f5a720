"""Interventions as context variables beside the telemetry: searches for graphs of one system learn from all its regimes.

Joint causal inference (Mooij, Magliacane & Claassen 2020, JMLR 21) adds a column for each intervention and assumes that no
variable of the system causes it (1), that nothing hidden causes both (2), and that contexts depend on each other in ways that are
not asked for (3): they are roots, are not tested among themselves, and leave the graph when the search is over. In series the
column is one step ahead, so that a search finds its effect at lag 1 and by the same means as any lagged cause (as J-PCMCI+ does,
Günther, Ninad & Runge 2023), and nothing of its own past is looked for. PCMCI, which conditions on nothing of the same step,
finds that a context acts on what its targets act on within a step, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from causaldisc.algorithms._interventions import acting
from causaldisc.core.arrays import frozen
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.errors import InputError
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.variables import Variable

CONTEXTS = ("ignore", "unknown", "targets", "environments")
CONTEXTS_TEXT = (
    "intervention windows: ignored, or each a cause from outside: of what it sets or, for faults, of any variable (unknown) or "
    "metrics of their service (targets); environments = unknown, and each environment is such a cause, too"
)
Strip = Callable[[Learned], Learned]


@dataclass(frozen=True, eq=False)
class Context:
    """One context: ``values`` float[T]; ``reach`` bool[N], the variables on which it may act; ``held``, those told to be set."""

    name: str
    values: np.ndarray
    reach: np.ndarray
    held: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows in which it is at work."""
        return int(np.count_nonzero(self.values))


def in_context(
    search: Callable[[Telemetry, Constraints, np.random.Generator], Learned],
    telemetry: Telemetry,
    constraints: Constraints,
    rng: np.random.Generator,
    how: str,
    own_means: bool,
) -> Learned:
    """Run a search with contexts beside the telemetry, or as it is where ``how`` is ``ignore``.

    ``own_means`` says whether the search centres each environment by itself, which leaves nothing for contexts of these.
    """
    if how == "ignore":
        return search(telemetry, constraints, rng)
    if how == "environments" and own_means and constraints.max_lag:
        raise InputError(
            "contexts must not be environments where lags are searched and each environment has its own means; "
            "valid: max_lag=0, or pcmci_plus with own_means=False"
        )
    wider, limits, strip = with_contexts(telemetry, constraints, how)
    return strip(search(wider, limits, rng))


def with_contexts(telemetry: Telemetry, constraints: Constraints, how: str = "unknown") -> tuple[Telemetry, Constraints, Strip]:
    """Add a column for every distinct intervention.

    It is 0 outside the windows and 1 inside, or the magnitude where windows differ in it; of kind ``set``, how far the value
    lies from the mean of the variable outside. Interventions that are always at work together become one column. Where no row
    is free of intervention, that of most rows is what the others are compared with, and loses its column to their reach.

    Parameters
    ----------
    how : ``unknown``: kind ``set`` may act on its variable alone, other kinds on anything; ``targets``: other kinds act on
        metrics of the service they touch; ``environments``: as ``unknown``, with a column for every environment but the
        largest. Without lags these then share their means: the columns explain the differences.

    Returns
    -------
    (telemetry, constraints, strip) : with K more columns behind the N given; ``strip`` takes the contexts out of what a search
        learned and tells in ``report["contexts"]`` on which variables each was found to act.

    >>> from causaldisc.core.intervention import Intervention
    >>> from causaldisc.core.prior import ExpertPrior
    >>> data = Telemetry([[0.0], [1.0], [5.0]], ["cart:cpu"], windows=[Intervention("cart", "cpu_throttle", start=2)])
    >>> wider, limits, _ = with_contexts(data, Constraints.of(ExpertPrior(), data.variables, 0))
    >>> wider.names, wider.values[:, 1].tolist(), limits.allowed[:, :, 0].tolist()
    (('cart:cpu', 'context:cpu_throttle cart'), [0.0, 0.0, 1.0], [[False, False], [True, False]])
    """
    contexts = _contexts(telemetry, how)
    if not contexts:
        return telemetry, constraints, lambda learned: _stripped(learned, telemetry, contexts)
    n, lags = telemetry.shape[1], constraints.max_lag
    columns = np.stack([c.values for c in contexts], axis=1)
    labels, times = telemetry.environments, telemetry.times
    if how == "environments" and lags == 0:
        labels, times = np.zeros_like(labels), np.arange(len(labels), dtype=float)
    names = [Variable(f"context:{c.name}", "context", c.name) for c in contexts]
    taken = set(telemetry.names)
    for k, variable in enumerate(names):
        while variable.name in taken:
            variable = replace(variable, name=variable.name + "'")
        names[k] = variable
    wider = Telemetry(
        np.column_stack([telemetry.values, _ahead(columns, labels) if lags else columns]),
        [*telemetry.variables, *names],
        times,
        labels,
        clock=telemetry.clock,
    )
    allowed = np.zeros((n + len(names), n + len(names), lags + 1), dtype=bool)
    allowed[:n, :n] = constraints.allowed
    allowed[n:, :n, min(lags, 1)] = [c.reach for c in contexts]
    exogenous = constraints.exogenous | set(range(n, n + len(names)))
    limits = replace(constraints, variables=wider.variables, allowed=frozen(allowed), exogenous=frozenset(exogenous))
    return wider, limits, lambda learned: _stripped(learned, telemetry, contexts)


def _contexts(telemetry: Telemetry, how: str) -> list[Context]:
    """Return the contexts of a telemetry; none is constant, and none follows from the others."""
    n, found = telemetry.shape[1], []
    for one in acting(telemetry, by_service=how == "targets"):
        reach = np.array(one.pool)
        held = () if one.held is None else (telemetry.names[one.held],)
        if one.held is not None:
            reach[one.held] = True
        found.append(Context(one.name, _coded(one.magnitude, telemetry, one.held), reach, held))
    if how == "environments":
        labels, sizes = np.unique(telemetry.environments, return_counts=True)
        found += [
            Context(f"environment {label}", (telemetry.environments == label).astype(float), np.ones(n, bool), ())
            for label in np.delete(labels, np.argmax(sizes))
        ]
    return _independent(_merged(found))


def _coded(magnitude: np.ndarray, telemetry: Telemetry, held: int | None) -> np.ndarray:
    """Return float[T]: 0 outside the windows, 1 inside, or a magnitude where there are several."""
    inside = ~np.isnan(magnitude)
    several = len(np.unique(magnitude[inside])) > 1
    values = np.where(inside, magnitude if several else 1.0, 0.0)
    if several and held is not None:
        outside = telemetry.values[~inside, held]
        if not np.isnan(outside).all():
            values[inside] -= np.nanmean(outside)
    return values


def _merged(contexts: Sequence[Context]) -> list[Context]:
    """Join contexts that are always at work together: nothing tells which of them did what."""
    joined: dict[bytes, Context] = {}
    for context in contexts:
        key = (context.values != 0).tobytes()
        if key in joined:
            first = joined[key]
            name = f"{first.name} and {context.name}"
            joined[key] = Context(name, first.values, first.reach | context.reach, (*first.held, *context.held))
        else:
            joined[key] = context
    return list(joined.values())


def _independent(contexts: list[Context]) -> list[Context]:
    """Leave out contexts that follow from the others and the rest of the rows, those of most rows first."""
    while contexts:
        columns = np.column_stack([np.ones(len(contexts[0].values)), *(c.values / np.abs(c.values).max() for c in contexts)])
        if np.linalg.matrix_rank(columns) == columns.shape[1]:
            break
        gone = max(_redundant(columns), key=lambda k: contexts[k].rows)
        left = contexts[gone]
        # What differs from the regime left out may be the work of the one or of the other.
        contexts = [replace(c, reach=c.reach | left.reach) for k, c in enumerate(contexts) if k != gone]
    return contexts


def _redundant(columns: np.ndarray) -> list[int]:
    """The columns but the first that the others determine."""
    rank = np.linalg.matrix_rank(columns)
    return [k - 1 for k in range(1, columns.shape[1]) if np.linalg.matrix_rank(np.delete(columns, k, axis=1)) == rank]


def _ahead(columns: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Move columns one row up within each environment; the last row keeps its value."""
    moved = np.array(columns)
    same = np.flatnonzero(labels[1:] == labels[:-1])
    moved[same] = columns[same + 1]
    return moved


def _stripped(learned: Learned, telemetry: Telemetry, contexts: Sequence[Context]) -> Learned:
    """Take the contexts out of what a search learned, and tell on what each acts."""
    n, names = telemetry.shape[1], learned.graph.names
    acts: dict[str, list[str]] = {name: [] for name in names[n:]}
    for edge in learned.graph.edges:
        if edge.source in acts and edge.target not in acts:
            acts[edge.source].append(edge.target)
    told: list[dict[str, Any]] = [
        {"interventions": c.name, "rows": c.rows, "held": sorted(c.held), "found": sorted(set(found))}
        for c, found in zip(contexts, acts.values(), strict=True)
    ]
    report = {**learned.report, "contexts": told}
    if not contexts:
        return replace(learned, report=report)
    graph = learned.graph.replace(
        variables=telemetry.variables,
        edges=[e for e in learned.graph.edges if e.source not in acts and e.target not in acts],
        kind="mpdag" if learned.graph.kind == "cpdag" else learned.graph.kind,
    )
    sure = learned.confidence
    if sure is not None:
        shares = {name: getattr(sure, name)[:n, :n] for name in ("adjacency", "orientation", "frequency", "directed")}
        sure = replace(sure, **shares)
    return replace(learned, graph=graph, scores=learned.scores[:n, :n], report=report, confidence=sure)
