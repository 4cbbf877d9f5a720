"""Tests of independence that fit the data, by hand and against plain linear algebra: ranks, effective rows, mixed, splines."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.signal import lfilter

from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.effective import autocorrelations, effective_counts, effective_size
from causaldisc.kernels.fisher import Fisher, critical_value
from causaldisc.kernels.gcm import GCM, spline
from causaldisc.kernels.levels import discrete, discrete_columns
from causaldisc.kernels.looped import Looped
from causaldisc.kernels.mixed import Mixed, embed
from causaldisc.kernels.moments import correlation, pairwise_correlation
from causaldisc.kernels.ranks import average_ranks, normal_scores
from causaldisc.kernels.rcot import RCoT, _verdict
from causaldisc.kernels.separation import Neighbours
from causaldisc.kernels.serial import Serial
from causaldisc.kernels.weighing import TESTS, Weighing, transformed
from causaldisc.runner.pipeline import discover


def one_test(tests, x, y, given):
    """The natural logarithm of the p-value of x and y given exactly these columns, and the strength; None where there is none."""
    around = Neighbours.of(np.array([[x, z] for z in given], dtype=int).reshape(-1, 2), len(tests.cause))
    results = np.zeros(1, np.int64), np.zeros((0, len(tests.cause)), np.int32), np.array([[np.inf, 0.0]])
    made, _ = tests.judge(around, np.array([[x, y]]), (len(given), len(given)), True, results)
    return (float(tests.log_p(results[2][:, 0])[0]), float(results[2][0, 1])) if made else None


def slow(rng, rows, columns, phi=0.9):
    return lfilter([1.0], [1.0, -phi], rng.normal(size=(rows + 200, columns)), axis=0)[200:]


# Normal scores


@given(arrays(float, st.integers(1, 30), elements=st.integers(-3, 3).map(float)))
def test_ranks_are_those_of_scipy(x):
    assert np.array_equal(average_ranks(x), stats.rankdata(x))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000))
def test_normal_scores_see_order_alone_and_keep_gaps(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-4, 5, size=(20, 3)).astype(float)
    values[rng.random(values.shape) < rng.random()] = np.nan
    scores = normal_scores(values)
    assert np.array_equal(scores, normal_scores(np.exp(values)), equal_nan=True)
    assert np.allclose(scores, -normal_scores(-values), equal_nan=True)
    assert np.array_equal(np.isnan(scores), np.isnan(values))


def test_environments_are_ranked_apart():
    labels = np.repeat([0, 1], 50)
    values = np.random.default_rng(0).normal(size=(100, 2))
    shifted = values * np.where(labels, 7.0, 1.0)[:, None] + 100.0 * labels[:, None]
    assert np.array_equal(normal_scores(values, labels), normal_scores(shifted, labels))


# Effective rows


def test_autocorrelations_are_plain_ones_within_the_window():
    x = slow(np.random.default_rng(0), 400, 1)
    rho = autocorrelations(x).rho[0]
    centred = x[:, 0] - x.mean()
    plain = np.array([np.mean(centred[k:] * centred[: 400 - k]) for k in range(6)])
    # All are raised by the variance of the mean, and divided by that at lag 0.
    shift = (rho[1] * plain[0] - plain[1]) / (1.0 - rho[1])
    assert shift > 0
    assert np.allclose(rho[:6], (plain + shift) / (plain[0] + shift))
    assert rho[-1] != 0 or len(rho) == 1


@pytest.mark.parametrize("phi", [0.5, 0.9, -0.8])
def test_effective_counts_are_those_of_bartlett(phi):
    rng, n = np.random.default_rng(1), 4000
    counts = effective_counts(slow(rng, n, 12, phi), np.full((12, 12), float(n)))
    assert np.median(counts) == pytest.approx(n * (1 - phi**2) / (1 + phi**2), rel=0.06)
    assert (counts <= n).all()


def test_a_white_partner_keeps_all_rows_and_a_swinging_one_gains_none():
    rng = np.random.default_rng(2)
    values = np.column_stack([slow(rng, 800, 1), rng.normal(size=800), slow(rng, 800, 1, -0.9)])
    counts = effective_counts(values, np.full((3, 3), 800.0))
    assert counts[0, 1] > 790
    assert counts[0, 2] == 800.0


def test_the_size_for_a_mean():
    rng = np.random.default_rng(3)
    assert np.median(effective_size(slow(rng, 5000, 20))) == pytest.approx(5000 * 0.1 / 1.9, rel=0.12)
    still = np.column_stack([np.ones(50), np.full(50, np.nan), rng.normal(size=50)])
    assert effective_size(still).tolist() == [1.0, 0.0, 50.0]
    assert effective_size(np.zeros((0, 2))).tolist() == [0.0, 0.0]


def test_effective_rows_do_not_depend_on_scale_and_reach_across_no_border():
    rng = np.random.default_rng(4)
    values, n = slow(rng, 300, 3), np.full((3, 3), 300.0)
    assert np.allclose(effective_counts(values, n), effective_counts(1e6 * values - 5e8, n), rtol=1e-4)
    # A level of its own for each environment is no slowness.
    labels = np.repeat(np.arange(10), 30)
    steps = rng.normal(size=(300, 3)) + 50.0 * labels[:, None]
    assert effective_counts(steps, n)[0, 1] < 30
    assert effective_counts(steps, n, labels)[0, 1] > 250


def test_gaps_thin_the_rows_out():
    rng = np.random.default_rng(5)
    whole = slow(rng, 2000, 2)
    gappy = np.where(rng.random(whole.shape) < 0.5, np.nan, whole)
    _, n = pairwise_correlation(gappy)
    # A quarter of the rows, each less like the next: by far more than a quarter of what the whole tells.
    part = effective_counts(gappy, n)[0, 1] / effective_counts(whole, np.full((2, 2), 2000.0))[0, 1]
    assert 0.55 < part < 0.95


# Serial tests


def test_serial_tests_of_white_series_are_fishers():
    rng = np.random.default_rng(6)
    values = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5))
    R, n = correlation(values)
    serial = Serial.build(values, np.zeros(300, int), R, n, 0.05)
    fisher = Fisher(R, n, np.ones((5, 5), dtype=bool), critical_value(0.05))
    assert np.allclose(serial.marginal(5)[0][np.triu_indices(5, 1)], fisher.marginal(5)[0][np.triu_indices(5, 1)])
    for size in range(4):
        for given_ in combinations(range(2, 5), size):
            assert one_test(serial, 0, 1, given_) == pytest.approx(one_test(fisher, 0, 1, given_), rel=1e-6)


@pytest.mark.parametrize("given_", [(2,), (2, 3), (2, 3, 4)])
def test_a_serial_test_counts_the_rows_of_its_own_residuals(given_):
    rng = np.random.default_rng(7)
    values = slow(rng, 1000, 5, 0.8)
    values[:, :2] += values[:, 2:].sum(axis=1, keepdims=True) + slow(rng, 1000, 2, 0.6)
    labels = np.zeros(1000, int)
    serial = Serial.build(values, labels, *correlation(values), 0.05)
    log_p, r = one_test(serial, 0, 1, given_)
    base = np.column_stack([np.ones(1000), values[:, given_]])
    left = values[:, :2] - base @ np.linalg.lstsq(base, values[:, :2], rcond=None)[0]
    assert r == pytest.approx(np.corrcoef(left.T)[0, 1], abs=1e-9)
    rows = effective_counts(left, np.full((2, 2), 1000.0 - len(given_)))[0, 1]
    z = np.arctanh(abs(r)) * np.sqrt(rows - 3.0)
    # Residuals of lagged covariances, not of the rows themselves: the ends of the series differ.
    assert log_p == pytest.approx(np.log(2 * stats.norm.sf(z)), rel=0.05)


def test_white_residuals_of_slow_series_keep_their_rows():
    rng = np.random.default_rng(8)
    values = rng.normal(size=(500, 3))
    values[:, 2] = 3 * slow(rng, 500, 1)[:, 0]
    values[:, :2] += values[:, 2:]
    serial = Serial.build(values, np.zeros(500, int), *correlation(values), 0.05)
    fisher = Fisher(serial.R, serial.n, serial.cause, serial.critical)
    assert serial.sizes[0, 1] < 80
    assert one_test(serial, 0, 1, (2,))[0] == pytest.approx(one_test(fisher, 0, 1, (2,))[0], rel=0.1)


# Mixed columns


def determinant_test(values, blocks, x, y, given_):
    """The likelihood ratio test by determinants of the correlations of all rows."""
    columns = [np.column_stack([values[:, b] for b in blocks[k]]) for k in range(len(blocks))]

    def log_det(*which):
        wide = np.column_stack([np.zeros((len(values), 0)), *(columns[k] for k in which)])
        return np.linalg.slogdet(np.atleast_2d(np.corrcoef(wide.T)))[1] if wide.shape[1] else 0.0

    ratio = log_det(x, y, *given_) + log_det(*given_) - log_det(x, *given_) - log_det(y, *given_)
    p, q, s = len(blocks[x]), len(blocks[y]), sum(len(blocks[z]) for z in given_)
    freedom = len(values) - 1 - s - (p + q + 1) / 2
    return stats.chi2.logsf(-freedom * ratio, p * q), np.sqrt(1 - np.exp(ratio))


def mixture(rng, rows=400):
    kind, other = rng.integers(0, 3, size=rows), rng.integers(0, 4, size=rows)
    z = rng.normal(size=rows) + (kind == 2)
    return np.column_stack([z + 0.2 * rng.normal(size=rows), np.digitize(z + rng.normal(size=rows), [0, 1]), kind, other, z])


def test_mixed_tests_are_those_of_determinants():
    values = mixture(np.random.default_rng(9))
    marks = discrete_columns(values)
    assert marks.tolist() == [False, True, True, True, False]
    embedding = embed(values, marks)
    tests = Mixed.build(*embedding, np.zeros(len(values), int), 0.05)
    blocks = [list(range(*embedding.starts[[k, k + 1]])) for k in range(5)]
    for size in range(4):
        for x, y in combinations(range(5), 2):
            for given_ in combinations(sorted({0, 1, 2, 3, 4} - {x, y}), size):
                log_p, strength = one_test(tests, x, y, given_)
                expected = determinant_test(embedding.values, blocks, x, y, given_)
                assert (log_p, abs(strength)) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_mixed_tests_of_continuous_columns_have_partial_correlations_for_strength():
    rng = np.random.default_rng(10)
    values = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3))
    tests = Mixed.build(*embed(values, np.zeros(3, bool)), np.zeros(200, int), 0.05)
    R, n = correlation(values)
    fisher = Fisher(R, n, np.ones((3, 3), dtype=bool), 1.96)
    for given_ in [(), (2,)]:
        assert one_test(tests, 0, 1, given_)[1] == pytest.approx(one_test(fisher, 0, 1, given_)[1])


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(4)), st.integers(0, 9))
def test_names_of_levels_mean_nothing(names, seed):
    values = mixture(np.random.default_rng(seed), 200)
    renamed = np.array(values)
    renamed[:, 3] = np.array(names)[values[:, 3].astype(int)]
    marks = np.array([False, True, True, True, False])
    one, other = (Mixed.build(*embed(v, marks), np.zeros(200, int), 0.05) for v in (values, renamed))
    for given_ in [(), (3,), (2, 4)]:
        assert one_test(one, 0, 1, given_) == pytest.approx(one_test(other, 0, 1, given_), abs=1e-8)


def test_a_column_told_by_the_conditions_makes_no_mixed_test():
    kind = np.tile([0.0, 1.0, 2.0], 40)
    values = np.column_stack([kind, kind == 1, np.random.default_rng(0).normal(size=120)])
    tests = Mixed.build(*embed(values, np.array([True, True, False])), np.zeros(120, int), 0.05)
    assert one_test(tests, 1, 2, (0,)) is None
    assert one_test(tests, 0, 2, (1,)) is not None
    assert one_test(tests, 0, 1, ())[1] == pytest.approx(1.0)


def test_which_columns_are_discrete():
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.integers(0, 2, 100), rng.integers(0, 50, 100), rng.normal(size=100), np.full(100, 3.0)]).astype(
        float
    )
    values[3, 0] = np.nan
    assert discrete_columns(values).tolist() == [True, False, False, False]
    assert not discrete(values)
    assert discrete(values[:, [0, 3]])


# Tests one by one


class Slowly(Looped):
    """Fisher's z, test by test."""

    @property
    def cost(self):
        return 1e9

    def test(self, x, y, given):
        found = one_test(FISHER, x, y, given)
        return None if found is None else (-found[0] / np.log(10.0), found[1])


FISHER = Fisher(
    *correlation(np.random.default_rng(11).normal(size=(40, 8)) @ np.random.default_rng(12).normal(size=(8, 8))),
    np.ones((8, 8), dtype=bool),
    critical_value(0.2),
)


@settings(deadline=None, max_examples=60)
@given(st.sets(st.sampled_from(list(combinations(range(6), 2))), min_size=1), st.booleans(), st.integers(0, 3), st.data())
def test_tests_one_by_one_walk_the_sets_that_kernels_walk(edges, first, low, data):
    cause = data.draw(arrays(bool, (8, 8)))
    high = data.draw(st.integers(low, 3))
    pairs = np.array(sorted(edges))
    around = Neighbours.of(pairs, 6)
    fast, plain = FISHER.under(cause), Slowly(np.arange(8), cause, -np.log10(0.2))
    outcomes = []
    for tests in (fast, plain):
        results = (
            np.zeros(len(pairs), np.int64),
            np.zeros((0 if first else len(pairs), 8), np.int32),
            np.full((len(pairs), 2), np.inf),
        )
        done = tests.judge(around, pairs, (low, high), first, results)
        outcomes.append((done, results))
    (fast_done, fast_results), (slow_done, slow_results) = outcomes
    assert fast_done == slow_done
    assert np.array_equal(fast_results[0], slow_results[0])
    assert np.array_equal(fast_results[1], slow_results[1])
    tried = np.isfinite(fast_results[2][:, 0])
    assert np.allclose(FISHER.log_p(fast_results[2][tried, 0]), plain.log_p(slow_results[2][tried, 0]))
    assert np.allclose(fast_results[2][tried, 1], slow_results[2][tried, 1])


def test_the_generalised_covariance_measure_by_hand():
    rng = np.random.default_rng(13)
    z = rng.normal(size=300)
    values = np.column_stack([z + rng.normal(size=300), z**2 + rng.normal(size=300), z])
    scores = normal_scores(values)
    base = np.column_stack([np.ones(300), spline(scores[:, 2])])
    left = scores[:, :2] - base @ np.linalg.lstsq(base, scores[:, :2], rcond=None)[0]
    products = left.prod(axis=1)
    t = abs(products.mean()) / products.std() * np.sqrt(300 - base.shape[1])
    found = GCM.build(values, np.zeros(300, int), 0.05).test(0, 1, (2,))
    assert found == pytest.approx((-np.log10(2 * stats.norm.sf(t)), np.corrcoef(left.T)[0, 1]), rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_a_spline_is_linear_beyond_its_knots(seed):
    x = np.sort(np.random.default_rng(seed).normal(size=200))
    ends = np.concatenate([np.linspace(-9, -5, 5), x, np.linspace(5, 9, 5)])
    base = spline(ends)
    assert base.shape[1] == 4
    assert np.allclose(np.diff(base[:5], 2, axis=0), 0.0, atol=1e-7)
    assert np.allclose(np.diff(base[-5:], 2, axis=0), 0.0, atol=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.015, 0.05])
def test_weighted_sums_of_chi_squares_have_the_tail_of_hall_buckley_and_eagleson(shift):
    moments = pytest.importorskip("momentchi2")
    rng = np.random.default_rng(14)
    # Under independence n times the squared covariance is such a sum, with the eigenvalues of the products for weights.
    mine, theirs = rng.normal(size=(2000, 3)) * [1.0, 0.5, 0.2], rng.normal(size=(2000, 2)) * [1.0, 0.3]
    theirs += shift * mine[:, :1]
    products = (mine[:, :, None] * theirs[:, None, :]).reshape(2000, -1)
    weights = np.linalg.eigvalsh(products.T @ products / 2000)
    seen = 2000 * np.sum((mine.T @ theirs / 2000) ** 2)
    p = 10.0 ** -_verdict(mine, theirs)[0]
    assert p == pytest.approx(1.0 - moments.hbe(weights, seen), abs=1e-8)
    assert p == pytest.approx(np.mean(rng.chisquare(1, size=(100_000, 6)) @ weights > seen), abs=0.04)


def test_random_features_find_what_correlation_does_not():
    rng = np.random.default_rng(15)
    x = rng.normal(size=400)
    values = np.column_stack([x, x**2 + 0.5 * rng.normal(size=400), rng.normal(size=400)])
    tests = RCoT.build(values, np.zeros(400, int), 0.05, np.random.default_rng(0))
    again = RCoT.build(values, np.zeros(400, int), 0.05, np.random.default_rng(0))
    assert tests.test(0, 1, ()) == again.test(0, 1, ())
    assert tests.test(0, 1, (2,))[0] > 6
    assert tests.test(0, 2, ())[0] < 3


# All by name


@pytest.mark.parametrize("test", TESTS)
def test_every_test_weighs_all_windows_and_some(test):
    rng = np.random.default_rng(16)
    values = mixture(rng, 240)[:, [1, 2, 3]] if test in ("chi2", "g2") else mixture(rng, 240)
    values[rng.random(values.shape) < 0.05] = np.nan
    labels = np.repeat([0, 1], 120)
    weighing = Weighing(test, transformed(test, values, labels), labels, 1, 0.05)
    for rows in (None, np.sort(rng.integers(0, 240, size=240))):
        evidence = weighing(rows)
        statistic, strength, known = evidence.tests.marginal(values.shape[1])
        assert np.array_equal(statistic, statistic.T) and (statistic >= 0).all()
        assert known[np.triu_indices(len(known), 1)].all()
        assert (np.abs(strength) <= 1.0 + 1e-9).all()
        assert evidence.n.shape == evidence.R.shape
    before = weighing.windows.copy()
    weighing()
    assert np.array_equal(before, weighing.windows, equal_nan=True)


@pytest.mark.parametrize("test", ["rank", "mixed", "gcm", "rcot"])
def test_pc_finds_a_collider_by_every_test(test):
    rng = np.random.default_rng(20)
    noise = rng.normal(size=(600, 4))
    values = np.column_stack([noise[:, 0], noise[:, 1], noise[:, 0] + noise[:, 1] + 0.5 * noise[:, 2], noise[:, 3]])
    values[:, 3] = np.digitize(values[:, 2] + 0.5 * noise[:, 3], [-1.0, 1.0]) if test == "mixed" else noise[:, 3]
    values = values if test in ("mixed", "rcot") else np.exp(values)
    found = discover(Telemetry(values, ["a", "b", "c", "d"]), "pc", test=test, bootstrap=0)
    edges = {(edge.source, edge.target) for edge in found.graph.edges}
    assert {("a", "c"), ("b", "c")} <= edges <= {("a", "c"), ("b", "c"), ("c", "d")}
    assert found.report["test"] == test


def test_effective_rows_keep_pc_and_ges_from_edges_between_slow_series():
    rng, names = np.random.default_rng(18), list("abcdefgh")
    for algorithm, test in [("pc", "fisher_z"), ("pc", "gcm"), ("ges", "rank")]:
        telemetry = Telemetry(slow(rng, 400, 8), names)
        plain = discover(telemetry, algorithm, test=test, bootstrap=0)
        counted = discover(telemetry, algorithm, test=test, autocorrelation=True, bootstrap=0)
        assert len(plain.graph.edges) > 3 > len(counted.graph.edges)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"test": "rcot", "autocorrelation": True}, "autocorrelation must be false with test=rcot"),
        ({"missing": "testwise", "autocorrelation": True}, "missing must be pairs"),
        ({"test": "chi2"}, "pc.test must be fisher_z for columns of many values"),
        ({"test": "knn", "alpha": 1e-6}, "alpha"),
        ({"test": "pearson"}, "test"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_line(settings_, message):
    from causaldisc.core.errors import InputError

    telemetry = Telemetry(np.random.default_rng(0).normal(size=(300, 2)), ["a", "b"])
    with pytest.raises(InputError, match=message) as caught:
        discover(telemetry, "pc", **settings_)
    assert "\n" not in str(caught.value)


def test_ges_counts_no_effective_rows_beside_the_past():
    from causaldisc.core.errors import InputError

    telemetry = Telemetry(np.random.default_rng(0).normal(size=(300, 2)), ["a", "b"])
    with pytest.raises(InputError, match="max_lag"):
        discover(telemetry, "ges", autocorrelation=True, max_lag=1)


@pytest.mark.parametrize("test", ["rank", "mixed", "gcm", "rcot"])
def test_fci_takes_the_same_tests(test):
    rng = np.random.default_rng(21)
    noise = rng.normal(size=(600, 3))
    values = np.column_stack([noise[:, 0], noise[:, 1], noise[:, 0] + noise[:, 1] + 0.5 * noise[:, 2]])
    found = discover(Telemetry(values, ["a", "b", "c"]), "fci", test=test, bootstrap=0)
    assert {(edge.source, edge.target_mark, edge.target) for edge in found.graph.edges} == {
        ("a", "arrow", "c"),
        ("b", "arrow", "c"),
    }
    assert found.report["test"] == test


@pytest.mark.parametrize("algorithm", ["pcmci", "pcmci_plus"])
def test_normal_scores_bear_tails_that_values_do_not(algorithm):
    rng = np.random.default_rng(22)
    noise = rng.normal(size=(400, 2))
    noise[1:, 1] += 0.6 * noise[:-1, 0]
    telemetry = Telemetry(np.exp(3.0 * noise), ["a", "b"])
    found = discover(telemetry, algorithm, test="rank", max_lag=2, alpha=1e-4, bootstrap=0)
    assert [(edge.source, edge.target, edge.lag) for edge in found.graph.edges] == [("a", "b", 1)]
    same = discover(Telemetry(noise, ["a", "b"]), algorithm, test="rank", max_lag=2, alpha=1e-4, bootstrap=0)
    assert same.graph.edges[0].strength == pytest.approx(found.graph.edges[0].strength)


def test_the_library_of_nearest_neighbours_is_asked_alike():
    from causaldisc.algorithms._bridges.nearest import Nearest

    rng = np.random.default_rng(23)
    x = rng.normal(size=150)
    values = np.column_stack([x, x**2 + 0.3 * rng.normal(size=150), rng.normal(size=150)])
    labels = np.zeros(150, int)
    tests = Nearest.build(values, labels, 0.05)
    assert tests.test(0, 1, ())[0] == pytest.approx(np.log10(200.0))
    assert tests.test(0, 2, ())[0] < 1.3
    assert tests.test(0, 1, (2,)) == Nearest.build(values, labels, 0.05).test(0, 1, (2,))
