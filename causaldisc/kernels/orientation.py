"""Directions for a skeleton: what the prior settles, colliders, and Meek's rules, none of it dependent on order.

Cell codes are those of graphs: 0 no edge; 1 in ``[i, j]`` alone for i → j; 2 in both cells for an undirected edge; 3 in
both for a conflict. Every step finds all that follows from the graph as it stands and then writes it at once: a pair that
is to point both ways, and every new arrow that would lie on a directed cycle, becomes a conflict.
"""

from __future__ import annotations

import numpy as np

from causaldisc.core.arrays import cells
from causaldisc.kernels.colliders import COLLIDER, NONCOLLIDER, Triples
from causaldisc.kernels.compiled import kernel

DIRECTED, UNDIRECTED, CONFLICT = 1, 2, 3


def settle(adjacent: np.ndarray, allowed: np.ndarray, required: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Return int8[N, N] codes of a skeleton at lag 0 with every direction that the prior settles.

    A required edge is directed, and so is an adjacency with one allowed direction. Where such arrows would form a cycle,
    the prior leaves no direction for one of them: the weakest that is not required is dropped.

    Parameters
    ----------
    adjacent : bool[N, N], symmetric.
    allowed, required : bool[N, N], ``[i, j]`` = i → j; the required edges form no cycle.
    strength : float[N, N], how much an adjacency is worth.

    >>> pair, one_way = np.array([[0, 1], [1, 0]], dtype=bool), np.array([[0, 1], [0, 0]], dtype=bool)
    >>> settle(pair, one_way, np.zeros((2, 2), dtype=bool), np.ones((2, 2))).tolist()
    [[0, 1], [0, 0]]
    """
    forced = adjacent & (required | (allowed & ~allowed.T & ~required.T))
    codes = np.where(adjacent & ~forced & ~forced.T & allowed & allowed.T, UNDIRECTED, 0).astype(np.int8, order="C")
    arrows = forced
    if on_cycles(forced).any():
        arrows = np.zeros_like(forced)
        i, j = cells(forced)
        for k in np.lexsort((-strength[i, j], ~required[i, j])):
            arrows[i[k], j[k]] = True
            arrows[i[k], j[k]] = not on_cycles(arrows)[i[k], j[k]]
    codes[arrows] = DIRECTED
    return codes


def orient(codes: np.ndarray, triples: Triples) -> np.ndarray:
    """Return int8[N, N] codes with colliders and Meek's rules 1 to 4 applied to the undirected edges (Meek 1995).

    A collider that a settled edge excludes is left out; an ambiguous triple is no premise of any rule. The directed edges
    of the result form no cycle when those of ``codes`` form none.

    Parameters
    ----------
    codes : int8[N, N] from :func:`settle`.
    triples : their judgement; columns beyond N are lagged copies, whose edges point to lag 0.
    """
    result = np.array(codes, dtype=np.int8, order="C")
    # One layout of every array, so that one signature is compiled.
    flat, starts, kinds, offsets = map(np.ascontiguousarray, triples[:4])
    colliders, changed = True, True
    while colliders or changed:
        arrows = np.zeros(result.shape, dtype=np.bool_)
        _propose(result, flat, starts, kinds, offsets, colliders, arrows)
        changed = _write(result, arrows) or colliders
        colliders = False
    return result


def on_cycles(arrows: np.ndarray) -> np.ndarray:
    """Return bool[N, N]: which of the arrows lie on a directed cycle.

    >>> on_cycles(np.array([[0, 1, 0], [1, 0, 1], [0, 0, 0]], dtype=bool)).tolist()
    [[False, True, False], [True, False, False], [False, False, False]]
    """
    found, (i, j) = np.zeros_like(arrows), cells(arrows)
    while True:  # arrows without another before and one behind lie on no cycle
        entered, left = np.zeros((2, len(arrows)), dtype=bool)
        entered[j], left[i] = True, True
        inner = entered[i] & left[j]
        if inner.all():
            break
        i, j = i[inner], j[inner]
    if i.size:
        live = np.unique(i)
        among = np.ix_(live, live)
        reach = arrows[among].astype(np.float32)
        for _ in range(len(live).bit_length()):
            reach = np.minimum(reach + reach @ reach, 1.0)
        found[among] = arrows[among] & (reach.T > 0)
    return found


def _write(codes: np.ndarray, arrows: np.ndarray) -> bool:
    """Turn undirected edges into the arrows proposed; clashes and cycles into conflicts. Return whether any was turned."""
    i, j = cells(arrows & (codes == UNDIRECTED))
    if not i.size:
        return False
    both = arrows[j, i]
    codes[j, i] = 0
    codes[i, j] = np.where(both, CONFLICT, DIRECTED)
    closed = ~both & on_cycles(codes == DIRECTED)[i, j]
    codes[i[closed], j[closed]] = codes[j[closed], i[closed]] = CONFLICT
    return True


@kernel
def _propose(codes, flat, starts, kinds, offsets, colliders, arrows):
    """Mark the arrows into unshielded colliders, or those that Meek's rules imply, middle by middle."""
    n = len(codes)
    for z in range(n):
        degree = starts[z + 1] - starts[z]
        for a in range(degree):
            x = flat[starts[z] + a]
            into = x >= n or codes[x, z] == DIRECTED
            loose = x < n and codes[x, z] == UNDIRECTED
            for b in range(degree):
                y = flat[starts[z] + b]
                if y >= n or a == b:
                    continue
                kind = kinds[offsets[z] + a * degree + b]
                if colliders:
                    if kind == COLLIDER and (into or loose) and codes[y, z] == UNDIRECTED:
                        arrows[y, z] = True
                elif into and codes[z, y] == UNDIRECTED and kind == NONCOLLIDER:
                    arrows[z, y] = True  # rule 1: x → z — y
                elif into and x < n and codes[z, y] == DIRECTED and codes[x, y] == UNDIRECTED:
                    arrows[x, y] = True  # rule 2: x → z → y
                elif loose and codes[z, y] == UNDIRECTED and kind == NONCOLLIDER:
                    for c in range(degree):
                        w = flat[starts[z] + c]
                        if w >= n:
                            continue
                        if codes[z, w] == UNDIRECTED and codes[x, w] == DIRECTED and codes[y, w] == DIRECTED:
                            arrows[z, w] = True  # rule 3: z — x → w ← y — z
                        if codes[x, w] == DIRECTED and codes[w, y] == DIRECTED:
                            arrows[z, y] = True  # rule 4: z — x → w → y, with w beside z
