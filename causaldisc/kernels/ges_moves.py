"""Gains of the moves of a greedy equivalence search: insert, delete or turn one edge of an MPDAG.

A move (Chickering 2002, Hauser & Bühlmann 2012) takes a node y and a set C of its undirected neighbours. C fits if it is a
clique without an arrow into it from the other neighbours, since then some DAG of the class has exactly C and the directed
parents of y above y (Fang & He 2020). One edge of that DAG is then put in, taken out or turned:

- insert x → y: every neighbour of y joined to x is in C, and no path y ⇝ x passes C by;
- delete x → y, x in C or a parent of y: neighbours outside C become common children of the two;
- turn y → x (or y — x) into x → y: a neighbour of x becomes its parent exactly if it is in C or a parent of y.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from causaldisc.kernels.bic import SINGULAR, project, regress
from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner
from causaldisc.kernels.mpdag import next_clique, reaches

INSERT, DELETE, TURN = 0, 1, 2
POSSIBLE, REQUIRED = 1, 2

# At most so many sets of neighbours are tried at a node; where there are more, only the small ones.
MAX_SETS = 16384


class Task(NamedTuple):
    """What a search works on.

    Attributes
    ----------
    matrix : float[M, M], correlations or covariances.
    knowledge : uint8[M, M], ``[i, j]`` = i → j is impossible (0), ``POSSIBLE``, or ``REQUIRED``.
    bonus : float[M, M], what an edge between two nodes is worth besides what it explains, whichever way it points: the weight
        of beliefs. Symmetric among nodes that may have parents.
    n, price : number of rows, and what one parent costs.
    cap : most parents that an insertion or turn may give a node.
    informed : whether the knowledge leaves some pair one direction only.
    """

    matrix: np.ndarray
    knowledge: np.ndarray
    bonus: np.ndarray
    n: float
    price: float
    cap: int
    informed: bool


@kernel
def scan(kind: int, ys: np.ndarray, xs: np.ndarray, task: tuple, graph: tuple, gains: np.ndarray, best: np.ndarray) -> None:
    """Write the gains of moves of one kind, each the best over all sets C, -inf where there is none.

    Parameters
    ----------
    ys, xs : int64[R], moves to look at. Where x is -1, ``gains[y]`` is written for all x, paths and cycles not looked at, so
        that it is an upper bound. Else ``gains[y, x]`` alone is written: the best gain that is not above the one that stands
        there and, for an insertion, closes no cycle; its C goes to ``best``.
    task : the fields of a :class:`Task`.
    graph : a completed graph: marks uint8[M, M], neighbour lists int64[M, M], degrees int64[M].
    gains : float[N, M], ``[y, x]`` for the edge between x and y.
    best : int64[M + 1], the size of the C of the last pair, then its members.
    """
    matrix, knowledge, bonus, n, price, cap, informed = task
    marks, near, degree = graph
    total = degree.shape[0]
    inside, base, other = np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total, np.int64)
    pool, chosen = np.empty(total, np.int64), np.empty(total, np.int64)
    mine, theirs, third = np.empty(total), np.empty(total), np.empty(total)
    for k in range(total):
        inside[k] = 0
    for place in range(ys.shape[0]):
        y, only = ys[place], xs[place]
        above, m, widest = _surroundings(y, marks, near, degree, base, pool)
        triangle, second = np.empty(widest * (widest + 1) // 2), np.empty(widest * (widest + 1) // 2)
        first, last, ceiling = (only, only + 1, gains[y, only]) if only >= 0 else (np.int64(0), total, np.inf)
        for x in range(first, last):
            gains[y, x] = -np.inf
        limit = _largest_set(m)
        size = np.int64(0)
        while size >= 0:
            closed, fresh = _take(size, above, m, base, pool, chosen, inside, marks), True
            parents = above + size
            for x in range(first, last):
                if not closed or not _fits(kind, x, y, parents < cap, above, size, m, knowledge, marks, base, pool, inside):
                    continue
                gain = bonus[x, y] if kind == INSERT else -bonus[x, y] if kind == DELETE else 0.0
                if kind != DELETE:
                    if fresh:
                        mine[parents] = regress(y, matrix, base, parents, triangle, mine)
                        fresh = False
                    gain += _worth(x, y, matrix, n, base, parents, triangle, mine, theirs) - price
                if kind != INSERT:
                    cause, effect = (x, y) if kind == DELETE else (y, x)
                    count = _other_parents(cause, effect, y, marks, near, degree, inside, other)
                    third[count] = regress(effect, matrix, other, count, second, third)
                    gain += price - _worth(cause, effect, matrix, n, other, count, second, third, theirs)
                if gains[y, x] < gain <= ceiling:
                    if only >= 0:
                        if kind == INSERT and reaches(marks, near, degree, y, x, inside, informed):
                            continue
                        best[0] = size
                        for k in range(size):
                            best[1 + k] = base[above + k]
                    gains[y, x] = gain
            for k in range(size):
                inside[pool[chosen[k]]] = 0
            size = next_clique(marks, pool, m, chosen, size, limit)


@inner
def _surroundings(
    y: int, marks: np.ndarray, near: np.ndarray, degree: np.ndarray, base: np.ndarray, pool: np.ndarray
) -> tuple[int, int, Any]:
    """Write the parents of y and its undirected neighbours; how many of each, and the largest degree of y and those near."""
    above, m, widest = 0, 0, degree[y]
    for k in range(degree[y]):
        w = near[y, k]
        if degree[w] > widest:
            widest = degree[w]
        if marks[w, y] and marks[y, w]:
            pool[m] = w
            m += 1
        elif marks[w, y]:
            base[above] = w
            above += 1
    return above, m, widest


@inner
def _largest_set(m: int) -> int:
    """Return the largest size up to which m nodes have at most ``MAX_SETS`` subsets: a rule blind to their order."""
    limit, subsets, level = 0, 1.0, float(m)
    while limit < m and subsets + level <= MAX_SETS:
        limit += 1
        subsets += level
        level *= (m - limit) / (limit + 1)
    return limit


@inner
def _take(
    size: int,
    above: int,
    m: int,
    base: np.ndarray,
    pool: np.ndarray,
    chosen: np.ndarray,
    inside: np.ndarray,
    marks: np.ndarray,
) -> bool:
    """Put C behind the parents in ``base`` and mark it; whether no other neighbour has an arrow into it."""
    for k in range(size):
        base[above + k] = pool[chosen[k]]
        inside[pool[chosen[k]]] = 1
    for k in range(size):
        for other in range(m):
            c, w = base[above + k], pool[other]
            if marks[w, c] and not marks[c, w] and not inside[w]:
                return False
    return True


@inner
def _fits(
    kind: int,
    x: int,
    y: int,
    room: bool,
    above: int,
    size: int,
    m: int,
    knowledge: np.ndarray,
    marks: np.ndarray,
    base: np.ndarray,
    pool: np.ndarray,
    inside: np.ndarray,
) -> bool:
    """Whether a move of the edge between x and y goes with C and the knowledge; paths are not looked at."""
    into, out_of = marks[x, y] != 0, marks[y, x] != 0
    if kind == DELETE:
        return knowledge[x, y] != REQUIRED and into and (not out_of or inside[x] != 0)
    if x == y or not room or not knowledge[x, y] or inside[x]:
        return False
    if kind == INSERT:
        # Neighbours of y that are joined to x must be in C: their arrow from y would close a cycle.
        for k in range(m):
            w = pool[k]
            if not inside[w] and (marks[x, w] or marks[w, x]):
                return False
        return not (into or out_of)
    if not out_of or knowledge[y, x] == REQUIRED:
        return False
    # Where all of C is joined to x, the edge y — x is covered and its turn stays in the class.
    for k in range(size):
        w = base[above + k]
        if not (marks[x, w] or marks[w, x]):
            return True
    return not into


@inner
def _other_parents(
    cause: int,
    effect: int,
    y: int,
    marks: np.ndarray,
    near: np.ndarray,
    degree: np.ndarray,
    inside: np.ndarray,
    parents: np.ndarray,
) -> int:
    """Write the parents that the effect has besides the cause once C is directed into y; returns how many there are."""
    count = 0
    for k in range(degree[effect]):
        w = near[effect, k]
        # With effect = y, w — y is a parent if in C; with effect = x, also if a parent of y, since y → x.
        above = not marks[effect, w] or inside[w] or (effect != y and marks[w, y] and not marks[y, w])
        if w != cause and marks[w, effect] and above:
            parents[count] = w
            count += 1
    return count


@inner
def _worth(
    cause: int,
    effect: int,
    matrix: np.ndarray,
    n: float,
    parents: np.ndarray,
    size: int,
    triangle: np.ndarray,
    mine: np.ndarray,
    theirs: np.ndarray,
) -> float:
    """Return the log-likelihood that an effect gains from a cause beside its other parents.

    ``triangle`` holds the factor of these, and ``mine`` the effect's coordinates on them, then its residual variance.
    """
    own = project(matrix, triangle, parents, size, cause, theirs, np.int64(0))
    if own <= SINGULAR * matrix[cause, cause]:
        return 0.0
    shared = matrix[cause, effect]
    for k in range(size):
        shared -= mine[k] * theirs[k]
    least, left = SINGULAR * matrix[effect, effect], mine[size] - shared * shared / own
    return 0.5 * n * math.log(mine[size] / (left if left > least else least))
