"""The orientation rules of FCI on marks: Zhang (2008), "On the completeness of orientation rules for causal discovery in the
presence of latent confounders and selection bias", Artificial Intelligence 172, rules R0 to R10.

``marks[i, j]`` is the mark at j of the edge between i and j: 0 where there is none, else circle, arrow or tail. A kernel marks in
``want`` what follows from the marks as they stand; it writes none of them, so that order plays no part. Of an unshielded triple
a rule takes for granted that it is no collider only where the triple was judged so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from causaldisc.kernels.colliders import COLLIDER, NONCOLLIDER
from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner

CIRCLE, ARROW, TAIL = 1, 2, 3
# Bits of ``want``.
WANT_ARROW, WANT_TAIL = 1, 2


@kernel
def propose_colliders(marks, flat, starts, kinds, offsets, want):
    """R0: arrowheads into the middle of unshielded colliders, where no tail stands against them."""
    for b in range(len(marks)):
        degree = starts[b + 1] - starts[b]
        for p in range(degree):
            a = flat[starts[b] + p]
            for q in range(p + 1, degree):
                c = flat[starts[b] + q]
                if kinds[offsets[b] + p * degree + q] == COLLIDER and marks[a, b] != TAIL and marks[c, b] != TAIL:
                    want[a, b] |= WANT_ARROW
                    want[c, b] |= WANT_ARROW


@kernel
def propose_near(marks, flat, starts, kinds, offsets, selection, want):
    """R1 to R3 and R8, and with selection R6 and R7: rules about a middle and two or three of its neighbours."""
    for b in range(len(marks)):
        degree = starts[b + 1] - starts[b]
        for p in range(degree):
            a = flat[starts[b] + p]
            into, out = marks[a, b], marks[b, a]
            for q in range(degree):
                c = flat[starts[b] + q]
                if p == q:
                    continue
                solid = kinds[offsets[b] + p * degree + q] == NONCOLLIDER
                if marks[c, b] == CIRCLE:
                    if solid and into == ARROW:  # R1: a *→ b o-* c
                        want[c, b] |= WANT_TAIL
                        want[b, c] |= WANT_ARROW
                    elif selection and out == TAIL and (into == TAIL or (solid and into == CIRCLE)):
                        want[c, b] |= WANT_TAIL  # R6: a — b o-* c; R7: a -o b o-* c
                if marks[b, c] == ARROW:
                    back = marks[c, b] == TAIL
                    if marks[a, c] == CIRCLE and into == ARROW and (out == TAIL or back):
                        want[a, c] |= WANT_ARROW  # R2: a → b *→ c, or a *→ b → c
                    elif marks[a, c] == ARROW and marks[c, a] == CIRCLE and out == TAIL and into != TAIL and back:
                        want[c, a] |= WANT_TAIL  # R8: a → b → c, or a -o b → c
                if solid and p < q and into == CIRCLE and marks[c, b] == CIRCLE:
                    for r in range(degree):
                        d = flat[starts[b] + r]
                        if marks[b, d] == CIRCLE and marks[a, d] == ARROW and marks[c, d] == ARROW:
                            want[b, d] |= WANT_ARROW  # R3: a *→ d ←* c, a *-o b o-* c, b *-o d


@kernel
def propose_far(marks, flat, starts, kinds, offsets, place, selection, want):
    """R9 and R10, and with selection R5: rules about uncovered paths."""
    n = len(marks)
    owner = np.empty(len(flat), np.int64)
    for b in range(n):
        owner[starts[b] : starts[b + 1]] = b
    seen, queue, parents = np.empty(len(flat), np.bool_), np.empty(len(flat), np.int64), np.empty(n, np.int64)
    for a in range(n):
        degree = starts[a + 1] - starts[a]
        open_, circles = False, False
        for q in range(degree):
            c = flat[starts[a] + q]
            open_ |= marks[c, a] == CIRCLE and marks[a, c] == ARROW
            circles |= marks[c, a] == CIRCLE and marks[a, c] == CIRCLE
        if selection and circles:
            _propose_cycles(marks, flat, starts, kinds, offsets, place, a, owner, seen, queue, want)
        if not open_:
            continue
        reached = np.zeros((degree, n), np.bool_)
        for p in range(degree):
            m = flat[starts[a] + p]
            if marks[m, a] != ARROW and marks[a, m] != TAIL:
                _walk(marks, flat, starts, kinds, offsets, place, a, m, False, owner, seen, queue, reached[p])
        for q in range(degree):
            c = flat[starts[a] + q]
            if marks[c, a] == CIRCLE and marks[a, c] == ARROW:
                count = 0
                for k in range(starts[c], starts[c + 1]):
                    if marks[flat[k], c] == ARROW and marks[c, flat[k]] == TAIL:
                        parents[count] = flat[k]
                        count += 1
                if _is_cause(kinds, offsets[a], degree, q, c, reached, parents[:count]):
                    want[c, a] |= WANT_TAIL


@inner
def _is_cause(kinds: Any, offset: Any, degree: Any, q: Any, c: Any, reached: Any, parents: Any) -> bool:
    """Whether R9 or R10 puts a tail at the node that paths come from, on its edge to its q-th neighbour c."""
    for p in range(degree):
        if reached[p, c] and kinds[offset + p * degree + q] == NONCOLLIDER:
            return True  # R9: an uncovered path by way of the p-th neighbour, which is not beside c
        if p == q or not _meets(reached[p], parents):
            continue
        for other in range(p + 1, degree):
            if other != q and kinds[offset + p * degree + other] == NONCOLLIDER and _meets(reached[other], parents):
                return True  # R10: two that part at once, each to a parent of c
    return False


@inner
def _meets(reached: Any, nodes: Any) -> bool:
    for node in nodes:  # noqa: SIM110 (compiled)
        if reached[node]:
            return True
    return False


@inner
def _walk(
    marks: Any, flat: Any, starts: Any, kinds: Any, offsets: Any, place: Any, a: Any, m: Any, circles: bool, owner: Any,
    seen: Any, queue: Any, reached: Any,
) -> None:  # fmt: skip
    """Note all nodes that uncovered paths a, m, … reach which may be directed (or have circles only), not back through a.

    A state is a step into a node, ``starts[node]`` and the place of the node before among its neighbours. A walk that comes by
    a node twice proves as much as a path: from its first arrowhead on it is directed, and the class has no directed cycle.
    """
    seen[:] = False
    queue[0] = starts[m] + place[m, a]
    seen[queue[0]], reached[m] = True, True
    head, tail = 0, 1
    while head < tail:
        state = queue[head]
        head += 1
        b = owner[state]
        degree, p = starts[b + 1] - starts[b], state - starts[b]
        for q in range(degree):
            c = flat[starts[b] + q]
            if c == a or kinds[offsets[b] + p * degree + q] != NONCOLLIDER:
                continue
            if marks[c, b] == ARROW or marks[b, c] == TAIL or (circles and (marks[c, b] != CIRCLE or marks[b, c] != CIRCLE)):
                continue
            after = starts[c] + place[c, b]
            if not seen[after]:
                seen[after], reached[c] = True, True
                queue[tail] = after
                tail += 1


@inner
def _propose_cycles(
    marks: Any, flat: Any, starts: Any, kinds: Any, offsets: Any, place: Any, a: Any, owner: Any, seen: Any, queue: Any, want: Any
) -> None:
    """R5: tails on an edge a o-o c that closes an uncovered path of circles; the other edges of it come from their own ends."""
    degree, reached = starts[a + 1] - starts[a], np.zeros(len(marks), np.bool_)
    for p in range(degree):
        m = flat[starts[a] + p]
        if marks[m, a] != CIRCLE or marks[a, m] != CIRCLE:
            continue
        _walk(marks, flat, starts, kinds, offsets, place, a, m, True, owner, seen, queue, reached)
        for q in range(degree):
            c = flat[starts[a] + q]
            if marks[c, a] != CIRCLE or marks[a, c] != CIRCLE or kinds[offsets[a] + p * degree + q] != NONCOLLIDER:
                continue
            around, back = starts[c + 1] - starts[c], place[c, a]
            for k in range(around):
                if seen[starts[c] + k] and kinds[offsets[c] + k * around + back] == NONCOLLIDER:
                    want[a, c] |= WANT_TAIL
                    want[c, a] |= WANT_TAIL


@kernel
def discriminating(marks, flat, starts, place, longest, quads):
    """List discriminating paths t, …, a, b, c for b with a circle at b towards c, as far as ``quads`` int[K, 4] has room.

    Every node between t and b is a collider on the path and a parent of c, and t is not beside c; ``longest`` is their largest
    number of edges. Returns how many (t, a, b, c) there are.
    """
    n, count = len(marks), 0
    queue, depth, seen = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.bool_)
    for c in range(n):
        for i in range(starts[c], starts[c + 1]):
            b = flat[i]
            if marks[c, b] != CIRCLE:
                continue
            for k in range(starts[b], starts[b + 1]):
                a = flat[k]
                if a == c or marks[b, a] != ARROW or marks[a, c] != ARROW or marks[c, a] != TAIL:
                    continue
                seen[:] = False
                seen[a], seen[b], seen[c] = True, True, True
                queue[0], depth[0] = a, 3  # edges of the path, once it has one node more
                head, tail = 0, 1
                while head < tail:
                    v, edges = queue[head], depth[head]
                    head += 1
                    if edges > longest:
                        break
                    for w in flat[starts[v] : starts[v + 1]]:
                        if seen[w] or marks[w, v] != ARROW:
                            continue
                        if place[c, w] < 0:
                            seen[w] = True
                            if count < len(quads):
                                quads[count, 0], quads[count, 1], quads[count, 2], quads[count, 3] = w, a, b, c
                            count += 1
                        elif marks[v, w] == ARROW and marks[w, c] == ARROW and marks[c, w] == TAIL:
                            seen[w] = True
                            queue[tail], depth[tail] = w, edges + 1
                            tail += 1
    return count
