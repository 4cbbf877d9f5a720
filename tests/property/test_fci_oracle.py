"""FCI against an exact oracle of d-separation: the true partial ancestral graph on 300 random DAGs with hidden variables.

The true one is what all members of the Markov equivalence class share, found by listing them (see ``mag_class``): no orientation
rule is used, so a mistake in Zhang's rules cannot hide.
"""

from __future__ import annotations

import numpy as np
import pytest
from mag_class import (
    ARROW,
    CIRCLE,
    TAIL,
    adjacencies,
    ancestors,
    common,
    found_by_fci,
    independences,
    members,
    of_dag,
    random_dag,
)

from causaldisc.kernels import fci_orientation

# DAGs over so many variables seen, then hidden ones, in which no set of neighbours separates two that are not adjacent.
NEEDY = (
    (5, [(1, 2), (3, 1), (3, 4), (4, 0), (5, 0), (5, 1), (6, 2), (6, 4), (7, 0), (7, 1)]),
    (6, [(0, 2), (1, 5), (3, 5), (4, 0), (4, 3), (6, 0), (6, 5), (7, 1), (7, 3), (8, 1), (8, 2), (9, 2), (9, 4)]),
)


def hidden_dag(rng):
    """A DAG, the number of variables seen (the first), and their independences."""
    while True:
        n, hidden = int(rng.integers(4, 7)), int(rng.integers(1, 5))
        dag = random_dag(rng, n + hidden, rng.uniform(0.2, 0.5))
        table = independences(of_dag(dag), n, np.zeros(len(dag), dtype=bool))
        if 3 <= adjacencies(table).sum() // 2 <= 8:
            return dag, n, table


def selected(rng):
    """Independences of variables whose rows were selected, by one effect of any two, or by four of pairs that go round."""
    while True:
        n, hidden = int(rng.integers(4, 6)), int(rng.integers(0, 3))
        pairs = [rng.choice(n, 2, replace=False)] if rng.random() < 0.4 else [[0, 1], [1, 2], [2, 3], [3, 0]]
        dag = np.zeros((n + hidden + len(pairs),) * 2, dtype=bool)
        dag[: n + hidden, : n + hidden] = random_dag(rng, n + hidden, 0.15)
        for k, ends in enumerate(pairs):
            dag[ends, n + hidden + k] = True
        table = independences(of_dag(dag), n, np.arange(len(dag)) >= n + hidden)
        if 3 <= adjacencies(table).sum() // 2 <= 6:
            return table


def needy_dag(rng):
    """The same, grown around a graph in which only a Possible-D-SEP set separates two variables."""
    while True:
        n, edges = NEEDY[int(rng.random() < 0.2)]
        seen = n + int(rng.integers(0, 3 if n == 5 else 1))
        pairs = [[b for a, b in edges if a == h] for h in range(n, 1 + max(a for a, _ in edges))]
        pairs += [rng.choice(seen, 2, replace=False).tolist() for _ in range(int(rng.integers(0, 2)))]
        dag = np.zeros((seen + len(pairs),) * 2, dtype=bool)
        causes = [(a, b) for a, b in edges if a < n] + [rng.choice(seen, 2, replace=False) for _ in range(2 * (seen - n))]
        order = rng.permutation(seen)
        for a, b in causes:
            dag[order[a], order[b]] = True
        for k, ends in enumerate(pairs):
            dag[seen + k, order[ends]] = True
        if np.diag(ancestors(of_dag(dag))).any():
            continue
        table = independences(of_dag(dag), seen, np.zeros(len(dag), dtype=bool))
        if adjacencies(table).sum() // 2 <= 10 and found_by_fci(table).removed:
            return dag, seen, table


def test_true_pag_of_random_graphs(monkeypatch):
    """200 graphs; on some of them discriminating paths (R4) and uncovered paths (R9, R10) make a difference."""
    rng, without = np.random.default_rng(1), {"propose_far": 0, "discriminating": 0}
    for k in range(200):
        _, _, table = hidden_dag(rng)
        found = found_by_fci(table)
        assert found.marks.tolist() == common(members(table)).tolist()
        assert found.contradictions == found.ambiguous == 0
        for rule in without if k < 70 else ():
            with monkeypatch.context() as patch:
                patch.setattr(fci_orientation, rule, lambda *_: 0)
                without[rule] += (found_by_fci(table).marks != found.marks).any()
    assert all(count > 1 for count in without.values()), without


def test_true_pag_where_no_neighbours_separate():
    """100 graphs that Possible-D-SEP sets are needed for."""
    rng = np.random.default_rng(2)
    for _ in range(100):
        _, _, table = needy_dag(rng)
        found = found_by_fci(table)
        assert found.removed > 0 and found.marks.tolist() == common(members(table)).tolist()
        assert (found_by_fci(table, rule="conservative").marks == found.marks).all()


def test_true_pag_under_selection():
    """40 graphs whose rows were chosen by some variable; edges with two tails occur, and rule 5 to 7 with them."""
    rng, undirected = np.random.default_rng(3), 0
    for _ in range(40):
        table = selected(rng)
        marks = found_by_fci(table, selection=True).marks
        assert marks.tolist() == common(members(table, undirected=True)).tolist()
        undirected += ((marks == TAIL) & (marks.T == TAIL)).any()
    assert undirected > 5


def tiers_of(dag, n, rng):
    """int[N], a tier for every variable seen, the order of time of a true DAG."""
    above = ancestors(of_dag(dag))[:n, :n]
    rank = np.zeros(n, dtype=int)
    rank[np.argsort(above.sum(axis=0), kind="stable")] = np.arange(n)
    return np.searchsorted(np.sort(rng.choice(np.arange(1, n), int(rng.integers(1, 3)), replace=False)), rank, side="right")


@pytest.mark.parametrize("graphs", [hidden_dag, needy_dag])
def test_true_pag_under_true_tiers(graphs):
    """Under tiers: what those members share in which nothing later is a cause of anything earlier (60 graphs in all)."""
    rng, narrowed = np.random.default_rng(4), 0
    for _ in range(40 if graphs is hidden_dag else 20):
        dag, n, table = graphs(rng)
        tier = tiers_of(dag, n, rng)
        backwards = tier[:, None] > tier[None, :]
        expected = common(members(table, admits=lambda marks, no=backwards: not (ancestors(marks) & no).any()))
        found = found_by_fci(table, ~backwards)
        assert found.marks.tolist() == expected.tolist()
        assert (found.marks[(found.marks > 0) & backwards.T] == ARROW).all()
        narrowed += (found_by_fci(table).marks != expected).any()
    assert narrowed > 0


def test_later_tiers_condition_no_test_of_earlier_ones():
    rng, asked = np.random.default_rng(5), 0
    for _ in range(20):
        dag, n, table = hidden_dag(rng)
        tier = tiers_of(dag, n, rng)
        # What a test of two variables says given anything later than both is spoilt: nothing changes.
        spoilt = np.array(table)
        for x in range(n):
            for y in range(n):
                late = sum(1 << z for z in range(n) if tier[z] > max(tier[x], tier[y]))
                held = np.array([bool(bits & late) for bits in range(1 << n)])
                spoilt[x, y, held] ^= x != y
                asked += held.sum()
        allowed = tier[:, None] <= tier[None, :]
        assert (found_by_fci(spoilt, allowed).marks == found_by_fci(table, allowed).marks).all()
    assert asked > 0


def test_roots_leaves_and_required_edges_are_sound():
    """A true prior: every mark found stands in the true maximal ancestral graph, and none of those found without it is lost."""
    rng, more = np.random.default_rng(6), 0
    for _ in range(60):
        dag, n, table = hidden_dag(rng)
        above = ancestors(of_dag(dag))[:n, :n]
        adjacent = adjacencies(table)
        truth = np.where(above.T, TAIL, ARROW) * adjacent  # the mark at j: a tail where j is a cause of i
        allowed, required = ~np.eye(n, dtype=bool), np.zeros((n, n), dtype=bool)
        for v in range(n):
            if rng.random() < 0.3:
                allowed[:, v] &= above[:, v].any()
                allowed[v] &= above[v].any()
        direct = np.argwhere(dag[:n, :n])
        for i, j in direct[rng.random(len(direct)) < 0.3]:
            required[i, j] = True
        found = found_by_fci(table, allowed, required).marks
        told = found > CIRCLE
        assert ((found > 0) == adjacent).all() and (found[told] == truth[told]).all()
        plain = found_by_fci(table).marks
        assert (found[plain > CIRCLE] == plain[plain > CIRCLE]).all()
        assert (found.T[required] == TAIL).all() and (found[required] == ARROW).all()
        more += (told & (plain == CIRCLE)).any()
    assert more > 10


def test_order_plays_no_part():
    rng = np.random.default_rng(7)
    for graphs in (hidden_dag, needy_dag):
        for _ in range(10):
            dag, n, _ = graphs(rng)
            order = np.concatenate([rng.permutation(n), np.arange(n, len(dag))])
            none = np.zeros(len(dag), dtype=bool)
            first = found_by_fci(independences(of_dag(dag), n, none)).marks
            other = found_by_fci(independences(of_dag(dag[np.ix_(order, order)]), n, none)).marks
            assert (other == first[np.ix_(order[:n], order[:n])]).all()
