"""The random systems with everything switched on: twins, projections, stability, and what each option promises."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import causaldisc as cd
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph, acyclic
from causaldisc.core.intervention import Intervention
from causaldisc.sources._latents import project
from causaldisc.sources._levels import Levels
from causaldisc.sources._mechanisms import temper
from causaldisc.sources._recursion import Regime, dominating_radius, spectral_radius
from causaldisc.sources._streams import draw_noise, stream
from causaldisc.sources.sem import Sem
from causaldisc.sources.var import Var

SEEDS = st.integers(0, 10_000)
OPTIONS = st.fixed_dictionaries(
    {
        "hidden": st.integers(0, 3),
        "regimes": st.integers(1, 4),
        "heteroscedastic": st.sampled_from([0.0, 0.8]),
        "noise": st.sampled_from(["gaussian", "heavy", "exponential"]),
        "standardise": st.booleans(),
    }
)
MECHANISMS = st.sampled_from(["linear", "tanh", "sine"])


def descendants(truth: CausalGraph, name: str) -> set[str]:
    """Along directed edges alone: what a hidden variable joins is not moved."""
    graph = nx.DiGraph([(e.source, e.target) for e in truth.edges if e.is_directed])
    graph.add_nodes_from(truth.names)
    return {name} | nx.descendants(graph, name)


def moved(system: Any, name: str, value: float, run: int = 3) -> set[str]:
    free = system.trial([], run)
    treated = system.trial([Intervention(name, "set", value, 15, 40, name)], run)
    differs = (free.values != treated.values) & ~free.missing
    rows = np.flatnonzero(differs.any(axis=1))
    assert not rows.size or rows.min() >= 15
    return {n for n, d in zip(free.names, differs.any(axis=0), strict=True) if d}


@given(st.sampled_from([Sem, Var]), MECHANISMS, OPTIONS, SEEDS, st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_twins_differ_exactly_at_descendants(family: Any, mechanism: str, options: dict, seed: int, pick: int) -> None:
    system = family(n_variables=6, n_samples=60, mechanism=mechanism, trials=0, **options).system(seed)
    assert len(system.truth.names) == 6 and len(system.hidden) == 6 + options["hidden"]
    name = system.truth.names[pick % 6]
    assert moved(system, name, 1.7) == descendants(system.truth, name)


@given(st.sampled_from([Sem, Var]), st.sampled_from([0.3, 1.0]), OPTIONS, SEEDS, st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_twins_of_discrete_systems_differ_at_descendants_alone(
    family: Any, share: float, options: dict, seed: int, pick: int
) -> None:
    """A change of a parent may leave a level as it is, so not every descendant has to move."""
    system = family(n_variables=6, n_samples=60, discrete=share, trials=0, **options).system(seed)
    name = system.truth.names[pick % 6]
    assert moved(system, name, 1.0) <= descendants(system.truth, name)


@pytest.mark.parametrize("family", [Sem, Var])
def test_twins_of_level_systems_differ_exactly_at_descendants(family: Any) -> None:
    for seed in range(3):
        system = family(n_variables=8, n_samples=60, hidden=2, regimes=2, sortability="level", trials=0).system(seed)
        for name in system.truth.names[:3]:
            assert moved(system, name, 1.7) == descendants(system.truth, name)


@pytest.mark.parametrize("name", ["sem", "var"])
def test_everything_on_is_deterministic_and_scored(name: str) -> None:
    options = {"hidden": 2, "regimes": 3, "heteroscedastic": 0.5, "discrete": 0.3, "sortability": "level", "missing": 0.1}
    a, b = (cd.simulate(name, seed=4, n_samples=300, trials=3, **options) for _ in range(2))
    assert a.telemetry.sha256 == b.telemetry.sha256 and a.truth == b.truth
    assert [t.telemetry.sha256 for t in a.trials] == [t.telemetry.sha256 for t in b.trials]
    assert a.truth is not None and a.truth.kind == ("pag" if name == "sem" else "lagged")
    assert cd.score(a.truth, a.truth)["skeleton_f1"] == 1.0
    assert a.notes["hidden"]["count"] == 2 and a.notes["levels"] and len(a.notes["regimes_start_s"]) == 3


# -- hidden variables ------------------------------------------------------------------------------------------------


@given(st.integers(2, 7), st.integers(0, 2), st.floats(0.1, 0.6), SEEDS)
@settings(max_examples=80, deadline=None)
def test_projection_is_what_paths_through_hidden_variables_say(n: int, max_lag: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    links = rng.random((max_lag + 1, n, n)) < density / (max_lag + 1)
    links &= np.triu(np.ones((n, n), dtype=bool), k=1)
    hidden = rng.random(n) < 0.4
    if hidden.all():
        hidden[0] = False
    found = project(links, hidden)
    graph: Any = nx.MultiDiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((i, j, {"lag": lag}) for lag, i, j in np.argwhere(links).tolist())
    spread: dict[int, set[tuple[int, int]]] = {i: set() for i in range(n)}
    for i in range(n):
        for j in np.flatnonzero(~hidden).tolist():
            paths: Any = nx.all_simple_edge_paths(graph, i, j) if i != j else ()
            for path in paths:
                if all(hidden[b] for _, b, _ in path[:-1]):
                    spread[i].add((j, sum(graph.edges[edge]["lag"] for edge in path)))
    assert set(found.causes) == {(i, j, lag) for i in range(n) if not hidden[i] for j, lag in spread[i]}
    joined = set()
    for h in np.flatnonzero(hidden).tolist():
        for i, first in spread[h]:
            for j, second in spread[h]:
                if second > first or (second == first and i < j):
                    joined.add((i, j, second - first))
    assert set(found.confounded) == joined


def test_a_hidden_variable_joins_its_children_and_a_chain_through_it_becomes_an_edge() -> None:
    """1 → h → {2, 3} at lags 1, then 0 and 2, and 2 → 3 at lag 2: that pair is confounded, and stays directed."""
    links = np.zeros((3, 4, 4), dtype=bool)
    links[1, 1, 0] = links[0, 0, 2] = links[2, 0, 3] = links[2, 2, 3] = True
    found = project(links, np.array([True, False, False, False]))
    assert found.causes == ((1, 2, 1), (2, 3, 2), (1, 3, 3)) and found.confounded == ((2, 3, 2),)
    names = {1: "a", 2: "b", 3: "c"}
    assert all(e.is_directed for e in found.edges(names, {})) and found.pairs(names) == [["b", "c"]]
    links[2, 2, 3] = False
    joined = [e for e in project(links, np.array([True, False, False, False])).edges(names, {}) if not e.is_directed]
    assert [(e.source, e.target, e.lag, e.source_mark, e.target_mark, e.conflict) for e in joined] == [
        ("b", "c", 2, "arrow", "arrow", False)
    ]


@pytest.mark.parametrize("family", [Sem, Var])
def test_pairs_joined_by_hidden_variables_alone_correlate(family: Any) -> None:
    """Their correlations are larger than those of columns that no edge joins."""
    joined, apart = [], []
    for seed in range(12):
        data = family(n_variables=8, n_samples=3000, hidden=2, degree=3, trials=0).system(seed).dataset()
        truth, x = data.truth, data.telemetry.values
        marked = [(e.source, e.target) for e in truth.edges if not e.is_directed and e.lag == 0]
        R = np.abs(np.corrcoef(x.T))
        touched = {frozenset((e.source, e.target)) for e in truth.edges}
        joined += [R[truth.index[a], truth.index[b]] for a, b in marked]
        apart += [R[i, j] for i in range(8) for j in range(i) if frozenset((truth.names[i], truth.names[j])) not in touched]
    assert len(joined) > 5 and np.median(joined) > 2 * np.median(apart)


# -- noise, levels, regimes, feedback --------------------------------------------------------------------------------


def test_heavy_noise_has_heavier_tails_than_students_with_5_degrees() -> None:
    heavy, light = (np.abs(draw_noise(kind, stream(0, kind), (400_000,))) for kind in ("heavy", "student"))
    assert (heavy > 8).sum() > 2 * (light > 8).sum() > 0


@pytest.mark.parametrize("family", [Sem, Var])
def test_heteroscedastic_noise_depends_on_the_parents_and_keeps_its_variance(family: Any) -> None:
    plain, spread = (
        family(n_variables=4, n_samples=20_000, degree=3, heteroscedastic=h, standardise=False, trials=0).system(5)
        for h in (0.0, 0.9)
    )
    assert {(e.source, e.target, e.lag) for e in plain.truth.edges} == {(e.source, e.target, e.lag) for e in spread.truth.edges}
    ratios, changes = [], []
    for system in (plain, spread):
        x = system.dataset().telemetry.values
        child = max(range(4), key=lambda j: sum(e.target == f"x{j}" for e in system.truth.edges))
        edges = [e for e in system.truth.edges if e.target == f"x{child}"]
        design = np.column_stack([x[3 - e.lag : len(x) - e.lag, system.truth.index[e.source]] for e in edges])
        rest = x[3:, child] - design @ np.linalg.lstsq(design, x[3:, child], rcond=None)[0]
        ratios.append(rest.var())
        groups = [
            rest[design[:, c] > 0].var() / rest[design[:, c] < 0].var() for c, e in enumerate(edges) if e.source != f"x{child}"
        ]
        changes.append(max(abs(np.log(group)) for group in groups))
    assert np.allclose(ratios, 1.0, atol=0.1)
    assert changes[0] < 0.1 and changes[1] > 0.25


@given(st.integers(2, 5), st.sampled_from(["gaussian", "exponential"]), SEEDS)
def test_levels_keep_mean_and_variance_and_are_equally_likely(count: int, noise: str, seed: int) -> None:
    sample = draw_noise(noise, np.random.default_rng(seed), (6000,)) * 3.0 + 7.0
    cut = Levels.of(sample, count)
    found = cut.cut(sample)
    codes = np.round((found - cut.centre) / cut.step).astype(int)
    assert set(codes) == set(range(count)) and np.allclose(np.bincount(codes) / 6000, 1 / count, atol=2e-3)
    assert found.mean() == pytest.approx(sample.mean(), rel=0.01) and found.std() == pytest.approx(sample.std(), rel=0.01)


@pytest.mark.parametrize("name", ["sem", "var"])
def test_discrete_variables_count_their_levels(name: str) -> None:
    data = cd.simulate(name, seed=2, discrete=0.5, n_samples=4000, trials=20)
    levels = data.notes["levels"]
    assert len(levels) == 5 and set(levels.values()) <= {2, 3, 4, 5}
    for column, values in zip(data.telemetry.names, data.telemetry.values.T, strict=True):
        if column in levels:
            shares = np.bincount(values.astype(int), minlength=levels[column]) / 4000
            assert set(values) == set(range(levels[column])) and shares.min() > 0.4 / levels[column]
        else:
            assert len(set(values)) == 4000 and abs(values.std() - 1) < 0.15
    for trial in data.trials:
        plan = trial.intervention
        assert plan.magnitude in ((0, levels[plan.variable] - 1) if plan.variable in levels else (-2, 2))
    column = next(iter(levels))
    with pytest.raises(InputError, match=f"must be in 0..{levels[column] - 1}"):
        cd.simulate(name, seed=2, discrete=0.5, interventions=[cd.Intervention(column, "set", -1.0, 0, 10, column)])
    between = cd.simulate(name, seed=2, discrete=0.5, interventions=[cd.Intervention(column, "set", 0.8, 0, 10, column)])
    assert set(between.telemetry.values[:10, between.telemetry.names.index(column)]) == {1.0}


@pytest.mark.parametrize("family", [Sem, Var])
def test_regimes_have_weights_of_their_own_on_one_graph(family: Any) -> None:
    system = family(n_variables=5, n_samples=60_000, degree=3, regimes=3, standardise=False, trials=0).system(1)
    data = system.dataset()
    x, starts = data.telemetry.values, [int(s) for s in data.notes["regimes_start_s"]]
    assert starts[0] == 0 and all(b - a > 8000 for a, b in pairwise([*starts, 60_000]))
    weights = [np.atleast_3d(r.weights.T).T for r in system.regimes]
    assert all(
        np.array_equal(w != 0, weights[0] != 0) and (k == 0 or not np.array_equal(w, weights[0])) for k, w in enumerate(weights)
    )
    child = int(np.argmax((weights[0] != 0).sum(axis=(0, 1))))
    read = [(int(i), int(lag)) for lag, i in np.argwhere(weights[0][:, :, child] != 0)]
    for regime, w, first, last in zip(system.regimes, weights, starts, [*starts[1:], 60_000], strict=True):
        part = x[first + 3 : last]
        design = [x[first + 3 - lag : last - lag, i] for i, lag in read]
        true = [w[lag, i, child] for i, lag in read]
        if family is Var:
            design, true = [*design, x[first + 2 : last - 1, child]], [*true, regime.own[child]]
        assert np.allclose(np.linalg.lstsq(np.column_stack(design), part[:, child], rcond=None)[0], true, atol=0.06)


def test_feedback_makes_two_cycles_over_time_and_none_at_lag_0() -> None:
    for seed in range(5):
        truth = Var(n_variables=8, n_samples=50, degree=0, feedback=3, trials=0).system(seed).truth
        pairs = {(e.source, e.target) for e in truth.edges if e.source != e.target}
        assert len(pairs) == 6 and all((b, a) in pairs for a, b in pairs) and len({n for p in pairs for n in p}) == 6
        assert {e.lag for e in truth.edges} == {1} and not acyclic(truth.adjacency())
    dense = Var(n_variables=8, n_samples=50, degree=6, contemporaneous=0.8, feedback=4, trials=0).system(0)
    assert dense.truth.is_acyclic() and spectral_radius(dense.own, dense.weights) <= 0.9 + 1e-9
    with pytest.raises(InputError, match=r"feedback must be at most half of n_variables, got 3; valid: 0..2"):
        cd.simulate("var", n_variables=5, feedback=3)
    with pytest.raises(InputError, match=r"sem.regimes must be at most a fifth of n_samples, got 9; valid: 1..8"):
        cd.simulate("sem", n_samples=40, regimes=9)


# -- stability -------------------------------------------------------------------------------------------------------


@given(OPTIONS, MECHANISMS, st.integers(1, 9), st.floats(0, 12), st.sampled_from([0.0, 0.5, 1.0]), st.booleans(), SEEDS)
@settings(max_examples=40, deadline=None)
def test_nothing_explodes_however_options_are_combined(
    options: dict, mechanism: str, n: int, degree: float, discrete: float, even: bool, seed: int
) -> None:
    common = {**options, "n_variables": n, "n_samples": 200, "degree": degree, "mechanism": mechanism, "discrete": discrete}
    common |= {"trials": 0, "sortability": "level" if even and n < 5 else "natural"}
    for source in (Sem(**common), Var(**common, autocorrelation=0.9, contemporaneous=0.5, feedback=n // 2)):
        values = source.system(seed).dataset().telemetry.values
        assert np.isfinite(values).all() and values.shape == (200, n)
        if options["standardise"] and options["noise"] != "heavy":
            assert np.abs(values).max() < 30


@given(st.integers(1, 4), st.integers(1, 3), SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_dominating_radius_bounds_every_switching(n: int, lags: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(3, lags + 1, n, n)) * 0.5
    weights[:, 0] = np.triu(weights[:, 0], k=1)
    regimes = [Regime(rng.uniform(-0.9, 0.9, n), w) for w in weights]
    bound = dominating_radius(regimes)
    assert all(spectral_radius(r.own, r.weights) <= bound + 1e-9 for r in regimes)
    shrink = 0.8 / max(bound, 1e-9)
    powers = (shrink ** np.arange(lags + 1))[:, None, None]
    past = [rng.normal(size=n) for _ in range(lags)]
    early = np.inf
    for step in range(400):
        r = regimes[int(rng.integers(3))]
        rhs = r.own * shrink * past[-1] + sum((r.weights * powers)[lag].T @ past[-lag] for lag in range(1, lags + 1))
        past = [*past[1:], np.linalg.solve(np.eye(n) - r.weights[0].T, rhs)]
        if step == 200:
            early = np.abs(past).max()
    assert np.abs(past).max() <= early + 1e-12 and np.abs(past).max() < 1e-6


def test_dense_graphs_do_not_explode() -> None:
    assert np.count_nonzero(temper(np.triu(np.ones((20, 20)), 1))) == 190
    raw = Sem(n_variables=60, n_samples=200, degree=59, standardise=False, trials=0).system(0).dataset().telemetry.values
    assert np.abs(raw).max() < 1e4
