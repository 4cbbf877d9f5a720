"""Gains of the moves of a greedy search over rows of several regimes: those of ``ges_moves``, with contexts among the causes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.ges_moves import DELETE, INSERT, _fits, _largest_set, _other_parents, _surroundings, _take
from causaldisc.kernels.mpdag import next_clique, reaches
from causaldisc.kernels.regimes import local, rows_apart, workspace


class Task(NamedTuple):
    """What a search works on.

    Attributes
    ----------
    regimes : the fields of :class:`~causaldisc.kernels.regimes.Regimes`.
    knowledge, bonus : uint8[M, M] and float[M, M] as in ``ges_moves``; nothing points into a context.
    n, price : number of rows, and what one parameter costs.
    cap : most parents that an insertion or turn may give a variable.
    thinnest : rows that every group of a variable must have for each of its parents.
    informed : whether the knowledge leaves some pair of variables one direction only.
    """

    regimes: tuple
    knowledge: np.ndarray
    bonus: np.ndarray
    n: float
    price: float
    cap: int
    thinnest: float
    informed: bool

    @property
    def first_context(self) -> int:
        """The first context node; they stand behind all others."""
        context = self.regimes[5]
        return int(context[context >= 0].min(initial=len(self.knowledge)))


@kernel
def scan(kind: int, ys: np.ndarray, xs: np.ndarray, task: tuple, graph: tuple, gains: np.ndarray, best: np.ndarray) -> None:
    """Write the gains of moves of one kind as ``ges_moves.scan`` does."""
    regimes, knowledge, bonus, _, price, cap, thinnest, informed = task
    marks, near, degree = graph
    total = degree.shape[0]
    inside, base, other = np.empty(total, np.int64), np.empty(total + 1, np.int64), np.empty(total + 1, np.int64)
    pool, chosen = np.empty(total, np.int64), np.empty(total, np.int64)
    for k in range(total):
        inside[k] = 0
    for place in range(ys.shape[0]):
        y, only = ys[place], xs[place]
        above, m, widest = _surroundings(y, marks, near, degree, base, pool)
        room = workspace(widest + 1, regimes[0].shape[0])
        first, last, ceiling = (only, only + 1, gains[y, only]) if only >= 0 else (np.int64(0), total, np.inf)
        for x in range(first, last):
            gains[y, x] = -np.inf
        limit = _largest_set(m)
        size = np.int64(0)
        while size >= 0:
            closed, fresh, mine = _take(size, above, m, base, pool, chosen, inside, marks), True, 0.0
            parents = above + size
            for x in range(first, last):
                # Parents are counted below, since contexts are none.
                if not closed or not _fits(kind, x, y, True, above, size, m, knowledge, marks, base, pool, inside):
                    continue
                gain = bonus[x, y] if kind == INSERT else -bonus[x, y] if kind == DELETE else 0.0
                if kind != DELETE:
                    base[parents] = x
                    causes, rows = rows_apart(base, parents + 1, y, regimes)
                    if causes > cap or thinnest * causes > rows:
                        continue
                    if fresh:
                        mine = local(y, base, parents, regimes, price, room)
                        fresh = False
                    gain += local(y, base, parents + 1, regimes, price, room) - mine
                if kind != INSERT:
                    cause, effect = (x, y) if kind == DELETE else (y, x)
                    count = _other_parents(cause, effect, y, marks, near, degree, inside, other)
                    other[count] = cause
                    gain += local(effect, other, count, regimes, price, room)
                    gain -= local(effect, other, count + 1, regimes, price, room)
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
