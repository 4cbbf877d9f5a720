"""Give one open edge of a graph a direction, with all that follows from it by Meek's rules, or refuse it whole.

Codes are those of graphs at lag 0, int8[N, N]: 1 in ``[i, j]`` alone for i → j, 2 in both cells for an undirected edge, 3 in
both for a conflict. Knowledge from beyond the data picks members of the equivalence class that the graph stands for: what it
adds must close no cycle and make no unshielded collider that was not there (Meek, "Causal inference and causal explanation
with background knowledge", 1995).
"""

from __future__ import annotations

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner

DIRECTED, UNDIRECTED, CONFLICT = 1, 2, 3


def turn(
    codes: np.ndarray, i: int, j: int, allowed: np.ndarray, late: np.ndarray, heads: np.ndarray, judged: bool
) -> list[tuple[int, int]] | None:
    """Direct the open edge i → j, and what follows from it, in place; None, and nothing changed, where that is refused.

    Refused is what closes a directed cycle at lag 0, is not allowed, or makes an unshielded collider that was not there before.

    Parameters
    ----------
    codes : int8[N, N]; the edge is undirected or in conflict.
    allowed : bool[N, N], ``[a, b]`` = a → b may be.
    late : bool[N, N], ``[a, b]`` = a cause of b in the past is not adjacent to a: a → b makes an unshielded collider with it.
    heads : bool[N, N], ``[a, b]`` = the edge had an arrowhead at b (directed, or in conflict) before anything was turned.
    judged : whether an unshielded triple without colliding arrows is known to be no collider. Where it is not (a skeleton whose
        colliders nobody has looked for), only cycles rule a direction out and only the rule against them applies.

    Returns
    -------
    the new arrows as (cause, effect), that asked for first.

    >>> chain = np.array([[0, 2, 0], [2, 0, 2], [0, 2, 0]], np.int8)
    >>> everything, nothing = np.ones((3, 3), bool), np.zeros((3, 3), bool)
    >>> turn(chain, 0, 1, everything, nothing, nothing, True)
    [(0, 1), (1, 2)]
    """
    trial = np.array(codes, dtype=np.int8, order="C")
    room = np.empty((int(np.count_nonzero(np.triu(trial >= UNDIRECTED))) + 1, 2), np.int64)
    masks = (np.ascontiguousarray(mask, dtype=np.bool_) for mask in (allowed, late, heads))
    count = _turn(trial, i, j, *masks, judged, room)
    if count < 0:
        return None
    codes[:] = trial
    return [(a, b) for a, b in room[:count].tolist()]


@kernel
def _turn(codes, i, j, allowed, late, heads, judged, arrows):
    """Direct i → j and what follows; the number of new arrows, written to ``arrows``, or -1 where they cannot stand."""
    codes[i, j], codes[j, i] = DIRECTED, 0
    arrows[0, 0], arrows[0, 1] = i, j
    size, done = 1, 0
    while done < size:
        size = _follow(codes, arrows[done, 0], arrows[done, 1], judged, arrows, size)
        done += 1
    for k in range(size):
        if not _stands(codes, arrows[k, 0], arrows[k, 1], allowed, late, heads, judged):
            return -1
    return size


@inner
def _put(codes, a, b, arrows, size):
    """Turn a — b into a → b where it is undirected."""
    if codes[a, b] == UNDIRECTED:
        codes[a, b], codes[b, a] = DIRECTED, 0
        arrows[size, 0], arrows[size, 1] = a, b
        return size + 1
    return size


@inner
def _apart(codes, a, b):
    return a != b and codes[a, b] == 0 and codes[b, a] == 0


@inner
def _follow(codes, a, b, judged, arrows, size):
    """Apply Meek's rules wherever the new arrow a → b is among their premises."""
    n = len(codes)
    for x in range(n):
        if codes[b, x] == DIRECTED:  # rule 2: a → b → x
            size = _put(codes, a, x, arrows, size)
        if codes[x, a] == DIRECTED:  # rule 2: x → a → b
            size = _put(codes, x, b, arrows, size)
        if not judged:
            continue
        if codes[b, x] == UNDIRECTED and _apart(codes, a, x):  # rule 1: a → b — x
            size = _put(codes, b, x, arrows, size)
        if codes[x, b] == UNDIRECTED and codes[x, a] == UNDIRECTED:
            for y in range(n):
                if codes[y, b] == DIRECTED and codes[x, y] == UNDIRECTED and _apart(codes, y, a):
                    size = _put(codes, x, b, arrows, size)  # rule 3: a — x — y, a and y into b
        size = _fourth(codes, a, b, x, arrows, size)
    return size


@inner
def _fourth(codes, a, b, x, arrows, size):
    """Rule 4: y — k → l → z, y — z, y beside l, k and z apart: y → z; with a → b as k → l, and as l → z."""
    n = len(codes)
    if codes[b, x] == DIRECTED and _apart(codes, a, x):  # k, l, z = a, b, x
        for y in range(n):
            if codes[y, x] == UNDIRECTED and codes[y, a] == UNDIRECTED and not _apart(codes, y, b):
                size = _put(codes, y, x, arrows, size)
    if codes[x, a] == DIRECTED and _apart(codes, x, b):  # k, l, z = x, a, b
        for y in range(n):
            if codes[y, b] == UNDIRECTED and codes[y, x] == UNDIRECTED and not _apart(codes, y, a):
                size = _put(codes, y, b, arrows, size)
    return size


@inner
def _stands(codes, a, b, allowed, late, heads, judged):
    """Whether the new arrow a → b is allowed, lies on no cycle and makes no new unshielded collider."""
    if not allowed[a, b] or _leads(codes, b, a):
        return False
    if not judged:
        return True
    if late[a, b] and not heads[a, b]:
        return False
    for z in range(len(codes)):
        if z != a and codes[z, b] == DIRECTED and _apart(codes, z, a) and not (heads[a, b] and heads[z, b]):
            return False
    return True


@inner
def _leads(codes, start, goal):
    """Whether a path of arrows leads from start to goal."""
    n = len(codes)
    seen, waiting = np.zeros(n, np.bool_), np.empty(n, np.int64)
    waiting[0], top = start, 1
    seen[start] = True
    while top > 0:
        top -= 1
        v = waiting[top]
        for w in range(n):
            if codes[v, w] == DIRECTED and not seen[w]:
                if w == goal:
                    return True
                seen[w] = True
                waiting[top] = w
                top += 1
    return False
