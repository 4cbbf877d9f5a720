"""Constraints: a prior resolved against the variables of one telemetry, as arrays that a search can use."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from causaldisc.core.arrays import frozen
from causaldisc.core.beliefs import Belief, beliefs_of, logits
from causaldisc.core.errors import PriorError, PriorUnsupportedError
from causaldisc.core.graph import acyclic
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.rules import ForbiddenRule, MaxLagRule, RequiredRule, Rule, TierRule, rules_of
from causaldisc.core.variables import Variable


@dataclass(frozen=True, eq=False)
class Constraints:
    """A prior read against variables.

    Attributes
    ----------
    variables : the N variables.
    max_lag : L, the largest lag of the search, in steps.
    allowed : bool[N, N, L + 1]; ``[i, j, lag]`` says that an edge i(t - lag) → j(t) may exist. The lag-0 diagonal is False.
    required : the required edges, each a (source, target, (low, high)) with an inclusive window of lags; at least one lag of
        every window is allowed.
    rules : every hard clause, for the certificate.
    prior : the prior itself (call graph).
    beliefs : every belief, for the searches that use them and for the certificate.
    exogenous : columns that stand for what is done from outside: they have no mechanism, and no past that drives them.

    >>> prior = ExpertPrior(forbidden=[("a", "b")])
    >>> Constraints.of(prior, ["a", "b"], max_lag=0).allowed[:, :, 0].tolist()
    [[False, False], [True, False]]
    """

    variables: tuple[Variable, ...]
    max_lag: int
    allowed: np.ndarray
    rules: tuple[Rule, ...]
    prior: ExpertPrior
    beliefs: tuple[Belief, ...] = ()
    exogenous: frozenset[int] = frozenset()

    @classmethod
    def of(cls, prior: ExpertPrior, variables: Sequence[Variable | str], max_lag: int) -> Constraints:
        """Resolve a prior.

        Raises
        ------
        PriorError : an unknown variable, a required edge that another clause forbids, or a required cycle at lag 0.
        """
        nodes = tuple(v if isinstance(v, Variable) else Variable.of(v) for v in variables)
        rules, beliefs = rules_of(prior, nodes, max_lag), beliefs_of(prior, nodes, max_lag)
        allowed = np.ones((len(nodes), len(nodes), max_lag + 1), dtype=bool)
        allowed[:, :, 0] &= ~np.eye(len(nodes), dtype=bool)
        for rule in rules:
            if not isinstance(rule, RequiredRule):
                allowed &= ~_mask(rule, len(nodes), max_lag)
        found = cls(nodes, max_lag, frozen(allowed), rules, prior)
        instant = found._refuse_contradictions()
        # What must hold at lag 0 rules out its reverse along every required path.
        allowed[:, :, 0] &= ~_reachable(instant).T
        return cls(nodes, max_lag, frozen(allowed), rules, prior, beliefs)

    @cached_property
    def required(self) -> tuple[tuple[int, int, tuple[int, int]], ...]:
        """The required edges as (source, target, window)."""
        return tuple((r.source, r.target, r.window) for r in self.required_rules)

    @property
    def required_rules(self) -> tuple[RequiredRule, ...]:
        """The required clauses that match something."""
        return tuple(r for r in self.rules if isinstance(r, RequiredRule) and not r.vacuous)

    @cached_property
    def adjacent(self) -> np.ndarray:
        """bool[N, N, L + 1]: pairs that may be adjacent; at lag 0 symmetric (one of the two directions is allowed)."""
        pairs = np.array(self.allowed)
        pairs[:, :, 0] |= pairs[:, :, 0].T
        return frozen(pairs)

    def pin(self, association: np.ndarray) -> np.ndarray:
        """Choose one lag for every required edge: the allowed one of strongest association that closes no cycle at lag 0.

        Parameters
        ----------
        association : float[N, N, L + 1], larger = stronger; NaN counts as none.

        Returns
        -------
        bool[N, N, L + 1] : the required edges, one cell each.
        """
        chosen = np.zeros_like(self.allowed)
        forced_first = sorted(self.required_rules, key=lambda r: self._lags(r).size > 1)
        for rule in forced_first:
            lags = self._lags(rule)
            strength = np.nan_to_num(np.abs(association[rule.source, rule.target, lags]), nan=-1.0)
            for lag in lags[np.argsort(-strength, kind="stable")]:
                trial = np.array(chosen[:, :, 0])
                trial[rule.source, rule.target] |= lag == 0
                if lag > 0 or acyclic(trial):
                    chosen[rule.source, rule.target, lag] = True
                    break
        return chosen

    def belief_logits(self, association: np.ndarray | None = None) -> np.ndarray:
        """Return float[N, N, L + 1], the log-odds of every edge that may exist; 0 where nothing is believed of it.

        ``association`` (float[N, N, L + 1], NaN counts as none) says at which of its lags a belief for an edge is looked for,
        see :func:`causaldisc.core.beliefs.logits`.

        >>> prior = ExpertPrior(beliefs=[{"source": "a", "target": "b", "probability": 0.9}])
        >>> Constraints.of(prior, ["a", "b"], max_lag=0).belief_logits().round(3)[:, :, 0].tolist()
        [[0.0, 2.197], [0.0, 0.0]]
        """
        return logits(self.beliefs, self.allowed, association)

    def without_beliefs(self, left_out: Sequence[int] | None = None) -> Constraints:
        """Return the same constraints without the beliefs at some places, None = without any."""
        gone = range(len(self.beliefs)) if left_out is None else set(left_out)
        return replace(self, beliefs=tuple(b for k, b in enumerate(self.beliefs) if k not in gone))

    def refuse_unsupported(self, clauses: frozenset[str], algorithm: str) -> None:
        """Raise PriorUnsupportedError when the prior has a clause kind that the algorithm cannot obey."""
        for rule in self.rules:
            if rule.kind not in clauses and not rule.vacuous:
                able = f"clauses {', '.join(sorted(clauses))}" if clauses else "no prior at all"
                raise PriorUnsupportedError(
                    f"prior clause {rule.text} cannot be obeyed by {algorithm}, which takes {able}; "
                    "valid: pc, ges, gies, pcmci, pcmci_plus and gnn obey every clause"
                )

    def restrict(self, columns: Sequence[int] | np.ndarray) -> Constraints:
        """Return the constraints among some columns, in the order given; clauses about others are dropped."""
        index = np.asarray(columns, dtype=int)
        place = {int(old): new for new, old in enumerate(index)}
        kept = tuple(
            RequiredRule(r.kind, r.text, r.origin, False, place[r.source], place[r.target], r.window)
            for r in self.required_rules
            if r.source in place and r.target in place
        )
        nodes = tuple(self.variables[i] for i in index)
        return Constraints(
            nodes,
            self.max_lag,
            frozen(np.take(np.take(self.allowed, index, axis=0), index, axis=1)),
            kept,
            self.prior,
            tuple(belief.among(place) for belief in self.beliefs),
            frozenset(place[k] for k in self.exogenous if k in place),
        )

    def _lags(self, rule: RequiredRule) -> np.ndarray:
        low, high = rule.window
        lags = np.arange(low, high + 1)
        return lags[self.allowed[rule.source, rule.target, low : high + 1]]

    def _refuse_contradictions(self) -> np.ndarray:
        """Return bool[N, N] of the edges required at lag 0 and no other lag; raise PriorError where clauses disagree."""
        instant = np.zeros((len(self.variables),) * 2, dtype=bool)
        for rule in self.required_rules:
            lags = self._lags(rule)
            if not lags.size:
                raise PriorError(
                    f"{rule.text} and {self._blocker(rule).text} contradict each other: "
                    "an edge cannot be both required and forbidden"
                )
            instant[rule.source, rule.target] |= lags.max() == 0
        if not acyclic(instant):
            raise PriorError(f"{_cycle_text(instant, self)} contradict each other: required edges form a cycle at lag 0")
        return instant

    def _blocker(self, rule: RequiredRule) -> Rule:
        """The clause that forbids the most lags of a required edge."""
        span = range(rule.window[0], rule.window[1] + 1)
        return max((r for r in self.rules), key=lambda r: sum(r.forbids(rule.source, rule.target, lag) for lag in span))


def _mask(rule: Rule, n: int, max_lag: int) -> np.ndarray:
    """bool[N, N, L + 1] of what a rule forbids: its predicate, whole blocks at a time."""
    mask = np.zeros((n, n, max_lag + 1), dtype=bool)
    if isinstance(rule, ForbiddenRule):
        low, high = rule.window or (0, max_lag)
        mask[np.ix_(sorted(rule.sources), sorted(rule.targets), range(low, min(high, max_lag) + 1))] = True
    elif isinstance(rule, TierRule):
        tier = np.asarray(rule.tier_of)
        mask[(tier[:, None] > tier[None, :]) & (tier[None, :] >= 0)] = True
    elif isinstance(rule, MaxLagRule):
        mask[:, :, rule.limit + 1 :] = True
    else:  # call rules tell lag 0 from the rest, and no more
        for lag in range(min(max_lag, 1) + 1):
            mask[:, :, lag] = [[rule.forbids(i, j, lag) for j in range(n)] for i in range(n)]
        mask[:, :, 2:] = mask[:, :, 1:2]
    return mask


def _cycle_text(instant: np.ndarray, constraints: Constraints) -> str:
    """Name the required clauses along one cycle."""
    live = np.diag(_reachable(instant))
    path = [int(np.argmax(live))]
    while path[-1] not in path[:-1]:
        path.append(int(np.flatnonzero(instant[path[-1]] & live)[0]))
    cycle = path[path.index(path[-1]) :]
    steps = set(itertools.pairwise(cycle))
    return " and ".join(r.text for r in constraints.required_rules if (r.source, r.target) in steps)


def _reachable(matrix: np.ndarray) -> np.ndarray:
    """bool[N, N]: transitive closure, [i, j] = a directed path from i to j."""
    reach = matrix.copy()
    for k in np.flatnonzero(matrix.any(axis=0) & matrix.any(axis=1)):
        reach |= np.outer(reach[:, k], reach[k])
    return reach
