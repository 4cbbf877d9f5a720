"""Properties of the tests that PC makes on contingency tables and on the rows of each test."""

from __future__ import annotations

import math
import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.core.errors import InputError
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.chi_squared import log_p_values
from causaldisc.kernels.contingency import Contingency
from causaldisc.kernels.deletion import Testwise
from causaldisc.kernels.fisher import Fisher
from causaldisc.kernels.levels import count_levels, discrete
from causaldisc.kernels.separation import Neighbours, separate
from causaldisc.runner.pipeline import discover

SEEDS = st.integers(0, 10**6)


def judged(tests, sizes=(0, 3), first=False, adjacent=None):
    """(tests made, enough, found, holding, best) of all pairs, every column a neighbour of every other unless told."""
    columns = len(tests.cause)
    pairs = np.argwhere(np.triu(np.ones((columns, columns), bool), 1))
    around = Neighbours.of(pairs if adjacent is None else adjacent, columns)
    found, best = np.zeros(len(pairs), np.int64), np.tile([np.inf, 0.0], (len(pairs), 1))
    holding = np.zeros((0 if first else len(pairs), columns), np.int32)
    made, enough = tests.judge(around, pairs, sizes, first, (found, holding, best))
    return made, enough, found, holding, best


def given_exactly(tests, x, y, columns):
    """(tests made, statistic, strength) of x and y given exactly these columns."""
    around = Neighbours.of(np.array([[x, z] for z in columns], dtype=int).reshape(-1, 2), len(tests.cause))
    results = np.zeros(1, np.int64), np.zeros((0, len(tests.cause)), np.int32), np.array([[np.inf, 0.0]])
    made, _ = tests.judge(around, np.array([[x, y]]), (len(columns),) * 2, True, results)
    return made, *results[2][0].tolist()


def dice(seed, rows=200, columns=5, most=4, missing=0.0):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, rng.integers(2, most + 1, size=columns), size=(rows, columns)).astype(float)
    values[:, 1] = np.where(rng.random(rows) < 0.5, values[:, 0], values[:, 1])
    values[rng.random(values.shape) < missing] = np.nan
    return values


def gappy(seed, rows=80, columns=5, missing=0.1):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, columns)) @ (np.eye(columns) + 0.5 * rng.normal(size=(columns, columns))) * 100 + 1000
    values[rng.random(values.shape) < missing] = np.nan
    return values


def environments(rows, number):
    return np.sort(np.arange(rows) % number)


# ------------------------------------------------------------------------------------------------------- the χ² tail


def test_tail_of_chi_squared_is_scipys():
    from scipy.stats import chi2

    freedom = np.repeat([1.0, 2.0, 3.0, 10.0, 31.0, 32.0, 33.0, 100.0, 5000.0], 40)
    statistic = freedom * np.tile(np.geomspace(1e-3, 20.0, 40), 9)
    statistic[freedom == 5000.0] = 5000.0 + np.linspace(-200.0, 500.0, 40)
    expected = chi2.logsf(statistic, freedom)
    usable = np.isfinite(expected) & (expected < -1e-250)
    assert usable.sum() > 280
    np.testing.assert_allclose(log_p_values(statistic, freedom)[usable], expected[usable], rtol=1e-10)


@pytest.mark.parametrize(("statistic", "freedom"), [(1e5, 1.0), (1e8, 3.0), (4e6, 1e5), (90000.0, 1e5), (100000.0, 1e5)])
def test_tail_stays_exact_where_p_is_no_float(statistic, freedom):
    mp = pytest.importorskip("mpmath")
    with mp.workdps(60):
        a, x = mp.mpf(freedom) / 2, mp.mpf(statistic) / 2
        if x < a:
            expected = float(mp.log1p(-mp.gammainc(a, 0, x, regularized=True)))
        else:
            expected = float(mp.log(mp.gammainc(a, x, mp.inf, regularized=True)))
    assert log_p_values(np.array([statistic]), np.array([freedom]))[0] == pytest.approx(expected, rel=1e-10, abs=1e-300)


# ------------------------------------------------------------------------------------------------------- tables


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.booleans())
def test_unconditional_tables_are_scipys(seed, likelihood):
    from scipy.stats import chi2_contingency
    from scipy.stats.contingency import association

    values = dice(seed, rows=300)
    tests = Contingency.build(values, np.zeros(300, int), 0.05, likelihood)
    statistic, strength, known = tests.marginal(5)
    assert known.all() and (statistic == statistic.T).all()
    for x, y in combinations(range(5), 2):
        table = np.histogram2d(values[:, x], values[:, y], bins=[np.arange(6) - 0.5] * 2)[0]
        table = table[table.any(axis=1)][:, table.any(axis=0)].astype(int)
        theirs: tuple = chi2_contingency(table, correction=False, lambda_="log-likelihood" if likelihood else "pearson")
        assert statistic[x, y] == pytest.approx(max(-math.log10(max(theirs[1], 1e-300)), 0.0), rel=1e-8, abs=1e-6)
        assert strength[x, y] == pytest.approx(association(table, method="cramer"), rel=1e-8, abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.booleans(), st.sampled_from([0.0, 0.15]), st.integers(1, 3))
def test_names_of_levels_and_order_of_rows_play_no_part(seed, likelihood, missing, number):
    rng, values, labels = np.random.default_rng(seed), dice(seed, missing=missing), environments(200, number)
    renamed = np.array(values)
    for column in renamed.T:
        there = ~np.isnan(column)
        column[there] = rng.permutation(100)[column[there].astype(int)]
    rows = rng.permutation(200)
    one = judged(Contingency.build(values, labels, 0.05, likelihood))
    other = judged(Contingency.build(renamed[rows], labels[rows], 0.05, likelihood))
    assert one[:2] == other[:2]
    for a, b in zip(one[2:], other[2:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 3), st.sampled_from([(), (2,), (2, 3), (2, 3, 4)]))
def test_rows_with_a_gap_do_not_count_and_environments_are_conditions(seed, number, columns):
    values, labels = dice(seed, rows=150, missing=0.2), environments(150, number)
    whole = ~np.isnan(values[:, [0, 1, *columns]]).any(axis=1)
    made, statistic, strength = given_exactly(Contingency.build(values, labels, 0.05), 0, 1, columns)
    if not whole.any():
        assert made == 0
        return
    alone = np.nan_to_num(np.column_stack([values[whole], labels[whole]]))
    expected = given_exactly(Contingency.build(alone, np.zeros(len(alone), int), 0.05), 0, 1, (*columns, 5))
    assert made == expected[0] == 1
    np.testing.assert_allclose([statistic, strength], expected[1:], rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.booleans())
def test_sorted_rows_and_numbered_cells_give_the_same(seed, likelihood):
    # Of many levels, tables have more cells than are counted at once; renamed to few (one pair of rows each), they have not.
    rng = np.random.default_rng(seed)
    rows = 240
    few = rng.integers(0, 3, size=(rows, 4)).astype(float)
    few[:, 1] = np.where(rng.random(rows) < 0.4, few[:, 0], few[:, 1])
    spread = np.vstack([few, 10.0 + np.arange(200.0)[:, None].repeat(4, axis=1)])
    # Each added row is a stratum of its own given column 2, and adds nothing to the statistic.
    one = Contingency.build(few, np.zeros(rows, int), 0.05, likelihood)
    other = Contingency.build(spread, np.zeros(len(spread), int), 0.05, likelihood)
    for columns in ((2,), (2, 3)):
        np.testing.assert_allclose(given_exactly(one, 0, 1, columns), given_exactly(other, 0, 1, columns), rtol=1e-9, atol=1e-12)


def test_many_levels_and_conditions_take_little_memory():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 60, size=(2000, 7)).astype(float)
    tests = Contingency.build(values, np.zeros(2000, int), 0.05)
    tracemalloc.start()
    for size in (1, 3, 5):
        given_exactly(tests, 0, 1, tuple(range(2, 2 + size)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6  # bytes; all cells together would be 60**7


def test_a_pair_that_the_conditions_determine_is_independent_given_them():
    rng = np.random.default_rng(0)
    x, z = rng.integers(0, 2, size=(2, 300)).astype(float)
    tests = Contingency.build(np.column_stack([x, z, z]), np.zeros(300, int), 0.05)
    assert given_exactly(tests, 0, 1, (2,)) == (1, 0.0, 0.0)


@pytest.mark.parametrize("likelihood", [False, True])
def test_empty_and_constant_tables(likelihood):
    values = np.array([[0.0, np.nan, 1.0], [1.0, np.nan, 1.0], [np.nan, 0.0, 1.0], [np.nan, 1.0, 1.0]])
    tests = Contingency.build(values, np.zeros(4, int), 0.05, likelihood)
    statistic, strength, known = tests.marginal(3)
    assert not known[0, 1] and known[0, 2] and (statistic == 0.0).all() and (strength == 0.0).all()
    assert given_exactly(tests, 0, 1, ()) == (0, np.inf, 0.0)
    assert given_exactly(tests, 0, 2, ()) == (1, 0.0, 0.0)
    assert given_exactly(tests, 0, 2, (1,)) == (0, np.inf, 0.0)
    nothing = Contingency.build(np.full((4, 2), np.nan), np.zeros(4, int), 0.05, likelihood)
    assert not nothing.marginal(2)[2].any()
    assert not Contingency.build(np.zeros((0, 2)), np.zeros(0, int), 0.05, likelihood).marginal(2)[2].any()


# ------------------------------------------------------------------------------------------------------- test-wise deletion


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 3))
def test_without_gaps_deletion_changes_nothing(seed, number):
    tests = Testwise.build(gappy(seed, missing=0.0), environments(80, number), 0.05)
    one, other = judged(tests), judged(Fisher(tests.R, tests.n, tests.cause, tests.critical))
    assert one[:2] == other[:2]
    for a, b in zip(one[2:], other[2:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 3), st.sampled_from([0.02, 0.2, 0.5]), st.sampled_from([(), (2,), (3, 2), (2, 3, 4)]))
def test_a_test_is_that_of_its_complete_rows(seed, number, missing, columns):
    values, labels = gappy(seed, missing=missing), environments(80, number)
    whole = ~np.isnan(values[:, [0, 1, *columns]]).any(axis=1)
    got = given_exactly(Testwise.build(values, labels, 0.05), 0, 1, tuple(sorted(columns)))
    if not whole.any():
        assert got == (0, np.inf, 0.0)
        return
    alone = np.where(np.isnan(values[whole]), 0.0, values[whole])
    alone = Testwise.build(alone, labels[whole], 0.05)
    expected = given_exactly(Fisher(alone.R, alone.n, alone.cause, alone.critical), 0, 1, tuple(sorted(columns)))
    assert got[0] == expected[0]
    np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-9)


def test_without_rows_or_variance_no_test_is_made():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 4))
    values[:20, 2] = np.nan  # where column 2 is there, column 1 is constant
    values[20:, 1] = 7.0
    values[5:, 3] = np.nan  # and column 3 never is
    tests = Testwise.build(values, np.zeros(40, int), 0.05)
    assert given_exactly(tests, 0, 1, ())[0] == 1
    assert given_exactly(tests, 0, 1, (2,)) == (0, np.inf, 0.0)
    assert given_exactly(tests, 0, 2, (3,)) == (0, np.inf, 0.0)
    assert given_exactly(tests, 0, 1, (3,))[0] == 1
    empty = Testwise.build(np.full((5, 2), np.nan), np.zeros(5, int), 0.05)
    assert not empty.marginal(2)[2].any() and judged(empty, (0, 1))[0] == 0


# ------------------------------------------------------------------------------------------------------- both


def reference(tests, sizes, first, adjacent, columns):
    """What ``judge`` promises, set by set."""
    near = [sorted({b for a, b in adjacent if a == j} | {a for a, b in adjacent if b == j}) for j in range(columns)]
    out = []
    for x, y in combinations(range(columns), 2):
        seen, found, best = set(), 0, np.inf
        for size in range(sizes[0], sizes[1] + 1):
            for end, other in ((x, y), (y, x)):
                pool = [z for z in near[end] if z != other and (tests.cause[z, end] or tests.cause[z, other])]
                for chosen in combinations(pool, size):
                    if chosen in seen or (first and found):
                        continue
                    seen.add(chosen)
                    made, statistic, _ = given_exactly(tests.under(np.ones_like(tests.cause)), x, y, chosen)
                    best = min(best, statistic)
                    found += made == 1 and statistic <= tests.critical
        out.append((found, best))
    return np.array(out, dtype=float)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.booleans(), st.sampled_from(["tables", "deletion"]), st.sampled_from([(0, 2), (1, 1), (2, 3)]))
def test_sets_are_walked_as_promised(seed, first, kind, sizes):
    rng, columns = np.random.default_rng(seed), 5
    values = dice(seed, missing=0.1) if kind == "tables" else gappy(seed)
    tests = (Contingency if kind == "tables" else Testwise).build(values, np.zeros(len(values), int), 0.05)
    tests = tests.under(rng.random((columns, columns)) < 0.8)
    adjacent = np.argwhere(np.triu(rng.random((columns, columns)) < 0.7, 1))
    made, _, found, holding, best = judged(tests, sizes, first, adjacent)
    expected = reference(tests, sizes, first, adjacent.tolist(), columns)
    assert (found == expected[:, 0]).all()
    np.testing.assert_allclose(best[:, 0], expected[:, 1], rtol=1e-9, atol=1e-12)
    assert made >= found.sum() and (first or (holding.sum(axis=1) <= sizes[1] * found).all())


@pytest.mark.parametrize("kind", ["tables", "deletion"])
def test_threads_and_choice_of_columns_change_nothing(kind, monkeypatch):
    monkeypatch.setattr("causaldisc.kernels.separation._PORTION", 200.0)
    values = dice(0, columns=8, missing=0.05) if kind == "tables" else gappy(0, columns=8)
    tests = (Contingency if kind == "tables" else Testwise).build(values, np.zeros(len(values), int), 0.05)
    pairs = np.argwhere(np.triu(np.ones((8, 8), bool), 1))
    shared = separate(tests, Neighbours.of(pairs, 8), pairs, (0, 2), False, (np.full(28, np.inf), np.zeros(28)))
    made, enough, found, holding, best = judged(tests, (0, 2))
    assert (shared.tests, shared.enough) == (made, enough) and (shared.found == found).all()
    assert (shared.holding == holding).all() and (shared.statistic == best[:, 0]).all()
    order = np.array([3, 1, 0, 3])
    assert given_exactly(tests.of(order), 1, 2, (0,)) == pytest.approx(given_exactly(tests, 1, 0, (3,)), rel=1e-12)
    some = tests.marginal(8)[0][np.ix_(order, order)]
    np.testing.assert_allclose(tests.of(order).marginal(4)[0][:3, :3], some[:3, :3], rtol=1e-12)


def test_discrete_data_are_told_by_their_values():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, size=(200, 3)).astype(float)
    half = np.array(codes)
    half[::2, 0] = np.nan
    assert discrete(codes) and discrete(half) and discrete(np.column_stack([codes, np.full(200, 0.5)]))
    assert not discrete(codes + 0.5) and not discrete(codes[:40]) and not discrete(np.ones((50, 2)))
    assert not discrete(rng.integers(0, 11, size=(2000, 1)).astype(float)) and not discrete(np.zeros((0, 2)))
    assert count_levels(half).tolist() == [5, 5, 5]


def test_pc_chooses_its_test_and_refuses_what_it_cannot_count():
    rng = np.random.default_rng(0)
    noise, codes = rng.normal(size=(300, 3)), dice(0, rows=300)
    names = ["a", "b", "c", "d", "e"]
    assert discover(Telemetry(codes, names), "pc").report["test"] == "chi2"
    assert discover(Telemetry(codes, names), "pc", max_lag=1).report["test"] == "fisher_z"
    assert discover(Telemetry(codes, names), "pc", max_lag=1, test="g2").report["test"] == "g2"
    assert discover(Telemetry(noise, names[:3]), "pc").report["test"] == "fisher_z"
    with pytest.raises(InputError, match="test"):
        discover(Telemetry(noise, names[:3]), "pc", test="chi2")


@pytest.mark.parametrize("max_lag", [0, 1])
def test_deletion_in_pc_is_plain_without_gaps_and_obeys_its_rows_with_them(max_lag):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 4)) @ np.array([[1, 0.8, 0, 0], [0, 1, 0.8, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    names = list("abcd")
    plain, same = (
        discover(Telemetry(values, names), "pc", missing=missing, max_lag=max_lag).graph for missing in ("pairs", "testwise")
    )
    assert (plain.codes() == same.codes()).all()
    values[rng.random(values.shape) < 0.1] = np.nan
    found = discover(Telemetry(values, names), "pc", missing="testwise", max_lag=max_lag)
    codes = found.graph.codes()[:, :, 0] != 0
    assert np.argwhere(np.triu(codes | codes.T)).tolist() == [[0, 1], [1, 2]]
    assert found.report["effective_sample_size"]["min"] < 400


def test_a_column_that_renames_another_is_its_duplicate():
    values = dice(3, rows=400)
    copy = np.array([7.0, 3.0, 9.0, 1.0])[values[:, 0].astype(int)]
    found = discover(Telemetry(np.column_stack([values, copy]), list("abcdef")), "pc")
    assert sorted(map(sorted, found.report["duplicates"])) == [["a", "f"]]
