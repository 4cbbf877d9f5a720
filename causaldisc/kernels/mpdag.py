"""Partially directed graphs closed under orientation rules: extension to a DAG, completion of a DAG, paths, cliques.

A graph is ``marks``, uint8[M, M]: ``marks[i, j] = 1`` and ``marks[j, i] = 0`` is i → j, both 1 is i — j. Beside it stand its
neighbour lists, ``near`` int64[M, M] and ``degree`` int64[M]. What is known of directions comes as ``knowledge``, uint8[M, M]:
``knowledge[i, j] = 0`` says that i → j is impossible. A completed graph (an MPDAG) has an edge directed exactly where every DAG
of the same skeleton and v-structures that obeys the knowledge directs it so; without knowledge it is the CPDAG.

Papers: Dor & Tarsi 1992 (extension), Meek 1995 (rules), Perkovic, Kalisch & Maathuis 2017 (paths in MPDAGs).
"""

from __future__ import annotations

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner


def link(near: np.ndarray, degree: np.ndarray, i: int, j: int) -> None:
    """Add j to the ascending neighbour list of i, and i to that of j."""
    for a, b in ((i, j), (j, i)):
        size = degree[a]
        place = near[a, :size].searchsorted(b)
        near[a, place + 1 : size + 1] = near[a, place:size].copy()
        near[a, place] = b
        degree[a] += 1


def unlink(near: np.ndarray, degree: np.ndarray, i: int, j: int) -> None:
    """Take j out of the neighbour list of i, and i out of that of j."""
    for a, b in ((i, j), (j, i)):
        size = degree[a]
        place = near[a, :size].searchsorted(b)
        near[a, place : size - 1] = near[a, place + 1 : size].copy()
        degree[a] -= 1


@kernel
def extend(marks: np.ndarray, near: np.ndarray, degree: np.ndarray, dag: np.ndarray, order: np.ndarray) -> bool:
    """Write a DAG with the skeleton, arrows and v-structures of the graph; False where there is none (Dor & Tarsi 1992).

    ``order`` int64[M] receives its nodes, every node after its children.
    """
    m = degree.shape[0]
    alive = np.empty(m, np.int64)
    pushes = m
    for v in range(m):
        alive[v] = 1
        pushes += degree[v]
    waiting = np.empty(pushes, np.int64)
    for v in range(m):
        waiting[v] = m - 1 - v
    top, done = m, 0
    while top > 0:
        top -= 1
        v = waiting[top]
        # A sink: no arrow leaves it, and its undirected neighbours are joined to all its other neighbours.
        sink = alive[v] != 0
        for k in range(degree[v]):
            w = near[v, k]
            if not sink:
                break
            if alive[w] and marks[v, w]:
                if not marks[w, v]:
                    sink = False
                for other in range(degree[v]):
                    u = near[v, other]
                    if alive[u] and u != w and not (marks[u, w] or marks[w, u]):
                        sink = False
        if not sink:
            continue
        alive[v] = 0
        order[done] = v
        done += 1
        for k in range(degree[v]):
            w = near[v, k]
            if alive[w]:
                dag[w, v], dag[v, w] = 1, 0
                waiting[top] = w  # only the removal of a neighbour can make a node a sink
                top += 1
    return done == m


@kernel
def complete(
    dag: np.ndarray, order: np.ndarray, near: np.ndarray, degree: np.ndarray, knowledge: np.ndarray, marks: np.ndarray
) -> None:
    """Write the completed graph of a DAG: v-structures and knowledge directed, then Meek's rules 1 to 4.

    ``order`` int64[M] has every node after its children: from its end, an arrow is met after most that may imply it.
    """
    for b in range(degree.shape[0]):
        for k in range(degree[b]):
            a = near[b, k]
            if not dag[a, b]:
                continue
            compelled = knowledge[b, a] == 0
            for other in range(degree[b]):
                c = near[b, other]
                if compelled:
                    break
                compelled = c != a and dag[c, b] != 0 and not (dag[a, c] or dag[c, a])
            marks[a, b], marks[b, a] = 1, not compelled
    changed = True
    while changed:
        changed = False
        for place in range(degree.shape[0] - 1, -1, -1):
            j = order[place]
            for k in range(degree[j]):
                i = near[j, k]
                if dag[i, j] and marks[j, i] and _implied(marks, near, degree, i, j):
                    marks[j, i], changed = 0, True


@inner
def _implied(marks: np.ndarray, near: np.ndarray, degree: np.ndarray, i: int, j: int) -> bool:
    """Whether one of Meek's rules turns i — j into i → j."""
    for first in range(degree[i]):
        k = near[i, first]
        joined = marks[k, j] != 0 or marks[j, k] != 0
        if not marks[i, k]:  # rule 1: k → i — j, with k, j apart
            if not joined and k != j:
                return True
            continue
        to_j = marks[k, j] != 0 and marks[j, k] == 0
        if not marks[k, i]:  # rule 2: i → k → j
            if to_j:
                return True
            continue
        for second in range(degree[j]):
            w = near[j, second]
            if marks[j, w] or not (marks[i, w] or marks[w, i]) or k == j:
                continue
            apart = marks[k, w] == 0 and marks[w, k] == 0
            if to_j and apart and w != k and marks[i, w] and marks[w, i]:  # rule 3: i — k → j and i — w → j, with k, w apart
                return True
            if not joined and marks[k, w] and not marks[w, k]:  # rule 4: i — k → w → j, with k, j apart and i, w joined
                return True
    return False


@inner
def reaches(
    marks: np.ndarray,
    near: np.ndarray,
    degree: np.ndarray,
    start: int,
    goal: int,
    barred: np.ndarray,
    informed: bool,
) -> bool:
    """Whether a path of edges i → j or i — j leads from start to goal past the barred nodes: a path in a DAG of the class.

    Where the graph is informed by knowledge, only a path without two joined nodes two steps apart is sure to be one in some
    DAG (Perkovic et al. 2017), so the search goes over arcs; in a CPDAG it may go over nodes.
    """
    m = degree.shape[0]
    begins = np.empty(m + 1, np.int64)
    begins[0] = 0
    for v in range(m):
        begins[v + 1] = begins[v] + degree[v]
    size = begins[m] if begins[m] > m else m
    seen, tails, heads = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    for k in range(size):
        seen[k] = 0
    tail, head = 0, -1
    u, v = start, start
    while head < tail:
        if head >= 0:
            u, v = tails[head], heads[head]
        head += 1
        for k in range(degree[v]):
            w = near[v, k]
            place = begins[v] + k if informed else w
            if not marks[v, w] or barred[w] or seen[place] or w == start:
                continue
            if informed and u != v and (marks[u, w] or marks[w, u]):
                continue
            if w == goal:
                return True
            seen[place] = 1
            tails[tail], heads[tail] = v, w
            tail += 1
    return False


@kernel
def descendants(marks: np.ndarray, near: np.ndarray, degree: np.ndarray, order: np.ndarray, below: np.ndarray) -> None:
    """Write bool[N, N] among the first N nodes: ``[i, j]`` = i is j, or a path of arrows leads from i to j.

    ``order`` int64[M] has every node after its children in a DAG of the class.
    """
    n = below.shape[0]
    for place in range(order.shape[0]):
        v = order[place]
        if v >= n:
            continue
        for x in range(n):
            below[v, x] = x == v
        for k in range(degree[v]):
            w = near[v, k]
            if marks[v, w] and not marks[w, v]:
                for x in range(n):
                    below[v, x] |= below[w, x]


@inner
def next_clique(marks: np.ndarray, pool: np.ndarray, m: int, chosen: np.ndarray, size: int, limit: int) -> int:
    """Move on to the next clique of ``pool[:m]``, depth first from the empty one; returns its size, -1 when all are done.

    ``chosen[:size]`` holds ascending positions in the pool; no clique has more than ``limit`` members.
    """
    start = chosen[size - 1] + 1 if size > 0 else 0
    while True:
        if size < limit:
            for position in range(start, m):
                fits = True
                for k in range(size):
                    i, j = pool[position], pool[chosen[k]]
                    fits &= marks[i, j] != 0 or marks[j, i] != 0
                if fits:
                    chosen[size] = position
                    return size + 1
        if size == 0:
            return -1
        size -= 1
        start = chosen[size] + 1
