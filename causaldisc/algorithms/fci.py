"""FCI: conditional independence tests where variables may be hidden; a partial ancestral graph, with tiers inside the search."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from causaldisc.algorithms._evidence import MISSING_TEXT, SERIAL_TEXT, TEST_TEXT, TESTS, Choice, facts_of, rate_alike
from causaldisc.algorithms._resampled import Draft, Repeated, Study, seconds_of_moments
from causaldisc.core.arrays import cells
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.errors import PriorUnsupportedError
from causaldisc.core.graph import BIDIRECTED, CIRCLE_ARROW, CIRCLE_TAIL, CIRCLES, DIRECTED, UNDIRECTED, CausalGraph
from causaldisc.core.parameters import parameter
from causaldisc.core.prior import HARD_CLAUSES
from causaldisc.core.telemetry import Telemetry

if TYPE_CHECKING:
    from causaldisc.kernels.fci import Findings
    from causaldisc.kernels.pc import Evidence

# What a search costs on a common machine, beside its moments: at all, and by test on a correlation matrix.
_RUN_SECONDS, _TEST_SECONDS = 3e-3, 4e-7
_NONE, _CIRCLE, _ARROW, _TAIL = range(4)
# Code of an edge i - j by its marks at i and at j; where i has the arrowhead alone, or j the circle before a tail, [j, i] has it.
_CODES = np.zeros((4, 4), np.int8)
_CODES[_TAIL, _ARROW], _CODES[_TAIL, _TAIL], _CODES[_ARROW, _ARROW] = DIRECTED, UNDIRECTED, BIDIRECTED
_CODES[_CIRCLE, _CIRCLE], _CODES[_CIRCLE, _ARROW], _CODES[_CIRCLE, _TAIL] = CIRCLES, CIRCLE_ARROW, CIRCLE_TAIL


@dataclass(frozen=True)
class FCI(Repeated):
    """FCI-stable with the majority rule and Zhang's complete rules (Spirtes et al. 2000; Zhang 2008; Colombo et al. 2012).

    Hidden common causes are allowed, no lags; with Fisher's z relations are linear and noise is Gaussian, and discrete columns
    are tested on tables as in ``pc``. The graph is a PAG. An arrowhead says that its end is no cause of the other, a tail that it
    is one, directly or through others, and a circle that the data leave it open; two arrowheads are a hidden common cause.
    With ``selection_bias`` the rows may have been chosen by the variables, and two tails say that they were.

    Of a prior it takes the clauses that speak of causes as such. Tiers are the order of time: nothing in a later tier is a
    cause of anything in an earlier one, not through variables of no tier either; so it conditions no test of those, and has
    an arrowhead wherever it is adjacent. Nothing is a cause of a root, and a leaf of nothing. A required edge stays and is
    directed. None of that rules out a hidden common cause, so no pair is taken from the search. ``forbidden`` and
    ``calls`` deny direct effects alone, which an edge of a PAG does not claim: a prior with such a clause is refused.
    Where data contradict themselves, a circle stays.

    Tests grow with the size of neighbourhoods and Possible-D-SEP sets: ``max_conditions``, ``max_path`` or ``deadline_s``
    bound them. An edge that a bound keeps from being tested stays.

    Raises
    ------
    PriorUnsupportedError : required edges that lead, through variables of no tier, from a later tier to an earlier one.

    >>> from causaldisc.runner.pipeline import discover
    >>> noise = np.random.default_rng(0).normal(size=(500, 5))
    >>> hidden = noise[:, 4]
    >>> values = np.column_stack([noise[:, 0], noise[:, 0] + hidden + 0.5 * noise[:, 1], noise[:, 3] + hidden, noise[:, 3]])
    >>> found = discover(Telemetry(values, ["a", "b", "c", "d"]), "fci", bootstrap=0)
    >>> [(e.source, e.source_mark, e.target_mark, e.target) for e in found.graph.edges]
    [('a', 'circle', 'arrow', 'b'), ('b', 'arrow', 'arrow', 'c'), ('d', 'circle', 'arrow', 'c')]
    """

    alpha: float = parameter(0.01, "level of the independence tests", low=0.0, high=1.0, search=(1e-4, 0.2, "log"))
    test: str = parameter("auto", TEST_TEXT, choices=TESTS)
    missing: str = parameter("pairs", MISSING_TEXT, choices=("pairs", "testwise"))
    autocorrelation: bool = parameter(False, SERIAL_TEXT)
    max_conditions: int | None = parameter(None, "largest conditioning set; null = as large as Possible-D-SEP sets get", low=0)
    max_path: int | None = parameter(
        None, "edges of the longest path to a member of a Possible-D-SEP set, and of discriminating paths; null = any", low=1
    )
    colliders: str = parameter(
        "majority",
        "rule for colliders: by most of the separating sets, or by all of them",
        choices=("majority", "conservative"),
        search=True,
    )
    selection_bias: bool = parameter(False, "allow for rows selected by the variables: rules 5 to 7, edges with two tails")
    name: ClassVar[str] = "fci"
    summary: ClassVar[str] = "FCI-stable with hidden variables, majority rule, complete rules; a PAG"
    clauses: ClassVar[frozenset[str]] = frozenset(HARD_CLAUSES) - {"forbidden", "calls"}

    @property
    def kind(self) -> str:
        """Always ``pag``."""
        return "pag"

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Learn the graph; only its confidence and what is chosen by it depend on ``rng``."""
        learned = super().discover(telemetry, constraints.without_beliefs(), rng)
        if learned.confidence is None:
            return learned
        # Resamples tell how often an edge is directed, not how often it has other marks; a prior that denies one direction
        # does not make the other certain, since a hidden common cause may stand for both.
        confidence = replace(learned.confidence, orientation=learned.confidence.directed)
        edges = [e if e.is_directed else replace(e, orientation_confidence=None) for e in confidence.of(learned.graph).edges]
        return replace(learned, graph=learned.graph.replace(edges=edges), confidence=confidence)

    def study(self, telemetry: Telemetry, constraints: Constraints, end: float) -> Study:
        """Search on all rows; nothing of it is random."""
        # Late, so that listing the algorithms compiles and loads no kernel.
        from causaldisc.kernels.fci import Bounds, learn
        from causaldisc.kernels.moments import canonical_order, reordered
        from causaldisc.kernels.separation import never

        order = canonical_order(telemetry.values)
        back = np.argsort(order)
        local = constraints.restrict(order)
        allowed, required = local.allowed[:, :, 0], local.pin(np.zeros(local.allowed.shape))[:, :, 0]
        _refuse_contradictions(local, required)
        choice = Choice(self.name, self.test, self.missing, self.autocorrelation)
        weighing = choice.weigh(telemetry, order, 0, self.alpha)

        def find(rows: np.ndarray | None, late: Callable[[], bool] = never) -> tuple[Evidence, Findings]:
            evidence = weighing(rows)
            bounds = Bounds(self.max_conditions, self.max_path, late)
            return evidence, learn(evidence, allowed, required, bounds, self.colliders, self.selection_bias)

        late = never if end == np.inf else lambda: time.monotonic() > end

        def again(rows: np.ndarray) -> Draft:
            evidence, found = find(rows, late)
            log_p = _minus_log10_p(evidence, found)
            return Draft(reordered(_codes(found.marks), back)[:, :, None], reordered(log_p, back)[:, :, None])

        evidence, found = find(None, late)
        log_p = _minus_log10_p(evidence, found)
        scores = _scores(found.marks, required, log_p, self.alpha, evidence.groups.sets)
        codes, needed, settled, strength, log_p, scores = (
            reordered(array, back)
            for array in (_codes(found.marks), required, found.settled, found.strength, log_p, np.where(allowed, scores, np.nan))
        )
        graph = CausalGraph.from_codes(
            telemetry.variables,
            codes,
            kind="pag",
            strength=strength,
            p_value=np.power(10.0, -log_p),
            evidence=_evidence(needed, settled),
        )
        report = {"test": weighing.test} | _report(found, evidence, [telemetry.names[k] for k in order])
        tests = (sum(found.tests) + found.wide_tests + found.orientation_tests) * evidence.tests.cost
        cost = _RUN_SECONDS + _TEST_SECONDS * tests + seconds_of_moments(weighing.windows)
        return Study(Learned(graph, scores[:, :, None], report), again, weighing.labels, cost)


def _refuse_contradictions(constraints: Constraints, required: np.ndarray) -> None:
    """Raise PriorUnsupportedError where required edges make a cause of what tiers say is none."""
    from causaldisc.kernels.fci_orientation import closure

    causes = closure(constraints.allowed[:, :, 0], required)[1]
    i, j = cells(causes & ~constraints.allowed[:, :, 0])
    if i.size:
        names = [v.name for v in constraints.variables]
        raise PriorUnsupportedError(
            f"required edges from {names[i[0]]} to {names[j[0]]} contradict the tiers, which fci reads as the order of time; "
            "valid: a tier for the variables between, or pc, ges, pcmci, pcmci_plus, gnn"
        )


def _codes(marks: np.ndarray) -> np.ndarray:
    """int8[N, N] cell codes of a graph, of marks as :class:`causaldisc.kernels.fci.Findings` has them."""
    return _CODES[marks.T, marks]


def _minus_log10_p(evidence: Evidence, found: Findings) -> np.ndarray:
    """float[N, N], -log10 of the p value of the last word on a pair."""
    return evidence.tests.log_p(found.statistic) / -np.log(10.0) + 0.0


def _scores(marks: np.ndarray, required: np.ndarray, log_p: np.ndarray, alpha: float, twins: list[list[int]]) -> np.ndarray:
    """Rank every ordered pair by the largest p value of its tests, with the marks found folded in.

    What an edge allows to be a cause scores above -log10(alpha): a cause by all that its p value is above, i o→ j by three
    quarters of it, what is open both ways by half; what an arrowhead denies scores below, and so does what is not
    adjacent; required edges above everything. Near-duplicates are rated alike, whichever of them has the edge.
    """
    bar = -np.log10(max(alpha, 1e-300))
    at_source, at_target = marks.T, marks
    denied = at_source == _ARROW
    share = np.select([at_source == _TAIL, at_target == _ARROW], [1.0, 0.75], 0.5)
    scores = np.where(marks == _NONE, np.minimum(log_p, bar), bar + share * np.maximum(log_p - bar, 0.0))
    scores[denied] = bar * log_p[denied] / (1.0 + log_p[denied])
    rate_alike(scores, twins)
    scores[required] = scores.max(initial=bar) + 1.0
    return scores


def _evidence(required: np.ndarray, settled: np.ndarray) -> dict[tuple[int, int, int], tuple[str, ...]]:
    """The prior alone for required edges, data and prior where the prior gave a mark."""
    evidence: dict[tuple[int, int, int], tuple[str, ...]] = {}
    for i, j in zip(*(axis.tolist() for axis in cells(settled | settled.T)), strict=True):
        evidence[i, j, 0] = ("data", "prior")
    for i, j in zip(*(axis.tolist() for axis in cells(required)), strict=True):
        evidence[i, j, 0] = ("prior",)
    return evidence


def _report(found: Findings, evidence: Evidence, names: list[str]) -> dict[str, Any]:
    rows = evidence.n[~np.eye(len(names), dtype=bool)]
    return {
        **facts_of(evidence, names, rows),
        "tests_per_level": list(found.tests),
        "possible_dsep_tests": found.wide_tests,
        "possible_dsep_removed": found.removed,
        "orientation_tests": found.orientation_tests,
        "ambiguous_triples": found.ambiguous,
        "contradicted_marks": found.contradictions,
        "truncated": not found.complete,
    }
