"""FCI on arrays: skeleton, Possible-D-SEP, colliders, and Zhang's rules, with tiers inside the search.

Spirtes, Glymour & Scheines (2000), "Causation, Prediction, and Search", section 6.7; Zhang (2008) for the rules; Colombo &
Maathuis (2014), "Order-independent constraint-based causal structure learning", for the stable skeleton and the majority rule.
Under tiers the rules stay sound and complete (Andrews, Spirtes & Cooper 2020, "On the completeness of causal discovery in the
presence of latent confounding with tiered background knowledge").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from causaldisc.kernels.colliders import AMBIGUOUS
from causaldisc.kernels.fci_dsep import PossibleDsep, remove_by_dsep
from causaldisc.kernels.fci_layout import Layout
from causaldisc.kernels.fci_orientation import closure, orient, settle
from causaldisc.kernels.fci_sets import Polls
from causaldisc.kernels.pc import Evidence, _lift
from causaldisc.kernels.separation import never
from causaldisc.kernels.skeleton import Skeleton, find_skeleton


@dataclass(frozen=True)
class Bounds:
    """What bounds a search.

    Attributes
    ----------
    max_conditions : largest conditioning set, None for any.
    max_path : edges of the longest path to a member of a Possible-D-SEP set, and of discriminating paths; None for any.
    expired : asked now and then whether to stop with the graph so far.
    """

    max_conditions: int | None = None
    max_path: int | None = None
    expired: Callable[[], bool] = never

    @property
    def longest(self) -> int:
        """The limit of a path as a number."""
        return 2**31 if self.max_path is None else self.max_path


@dataclass(frozen=True, eq=False)
class Findings:
    """What FCI found; all arrays are over N variables.

    Attributes
    ----------
    marks : int8[N, N], ``[i, j]`` is the mark at j of the edge between i and j: 0 no edge, 1 circle, 2 arrow, 3 tail.
    settled : bool[N, N], marks that the prior gave.
    statistic, strength : float[N, N], smallest statistic over the tests of the pair, and the strength there.
    tests, wide_tests, orientation_tests : tests made by level, given Possible-D-SEP sets, and for directions.
    removed : edges that Possible-D-SEP sets removed.
    ambiguous : triples that the rule for colliders leaves open.
    contradictions : circles that were to be arrowhead and tail, or tails that would have closed a cycle.
    complete : whether there was time for everything.
    """

    marks: np.ndarray
    settled: np.ndarray
    statistic: np.ndarray
    strength: np.ndarray
    tests: tuple[int, ...]
    wide_tests: int
    orientation_tests: int
    removed: int
    ambiguous: int
    contradictions: int
    complete: bool


def learn(
    evidence: Evidence,
    allowed: np.ndarray,
    required: np.ndarray,
    bounds: Bounds | None = None,
    rule: str = "majority",
    selection: bool = False,
) -> Findings:
    """Learn the marks of a partial ancestral graph.

    Parameters
    ----------
    evidence : tests on N variables, no lags.
    allowed : bool[N, N], ``[i, j]`` False: the prior says that i is no cause of j, directly or through others. Such a pair may
        still be adjacent, by a hidden common cause.
    required : bool[N, N], edges that must be there.
    rule : how colliders are found, see ``judge_triples``.
    selection : whether rows may have been selected by the variables, see :func:`causaldisc.kernels.fci_orientation.orient`.
    """
    bounds = bounds or Bounds()
    groups, tests = evidence.groups, evidence.tests
    possible, causes = closure(allowed, required)
    apart, stay = ~np.eye(len(groups.kept), dtype=bool), groups.merge((required | required.T)[:, :, None])[:, :, 0]
    grouped = tests.under(groups.merge(possible[:, :, None])[:, :, 0])
    # A hidden common cause may join any two: the prior takes no pair from the skeleton, only conditions from the tests.
    plain = find_skeleton(grouped, apart, stay, bounds.max_conditions, bounds.expired)
    judged = _judge(Polls(grouped, rule, bounds.expired), plain, len(apart), bounds.longest)
    skeleton, wide_tests, size = remove_by_dsep(grouped, plain, stay, judged.wide, bounds.max_conditions, bounds.expired)
    removed = len(plain.pairs) - len(skeleton.pairs)
    if removed or not groups.trivial:
        everything = ~np.eye(len(possible), dtype=bool)[:, :, None]
        skeleton = _lift(skeleton, groups, everything, required[:, :, None], evidence.R, tests)
        spread = grouped if groups.trivial else tests.of(groups.columns(1)).under(possible)
        judged = _judge(Polls(spread, rule, bounds.expired, judged.polls.made), skeleton, len(possible), bounds.longest)
    marks, contradictions = _direct(judged, (possible, causes), max(size, judged.size), bounds, selection)
    return Findings(
        marks,
        (judged.layout.place >= 0) & ~(possible.T & ~causes.T),
        skeleton.statistic,
        skeleton.strength,
        skeleton.tests,
        wide_tests,
        judged.polls.made,
        removed,
        int((judged.kinds == AMBIGUOUS).sum()) // 2,
        contradictions,
        skeleton.complete and judged.polls.complete,
    )


class _Judged(NamedTuple):
    """A skeleton with its unshielded triples judged by sets of up to ``size`` neighbours, and the pairs that these left open."""

    polls: Polls
    layout: Layout
    kinds: np.ndarray
    open: np.ndarray
    size: int
    wide: PossibleDsep


def _judge(polls: Polls, skeleton: Skeleton, variables: int, longest: int) -> _Judged:
    layout, size = Layout.of(skeleton.pairs, variables), max(len(skeleton.tests) - 1, 0)
    kinds, open_ = polls.judge(layout, size)
    return _Judged(polls, layout, kinds, open_, size, PossibleDsep(layout, kinds, polls.tests.cause, longest))


def _direct(
    judged: _Judged, prior: tuple[np.ndarray, np.ndarray], size: int, bounds: Bounds, selection: bool
) -> tuple[np.ndarray, int]:
    """Judge what neighbours left open by wider sets of up to ``size``, and orient."""
    polls, layout, kinds, open_, near_size, wide = judged
    if polls.complete:
        polls.judge_wide(layout, wide, size, kinds, open_)

    def members(pairs: np.ndarray) -> np.ndarray:
        return polls.members(layout.near, wide, (near_size, size), pairs)

    return orient(settle(layout.place >= 0, *prior), layout, kinds, members, selection, bounds.longest)
