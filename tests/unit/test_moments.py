from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from causaldisc.kernels import moments as m


def table(rng, rows=200, columns=6, missing=0.0):
    X = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns))
    X[rng.random(X.shape) < missing] = np.nan
    return X


def test_lagged_rows_never_cross_a_border():
    values = np.arange(12.0).reshape(6, 2)
    environments = np.array([5, 5, 5, 7, 7, 9])
    assert m.lagged(values, environments, 1).tolist() == [[2, 3, 0, 1], [4, 5, 2, 3], [8, 9, 6, 7]]
    assert m.lagged(values, environments, 2).tolist() == [[4, 5, 2, 3, 0, 1]]
    assert m.lagged(values, environments, 3).shape == (0, 8)


def test_lagged_copies_its_input():
    values = np.ones((3, 2))
    m.lagged(values, np.zeros(3), 0)[:] = 7.0
    assert (values == 1).all()


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_correlation_agrees_with_pandas(missing):
    X = table(np.random.default_rng(0), missing=missing)
    R, n = m.pairwise_correlation(X)
    there = ~np.isnan(X)
    assert np.allclose(R, pd.DataFrame(X).corr().to_numpy(), atol=1e-12)
    assert (n == there.T.astype(int) @ there.astype(int)).all()
    assert (R == R.T).all() and (np.diag(R) == 1).all()


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_correlation_is_the_same_at_any_scale(missing):
    rng = np.random.default_rng(1)
    X = table(rng, missing=missing)
    scale = 10.0 ** np.array([-9, -6, 0, 3, 8, 12])
    offset = scale * rng.normal(size=6) * 10
    (R, n), (R2, n2) = m.correlation(X), m.correlation(X * scale + offset)
    assert np.abs(R - R2).max() < 1e-12
    assert (n == n2).all()


def test_a_shift_between_environments_makes_no_correlation():
    rng = np.random.default_rng(2)
    X, environments = rng.normal(size=(400, 2)), np.repeat([0, 1], 200)
    shifted = X + 50.0 * environments[:, None]
    assert m.correlation(shifted)[0][0, 1] > 0.9
    R, n = m.correlation(shifted, environments)
    assert abs(R[0, 1]) < 0.15
    assert n[0, 1] == 399  # each mean beyond the first costs a row
    shifted[:3, 0] = np.nan
    assert m.correlation(shifted, environments)[1][0, 1] == 396
    shifted[200:, 0] = np.nan  # one environment left for the pair: no extra mean
    assert m.correlation(shifted, environments)[1][0, 1] == 197


def test_columns_constant_in_every_environment_have_no_correlation():
    X = np.random.default_rng(3).normal(size=(100, 2))
    X[:, 1] = np.repeat([0.1, 0.7], 50)
    R, n = m.correlation(X, np.repeat([0, 1], 50))
    assert R.tolist() == np.eye(2).tolist()
    assert n[0, 1] == 0


def test_too_few_rows_in_common_say_nothing():
    X = np.random.default_rng(4).normal(size=(20, 2))
    X[:10, 0], X[13:, 1] = np.nan, np.nan
    R, n = m.correlation(X)
    assert (R[0, 1], n[0, 1]) == (0.0, 0.0)
    R, n = m.correlation(X[:2])
    assert (R[0, 1], n[0, 1]) == (0.0, 0.0)


def test_no_variance_in_the_rows_in_common():
    X = np.random.default_rng(5).normal(size=(30, 2))
    X[:20, 1] = 3.3
    X[20:, 0] = np.nan
    R, n = m.correlation(X)
    assert (R[0, 1], n[0, 1]) == (0.0, 0.0)


def test_indefinite_correlations_are_repaired_and_sound_ones_left_alone():
    rng = np.random.default_rng(6)
    X = table(rng, rows=30, columns=25, missing=0.5)
    raw, _ = m.pairwise_correlation(X)
    assert np.linalg.eigvalsh(raw).min() < -0.01
    fixed, change = m.repair(raw)
    assert np.linalg.eigvalsh(fixed).min() > -1e-9
    assert (np.diag(fixed) == 1).all() and (fixed == fixed.T).all() and np.abs(fixed).max() <= 1
    assert change == pytest.approx(np.abs(fixed - raw).max())
    sound = m.pairwise_correlation(table(rng))[0]
    assert m.repair(sound) == (pytest.approx(sound), 0.0)


def test_near_duplicates_are_found_up_to_sign_scale_and_transitively():
    rng = np.random.default_rng(7)
    X = rng.normal(size=(100, 6))
    X[:, 4] = -3 * X[:, 1] + 2
    X[:, 2] = X[:, 4] + 1e-5 * rng.normal(size=100)
    X[:, 5] = X[:, 0] * 1e12
    assert m.near_duplicates(m.correlation(X)[0]) == ((0, 5), (1, 2, 4))
    assert m.near_duplicates(m.correlation(X)[0], tolerance=1e-14) == ((0, 5), (1, 4))
    assert m.near_duplicates(np.eye(3)) == ()


def test_canonical_order_follows_the_contents():
    rng = np.random.default_rng(8)
    X = table(rng, missing=0.1)
    shuffle = rng.permutation(6)
    one, other = X[:, m.canonical_order(X)], X[:, shuffle][:, m.canonical_order(X[:, shuffle])]
    assert np.array_equal(one, other, equal_nan=True)


def test_nothing_is_changed_in_place():
    X = table(np.random.default_rng(9), missing=0.1)
    X.setflags(write=False)
    R, _ = m.correlation(X, np.repeat([0, 1], 100))
    R.setflags(write=False)
    m.repair(R)
    m.near_duplicates(R)
    m.canonical_order(X)


def test_columns_that_others_determine_are_named():
    X = np.random.default_rng(0).normal(size=(200, 4))
    R = np.corrcoef(np.column_stack([X, X[:, 0] - 2 * X[:, 1]]).T)
    rank, columns = m.dependent(R)
    assert rank == 4 and len(columns) == 1 and columns[0] in (0, 1, 4)
    assert m.dependent(R[:4, :4]) == (4, [])
    # Fewer rows than columns: no more independent columns than rows less the mean.
    assert m.dependent(np.corrcoef(np.random.default_rng(1).normal(size=(9, 20)).T))[0] == 8


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_scale_and_offset_change_no_correlation(scale, offset):
    X = np.random.default_rng(2).normal(size=(60, 4)).cumsum(axis=1)
    plain, _ = m.pairwise_correlation(X)
    moved, n = m.pairwise_correlation((X + offset) * scale)
    assert np.abs(plain - moved).max() < 1e-9 and (n == 60).all()


def test_a_column_that_is_constant_within_environments_is_correlated_with_nothing():
    X = np.random.default_rng(3).normal(size=(40, 2))
    X[:, 1] = np.repeat([0.1, 0.7], 20)
    R, n = m.pairwise_correlation(X, np.repeat([0, 1], 20))
    assert R[0, 1] == 0 and n[0, 1] == 0
