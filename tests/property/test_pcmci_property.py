"""What must hold of PCMCI, PCMCI+ and tigramite's for every prior that is accepted, right or wrong."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from causaldisc.algorithms._lagged import obey
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import PriorError
from causaldisc.core.graph import CausalGraph, acyclic
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.moments import MIN_ROWS, lagged, lagged_rows, pairwise_correlation
from causaldisc.kernels.testwise import correlate, series_of
from causaldisc.kernels.windows import window_correlation
from causaldisc.runner.pipeline import discover

NAMES = [f"v{k}" for k in range(5)]


def system(seed, rows=120):
    """Strongly linked variables in random order, so that a wrong prior has something to forbid."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 5))
    for t in range(1, rows):
        x[t] += 0.4 * x[t - 1]
        for j in range(1, 5):
            x[t, j] += 0.6 * x[t, j - 1] + 0.3 * x[t - 1, 0]
    return Telemetry(x[:, rng.permutation(5)], NAMES)


windows = st.one_of(st.none(), st.integers(0, 2), st.tuples(st.integers(0, 2), st.integers(0, 2)).map(sorted))
clauses = st.builds(
    lambda a, b, lag: {"source": a, "target": b, "lag": lag}, st.sampled_from(NAMES), st.sampled_from(NAMES), windows
)
priors = st.builds(
    ExpertPrior,
    required=st.lists(clauses, max_size=4),
    forbidden=st.lists(clauses, max_size=5),
    tiers=st.sampled_from([[], [["v0"], ["v1", "v2"]], [["v4"], ["v3"], ["v0"]]]),
    roots=st.lists(st.sampled_from(NAMES), max_size=1),
    leaves=st.lists(st.sampled_from(NAMES), max_size=1),
    max_lag=st.sampled_from([None, 0, 1]),
)


def accepted(prior):
    try:
        return Constraints.of(prior, NAMES, 2)
    except PriorError:
        return None


def check(name, prior, seed):
    limits = accepted(prior)
    if limits is None:
        return
    found = discover(system(seed), name, prior=prior, max_lag=2, **({} if name.startswith("tigramite") else {"bootstrap": 2}))
    assert found.certificate.ok, found.certificate.violations
    assert found.graph.is_acyclic()
    assert (np.isfinite(found.scores) == limits.allowed).all()
    both = limits.allowed[:, :, 0] & limits.allowed[:, :, 0].T
    codes = found.graph.codes()[:, :, 0]
    assert both[codes > 1].all()


@settings(max_examples=60, deadline=None)
@given(priors, st.integers(0, 50))
def test_pcmci_obeys(prior, seed):
    check("pcmci", prior, seed)


@settings(max_examples=60, deadline=None)
@given(priors, st.integers(0, 50))
def test_pcmci_plus_obeys(prior, seed):
    check("pcmci_plus", prior, seed)


@settings(max_examples=8, deadline=None)
@given(priors, st.integers(0, 50), st.sampled_from(["tigramite_pcmci", "tigramite_pcmci_plus"]))
def test_the_adapters_obey(prior, seed, name):
    check(name, prior, seed)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 2))
def test_any_findings_become_a_graph_that_obeys(seed, n, lags):
    rng = np.random.default_rng(seed)
    shape = (n, n, lags + 1)
    codes = rng.choice([0, 1, 1], shape)
    upper = np.triu(rng.choice([0, 1, 2, 3], (n, n)), 1)
    codes[:, :, 0] = upper + np.where(upper.T > 1, upper.T, 0)
    flip = np.triu(rng.random((n, n)) < 0.5, 1) & (upper == 1)
    codes[:, :, 0] = np.where(flip, 0, codes[:, :, 0]) + flip.T
    allowed = rng.random(shape) < 0.7
    allowed[range(n), range(n), 0] = False
    order = rng.permutation(n)
    forward = np.argsort(order)[:, None] < np.argsort(order)
    pinned = allowed & (rng.random(shape) < 0.15)
    pinned[:, :, 0] &= forward
    log_p = -rng.exponential(size=shape)
    found, settled, relaxed = obey(codes, allowed, pinned, log_p)
    graph = CausalGraph.from_codes([f"v{k}" for k in range(n)], found, kind="lagged")  # symmetric where not directed
    assert acyclic(graph.codes()[:, :, 0] == 1)
    assert (found[pinned] == 1).all()
    assert not (found.astype(bool) & ~allowed).any()
    assert (settled & (found != 1)).sum() == 0
    # Nothing is invented, and an allowed adjacency is lost to a cycle alone.
    adjacent = (codes[:, :, 0] > 0) | (codes[:, :, 0].T > 0)
    now = (found[:, :, 0] > 0) | (found[:, :, 0].T > 0)
    must = pinned[:, :, 0] | pinned[:, :, 0].T
    assert not (now & ~adjacent & ~must).any()
    may = allowed[:, :, 0] | allowed[:, :, 0].T
    assert ((adjacent & may & ~now).sum() // 2) <= relaxed


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(5)), st.sampled_from(["pcmci", "pcmci_plus"]))
def test_the_order_of_columns_changes_nothing_but_places(seed, order, name):
    first = system(seed)
    other = discover(Telemetry(first.values[:, order], [NAMES[k] for k in order]), name, max_lag=2, bootstrap=2)
    plain = discover(first, name, max_lag=2, bootstrap=2)
    assert (other.graph.codes() == plain.graph.codes()[np.ix_(order, order)]).all()
    assert np.array_equal(other.scores, plain.scores[np.ix_(order, order)], equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.lists(st.integers(1, 12), min_size=1, max_size=4), st.booleans())
def test_windows_need_no_copy(seed, depth, lengths, own_means):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(lengths)), lengths)
    values = rng.normal(size=(len(labels), 3)) * 10.0 ** rng.integers(-9, 9, 3) + rng.normal(size=3)
    values[:, 1] = np.where(rng.random(len(values)) < 0.3, values[:, 1], values[0, 1])  # constant in some windows
    rows = lagged_rows(labels, depth)
    if len(rows) - (len(np.unique(labels[rows])) - 1 if own_means else 0) < MIN_ROWS:
        return
    R, n = window_correlation(values, labels, depth, own_means)
    expected, n_eff = pairwise_correlation(lagged(values, labels, depth), labels[rows] if own_means else None)
    assert np.abs(R - expected).max() < 1e-6
    assert (n[n_eff > 0] == n_eff[n_eff > 0]).all()


@njit
def correlated(series, columns, R):
    return correlate(series, columns, R)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 3),
    st.lists(st.integers(1, 15), min_size=1, max_size=4),
    st.booleans(),
    st.floats(0.0, 0.4),
)
def test_a_test_of_its_own_uses_the_windows_where_all_its_columns_are(seed, depth, lengths, own_means, share):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(lengths)), lengths)
    values = rng.normal(size=(len(labels), 3)) * 10.0 ** rng.integers(-9, 9, 3) + rng.normal(size=3)
    values[:, 1] = np.where(rng.random(len(values)) < 0.3, values[:, 1], 7.7)  # constant in some windows
    values[rng.random(values.shape) < share] = np.nan
    columns = rng.permutation(3 * (depth + 1))[: rng.integers(2, 3 * (depth + 1) + 1)]
    X = lagged(values, labels, depth)[:, columns]
    there = ~np.isnan(X).any(axis=1)
    X, blocks = X[there], labels[lagged_rows(labels, depth)][there]
    if len(X) < MIN_ROWS + len(lengths):
        return
    R = np.empty((len(columns),) * 2)
    n = correlated(series_of(values, labels, depth, own_means), columns, R)
    expected, n_eff = pairwise_correlation(X, blocks if own_means else None)
    constant = np.array(
        [all(np.ptp(x[blocks == b]) == 0 for b in np.unique(blocks)) if own_means else np.ptp(x) == 0 for x in X.T]
    )
    assert np.abs(R - expected)[np.ix_(~constant, ~constant)].max(initial=0.0) < 1e-6
    assert not R[constant].any() and not R[:, constant].any()
    assert (n_eff[np.ix_(~constant, ~constant)] == n).all()
