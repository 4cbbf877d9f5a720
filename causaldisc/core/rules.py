"""Clauses as predicates: what each hard clause says of one edge cause → effect at one lag.

The search reads them through a mask (:mod:`causaldisc.core.constraints`), the certificate one edge at a time
(:mod:`causaldisc.core.certificate`), so that a mistake of the search cannot hide in the check.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from causaldisc.core.errors import PriorError, did_you_mean
from causaldisc.core.prior import EdgeClause, ExpertPrior
from causaldisc.core.variables import Variable

_RESOURCES = frozenset({"cpu", "memory", "saturation"})
_OUTCOMES = frozenset({"latency", "errors"})
_WITHIN = (
    {("traffic", r) for r in _RESOURCES | _OUTCOMES} | {(r, o) for r in _RESOURCES for o in _OUTCOMES} | {("latency", "errors")}
)


def is_glob(pattern: str) -> bool:
    """Whether a name holds glob characters."""
    return bool(re.search(r"[*?\[]", pattern))


def matching(pattern: str, variables: Sequence[Variable], where: str) -> tuple[int, ...]:
    """Return the columns that a name or glob matches, by variable name or ``service:role``.

    An exact variable name wins over any other reading. A glob may match nothing; a plain name that matches nothing
    raises PriorError.

    >>> matching("*:latency", [Variable.of("a:latency_p95"), Variable.of("a:cpu")], "forbidden[0]")
    (0,)
    """
    exact = tuple(k for k, v in enumerate(variables) if v.name == pattern)
    if exact:
        return exact
    found = tuple(
        k for k, v in enumerate(variables) if fnmatchcase(v.name, pattern) or fnmatchcase(f"{v.service}:{v.role}", pattern)
    )
    if not found and not is_glob(pattern):
        names = {v.name for v in variables} | {f"{v.service}:{v.role}" for v in variables}
        near = did_you_mean(pattern, names)
        raise PriorError(f"{where}: unknown variable {pattern!r}; {near if len(near) < 200 else near[:200] + ' …'}")
    return found


@dataclass(frozen=True)
class Rule(ABC):
    """One hard clause read against the variables: which edges it forbids.

    ``kind`` is the clause kind, ``text`` how errors and certificates show it, ``vacuous`` whether it matches nothing.
    """

    kind: str
    text: str
    origin: str = ""
    vacuous: bool = False

    @property
    def note(self) -> str:
        """What a reader of the certificate should know of a clause that was kept."""
        return ""

    @abstractmethod
    def forbids(self, cause: int, effect: int, lag: int) -> bool:
        """Whether the edge ``cause(t - lag) → effect(t)`` breaks this clause."""


@dataclass(frozen=True)
class ForbiddenRule(Rule):
    """No edge from some variables to others within a window of lags."""

    sources: frozenset[int] = frozenset()
    targets: frozenset[int] = frozenset()
    window: tuple[int, int] | None = None

    def forbids(self, cause: int, effect: int, lag: int) -> bool:
        """Both ends match and the lag lies in the window."""
        inside = self.window is None or self.window[0] <= lag <= self.window[1]
        return inside and cause in self.sources and effect in self.targets


@dataclass(frozen=True)
class TierRule(Rule):
    """No edge from a later tier to an earlier one."""

    tier_of: tuple[int, ...] = ()

    def forbids(self, cause: int, effect: int, lag: int) -> bool:
        """The cause stands in a later tier than the effect; -1 stands for no tier."""
        return self.tier_of[cause] > self.tier_of[effect] >= 0


@dataclass(frozen=True)
class MaxLagRule(Rule):
    """No edge beyond a lag."""

    limit: int = 0

    def forbids(self, cause: int, effect: int, lag: int) -> bool:
        """The lag is beyond the limit."""
        return lag > self.limit


@dataclass(frozen=True)
class CallRule(Rule):
    """The call rules: who may influence whom, given who calls whom.

    Within a service traffic drives resources, latency and errors; resources drive latency and errors; latency drives
    errors; among all of them lagged edges are allowed, and a metric without a known role is not ruled on. Between
    services an edge needs a call: traffic goes from caller to callee, latency and errors come back. Services that share
    a host may influence each other in any way.
    """

    variables: tuple[Variable, ...] = ()
    calls: frozenset[tuple[str, str]] = frozenset()
    shared: frozenset[frozenset[str]] = frozenset()
    closed: bool = True

    @property
    def note(self) -> str:
        """Name the services that only the calls, or only the telemetry, know: a misspelt one shows here."""
        called = dict.fromkeys(service for call in sorted(self.calls) for service in call)
        measured = dict.fromkeys(v.service for v in self.variables)
        odd = {
            "called services without telemetry": [s for s in called if s not in measured],
            "services without calls, hence without edges to others": [s for s in measured if s not in called],
        }
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in odd.items() if names)

    def forbids(self, cause: int, effect: int, lag: int) -> bool:
        """The call rules name no way from cause to effect at this lag."""
        a, b = self.variables[cause], self.variables[effect]
        if a.service == b.service:
            return lag == 0 and "other" not in (a.role, b.role) and (a.role, b.role) not in _WITHIN
        if any(a.service in group and b.service in group for group in self.shared):
            return False
        down, up = (a.service, b.service) in self.calls, (b.service, a.service) in self.calls
        if not down and not up:
            return self.closed
        with_request = down and a.role == b.role == "traffic"
        with_response = up and a.role in _OUTCOMES and b.role in _OUTCOMES
        return not (with_request or with_response)


@dataclass(frozen=True)
class RequiredRule(Rule):
    """An edge that must be there, at some lag of an inclusive window; it forbids nothing by itself."""

    source: int = 0
    target: int = 0
    window: tuple[int, int] = (0, 0)

    def forbids(self, cause: int, effect: int, lag: int) -> bool:
        """Forbid nothing."""
        return False


def rules_of(prior: ExpertPrior, variables: Sequence[Variable], max_lag: int) -> tuple[Rule, ...]:
    """Read every hard clause of a prior against variables; raises PriorError for a name that no variable bears."""
    nodes = tuple(variables)
    rules: list[Rule] = []
    for k, clause in enumerate(prior.required):
        rules.extend(_required(clause, k, nodes, max_lag))
    for k, clause in enumerate(prior.forbidden):
        where = f"forbidden[{k}]"
        sources, targets = matching(clause.source, nodes, where), matching(clause.target, nodes, where)
        rules.append(
            ForbiddenRule(
                "forbidden",
                _text(where, clause),
                clause.origin,
                not (sources and targets),
                frozenset(sources),
                frozenset(targets),
                clause.lag,
            )
        )
    if prior.tiers:
        rules.append(_tiers(prior, nodes))
    everything = frozenset(range(len(nodes)))
    for kind in ("roots", "leaves"):
        for pattern in getattr(prior, kind):
            found = frozenset(matching(pattern, nodes, kind))
            ends = (everything, found) if kind == "roots" else (found, everything)
            rules.append(ForbiddenRule(kind, f"{kind}: {pattern}", "", not found, *ends, None))
    if prior.calls:
        shared = frozenset(frozenset(group) for group in prior.co_located)
        rules.append(
            CallRule(
                "calls",
                f"calls ({len(prior.calls)} calls, rules {prior.call_rules})",
                "",
                False,
                nodes,
                frozenset(prior.calls),
                shared,
                prior.call_rules == "default",
            )
        )
    if prior.max_lag is not None:
        rules.append(MaxLagRule("max_lag", f"max_lag: {prior.max_lag}", limit=prior.max_lag))
    return tuple(rules)


def _text(where: str, clause: EdgeClause) -> str:
    lag = "" if clause.lag is None else f" at lag {clause.lag[0]}..{clause.lag[1]}"
    return f"{where} {clause.source} -> {clause.target}{lag}"


def _required(clause: EdgeClause, k: int, nodes: tuple[Variable, ...], max_lag: int) -> list[Rule]:
    where = f"required[{k}]"
    low, high = clause.lag or (0, max_lag)
    if low > max_lag:
        raise PriorError(
            f"{_text(where, clause)}: its lags must begin within max_lag={max_lag} of the algorithm; "
            f"valid: a larger max_lag, or a window from 0..{max_lag}"
        )
    pairs = [
        (i, j)
        for i in matching(clause.source, nodes, where)
        for j in matching(clause.target, nodes, where)
        if i != j or not (is_glob(clause.source) or is_glob(clause.target))
    ]
    if not pairs:
        raise PriorError(f"{_text(where, clause)}: must match at least one pair of variables, got none")
    rules: list[Rule] = []
    for i, j in pairs:
        text = f"{where} {nodes[i].name} -> {nodes[j].name}" + ("" if clause.lag is None else f" at lag {low}..{high}")
        window = (max(low, 1), min(high, max_lag)) if i == j else (low, min(high, max_lag))
        if window[0] > window[1]:
            raise PriorError(f"{text}: an edge of a variable to itself must have a lag >= 1, got at most {window[1]}")
        rules.append(RequiredRule("required", text, clause.origin, False, i, j, window))
    return rules


def _tiers(prior: ExpertPrior, nodes: tuple[Variable, ...]) -> TierRule:
    tier_of = [-1] * len(nodes)
    for level, patterns in enumerate(prior.tiers):
        for pattern in patterns:
            for k in matching(pattern, nodes, f"tiers[{level}]"):
                if tier_of[k] not in (-1, level):
                    raise PriorError(f"tiers[{tier_of[k]}] and tiers[{level}] contradict each other: both hold {nodes[k].name!r}")
                tier_of[k] = level
    vacuous = all(t < 0 for t in tier_of)
    text = f"tiers {[list(tier) for tier in prior.tiers]}"
    return TierRule("tiers", text if len(text) < 160 else f"{text[:160]} …", "", vacuous, tuple(tier_of))
