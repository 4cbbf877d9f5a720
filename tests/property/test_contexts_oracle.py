"""PC with contexts against an exact oracle: what joint causal inference says, and nothing else.

The true graph is that of contexts and variables, contexts joined among themselves (they depend on each other). What can be known
of the variables is what all DAGs have in common that have its skeleton and colliders and in which contexts are causes alone
(Mooij, Magliacane & Claassen 2020, assumptions 1 to 3). They are listed; no orientation rule is used.
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from test_pc_oracle import evidence_of, population
from test_pc_separation_oracle import Oracle, random_dag

from causaldisc.algorithms._contexts import with_contexts
from causaldisc.core.constraints import Constraints
from causaldisc.core.graph import acyclic
from causaldisc.core.intervention import Intervention
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.duplicates import Groups
from causaldisc.kernels.pc import Evidence, learn

SERVICES = ("a", "b", "c")
ROWS = 12


def random_case(rng):
    """A DAG of up to six variables in three services, and interventions with their true targets: told, of a service, or any."""
    while True:
        dag = random_dag(rng, int(rng.integers(2, 7)), rng.uniform(0.25, 0.7))
        if 0 < dag.sum() <= 9:
            break
    d = len(dag)
    names = [f"{rng.choice(SERVICES)}:m{k}" for k in range(d)]
    windows, targets = [], []
    for k in range(int(rng.integers(1, 4))):
        start = ROWS * k + 2
        if rng.random() < 0.4:
            at = int(rng.integers(d))
            windows.append(Intervention(names[at].split(":")[0], "set", 1.0, start, start + 8, names[at]))
            targets.append({at})
        else:
            service = str(rng.choice(SERVICES))
            windows.append(Intervention(service, f"{rng.choice(['latency', 'error', 'kill'])}", 0.5, start, start + 8))
            own = [j for j in range(d) if names[j].startswith(service + ":")]
            pool = own if own and rng.random() < 0.6 else list(range(d))
            targets.append(set(rng.choice(pool, int(rng.integers(1, len(pool) + 1)), replace=False).tolist()))
    data = Telemetry(rng.normal(size=(ROWS * 4, d)), names, windows=windows)
    return dag, data, targets


def joined(dag, targets):
    """The graph of variables and contexts."""
    d, k = len(dag), len(targets)
    full = np.zeros((d + k, d + k), dtype=bool)
    full[:d, :d] = dag
    full[d:, d:] = np.triu(np.ones((k, k), dtype=bool), 1)
    for c, some in enumerate(targets):
        full[d + c, list(some)] = True
    return full


def colliders(dag):
    near = dag | dag.T
    return {(x, z, y) for z in range(len(dag)) for x, y in combinations(np.flatnonzero(dag[:, z]), 2) if not near[x, y]}


def theory(full, d):
    """Codes of the variables: 1 where all graphs agree, 2 where they do not."""
    edges, wanted, members = np.argwhere(full[:d, :d]), colliders(full), []
    for flips in product((False, True), repeat=len(edges)):
        other = np.array(full)
        other[:d, :d] = False
        for (i, j), flip in zip(edges, flips, strict=True):
            other[(j, i) if flip else (i, j)] = True
        if acyclic(other) and colliders(other) == wanted:
            members.append(other[:d, :d])
    everywhere, somewhere = np.all(members, axis=0), np.any(members, axis=0)
    return np.where(everywhere, 1, np.where(somewhere, 2, 0))


def told_apart(targets, data):
    """Merged or dropped contexts have no column of their own; cases with any are drawn anew."""
    rows = {data.window_rows(w).tobytes() for w in data.windows}
    keys = {(w.kind, w.target, w.variable) for w in data.windows}
    return len(rows) == len(keys) == len(targets)


def within(targets, data, how):
    """Whether the true targets are among those that the choice admits."""
    services = [v.service for v in data.variables]
    pools = [
        None
        if w.kind == "set" or how == "unknown" or w.target not in services
        else {j for j, s in enumerate(services) if s == w.target}
        for w in data.windows
    ]
    return all(pool is None or some <= pool for some, pool in zip(targets, pools, strict=True))


@pytest.mark.parametrize("how", ["unknown", "targets"])
@pytest.mark.parametrize("block", range(5))
def test_contexts_direct_what_theory_says_and_nothing_else(block, how):
    rng, more, done = np.random.default_rng([21, block, len(how)]), 0, 0
    while done < 25:
        dag, data, targets = random_case(rng)
        if not told_apart(targets, data) or not within(targets, data, how):
            continue
        done += 1
        full, d = joined(dag, targets), len(dag)
        wider, limits, _ = with_contexts(data, Constraints.of(ExpertPrior(), data.variables, 0), how)
        assert wider.shape[1] == len(full)
        everything = np.ones(full.shape, dtype=bool)
        groups = Groups(np.arange(len(full)), np.arange(len(full)))
        evidence = Evidence(everything.astype(float), 1e9 * everything, groups, Oracle(full, everything), 0.0)
        codes = learn(evidence, limits.allowed, limits.pin).codes[:, :, 0]
        expected = theory(full, d)
        assert codes[:d, :d].tolist() == expected.tolist()
        assert (codes[d:, :d] == full[d:, :d]).all() and not codes[:, d:].any()
        more += (theory(dag, d) != expected).any()
    assert more > 5, "interventions do tell something"


@pytest.mark.parametrize("block", range(3))
def test_the_same_from_population_correlations(block):
    rng, done = np.random.default_rng([22, block]), 0
    while done < 15:
        dag, data, targets = random_case(rng)
        if not told_apart(targets, data):
            continue
        done += 1
        full, d = joined(dag, targets), len(dag)
        weights = full * rng.uniform(0.4, 1.2, full.shape) * rng.choice([-1, 1], full.shape)
        _, limits, _ = with_contexts(data, Constraints.of(ExpertPrior(), data.variables, 0))
        codes = learn(evidence_of(population(weights), len(full)), limits.allowed, limits.pin).codes[:, :, 0]
        assert codes[:d, :d].tolist() == theory(full, d).tolist()
