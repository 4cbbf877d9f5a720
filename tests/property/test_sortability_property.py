"""Sortability and the controls that live on it: against plain references, and what the level takes away."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LassoLarsIC, LinearRegression

import causaldisc as cd
from causaldisc.algorithms._sorting import sorted_order, sparse_regression
from causaldisc.core.explained import explained_by_others
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.sources._sortability import (
    explained,
    path_counts,
    r2_sortability,
    share_rising,
    sortability,
    var_sortability,
)
from causaldisc.sources._tilt import level, positions

SEEDS = st.integers(0, 100_000)


def mixed(seed: int, rows: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, n)) @ rng.normal(size=(n, n)) * rng.uniform(0.1, 10, n) + rng.normal(size=n)


# -- the measures ----------------------------------------------------------------------------------------------------


@given(SEEDS, st.integers(2, 8), st.integers(30, 200))
@settings(max_examples=40, deadline=None)
def test_explained_fraction_is_that_of_a_regression_on_all_others(seed: int, n: int, rows: int) -> None:
    x = mixed(seed, rows, n)
    want = []
    for j in range(n):
        others = np.delete(x, j, axis=1)
        want.append(LinearRegression().fit(others, x[:, j]).score(others, x[:, j]))
    assert np.allclose(explained(x), want, atol=1e-7)
    assert np.allclose(explained(x * np.geomspace(1e-6, 1e6, n) + 3.0), want, atol=1e-6)


@given(SEEDS, st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_explained_fraction_where_columns_determine_each_other(seed: int, n: int) -> None:
    """A sum of two, a copy and a constant: 1 for what others determine, and for the rest as if those were not there."""
    x = mixed(seed, 120, n + 2)
    wide = np.column_stack([x, x[:, 0] + 2 * x[:, 1], np.full(120, 5.0)])
    found = explained(wide)
    assert (found[[0, 1, n + 2]] == 1.0).all() and found[-1] == 0.0
    assert np.allclose(found[2 : n + 2], explained(x)[2:], atol=1e-6)
    assert (explained(mixed(seed, n + 4, n + 5)) == 1.0).all()  # no more rows than columns
    assert explained_by_others(np.ones((1, 1))).tolist() == [0.0]


def test_explained_fraction_with_missing_values_is_near_that_without() -> None:
    x = mixed(1, 4000, 5)
    holes = np.where(np.random.default_rng(0).random(x.shape) < 0.1, np.nan, x)
    holes[7] = np.nan
    assert np.allclose(explained(holes), explained(x), atol=0.05)


def test_six_hundred_columns_take_no_time() -> None:
    data = cd.simulate("sem", n_variables=600, n_samples=400, trials=0)
    assert data.truth is not None
    started = time.perf_counter()
    assert r2_sortability(data.telemetry.values, data.truth) == 0.5  # every R² is 1
    rng = np.random.default_rng(0)
    assert 0 < r2_sortability(rng.normal(size=(900, 600)), data.truth) < 1
    assert time.perf_counter() - started < 10


@given(st.integers(1, 9), st.floats(0, 0.5), SEEDS)
@settings(max_examples=80, deadline=None)
def test_path_counts_are_those_of_matrix_powers(n: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = (rng.random((n, n)) < density) & ~np.eye(n, dtype=bool)
    want, paths = np.zeros((n, n)), edges.astype(int)
    for _ in range(n - 1):
        want += paths > 0
        paths = ((paths @ edges) > 0).astype(int)
    np.fill_diagonal(want, 0)
    assert np.array_equal(path_counts(edges), want)
    place = positions(edges)
    assert np.abs(place).max() <= 1 and np.allclose(positions(edges.T), -place)
    criterion = rng.random(n)
    share = share_rising(criterion, want)
    if want.any():
        assert share + share_rising(-criterion + 1, want) == pytest.approx(1.0)
        assert share_rising(np.ones(n), want) == 0.5
    else:
        assert np.isnan(share)


def test_sortability_by_hand() -> None:
    chain = CausalGraph(["a", "b", "c"], [Edge("a", "b"), Edge("b", "c")])
    assert sortability(np.array([1.0, 3.0, 2.0]), chain) == pytest.approx(2 / 3)
    joined = CausalGraph(["a", "b", "c"], [Edge("a", "b", source_mark="arrow"), Edge("b", "c")], "pag")
    assert sortability(np.array([9.0, 3.0, 4.0]), joined) == 1.0  # what is confounded has no order
    rng = np.random.default_rng(0)
    a = rng.normal(size=5000)
    b = a + rng.normal(size=5000)
    x = np.column_stack([a, b, b + rng.normal(size=5000)])  # R²: the middle of the chain is explained best
    r2 = explained(x)
    assert np.allclose(r2, [0.5, 3 / 4, 2 / 3], atol=0.03)
    assert var_sortability(x, chain) == 1.0
    assert var_sortability(x / x.std(axis=0), chain) == 0.5  # by definition
    assert r2_sortability(x, chain) == r2_sortability(x / x.std(axis=0), chain)


@pytest.mark.parametrize(("name", "options"), [("mesh", {"duration_s": 1800}), ("sem", {}), ("var", {"missing": 0.1})])
def test_every_simulated_data_set_says_how_sortable_it_is(name: str, options: dict) -> None:
    data = cd.simulate(name, seed=1, trials=0, **options)
    assert data.truth is not None
    for key, measure in (("var_sortability", var_sortability), ("r2_sortability", r2_sortability)):
        assert 0 <= data.notes[key] <= 1
        assert name == "mesh" or data.notes[key] == measure(data.telemetry.values, data.truth)


# -- the level -------------------------------------------------------------------------------------------------------


@given(st.floats(-0.3, 1.3), st.floats(0.05, 0.3), SEEDS)
@settings(max_examples=40, deadline=None)
def test_level_finds_the_tilt(start: float, slope: float, seed: int) -> None:
    def measure(draw: int, tilt: float) -> float:
        return start - slope * tilt

    draw, tilt = level(measure, np.random.default_rng(seed))
    if abs(start - 0.5) < 3.8 * slope:  # steps of bisection are at last 1/16
        assert draw == 0 and abs(measure(0, tilt) - 0.5) < 0.02
    elif abs(start - 0.5) > 4.2 * slope:
        assert abs(tilt) > 3.9 and tilt * (start - 0.5) > 0
    assert level(lambda draw, tilt: float("nan"), np.random.default_rng(seed)) == (0, 0.0)


@pytest.mark.parametrize(("name", "mechanism"), [("sem", "linear"), ("sem", "tanh"), ("var", "linear")])
def test_level_takes_the_order_out_of_variance_and_r2(name: str, mechanism: str) -> None:
    """On average over seeds: 0.5 lies within the interval, and the mean within 0.05; the natural raw system is sortable."""
    figures: dict[str, list[tuple[float, float]]] = {"natural": [], "level": []}
    for seed in range(30):
        for kind, found in figures.items():
            options = {"mechanism": mechanism, "sortability": kind, "n_variables": 20, "trials": 0, "standardise": False}
            notes = cd.simulate(name, seed=seed, n_samples=600, **options).notes
            found.append((notes["var_sortability"], notes["r2_sortability"]))
    means = {kind: np.mean(found, axis=0) for kind, found in figures.items()}
    half = 3 * np.std(figures["level"], axis=0, ddof=1) / np.sqrt(30)
    assert means["natural"][0] > 0.75
    assert (np.abs(means["level"] - 0.5) < np.maximum(half, 0.02)).all() and abs(means["level"][1] - 0.5) < 0.05
    assert np.std(figures["level"], axis=0)[1] < np.std(figures["natural"], axis=0)[1]


def test_level_keeps_the_graph_and_lets_it_be_found() -> None:
    natural, even = (cd.simulate("sem", seed=3, n_samples=3000, trials=0, sortability=kind) for kind in ("natural", "level"))
    assert natural.truth is not None and even.truth is not None
    assert {(e.source, e.target) for e in natural.truth.edges} == {(e.source, e.target) for e in even.truth.edges}
    assert cd.score(cd.discover(even.telemetry, "pc").graph, even.truth)["skeleton_f1"] > 0.7
    x = even.telemetry.values
    assert np.allclose(x.mean(axis=0), 0, atol=0.1) and np.allclose(x.std(axis=0), 1, atol=0.1)
    for name in even.truth.names:  # the strengths are the coefficients in the units of the data
        edges = [e for e in even.truth.edges if e.target == name]
        design = x[:, [even.truth.index[e.source] for e in edges]]
        found = np.linalg.lstsq(design, x[:, even.truth.index[name]], rcond=None)[0]
        assert np.allclose(found, np.array([e.strength for e in edges], dtype=float), atol=0.08)


# -- the controls ----------------------------------------------------------------------------------------------------


@given(SEEDS, st.integers(1, 7), st.integers(40, 300))
@settings(max_examples=30, deadline=None)
def test_sparse_regression_is_the_adaptive_lasso_of_scikit_learn(seed: int, n: int, rows: int) -> None:
    x = mixed(seed, rows, n + 1)
    x[:, 0] += x[:, -1]
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    full = LinearRegression().fit(z[:, :-1], z[:, -1]).coef_
    want = LassoLarsIC(criterion="bic").fit(z[:, :-1] * np.abs(full), z[:, -1]).coef_ * np.abs(full)
    R = np.corrcoef(z.T)
    weight, sparse = sparse_regression(R[:-1, :-1], R[:-1, -1], rows)
    assert np.allclose(weight, full, atol=1e-6) and np.allclose(sparse, want, atol=1e-6)


@given(SEEDS, st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_sorted_order_obeys_what_must_come_first(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    numbers, hidden = rng.normal(size=n), rng.permutation(n)
    before = np.zeros((n, n), dtype=bool)
    before[np.ix_(hidden, hidden)] = np.triu(rng.random((n, n)) < 0.3, k=1)
    order = sorted_order(numbers, before, rng)
    rank = np.argsort(order)
    assert sorted(order) == list(range(n)) and all(rank[i] < rank[j] for i, j in np.argwhere(before))
    assert sorted_order(numbers, np.zeros((n, n), dtype=bool), rng) == np.argsort(numbers).tolist()


def pairs(graph: CausalGraph) -> set[tuple[str, str]]:
    return {(e.source, e.target) for e in graph.edges}


@pytest.mark.parametrize("name", ["sortnregress", "r2_sortnregress"])
def test_sorters_win_where_the_simulation_is_sortable_and_lose_where_it_is_level(name: str) -> None:
    def f1(sortability: str, **parameters: Any) -> float:
        scores = []
        for seed in range(12):
            data = cd.simulate("sem", seed=seed, n_variables=15, degree=4, standardise=False, trials=0, sortability=sortability)
            found = cd.discover(data.telemetry, name, max_lag=0, seed=seed, **parameters)
            assert data.truth is not None and found.graph.is_acyclic()
            scores.append(cd.score(found.graph, data.truth, found.scores)["directed_f1"])
        return float(np.mean(scores))

    assert f1("natural") > f1("level") + 0.15
    raw, standardised = f1("natural"), f1("natural", standardise=True)
    assert raw > standardised + 0.2 if name == "sortnregress" else raw == standardised


def test_sorters_sort_as_they_say() -> None:
    """c = a + b: c has most variance and R²; in other units the variance says the opposite, R² the same."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 3)) @ [[1, 0, 1], [0, 1, 1], [0, 0, 1]]
    want = {("a", "c"), ("b", "c")}
    small = x * [10.0, 20.0, 0.1]
    assert pairs(cd.discover(cd.Telemetry(x, ["a", "b", "c"]), "sortnregress", max_lag=0).graph) == want
    turned = cd.discover(cd.Telemetry(small, ["a", "b", "c"]), "sortnregress", max_lag=0).graph
    assert {("c", "a"), ("c", "b")} <= pairs(turned)
    for values in (x, small):
        found = cd.discover(cd.Telemetry(values, ["a", "b", "c"]), "r2_sortnregress", max_lag=0)
        assert pairs(found.graph) == want
        top = np.argsort(-np.nan_to_num(found.scores[:, :, 0], nan=-1), axis=None)[:2]
        assert {(int(k) // 3, int(k) % 3) for k in top} == {(0, 2), (1, 2)}


@pytest.mark.parametrize("name", ["sortnregress", "r2_sortnregress"])
def test_sorters_let_the_prior_order_first(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(800, 3)) @ [[1, 0, 1], [0, 1, 1], [0, 0, 1]]
    data = cd.Telemetry(x, ["a", "b", "c"])
    tiers = cd.discover(data, name, max_lag=0, prior=cd.ExpertPrior(tiers=[["c"], ["a", "b"]])).graph
    assert {("c", "a"), ("c", "b")} <= pairs(tiers)
    required = cd.discover(data, name, max_lag=0, prior=cd.ExpertPrior(required=[("c", "b")])).graph
    assert ("c", "b") in pairs(required) and ("b", "c") not in pairs(required)
    circle = cd.ExpertPrior(forbidden=[("b", "a"), ("c", "b"), ("a", "c")])  # one way only, in a circle
    assert cd.discover(data, name, max_lag=0, prior=circle).certificate.ok


@pytest.mark.parametrize("name", ["sortnregress", "r2_sortnregress"])
def test_sorters_see_lags_missing_values_copies_and_hardly_any_rows(name: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 3))
    x[2:, 2] += 0.9 * x[:-2, 0]
    lagged = cd.discover(cd.Telemetry(x, ["a", "b", "c"]), name, max_lag=3).graph
    assert [(e.source, e.target, e.lag) for e in lagged.edges] == [("a", "c", 2)]
    x = rng.normal(size=(2000, 3)) @ [[1, 0, 1], [0, 1, 1], [0, 0, 1]]
    holes = np.where(rng.random(x.shape) < 0.1, np.nan, x)
    assert pairs(cd.discover(cd.Telemetry(holes, ["a", "b", "c"]), name, max_lag=0).graph) >= {("a", "c"), ("b", "c")}
    copies = cd.discover(cd.Telemetry(np.column_stack([x, x[:, 0]]), ["a", "b", "c", "copy"]), name, max_lag=0)
    assert copies.graph.is_acyclic() and np.isfinite(copies.scores[~np.eye(4, dtype=bool)]).all()
    wide = cd.discover(cd.Telemetry(rng.normal(size=(12, 40)), [f"x{k}" for k in range(40)]), name, max_lag=0)
    assert len(wide.graph.edges) < 40 * 4 and np.isfinite(wide.scores[:, :, 0][~np.eye(40, dtype=bool)]).all()
