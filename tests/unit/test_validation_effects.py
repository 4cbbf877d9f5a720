"""The statistics of a trial: calibrated under autocorrelation, powered, and honest about what it could not see."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.validation._effects import MIN_BLOCKS, benjamini_hochberg, block_means, correlation_time, effect


def autoregressive(rng, n, rho):
    noise = rng.standard_normal(n + 200)
    series = np.zeros(n + 200)
    for t in range(1, n + 200):
        series[t] = rho * series[t - 1] + noise[t]
    return series[200:] * np.sqrt(1 - rho**2)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_correlation_time_of_an_autoregression(rho):
    # Integrated autocorrelation time of an AR(1): (1 + ρ) / (1 - ρ).
    times = [correlation_time(autoregressive(np.random.default_rng(k), 4000, rho)) for k in range(5)]
    assert np.median(times) == pytest.approx((1 + rho) / (1 - rho), rel=0.2)


def test_correlation_time_of_a_constant_or_short_series():
    assert correlation_time(np.zeros(50)) == 1.0
    assert correlation_time(np.array([1.0, 2.0])) == 1.0


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_level_holds_under_autocorrelation(rho):
    rng = np.random.default_rng(1)
    p_values = [effect([[autoregressive(rng, 400, rho)], [autoregressive(rng, 400, rho)]], 1.0, 0.2).p_value for _ in range(400)]
    # A plain t test rejects about 50 % here at ρ = 0.8. Binomial: 0.05 ± 3 standard errors is below 0.085.
    assert np.nanmean(np.array(p_values) < 0.05) < 0.09


def test_absence_is_rarely_claimed_of_an_effect_at_the_margin():
    rng = np.random.default_rng(2)
    low, high = rng.normal(0, 1, (300, 1000)), rng.normal(0.2, 1, (300, 1000))
    claimed = [effect([[a], [b]], 1.0, 0.2).p_absence <= 0.05 for a, b in zip(low, high, strict=True)]
    assert np.mean(claimed) < 0.09


def test_power_of_both_decisions():
    rng = np.random.default_rng(3)
    same = effect([[rng.normal(0, 1, 3000)], [rng.normal(0, 1, 3000)]], 1.0, 0.2)
    moved = effect([[rng.normal(0, 1, 3000)], [rng.normal(0.5, 1, 3000)]], 1.0, 0.2)
    assert same.p_absence < 0.01 and same.p_value > 0.01
    assert moved.p_value < 1e-6 and moved.p_absence > 0.99
    assert moved.estimate == pytest.approx(0.5, abs=0.1)


def test_a_hump_is_seen_by_the_middle_setting_only():
    rng = np.random.default_rng(4)
    low, middle, high = (rng.normal(m, 1, 1500) for m in (0.0, 1.0, 0.0))
    assert effect([[low], [high]], 1.0, 0.2).p_absence < 0.05
    assert effect([[low], [middle], [high]], 1.0, 0.2).p_value < 1e-6


def test_what_all_runs_share_cancels():
    rng = np.random.default_rng(5)
    cycle = 50 * np.sin(np.arange(600) / 30)
    low, high = cycle + rng.normal(0, 1, 600), cycle + rng.normal(0.5, 1, 600)
    assert effect([[low], [high]], 1.0, 0.2).p_value < 1e-4


def test_too_few_effective_rows_are_not_judged():
    rng = np.random.default_rng(6)
    for rows in (5, 20):
        judged = effect([[rng.normal(size=rows)], [rng.normal(size=rows)]], 1.0, 0.2)
        assert np.isnan(judged.p_value) and np.isnan(judged.p_absence) and judged.blocks < MIN_BLOCKS
    trend = np.linspace(0, 100, 400)
    assert np.isnan(effect([[np.zeros(400)], [trend]], 1.0, 0.2).p_value)


def test_missing_cells_are_left_out_and_repeats_pooled():
    rng = np.random.default_rng(7)
    low, high = rng.normal(0, 1, (4, 200)), rng.normal(1, 1, (4, 200))
    low[:, ::3] = np.nan
    one, four = effect([low[:1], high[:1]], 1.0, 0.2), effect([low, high], 1.0, 0.2)
    assert four.error < one.error and four.blocks > 2 * one.blocks
    assert four.p_value < one.p_value < 0.01


def test_what_is_fixed_exactly_is_judged_exactly():
    assert effect([[np.zeros(100)], [np.zeros(100)]], 1.0, 0.2).p_absence < 1e-6
    assert effect([[np.zeros(100)], [np.ones(100)]], 1.0, 0.2).p_value < 1e-6


@given(st.integers(1, 200), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_block_means_keep_the_mean(rows, seed):
    series = np.random.default_rng(seed).normal(size=rows)
    means = block_means(series)
    if len(means):
        width = rows // len(means)
        assert means.mean() == pytest.approx(series[rows - width * len(means) :].mean())


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=20), st.floats(0.01, 0.5))
@settings(max_examples=100, deadline=None)
def test_benjamini_hochberg_by_its_definition(p_values, alpha):
    # Reject the k smallest, k the largest with p_(k) ≤ k α / m.
    array = np.array(p_values, dtype=float)
    known = np.sort(array[~np.isnan(array)])
    passing = [k for k in range(1, len(known) + 1) if known[k - 1] * len(known) / k <= alpha]
    rejected = int(np.sum(benjamini_hochberg(array) <= alpha))
    expected = max(passing, default=0)
    assert rejected == expected
