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
    alive = np.empty(m, np.uint8)
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
def complete(dag: np.ndarray, near: np.ndarray, degree: np.ndarray, knowledge: np.ndarray, marks: np.ndarray) -> None:
    """Write the completed graph of a DAG: v-structures and knowledge directed, then Meek's rules 1 to 4."""
    edges, tail = 0, np.int64(0)
    for v in range(degree.shape[0]):
        edges += degree[v]
    queue = np.empty((edges, 2), np.int64)
    for b in range(degree.shape[0]):
        for k in range(degree[b]):
            a = near[b, k]
            if dag[a, b]:
                compelled = knowledge[b, a] == 0
                for other in range(degree[b]):
                    if compelled:
                        break
                    c = near[b, other]
                    compelled = c != a and dag[c, b] != 0 and not (dag[a, c] or dag[c, a])
                marks[a, b], marks[b, a] = 1, not compelled
                if compelled:
                    queue[tail, 0], queue[tail, 1] = a, b
                    tail += 1
    close(marks, near, degree, queue, tail)


@kernel(no_cpython_wrapper=True)
def close(marks: np.ndarray, near: np.ndarray, degree: np.ndarray, queue: np.ndarray, tail: int) -> int:
    """Apply Meek's rules around every queued arrow and every arrow that follows; returns how many were queued in all.

    ``queue`` int64[edges, 2] holds an arrow a → b a row, ``tail`` of them at the start.
    """
    loose = np.empty(degree.shape[0], np.int64)  # undirected edges at each node: every rule needs one at a or b
    for v in range(degree.shape[0]):
        loose[v] = 0
        for k in range(degree[v]):
            loose[v] += marks[v, near[v, k]] and marks[near[v, k], v]
    head = 0
    while head < tail:
        a, b = queue[head, 0], queue[head, 1]
        head += 1
        if loose[a] == 0 and loose[b] == 0:
            continue
        for k in range(degree[b]):
            c = near[b, k]
            if c == a:
                continue
            apart = not (marks[a, c] or marks[c, a])
            if apart:
                tail = _direct(marks, b, c, loose, queue, tail)  # rule 1: a → b — c
            elif marks[b, c] and not marks[c, b]:
                tail = _direct(marks, a, c, loose, queue, tail)  # rule 2: a → b → c
            into_b, out_of_b = marks[c, b] and not marks[b, c], marks[b, c] and not marks[c, b]
            if apart and (into_b or out_of_b):
                # Rule 3: d — a → b and d — c → b give d → b. Rule 4: d — a → b → c with d, b joined gives d → c.
                for other in range(degree[a]):
                    d = near[a, other]
                    if d != b and marks[d, a] and marks[a, d] and (marks[d, b] or marks[b, d]):
                        if out_of_b:
                            tail = _direct(marks, d, c, loose, queue, tail)
                        elif marks[d, c] and marks[c, d]:
                            tail = _direct(marks, d, b, loose, queue, tail)
        for k in range(degree[a]):
            c = near[a, k]
            if c == b or not marks[c, a] or marks[a, c]:
                continue
            if marks[c, b] or marks[b, c]:
                tail = _direct(marks, c, b, loose, queue, tail)  # rule 2: c → a → b
                continue
            for other in range(degree[c]):  # rule 4 again, with c → a → b: d — c, d and a joined, gives d → b
                d = near[c, other]
                if d != a and marks[d, c] and marks[c, d] and (marks[d, a] or marks[a, d]):
                    tail = _direct(marks, d, b, loose, queue, tail)
    return tail


@kernel(no_cpython_wrapper=True)
def _direct(marks: np.ndarray, i: int, j: int, loose: np.ndarray, queue: np.ndarray, tail: int) -> int:
    """Turn i — j into i → j and queue it; anything else stays. Returns the new end of the queue."""
    if not (marks[i, j] and marks[j, i]):
        return tail
    marks[j, i] = 0
    loose[i] -= 1
    loose[j] -= 1
    queue[tail, 0], queue[tail, 1] = i, j
    return tail + 1


@kernel(no_cpython_wrapper=True)
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
    seen = np.empty(max(m, begins[m]), np.uint8)
    for k in range(seen.shape[0]):
        seen[k] = 0
    arcs = np.empty((begins[m], 2), np.int64)
    tail, head = 0, -1
    u, v = start, start
    while head < tail:
        if head >= 0:
            u, v = arcs[head, 0], arcs[head, 1]
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
            arcs[tail, 0], arcs[tail, 1] = v, w
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


@kernel(no_cpython_wrapper=True)
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
