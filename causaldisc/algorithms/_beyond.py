"""Directions beyond the equivalence class: from metric roles and calls, from distributions, from delays; each named as evidence.

An independence test or a score that is the same for all graphs of a class leaves edges undirected, or in conflict. Here such
edges at lag 0 get the directions that something else tells, one at a time and each with all that follows from it by Meek's
rules (Meek 1995), or not at all: never a new cycle at lag 0, never a new unshielded collider, never against the prior. Where
two things told by one way exclude each other, neither is believed. What nothing settles stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from causaldisc.algorithms._open_edges import Marks, turned
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.graph import CausalGraph
from causaldisc.core.telemetry import Telemetry

# In this order: what names tell is right more often than what data tell, and delays speak least often.
WAYS: dict[str, tuple[str, ...]] = {
    "class": (),
    "roles": ("roles",),
    "nongaussian": ("nongaussian",),
    "lags": ("lag",),
    "all": ("roles", "nongaussian", "lag"),
}


class Wish(NamedTuple):
    """A direction that something tells: cause → effect, who tells it (as the evidence will name it), and how sure it is."""

    cause: int
    effect: int
    told: str
    weight: float = 0.0


def beyond(graph: CausalGraph, telemetry: Telemetry, constraints: Constraints, ways: str, *, judged: bool = True) -> CausalGraph:
    """Direct open edges at lag 0 of a learned graph.

    Parameters
    ----------
    graph : over the variables of the telemetry, in their order; it obeys the constraints.
    telemetry : float[T, N], no constant column.
    constraints : ``allowed`` is never crossed; the prior's calls and shared hosts tell directions between services.
    ways : ``class`` (nothing), ``roles`` (metric roles and calls), ``nongaussian``, ``lags``, or ``all`` in this order.
    judged : whether the search looked for colliders; if not (PCMCI), only cycles and the prior rule a direction out, and
        consequences follow from acyclicity alone.

    Returns
    -------
    CausalGraph : edges directed here have ``roles``, ``calls``, ``nongaussian`` or ``lag`` last in their evidence, also those
        that follow from another that it directed. A ``cpdag`` becomes an ``mpdag`` when any was.

    Raises
    ------
    InputError : an unknown way.

    >>> from causaldisc.core.graph import Edge
    >>> from causaldisc.core.prior import ExpertPrior
    >>> names = ["cart:latency", "cart:cpu"]
    >>> graph = CausalGraph(names, [Edge(*names, target_mark="tail")], kind="cpdag")
    >>> telemetry = Telemetry(np.random.default_rng(0).normal(size=(50, 2)), names)
    >>> edge = beyond(graph, telemetry, Constraints.of(ExpertPrior(), names, 0), "roles").edges[0]
    >>> edge.source, edge.target, edge.evidence
    ('cart:cpu', 'cart:latency', ('data', 'roles'))
    """
    if ways not in WAYS:
        raise InputError(f"orient must be a known way, got {ways!r}; {did_you_mean(str(ways), WAYS)}")
    if not WAYS[ways] or not any(edge.lag == 0 and not edge.is_directed for edge in graph.edges):
        return graph
    from causaldisc.kernels.moments import canonical_order

    order = canonical_order(telemetry.values)
    codes = np.ascontiguousarray(graph.codes()[np.ix_(order, order)])
    work = Settling(codes, telemetry.select(order), constraints.restrict(order), judged)
    for way in WAYS[ways]:
        work.go(way)
    if not work.told:
        return graph
    arrows = {(int(order[i]), int(order[j])): told for (i, j), told in work.told.items()}
    return turned(graph, arrows, "mpdag" if graph.kind == "cpdag" else graph.kind)


class Settling:
    """A graph on its way from open edges to directed ones, its variables in canonical order."""

    def __init__(self, codes: np.ndarray, telemetry: Telemetry, constraints: Constraints, judged: bool) -> None:
        """Start from int8[N, N, L + 1] of cell codes."""
        self.codes, self.marks = codes, Marks.of(codes)
        self.telemetry, self.constraints, self.judged = telemetry, constraints, judged
        self.told: dict[tuple[int, int], str] = {}

    def go(self, way: str) -> None:
        """Direct what one way tells."""
        if way == "roles":
            from causaldisc.algorithms._beyond_roles import wishes

            self.settle(wishes(self.marks.open, self.constraints))
        elif way == "nongaussian":
            from causaldisc.algorithms._beyond_shape import Shapes

            shapes = Shapes(self.codes, self.telemetry)
            while self.settle(shapes.wishes(self.marks.codes)):
                pass
        else:
            from causaldisc.algorithms._beyond_lead import wishes as leads

            self.settle(leads(self.codes, self.marks, self.telemetry))

    def settle(self, wishes: Iterable[Wish]) -> int:
        """Direct edges as wished, the surest first, with what follows; return how many edges that directed."""
        from causaldisc.kernels.consequences import turn

        ordered = sorted(wishes, key=lambda wish: (-wish.weight, wish.cause, wish.effect))
        allowed = np.array(self.constraints.allowed[:, :, 0])
        for wish in ordered:
            allowed[wish.effect, wish.cause] = False
        late, before = self.marks.late > 0, len(self.told)
        for wish in ordered:
            if self.marks.open[wish.cause, wish.effect] and allowed[wish.cause, wish.effect]:
                arrows = turn(self.marks.codes, wish.cause, wish.effect, allowed, late, self.marks.heads, self.judged)
                self.told.update(dict.fromkeys(arrows or (), wish.told))
        return len(self.told) - before
