"""Unshielded triples of a skeleton, judged by the share of separating sets that hold the middle (Colombo & Maathuis 2014)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from causaldisc.core.arrays import cells
from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.separation import Neighbours, Tests, never, separate

SHIELDED, NONCOLLIDER, COLLIDER, AMBIGUOUS = 0, 1, 2, 3
# Share of the separating sets by which a rule decides: a collider below ``share``, a non-collider above ``1 - share``.
RULES = {"majority": 0.5, "conservative": 0.0}
_CHUNK = 2048


class Triples(NamedTuple):
    """The neighbours of every variable, and what is known of every two of them with the variable in the middle.

    Attributes
    ----------
    flat, starts : neighbours of variable z are the columns ``flat[starts[z]:starts[z + 1]]``, ascending.
    kinds, offsets : with k neighbours, the kind of the triple (a-th neighbour, z, b-th neighbour) is
        ``kinds[offsets[z] + a * k + b]``; ``SHIELDED`` also where no edge of it can be turned.
    tests : tests made.
    complete : whether there was time for all of them.
    """

    flat: np.ndarray
    starts: np.ndarray
    kinds: np.ndarray
    offsets: np.ndarray
    tests: int
    complete: bool


def judge_triples(
    tests: Tests,
    pairs: np.ndarray,
    open_: np.ndarray,
    max_size: int,
    rule: str = "majority",
    expired: Callable[[], bool] = never,
    critical: np.ndarray | None = None,
) -> Triples:
    """Judge every unshielded triple (x, z, y) by how many of all separating sets of x and y hold z.

    The sets are those among the neighbours of x or of y. By the majority rule a minority makes z a collider, a majority a
    non-collider, exactly one half is ambiguous; by the conservative rule (Ramsey, Zhang & Spirtes 2006) none makes it a
    collider, all a non-collider, and everything between is ambiguous. When no set separates x and y, the triple is ambiguous.

    Parameters
    ----------
    pairs : int[K, 2], the skeleton: each a variable at lag 0 and a column, pairs at lag 0 once.
    open_ : bool[N, N], adjacencies at lag 0 whose direction is not settled.
    max_size : largest separating set to try.
    expired : asked now and then whether to stop; triples not reached are ambiguous.
    critical : float[N, M], the largest statistic of independence of each pair; None = that of the tests for all.

    >>> from causaldisc.kernels.fisher import Fisher
    >>> R = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.5], [0.0, 0.5, 1.0]])
    >>> chain = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
    >>> fisher = Fisher(R, np.full((3, 3), 99.0), np.ones((3, 3), dtype=bool), 2.58)
    >>> judge_triples(fisher, np.array([[0, 1], [1, 2]]), chain, 1).kinds.tolist()
    [0, 0, 2, 2, 0, 0]
    """
    neighbours, columns = Neighbours.of(pairs, len(open_)), len(tests.cause)
    flat, starts, degrees = *neighbours, neighbours.degrees
    offsets = np.concatenate([[0], np.cumsum(degrees**2)])
    place = np.full((len(open_), columns), -1, np.int32)
    middles = np.repeat(np.arange(len(degrees)), degrees)
    place[middles, flat] = np.arange(len(flat)) - starts[middles]
    wanted, kinds = np.zeros((len(open_), columns), np.bool_), np.zeros(int(offsets[-1]), np.int8)
    kernels: tuple[Any, Any] = _mark_open, _write_kinds
    kernels[0](flat, starts, place, open_, wanted)
    ends = np.stack(cells(wanted), axis=1)
    made, complete = 0, True
    for begin in range(0, len(ends), _CHUNK):
        some = ends[begin : begin + _CHUNK]
        before = np.zeros(len(some)), np.zeros(len(some))  # what the smallest statistic is plays no part here
        bars = None if critical is None else critical[some[:, 0], some[:, 1]]
        verdicts = separate(tests, neighbours, some, (0, max_size), False, before, expired, bars)
        made, complete = made + verdicts.tests, complete and verdicts.complete
        kernels[1](flat, starts, offsets, place, some, verdicts.found, verdicts.holding, RULES[rule], kinds)
    return Triples(flat, starts, kinds, offsets, made, complete)


@kernel
def _mark_open(flat, starts, place, open_, wanted):
    """Mark pairs that are not adjacent but have a common neighbour to which one edge is not settled, each once."""
    n = len(starts) - 1
    for z in range(n):
        for a in range(starts[z], starts[z + 1]):
            x = flat[a]
            for b in range(a + 1, starts[z + 1]):
                y = flat[b]
                # Ascending, so x is at lag 0 wherever y is; two earlier columns are no pair of the search.
                if x < n and place[x, y] < 0 and (open_[z, x] or (y < n and open_[z, y])):
                    wanted[x, y] = True


@kernel
def _write_kinds(flat, starts, offsets, place, pairs, found, holding, share, kinds):
    """Judge the triples between the ends of pairs, whichever their middle."""
    n = len(starts) - 1
    for k in range(len(pairs)):
        x, y = pairs[k, 0], pairs[k, 1]
        for at in range(starts[x], starts[x + 1]):
            z = flat[at]
            if z >= n or place[z, y] < 0:
                continue
            kind = AMBIGUOUS
            if found[k] > 0:
                part = holding[k, z] / found[k]
                if part < share or part == 0.0:
                    kind = COLLIDER
                elif part > 1.0 - share or part == 1.0:
                    kind = NONCOLLIDER
            a, b, degree = place[z, x], place[z, y], starts[z + 1] - starts[z]
            kinds[offsets[z] + a * degree + b] = kind
            kinds[offsets[z] + b * degree + a] = kind
