"""Possible-D-SEP sets, and the edges that they remove.

Where hidden variables join others, two variables may be apart and yet no set of their neighbours separates them; a subset of the
Possible-D-SEP set of one of them does (Spirtes, Glymour & Scheines 2000, section 6.7; Colombo, Maathuis, Kalisch & Richardson
2012, "Learning high-dimensional directed acyclic graphs with latent and selection variables", Annals of Statistics 40).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from causaldisc.core.arrays import cells
from causaldisc.kernels.colliders import NONCOLLIDER
from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.fci_layout import Layout
from causaldisc.kernels.separation import Neighbours, Tests, separate
from causaldisc.kernels.skeleton import Skeleton, _put


@dataclass(frozen=True, eq=False)
class PossibleDsep:
    """The Possible-D-SEP sets of pairs in a skeleton whose unshielded triples were judged.

    That of x, from y, is what a path leads to on which every inner node is a collider, or may be one: its neighbours on the path
    are adjacent to each other, or the triple was judged ambiguous (with too much in a set, a pair is only tested too often).
    All its nodes may be causes of x or y, and y is not on it: were it, the path would make the two inseparable.

    Attributes
    ----------
    kinds : int8 as laid out, see :class:`causaldisc.kernels.fci_layout.Layout`.
    cause : bool[N, N], whether the first may be a cause of the second.
    longest : the largest number of edges of a path.

    >>> chain = Layout.of(np.array([[0, 1], [1, 2]]), 3)
    >>> PossibleDsep(chain, np.array([0, 0, 2, 2, 0, 0], np.int8), np.ones((3, 3), dtype=bool), 9).of(np.array([[0, 1]])).tolist()
    [[[False, False, False], [False, False, True]]]
    """

    layout: Layout
    kinds: np.ndarray
    cause: np.ndarray
    longest: int

    def of(self, pairs: np.ndarray) -> np.ndarray:
        """Return bool[K, 2, N], the sets of the first and of the second of each pair int[K, 2]."""
        x, y = pairs.T
        return self._fill(pairs, (self.cause[:, x] | self.cause[:, y]).T)

    def between(self, pairs: np.ndarray) -> np.ndarray:
        """Return the same of adjacent pairs, of what lies on some other way between the two."""
        x, y = pairs.T
        return self._fill(pairs, self._blocks[self._block[x, y]] & (self.cause[:, x] | self.cause[:, y]).T)

    def _fill(self, pairs: np.ndarray, within: np.ndarray) -> np.ndarray:
        fill: Any = _fill_sets
        sets = np.zeros((len(pairs), 2, len(self.cause)), np.bool_)
        layout, pairs = self.layout, np.ascontiguousarray(pairs)
        fill(*layout.near, self.kinds, layout.offsets, layout.place, pairs, np.ascontiguousarray(within), self.longest, sets)
        return sets

    @cached_property
    def _block(self) -> np.ndarray:
        """int[N, N], the biconnected component of each edge, 0 for one that is a bridge."""
        return self._components[0]

    @cached_property
    def _blocks(self) -> np.ndarray:
        """bool[B, N], the nodes of each component; none of the first."""
        return self._components[1]

    @cached_property
    def _components(self) -> tuple[np.ndarray, np.ndarray]:
        import networkx as nx

        adjacent = self.layout.place >= 0
        number, nodes = np.zeros(adjacent.shape, np.int64), [np.zeros(len(adjacent), dtype=bool)]
        skeleton = nx.from_numpy_array(adjacent)
        for edges in nx.biconnected_component_edges(skeleton):
            i, j = np.array(list(edges)).T
            if len(i) > 1:
                number[i, j] = number[j, i] = len(nodes)
                nodes.append(np.bincount(np.concatenate([i, j]), minlength=len(adjacent)) > 0)
        return number, np.array(nodes)


def batches(pairs: np.ndarray, sets: np.ndarray) -> Iterator[tuple[np.ndarray, Neighbours]]:
    """Part pairs so that no two of a batch share an end, and give the sets of each batch in the form of neighbours.

    Parameters
    ----------
    sets : bool[K, 2, N], for each end of a pair.
    """
    used: list[set[int]] = [set() for _ in range(sets.shape[2])]
    members: list[list[int]] = []
    for k, (x, y) in enumerate(pairs.tolist()):
        number = next(b for b in range(len(members) + 1) if b not in used[x] and b not in used[y])
        if number == len(members):
            members.append([])
        members[number].append(k)
        used[x].add(number)
        used[y].add(number)
    for batch in members:
        at = np.array(batch)
        rows = np.zeros((sets.shape[2],) * 2, dtype=bool)
        rows[pairs[at, 0]], rows[pairs[at, 1]] = sets[at, 0], sets[at, 1]
        yield at, Neighbours(cells(rows)[1], np.concatenate([[0], np.cumsum(rows.sum(axis=1))]))


def remove_by_dsep(
    tests: Tests,
    skeleton: Skeleton,
    required: np.ndarray,
    wide: PossibleDsep,
    max_conditions: int | None,
    expired: Callable[[], bool],
) -> tuple[Skeleton, int, int]:
    """Remove the edges whose ends a subset of the Possible-D-SEP set of either separates; order plays no part.

    Parameters
    ----------
    required : bool[N, N], pairs that stay whatever the tests say.

    Returns
    -------
    The skeleton that is left, with statistics over all tests made of a pair and the tests by level as before; the tests made
    here; and the size of the largest sets.
    """
    if not skeleton.complete:
        return skeleton, 0, 0
    asked = np.flatnonzero(~required[*skeleton.pairs.T])
    pairs, near = skeleton.pairs[asked], wide.layout.place >= 0
    sets = wide.between(pairs)
    # A set within the neighbours of an end was tried before.
    sets &= (sets & ~near[pairs]).any(axis=2, keepdims=True)
    in_question = sets.any(axis=(1, 2))
    asked, pairs, sets = asked[in_question], pairs[in_question], sets[in_question]
    best = np.stack([skeleton.statistic[*pairs.T], skeleton.strength[*pairs.T]], axis=1)
    gone, made, size, complete, parts = np.zeros(len(pairs), dtype=bool), 0, 0, True, list(batches(pairs, sets))
    while complete and (max_conditions is None or size < max_conditions):
        enough = False
        for at, neighbours in parts:
            left = at[~gone[at]]
            level = (size + 1, size + 1)
            found = separate(tests, neighbours, pairs[left], level, True, (best[left, 0], best[left, 1]), expired)
            best[left, 0], best[left, 1] = found.statistic, found.strength
            gone[left], made = found.found > 0, made + found.tests
            complete, enough = complete and found.complete, enough or found.enough
        if not enough:
            break
        size += 1
    statistic, strength = np.array(skeleton.statistic), np.array(skeleton.strength)
    for array, new in ((statistic, best[:, 0]), (strength, best[:, 1])):
        _put(array, pairs[:, 0], pairs[:, 1], new)
    return Skeleton(np.delete(skeleton.pairs, asked[gone], axis=0), statistic, strength, skeleton.tests, complete), made, size


@kernel
def _fill_sets(flat, starts, kinds, offsets, place, pairs, within, most, sets):
    """Mark the Possible-D-SEP sets of pairs; a state is a step from a node into another."""
    n = len(place)
    owner = np.empty(len(flat), np.int64)
    for b in range(n):
        owner[starts[b] : starts[b + 1]] = b
    seen, queue, depth = np.empty(len(flat), np.bool_), np.empty(len(flat), np.int64), np.empty(len(flat), np.int64)
    for k in range(len(pairs)):
        for side in range(2):
            x, y = pairs[k, side], pairs[k, 1 - side]
            seen[:] = False
            head, tail = 0, 0
            for b in flat[starts[x] : starts[x + 1]]:
                if b != y and within[k, b]:
                    sets[k, side, b] = True
                    queue[tail], depth[tail] = starts[b] + place[b, x], 1
                    tail += 1
            while head < tail:
                state, edges = queue[head], depth[head]
                head += 1
                if edges >= most:
                    break
                b = owner[state]
                degree, p = starts[b + 1] - starts[b], state - starts[b]
                for q in range(degree):
                    c = flat[starts[b] + q]
                    blocked = kinds[offsets[b] + p * degree + q] == NONCOLLIDER or not within[k, c]
                    if blocked or p == q or c in (x, y):
                        continue
                    after = starts[c] + place[c, b]
                    if not seen[after]:
                        seen[after], sets[k, side, c] = True, True
                        queue[tail], depth[tail] = after, edges + 1
                        tail += 1
