"""PCMCI+: lagged parents, a skeleton given them and neighbours at lag 0, then directions at lag 0."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from causaldisc.algorithms._lagged import Findings
from causaldisc.algorithms._momentary import Momentary, Search, levels
from causaldisc.core.graph import CONFLICT, DIRECTED, UNDIRECTED
from causaldisc.core.parameters import parameter

if TYPE_CHECKING:
    from causaldisc.kernels.conditioning import Factor, Moments
    from causaldisc.kernels.pcmci import Links, Parents

# Links tested between two looks at the clock.
_PORTION = 256
# Subsets that vote on a collider: all of them up to 16 neighbours, the smaller ones beyond.
_VOTERS = 2**16


@dataclass(frozen=True)
class PCMCIPlus(Momentary):
    """PCMCI+ with partial correlations (Runge 2020, UAI): lagged and contemporaneous causes.

    Linear relations, stationarity and no hidden common cause are assumed. Tests, their p-values and the rules of orientation
    are those of tigramite's ``run_pcmciplus`` with ``ParCorr``, the majority rule and its marking of conflicts; ``alpha`` is
    the level of all tests but the selection of lagged parents. Beyond 16 neighbours at lag 0 only the smaller of their
    subsets vote on a collider. A direction that would close a cycle at lag 0 is marked as a conflict. ``fdr`` changes the
    p-values of edges, not the graph. For the rest see ``pcmci``.

    >>> from causaldisc.core.telemetry import Telemetry
    >>> from causaldisc.runner.pipeline import discover
    >>> noise = np.random.default_rng(0).normal(size=(1000, 3))
    >>> noise[:, 2] += noise[:, 0] + noise[:, 1]
    >>> found = discover(Telemetry(noise, ["a", "b", "c"]), "pcmci_plus", max_lag=1)
    >>> [(e.source, e.target, e.lag) for e in found.graph.edges]
    [('a', 'c', 0), ('b', 'c', 0)]
    """

    pc_alpha: float = parameter(0.01, "level of the selection of lagged parents", low=0.0, high=1.0, search=(1e-4, 0.5, "log"))
    name: ClassVar[str] = "pcmci_plus"
    summary: ClassVar[str] = "PCMCI+ with partial correlations, majority rule"

    def find(self, search: Search) -> Findings:
        """Run the four phases."""
        from causaldisc.kernels.conditioning import factor, moments
        from causaldisc.kernels.pcmci import log_p_of

        parents, links = self.lagged_parents(search)
        given = Levels(
            moments(search.sample.R, search.sample.n, self.alpha), search.logits != 0, levels(search, search.logits, self.alpha)
        )
        room = factor(2 * int(parents.sizes.max(initial=0)) + len(search.may) + 1)
        present = self._skeleton(search, given, room, parents, links)
        log_p = log_p_of(links)
        _agree(search, links.value, log_p)
        may = _admitted(search, log_p, self.alpha)
        codes, turned, ambiguous = self._directions(search, given, room, parents, present, may)
        report = {
            "ambiguous_triples": ambiguous,
            "conflicting_edges": int((codes[:, :, 0] == CONFLICT).sum()) // 2,
            "searches_cut_short": int(search.tally[2]),
        }
        owed = (codes > 0) & (search.logits > 0) & (log_p > np.log(max(self.alpha, 1e-300)))
        return Findings(codes, links.value, log_p, self.adjust(search, log_p), owed, turned, report)

    def _skeleton(self, search: Search, given: Levels, room: Factor, parents: Parents, links: Links) -> np.ndarray:
        """Return bool[N, N, L + 1], the links that no set of neighbours separates; the links' tests are updated."""
        from causaldisc.kernels.pcmci_plus import judge_pairs

        n = len(search.may)
        present, weakest, votes = _start(search, parents), np.full(search.may.shape, np.inf), np.zeros((1, n), np.int64)
        must = search.must.copy()
        must[:, :, 0] |= must[:, :, 0].T
        level, most = 0, n if self.max_conditions is None else self.max_conditions
        while level <= most:
            near, degree = _neighbours(present[:, :, 0], weakest[:, :, 0])
            rounds, sizes = _pairs(present, must, degree, level), np.full(n + 1, level, np.int64)
            if not any(map(len, rounds)):
                break
            portions = [(own, pairs[some]) for pairs in rounds for own, some in given.portions(pairs)]
            for place, (own, portion) in enumerate(portions):
                if not search.go_on():
                    return _tested(present, np.concatenate([rest for _, rest in portions[place:]])) if level == 0 else present
                # The other direction at lag 0 may have gone in the meantime.
                left = np.ascontiguousarray(portion[present[tuple(portion.T)]])
                worst = np.column_stack([array[tuple(left.T)] for array in (*links, weakest)])
                found = np.zeros(len(left), np.int64)
                rest = (near, degree, parents, worst, found, votes, search.tally)
                judge_pairs(own, search.sample.series, room, left, level, sizes, True, *rest)
                _update(left, level, found, worst, must, present, links, weakest)
            level += 1
        return present

    def _directions(
        self, search: Search, given: Levels, room: Factor, parents: Parents, present: np.ndarray, may: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Return codes and the directions owed to beliefs, [N, N, L + 1] each, and the number of ambiguous triples."""
        from causaldisc.kernels.pcmci_orientation import REVERSED, believe, links_between, orient, unshielded
        from causaldisc.kernels.pcmci_plus import judge_pairs

        codes = _undirected(may, search.must[:, :, 0], present)
        forced = (codes == DIRECTED) & (may != search.may[:, :, 0]).T[:, :, None]
        forced[:, :, 1:] = False
        triples = unshielded(codes)
        pairs, link = links_between(triples)
        near, degree = _neighbours(present[:, :, 0], np.ones(present.shape[:2]))
        largest = np.array([_largest(count) for count in range(len(near) + 1)], np.int64)
        found, inside = np.zeros(len(pairs), np.int64), np.zeros(len(triples), np.int64)
        for own, some in given.portions(pairs):
            if not search.go_on():
                return np.where(codes == REVERSED, 0, codes), forced, 0
            place = np.full(len(pairs), -1)
            place[some] = np.arange(len(some))
            mine, separated = place[link] >= 0, np.zeros(len(some), np.int64)
            votes, unused = np.zeros((len(some), len(near)), np.int64), np.empty((len(some), 3))
            rest = (near, degree, parents, unused, separated, votes, search.tally)
            judge_pairs(own, search.sample.series, room, pairs[some], 0, largest, False, *rest)
            found[some], inside[mine] = separated, votes[place[link[mine]], triples[mine, 2]]
        search.tally[2] += (largest[degree] < degree).sum()
        codes, turned = believe(orient(codes, triples, found[link], inside), search.directions, triples, found[link], inside)
        return np.where(codes == REVERSED, 0, codes), turned | forced, int((2 * inside == found[link]).sum())


class Levels(NamedTuple):
    """The moments at the level of the graph, and bool and float[N, N, L + 1]: links with a level of their own, its logarithm."""

    moments: Moments
    own: np.ndarray
    log_level: np.ndarray

    def portions(self, pairs: np.ndarray) -> list[tuple[Moments, np.ndarray]]:
        """Part links int[P, 3] into portions of one level each: the moments at that level, and which links."""
        from causaldisc.kernels.conditioning import moments

        own, log_level = self.own[tuple(pairs.T)], self.log_level[tuple(pairs.T)]
        parts = [(self.moments, np.flatnonzero(~own))]
        for level in np.unique(log_level[own]):
            at = moments(self.moments.R, self.moments.n, float(np.exp(level)))
            parts.append((at, np.flatnonzero(own & (log_level == level))))
        return [(at, some[k : k + _PORTION]) for at, some in parts for k in range(0, len(some), _PORTION)]


def _start(search: Search, parents: Parents) -> np.ndarray:
    """The links to begin with, bool[N, N, L + 1]: selected lagged parents, and all that may be at lag 0."""
    n = len(search.may)
    present = np.zeros(search.may.shape, dtype=bool)
    for j in range(n):
        columns = parents.columns[j, : parents.sizes[j]]
        present[columns % n, j, columns // n] = True
    present[:, :, 0] = search.may[:, :, 0] | search.may[:, :, 0].T
    return present


def _neighbours(adjacent: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours of each variable at lag 0, int[N, N], those of largest ``weight[i, j]`` into it first, and their numbers."""
    order = np.argsort(np.where(adjacent, -weight, np.inf), axis=0, kind="stable")
    return np.ascontiguousarray(order.T), adjacent.sum(axis=0)


def _pairs(present: np.ndarray, must: np.ndarray, degree: np.ndarray, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Links int[P, 3] whose targets have ``level`` neighbours besides the source; at lag 0 the second directions apart."""
    if level == 0:
        # Without neighbours a test says the same of both directions; required edges are tested for their strength.
        chosen = present.copy()
        chosen[:, :, 0] = np.triu(present[:, :, 0])
    else:
        chosen = present & ~must & (degree >= level)[None, :, None]
        chosen[:, :, 0] &= (degree > level)[None, :]
    pairs = np.argwhere(chosen)
    second = (pairs[:, 2] == 0) & (pairs[:, 0] > pairs[:, 1])
    return pairs[~second], pairs[second]


def _update(
    portion: np.ndarray,
    level: int,
    found: np.ndarray,
    worst: np.ndarray,
    must: np.ndarray,
    present: np.ndarray,
    links: Links,
    weakest: np.ndarray,
) -> None:
    """Write down what tests of a portion of links said, and take away those that were separated, in place."""
    stays = must[tuple(portion.T)]
    gone = (found > 0) & ~stays
    values = (worst[:, 0], worst[:, 1], np.where(stays, 1.0, worst[:, 2]), ~gone)
    arrays = (links.value, links.freedom, weakest, present)
    both = (portion[:, 2] == 0) & (gone | (level == 0))
    for array, value in zip(arrays, values, strict=True):
        array[tuple(portion.T)] = value
        array[portion[both, 1], portion[both, 0], 0] = value[both]


def _tested(present: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Take away the links that there was no time to test at all."""
    present[tuple(rest.T)] = False
    present[:, :, 0] &= present[:, :, 0].T
    return present


def _agree(search: Search, value: np.ndarray, log_p: np.ndarray) -> None:
    """Give both directions at lag 0 the test of larger p-value, or that of the only direction allowed, in place."""
    may = search.may[:, :, 0]
    this, other = log_p[:, :, 0], log_p[:, :, 0].T
    take = np.where(may == may.T, (other > this) | ((other == this) & np.tri(len(may), dtype=bool)), may.T)
    for array in (value, log_p):
        array[:, :, 0] = np.where(take, array[:, :, 0].T, array[:, :, 0])


def _admitted(search: Search, log_p: np.ndarray, alpha: float) -> np.ndarray:
    """Return bool[N, N], the arrows at lag 0 that the prior allows and that clear the level of their own beliefs.

    An adjacency that only the belief in one direction keeps may not be read as the other.
    """
    may = search.may[:, :, 0]
    if not search.arrows[:, :, 0].any():
        return may
    passed = may & (log_p <= levels(search, search.arrows, alpha))[:, :, 0]
    return np.where((search.logits[:, :, 0] != 0) & (passed | passed.T), passed, may)


def _undirected(may: np.ndarray, must: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Codes of a skeleton: directed where time or the prior says so, undirected elsewhere."""
    from causaldisc.kernels.pcmci_orientation import REVERSED

    codes = np.where(present, DIRECTED, 0).astype(np.int8)
    forward = (may & ~may.T) | must
    codes[:, :, 0] = np.where(present[:, :, 0], np.where(forward, DIRECTED, np.where(forward.T, REVERSED, UNDIRECTED)), 0)
    return codes


def _largest(count: int) -> int:
    """The largest size up to which so many neighbours have no more than ``_VOTERS`` subsets."""
    total, size = 1, 0
    while size < count and total + comb(count, size + 1) <= _VOTERS:
        size += 1
        total += comb(count, size)
    return size
