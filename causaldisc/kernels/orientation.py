"""Directions for a skeleton: what the prior settles, colliders, and Meek's rules, none of it dependent on order.

Cell codes are those of graphs: 0 no edge; 1 in ``[i, j]`` alone for i → j; 2 in both cells for an undirected edge; 3 in
both for a conflict. Every step finds all that follows from the graph as it stands and then writes it at once: a pair that
is to point both ways, and every new arrow that would lie on a directed cycle, becomes a conflict.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from causaldisc.kernels.colliders import COLLIDER, NONCOLLIDER, Triples

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
    i, j = np.nonzero(forced)
    order = np.lexsort((-strength[i, j], ~required[i, j]))
    _add_arrows(codes, i[order], j[order])
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
    _orient(result, *(np.ascontiguousarray(array) for array in (triples.flat, triples.starts, triples.kinds, triples.offsets)))
    return result


@njit(cache=True, error_model="numpy")
def _add_arrows(codes, tails, heads):
    """Write the arrows in turn, except those that close a directed cycle."""
    for k in range(len(tails)):
        if not _reaches(codes, heads[k], tails[k]):
            codes[tails[k], heads[k]] = DIRECTED


@njit(cache=True, error_model="numpy")
def _orient(codes, flat, starts, kinds, offsets):
    """Colliders first, then Meek's rules to a fixpoint."""
    arrows = np.zeros(codes.shape, np.bool_)
    colliders, changed = True, True
    while colliders or changed:
        arrows[:] = False
        _propose(codes, flat, starts, kinds, offsets, colliders, arrows)
        changed = _write(codes, arrows) or colliders
        colliders = False


@njit(cache=True, error_model="numpy")
def _write(codes, arrows):
    """Turn undirected edges into the arrows proposed; clashes and cycles into conflicts. Return whether anything changed."""
    changed = False
    for i in range(len(codes)):
        for j in range(i):
            if codes[i, j] == UNDIRECTED and (arrows[i, j] or arrows[j, i]):
                changed = True
                both = arrows[i, j] and arrows[j, i]
                codes[i, j] = CONFLICT if both else (DIRECTED if arrows[i, j] else 0)
                codes[j, i] = CONFLICT if both else (DIRECTED if arrows[j, i] else 0)
            else:
                arrows[i, j], arrows[j, i] = False, False
    for i in range(len(codes)):
        for j in range(len(codes)):
            arrows[i, j] = arrows[i, j] and codes[i, j] == DIRECTED and _reaches(codes, j, i)
    for i in range(len(codes)):
        for j in range(len(codes)):
            if arrows[i, j]:
                codes[i, j], codes[j, i] = CONFLICT, CONFLICT
    return changed


@njit(cache=True, error_model="numpy")
def _reaches(codes, start, goal):
    """Whether a directed path leads from start to goal."""
    seen, stack, top = np.zeros(len(codes), np.bool_), np.empty(len(codes), np.int64), 1
    stack[0] = start
    seen[start] = True
    while top > 0:
        top -= 1
        node = stack[top]
        if node == goal:
            return True
        for child in range(len(codes)):
            if codes[node, child] == DIRECTED and not seen[child]:
                seen[child] = True
                stack[top] = child
                top += 1
    return False


@njit(cache=True, error_model="numpy")
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
