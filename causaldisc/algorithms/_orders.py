"""Orders of the variables: reachability, random orders, and the search for the order of best score."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Best = Callable[[int, frozenset[int]], float]


def reachable(matrix: np.ndarray) -> np.ndarray:
    """Return bool[N, N]: [i, j] = a directed path of one or more edges leads from i to j.

    >>> reachable(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)).astype(int).tolist()
    [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    """
    reach = matrix.astype(bool)
    for k in range(len(reach)):
        reach |= reach[:, k, None] & reach[k]
    return reach


def random_order(must: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Return a random order of the nodes in which every edge of an acyclic bool[N, N] runs forward.

    >>> random_order(np.array([[0, 0], [1, 0]]), np.random.default_rng(0))
    [1, 0]
    """
    import networkx as nx

    keys = rng.random(len(must))
    graph = nx.from_numpy_array(must.astype(int), create_using=nx.DiGraph)
    return list(nx.lexicographical_topological_sort(graph, key=lambda node: keys[node]))


def best_order(
    start: Sequence[int], best: Best, linked: np.ndarray, before: np.ndarray, stop: Callable[[], bool], sweeps: int = 20
) -> list[int]:
    """Improve an order by moving one variable at a time to its best place, until no move helps.

    An order stands for the graph in which every variable takes its best parents among those before it; the moves are those
    of best order score search (Andrews et al. 2023, "Fast scalable and accurate discovery of DAGs using the best order
    score search").

    Parameters
    ----------
    start : an order of 0 .. N - 1 that obeys ``before``.
    best : the score of a variable's best parents among a set of predecessors (memoised by the caller).
    linked : bool[N, N], symmetric: one of the two may be a parent of the other.
    before : bool[N, N], transitive: [u, v] = u must come before v.
    stop : asked between variables; True ends the search with the order so far.

    Returns
    -------
    the best order met.
    """
    order = list(start)
    for _ in range(sweeps):
        improved = False
        for node in list(order):
            if stop():
                return order
            place = _best_place(order, node, best, linked, before)
            if place != order.index(node):
                order.remove(node)
                order.insert(place, node)
                improved = True
        if not improved:
            break
    return order


def _best_place(order: list[int], node: int, best: Best, linked: np.ndarray, before: np.ndarray) -> int:
    """Walk a node to the left and to the right, one swap at a time, and return the place of largest gain."""
    home = order.index(node)
    place, record = home, 1e-6
    for step in (-1, 1):
        gain, trial, at = 0.0, list(order), home
        while 0 <= at + step < len(order):
            left, right = sorted((at, at + step))
            first, second = trial[left], trial[right]
            if before[first, second]:
                break
            if linked[first, second]:
                earlier = frozenset(trial[:left])
                gain += best(second, earlier) + best(first, earlier | {second})
                gain -= best(first, earlier) + best(second, earlier | {first})
            trial[left], trial[right] = second, first
            at += step
            if gain > record:
                place, record = at, gain
    return place
