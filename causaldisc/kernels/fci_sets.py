"""Separating sets in the presence of hidden variables: Possible-D-SEP, the edges it removes, and polls of separating sets.

Where hidden variables join others, two variables may be apart and yet no set of their neighbours separates them; a subset of the
Possible-D-SEP set of one of them does (Spirtes, Glymour & Scheines 2000, section 6.7; Colombo, Maathuis, Kalisch & Richardson
2012, "Learning high-dimensional directed acyclic graphs with latent and selection variables", Annals of Statistics 40).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from causaldisc.core.arrays import cells
from causaldisc.kernels.colliders import AMBIGUOUS, COLLIDER, NONCOLLIDER, RULES, _mark_open, _write_kinds
from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.separation import Neighbours, Tests, separate
from causaldisc.kernels.skeleton import Skeleton, _put

_CHUNK = 2048


class Layout(NamedTuple):
    """The neighbours of every variable, and room for what is known of every two of them with the variable in the middle.

    Attributes
    ----------
    near : the neighbours, all at lag 0.
    place : int32[N, N], place of the second among the neighbours of the first, -1 where they are not adjacent.
    offsets : int64[N + 1], with k neighbours, what is known of (a-th neighbour, z, b-th neighbour) stands at
        ``offsets[z] + a * k + b``.
    """

    near: Neighbours
    place: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, pairs: np.ndarray, variables: int) -> Layout:
        """Lay out adjacent pairs int[K, 2], each once.

        >>> Layout.of(np.array([[0, 1], [1, 2]]), 3).place.tolist()
        [[-1, 0, -1], [0, -1, 1], [-1, 0, -1]]
        """
        near = Neighbours.of(pairs, variables)
        place = np.full((variables, variables), -1, np.int32)
        middles = np.repeat(np.arange(variables), near.degrees)
        place[middles, near.flat] = np.arange(len(near.flat)) - near.starts[middles]
        return cls(near, place, np.concatenate([[0], np.cumsum(near.degrees**2)]))

    def unshielded(self) -> np.ndarray:
        """int[K, 2]: pairs that are not adjacent but have a neighbour in common, each once."""
        mark: Any = _mark_open
        wanted = np.zeros(self.place.shape, np.bool_)
        mark(*self.near, self.place, self.place >= 0, wanted)
        return np.stack(cells(wanted), axis=1)


class Ballot(NamedTuple):
    """The separating sets of K pairs: how many, int[K], and how many of them hold each column, int[K, M]."""

    pairs: np.ndarray
    found: np.ndarray
    holding: np.ndarray


class Polls:
    """Asks for all separating sets of pairs, by the majority or the conservative rule, and counts the tests.

    Attributes
    ----------
    made : tests made so far.
    complete : whether there was time for all of them.
    """

    def __init__(self, tests: Tests, rule: str, expired: Callable[[], bool], made: int = 0) -> None:
        self.tests, self.share, self.expired = tests, RULES[rule], expired
        self.made, self.complete = made, True

    def judge(self, layout: Layout, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Judge all unshielded triples by the sets of up to ``most`` neighbours of either end.

        Returns their kinds, int8 as laid out, and the pairs int[K, 2] that no such set separates: ambiguous for now.
        """
        kinds, open_ = np.zeros(int(layout.offsets[-1]), np.int8), [np.zeros((0, 2), np.int64)]
        for ballot, _ in self._ask(layout.near, layout.unshielded(), (0, most)):
            self._write(layout, ballot, kinds)
            open_.append(ballot.pairs[ballot.found == 0])
        return kinds, np.concatenate(open_)

    def judge_wide(self, layout: Layout, wide: Neighbours, most: int, kinds: np.ndarray, pairs: np.ndarray) -> None:
        """Judge in place the triples between pairs that no neighbours separate, by the smallest of wider sets that do."""
        for ballot in self._widen(wide, pairs, most):
            self._write(layout, ballot, kinds)

    def members(self, near: Neighbours, wide: Neighbours, most: tuple[int, int], pairs: np.ndarray) -> np.ndarray:
        """Return int8[K, N]: of each variable whether it is a collider between the ends of a pair, or a non-collider."""
        width = len(self.tests.cause)
        verdict, row = np.full((len(pairs), width), AMBIGUOUS, np.int8), np.full((width, width), -1)
        row[*pairs.T] = np.arange(len(pairs))
        open_ = [pairs[:0]]
        for ballot, _ in self._ask(near, pairs, (0, most[0])):
            verdict[row[*ballot.pairs.T]] = self._verdict(ballot)
            open_.append(ballot.pairs[ballot.found == 0])
        for ballot in self._widen(wide, np.concatenate(open_), most[1]):
            verdict[row[*ballot.pairs.T]] = self._verdict(ballot)
        return verdict

    def _widen(self, wide: Neighbours, pairs: np.ndarray, most: int) -> Iterator[Ballot]:
        for size in range(1, most + 1):
            left, enough = [pairs[:0]], False
            for ballot, more in self._ask(wide, pairs, (size, size)):
                some, enough = ballot.found > 0, enough or more
                left.append(ballot.pairs[~some])
                yield Ballot(ballot.pairs[some], ballot.found[some], ballot.holding[some])
            pairs = np.concatenate(left)
            if not enough:
                return

    def _ask(self, near: Neighbours, pairs: np.ndarray, sizes: tuple[int, int]) -> Iterator[tuple[Ballot, bool]]:
        for begin in range(0, len(pairs), _CHUNK):
            some = pairs[begin : begin + _CHUNK]
            before = np.zeros(len(some)), np.zeros(len(some))  # what the smallest statistic is plays no part here
            verdicts = separate(self.tests, near, some, sizes, False, before, self.expired)
            self.made += verdicts.tests
            self.complete &= verdicts.complete
            yield Ballot(some, verdicts.found, verdicts.holding), verdicts.enough

    def _write(self, layout: Layout, ballot: Ballot, kinds: np.ndarray) -> None:
        write: Any = _write_kinds
        write(*layout.near, layout.offsets, layout.place, *ballot, self.share, kinds)

    def _verdict(self, ballot: Ballot) -> np.ndarray:
        part = ballot.holding / np.maximum(ballot.found, 1)[:, None]
        kinds = np.where((part > 1.0 - self.share) | (part == 1.0), NONCOLLIDER, AMBIGUOUS)
        kinds = np.where((part < self.share) | (part == 0.0), COLLIDER, kinds)
        return np.where(ballot.found[:, None] > 0, kinds, AMBIGUOUS)


def possible_dsep(layout: Layout, kinds: np.ndarray, max_path: int | None = None) -> Neighbours:
    """Return the Possible-D-SEP set of every variable, its neighbours included, in the form of neighbours.

    They are what a path leads to on which every inner node is a collider, or may be one: its neighbours on the path are
    adjacent to each other, or the triple was judged ambiguous (with too much in a set, an edge is only tested too often).
    ``max_path`` is the largest number of edges of such a path.

    >>> layout = Layout.of(np.array([[0, 1], [1, 2]]), 3)
    >>> possible_dsep(layout, np.array([0, 0, 2, 2, 0, 0], np.int8)).degrees.tolist()
    [2, 2, 2]
    """
    fill: Any = _fill_possible_dsep
    members = np.zeros(layout.place.shape, np.bool_)
    fill(*layout.near, kinds, layout.offsets, layout.place, longest(max_path), members)
    return Neighbours(cells(members)[1], np.concatenate([[0], np.cumsum(members.sum(axis=1))]))


def longest(max_path: int | None) -> int:
    """The limit of a path's length as a number."""
    return 2**31 if max_path is None else max_path


def remove_wide(
    tests: Tests,
    skeleton: Skeleton,
    required: np.ndarray,
    near: Neighbours,
    wide: Neighbours,
    max_conditions: int | None,
    expired: Callable[[], bool],
) -> tuple[Skeleton, int, int]:
    """Remove the edges whose ends a subset of the Possible-D-SEP set of either separates; order plays no part.

    Parameters
    ----------
    required : bool[N, N], pairs that stay whatever the tests say.
    near, wide : the neighbours in the skeleton, and the Possible-D-SEP sets, which hold them.

    Returns
    -------
    The skeleton that is left, with statistics over all tests made of a pair and the tests by level as before; the tests made
    here; and the size of the largest sets.
    """
    grown = near.degrees < wide.degrees
    gone = np.zeros(len(skeleton.pairs), dtype=bool)
    x, y = skeleton.pairs.T
    in_question = (grown[x] | grown[y]) & ~required[x, y]
    statistic, strength = np.array(skeleton.statistic), np.array(skeleton.strength)
    made, size, complete = 0, 1, skeleton.complete
    while complete and (max_conditions is None or size <= max_conditions):
        at = np.flatnonzero(in_question & ~gone)
        pairs = skeleton.pairs[at]
        before = statistic[*pairs.T], strength[*pairs.T]
        found = separate(tests, wide, pairs, (size, size), True, before, expired)
        complete = found.complete
        if complete and not found.enough:
            break
        made += found.tests
        for array, new in ((statistic, found.statistic), (strength, found.strength)):
            _put(array, pairs[:, 0], pairs[:, 1], new)
        gone[at] = found.found > 0
        size += 1
    return Skeleton(skeleton.pairs[~gone], statistic, strength, skeleton.tests, complete), made, size - 1


@kernel
def _fill_possible_dsep(flat, starts, kinds, offsets, place, most, members):
    """Mark the Possible-D-SEP set of each variable in its row; a state is a step from a node into another."""
    n = len(members)
    owner = np.empty(len(flat), np.int64)
    for b in range(n):
        owner[starts[b] : starts[b + 1]] = b
    seen, queue, depth = np.empty(len(flat), np.bool_), np.empty(len(flat), np.int64), np.empty(len(flat), np.int64)
    for x in range(n):
        seen[:] = False
        head, tail = 0, 0
        for b in flat[starts[x] : starts[x + 1]]:
            members[x, b] = True
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
                if p == q or c == x or kinds[offsets[b] + p * degree + q] == NONCOLLIDER:
                    continue
                after = starts[c] + place[c, b]
                if not seen[after]:
                    seen[after], members[x, c] = True, True
                    queue[tail], depth[tail] = after, edges + 1
                    tail += 1
