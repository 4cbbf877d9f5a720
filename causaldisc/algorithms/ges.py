"""GES: greedy search for the equivalence class of highest BIC, with lags and under a prior."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from causaldisc.algorithms._beliefs import account, with_beliefs
from causaldisc.algorithms._ges_beliefs import Weights
from causaldisc.algorithms._resampled import Draft, Resampled, Study, seconds_of_moments
from causaldisc.algorithms._wide import by_lag, square
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.errors import InputError
from causaldisc.core.graph import DIRECTED, UNDIRECTED, CausalGraph
from causaldisc.core.parameters import parameter
from causaldisc.core.telemetry import Telemetry

if TYPE_CHECKING:
    from causaldisc.kernels.ges_search import Found

# Pairs with fewer joint rows than this are not correlated: one empty column must not set the sample size of all.
_FEWEST_ROWS = 20
# Equality over a handful of rows is chance, and so is a regression with few rows a parent.
_ROWS_FOR_EQUALITY, _ROWS_PER_PARENT = 10, 5
# What a search costs on a common machine, beside its moments: at all, and by move and variable.
_RUN_SECONDS, _STEP_SECONDS = 2e-3, 3e-5


@dataclass(frozen=True)
class GES(Resampled):
    """GES with the linear-Gaussian BIC and a turning phase (Chickering 2002; Hauser & Bühlmann 2012).

    Linear relations, Gaussian noise and no hidden common cause are assumed. The prior holds inside the search: it goes over
    graphs that obey every clause and are closed under Meek's rules. With ``max_lag`` > 0 the past of all variables joins as
    possible causes. A belief gives or takes score for its edge, and directs what the class leaves open. Missing values are
    left out pair by pair, and the fewest rows behind any pair count as the sample size; each environment has its own means.
    With ``autocorrelation`` the median pair's effective rows count instead where they are fewer. Of near-duplicate columns
    one is searched, and the others are joined to it.

    Raises
    ------
    InputError : fewer than 2 rows with ``max_lag`` rows of their own environment before them.

    >>> from causaldisc.runner.pipeline import discover
    >>> noise = np.random.default_rng(0).normal(size=(500, 3))
    >>> values = np.column_stack([noise[:, 0], noise[:, 1], noise[:, 0] + noise[:, 1] + 0.5 * noise[:, 2]])
    >>> found = discover(Telemetry(values, ["a", "b", "c"]), "ges")
    >>> [(e.source, e.target) for e in found.graph.edges]
    [('a', 'c'), ('b', 'c')]
    """

    penalty: float = parameter(1.0, "factor on the penalty of BIC; larger = fewer edges", low=0.0, search=(0.25, 8.0, "log"))
    max_lag: int = parameter(0, "largest lag, in steps", low=0)
    max_parents: int | None = parameter(None, "most parents that a step may give a variable; null = a fifth of the rows", low=0)
    test: str = parameter(
        "parcorr", "correlations of the values (parcorr), or of their normal scores (rank)", choices=("parcorr", "rank")
    )
    autocorrelation: bool = parameter(False, "count effective rows, by the autocorrelations of the columns")
    uses_beliefs: ClassVar[bool] = True
    name: ClassVar[str] = "ges"
    summary: ClassVar[str] = "greedy equivalence search, BIC, with lags"

    @property
    def kind(self) -> str:
        """``lagged`` with lags; else ``cpdag``, and ``mpdag`` of a graph found under a prior."""
        return "lagged" if self.max_lag else "cpdag"

    def study(self, telemetry: Telemetry, constraints: Constraints, end: float) -> Study:
        """Search on all rows; nothing of it is random."""
        # Late, so that listing the algorithms compiles and loads no kernel.
        from causaldisc.kernels.bic import minus_log10_p, partial_correlations, price_of
        from causaldisc.kernels.moments import canonical_order, lagged, lagged_rows, reordered
        from causaldisc.kernels.weighing import transformed

        order = canonical_order(telemetry.values)
        back = np.argsort(order)
        local, n = constraints.restrict(order), telemetry.shape[1]
        labels = telemetry.environments[lagged_rows(telemetry.environments, self.max_lag)]
        _refuse_too_few(labels, telemetry.environments, self.max_lag)
        values = transformed(self.test, telemetry.values, telemetry.environments)
        windows = lagged(values, telemetry.environments, self.max_lag, order)
        each = self._rows_of_one(windows, labels)

        def find(rows: np.ndarray | None = None, until: float = math.inf) -> tuple[_Evidence, np.ndarray, Weights | None, Found]:
            some, of = (windows, labels) if rows is None else (windows[rows], labels[rows])
            evidence = _evidence(some, of, local, each)
            required = local.pin(by_lag(np.abs(evidence.R[:, :n])))
            weights, found = self._search(local, evidence, required, until)
            return evidence, required, weights, found

        def again(rows: np.ndarray) -> Draft:
            evidence, required, _, found = find(rows, end)
            codes, price = _codes(found, required | local.allowed), price_of(self.penalty, evidence.rows)
            return Draft(reordered(codes, back), reordered(minus_log10_p(_scores(found, required, price), price), back))

        evidence, required, weights, found = find(None, end)
        codes, price = _codes(found, required | local.allowed), price_of(self.penalty, evidence.rows)
        scores = _rate_alike(_scores(found, required, price), evidence.twins)
        strength = by_lag(partial_correlations(evidence.R, found.dag[:, :n]))
        strength[:, :, 0] = np.where(np.isnan(strength[:, :, 0]), strength[:, :, 0].T, strength[:, :, 0])
        owed, turned = np.zeros(codes.shape, bool) if weights is None else weights.owed(found), found.turned[:n, :n]
        codes, scores, strength, required, owed, turned = (
            reordered(a, back) for a in (codes, scores, strength, required, owed, turned)
        )
        graph = CausalGraph.from_codes(
            telemetry.variables,
            codes,
            kind="mpdag" if self.kind == "cpdag" and (constraints.prior.clause_kinds or turned.any()) else self.kind,
            strength=strength,
            evidence=with_beliefs(_origins(codes, required, constraints.allowed), owed, turned),
        )
        report = _report(found, evidence, [telemetry.names[k] for k in order])
        if weights is not None:
            said, logits = reordered(weights.squares(found), back), reordered(weights.logits, back)
            report["beliefs"] = account(constraints, said, 2.0 * price, logits, evidence.rows)
        cost = _RUN_SECONDS + _STEP_SECONDS * sum(found.steps) * n + seconds_of_moments(windows)
        return Study(Learned(graph, np.where(constraints.allowed, scores, np.nan), report), again, labels, cost)

    def _search(
        self, local: Constraints, evidence: _Evidence, required: np.ndarray, until: float
    ) -> tuple[Weights | None, Found]:
        """Search under the prior, and again without the arrows that beliefs in their reverse alone would keep."""
        from causaldisc.kernels.bic import price_of
        from causaldisc.kernels.ges_search import search

        n, most = len(required), int(evidence.rows) // _ROWS_PER_PARENT
        may, forced = _possible(local, evidence), np.zeros((len(required),) * 2, dtype=bool)
        weights = Weights.of(local, evidence.R, evidence.rows, evidence.twins, price_of(self.penalty, evidence.rows))
        while True:
            found = search(
                evidence.R,
                evidence.rows,
                penalty=self.penalty,
                may=may,
                required=square(required),
                targets=n,
                cap=most if self.max_parents is None else min(most, self.max_parents),
                seconds=until - time.monotonic(),
                bonus=None if weights is None else weights.wide,
                directions=None if weights is None else weights.directions,
            )
            if weights is None:
                return None, found
            wrong = weights.misread(found, may[:n, :n] & ~required[:, :, 0])
            if not wrong.any() or found.truncated:
                found.turned[:n, :n] |= found.marks[:n, :n] & forced
                return weights, found
            may[:n, :n] &= ~wrong
            forced |= wrong.T

    def _rows_of_one(self, windows: np.ndarray, labels: np.ndarray) -> float | np.ndarray:
        """How many rows of a pair tell as much as an independent one: float[M, M], or 1."""
        if not self.autocorrelation:
            return 1.0
        if self.max_lag:
            raise InputError(
                f"ges.autocorrelation must be false with max_lag > 0, got max_lag={self.max_lag}: the past is among the causes; "
                "valid: max_lag=0"
            )
        from causaldisc.kernels.effective import autocorrelations, inflation

        there = (~np.isnan(windows)).astype(float)
        return inflation(autocorrelations(windows, labels), there.T @ there, len(windows))


class _Evidence(NamedTuple):
    """Correlations float[M, M] of all variables and their lagged copies, column ``lag * N + i``, and what is behind them.

    ``rows`` is the sample size of the score, ``known`` bool[M, M] the pairs seen often enough, ``twins`` the groups of
    near-duplicates, the one searched first, and ``repair`` the largest change that made R positive semi-definite.
    """

    R: np.ndarray
    rows: float
    known: np.ndarray
    twins: list[list[int]]
    repair: float


def _refuse_too_few(labels: np.ndarray, environments: np.ndarray, max_lag: int) -> None:
    if len(labels) < 2:
        raise InputError(
            f"telemetry must have at least {max_lag + 2} rows on end in an environment (max_lag + 2), "
            f"got {len(environments)} rows in {len(np.unique(environments))} environment(s); "
            "valid: more rows or a smaller max_lag"
        )


def _evidence(windows: np.ndarray, labels: np.ndarray, constraints: Constraints, each: float | np.ndarray) -> _Evidence:
    from causaldisc.kernels.moments import near_duplicates, pairwise_correlation, repair

    R, joint = pairwise_correlation(windows, labels)
    itself = np.eye(len(R), dtype=bool)
    known = (joint >= min(_FEWEST_ROWS, joint.max())) & (joint > 0) & ~itself
    n = len(constraints.allowed)
    groups = near_duplicates(np.where(joint >= _ROWS_FOR_EQUALITY, R, 0.0)[:n, :n])
    twins = [_representative_first(list(group), windows[:, :n], constraints) for group in groups]
    fixed, change = repair(np.where(known | itself, R, 0.0))
    rows = float(joint[known].min()) if known.any() else float(len(labels))
    if known.any() and isinstance(each, np.ndarray):
        rows = min(rows, float(np.median((joint / each)[known])))  # the slowest pair must not speak for all
    return _Evidence(fixed, rows, known, twins, change)


def _representative_first(group: list[int], values: np.ndarray, constraints: Constraints) -> list[int]:
    """Search the member that required edges touch, or else that may have most edges, or else that has most rows."""
    touched = {node for i, j, _ in constraints.required for node in (i, j)}
    edges = constraints.allowed.sum(axis=(1, 2)) + constraints.allowed.sum(axis=(0, 2))
    rows = (~np.isnan(values)).sum(axis=0)
    first = max(group, key=lambda k: (k in touched, edges[k], rows[k], -k))
    return [first, *(k for k in group if k != first)]


def _possible(constraints: Constraints, evidence: _Evidence) -> np.ndarray:
    """bool[M, M]: the arrows that the search may draw; twins set aside are joined to their representative alone."""
    allowed, m = constraints.allowed, len(evidence.R)
    n = len(allowed)
    own = np.array(allowed)
    own[np.arange(n), np.arange(n), 1:] = True  # its past drives a variable whether or not the prior wants to see it
    may = square(own)
    for first, *others in evidence.twins:
        for other in others:
            may[other::n] = False
            may[:, other] = False
            may[first, other], may[other, first] = allowed[first, other, 0], allowed[other, first, 0]
    return may & evidence.known[:m, :m]


def _codes(found: Found, visible: np.ndarray) -> np.ndarray:
    """int8[N, N, L + 1] cell codes of the edges found, but for a variable's own past that the prior does not want to see."""
    n = len(visible)
    codes = by_lag(found.marks[:, :n]).astype(np.int8) * DIRECTED
    both = found.marks[:n, :n] & found.marks[:n, :n].T
    codes[:, :, 0][both] = UNDIRECTED
    return np.where(visible, codes, 0).astype(np.int8)


def _scores(found: Found, required: np.ndarray, price: float) -> np.ndarray:
    """Rank every ordered pair by BIC, with the directions found folded in; all finite.

    An edge scores what the BIC loses without it, an undirected one half of that; an absent one what the BIC would gain by
    it, at most 0 and never less than the price of a parent; the excluded direction of an edge just below 0, the closer the
    stronger the edge; required edges above everything.
    """
    n = len(required)
    marks = found.marks[:, :n]
    insert, remove = np.array(found.gains[0]), found.gains[1]
    insert[:n] = np.where(np.isfinite(insert[:n].T), np.minimum(insert[:n], insert[:n].T), insert[:n])
    loss = np.maximum(-np.where(np.isfinite(remove), remove, 0.0), 0.0)
    scores = np.where(marks, loss, np.clip(insert, -price, 0.0))
    back = found.marks[:n, :n].T
    scores[:n] = np.where(marks[:n] & back, 0.5 * scores[:n], scores[:n])
    scores[:n] = np.where(~marks[:n] & back, -price / (1.0 + price + loss[:n].T), scores[:n])
    return np.where(required, scores.max(initial=0.0) + 1.0, by_lag(scores))


def _rate_alike(scores: np.ndarray, twins: list[list[int]]) -> np.ndarray:
    """Give near-duplicates the scores of the one that was searched."""
    rated = np.array(scores)
    for first, *others in twins:
        for other in others:
            rated[other] = np.maximum(scores[other], scores[first])
            rated[:, other] = np.maximum(scores[:, other], scores[:, first])
        group = np.ix_([first, *others], [first, *others])
        rated[group] = scores[group]
    return rated


def _origins(codes: np.ndarray, required: np.ndarray, allowed: np.ndarray) -> dict[tuple[int, int, int], tuple[str, ...]]:
    """The prior alone for required edges, data and prior where the prior gave the direction."""
    origins: dict[tuple[int, int, int], tuple[str, ...]] = {}
    for i, j in np.argwhere((codes[:, :, 0] == DIRECTED) & ~allowed[:, :, 0].T).tolist():
        origins[i, j, 0] = ("data", "prior")
    for i, j, lag in np.argwhere(required).tolist():
        origins[i, j, lag] = ("prior",)
    return origins


def _report(found: Found, evidence: _Evidence, names: list[str]) -> dict[str, Any]:
    from causaldisc.kernels.moments import dependent

    n = len(names)
    pairs = evidence.known[:, :n] | np.eye(len(evidence.known), n, dtype=bool)
    set_aside = {k for _, *others in evidence.twins for k in others}
    kept = np.array([k for k in range(n) if k not in set_aside])
    rank, columns = dependent(evidence.R[np.ix_(kept, kept)])
    return {
        "score": float(found.local.sum()),
        "steps": dict(zip(("insert", "delete", "turn"), found.steps, strict=True)),
        "effective_sample_size": evidence.rows,
        "unknown_pairs": int((~pairs).sum()),
        "rank": rank,
        "dependent_columns": [names[kept[k]] for k in columns],
        "duplicates": [[names[k] for k in group] for group in evidence.twins],
        "correlation_repair": float(evidence.repair),
        "truncated": found.truncated,
    }
