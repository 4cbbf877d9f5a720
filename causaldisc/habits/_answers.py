"""Two answers instead of one: a core of few edges that survive every doubt, and an ordered list of candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causaldisc.core.candidate import Candidate
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.variables import Variable
from causaldisc.habits._verdict import tests_in

CORE_LEVEL = 0.01  # of the family of all tests
CONFIDENT = 0.8  # where the algorithm states a confidence
_ORDER = {"traffic": 0, "saturation": 1, "cpu": 2, "memory": 2, "latency": 3, "errors": 4}


@dataclass(frozen=True, eq=False)
class Answers:
    """The core, a graph over the same nodes, and the candidates, best first: those of the core, of the graph, then others."""

    core: CausalGraph
    candidates: tuple[Candidate, ...]


def answers(
    graph: CausalGraph,
    scores: np.ndarray,
    p_past: np.ndarray,
    p_load: np.ndarray | None = None,
    told: bool = True,
    level: float = CORE_LEVEL,
) -> Answers:
    """Grade the edges of a found graph.

    An edge is of the core when its direction is known; the p-values of its own test (if it has one) and of the dependence
    after both own pasts hold at ``level`` after Bonferroni's correction for all tests, the latter also with the load taken
    out (if given); the roles of its ends do not speak against it (:func:`against_roles`); and the algorithm's confidence (if
    it has one) is 0.8 or more. Edges that the prior alone demands are of the core. Where nothing can be told, only those are.

    Candidates are all edges found, and every other ordered pair whose dependence after own pasts is significant by Benjamini
    and Hochberg (1995) at ``level``, at its lag of smallest p-value.

    Parameters
    ----------
    scores : float[N, N, L + 1] of the algorithm, higher = likelier; NaN = excluded by the prior, never a candidate.
    p_past, p_load : float[N, N, K + 1]; an edge of a longer lag than K is judged by lag K.
    told : whether the telemetry can tell anything.

    Raises
    ------
    InputError : arrays that do not fit the graph.

    >>> found = CausalGraph(["a", "b", "c"], [Edge("a", "b", p_value=1e-9), Edge("b", "c", p_value=0.009)], kind="dag")
    >>> p = np.where(np.eye(3, k=1, dtype=bool), 1e-8, 0.3)[:, :, None]
    >>> both = answers(found, np.ones((3, 3, 1)), p)
    >>> [(e.source, e.target) for e in both.core.edges], [c.doubts for c in both.candidates]
    ([('a', 'b')], [(), ('weak by its own test',)])
    """
    count = len(graph.names)
    for name, array in (("scores", scores), ("p_past", p_past), ("p_load", p_past if p_load is None else p_load)):
        if array.ndim != 3 or array.shape[:2] != (count, count):
            raise InputError(f"{name} must be an array [N, N, lags] for {count} nodes, got shape {array.shape}")
    bar = level / max(tests_in(p_past), 1)
    judge = _Judge(graph, scores, p_past, p_load, told, bar)
    graded = [(edge, judge.doubts(edge)) for edge in graph.edges]
    core = [edge for edge, doubts in graded if not doubts]
    return Answers(graph.replace(edges=core), tuple(_candidates(graph, graded, judge, level)))


@dataclass(frozen=True, eq=False)
class _Judge:
    graph: CausalGraph
    scores: np.ndarray
    p_past: np.ndarray
    p_load: np.ndarray | None
    told: bool
    bar: float

    def cell(self, edge: Edge, array: np.ndarray) -> float:
        """The edge's entry; that of the longest lag where its own is beyond."""
        i, j = self.graph.index[edge.source], self.graph.index[edge.target]
        return float(array[i, j, min(edge.lag, array.shape[2] - 1)])

    def doubts(self, edge: Edge) -> tuple[str, ...]:
        """What keeps an edge from the core."""
        if edge.evidence == ("prior",):
            return ()
        found = [] if self.told else ["cannot tell"]
        if not edge.is_directed:
            found.append("direction unknown")
        if edge.p_value is not None and edge.p_value > self.bar:
            found.append("weak by its own test")
        if edge.source == edge.target:
            return tuple(found)
        if self.cell(edge, self.p_past) > self.bar:
            found.append("weak after own past")
        if self.p_load is not None and self.cell(edge, self.p_load) > self.bar:
            found.append("weak beside the load")
        if edge.lag == 0 and against_roles(*(self.graph.variables[self.graph.index[end]] for end in (edge.source, edge.target))):
            found.append("against the roles")
        if edge.confidence is not None and edge.confidence < CONFIDENT:
            found.append("confidence below 0.8")
        return tuple(found)


def against_roles(cause: Variable, effect: Variable) -> bool:
    """Whether within one row the names speak against cause → effect.

    Within a service traffic comes before saturation, that before cpu and memory, then latency, then errors; and no metric
    with another role sets the traffic of any service. Roles that are unknown speak against nothing.

    >>> against_roles(Variable.of("a:latency"), Variable.of("a:cpu")), against_roles(Variable.of("a:cpu"), Variable.of("b:cpu"))
    (True, False)
    """
    if "other" in (cause.role, effect.role):
        return False
    backwards = cause.service == effect.service and _ORDER[cause.role] > _ORDER[effect.role]
    return backwards or (effect.role == "traffic" and cause.role != "traffic")


def _candidates(graph: CausalGraph, graded: list[tuple[Edge, tuple[str, ...]]], judge: _Judge, level: float) -> list[Candidate]:
    listed = [
        Candidate(e.source, e.target, e.lag, judge.cell(e, judge.scores), judge.cell(e, judge.p_past), True, not doubts, doubts)
        for e, doubts in graded
        if e.source != e.target
    ]
    taken = graph.adjacency()
    best, lags = judge.p_past.min(axis=2), judge.p_past.argmin(axis=2)
    excluded = np.isnan(judge.scores).all(axis=2)
    for i, j in np.argwhere((best <= _benjamini_hochberg(judge.p_past, level)) & ~taken & ~taken.T & ~excluded).tolist():
        if i != j:
            lag = int(lags[i, j])
            score = float(judge.scores[i, j, min(lag, judge.scores.shape[2] - 1)])
            listed.append(
                Candidate(graph.names[i], graph.names[j], lag, score, float(best[i, j]), False, False, ("not in the graph",))
            )
    return sorted(
        listed, key=lambda c: (not c.core, not c.found, -np.nan_to_num(c.score, nan=-np.inf), c.p_value, c.source, c.target)
    )


def _benjamini_hochberg(p: np.ndarray, level: float) -> float:
    """The largest p-value that is significant at a rate of false discoveries; -1 where none is."""
    apart = ~np.eye(len(p), dtype=bool)
    upper = np.triu(apart)
    family = np.sort(np.concatenate([p[upper, 0], p[apart, 1:].ravel()]))
    passed = np.flatnonzero(family <= level * np.arange(1, len(family) + 1) / max(len(family), 1))
    return float(family[passed[-1]]) if len(passed) else -1.0
