"""Marks for a skeleton where variables may be hidden: what the prior settles, colliders, and Zhang's rules.

None of it depends on order: every step finds all that follows from the marks as they stand and then writes it at once. A circle
that is to be arrowhead and tail at the same time stays a circle for good, and so does a tail that would close a directed cycle:
there the data contradict themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from causaldisc.kernels.colliders import COLLIDER, NONCOLLIDER
from causaldisc.kernels.fci_layout import Layout
from causaldisc.kernels.fci_rules import (
    ARROW,
    CIRCLE,
    TAIL,
    WANT_ARROW,
    WANT_TAIL,
    discriminating,
    propose_colliders,
    propose_far,
    propose_near,
)
from causaldisc.kernels.orientation import on_cycles


def closure(allowed: np.ndarray, required: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return bool[N, N] of who may be, and who must be, a cause of whom, directly or through others.

    Parameters
    ----------
    allowed : bool[N, N], ``[i, j]`` says that the prior lets i be a cause of j.
    required : bool[N, N], direct causes; they form no cycle.

    A cause of a cause is a cause, and so what is ruled out for the effect of z is ruled out for z.

    >>> required, allowed = np.zeros((2, 3, 3), dtype=bool)
    >>> required[0, 1], allowed[:] = True, ~np.eye(3, dtype=bool)
    >>> allowed[2, 1] = False
    >>> closure(allowed, required)[0].tolist()
    [[False, True, True], [False, False, True], [False, False, False]]
    """
    reach = required | np.eye(len(required), dtype=bool)
    for _ in range(max(len(required) - 1, 1).bit_length()):
        reach = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
    blocked = ~allowed | np.eye(len(allowed), dtype=bool)
    ways = reach.astype(np.float32).T
    causes = reach & ~np.eye(len(reach), dtype=bool)
    return ~((ways @ blocked.astype(np.float32) @ ways) > 0) | causes, causes


def settle(adjacent: np.ndarray, possible: np.ndarray, causes: np.ndarray) -> np.ndarray:
    """Return int8[N, N] marks of a skeleton, circles but for what :func:`closure` says.

    An arrowhead stands at i, on its edge to j, where i is no cause of j; a tail where it is one.

    >>> pair, none = np.array([[0, 1], [1, 0]], dtype=bool), np.zeros((2, 2), dtype=bool)
    >>> settle(pair, np.array([[0, 1], [0, 0]], dtype=bool), none).tolist()
    [[0, 2], [1, 0]]
    """
    marks = np.where(possible.T, np.where(causes.T, TAIL, CIRCLE), ARROW)
    return np.where(adjacent, marks, 0).astype(np.int8)


def orient(
    marks: np.ndarray,
    layout: Layout,
    kinds: np.ndarray,
    members: Callable[[np.ndarray], np.ndarray],
    selection: bool = False,
    longest: int = 2**31,
) -> tuple[np.ndarray, int]:
    """Return marks with colliders and Zhang's rules applied to the circles, and the number of circles left by contradiction.

    The directed edges of the result form no cycle when those of ``marks`` form none.

    Parameters
    ----------
    marks : int8[N, N] from :func:`settle`.
    kinds : int8, unshielded triples as laid out; an ambiguous one is no premise of any rule.
    members : tells for pairs int[K, 2] of every variable whether it is a collider between them, int8[K, N]; asked about the
        ends of discriminating paths.
    selection : whether rows may have been selected by the variables: R5 to R7, and edges with tails at both ends.
    longest : number of edges that discriminating paths may have.
    """
    marks, frozen = np.array(marks), np.zeros(marks.shape, dtype=bool)
    flat, starts = layout.near
    paths = _Discriminating(layout, members, longest)

    def step(rule: Callable[..., Any], *more: Any) -> bool:
        want = np.zeros(marks.shape, np.uint8)
        rule(marks, flat, starts, kinds, layout.offsets, *more, want)
        return _write(marks, want, frozen, selection)

    step(propose_colliders)
    while step(propose_near, selection) or step(paths.propose) or step(propose_far, layout.place, selection):
        pass
    return marks, int(frozen.sum())


class _Discriminating:
    """R4, with what was asked about the ends of discriminating paths kept."""

    def __init__(self, layout: Layout, members: Callable[[np.ndarray], np.ndarray], longest: int) -> None:
        self.layout, self.members, self.longest = layout, members, longest
        self.row = np.full(layout.place.shape, -1, np.int64)
        self.verdicts = np.zeros((0, len(layout.place)), np.int8)

    def propose(self, marks: np.ndarray, flat: np.ndarray, starts: np.ndarray, _kinds: Any, _at: Any, want: np.ndarray) -> None:
        """Mark what follows from discriminating paths t, …, a, b, c: b → c, or else a ↔ b ↔ c."""
        walk: Any = discriminating
        quads = np.zeros((0, 4), np.int64)
        count = walk(marks, flat, starts, self.layout.place, self.longest, quads)
        if not count:
            return
        quads = np.zeros((count, 4), np.int64)
        walk(marks, flat, starts, self.layout.place, self.longest, quads)
        t, a, b, c = quads.T
        self._ask(np.unique(np.sort(quads[:, [0, 3]], axis=1), axis=0))
        kind = self.verdicts[self.row[np.minimum(t, c), np.maximum(t, c)], b]
        out, into = kind == NONCOLLIDER, (kind == COLLIDER) & (marks[a, b] != TAIL) & (marks[b, c] != TAIL)
        for i, j, bit in ((c[out], b[out], WANT_TAIL), (b[out], c[out], WANT_ARROW), (a[into], b[into], WANT_ARROW)):
            want[i, j] |= bit
        want[c[into], b[into]] |= WANT_ARROW
        want[b[into], c[into]] |= WANT_ARROW

    def _ask(self, pairs: np.ndarray) -> None:
        fresh = pairs[self.row[*pairs.T] < 0]
        if len(fresh):
            self.row[*fresh.T] = len(self.verdicts) + np.arange(len(fresh))
            self.verdicts = np.concatenate([self.verdicts, self.members(fresh)])


def _write(marks: np.ndarray, want: np.ndarray, frozen: np.ndarray, selection: bool) -> bool:
    """Write what is wanted of the circles that are not frozen; freeze those that cannot be. Return whether a mark changed."""
    open_ = (marks == CIRCLE) & (want > 0) & ~frozen
    if not open_.any():
        return False
    before, clash = np.array(marks), open_ & (want == (WANT_ARROW | WANT_TAIL))
    arrows, tails = open_ & (want == WANT_ARROW), open_ & (want == WANT_TAIL)
    marks[arrows], marks[tails] = ARROW, TAIL
    # Only selection makes a tail opposite a mark that is no arrowhead.
    loose = tails & (marks.T != ARROW) if not selection else np.zeros_like(tails)
    marks[loose] = CIRCLE
    directed = (marks == ARROW) & (marks.T == TAIL)
    closed = on_cycles(directed) & ~((before == ARROW) & (before.T == TAIL))
    lost = (closed.T & tails) | (closed & arrows & ~tails.T)
    marks[lost] = CIRCLE
    frozen |= clash | loose | lost
    return bool((marks != before).any())
