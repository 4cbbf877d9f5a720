"""PC: conditional independence tests, then directions; stable, majority rule, with lags and under a prior."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from causaldisc.algorithms._beliefs import account, with_beliefs
from causaldisc.algorithms._contexts import CONTEXTS, CONTEXTS_TEXT, in_context
from causaldisc.algorithms._evidence import MISSING_TEXT, SERIAL_TEXT, TEST_TEXT, TESTS, Choice, facts_of, rate_alike
from causaldisc.algorithms._resampled import Draft, Resampled, Study, seconds_of_moments
from causaldisc.core.arrays import cells
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.graph import CONFLICT, DIRECTED, CausalGraph
from causaldisc.core.parameters import parameter
from causaldisc.core.telemetry import Telemetry

if TYPE_CHECKING:
    from causaldisc.kernels.pc import Evidence, Findings
    from causaldisc.kernels.separation import Tests


# What a search costs on a common machine, beside its moments: at all, and by test on a correlation matrix.
_RUN_SECONDS, _TEST_SECONDS = 2e-3, 4e-7


@dataclass(frozen=True)
class PC(Resampled):
    """PC-stable with Fisher's z or χ² and the majority rule for colliders (Spirtes et al. 2000; Colombo & Maathuis 2014).

    No hidden common cause is assumed, and with Fisher's z linear relations and Gaussian noise. Discrete columns are tested on
    contingency tables instead, by χ² or G²: unasked where there are no lags and every column that varies has at most 10
    values, whole numbers, each in 10 rows on average. Other tests fit other data: ``rank`` heavy tails and any increasing
    change of scale, ``mixed`` discrete columns beside continuous ones, ``gcm`` counts and smooth confounding, ``rcot`` and
    ``knn`` dependence of any shape; ``autocorrelation`` counts the rows of slow series for what they tell. With ``max_lag``
    > 0 the variables' own past joins the search and time directs every lagged edge. Missing values are left out pair by
    pair, or test by test (by all tests but linear ones always so); each environment has its own means, or its own tables.
    Near-duplicate columns are searched as one and reported. Every clause of a prior is obeyed: only pairs that may be
    adjacent are tested, required edges stay, and given directions come before those of the data. A belief shifts the level
    of its pair's tests by its log-odds and directs what the data leave open (:mod:`causaldisc.kernels.beliefs`).

    Tests grow with the size of neighbourhoods that nothing separates: 60 metrics that follow one unmeasured load take
    7 s up to three conditions, and some fifteen times as long with every further one. ``max_conditions`` or
    ``deadline_s`` bound it.

    >>> from causaldisc.runner.pipeline import discover
    >>> noise = np.random.default_rng(0).normal(size=(500, 3))
    >>> values = np.column_stack([noise[:, 0], noise[:, 1], noise[:, 0] + noise[:, 1] + 0.5 * noise[:, 2]])
    >>> found = discover(Telemetry(values, ["a", "b", "c"]), "pc")
    >>> [(e.source, e.target) for e in found.graph.edges]
    [('a', 'c'), ('b', 'c')]
    """

    alpha: float = parameter(0.01, "level of the independence tests", low=0.0, high=1.0, search=(1e-4, 0.2, "log"))
    test: str = parameter("auto", TEST_TEXT, choices=TESTS)
    missing: str = parameter("pairs", MISSING_TEXT, choices=("pairs", "testwise"))
    autocorrelation: bool = parameter(False, SERIAL_TEXT)
    max_lag: int = parameter(0, "largest lag, in steps", low=0)
    max_conditions: int | None = parameter(None, "largest conditioning set; null = as large as neighbourhoods get", low=0)
    colliders: str = parameter(
        "majority",
        "rule for colliders: by most of the separating sets, or by all of them",
        choices=("majority", "conservative"),
        search=True,
    )
    contexts: str = parameter("ignore", CONTEXTS_TEXT, choices=CONTEXTS)
    uses_beliefs: ClassVar[bool] = True
    name: ClassVar[str] = "pc"
    summary: ClassVar[str] = "PC-stable, Fisher z or tables, majority rule, with lags"

    @property
    def kind(self) -> str:
        """``lagged`` with lags; else ``cpdag``, and ``mpdag`` of a graph found under a prior."""
        return "lagged" if self.max_lag else "cpdag"

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Learn the graph, with the contexts asked for; only its confidence and what is chosen by it depend on ``rng``."""
        return in_context(super().discover, telemetry, constraints, rng, self.contexts, own_means=True)

    def study(self, telemetry: Telemetry, constraints: Constraints, end: float) -> Study:
        """Search on all rows; nothing of it is random."""
        # Late, so that listing the algorithms compiles and loads no kernel.
        from causaldisc.kernels.moments import canonical_order, reordered
        from causaldisc.kernels.pc import learn
        from causaldisc.kernels.separation import never

        order = canonical_order(telemetry.values)
        back = np.argsort(order)
        local = constraints.restrict(order)
        choice = Choice(self.name, self.test, self.missing, self.autocorrelation)
        weighing = choice.weigh(telemetry, order, self.max_lag, self.alpha)

        def find(rows: np.ndarray | None, late: Callable[[], bool] = never) -> tuple[Evidence, Findings]:
            evidence = weighing(rows)
            believe = local.belief_logits if local.beliefs else None
            return evidence, learn(evidence, local.allowed, local.pin, self.max_conditions, self.colliders, late, believe)

        late = never if end == np.inf else lambda: time.monotonic() > end

        def again(rows: np.ndarray) -> Draft:
            evidence, found = find(rows, late)
            return Draft(reordered(found.codes, back), reordered(_minus_log10_p(evidence.tests, found.statistic), back))

        evidence, found = find(None, late)
        log_p = _minus_log10_p(evidence.tests, found.statistic)
        scores = _scores(found.codes, found.required, log_p, self.alpha, evidence.groups.sets)
        codes, required, settled, strength, log_p, scores = (
            reordered(array, back) for array in (found.codes, found.required, found.settled, found.strength, log_p, scores)
        )
        graph = CausalGraph.from_codes(
            telemetry.variables,
            codes,
            kind="mpdag" if self.kind == "cpdag" and (constraints.prior.clause_kinds or found.turned.any()) else self.kind,
            strength=strength,
            p_value=np.power(10.0, -log_p, out=np.zeros_like(log_p), where=codes > 0),
            evidence=with_beliefs(_evidence(required, settled), reordered(found.owed, back), reordered(found.turned, back)),
        )
        names = [telemetry.names[k] for k in order]
        np.copyto(scores, np.nan, where=~constraints.allowed)
        report = {"test": weighing.test} | _report(found, evidence, names, local.allowed)
        if constraints.beliefs:
            report["beliefs"] = self._tested(constraints, evidence, found, log_p, back)
        tests = (sum(found.tests) + found.orientation_tests) * evidence.tests.cost
        cost = _RUN_SECONDS + _TEST_SECONDS * tests + seconds_of_moments(weighing.windows)
        return Study(Learned(graph, scores, report), again, weighing.labels, cost)

    def _tested(
        self, constraints: Constraints, evidence: Evidence, found: Findings, log_p: np.ndarray, back: np.ndarray
    ) -> list[dict[str, Any]]:
        """Tell what the tests, by -log10 of their p values, say of every belief."""
        from causaldisc.kernels.beliefs import square_at
        from causaldisc.kernels.moments import reordered

        n, lags = log_p.shape[1:]
        rows = evidence.n[:n].reshape(n, lags, n).transpose(2, 0, 1)
        plain = float(square_at(evidence.tests.log_p(np.array([evidence.tests.critical]))[0]))
        square = square_at(-np.log(10.0) * log_p)
        return account(constraints, square, plain, reordered(found.logits, back), reordered(rows, back))


def _minus_log10_p(tests: Tests, statistic: np.ndarray) -> np.ndarray:
    """-log10 of p values, of float[N, N, L + 1] that is symmetric at lag 0: there each pair is worked out once."""
    log_p = np.empty(statistic.shape)
    upper = np.triu(np.ones(statistic.shape[:2], dtype=bool))
    log_p[upper, 0] = tests.log_p(statistic[upper, 0])
    log_p[:, :, 0].T[upper] = log_p[upper, 0]
    log_p[:, :, 1:] = tests.log_p(statistic[:, :, 1:])
    return log_p / -np.log(10.0) + 0.0


def _scores(codes: np.ndarray, required: np.ndarray, log_p: np.ndarray, alpha: float, twins: list[list[int]]) -> np.ndarray:
    """Rank every ordered pair by the largest p value of its tests, with the directions found folded in.

    Present edges score above -log10(alpha), undirected ones half as far above it; absent ones at most as much; the
    excluded direction of an edge below it; required edges above everything. Near-duplicates are rated alike, whichever of
    them has the edge.
    """
    bar = -np.log10(max(alpha, 1e-300))
    scores = np.minimum(log_p, bar)
    edges = cells(codes > 0)
    above = np.maximum(log_p[edges] - bar, 0.0)
    scores[edges] = bar + np.where(codes[edges] == DIRECTED, 1.0, 0.5) * above
    j, i = cells((codes[:, :, 0] == DIRECTED) & (codes[:, :, 0].T == 0))
    scores[i, j, 0] = bar * log_p[i, j, 0] / (1.0 + log_p[i, j, 0])
    rate_alike(scores, twins)
    scores[required] = scores.max(initial=bar) + 1.0
    return scores


def _evidence(required: np.ndarray, settled: np.ndarray) -> dict[tuple[int, int, int], tuple[str, ...]]:
    """The prior alone for required edges, data and prior where the prior gave the direction."""
    evidence: dict[tuple[int, int, int], tuple[str, ...]] = {}
    for i, j in zip(*(axis.tolist() for axis in cells(settled)), strict=True):
        evidence[i, j, 0] = ("data", "prior")
    for i, j, lag in zip(*(axis.tolist() for axis in cells(required)), strict=True):
        evidence[i, j, lag] = ("prior",)
    return evidence


def _report(found: Findings, evidence: Evidence, names: list[str], allowed: np.ndarray) -> dict[str, Any]:
    rows = evidence.n[: len(names)]
    if rows.min() < rows.max():
        rows = rows.reshape(len(names), -1, len(names)).transpose(2, 0, 1)[allowed]
    return {
        **facts_of(evidence, names, rows),
        "tests_per_level": list(found.tests),
        "orientation_tests": found.orientation_tests,
        "ambiguous_triples": found.ambiguous,
        "conflicting_edges": int((found.codes[:, :, 0] == CONFLICT).sum()) // 2,
        "edges_without_acyclic_direction": found.dropped,
        "truncated": not found.complete,
    }
