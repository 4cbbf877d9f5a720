"""PC against an exact oracle of d-separation: the true CPDAG, and under a true prior the true MPDAG, on 500 random DAGs.

The expected graphs of small DAGs are found by listing the members of the class (see ``test_pc_oracle``), those of larger ones
by colliders and Meek's rules written out naively.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import pytest
from test_pc_oracle import NAMES, common_to_class, true_prior

from causaldisc.core.constraints import Constraints
from causaldisc.core.prior import ExpertPrior
from causaldisc.kernels.duplicates import Groups
from causaldisc.kernels.pc import Evidence, learn


@dataclass(frozen=True, eq=False)
class Oracle:
    """Tests that know the DAG: the statistic is 1 where x and y are d-connected given Z, else 0."""

    dag: np.ndarray
    cause: np.ndarray
    critical: float = 0.5
    cost: float = 1.0
    memory: dict = field(default_factory=dict)

    def under(self, cause):
        return replace(self, cause=cause)

    def of(self, columns):
        raise AssertionError("no duplicates here")

    def marginal(self, variables):
        statistic = np.zeros(self.dag.shape)
        for x, y in combinations(range(variables), 2):
            statistic[x, y] = statistic[y, x] = self.connected(x, y, frozenset())
        return statistic, np.array(statistic), np.ones(self.dag.shape, dtype=bool)

    def judge(self, neighbours, pairs, sizes, first, results):
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
                        best[k, 0] = min(best[k, 0], self.connected(x, y, given))
                        if not self.connected(x, y, given):
                            found[k] += 1
                            if not first:
                                holding[k, list(given)] += 1
        return made, enough

    def log_p(self, statistic):
        return -statistic

    def connected(self, x, y, given):
        """Whether a path is open: reachability over (node, direction of arrival), Shachter's Bayes ball (1998)."""
        key = (min(x, y), max(x, y), given)
        if key not in self.memory:
            self.memory[key] = self._connected(x, y, given)
        return self.memory[key]

    def _connected(self, x, y, given):
        ancestors = set(given)
        while True:
            more = {int(p) for z in ancestors for p in np.flatnonzero(self.dag[:, z])} - ancestors
            if not more:
                break
            ancestors |= more
        agenda, seen = [(x, "up")], set()
        while agenda:
            node, way = state = agenda.pop()
            if state in seen:
                continue
            seen.add(state)
            if node == y:
                return True
            parents = [(int(p), "up") for p in np.flatnonzero(self.dag[:, node])]
            children = [(int(c), "down") for c in np.flatnonzero(self.dag[node])]
            if way == "up" and node not in given:
                agenda += parents + children
            elif way == "down":
                agenda += ([] if node in given else children) + (parents if node in ancestors else [])
        return False


def random_dag(rng, d, share):
    order = rng.permutation(d)
    return np.triu(rng.random((d, d)) < share, 1)[np.ix_(order, order)]


def found_by_pc(dag, limits):
    d = len(dag)
    everything = np.ones((d, d), dtype=bool)
    evidence = Evidence(
        everything.astype(float), 1e9 * everything, Groups(np.arange(d), np.arange(d)), Oracle(dag, everything), 0.0
    )
    return learn(evidence, limits.allowed, limits.pin).codes[:, :, 0]


@pytest.mark.parametrize("block", range(10))
def test_the_true_class_with_and_without_a_true_prior(block):
    rng = np.random.default_rng([4, block])
    narrowed = 0
    for _ in range(50):
        while True:
            dag = random_dag(rng, int(rng.integers(3, 9)), rng.uniform(0.2, 0.6))
            if 0 < dag.sum() <= 9:
                break
        d, into = len(dag), [set()] * len(dag)
        free, none = ~np.eye(d, dtype=bool), np.zeros((d, d), dtype=bool)
        plain = common_to_class(dag, into, free, none)
        assert found_by_pc(dag, Constraints.of(ExpertPrior(), NAMES[:d], 0)).tolist() == plain.tolist()
        limits = Constraints.of(true_prior(rng, dag.astype(float)), NAMES[:d], 0)
        required = np.array(none)
        for i, j, _window in limits.required:
            required[i, j] = True
        expected = common_to_class(dag, into, limits.allowed[:, :, 0], required)
        assert found_by_pc(dag, limits).tolist() == expected.tolist()
        narrowed += (plain != expected).any()
    assert narrowed > 0


def cpdag(dag):
    """Colliders and Meek's rules 1 to 3, one arrow at a time."""
    adjacent, d = dag | dag.T, len(dag)
    arrow = np.zeros_like(dag)
    for z in range(d):
        for x, y in combinations(np.flatnonzero(dag[:, z]), 2):
            if not adjacent[x, y]:
                arrow[x, z] = arrow[y, z] = True
    changed = True
    while changed:
        changed = False
        for a, b in np.argwhere(adjacent & ~arrow & ~arrow.T):
            line = adjacent & ~arrow & ~arrow.T
            one = any(arrow[c, a] and not adjacent[c, b] for c in range(d))
            two = any(arrow[a, c] and arrow[c, b] for c in range(d))
            both = [c for c in range(d) if line[a, c] and arrow[c, b]]
            three = any(not adjacent[c, e] for c, e in combinations(both, 2))
            if line[a, b] and (one or two or three):
                arrow[a, b] = changed = True
    return np.where(arrow, 1, np.where(adjacent & ~arrow.T, 2, 0))


@pytest.mark.parametrize("seed", range(12))
def test_the_true_cpdag_of_larger_graphs(seed):
    rng = np.random.default_rng([5, seed])
    dag = random_dag(rng, int(rng.integers(12, 18)), 0.2)
    names = [f"v{k}" for k in range(len(dag))]
    assert found_by_pc(dag, Constraints.of(ExpertPrior(), names, 0)).tolist() == cpdag(dag).tolist()
