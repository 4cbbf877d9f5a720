"""Directions from data: right where they are told, silent at the stated level where nothing tells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import binom

from causaldisc.algorithms._beyond import beyond
from causaldisc.core.constraints import Constraints
from causaldisc.core.graph import DIRECTED, UNDIRECTED, CausalGraph
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.lead import lead
from causaldisc.kernels.nongaussian import compare, entropy
from causaldisc.kernels.whitening import whitened

NOISES = {
    "uniform": lambda rng, n: rng.uniform(-1.7, 1.7, n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "laplace": lambda rng, n: rng.laplace(size=n),
    "heavy": lambda rng, n: rng.standard_t(3, size=n),
}


def settled(values: np.ndarray, codes: np.ndarray, ways: str, environments: np.ndarray | None = None) -> CausalGraph:
    names = [f"x{k}" for k in range(values.shape[1])]
    graph = CausalGraph.from_codes(names, codes, kind="cpdag" if codes.ndim == 2 else "lagged")
    lags = 0 if codes.ndim == 2 else codes.shape[2] - 1
    telemetry = Telemetry(values, names, environments=environments)
    return beyond(graph, telemetry, Constraints.of(ExpertPrior(), names, lags), ways)


def undirected(n: int, *pairs: tuple[int, int]) -> np.ndarray:
    codes = np.zeros((n, n), np.int8)
    for i, j in pairs:
        codes[i, j] = codes[j, i] = UNDIRECTED
    return codes


def directions(graph: CausalGraph) -> list[tuple[str, str]]:
    return [(e.source, e.target) for e in graph.edges if e.is_directed]


def told(kind: str, n: int, rng: np.random.Generator, echo: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A cause and its effect; ``echo``: their noises are autoregressions."""
    draw = NOISES.get(kind, lambda rng, n: rng.normal(size=n))
    x, e = (lfilter([1.0], [1.0, -echo], draw(rng, n)) for _ in range(2))
    return x, rng.uniform(0.4, 1.5) * rng.choice([-1, 1]) * x / x.std() + e / e.std()


# -- distributions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("echo", "n"), [(0.0, 100), (0.0, 1000), (0.9, 300)])
def test_gaussian_pairs_are_told_apart_no_more_often_than_one_in_a_hundred(echo: float, n: int) -> None:
    rng, runs = np.random.default_rng(1), 400
    verdicts = [compare(*told("gaussian", n, rng, echo)) for _ in range(runs)]
    wrongly = sum(v.shape > 3.023 and abs(v.z) > 2.576 for v in verdicts)
    assert wrongly <= binom.ppf(0.999, runs, 0.01)


@pytest.mark.parametrize("kind", NOISES)
def test_the_direction_is_right_in_95_of_100_confident_pairs_and_often_confident(kind: str) -> None:
    rng, runs = np.random.default_rng(2), 150
    verdicts = [compare(*told(kind, 1000, rng)) for _ in range(runs)]
    sure = [v.z > 0 for v in verdicts if v.shape > 3.023 and abs(v.z) > 2.576]
    assert len(sure) > 0.6 * runs and np.mean(sure) >= 0.95


@pytest.mark.parametrize("kind", NOISES)
def test_two_effects_of_one_hidden_cause_are_told_apart_at_the_level_only(kind: str) -> None:
    """Neither causes the other, and by symmetry neither direction is likelier."""
    rng, runs, sure = np.random.default_rng(3), 300, 0
    for _ in range(runs):
        h, a, b = (NOISES[kind](rng, 500) for _ in range(3))
        verdict = compare(h + a, h + b)
        sure += verdict.shape > 3.023 and abs(verdict.z) > 2.576
    assert sure <= binom.ppf(0.9999, runs, 0.02)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(NOISES)), st.floats(1e-3, 1e3), st.booleans(), st.booleans())
def test_scale_sign_and_the_order_of_the_two_change_only_the_sign(seed: int, kind: str, scale: float, a: bool, b: bool) -> None:
    rng = np.random.default_rng(seed)
    x, y = told(kind, 300, rng)
    first = compare(x, y)
    other = compare((-scale if a else scale) * x + 5.0, (-1.0 if b else 1.0) * y - 3.0)
    back = compare(y, x)
    assert other.ratio == pytest.approx(first.ratio, rel=1e-5, abs=1e-8) and other.z == pytest.approx(first.z, rel=1e-4, abs=1e-5)
    assert back.ratio == pytest.approx(-first.ratio, rel=1e-9) and back.shape == pytest.approx(first.shape)


def naive_order(values: np.ndarray) -> list[int]:
    """DirectLiNGAM as its paper tells it (Shimizu et al. 2011, with the measure of Hyvärinen & Smith 2013), step by step."""
    left, rest, order = np.array(values), list(range(values.shape[1])), []

    def h(u: np.ndarray) -> float:
        u = (u - u.mean()) / u.std()
        return entropy(u)

    while rest:
        penalty = {}
        for i in rest:
            penalty[i] = 0.0
            for j in rest:
                if i != j:
                    x, y = (left[:, k] - left[:, k].mean() for k in (i, j))
                    x, y = x / x.std(), y / y.std()
                    r = np.mean(x * y)
                    penalty[i] += min(0.0, h(y) + h(x - r * y) - h(x) - h(y - r * x)) ** 2
        first = min(rest, key=lambda i: penalty[i])
        order.append(first)
        rest.remove(first)
        for j in rest:
            x = left[:, first] - left[:, first].mean()
            left[:, j] = left[:, j] - np.mean(x * left[:, j]) / np.mean(x * x) * x
    return order


@pytest.mark.parametrize("kind", ["uniform", "exponential", "laplace"])
def test_complete_graphs_are_directed_along_the_order_that_direct_lingam_finds(kind: str) -> None:
    for seed in range(6):
        rng, n = np.random.default_rng(seed), 4
        order, values = rng.permutation(n), np.zeros((3000, n))
        for at, k in enumerate(order):
            values[:, k] = NOISES[kind](rng, 3000) + sum(rng.uniform(0.4, 0.9) * values[:, c] for c in order[:at])
        found = settled(values, undirected(n, *((i, j) for i in range(n) for j in range(i))), "nongaussian")
        place = np.argsort(naive_order(values))
        assert naive_order(values) == order.tolist()
        told_ = directions(found)
        assert len(told_) >= 4 and all(place[int(a[1:])] < place[int(b[1:])] for a, b in told_)
        assert all(e.evidence == ("data", "nongaussian") for e in found.edges if e.is_directed)


def test_a_common_cause_in_the_neighbourhood_keeps_its_effects_silent_until_it_is_known() -> None:
    rng = np.random.default_rng(4)
    p = rng.normal(size=4000)  # Gaussian, so that its own edges stay open
    x = p + rng.normal(size=4000) * 0.5
    y = p + 0.5 * x + rng.exponential(size=4000)
    found = settled(np.column_stack([p, x, y]), undirected(3, (0, 1), (0, 2), (1, 2)), "nongaussian")
    assert directions(found) == []
    codes = undirected(3, (1, 2))
    codes[0, 1] = codes[0, 2] = DIRECTED
    found = settled(np.column_stack([p, x, y]), codes, "nongaussian")
    assert directions(found) == [("x0", "x1"), ("x0", "x2"), ("x1", "x2")]


def test_gaussian_data_of_a_learned_class_stay_undirected() -> None:
    rng, wrongly, runs = np.random.default_rng(5), 0, 60
    for _ in range(runs):
        x = rng.normal(size=300)
        y = x + rng.normal(size=300)
        z = y + rng.normal(size=300)
        found = settled(np.column_stack([x, y, z]), undirected(3, (0, 1), (1, 2)), "nongaussian")
        wrongly += bool(directions(found))
    assert wrongly <= binom.ppf(0.999, 2 * runs, 0.01)


def test_past_causes_missing_cells_and_environments_are_taken_into_account() -> None:
    rng = np.random.default_rng(6)
    n = 3000
    e = rng.exponential(size=(n, 2)) - 1.0
    x, y = np.zeros(n), np.zeros(n)
    for t in range(1, n):
        x[t] = 0.8 * x[t - 1] + e[t, 0]
        y[t] = 0.5 * x[t] + 0.8 * y[t - 1] + e[t, 1]
    codes = np.zeros((2, 2, 2), np.int8)
    codes[:, :, 0] = undirected(2, (0, 1))
    codes[0, 0, 1] = codes[1, 1, 1] = DIRECTED
    values = np.column_stack([x, y])
    values[rng.random(values.shape) < 0.1] = np.nan
    values[n // 2 :] += 100.0
    found = settled(values, codes, "nongaussian", np.repeat([0, 1], n // 2))
    # Each has a past cause that the other is not beside: any direction would collide, so the class forbids both.
    assert directions(found)[:1] == [("x0", "x0")] and len(directions(found)) == 2
    codes[1, 0, 1] = codes[0, 1, 1] = DIRECTED
    found = settled(values, codes, "nongaussian", np.repeat([0, 1], n // 2))
    assert ("x0", "x1", 0, ("data", "nongaussian")) in [(e.source, e.target, e.lag, e.evidence) for e in found.edges]


def test_discrete_columns_and_few_rows_tell_nothing() -> None:
    rng = np.random.default_rng(7)
    x = rng.integers(0, 4, 2000).astype(float)
    codes = undirected(2, (0, 1))
    assert directions(settled(np.column_stack([x, x + rng.integers(0, 3, 2000)]), codes, "nongaussian")) == []
    x = rng.exponential(size=40)
    assert directions(settled(np.column_stack([x, x + rng.exponential(size=40)]), codes, "nongaussian")) == []


def test_an_echo_does_not_hide_the_shape_of_what_is_new() -> None:
    rng, n = np.random.default_rng(13), 1500
    x, e = (lfilter([1.0], [1.0, -0.9], rng.exponential(size=n) - 1.0) for _ in range(2))
    found = settled(np.column_stack([x, x + e]), undirected(2, (0, 1)), "nongaussian")
    assert directions(found) == [("x0", "x1")]
    assert abs(compare(x, x + e).z) < 2.576  # as they are, both look Gaussian


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.95))
def test_whitening_leaves_the_relation_within_a_row(seed: int, echo: float) -> None:
    rng = np.random.default_rng(seed)
    x = lfilter([1.0], [1.0, -echo], rng.normal(size=800))
    (part,) = whitened(x, 3.0 * x, [slice(0, 800)])
    assert np.allclose(part[0], part[1]) and part.shape[1] >= 790
    rest = part[0] - part[0].mean()
    assert abs(float(np.mean(rest[1:] * rest[:-1]) / np.mean(rest**2))) < 0.15


# -- delays ----------------------------------------------------------------------------------------------------------


def echoes(rng: np.random.Generator, n: int, heavy: bool) -> tuple[np.ndarray, np.ndarray]:
    """Two autoregressions, each with an echo of its own."""
    draw = rng.standard_t(3, size=(2, n)) if heavy else rng.normal(size=(2, n))
    x, e = (lfilter([1.0], [1.0, -rng.uniform(0.0, 0.95)], row) for row in draw)
    return x / x.std(), e / e.std()


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("beyond_rows", [0, 1])
def test_without_a_delay_neither_is_said_to_lead(heavy: bool, beyond_rows: int) -> None:
    """Whatever echo the cause, the noise of the effect, or an error of measurement has."""
    rng, runs, wrongly = np.random.default_rng(8), 120, 0
    for _ in range(runs):
        x, e = echoes(rng, 300, heavy)
        seen = x + rng.uniform(0.0, 1.0) * rng.normal(size=300)
        wrongly += lead(seen, rng.uniform(0.3, 2.0) * x + e, [slice(0, 300)], beyond_rows).first != 0
    assert wrongly <= binom.ppf(0.999, runs, 0.002)


def test_a_delay_of_two_rows_is_told_and_rightly() -> None:
    rng, firsts = np.random.default_rng(9), []
    for _ in range(60):
        x, e = echoes(rng, 302, heavy=False)
        firsts.append(lead(x[2:], x[:-2] + 0.7 * e[2:], [slice(0, 300)]).first)
    assert firsts.count(-1) == 0 and firsts.count(1) > 45


def test_clocks_that_are_out_of_step_by_less_than_a_row_make_no_lead() -> None:
    """Both see one process, averaged over their own scrape intervals; a row by row comparison alone would be fooled."""
    rng, strict, plain = np.random.default_rng(10), [], []
    for _ in range(40):
        fine = np.convolve(lfilter([1.0], [1.0, -0.95], rng.normal(size=4000)), np.ones(10) / 10, "same")
        x, y = fine[7::10][:300], fine[0::10][:300]
        x, y = x / x.std() + 0.5 * rng.normal(size=300), y / y.std() + 0.5 * rng.normal(size=300)
        strict.append(lead(x, y, [slice(0, 300)]).first)
        plain.append(lead(x, y, [slice(0, 300)], beyond=0).first)
    assert strict.count(0) == 40 and plain.count(0) < 20


def test_leads_are_named_and_what_known_causes_hand_on_at_different_times_is_not_one() -> None:
    rng = np.random.default_rng(11)
    x, e = echoes(rng, 1002, heavy=False)
    values = np.column_stack([x[2:], x[:-2] + e[2:]])
    found = settled(values, undirected(2, (0, 1)), "lags")
    assert [(e.source, e.target, e.evidence) for e in found.edges] == [("x0", "x1", ("data", "lag"))]
    c = rng.normal(size=1002)  # reaches one at once and the other two rows later
    values = np.column_stack([c[2:], c[2:] + rng.normal(size=1000), c[:-2] + rng.normal(size=1000)])
    assert directions(settled(values[:, 1:], undirected(2, (0, 1)), "lags")) == [("x0", "x1")]
    codes = undirected(3, (1, 2))
    codes[0, 1] = codes[0, 2] = DIRECTED
    assert directions(settled(values, codes, "lags")) == [("x0", "x1"), ("x0", "x2")]


def test_gaps_and_short_series_are_survived() -> None:
    rng = np.random.default_rng(12)
    x = rng.normal(size=402)
    values = np.column_stack([x[2:], x[:-2] + 0.5 * rng.normal(size=400)])
    values[rng.random(400) < 0.02, 0] = np.nan
    assert directions(settled(values, undirected(2, (0, 1)), "lags")) == [("x0", "x1")]
    values[::5] = np.nan
    assert directions(settled(values, undirected(2, (0, 1)), "lags")) == []
    assert directions(settled(values[:20], undirected(2, (0, 1)), "lags")) == []
    assert lead(np.zeros(100), x[:100], [slice(0, 100)]).first == 0


# -- together --------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(NOISES)))
def test_where_columns_stand_their_scale_and_sign_play_no_part(seed: int, kind: str) -> None:
    rng, n = np.random.default_rng(seed), 4
    values = np.column_stack([NOISES[kind](rng, 400) for _ in range(n)])
    for k in range(1, n):
        values[:, k] += values[:, rng.integers(k)]
    codes = undirected(n, *((k, k - 1) for k in range(1, n)))
    order, scale = rng.permutation(n), rng.choice([-8.0, 0.25, 2.0], size=n)
    first = settled(values, codes, "all")
    other = settled((values * scale)[:, order], codes[np.ix_(order, order)], "all")
    renamed = {(f"x{order[int(a[1:])]}", f"x{order[int(b[1:])]}") for a, b in directions(other)}
    assert renamed == set(directions(first))
