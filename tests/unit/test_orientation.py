"""Directions by hand: each rule alone, on the smallest graph on which it speaks."""

from __future__ import annotations

import numpy as np
import pytest

from causaldisc.core.graph import acyclic
from causaldisc.kernels.colliders import AMBIGUOUS, COLLIDER, NONCOLLIDER, SHIELDED, Triples, judge_triples
from causaldisc.kernels.fisher import Fisher
from causaldisc.kernels.orientation import orient, settle
from causaldisc.kernels.separation import Neighbours, separate
from causaldisc.kernels.skeleton import find_skeleton

CONFLICT = 3


def drawn(size, *edges):
    """Codes from edges such as ``"0>1"`` and ``"1-2"``."""
    codes = np.zeros((size, size), dtype=np.int8)
    for edge in edges:
        i, mark, j = int(edge[0]), edge[1], int(edge[2])
        if mark == ">":
            codes[i, j] = 1
        else:
            codes[i, j] = codes[j, i] = 2 if mark == "-" else CONFLICT
    return codes


def triples_of(adjacent, kinds=None, default=NONCOLLIDER):
    """Triples of an adjacency matrix bool[N, M]; ``kinds`` maps (x, z, y) to its kind."""
    lists = [np.flatnonzero(row) for row in adjacent]
    starts = np.concatenate([[0], np.cumsum([len(x) for x in lists])])
    offsets = np.concatenate([[0], np.cumsum([len(x) ** 2 for x in lists])])
    flags = []
    for z, around in enumerate(lists):
        for x in around:
            for y in around:
                joined = x == y or (adjacent[x, y] if x < len(lists) else y >= len(lists) or adjacent[y, x])
                kind = (kinds or {}).get((x, z, y), (kinds or {}).get((y, z, x), default))
                flags.append(SHIELDED if joined else kind)
    return Triples(np.concatenate(lists), starts, np.array(flags, np.int8), offsets, 0, True)


def oriented(codes, kinds=None, default=NONCOLLIDER):
    return orient(codes, triples_of((codes != 0) | (codes.T != 0), kinds, default))


def test_collider():
    assert oriented(drawn(3, "0-2", "1-2"), {(0, 2, 1): COLLIDER}).tolist() == drawn(3, "0>2", "1>2").tolist()


def test_noncollider_and_ambiguous_triples_stay_undirected():
    chain = drawn(3, "0-2", "1-2")
    assert oriented(chain).tolist() == chain.tolist()
    assert oriented(chain, default=AMBIGUOUS).tolist() == chain.tolist()


def test_colliders_that_clash_make_a_conflict():
    found = oriented(drawn(4, "0-1", "1-2", "2-3"), {(0, 1, 2): COLLIDER, (1, 2, 3): COLLIDER})
    assert found.tolist() == drawn(4, "0>1", "1x2", "3>2").tolist()


def test_colliders_that_make_a_cycle_become_conflicts():
    # 0 > 1 > 2 > 0, each arrow by a collider with an outer node of its own.
    codes = drawn(6, "0-1", "1-2", "2-0", "3-1", "4-2", "5-0")
    kinds = {(0, 1, 3): COLLIDER, (1, 2, 4): COLLIDER, (2, 0, 5): COLLIDER}
    found = oriented(codes, kinds, AMBIGUOUS)
    assert found.tolist() == drawn(6, "0x1", "1x2", "2x0", "3>1", "4>2", "5>0").tolist()


def test_a_collider_against_a_settled_edge_is_left_out():
    codes = drawn(3, "2>0", "1-2")
    assert oriented(codes, {(0, 2, 1): COLLIDER}).tolist() == codes.tolist()
    codes = drawn(3, "0>2", "1-2")
    assert oriented(codes, {(0, 2, 1): COLLIDER}).tolist() == drawn(3, "0>2", "1>2").tolist()


def test_rule_one_needs_a_known_noncollider():
    codes = drawn(3, "0>1", "1-2")
    assert oriented(codes).tolist() == drawn(3, "0>1", "1>2").tolist()
    assert oriented(codes, default=AMBIGUOUS).tolist() == codes.tolist()


def test_rule_two_closes_no_cycle():
    assert oriented(drawn(3, "0>1", "1>2", "0-2")).tolist() == drawn(3, "0>1", "1>2", "0>2").tolist()


def test_rule_three():
    codes = drawn(4, "0-1", "0-2", "0-3", "1>3", "2>3")
    kinds = {(1, 3, 2): COLLIDER}
    assert oriented(codes, kinds).tolist() == drawn(4, "0-1", "0-2", "0>3", "1>3", "2>3").tolist()
    assert oriented(codes, kinds, AMBIGUOUS).tolist() == codes.tolist()


@pytest.mark.parametrize("side", ["0-3", "0>3", "3>0"])
def test_rule_four(side):
    # 0 - 1, 0 - 2, 2 > 3 > 1, 0 beside 3: turning 1 > 0 would close 0 > 2 > 3 > 1 > 0.
    codes = drawn(4, "0-1", "0-2", "2>3", "3>1", side)
    kinds = {(2, 3, 1): NONCOLLIDER}
    found = oriented(codes, kinds)
    assert found[0, 1] == 1 and found[1, 0] == 0


def test_rule_four_needs_a_known_noncollider():
    codes = drawn(4, "0-1", "0-2", "0-3", "2>3", "3>1")
    assert oriented(codes, {(1, 0, 2): AMBIGUOUS}).tolist() == codes.tolist()


def test_lagged_neighbours_point_to_the_present():
    # Column 2 is a lagged copy beside node 0 alone: 2 > 0 - 1.
    adjacent = np.array([[0, 1, 1], [1, 0, 0]], dtype=bool)
    codes = drawn(2, "0-1")
    assert orient(codes, triples_of(adjacent)).tolist() == drawn(2, "0>1").tolist()
    assert orient(codes, triples_of(adjacent, default=COLLIDER)).tolist() == drawn(2, "1>0").tolist()


def test_settle_gives_prior_directions():
    adjacent = ~np.eye(3, dtype=bool)
    allowed, required = ~np.eye(3, dtype=bool), np.zeros((3, 3), dtype=bool)
    allowed[1, 0] = False
    required[2, 1] = True
    assert settle(adjacent, allowed, required, np.ones((3, 3))).tolist() == drawn(3, "0>1", "2>1", "0-2").tolist()


def test_settle_drops_the_weakest_edge_of_a_cycle_that_the_prior_forces():
    adjacent, allowed = ~np.eye(3, dtype=bool), np.zeros((3, 3), dtype=bool)
    allowed[0, 1] = allowed[1, 2] = allowed[2, 0] = True
    strength = np.array([[0, 5.0, 4.0], [5.0, 0, 3.0], [4.0, 3.0, 0]])
    none = np.zeros((3, 3), dtype=bool)
    assert settle(adjacent, allowed, none, strength).tolist() == drawn(3, "0>1", "2>0").tolist()
    required = none.copy()
    required[1, 2] = True
    assert settle(adjacent, allowed, required, strength).tolist() == drawn(3, "0>1", "1>2").tolist()


@pytest.mark.parametrize("seed", range(40))
def test_any_judgement_gives_an_acyclic_graph_that_does_not_depend_on_order(seed):
    rng = np.random.default_rng(seed)
    size, hidden = int(rng.integers(3, 9)), int(rng.integers(0, 4))
    now = np.triu(rng.random((size, size)) < rng.uniform(0.2, 0.9), 1)
    now |= now.T
    past = rng.random((size, hidden)) < 0.3
    adjacent = np.concatenate([now, past], axis=1)
    kinds = {}
    for z in range(size):
        for x in range(size + hidden):
            for y in range(x + 1, size + hidden):
                kinds[x, z, y] = int(rng.choice([NONCOLLIDER, COLLIDER, AMBIGUOUS]))
    allowed = now & ~(np.triu(rng.random((size, size)) < 0.2))
    codes = settle(now, allowed, np.zeros_like(now), rng.random((size, size)))
    adjacent[:, :size] = (codes != 0) | (codes.T != 0)
    found = orient(codes, triples_of(adjacent, kinds))
    assert acyclic((found == 1) & (found.T == 0))
    assert ((found != 0) == (found != 0) & allowed).all()
    assert ((found == 1)[codes == 1]).all()

    order = rng.permutation(size)
    columns = np.concatenate([order, size + np.arange(hidden)])
    place = {int(c): k for k, c in enumerate(columns)}
    moved = {(place[x], place[z], place[y]): kind for (x, z, y), kind in kinds.items()}
    again = orient(codes[np.ix_(order, order)], triples_of(adjacent[np.ix_(order, columns)], moved))
    assert again.tolist() == found[np.ix_(order, order)].tolist()


@pytest.mark.parametrize(("rule", "kind"), [("majority", COLLIDER), ("conservative", AMBIGUOUS)])
def test_the_rules_for_colliders_differ_where_sets_disagree(rule, kind):
    # x - z - y with w beside both ends: of three separating sets one holds z.
    R = np.eye(4)
    for a, b, r in [(0, 1, 0.3), (0, 2, -0.1), (0, 3, 0.7), (1, 2, -0.5), (2, 3, -0.2)]:
        R[a, b] = R[b, a] = r
    fisher = Fisher(R, np.full((4, 4), 60.0), np.ones((4, 4), dtype=bool), 2.0)
    pairs = np.array([[0, 1], [0, 3], [1, 2], [2, 3]])
    open_ = np.zeros((4, 4), dtype=bool)
    open_[pairs[:, 0], pairs[:, 1]] = open_[pairs[:, 1], pairs[:, 0]] = True
    found = separate(fisher, Neighbours.of(pairs, 4), np.array([[0, 2]]), (0, 2), False, (np.ones(1) * 9, np.zeros(1)))
    assert found.found.tolist() == [3] and found.holding[0, 1] == 1
    triples = judge_triples(fisher, pairs, open_, 2, rule)
    assert triples.kinds[triples.offsets[1] + 1] == kind


def test_threads_change_nothing(monkeypatch):
    values = np.random.default_rng(0).normal(size=(80, 30)) @ np.random.default_rng(1).normal(size=(30, 30))
    R = np.corrcoef(values.T)
    fisher = Fisher(R, np.full(R.shape, 80.0), np.ones(R.shape, dtype=bool), 2.58)
    apart = ~np.eye(30, dtype=bool)
    one = find_skeleton(fisher, apart, ~apart & apart, 4)
    monkeypatch.setattr("causaldisc.kernels.separation._PORTION", 50.0)
    monkeypatch.setattr("numba.core.config.NUMBA_NUM_THREADS", 4)
    many = find_skeleton(fisher, apart, ~apart & apart, 4)
    assert one.tests == many.tests and (one.pairs == many.pairs).all() and (one.statistic == many.statistic).all()
