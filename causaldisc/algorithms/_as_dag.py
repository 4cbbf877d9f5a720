"""A DAG on request: the most probable acyclic orientation of what a search left open, a member of its class where there is one.

Directed edges stay, and so does the prior. Every other edge at lag 0, undirected or in conflict, gets a direction so that the
sum of what speaks for the directions taken is largest: differences of scores, or log-odds where orientation probabilities
are there. Above that sum stands the class: an unshielded collider that the graph does not have costs more than all of it
together, so that the result has none wherever that is possible, and as few as possible elsewhere.

Edges that no cycle could ever join are settled apart: the strongly connected pieces of the graph with open edges read both ways.
Up to 18 nodes a piece is solved exactly; larger ones by moves in an order that begins at a member of the class
(Dor & Tarsi 1992).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from causaldisc.algorithms._open_edges import Marks, turned
from causaldisc.core.constraints import Constraints
from causaldisc.core.graph import CONFLICT, DIRECTED, UNDIRECTED, CausalGraph
from causaldisc.core.telemetry import Telemetry

_SURE = 1e-6  # probabilities are kept so far from 0 and 1


def as_dag(
    graph: CausalGraph,
    scores: np.ndarray,
    telemetry: Telemetry,
    constraints: Constraints,
    *,
    orientation: np.ndarray | None = None,
    judged: bool = True,
) -> tuple[CausalGraph, dict[str, Any]]:
    """Direct every open edge at lag 0.

    Parameters
    ----------
    graph : over the variables of the telemetry, in their order; it obeys the constraints.
    scores : float[N, N, L + 1], higher = likelier; NaN = excluded.
    telemetry : tells an order of the columns that does not depend on where they stand, by which ties are broken.
    orientation : float[N, N, L + 1] or None, the probability of i → j given the adjacency; it then takes the scores' place.
    judged : whether the search looked for colliders; if not (PCMCI), new ones cost nothing.

    Returns
    -------
    CausalGraph : kind ``dag`` where there are no lags, else ``lagged``; edges directed here have ``scores`` in their evidence.
    report : ``as_dag`` = ``exact``, or ``heuristic`` where a piece was too large; ``as_dag_new_colliders`` = those that could
        not be helped; ``as_dag_left_out`` = open edges for which the prior leaves no acyclic direction.

    >>> from causaldisc.core.graph import Edge
    >>> from causaldisc.core.prior import ExpertPrior
    >>> graph = CausalGraph(["a", "b"], [Edge("a", "b", target_mark="tail")], kind="cpdag")
    >>> telemetry = Telemetry(np.random.default_rng(0).normal(size=(9, 2)), ["a", "b"])
    >>> scores = np.array([[np.nan, 1.0], [2.0, np.nan]])[:, :, None]
    >>> dag, report = as_dag(graph, scores, telemetry, Constraints.of(ExpertPrior(), ["a", "b"], 0))
    >>> dag.kind, dag.edges[0].source, report["as_dag"]
    ('dag', 'b', 'exact')
    """
    from causaldisc.kernels.moments import canonical_order

    order = canonical_order(telemetry.values)
    among = np.ix_(order, order)
    task = _Task(
        Marks.of(graph.codes()[among]),
        _gain(scores[:, :, 0] if orientation is None else _log(orientation[:, :, 0]))[among],
        constraints.allowed[:, :, 0][among],
        judged,
    )
    place, exact = task.solve()
    later = place[:, None] < place[None, :]
    arrows = task.marks.open & later
    barred = arrows & ~task.allowed
    told = {(int(order[i]), int(order[j])): "scores" for i, j in np.argwhere(arrows & ~barred)}
    dag = turned(graph, told, graph.kind)
    dag = dag.replace(edges=[e for e in dag.edges if e.is_directed], kind="lagged" if graph.max_lag else "dag")
    return dag, {
        "as_dag": "exact" if exact else "heuristic",
        "as_dag_new_colliders": task.new_colliders(arrows & ~barred) if judged else 0,
        "as_dag_left_out": [f"{graph.names[order[i]]} - {graph.names[order[j]]}" for i, j in np.argwhere(barred)],
    }


@dataclass(frozen=True, eq=False)
class _Task:
    """A graph to be directed, in canonical order; ``gain`` float[N, N] is antisymmetric, ``allowed`` bool[N, N]."""

    marks: Marks
    gain: np.ndarray
    allowed: np.ndarray
    judged: bool

    def solve(self) -> tuple[np.ndarray, bool]:
        """The place of every node in an order of the nodes, and whether that is exact."""
        from scipy.sparse.csgraph import connected_components

        directed = self.marks.codes == DIRECTED
        count, piece = connected_components(directed | self.marks.open, directed=True, connection="strong")
        place, exact = np.zeros(len(directed), np.int64), True
        start = self._member() if self.judged and np.bincount(piece).max(initial=0) > _exact_size() else None
        for number in range(count):
            nodes = np.flatnonzero(piece == number)
            if len(nodes) > 1:
                order, sure = self._order(nodes, directed, start)
                place[nodes[order]] = np.arange(len(nodes))
                exact &= sure
        return place, exact

    def _order(self, nodes: np.ndarray, directed: np.ndarray, start: np.ndarray | None) -> tuple[np.ndarray, bool]:
        """The best order of the nodes of a piece."""
        from causaldisc.kernels.acyclic_order import best_order

        among = np.ix_(nodes, nodes)
        open_ = self.marks.open[among]
        gain = np.where(open_, self.gain[among], 0.0)
        price = 1.0 + 2.0 * float(np.abs(gain).sum()) if self.judged else 0.0
        adjacent = self.marks.adjacent
        # Causes outside of the piece, directed ones inside, and past ones stay, whatever the order of the piece.
        given = self.marks.late + (~adjacent).astype(np.int64) @ directed
        undirected = self.marks.codes == UNDIRECTED
        gain = gain - price * np.where(undirected, given, 0)[among]
        barred = 1.0 + 2.0 * float(np.abs(gain).sum()) + price * len(nodes) ** 3
        gain = gain - np.where(open_ & ~self.allowed[among], barred, 0.0)
        first = None if start is None else np.argsort(start[nodes], kind="stable")
        order, _, exact = best_order(
            gain, open_, directed[among], undirected[among], ~adjacent[among] & ~np.eye(len(nodes), dtype=bool), price, first
        )
        return order, exact

    def new_colliders(self, arrows: np.ndarray) -> int:
        """How many unshielded colliders the arrows, bool[N, N], make that were not there."""
        heads = self.marks.heads
        total = int((self.marks.late * (arrows & ~heads)).sum())
        into = arrows | (self.marks.codes == DIRECTED)
        apart = ~self.marks.adjacent & ~np.eye(len(into), dtype=bool)
        for k in np.flatnonzero(arrows.any(axis=0)):
            causes = np.flatnonzero(into[:, k])
            was = heads[causes, k]
            total += int(np.triu(apart[np.ix_(causes, causes)] & ~(was[:, None] & was)).sum())
        return total

    def _member(self) -> np.ndarray | None:
        """The place of every node in a member of the class (Dor & Tarsi 1992); None where there is none."""
        from causaldisc.kernels.mpdag import extend, link

        codes, n = self.marks.codes, len(self.marks.codes)
        marks = ((codes == DIRECTED) | (codes == UNDIRECTED) | (codes == CONFLICT)).astype(np.uint8)
        near, degree = np.zeros((n, n), np.int64), np.zeros(n, np.int64)
        for i, j in np.argwhere(np.triu(marks | marks.T)).tolist():
            link(near, degree, i, j)
        dag, order = np.zeros((n, n), np.uint8), np.zeros(n, np.int64)
        if not extend(marks, near, degree, dag, order):
            return None
        place = np.empty(n, np.int64)
        place[order[::-1]] = np.arange(n)
        return place


def _gain(worth: np.ndarray) -> np.ndarray:
    """Half of by how much i → j is worth more than j → i; 0 where either is unknown."""
    half = 0.5 * (worth - worth.T)
    return np.where(np.isfinite(half), half, 0.0)


def _log(probability: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities, none of them sure."""
    return np.log(np.clip(probability, _SURE, 1.0))


def _exact_size() -> int:
    from causaldisc.kernels.acyclic_order import LARGEST_EXACT

    return LARGEST_EXACT
