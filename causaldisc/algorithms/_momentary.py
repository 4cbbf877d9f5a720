"""What PCMCI and PCMCI+ share: their parameters, the selection of lagged parents, and the order in which things happen."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from causaldisc.algorithms._beliefs import account
from causaldisc.algorithms._contexts import CONTEXTS, CONTEXTS_TEXT, in_context
from causaldisc.algorithms._lagged import ARRAYS, Findings, Sample, Windows, has_choice, learned, obey, searched
from causaldisc.algorithms._resampled import Draft, Resampled, Study
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.parameters import parameter
from causaldisc.core.telemetry import Telemetry

if TYPE_CHECKING:
    from causaldisc.kernels.pcmci import Links, Parents


# What a search costs on a common machine: at all, and by test.
_RUN_SECONDS, _TEST_SECONDS = 1e-3, 8e-7


@dataclass(eq=False)
class Search:
    """One search on its way.

    Attributes
    ----------
    may, must : bool[N, N, L + 1], links that may be tested, and those that stay.
    logits : float[N, N, L + 1], what beliefs say of adjacencies, symmetric at lag 0; 0 where nothing is believed.
    arrows : float[N, N, L + 1], what they say of edges, ``[i, j, lag]`` about i(t - lag) → j(t).
    expired : whether time is up.
    tally : int[3]: tests made, those with conditions cut for linear dependence, searches through subsets cut short.
    complete : whether there was time for everything.
    """

    sample: Sample
    may: np.ndarray
    must: np.ndarray
    logits: np.ndarray
    arrows: np.ndarray
    expired: Callable[[], bool]
    tally: np.ndarray
    complete: bool = True

    @property
    def rows(self) -> np.ndarray:
        """float[N, N, L + 1], the windows behind each link."""
        n, _, lags = self.may.shape
        return self.sample.n[: n * lags, :n].reshape(lags, n, n).transpose(1, 2, 0)

    @property
    def directions(self) -> np.ndarray:
        """float[N, N], log-odds of i → j over j → i at lag 0."""
        return self.arrows[:, :, 0] - self.arrows[:, :, 0].T

    def go_on(self) -> bool:
        """Whether there is time for another portion of work; notes it when there is not."""
        self.complete = self.complete and not self.expired()
        return self.complete


@dataclass(frozen=True)
class Momentary(Resampled):
    """A search by momentary conditional independence: lagged parents of every variable first, links given those second."""

    alpha: float = parameter(0.01, "level of the graph", low=0.0, high=1.0, search=(1e-4, 0.2, "log"))
    pc_alpha: float = parameter(0.2, "level of the selection of lagged parents", low=0.0, high=1.0, search=(0.005, 0.5, "log"))
    max_lag: int = parameter(3, "largest lag, in steps", low=0)
    max_conditions: int | None = parameter(None, "largest conditioning set of the searches; null = no limit", low=0)
    test: str = parameter(
        "parcorr", "partial correlations of the values (parcorr), or of their normal scores (rank)", choices=("parcorr", "rank")
    )
    missing: str = parameter(
        "auto",
        "windows with missing values: every test uses those it can (testwise), every pair of columns does (pairs), or all use "
        "the complete ones while these are half of all, else pairs (auto)",
        choices=("auto", "pairs", "testwise"),
    )
    own_means: bool = parameter(False, "centre each environment by itself, so that shifts between them make no link")
    fdr: bool = parameter(False, "adjust the p-values of lagged links for their number (Benjamini-Hochberg)")
    contexts: str = parameter("ignore", CONTEXTS_TEXT, choices=CONTEXTS)

    uses_beliefs: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        """Always ``lagged``."""
        return "lagged"

    @abstractmethod
    def find(self, search: Search) -> Findings:
        """Search under the prior of ``search.may`` and ``search.must``."""

    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Learn the graph, with the contexts asked for; only its confidence and what is chosen by it depend on ``rng``."""
        return in_context(super().discover, telemetry, constraints, rng, self.contexts, self.own_means)

    def study(self, telemetry: Telemetry, constraints: Constraints, end: float) -> Study:
        """Search on all windows; nothing of it is random."""
        from causaldisc.kernels.beliefs import adjacency
        from causaldisc.kernels.moments import canonical_order, reordered
        from causaldisc.kernels.weighing import transformed

        order = canonical_order(telemetry.values)
        back = np.argsort(order)
        local = constraints.restrict(order)
        names = [telemetry.names[k] for k in order]
        values = transformed(self.test, telemetry.values[:, order], telemetry.environments if self.own_means else None)
        windows = Windows(values, telemetry.environments, 2 * self.max_lag, self.missing, self.own_means)
        may, none = searched(local), np.zeros(local.allowed.shape, dtype=bool)

        def begin(data: Sample, until: float) -> Search:
            room = none.astype(float)
            return Search(data, may, none, room, room, lambda: time.monotonic() > until, np.zeros(3, np.int64))

        search = begin(windows.sample(names), end)
        # An edge required or believed goes to the lag of its strongest momentary dependence, were it neither.
        association = np.abs(self.momentary(search).value) if has_choice(local) else none.astype(float)
        search.must = local.pin(association)
        if local.beliefs:
            search.arrows = local.belief_logits(association)
            search.logits = adjacency(search.arrows, local.allowed)
        found = self.find(search)

        def again(rows: np.ndarray) -> Draft:
            given = {"must": search.must, "logits": search.logits, "arrows": search.arrows}
            new = self.find(replace(begin(windows.sample(names, rows), end), **given))
            codes, _, _ = obey(new.codes, local.allowed, search.must, new.log_p)
            return Draft(reordered(codes, back), reordered(new.log_p / -np.log(10.0), back))

        report = {**search.sample.report(), **found.report, **_account(search)}
        arrays = {name: reordered(getattr(found, name), back) for name in ARRAYS}
        if constraints.beliefs:
            report["beliefs"] = self._tested(search, constraints, arrays["log_p"], back)
        findings = Findings(**arrays, report=report)
        result = learned(telemetry.variables, constraints, reordered(search.must, back), findings, self.alpha)
        return Study(result, again, windows.labels, _RUN_SECONDS + _TEST_SECONDS * search.tally[0] + windows.cost)

    def lagged_parents(self, search: Search) -> tuple[Parents, Links]:
        """Select lagged parents; the links are the last tests of candidates that left."""
        from causaldisc.kernels.conditioning import factor, moments
        from causaldisc.kernels.pcmci import no_links, no_parents, select_parents

        n, lags = len(search.may), self.max_lag
        given, room = moments(search.sample.R, search.sample.n, self.pc_alpha), factor(n * lags + 1)
        parents, links = no_parents(n, lags), no_links(n, lags)
        most = n * lags if self.max_conditions is None else self.max_conditions
        for j in range(n if lags else 0):
            if not search.go_on():
                break
            select_parents(given, search.sample.series, room, search.may, search.must, most, j, parents, links, search.tally)
        self._keep_believed(search, parents, links)
        return parents, links

    def _keep_believed(self, search: Search, parents: Parents, links: Links) -> None:
        """Put believed parents that left the selection back at its end, where their last test clears the bar of the belief.

        They may be parents in no test that comes: more of the past among the conditions confounds nothing, and what the graph
        says of them is for the tests of links to say.
        """
        from causaldisc.kernels.pcmci import log_p_of

        if not (search.logits[:, :, 1:] > 0).any():
            return
        n, log_p = len(search.may), log_p_of(links)
        left = (search.logits > 0) & search.may & (links.freedom >= 1) & (log_p <= levels(search, search.logits, self.pc_alpha))
        left[:, :, 0] = False
        for j in range(n):
            size = int(parents.sizes[j])
            i, lags = np.nonzero(left[:, j])
            more = (lags * n + i)[np.lexsort((lags, i, log_p[i, j, lags]))]
            more = more[~np.isin(more, parents.columns[j, :size])]
            parents.columns[j, size : size + len(more)] = more
            parents.sizes[j] = size + len(more)

    def _tested(self, search: Search, constraints: Constraints, log_p: np.ndarray, back: np.ndarray) -> list[dict[str, Any]]:
        """Tell what the tests, by the logarithm of their p values, say of every belief."""
        from causaldisc.kernels.beliefs import square_at
        from causaldisc.kernels.moments import reordered

        logits, rows = reordered(search.logits, back), reordered(search.rows, back)
        plain = float(square_at(np.log(self.alpha))) if self.alpha > 0 else np.inf
        return account(constraints, square_at(log_p), plain, logits, rows)

    def momentary(self, search: Search) -> Links:
        """Test every link given the parents of both its ends."""
        from causaldisc.kernels.conditioning import factor, moments
        from causaldisc.kernels.pcmci import judge_links, no_links

        parents, _ = self.lagged_parents(search)
        given, largest = moments(search.sample.R, search.sample.n, self.alpha), int(parents.sizes.max(initial=0))
        room, links = factor(2 * largest + 1, len(given.R), largest), no_links(len(search.may), self.max_lag)
        for j in range(len(search.may)):
            if not search.go_on():
                break
            judge_links(given, search.sample.series, room, search.may, j, parents, links, search.tally)
        return links

    def adjust(self, search: Search, log_p: np.ndarray) -> np.ndarray:
        """Adjust the p-values of lagged links that were in question, if asked to."""
        from causaldisc.kernels.pcmci import false_discovery

        family = search.may & ~search.must
        family[:, :, 0] = False
        return false_discovery(log_p, family) if self.fdr else log_p


def levels(search: Search, logits: np.ndarray, alpha: float) -> np.ndarray:
    """Return float[N, N, L + 1], the logarithm of the level of every link: that of alpha, or what beliefs make of it."""
    from causaldisc.kernels.beliefs import bars, coarse, log_p_of, square_at

    found = np.full(logits.shape, np.log(alpha) if alpha > 0 else -np.inf)
    said = np.nonzero(logits)
    if len(said[0]) and alpha > 0:
        found[said] = log_p_of(bars(square_at(np.log(alpha)), logits[said], coarse(search.rows[said])))
    return found


def _account(search: Search) -> dict[str, Any]:
    return {
        "tests": int(search.tally[0]),
        "tests_with_dependent_conditions": int(search.tally[1]),
        "truncated": not search.complete,
    }
