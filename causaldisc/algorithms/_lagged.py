"""What the searches over lags share: the sample, and the way from tests to a graph that obeys the prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.algorithms._beliefs import with_beliefs
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CONFLICT, DIRECTED, CausalGraph
from causaldisc.core.variables import Variable
from causaldisc.kernels.moments import MIN_ROWS, lagged, lagged_rows, near_duplicates, pairwise_correlation, repair
from causaldisc.kernels.windows import repeated_correlation, scaled, window_correlation

if TYPE_CHECKING:
    from causaldisc.kernels.testwise import Series

# With fewer complete windows, or a smaller share of all, moments are taken pair by pair: from there on that finds more
# links of simulated systems (20 variables, 0.5 % of the cells missing at random: half of the windows are complete).
_ENOUGH_ROWS, _ENOUGH_SHARE = 50, 0.5
# A pair seen together less often is not correlated: chance correlations near one would spoil the whole matrix.
_FEWEST_ROWS = 20


@dataclass(frozen=True, eq=False)
class Sample:
    """What tests are made on; column ``lag * N + i`` is variable i at t - lag.

    Attributes
    ----------
    R, n : float[M, M], correlations of all variables and their lagged copies, and the windows behind them.
    series : None, or the series on which every test correlates its own columns.
    how : what is done about missing values, ``none`` where there are none.
    facts : JSON-ready.
    """

    R: np.ndarray
    n: np.ndarray
    series: Series | None
    how: str
    facts: Mapping[str, Any]

    def report(self) -> dict[str, Any]:
        """Facts after the search, JSON-ready; effective sample sizes are those of pairs, or of tests that each have their own."""
        used = None if self.series is None else self.series.used
        sizes = self.n if used is None or not used.any() else np.repeat(np.arange(len(used)), used)
        size = {"min": float(sizes.min()), "median": float(np.median(sizes))}
        return {"effective_sample_size": size, "missing_values": self.how, **self.facts}


@dataclass(frozen=True, eq=False)
class Findings:
    """What a search says before the prior has the last word; arrays [N, N, L + 1].

    Attributes
    ----------
    codes : cell codes of the graph; directed edges may form a cycle at lag 0.
    strength : partial correlations.
    log_p : natural logarithms of their p-values, <= 0, for the order of links.
    adjusted : the same after a correction for multiple testing, for the p-values of edges.
    owed : bool, links that the data alone would not keep: beliefs do.
    turned : bool, links of lag 0 whose direction beliefs gave.
    report : JSON-ready facts.
    """

    codes: np.ndarray
    strength: np.ndarray
    log_p: np.ndarray
    adjusted: np.ndarray
    owed: np.ndarray
    turned: np.ndarray
    report: Mapping[str, Any]


ARRAYS = ("codes", "strength", "log_p", "adjusted", "owed", "turned")


# Seconds on a common machine by product of two cells (there are four times as many where some are missing), and of the repair
# of a matrix then, by its number of columns cubed.
_PRODUCT_SECONDS, _REPAIR_SECONDS = 1e-10, 5e-9


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of ``depth`` + 1 rows, each within one environment, on whose columns tests are made.

    Parameters
    ----------
    values, environments : float[T, N], int[T].
    missing : ``testwise``: every test uses the windows where all its columns are there. ``pairs``: every pair of columns uses
        the windows where both are, and the matrix is repaired where that makes it indefinite. ``auto``: all tests use the
        windows where everything is there as long as enough remain, else ``pairs``.
    own_means : whether each environment has means of its own; every one beyond the first then costs a degree of freedom.

    Raises
    ------
    InputError : fewer windows than a test needs.
    """

    values: np.ndarray
    environments: np.ndarray
    depth: int
    missing: str = "auto"
    own_means: bool = False

    def __post_init__(self) -> None:
        """Ask for enough windows."""
        if len(self.labels) - (max(len(np.unique(self.labels)) - 1, 0) if self.own_means else 0) < MIN_ROWS:
            raise InputError(
                f"telemetry must have at least {self.depth + MIN_ROWS} rows on end in an environment "
                f"(2 * max_lag + {MIN_ROWS}), got {len(self.values)} rows in {len(np.unique(self.environments))} "
                "environment(s); valid: more rows or a smaller max_lag"
            )

    @cached_property
    def labels(self) -> np.ndarray:
        """int[T'], the environment of every window."""
        return self.environments[lagged_rows(self.environments, self.depth)]

    @cached_property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not np.isnan(self.values).any()

    @cached_property
    def columns(self) -> np.ndarray:
        """float[T', N * (depth + 1)], all windows side by side."""
        return lagged(scaled(self.values) if self.complete else self.values, self.environments, self.depth)

    @property
    def cost(self) -> float:
        """Seconds that the moments of a resample take, roughly."""
        columns = float(self.values.shape[1] * (self.depth + 1))
        products = _PRODUCT_SECONDS * len(self.labels) * columns**2
        return products if self.complete else 4.0 * products + _REPAIR_SECONDS * columns**3

    def sample(self, names: Sequence[str], rows: np.ndarray | None = None) -> Sample:
        """Correlate the columns of all windows, or of int[T'] some of them.

        On some windows, which may come more than once, ``testwise`` does as ``pairs``: tests of their own would take a
        hundred times as long.
        """
        apart, change, labels = None, 0.0, self.labels
        if self.complete and rows is None:
            how = "none"
            R, n = window_correlation(self.values, self.environments, self.depth, self.own_means)
        elif self.complete and rows is not None:
            how = "none"
            R, n = repeated_correlation(self.columns, rows, labels if self.own_means else None)
        else:
            X, labels = (self.columns, labels) if rows is None else (self.columns[rows], labels[rows])
            missing = "pairs" if rows is not None and self.missing == "testwise" else self.missing
            how, R, n = _with_gaps(X, labels if self.own_means else None, missing)
        duplicates = near_duplicates(R[: len(names), : len(names)])
        if how == "available pairs":
            known = (n >= min(_FEWEST_ROWS, len(labels))) | np.eye(len(n), dtype=bool)
            R, change = repair(np.where(known, R, 0.0))
            n = np.where(known, n, 0.0)
        elif how == "complete windows of each test":
            from causaldisc.kernels.testwise import series_of

            apart = series_of(self.values, self.environments, self.depth, self.own_means)
        facts = {"correlation_repair": float(change), "duplicates": [[names[k] for k in group] for group in duplicates]}
        return Sample(R, n, apart, how, facts)


def _with_gaps(X: np.ndarray, labels: np.ndarray | None, missing: str) -> tuple[str, np.ndarray, np.ndarray]:
    """Correlate the columns of windows float[T', M] with missing values; returns (what was done about these, R, n)."""
    if missing == "auto":
        complete = ~np.isnan(X).any(axis=1)
        if complete.sum() >= max(_ENOUGH_ROWS, _ENOUGH_SHARE * len(X)):
            return "complete windows", *pairwise_correlation(X[complete], None if labels is None else labels[complete])
    how = "complete windows of each test" if missing == "testwise" else "available pairs"
    return how, *pairwise_correlation(X, labels)


def searched(constraints: Constraints) -> np.ndarray:
    """Return bool[N, N, L + 1], the links that a search may test: those allowed, and every variable's own past.

    Its own past drives a variable whether or not the prior wants to see it in the graph.
    """
    may = np.array(constraints.allowed)
    own = np.setdiff1d(np.arange(len(may)), list(constraints.exogenous))
    may[own, own, 1:] = True
    return may


def has_choice(constraints: Constraints) -> bool:
    """Whether any edge that is required or believed has more than one lag to choose from."""
    believed = (b for b in constraints.beliefs if b.logit > 0)
    return any(constraints.allowed[i, j, low : high + 1].sum() > 1 for i, j, (low, high) in constraints.required) or any(
        constraints.allowed[b.sources, b.targets, b.window[0] : b.window[1] + 1].sum(axis=1).max(initial=0) > 1 for b in believed
    )


def learned(
    variables: Sequence[Variable], constraints: Constraints, pinned: np.ndarray, findings: Findings, alpha: float
) -> Learned:
    """Lay the prior on the findings of a search and build what an algorithm gives back.

    Parameters
    ----------
    pinned : bool[N, N, L + 1], the required edges.
    alpha : level of the graph, where the scores of absent links end.
    """
    codes, settled, relaxed = obey(findings.codes, constraints.allowed, pinned, findings.log_p)
    evidence: dict[tuple[int, int, int], tuple[str, ...]] = {}
    for i, j, lag in np.argwhere(settled | pinned).tolist():
        seen = findings.log_p[i, j, lag] <= _log(alpha) or not pinned[i, j, lag]
        evidence[i, j, lag] = ("data", "prior") if seen else ("prior",)
    owed = findings.owed & ~pinned
    evidence = with_beliefs(evidence, owed, (findings.turned & (codes == DIRECTED))[:, :, 0])
    graph = CausalGraph.from_codes(
        variables, codes, kind="lagged", strength=findings.strength, p_value=np.exp(findings.adjusted), evidence=evidence
    )
    scores = np.where(constraints.allowed, _scores(codes, pinned, findings.log_p, alpha), np.nan)
    return Learned(graph, scores, {**findings.report, "edges_without_acyclic_direction": relaxed})


def obey(codes: np.ndarray, allowed: np.ndarray, pinned: np.ndarray, log_p: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return codes that obey a prior and have no directed cycle at lag 0.

    An adjacency of which one direction is allowed gets that one. On a cycle the edge of largest p-value gives way, those
    first whose direction the data chose: it is marked as in conflict; one whose direction the prior gave is dropped.

    Parameters
    ----------
    codes : int[N, N, L + 1] of cell codes.
    allowed, pinned : bool[N, N, L + 1]; pinned edges are put in and stay.

    Returns
    -------
    codes : int8[N, N, L + 1].
    settled : bool[N, N, L + 1], edges of the data whose direction the prior gave.
    relaxed : edges that a cycle cost.

    >>> both = np.array([[0, 1], [1, 0]], dtype=bool)[:, :, None]
    >>> one, none = np.array([[0, 1], [0, 0]], dtype=bool)[:, :, None], np.zeros((2, 2, 1), dtype=bool)
    >>> obey(2 * both, one, none, np.zeros((2, 2, 1)))[0][:, :, 0].tolist()
    [[0, 1], [0, 0]]
    """
    lagged = (((codes > 0) & allowed) | pinned).astype(np.int8) * DIRECTED
    now, may, must = np.array(codes[:, :, 0], dtype=np.int8), allowed[:, :, 0], pinned[:, :, 0]
    adjacent, one_way = (now > 0) | (now.T > 0), may & ~may.T
    now[~may] = 0
    settled = adjacent & one_way & ~must
    now[adjacent & one_way] = DIRECTED
    now[must.T] = 0
    now[must] = DIRECTED
    relaxed = _break_cycles(now, may & may.T, must, log_p[:, :, 0])
    lagged[:, :, 0] = now
    marked = np.zeros(codes.shape, dtype=bool)
    marked[:, :, 0] = settled & (now == DIRECTED)
    return lagged, marked, relaxed


def _break_cycles(now: np.ndarray, free: np.ndarray, must: np.ndarray, log_p: np.ndarray) -> int:
    """Relax directed edges of int8[N, N] in place until none lies on a cycle, and return how many."""
    from scipy.sparse.csgraph import connected_components

    relaxed = 0
    while True:
        directed = now == DIRECTED
        if not directed.any():
            return relaxed
        _, part = connected_components(directed, directed=True, connection="strong")
        cyclic = np.argwhere(directed & ~must & (part[:, None] == part))
        if not len(cyclic):
            return relaxed
        i, j = min(cyclic.tolist(), key=lambda edge: (not free[*edge], -log_p[*edge], edge))
        now[i, j] = now[j, i] = CONFLICT if free[i, j] else 0
        relaxed += 1


def _scores(codes: np.ndarray, pinned: np.ndarray, log_p: np.ndarray, alpha: float) -> np.ndarray:
    """Rank every ordered pair by -log10 p, with the directions found folded in.

    Edges of the graph score at least ``bar`` = -log10(alpha), undirected ones half as far above it; absent ones at most as
    much; the excluded direction of a directed edge less than its bar; required edges more than everything.
    """
    score, bar = -log_p / np.log(10.0), -_log(alpha) / np.log(10.0)
    ranked = np.minimum(score, bar)
    ranked = np.where(codes == DIRECTED, np.maximum(score, bar), ranked)
    ranked = np.where(codes > DIRECTED, bar + 0.5 * np.maximum(score - bar, 0.0), ranked)
    against = (codes[:, :, 0].T == DIRECTED) & (codes[:, :, 0] == 0)
    ranked[:, :, 0] = np.where(against, bar * score[:, :, 0] / (1.0 + score[:, :, 0]), ranked[:, :, 0])
    return np.where(pinned, ranked.max(initial=bar) + 1.0, ranked)


def _log(alpha: float) -> float:
    return float(np.log(max(alpha, 1e-300)))
