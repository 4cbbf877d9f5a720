"""GIES on telemetry: what it makes of windows, and that without them it is GES."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.algorithms._interventions import plan_of
from causaldisc.core.errors import InputError
from causaldisc.kernels import ges_search
from causaldisc.kernels.gies_class import best_member
from causaldisc.kernels.gies_moves import Task
from causaldisc.kernels.gies_search import search
from causaldisc.kernels.regime_moments import regimes_of
from causaldisc.kernels.regimes import score

NAMES = ("shop:latency", "cart:cpu", "cart:latency", "db:latency")
ROWS = 800


def system(seed=0, rows=ROWS, held=None, fault=None, names=NAMES):
    """cart:cpu → cart:latency → shop:latency ← db:latency, and cart:cpu → shop:latency; one may be held, one may change."""
    rng = np.random.default_rng(seed)
    e = rng.normal(size=(rows, 4))
    changed = np.zeros(rows, bool)
    if fault is not None:
        changed[fault] = True

    def kept(k, column):
        return column if held is None or k != held[0] else np.where(np.isin(np.arange(rows), held[1]), held[2], column)

    cpu = kept(1, e[:, 1])
    latency = kept(2, np.where(changed, 2.0 + 0.2 * cpu, cpu) + 0.6 * e[:, 2])
    db = kept(3, e[:, 3])
    shop = kept(0, latency + 0.8 * db + 0.7 * cpu + 0.6 * e[:, 0])
    return np.column_stack([shop, cpu, latency, db])[:, : len(names)]


def edges(found):
    return {(e.source, e.target) if e.is_directed else frozenset((e.source, e.target)) for e in found.graph.edges}


SHOP, CPU, LATENCY, DB = NAMES
TRUTH = {(LATENCY, SHOP), (DB, SHOP), (CPU, SHOP), (CPU, LATENCY)}


def held(k=2, start=500, stop=650, value=1.5, **fields):
    window = cd.Intervention(NAMES[k].split(":")[0], "set", value, start, stop, NAMES[k], **fields)
    return window, (k, np.arange(start, stop), value)


def test_without_windows_it_is_ges():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        mixed = rng.normal(size=(120, 7)) @ (np.eye(7) + np.triu(rng.random((7, 7)) < 0.4, 1) * rng.normal(size=(7, 7)))
        if seed % 3 == 0:
            mixed[rng.random(mixed.shape) < 0.05] = np.nan
        frame = cd.Telemetry(mixed, [f"v{k}" for k in range(7)])
        ours, theirs = (cd.discover(frame, name, bootstrap=0) for name in ("gies", "ges"))
        assert edges(ours) == edges(theirs)
        assert np.array_equal(ours.scores, theirs.scores, equal_nan=True)
        assert ours.report["contexts"] == [] and ours.graph.kind == theirs.graph.kind == "cpdag"


@pytest.mark.parametrize("seed", range(10))
def test_its_own_kernel_over_one_regime_is_ges(seed):
    rng = np.random.default_rng(seed)
    d = 6
    mixed = rng.normal(size=(90, d)) @ (np.eye(d) + (rng.random((d, d)) < 0.3))
    may = (rng.random((d, d)) < rng.choice([0.7, 1.0])) & ~np.eye(d, dtype=bool)
    one = regimes_of(mixed, np.zeros(90), np.zeros(90, int), np.array([-1]), np.ones((1, d), bool))
    ours = search(one, ges_search.knowledge_of(d, d, may, None))
    theirs = ges_search.search(np.corrcoef(mixed.T), 90.0, may=may)
    if may.sum() == d * (d - 1):
        assert (ours.marks == theirs.marks).all() and np.allclose(ours.local, theirs.local)
    else:  # under knowledge GES begins twice, so that it may find a better graph
        assert ours.local.sum() <= theirs.local.sum() + 1e-6


def test_a_held_variable_directs_all_its_edges():
    window, plan = held()
    data = cd.Telemetry(system(held=plan), NAMES, windows=[window])
    found = cd.discover(data, "gies", bootstrap=0)
    assert edges(found) == TRUTH and found.graph.kind == "mpdag"
    why = {(e.source, e.target): e.evidence for e in found.graph.edges}
    assert why[CPU, LATENCY] == ("data", "intervention") and why[DB, SHOP] == ("data",)
    assert found.report["contexts"] == [{"interventions": f"set {LATENCY}", "rows": 150, "held": [LATENCY], "found": []}]
    plain = cd.discover(cd.Telemetry(system(), NAMES), "gies", bootstrap=0)
    assert frozenset((CPU, LATENCY)) in edges(plain)


@pytest.mark.parametrize(("kind", "targets"), itertools.product(("cpu_throttle", "unknown"), ("unknown", "service")))
def test_a_fault_that_nobody_located_is_located(kind, targets):
    window = cd.Intervention("cart", kind, 0.5, 500, 650)
    data = cd.Telemetry(system(fault=np.arange(500, 650)), NAMES, windows=[window])
    found = cd.discover(data, "gies", targets=targets, bootstrap=0)
    assert edges(found) == TRUTH
    assert found.report["contexts"] == [{"interventions": f"{kind} cart", "rows": 150, "held": [], "found": [LATENCY]}]


def test_rows_of_faults_can_be_left_out():
    window, plan = held(start=100, stop=250)
    fault = cd.Intervention("cart", "unknown", 0.5, 500, 650)
    values = system(held=plan, fault=np.arange(500, 650))
    found = cd.discover(cd.Telemetry(values, NAMES, windows=[window, fault]), "gies", targets="leave_out", bootstrap=0)
    assert edges(found) == TRUTH and found.report["rows_left_out"] == 150
    assert [c["interventions"] for c in found.report["contexts"]] == [f"set {LATENCY}"]
    with pytest.raises(InputError, match="2 rows outside"):
        cd.discover(cd.Telemetry(values, NAMES, windows=[cd.Intervention("cart", "unknown")]), "gies", targets="leave_out")


def test_a_single_regime_of_faults_is_the_reference():
    values = system(fault=np.arange(ROWS))
    always = cd.Telemetry(values, NAMES, windows=[cd.Intervention("cart", "unknown")])
    assert edges(cd.discover(always, "gies", bootstrap=0)) == edges(cd.discover(cd.Telemetry(values, NAMES), "ges", bootstrap=0))
    two = [cd.Intervention("cart", "unknown", stop=650), cd.Intervention("shop", "unknown", start=650)]
    plan = plan_of(cd.Telemetry(values, NAMES, windows=two), "service", 10)
    assert plan.reference == 0 and not plan.pool[0].any() and plan.pool[1].tolist() == [True, True, True, False]


def test_windows_of_all_environments_count():
    window, plan = held(start=0, stop=ROWS)
    parts = [cd.Telemetry(system(), NAMES), cd.Telemetry(system(seed=1, held=plan), NAMES, windows=[window])]
    # An environment that is held to one value throughout tells by its mean alone.
    found = cd.discover(parts, "gies", own_means=False, bootstrap=0)
    assert edges(found) == TRUTH
    assert found.report["contexts"][0]["rows"] == ROWS
    windows = [held()[0], held(k=1, start=100, stop=250)[0]]
    parts = [
        cd.Telemetry(system(seed=k, held=held(*args)[1]) + 9 * k, NAMES, windows=[window])
        for k, (window, args) in enumerate(zip(windows, [(), (1, 100, 250)], strict=True))
    ]
    found = cd.discover(parts, "gies", bootstrap=0)
    assert edges(found) == TRUTH and len(found.report["contexts"]) == 2


def test_what_was_set_but_not_measured_may_show_anywhere():
    window = cd.Intervention("cache", "set", 1.0, 500, 650, "cache:size")
    data = cd.Telemetry(system(fault=np.arange(500, 650)), NAMES, windows=[window])
    found = cd.discover(data, "gies", targets="service", bootstrap=0)
    assert found.report["contexts"][0]["found"] == [LATENCY] and edges(found) == TRUTH


def test_overlapping_windows_are_a_regime_of_their_own():
    window, plan = held(start=500, stop=650)
    fault = cd.Intervention("db", "latency", 0.5, 600, 700)
    data = cd.Telemetry(system(held=plan), NAMES, windows=[window, fault])
    plan = plan_of(data, "unknown", 10)
    assert plan.names == ("", f"set {LATENCY}", f"set {LATENCY} and latency db", "latency db")
    assert np.bincount(plan.labels).tolist() == [600, 100, 50, 50]
    assert plan.held[2].tolist() == [False, False, True, False] and plan.pool[2].tolist() == [True, True, False, True]
    assert (plan_of(data, "unknown", 60).labels == -1).sum() == 100, "too few rows to learn what changed"


def test_faults_of_two_magnitudes_are_two_regimes():
    windows = [cd.Intervention("cart", "latency", size, 100 * k, 100 * k + 50) for k, size in enumerate((0.5, 0.9, 0.5), 1)]
    plan = plan_of(cd.Telemetry(system(), NAMES, windows=windows), "unknown", 10)
    assert np.bincount(plan.labels).tolist() == [650, 100, 50]
    sets = [held(start=100, stop=200)[0], held(start=300, stop=400, value=-2.0)[0]]
    assert len(plan_of(cd.Telemetry(system(), NAMES, windows=sets), "unknown", 10).names) == 2


def test_gaps_columns_anywhere_and_priors():
    window, plan = held()
    values = system(held=plan)
    values[np.random.default_rng(1).random(values.shape) < 0.05] = np.nan
    data = cd.Telemetry(values, NAMES, windows=[window])
    first = cd.discover(data, "gies", bootstrap=0)
    assert edges(first) == TRUTH
    order = [2, 0, 3, 1]
    moved = cd.discover(data.select(order), "gies", bootstrap=0)
    assert edges(moved) == edges(first)
    np.testing.assert_allclose(moved.scores, first.scores[np.ix_(order, order)], rtol=1e-9)
    prior = cd.ExpertPrior(required=[(SHOP, DB)], forbidden=[(CPU, LATENCY)], roots=[LATENCY])
    bound = cd.discover(data, "gies", prior=prior, bootstrap=0)
    assert bound.certificate.ok and (SHOP, DB) in edges(bound)
    assert bound.report["contexts"][0]["held"] == [LATENCY], "a root of the system may be set from outside"


def test_resamples_and_deadline():
    window, plan = held()
    data = cd.Telemetry(system(held=plan), NAMES, windows=[window])
    found = cd.discover(data, "gies", bootstrap=20)
    assert found.confidence is not None and found.report["bootstrap"] == 20
    directed = {(e.source, e.target): e.orientation_confidence for e in found.graph.edges}
    assert directed[CPU, LATENCY] is not None and directed[CPU, LATENCY] > 0.8
    assert cd.discover(data, "gies", deadline_s=0.0).report["truncated"] is True
    belief = cd.ExpertPrior(beliefs=[{"source": CPU, "target": DB, "probability": 0.99, "from": "a guess"}])
    assert edges(cd.discover(data, "gies", prior=belief, bootstrap=0)) == edges(found)


@pytest.mark.parametrize("seed", range(15))
def test_the_best_member_of_a_class_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    d, order = 5, rng.permutation(5)
    dag = np.zeros((d, d), bool)
    dag[np.ix_(order, order)] = np.triu(rng.random((d, d)) < 0.7, 1)
    values = rng.normal(size=(60, d)) @ rng.normal(size=(d, d))
    regimes = regimes_of(values, np.zeros(60), np.repeat([0, 1], 30), np.array([-1, d]), np.ones((2, d), bool))
    knowledge = np.zeros((d + 1, d + 1), np.uint8)
    knowledge[:d, :d] = (dag | (rng.random((d, d)) < 0.8)) & ~np.eye(d, dtype=bool)
    knowledge[d, :d] = 1
    task = Task(tuple(regimes), knowledge, np.zeros((d + 1, d + 1)), 60.0, 1.0, 9, 5.0, True)
    full = np.zeros((d + 1, d + 1), bool)
    full[:d, :d] = dag
    chosen = score(regimes, best_member(task, d, full), 1.0).sum()
    best = -np.inf
    for flips in itertools.product((False, True), repeat=int(dag.sum())):
        other = np.zeros_like(full)
        for (i, j), flip in zip(np.argwhere(dag), flips, strict=True):
            other[(j, i) if flip else (i, j)] = True
        if not (other & (knowledge == 0)).any() and acyclic(other) and colliders(other) == colliders(full):
            for contexts in itertools.product((False, True), repeat=d):
                other[d, :d] = contexts
                best = max(best, score(regimes, other, 1.0).sum())
    assert np.isclose(chosen, best)


def acyclic(dag):
    return not np.linalg.matrix_power(dag.astype(int), len(dag)).any()


def colliders(dag):
    nodes = range(len(dag))
    return {(a, b, c) for a, b, c in itertools.permutations(nodes, 3) if dag[a, b] and dag[c, b] and not (dag[a, c] or dag[c, a])}


def test_the_strength_of_a_resample_is_that_of_ges():
    """-log10 p, which stability selection compares with a level."""
    from causaldisc.algorithms.ges import GES
    from causaldisc.algorithms.gies import GIES
    from causaldisc.core.constraints import Constraints
    from causaldisc.core.intervention import Intervention
    from causaldisc.core.prior import ExpertPrior

    values = np.random.default_rng(0).normal(size=(600, 3))
    values[:, 1] += 0.3 * values[:, 0]
    held = Intervention("c", "set", 2.0, start=550, variable="c")
    data = cd.Telemetry(values, ["a", "b", "c"], windows=[held])
    limits = Constraints.of(ExpertPrior(), data.variables, 0)
    one, other = (search.study(data, limits, np.inf).again(np.arange(600)).strength for search in (GIES(), GES()))
    assert one[0, 1, 0] == pytest.approx(other[0, 1, 0], rel=0.05)
    assert (one >= 0).all()
