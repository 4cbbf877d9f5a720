"""CausalGraph: nodes and typed edges, with lags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.core.arrays import cells, frozen
from causaldisc.core.edge import MARKS, VALIDATION_STATES, Edge
from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.variables import Variable

if TYPE_CHECKING:
    import networkx as nx

GRAPH_KINDS = ("dag", "cpdag", "mpdag", "pag", "lagged", "summary")

# Cell codes of :meth:`CausalGraph.from_codes`. The last four are those of a PAG; CIRCLE_ARROW and CIRCLE_TAIL have the circle at
# the source.
NONE, DIRECTED, UNDIRECTED, CONFLICT, BIDIRECTED, CIRCLES, CIRCLE_ARROW, CIRCLE_TAIL = range(8)
_CODES = {
    ("tail", "arrow"): DIRECTED,
    ("tail", "tail"): UNDIRECTED,
    ("arrow", "arrow"): BIDIRECTED,
    ("circle", "circle"): CIRCLES,
    ("circle", "arrow"): CIRCLE_ARROW,
    ("circle", "tail"): CIRCLE_TAIL,
}
_CODE_MARKS = {code: marks for marks, code in _CODES.items()} | {CONFLICT: ("arrow", "arrow")}
_EITHER_WAY = (UNDIRECTED, CONFLICT, BIDIRECTED, CIRCLES)


@dataclass(frozen=True, eq=False)
class CausalGraph:
    """A frozen causal graph over variables.

    Parameters
    ----------
    variables : the nodes, in column order.
    edges : see :class:`Edge`.
    kind : ``dag``, ``cpdag``, ``mpdag``, ``pag``, ``lagged``, or ``summary`` (lags collapsed: may have 2-cycles).
    max_lag : largest lag the graph speaks of, in steps.
    step_seconds : length of a step, or None.
    provenance : JSON-ready mapping: algorithm, parameters, data_sha256, versions.

    Raises
    ------
    InputError : unknown or repeated nodes, an edge twice, a lag outside ``0..max_lag``, a lag-0 self-loop,
        a lagged edge against time, or a directed cycle at lag 0 (all kinds but ``pag`` and ``summary``).

    >>> g = CausalGraph(["a", "b"], [Edge("a", "b")], kind="dag")
    >>> g.adjacency().tolist()
    [[False, True], [False, False]]
    """

    variables: tuple[Variable, ...]
    edges: tuple[Edge, ...]
    kind: str = "dag"
    max_lag: int = 0
    step_seconds: float | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __init__(
        self,
        variables: Sequence[Variable | str],
        edges: Iterable[Edge] = (),
        kind: str = "dag",
        max_lag: int = 0,
        step_seconds: float | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        """Validate and freeze."""
        put = object.__setattr__
        put(self, "variables", tuple(v if isinstance(v, Variable) else Variable.of(v) for v in variables))
        put(self, "edges", tuple(edges))
        put(self, "kind", kind)
        put(self, "max_lag", max_lag)
        put(self, "step_seconds", step_seconds)
        put(self, "provenance", dict(provenance or {}))
        self._check()

    def _check(self) -> None:
        if self.kind not in GRAPH_KINDS:
            raise InputError(f"graph kind must be a known kind, got {self.kind!r}; {did_you_mean(str(self.kind), GRAPH_KINDS)}")
        if isinstance(self.max_lag, bool) or not isinstance(self.max_lag, int) or self.max_lag < 0:
            raise InputError(f"graph max_lag must be a whole number of steps >= 0, got {self.max_lag!r}")
        if len(self.index) != len(self.variables):
            raise InputError("graph nodes must be unique, got a repeated id")
        seen: set[tuple[str, str, int]] = set()
        for edge in self.edges:
            self._check_edge(edge)
            key = (edge.source, edge.target, edge.lag)
            twin = (edge.target, edge.source, 0) if edge.lag == 0 and self.kind != "summary" else key
            if key in seen or twin in seen:
                raise InputError(f"graph edges must be unique, got {edge.source!r} - {edge.target!r} at lag {edge.lag} twice")
            seen.add(key)
        if self.kind not in ("pag", "summary") and not self.is_acyclic():
            raise InputError(f"graph of kind {self.kind!r} must be acyclic at lag 0, got a directed cycle")

    def _check_edge(self, edge: Edge) -> None:
        wrong = self._fault(edge)
        if wrong:
            raise InputError(f"edge {edge.source!r} -> {edge.target!r} {wrong}")

    def _fault(self, edge: Edge) -> str | None:
        """What an edge must be and is not."""
        for end in (edge.source, edge.target):
            if end not in self.index:
                return f"must join known nodes, got unknown {end!r}"
        if isinstance(edge.lag, bool) or not isinstance(edge.lag, int) or not 0 <= edge.lag <= self.max_lag:
            return f"must have a lag in 0..{self.max_lag}, got {edge.lag!r}"
        if edge.source == edge.target and edge.lag == 0:
            return "must not be a self-loop at lag 0"
        for mark in (edge.source_mark, edge.target_mark):
            if mark not in MARKS:
                return f"must have marks among {', '.join(MARKS)}, got {mark!r}"
        if edge.lag > 0 and edge.target_mark != "arrow":
            return f"at lag {edge.lag} must point forward in time, got target_mark {edge.target_mark!r}"
        if self.kind == "dag" and not edge.is_directed:
            return "must be directed in a graph of kind 'dag'"
        if edge.validation not in VALIDATION_STATES:
            return f"must have a validation among {', '.join(VALIDATION_STATES)}, got {edge.validation!r}"
        return None

    def __eq__(self, other: object) -> bool:
        """Whether every field is equal, provenance included."""
        if not isinstance(other, CausalGraph):
            return NotImplemented
        fields = ("variables", "edges", "kind", "max_lag", "step_seconds", "provenance")
        return all(getattr(self, name) == getattr(other, name) for name in fields)

    def __hash__(self) -> int:
        """Hash of nodes, edges and kind."""
        return hash((self.variables, self.edges, self.kind, self.max_lag))

    # -- reading -----------------------------------------------------------------------------------------------------

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Node names in column order."""
        return tuple(v.name for v in self.variables)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Node name → column."""
        return {v.name: k for k, v in enumerate(self.variables)}

    def adjacency(self) -> np.ndarray:
        """Return bool[N, N], lags collapsed, self-loops left out: [i, j] = i → j may hold.

        An undirected, bidirected, conflicting or circle–circle edge sets both cells, circle–arrow that of the arrow alone.
        """
        matrix = np.zeros((len(self.variables),) * 2, dtype=bool)
        for edge in self.edges:
            for cause, effect in edge.directions:
                matrix[self.index[cause], self.index[effect]] = True
        np.fill_diagonal(matrix, False)
        return frozen(matrix)

    def codes(self) -> np.ndarray:
        """Return int8[N, N, max_lag + 1] of cell codes, the inverse of :meth:`from_codes`."""
        grid = np.zeros((len(self.variables), len(self.variables), self.max_lag + 1), dtype=np.int8)
        for edge in self.edges:
            i, j = self.index[edge.source], self.index[edge.target]
            marks = edge.source_mark, edge.target_mark
            if marks not in _CODES:
                i, j, marks = j, i, (marks[1], marks[0])
            code = CONFLICT if edge.conflict else _CODES[marks]
            grid[i, j, edge.lag] = code
            if code in _EITHER_WAY and edge.lag == 0:
                grid[j, i, edge.lag] = code
        return grid

    def is_acyclic(self) -> bool:
        """Whether the directed lag-0 edges form no cycle."""
        place = self.index
        return _acyclic(len(place), ((place[e.source], place[e.target]) for e in self.edges if e.lag == 0 and e.is_directed))

    # -- deriving ----------------------------------------------------------------------------------------------------

    def replace(self, **changes: Any) -> CausalGraph:
        """Return a copy with some fields changed, validated anew where that can matter."""
        if changes.keys() <= {"step_seconds", "provenance"}:
            copied = copy(self)
            for name, value in changes.items():
                object.__setattr__(copied, name, dict(value or {}) if name == "provenance" else value)
            return copied
        kept = {name: getattr(self, name) for name in ("variables", "edges", "kind", "max_lag", "step_seconds", "provenance")}
        return CausalGraph(**{**kept, **changes})

    def summary(self) -> CausalGraph:
        """Collapse lags: at most one edge a direction, self-loops left out (kind ``summary`` unless there were no lags)."""
        if self.max_lag == 0:
            return self
        merged: dict[tuple[str, str], Edge] = {}
        for edge in sorted(self.edges, key=lambda e: not e.is_directed):
            pair = (edge.source, edge.target)
            if edge.source == edge.target:
                continue
            if not edge.is_directed and (pair in merged or pair[::-1] in merged):
                _extend_undirected(merged, edge)
                continue
            merged[pair] = _merge(merged[pair], edge) if pair in merged else replace(edge, lag=0)
        return self.replace(edges=merged.values(), kind="summary", max_lag=0)

    def services(self) -> dict[str, CausalGraph]:
        """Return the service-dependency graphs: one per metric role (of the source of an edge), and ``merged``.

        >>> g = CausalGraph(["a:latency", "b:latency"], [Edge("a:latency", "b:latency")])
        >>> sorted(g.services()), g.services()["latency"].edges[0].target
        (['latency', 'merged'], 'b')
        """
        variable = {v.name: v for v in self.variables}
        roles = list(dict.fromkeys(v.role for v in self.variables))
        services = list(dict.fromkeys(v.service for v in self.variables))
        graphs = {}
        for role in (*roles, "merged"):
            found: dict[tuple[str, str], Edge] = {}
            for edge in self.edges:
                for cause, effect in edge.directions:
                    pair = (variable[cause].service, variable[effect].service)
                    if pair[0] != pair[1] and role in (variable[cause].role, "merged"):
                        arrow = replace(
                            edge, source=pair[0], target=pair[1], lag=0, source_mark="tail", target_mark="arrow", conflict=False
                        )
                        found[pair] = _merge(found[pair], arrow) if pair in found else arrow
            nodes = [Variable(s, s, "value", role if role in roles else "other") for s in services]
            graphs[role] = CausalGraph(nodes, found.values(), "summary", 0, self.step_seconds, self.provenance)
        return graphs

    # -- building and files ------------------------------------------------------------------------------------------

    @classmethod
    def from_codes(
        cls,
        variables: Sequence[Variable | str],
        codes: np.ndarray,
        *,
        kind: str,
        strength: np.ndarray | None = None,
        p_value: np.ndarray | None = None,
        evidence: Mapping[tuple[int, int, int], tuple[str, ...]] | None = None,
        **fields: Any,
    ) -> CausalGraph:
        """Build a graph from cell codes, the form in which algorithms work.

        Parameters
        ----------
        codes : int[N, N] or int[N, N, L + 1]; ``[i, j, lag]`` is ``DIRECTED`` (i → j), or, at lag 0 and in both cells,
            ``UNDIRECTED`` or ``CONFLICT``; in a PAG also ``CIRCLE_ARROW`` (i o→ j), ``CIRCLE_TAIL`` (i o— j), or, at lag 0 and in
            both cells, ``BIDIRECTED`` or ``CIRCLES``.
        strength, p_value : arrays of the same shape, NaN where unknown.
        evidence : other than ``("data",)``, by cell.

        >>> CausalGraph.from_codes(["a", "b"], np.array([[0, 1], [0, 0]]), kind="dag").edges[0].target
        'b'
        """
        grid = np.asarray(codes)
        grid = grid[:, :, None] if grid.ndim == 2 else grid
        names = [v.name if isinstance(v, Variable) else v for v in variables]
        i, j, lags = places = cells(grid)
        found = grid[places]
        either_way = np.isin(found, _EITHER_WAY)
        wrong = either_way & ((lags > 0) | (grid[j, i, lags] != found))
        if wrong.any():
            k = int(np.argmax(wrong))
            where = f"[{i[k]}, {j[k]}, {lags[k]}]"
            raise InputError(f"codes must be symmetric at lag 0 where not directed, got {found[k]} at {where}")
        kept = ~either_way | (i < j)
        places = tuple(axis[kept] for axis in places)
        columns = (*(axis.tolist() for axis in places), found[kept].tolist(), _cells(strength, places), _cells(p_value, places))
        sources = evidence or {}
        edges = [
            Edge(
                names[a],
                names[b],
                lag,
                *_CODE_MARKS[code],
                conflict=code == CONFLICT,
                strength=size,
                p_value=p,
                evidence=sources.get((a, b, lag), ("data",)),
            )
            for a, b, lag, code, size, p in zip(*columns, strict=True)
        ]
        return cls(variables, edges, kind, grid.shape[2] - 1, **fields)

    def to_networkx(self) -> nx.MultiDiGraph:
        """Return an ``nx.MultiDiGraph`` with the edge key = lag and every attribute of the file format."""
        import networkx as nx

        from causaldisc.core.graph_json import to_json

        return nx.node_link_graph(to_json(self), edges="edges")

    def save(self, path: str | Path) -> None:
        """Write ``causaldisc-graph`` JSON, by a temporary file and rename."""
        from causaldisc.core.graph_json import save

        save(self, path)

    @staticmethod
    def load(path: str | Path) -> CausalGraph:
        """Read ``causaldisc-graph`` JSON; raises InputError naming what is wrong."""
        from causaldisc.core.graph_json import load

        return load(path)


def acyclic(matrix: np.ndarray) -> bool:
    """Whether bool[N, N] with [i, j] = i → j has no directed cycle.

    >>> acyclic(np.array([[0, 1], [1, 0]], dtype=bool))
    False
    """
    sources, targets = np.nonzero(matrix)
    return _acyclic(len(matrix), zip(sources.tolist(), targets.tolist(), strict=True))


def _acyclic(nodes: int, arrows: Iterable[tuple[int, int]]) -> bool:
    """Whether nodes can be taken away one by one, each after all its causes (Kahn 1962)."""
    children: list[list[int]] = [[] for _ in range(nodes)]
    causes = [0] * nodes
    for cause, effect in arrows:
        children[cause].append(effect)
        causes[effect] += 1
    ready = [node for node in range(nodes) if not causes[node]]
    for node in ready:
        for child in children[node]:
            causes[child] -= 1
            if not causes[child]:
                ready.append(child)
    return len(ready) == nodes


def _cells(array: np.ndarray | None, places: tuple[np.ndarray, ...]) -> list[float | None]:
    if array is None:
        return [None] * len(places[0])
    values = array[places] if array.ndim == 3 else array[places[:2]]
    return [None if value != value else value for value in values.tolist()]  # NaN is unlike itself


def _best(a: float | None, b: float | None, pick: Any) -> float | None:
    known = [x for x in (a, b) if x is not None]
    return pick(known) if known else None


def _merge(first: Edge, second: Edge) -> Edge:
    states = {first.validation, second.validation}
    state = "confirmed" if "confirmed" in states else "untested" if "untested" in states else "refuted"
    return replace(
        first,
        strength=_best(first.strength, second.strength, lambda x: max(x, key=abs)),
        confidence=_best(first.confidence, second.confidence, max),
        orientation_confidence=_best(first.orientation_confidence, second.orientation_confidence, max),
        p_value=_best(first.p_value, second.p_value, min),
        evidence=tuple(dict.fromkeys((*first.evidence, *second.evidence))),
        validation=state,
    )


def _extend_undirected(merged: dict[tuple[str, str], Edge], edge: Edge) -> None:
    """Add to a directed pair the direction that an undirected edge of another lag leaves open."""
    for source, target in edge.directions:
        if (source, target) not in merged:
            merged[source, target] = replace(
                edge, source=source, target=target, lag=0, source_mark="tail", target_mark="arrow", conflict=False
            )
