"""Certificate: what became of every clause of a prior in a learned graph, checked edge by edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from causaldisc.core.beliefs import verdict
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import PriorViolatedError
from causaldisc.core.graph import CausalGraph
from causaldisc.core.rules import RequiredRule, Rule

STATUSES = ("kept", "overridden", "violated")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One clause: its kind and text, where it comes from, ``kept``, ``overridden`` or ``violated``, and why."""

    kind: str
    clause: str
    origin: str
    status: str
    why: str = ""


@dataclass(frozen=True)
class Certificate:
    """The verdict on every clause; ``ok`` when none is violated."""

    verdicts: tuple[Verdict, ...]

    @property
    def ok(self) -> bool:
        """Whether every hard clause was obeyed."""
        return not self.violations

    @property
    def violations(self) -> tuple[Verdict, ...]:
        """The clauses that the graph breaks."""
        return tuple(v for v in self.verdicts if v.status == "violated")

    def __iter__(self) -> Any:
        """Iterate over the verdicts."""
        return iter(self.verdicts)

    def __len__(self) -> int:
        """Count the clauses."""
        return len(self.verdicts)

    def raise_if_violated(self) -> None:
        """Raise PriorViolatedError naming the first broken clause."""
        if self.violations:
            first = self.violations[0]
            more = f" (and {len(self.violations) - 1} more)" if len(self.violations) > 1 else ""
            raise PriorViolatedError(f"the graph breaks prior clause {first.clause}: {first.why}{more}")

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return {"ok": self.ok, "verdicts": [asdict(v) for v in self.verdicts]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Certificate:
        """Read what :meth:`to_dict` wrote."""
        return cls(tuple(Verdict(**v) for v in data["verdicts"]))


def certify(graph: CausalGraph, constraints: Constraints, told: Sequence[Mapping[str, Any]] | None = None) -> Certificate:
    """Check a graph against every clause of a prior, independently of how the graph was searched for.

    An undirected, conflicting or circle–circle edge stands for both directions, so it breaks a clause that forbids either; an
    arrowhead, unless in conflict, says that its end is no cause of the other; a required edge counts only when it is directed.

    >>> from causaldisc.core.graph import Edge
    >>> from causaldisc.core.prior import ExpertPrior
    >>> limits = Constraints.of(ExpertPrior(forbidden=[("a", "b")]), ["a", "b"], 0)
    >>> [v.status for v in certify(CausalGraph(["a", "b"], [Edge("a", "b")]), limits)]
    ['violated']
    """
    if not constraints.rules and not constraints.beliefs:
        return Certificate(())
    place = {v.name: k for k, v in enumerate(constraints.variables)}
    arrows = [(place[a], place[b], e.lag) for e in graph.edges for a, b in e.causal_directions]
    fixed = {(place[e.source], place[e.target], e.lag) for e in graph.edges if e.is_directed}
    verdicts = [_judge(rule, arrows, fixed, graph) for rule in constraints.rules]
    if constraints.beliefs:
        codes = graph.codes()
        for k, belief in enumerate(constraints.beliefs):
            status, why = "overridden", "not used: this algorithm takes hard clauses only"
            if told is not None:
                status, why = verdict(belief, codes, constraints.allowed, told[k] if k < len(told) else {})
            verdicts.append(Verdict("beliefs", belief.text, belief.clause.origin, status, why))
    return Certificate(tuple(verdicts))


def _judge(rule: Rule, arrows: list[tuple[int, int, int]], fixed: set[tuple[int, int, int]], graph: CausalGraph) -> Verdict:
    if rule.vacuous:
        return Verdict(rule.kind, rule.text, rule.origin, "kept", "matches no variable")
    if isinstance(rule, RequiredRule):
        low, high = rule.window
        if any((rule.source, rule.target, lag) in fixed for lag in range(low, high + 1)):
            return Verdict(rule.kind, rule.text, rule.origin, "kept")
        return Verdict(rule.kind, rule.text, rule.origin, "violated", "the edge is missing or not directed")
    broken = [(i, j, lag) for i, j, lag in arrows if rule.forbids(i, j, lag)]
    if not broken:
        return Verdict(rule.kind, rule.text, rule.origin, "kept", rule.note)
    i, j, lag = broken[0]
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return Verdict(rule.kind, rule.text, rule.origin, "violated", f"{graph.names[i]} -> {graph.names[j]} at lag {lag}{more}")
