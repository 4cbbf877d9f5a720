"""Polls of separating sets: of all sets of neighbours, or, where hidden variables leave those without any, of wider ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from causaldisc.kernels.colliders import AMBIGUOUS, COLLIDER, NONCOLLIDER, RULES, _write_kinds
from causaldisc.kernels.fci_dsep import PossibleDsep, batches
from causaldisc.kernels.fci_layout import Layout
from causaldisc.kernels.separation import Neighbours, Tests, separate

_CHUNK = 2048


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

    def judge_wide(self, layout: Layout, wide: PossibleDsep, most: int, kinds: np.ndarray, pairs: np.ndarray) -> None:
        """Judge in place the triples between pairs that no neighbours separate, by the smallest of wider sets that do."""
        for ballot in self._widen(wide, pairs, most):
            self._write(layout, ballot, kinds)

    def members(self, near: Neighbours, wide: PossibleDsep, most: tuple[int, int], pairs: np.ndarray) -> np.ndarray:
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

    def _widen(self, wide: PossibleDsep, pairs: np.ndarray, most: int) -> Iterator[Ballot]:
        for begin in range(0, len(pairs), _CHUNK):
            some = pairs[begin : begin + _CHUNK]
            for at, sets in batches(some, wide.of(some)):
                left = some[at]
                for size in range(1, most + 1):
                    for ballot, enough in self._ask(sets, left, (size, size)):
                        apart = ballot.found > 0
                        left = ballot.pairs[~apart] if enough else left[:0]
                        yield Ballot(ballot.pairs[apart], ballot.found[apart], ballot.holding[apart])

    def _ask(self, near: Neighbours, pairs: np.ndarray, sizes: tuple[int, int]) -> Iterator[tuple[Ballot, bool]]:
        """Give the sets of pairs in portions, and whether any pair had columns enough for the largest."""
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
