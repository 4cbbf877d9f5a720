"""Directions from beliefs: what the data leave open at lag 0 is settled by log-odds, the strongest first.

A belief never turns what the data or the hard prior directed. It directs an undirected edge, or one whose directions are in
conflict, and the rules of orientation then draw what follows. A direction is refused if that closes a cycle, makes a new
conflict, or makes a collider that the data do not call one: then the belief does not fit any graph that the data allow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from causaldisc.core.arrays import cells
from causaldisc.kernels.colliders import COLLIDER, SHIELDED, Triples
from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.mpdag import complete, extend, link
from causaldisc.kernels.orientation import CONFLICT, DIRECTED, UNDIRECTED, on_cycles, orient


def direct(
    codes: np.ndarray,
    worth: np.ndarray,
    follow: Callable[[np.ndarray], np.ndarray],
    unseen: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Direct open edges as beliefs say, strongest first, each with all that follows from it or not at all.

    Parameters
    ----------
    codes : int8[N, N], cell codes of a graph at lag 0.
    worth : float[N, N], log-odds of i → j over j → i, antisymmetric; 0 where nothing is believed.
    follow : the graph with what the rules of orientation draw from it.
    unseen : which of the colliders of a graph are none that the data show, bool of one fixed shape.

    Returns
    -------
    codes : int8[N, N].
    turned : bool[N, N], the edges whose direction is owed to beliefs.

    >>> chain = np.array([[0, 2, 0], [2, 0, 2], [0, 2, 0]], dtype=np.int8)
    >>> said = np.array([[0.0, 2.0, 0.0], [-2.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    >>> into_the_middle = lambda codes: np.array([codes[0, 1] == 1 and codes[2, 1] == 1])
    >>> direct(chain, said, lambda codes: codes, into_the_middle)[0].tolist()
    [[0, 1, 0], [0, 0, 2], [0, 2, 0]]
    """
    result = np.array(codes)
    i, j = cells((worth > 0) & ((codes == UNDIRECTED) | (codes == CONFLICT)))
    for k in np.lexsort((j, i, -worth[i, j])).tolist():
        if result[i[k], j[k]] not in (UNDIRECTED, CONFLICT):
            continue
        trial = np.array(result)
        trial[i[k], j[k]], trial[j[k], i[k]] = DIRECTED, 0
        trial = follow(trial)
        clash = (trial == CONFLICT) & (result != CONFLICT)
        cycle = on_cycles(trial == DIRECTED) & ~on_cycles(result == DIRECTED)
        if not (clash.any() or cycle.any() or (unseen(trial) & ~unseen(result)).any()):
            result = trial
    return result, (result == DIRECTED) & (codes != DIRECTED)


def direct_skeleton(codes: np.ndarray, worth: np.ndarray, triples: Triples) -> tuple[np.ndarray, np.ndarray]:
    """Direct what PC left open; see :func:`direct`. Meek's rules say what follows (Meek 1995)."""
    flat, starts, kinds, offsets = map(np.ascontiguousarray, triples[:4])

    def unseen(graph: np.ndarray) -> np.ndarray:
        marks = np.zeros(len(kinds), dtype=np.bool_)
        _mark_unseen(graph, flat, starts, kinds, offsets, marks)
        return marks

    return direct(codes, worth, lambda graph: orient(graph, triples), unseen)


@kernel
def _mark_unseen(codes, flat, starts, kinds, offsets, marks):
    """Mark the unshielded triples with both edges into the middle that are not judged colliders."""
    n = len(codes)
    for z in range(n):
        degree = starts[z + 1] - starts[z]
        for a in range(degree):
            x = flat[starts[z] + a]
            for b in range(degree):
                y = flat[starts[z] + b]
                kind = kinds[offsets[z] + a * degree + b]
                if a == b or kind in (SHIELDED, COLLIDER):
                    continue
                if (x >= n or codes[x, z] == DIRECTED) and (y >= n or codes[y, z] == DIRECTED):
                    marks[offsets[z] + a * degree + b] = True


def direct_class(marks: np.ndarray, worth: np.ndarray, knowledge: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Direct undirected edges of a completed graph as beliefs say, strongest first, and complete it after each.

    In a completed graph every undirected edge may point either way, so none is refused until it has been directed.

    Parameters
    ----------
    marks : bool[M, M], an MPDAG: ``[i, j]`` and not ``[j, i]`` = i → j, both = i — j.
    worth : float[M, M], log-odds of i → j over j → i, antisymmetric.
    knowledge : uint8[M, M], 0 where i → j is impossible; the graph is completed under it.

    Returns
    -------
    marks : bool[M, M].
    turned : bool[M, M], the edges whose direction is owed to beliefs.

    >>> chain = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
    >>> said = np.array([[0.0, 2.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> direct_class(chain, said, np.ones((3, 3), np.uint8))[0].astype(int).tolist()
    [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    """
    result, known = marks.astype(np.uint8), np.array(knowledge, dtype=np.uint8)
    i, j = cells((worth > 0) & marks & marks.T)
    near, degree = np.zeros(marks.shape, np.int64), np.zeros(len(marks), np.int64)
    if len(i):
        for a, b in np.argwhere(np.triu(marks | marks.T)).tolist():
            link(near, degree, a, b)
    for k in np.lexsort((j, i, -worth[i, j])).tolist():
        a, b = int(i[k]), int(j[k])
        if not (result[a, b] and result[b, a]):
            continue
        trial, dag, order = result.copy(), np.zeros_like(result), np.zeros(len(marks), np.int64)
        trial[b, a] = 0
        # Compelled edges stay so: what completion would derive again from v-structures and knowledge, and beliefs before.
        if not extend(trial, near, degree, dag, order):
            continue
        limits = known.copy()
        limits[b, a] = 0
        complete(dag, order, near, degree, limits, trial)
        if (trial & ~result).any():
            continue
        result, known = trial, limits
    return result.astype(bool), (result != 0) & (result.T == 0) & marks & marks.T
