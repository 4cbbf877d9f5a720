"""GIES: greedy search for the interventional equivalence class of highest BIC, targets told or learned."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from causaldisc.algorithms._interventions import TARGETS, Plan, plan_of
from causaldisc.algorithms._resampled import Draft, Resampled, Study
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.errors import InputError
from causaldisc.core.graph import DIRECTED, UNDIRECTED, CausalGraph
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import algorithms
from causaldisc.core.telemetry import Telemetry

if TYPE_CHECKING:
    from causaldisc.kernels.gies_search import Found
    from causaldisc.kernels.regimes import Regimes

# A mechanism of its own takes so many rows to be told from chance; and a regression so many for each parent.
_FEWEST_ROWS, _ROWS_PER_PARENT = 10, 5
# What a search costs on a common machine: at all, and by move, variable and block of rows.
_RUN_SECONDS, _STEP_SECONDS = 5e-3, 2e-5


@dataclass(frozen=True)
class GIES(Resampled):
    """GIES with the linear-Gaussian BIC over rows with and without interventions (Hauser & Bühlmann 2012).

    It learns from the labelled windows of the telemetry. In a window of kind ``set`` the variable is held from outside: its
    rows say nothing of its own mechanism, and every edge between it and another variable comes out directed. Every other kind
    is a fault that changes mechanisms which nobody told: which ones is learned (as in Mooij, Magliacane & Claassen 2020), each
    with coefficients, intercept and variance of its own in that window. ``targets`` says among which variables: ``unknown``,
    any, which holds whatever the fault did; ``service``, metrics of the service it touched, which asks for fewer rows but is
    wrong where a mechanism of another service changed; with ``leave_out`` rows with faults are not used. A fault is never
    taken to have changed all metrics of its service, since edges between a changed and an unchanged one would be directed.

    Linear relations, Gaussian noise, no hidden common cause, and the same mechanisms in all rows but for the interventions are
    assumed, so that environments differ in nothing but their means (with ``own_means``) and their windows. Without windows the
    result is that of ``ges``. Missing values are left out pair by pair within each regime.

    Raises
    ------
    InputError : fewer than 2 rows that are not left out.

    >>> from causaldisc.core.intervention import Intervention
    >>> from causaldisc.runner.pipeline import discover
    >>> a, noise = np.random.default_rng(0).normal(size=(2, 400))
    >>> b = np.where(np.arange(400) < 300, a + noise, 3.0)
    >>> held = Intervention("b", "set", 3.0, start=300, variable="b")
    >>> found = discover(Telemetry(np.column_stack([a, b]), ["a", "b"], windows=[held]), "gies")
    >>> [(e.source, e.target, e.is_directed, e.evidence) for e in found.graph.edges]
    [('a', 'b', True, ('data', 'intervention'))]
    """

    penalty: float = parameter(1.0, "factor on the penalty of BIC; larger = fewer edges", low=0.0, search=(0.25, 8.0, "log"))
    max_parents: int | None = parameter(None, "most parents that a step may give a variable; null = a fifth of the rows", low=0)
    targets: str = parameter(
        "unknown",
        "on what faults may have acted: any variable, metrics of their service, or leave their rows out",
        choices=TARGETS,
    )
    own_means: bool = parameter(True, "centre each environment by itself, so that shifts between them make no edge")
    name: ClassVar[str] = "gies"
    summary: ClassVar[str] = "greedy interventional equivalence search, BIC, targets told or learned"

    @property
    def kind(self) -> str:
        """``cpdag``; ``mpdag`` of a graph found under a prior or with interventions."""
        return "cpdag"

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Learn the graph; beliefs do not move it."""
        return super().discover(telemetry, constraints.without_beliefs(), rng)

    def study(self, telemetry: Telemetry, constraints: Constraints, end: float) -> Study:
        """Search on all rows; nothing of it is random."""
        from causaldisc.kernels.bic import minus_log10_p, price_of
        from causaldisc.kernels.moments import canonical_order, reordered

        plan = plan_of(telemetry, self.targets, _FEWEST_ROWS)
        if (plan.labels == 0).all() and not len(plan.contexts):
            plain = {"penalty": self.penalty, "max_parents": self.max_parents, "deadline_s": _left(end)}
            study = algorithms.build("ges", plain).study(telemetry, constraints, end)  # pyright: ignore[reportAttributeAccessIssue]
            return study._replace(learned=_told(study.learned, [], 0))
        if (plan.labels >= 0).sum() < 2:
            raise InputError("telemetry must have at least 2 rows outside windows that are left out; valid: targets=unknown")
        order = canonical_order(telemetry.values)
        back = np.argsort(order)
        values, local = telemetry.values[:, order], constraints.restrict(order)
        plan = Plan(plan.labels, plan.names, plan.held[:, order], plan.pool[:, order], plan.reference)
        labels = telemetry.environments if self.own_means else np.zeros(len(values), np.int64)

        def find(rows: np.ndarray, until: float = math.inf) -> _Result:
            return self._find(values[rows], labels[rows], plan.labels[rows], plan, local, until)

        def again(rows: np.ndarray) -> Draft:
            new = find(rows, end)
            log_p = minus_log10_p(new.scores, price_of(self.penalty, float(new.regimes.rows.sum())))
            return Draft(*(reordered(a, back)[:, :, None] for a in (new.codes, log_p)))

        result = find(np.arange(len(values)), end)
        codes, scores, strength, required, moved = (
            reordered(a, back) for a in (result.codes, result.scores, result.strength, result.required, result.moved)
        )
        graph = CausalGraph.from_codes(
            telemetry.variables,
            codes,
            kind="mpdag",
            strength=strength,
            evidence=_origins(codes, required, constraints.allowed[:, :, 0], moved),
        )
        learned = Learned(graph, np.where(constraints.allowed, scores[:, :, None], np.nan), _report(result))
        names = [telemetry.names[k] for k in order]
        learned = _told(learned, _contexts(result, plan, names), int((plan.labels < 0).sum()))
        cost = _RUN_SECONDS + _STEP_SECONDS * (5 + sum(result.found.steps)) * len(names) * len(result.regimes.rows)
        return Study(learned, again, telemetry.environments, cost)

    def _find(
        self,
        values: np.ndarray,
        environments: np.ndarray,
        labels: np.ndarray,
        plan: Plan,
        constraints: Constraints,
        until: float,
    ) -> _Result:
        from causaldisc.kernels.bic import price_of
        from causaldisc.kernels.gies_class import directed_without
        from causaldisc.kernels.gies_search import search
        from causaldisc.kernels.regime_moments import node_partial_correlations, regimes_of

        n, contexts = values.shape[1], plan.contexts
        node = np.full(len(plan.names), -1)
        node[contexts] = n + np.arange(len(contexts))
        regimes = regimes_of(values, environments, labels, node, ~plan.held)
        allowed = constraints.allowed[:, :, 0]
        required = constraints.pin(np.zeros(constraints.allowed.shape))[:, :, 0]
        knowledge = _knowledge(allowed, required, plan)
        rows = float(regimes.rows.sum())
        most = int(rows) // _ROWS_PER_PARENT
        found = search(
            regimes,
            knowledge,
            penalty=self.penalty,
            cap=most if self.max_parents is None else min(most, self.max_parents),
            seconds=until - time.monotonic(),
        )
        marks = found.marks[:n, :n]
        codes = np.where(marks & marks.T, UNDIRECTED, marks * DIRECTED).astype(np.int8)
        scores = _scores(found, required, price_of(self.penalty, rows))
        strength = node_partial_correlations(regimes, found.dag)
        strength = np.where(np.isnan(strength), strength.T, strength)
        moved = (codes == DIRECTED) & ~directed_without(found.dag[:n, :n], knowledge[:n, :n])
        return _Result(codes, scores, strength, required, moved, found, regimes)


class _Result(NamedTuple):
    """What one search says, arrays [N, N]; ``moved`` are edges that are directed by interventions alone."""

    codes: np.ndarray
    scores: np.ndarray
    strength: np.ndarray
    required: np.ndarray
    moved: np.ndarray
    found: Found
    regimes: Regimes


def _left(end: float) -> float | None:
    """Seconds left until an end, None for no end."""
    return None if math.isinf(end) else max(end - time.monotonic(), 0.0)


def _knowledge(allowed: np.ndarray, required: np.ndarray, plan: Plan) -> np.ndarray:
    """uint8[M, M] of the search: what the prior says of variables, and what is told of the targets of every context.

    The prior speaks of causes among variables; what comes from outside may act on a root as well.
    """
    from causaldisc.kernels.ges_moves import POSSIBLE, REQUIRED

    n, contexts = len(allowed), plan.contexts
    knowledge = np.zeros((n + len(contexts),) * 2, np.uint8)
    knowledge[:n, :n][allowed & ~required.T] = POSSIBLE
    knowledge[:n, :n][required] = REQUIRED
    knowledge[n:, :n][plan.pool[contexts]] = POSSIBLE
    knowledge[n:, :n][plan.held[contexts]] = REQUIRED
    return knowledge


def _scores(found: Found, required: np.ndarray, price: float) -> np.ndarray:
    """Rank every ordered pair by what the BIC loses without its edge, or would gain by it, as ``ges`` does; float[N, N].

    An undirected edge scores half, the excluded direction of an edge just below 0, required edges above everything.
    """
    n = len(required)
    marks, insert, remove = found.marks[:n, :n], found.gains[0][:n], found.gains[1][:n]
    insert = np.where(np.isfinite(insert.T), np.minimum(insert, insert.T), insert)
    loss = np.maximum(-np.where(np.isfinite(remove), remove, 0.0), 0.0)
    scores = np.where(marks, loss, np.clip(insert, -price, 0.0))
    scores = np.where(marks & marks.T, 0.5 * scores, scores)
    scores = np.where(~marks & marks.T, -price / (1.0 + price + loss.T), scores)
    return np.where(required, scores.max(initial=0.0) + 1.0, scores)


def _origins(
    codes: np.ndarray, required: np.ndarray, allowed: np.ndarray, moved: np.ndarray
) -> dict[tuple[int, int, int], tuple[str, ...]]:
    """The prior alone for required edges; else data, and prior or intervention where one of these gave the direction."""
    origins: dict[tuple[int, int, int], tuple[str, ...]] = {}
    for i, j in np.argwhere(moved).tolist():
        origins[i, j, 0] = ("data", "intervention")
    for i, j in np.argwhere((codes == DIRECTED) & ~allowed.T).tolist():
        origins[i, j, 0] = ("data", "prior")
    for i, j in np.argwhere(required).tolist():
        origins[i, j, 0] = ("prior",)
    return origins


def _contexts(result: _Result, plan: Plan, names: list[str]) -> list[dict[str, Any]]:
    """Tell of every regime with interventions its rows, what was held in it, and whose mechanism was found to be another."""
    n, told = len(names), []
    for k, r in enumerate(plan.contexts):
        acts = result.found.marks[n + k, :n] & ~plan.held[r]
        told.append(
            {
                "interventions": plan.names[r],
                "rows": int((plan.labels == r).sum()),
                "held": sorted(names[j] for j in np.flatnonzero(plan.held[r])),
                "found": sorted(names[j] for j in np.flatnonzero(acts)),
            }
        )
    return told


def _report(result: _Result) -> dict[str, Any]:
    found = result.found
    return {
        "score": float(found.local.sum()),
        "steps": dict(zip(("insert", "delete", "turn"), found.steps, strict=True)),
        "effective_sample_size": float(result.regimes.rows.sum()),
        "truncated": found.truncated,
    }


def _told(learned: Learned, contexts: list[dict[str, Any]], left_out: int) -> Learned:
    """Add to a report what was made of the windows."""
    report = {**learned.report, "contexts": contexts, "rows_left_out": left_out}
    return Learned(learned.graph, learned.scores, report, learned.confidence)
