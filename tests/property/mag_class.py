"""Markov equivalence classes of maximal ancestral graphs, by listing: no orientation rule is used.

``marks[i, j]`` is the mark at j of the edge between i and j: 0 none, 1 circle, 2 arrow, 3 tail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numba import njit

from causaldisc.kernels.duplicates import Groups
from causaldisc.kernels.fci import learn
from causaldisc.kernels.pc import Evidence

CIRCLE, ARROW, TAIL = 1, 2, 3


@njit
def _connected(marks, x, y, given):
    """Whether x and y are m-connected given the nodes of bool[N]: some walk has every collider in ``given`` or above it."""
    n = len(marks)
    above = given.copy()
    changed = True
    while changed:
        changed = False
        for i in range(n):
            for j in range(n):
                if above[j] and not above[i] and marks[i, j] == ARROW and marks[j, i] == TAIL:
                    above[i] = changed = True
    seen = np.zeros((n, 2), np.bool_)  # node, and whether the walk comes in by an arrowhead
    stack = [(x, -1)]
    while len(stack):
        v, into = stack.pop()
        for w in range(n):
            if marks[v, w] == 0:
                continue
            if into >= 0:
                collider = into == 1 and marks[w, v] == ARROW
                if (collider and not above[v]) or (not collider and given[v]):
                    continue
            if w == y:
                return True
            state = 1 if marks[v, w] == ARROW else 0
            if w != x and not seen[w, state]:
                seen[w, state] = True
                stack.append((w, state))
    return False


@njit
def independences(marks, shown, chosen):
    """bool[K, K, 2 ** K]: which of the first K = ``shown`` nodes sets of them (bits) and bool[N] ``chosen`` m-separate."""
    table = np.zeros((shown, shown, 1 << shown), np.bool_)
    given = np.empty(len(marks), np.bool_)
    for x in range(shown):
        for y in range(x):
            for bits in range(1 << shown):
                if bits >> x & 1 or bits >> y & 1:
                    continue
                given[:] = chosen
                for z in range(shown):
                    given[z] |= bits >> z & 1 == 1
                table[x, y, bits] = table[y, x, bits] = not _connected(marks, x, y, given)
    return table


def of_dag(dag):
    """The marks of bool[N, N], i → j."""
    return np.where(dag, ARROW, np.where(dag.T, TAIL, 0)).astype(np.int8)


def adjacencies(table):
    """Which pairs no set separates."""
    apart = table.any(axis=2)
    return ~apart & ~np.eye(len(apart), dtype=bool)


def ancestors(marks):
    """bool[N, N]: a directed path leads from i to j."""
    reach = (marks == ARROW) & (marks.T == TAIL)
    for k in range(len(reach)):
        reach = reach | np.outer(reach[:, k], reach[k])
    return reach


def is_ancestral(marks):
    above, undirected = ancestors(marks), (marks == TAIL) & (marks.T == TAIL)
    if np.diag(above).any() or (above & (marks.T == ARROW)).any():  # a directed cycle, or an arrowhead at an ancestor
        return False
    return not (undirected.any(axis=0) & (marks == ARROW).any(axis=0)).any()


def _colliders(marks, adjacent):
    n = len(marks)
    return {
        (x, z, y)
        for z in range(n)
        for x, y in combinations(np.flatnonzero(adjacent[z]), 2)
        if not adjacent[x, y] and marks[x, z] == ARROW and marks[y, z] == ARROW
    }


def members(table, undirected=False, admits=lambda marks: True):
    """All maximal ancestral graphs with these independences that a predicate admits."""
    adjacent, n = adjacencies(table), len(table)
    edges = [tuple(e) for e in np.argwhere(np.triu(adjacent))]
    # A collider in the middle of an unshielded triple is one that no separating set holds.
    triples = {
        (x, z, y): not table[x, y][[bits for bits in range(1 << n) if bits >> z & 1]].any()
        for z in range(n)
        for x, y in combinations(np.flatnonzero(adjacent[z]), 2)
        if not adjacent[x, y]
    }
    found, none = [], np.zeros(n, dtype=bool)
    kinds = [(TAIL, ARROW), (ARROW, TAIL), (ARROW, ARROW)] + ([(TAIL, TAIL)] if undirected else [])

    def grow(marks, k):
        if k == len(edges):
            if is_ancestral(marks) and admits(marks) and (independences(marks, n, none) == table).all():
                found.append(marks.copy())
            return
        i, j = edges[k]
        done = {frozenset(e) for e in edges[: k + 1]}
        for at_i, at_j in kinds:
            marks[j, i], marks[i, j] = at_i, at_j
            sound = all(
                (marks[x, z] == ARROW and marks[y, z] == ARROW) == collider
                for (x, z, y), collider in triples.items()
                if {i, j} in ({x, z}, {y, z}) and {frozenset((x, z)), frozenset((y, z))} <= done
            )
            if sound:
                grow(marks, k + 1)
        marks[j, i] = marks[i, j] = 0

    grow(np.zeros((n, n), np.int8), 0)
    return found


def common(graphs):
    """The marks that all graphs of a class share, and circles elsewhere: the partial ancestral graph."""
    first = graphs[0]
    same = np.all([g == first for g in graphs], axis=0)
    return np.where(same, first, CIRCLE).astype(np.int8)


def random_dag(rng, d, share):
    order = rng.permutation(d)
    return np.triu(rng.random((d, d)) < share, 1)[np.ix_(order, order)]


@dataclass(frozen=True, eq=False)
class Oracle:
    """Tests that know all independences: the statistic is 1 where x and y are connected given a set, else 0."""

    table: np.ndarray
    cause: np.ndarray
    critical: float = 0.5
    cost: float = 1.0

    def under(self, cause):
        return replace(self, cause=cause)

    def of(self, columns):
        raise AssertionError("no duplicates here")

    def marginal(self, variables):
        statistic = (~self.table[:, :, 0]).astype(float)
        return statistic, np.array(statistic), np.ones(statistic.shape, dtype=bool)

    def log_p(self, statistic):
        return -statistic

    def judge(self, neighbours, pairs, sizes, first, results, *more):
        (flat, starts), (found, holding, best), made, enough = neighbours, results, 0, False
        for k, (x, y) in enumerate(pairs.tolist()):
            seen = set()
            for size in range(sizes[0], sizes[1] + 1):
                for end, other in ((x, y), (y, x)):
                    near = flat[starts[end] : starts[end + 1]].tolist()
                    pool = [z for z in near if z != other and (self.cause[z, end] or self.cause[z, other])]
                    enough = enough or (len(pool) >= size == sizes[1] and not (first and found[k]))
                    for given in map(frozenset, combinations(pool, size)):
                        if given in seen or (first and found[k]):
                            continue
                        seen.add(given)
                        made += 1
                        apart = self.table[x, y, sum(1 << z for z in given)]
                        best[k, 0] = min(best[k, 0], float(not apart))
                        found[k] += apart
                        if apart and not first:
                            holding[k, list(given)] += 1
        return made, enough


def found_by_fci(table, allowed=None, required=None, **more):
    """What FCI finds where the tests know all."""
    n = len(table)
    every = np.ones((n, n), dtype=bool)
    evidence = Evidence(every.astype(float), 1e9 * every, Groups(np.arange(n), np.arange(n)), Oracle(table, every), 0.0)
    return learn(evidence, every if allowed is None else allowed, ~every if required is None else required, **more)
