"""The best acyclic orientation of a skeleton: exact by dynamic programming over subsets, by local search beyond.

An orientation is an order of the nodes, and every open edge runs from the earlier to the later end. Its value is the sum of
``gain[i, j]`` over the arrows i → j, less ``price`` for every two arrows into a node that should not collide there. A node's
part depends only on which nodes come before it, so that the best order of a set is the best of its last node and the best
order of the rest: O(2^n n) steps (the recursion of Held & Karp 1962, used for DAGs by Silander & Myllymäki, UAI 2006). Beyond,
single nodes move to their best place in an order, and stretches of the order are put into their exact best order by turns, from
several orders to begin with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner

LARGEST_EXACT = 18
_SWEEPS, _STRETCH, _STARTS = 30, 10, 6


def best_order(
    gain: np.ndarray,
    open_: np.ndarray,
    before: np.ndarray,
    soft: np.ndarray,
    apart: np.ndarray,
    price: float = 0.0,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, float, bool]:
    """Order the nodes of one piece for the largest value.

    Parameters
    ----------
    gain : float[n, n], finite; what the arrow i → j is worth.
    open_ : bool[n, n], symmetric: edges to be directed.
    before : bool[n, n], acyclic: i comes before j whatever it costs.
    soft : bool[n, n], symmetric: open edges whose arrow should not meet that of another open edge, be that soft or not.
    apart : bool[n, n], symmetric: where the other ends of the two are so marked.
    price : what each such meeting costs, >= 0.
    start : an order to begin with where the search is not exact.

    Returns
    -------
    order : int[n], causes first.
    value : what it is worth.
    exact : whether no order is worth more: up to ``LARGEST_EXACT`` nodes.

    >>> pair, nothing = np.array([[False, True], [True, False]]), np.zeros((2, 2), bool)
    >>> order, value, exact = best_order(np.array([[0.0, 1.0], [3.0, 0.0]]), pair, nothing, nothing, nothing)
    >>> order.tolist(), value, exact
    ([1, 0], 3.0, True)
    """
    n = len(gain)
    gain = np.ascontiguousarray(gain, dtype=np.float64)
    if n <= LARGEST_EXACT:
        # [j, i]: the causes that i → j should not meet.
        meets = apart[None, :, :] & open_[:, None, :] & (soft[:, :, None] | soft[:, None, :])
        order, value = _exact(gain, *(_bits(matrix) for matrix in (open_.T, before.T, meets)), float(price))
        return order, float(value), True
    arrays = (gain, *(np.ascontiguousarray(a, dtype=np.bool_) for a in (open_, before, soft, apart)), float(price))
    forced = [None, *np.argsort(-np.where(open_, gain - gain.T, 0.0).sum(axis=1), kind="stable")[: _STARTS - 1].tolist()]
    starts = [_greedy(gain, open_, before, first) for first in forced]
    starts += [_greedy(gain.T, open_, before.T, None)[::-1], *([] if start is None else [np.asarray(start, np.int64)])]
    found = [_search(np.array(given, np.int64), *arrays) for given in starts]
    best = max(found, key=lambda pair: pair[1])
    return best[0], float(best[1]), False


def _search(order: np.ndarray, *arrays: Any) -> tuple[np.ndarray, float]:
    """Move nodes and re-order stretches until neither helps; the order and its value."""
    gain, open_, before, soft, apart, price = arrays
    value = _improve(order, *arrays)
    for _ in range(_SWEEPS):
        for begin in range(0, max(len(order) - _STRETCH // 2, 1), _STRETCH // 2):
            nodes, earlier = order[begin : begin + _STRETCH], order[:begin]
            among = np.ix_(nodes, nodes)
            # Causes that come earlier stay: what an arrow costs by meeting them belongs to the arrow.
            given = open_[np.ix_(earlier, nodes)]
            soft_given = soft[np.ix_(earlier, nodes)]
            far = apart[np.ix_(nodes, earlier)].astype(np.float64)
            met = np.where(soft[among], far @ given, far @ soft_given)
            masks = open_[among], before[among], soft[among], apart[among]
            order[begin : begin + _STRETCH] = nodes[best_order(gain[among] - price * met, *masks, price)[0]]
        better = _improve(order, *arrays)
        if better <= value + 1e-9 * (1.0 + abs(value)):
            return order, max(better, value)
        value = better
    return order, value


def _bits(matrix: np.ndarray) -> np.ndarray:
    """int64[...]: the last axis of bool[..., n] as bits."""
    return np.ascontiguousarray(matrix @ (np.int64(1) << np.arange(matrix.shape[-1], dtype=np.int64)), dtype=np.int64)


def _greedy(gain: np.ndarray, open_: np.ndarray, before: np.ndarray, first: int | None) -> np.ndarray:
    """Take again and again the node whose arrows out beat those into it by most, among those that nothing must precede.

    ``first`` is taken as soon as it can be.
    """
    balance = np.where(open_, gain - gain.T, 0.0)
    left, order = np.ones(len(gain), dtype=bool), []
    for _ in range(len(gain)):
        free = left & ~before[left].any(axis=0)
        ready = first is not None and free[first]
        node = first if ready else int(np.argmax(np.where(free, balance[:, left].sum(axis=1), -np.inf)))
        order.append(node)
        left[node] = False
    return np.array(order, dtype=np.int64)


@kernel
def _exact(gain, beside, needed, meets, price):
    """Best order and its value; ``beside``, ``needed`` int64[n] are neighbours and what must precede, ``meets`` int64[n, n]
    of the node pointed to, then one of its causes: the other causes that cost the price beside that one.
    """
    n = len(gain)
    size = 1 << n
    value, last = np.full(size, -np.inf), np.zeros(size, np.int8)
    value[0] = 0.0
    for done in range(size):
        if value[done] == -np.inf:
            continue
        for j in range(n):
            if done >> j & 1 or needed[j] & ~done:
                continue
            causes = done & beside[j]
            worth = value[done]
            pairs = 0
            for i in range(n):
                if causes >> i & 1:
                    worth += gain[i, j]
                    both = causes & meets[j, i] & ((1 << i) - 1)
                    while both:
                        both &= both - 1
                        pairs += 1
            worth -= price * pairs
            reached = done | 1 << j
            if worth > value[reached]:
                value[reached], last[reached] = worth, j
    order, rest = np.empty(n, np.int64), size - 1
    for place in range(n - 1, -1, -1):
        order[place] = last[rest]
        rest ^= 1 << last[rest]
    return order, value[size - 1]


@kernel
def _improve(order, gain, open_, before, soft, apart, price):
    """Move one node at a time to its best place, in place, until no move helps; the value of the order."""
    n = len(order)
    value = _value(order, gain, open_, soft, apart, price)
    trial = np.empty(n, np.int64)
    for _sweep in range(_SWEEPS):
        improved = False
        for node in range(n):
            home = 0
            while order[home] != node:
                home += 1
            best, place = value + 1e-9 * (1.0 + abs(value)), home
            for step in (-1, 1):
                trial[:] = order
                at, gained = home, value
                while 0 <= at + step < n:
                    other = trial[at + step]
                    if (step < 0 and before[other, node]) or (step > 0 and before[node, other]):
                        break
                    gained -= _share(trial, at, step, gain, open_, soft, apart, price)
                    trial[at], trial[at + step] = other, node
                    at += step
                    gained += _share(trial, at, -step, gain, open_, soft, apart, price)
                    if gained > best:
                        best, place = gained, at
            if place != home:
                way = 1 if place > home else -1
                for at in range(home, place, way):
                    order[at] = order[at + way]
                order[place] = node
                value, improved = _value(order, gain, open_, soft, apart, price), True
        if not improved:
            break
    return value


@inner
def _share(order, at, step, gain, open_, soft, apart, price):
    """What the nodes at two neighbouring places of an order are worth together."""
    return _worth(order, at, gain, open_, soft, apart, price) + _worth(order, at + step, gain, open_, soft, apart, price)


@inner
def _worth(order, at, gain, open_, soft, apart, price):
    """What the node at a place of an order is worth, given those before it."""
    j, worth = order[at], 0.0
    for a in range(at):
        i = order[a]
        if open_[i, j]:
            worth += gain[i, j]
            for b in range(a):
                k = order[b]
                if price > 0.0 and open_[k, j] and apart[i, k] and (soft[i, j] or soft[k, j]):
                    worth -= price
    return worth


@inner
def _value(order, gain, open_, soft, apart, price):
    worth = 0.0
    for at in range(len(order)):
        worth += _worth(order, at, gain, open_, soft, apart, price)
    return worth
