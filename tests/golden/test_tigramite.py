"""PCMCI and PCMCI+ against tigramite, test for test and edge for edge, and the bridge to it."""

from __future__ import annotations

import contextlib
import io
from typing import Any, cast

import numpy as np
import pytest

from causaldisc.algorithms._bridges.tigramite import assumptions, codes_of, graph_of, run_pcmci
from causaldisc.algorithms._lagged import Windows, searched
from causaldisc.algorithms._momentary import Search
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import InputError
from causaldisc.core.plugins import algorithms
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.runner.pipeline import discover


def var(seed, n=6, rows=300, lags=2, contemporaneous=0.35):
    """A stable system with lagged links and a random DAG at lag 0, in random order."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    now = np.triu(rng.random((n, n)) < contemporaneous, 1) * rng.uniform(0.3, 0.7, (n, n)) * rng.choice([-1, 1], (n, n))
    now = now[np.ix_(order, order)]
    before = np.zeros((lags, n, n))
    before[0] += np.diag(rng.uniform(0.2, 0.6, n))
    for _ in range(n):
        before[rng.integers(lags), rng.integers(n), rng.integers(n)] += rng.choice([-0.25, 0.25])
    mix = np.linalg.inv(np.eye(n) - now)
    x = np.zeros((rows + 100, n))
    for t in range(lags, len(x)):
        x[t] = (sum(x[t - k - 1] @ before[k] for k in range(lags)) + rng.normal(size=n)) @ mix
    assert np.abs(x).max() < 1e4
    return x[100:]


def tigramite(method, values, max_lag, environments=None, **settings):
    """The library itself, without our bridge; environments are its multiple data sets."""
    from tigramite import data_processing
    from tigramite.independence_tests.parcorr import ParCorr
    from tigramite.pcmci import PCMCI

    data, mode = np.nan_to_num(values, nan=999.0), "single"
    if environments is not None:
        data, mode = {int(label): data[environments == label] for label in np.unique(environments)}, "multiple"
    with contextlib.redirect_stdout(io.StringIO()):
        frame = data_processing.DataFrame(data, analysis_mode=mode, missing_flag=999.0 if np.isnan(values).any() else None)
        search = PCMCI(frame, ParCorr(significance="analytic"), verbosity=0)
        return getattr(search, method)(tau_max=max_lag, **settings)


def ours(name, values, may, must, environments=None, **parameters):
    """Our search in the given order of the columns, before the prior has the last word."""
    plugin = algorithms.build(name, {"max_lag": may.shape[2] - 1, **parameters})
    names, one = [str(k) for k in range(values.shape[1])], np.zeros(len(values), int)
    labels = one if environments is None else environments
    data = Windows(values, labels, 2 * plugin.max_lag, plugin.missing, plugin.own_means).sample(names)
    unbelieved = np.zeros(may.shape)
    return plugin.find(Search(data, may, must, unbelieved, unbelieved, lambda: False, np.zeros(3, np.int64)))


def everything(n, max_lag):
    may = np.ones((n, n, max_lag + 1), dtype=bool)
    may[range(n), range(n), 0] = False
    return may, np.zeros_like(may)


PCMCI_DEFAULTS: dict = {}  # whatever the library does when it is not told


@pytest.mark.parametrize(("seed", "n", "rows"), [(0, 6, 300), (1, 6, 300), (2, 6, 300), (3, 8, 60), (4, 5, 22)])
def test_pcmci_is_that_of_tigramite(seed, n, rows):
    values, (may, must) = var(seed, n, rows), everything(n, 2)
    found, theirs = ours("pcmci", values, may, must), tigramite("run_pcmci", values, 2, **PCMCI_DEFAULTS)
    assert np.abs(np.exp(found.log_p) - theirs["p_matrix"])[may].max() < 1e-9
    assert np.abs(found.strength - theirs["val_matrix"])[may].max() < 1e-9
    assert (found.codes == codes_of(theirs["graph"])).all()


def test_pcmci_with_adjusted_p_values_and_few_conditions():
    values, (may, must) = var(5), everything(6, 2)
    found = ours("pcmci", values, may, must, fdr=True, max_conditions=1, pc_alpha=0.5, alpha=0.05)
    theirs = tigramite("run_pcmci", values, 2, pc_alpha=0.5, alpha_level=0.05, max_conds_dim=1, fdr_method="fdr_bh")
    assert np.abs(np.exp(found.adjusted) - theirs["p_matrix"])[may].max() < 1e-9
    assert (found.codes == codes_of(theirs["graph"])).all()


@pytest.mark.parametrize(("seed", "n", "rows"), [(0, 6, 300), (1, 6, 300), (2, 7, 150), (3, 7, 80), (4, 7, 60)])
def test_pcmci_plus_is_that_of_tigramite(seed, n, rows):
    values, (may, must) = var(seed, n, rows), everything(n, 2)
    found, theirs = ours("pcmci_plus", values, may, must), tigramite("run_pcmciplus", values, 2, pc_alpha=0.01)
    assert np.abs(np.exp(found.log_p) - theirs["p_matrix"])[may].max() < 1e-9
    assert (found.codes == codes_of(theirs["graph"])).all()
    kept = found.codes > 0
    assert np.abs(found.strength - theirs["val_matrix"])[kept].max() < 1e-9


def test_the_systems_of_these_tests_meet_every_kind_of_edge():
    codes = np.concatenate([ours("pcmci_plus", var(s, n, rows), *everything(n, 2)).codes[:, :, 0].ravel()
                            for s, n, rows in [(0, 6, 300), (1, 6, 300), (2, 7, 150), (3, 7, 80), (4, 7, 60)]])  # fmt: skip
    assert set(codes.tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("name", ["pcmci", "pcmci_plus"])
@pytest.mark.parametrize("seed", range(4))
def test_the_same_graph_under_a_prior(name, seed):
    names = [f"v{k}" for k in range(6)]
    rng = np.random.default_rng(seed)
    pairs = [(a, b) for a in names for b in names if a != b and b not in (names[0], names[2])]
    chosen = [pairs[k] for k in rng.choice(len(pairs), 8, replace=False)]
    required, forbidden = chosen[:2], chosen[2:]
    clauses = [{"source": a, "target": b, "lag": int(rng.integers(1, 3))} for a, b in required]
    prior = ExpertPrior(required=clauses, forbidden=forbidden, tiers=[[names[0]], [names[5]]], roots=[names[2]])
    telemetry = Telemetry(var(seed), names)
    found, theirs = (discover(telemetry, a, prior=prior, max_lag=2) for a in (name, f"tigramite_{name}"))
    assert found.certificate.ok and theirs.certificate.ok
    assert (found.graph.codes() == theirs.graph.codes()).all()


METHODS = pytest.mark.parametrize(
    ("name", "method", "settings"), [("pcmci", "run_pcmci", PCMCI_DEFAULTS), ("pcmci_plus", "run_pcmciplus", {"pc_alpha": 0.01})]
)


def shifted(lengths):
    """(values, labels) of environments of these lengths, each with a mean of its own."""
    values = np.concatenate([var(seed=0, rows=rows + 20 * k)[20 * k :] for k, rows in enumerate(lengths)])
    labels = np.repeat(np.arange(len(lengths)), lengths)
    return values + np.array([1.0, 0.0, -2.0, 0.5, 0.0, 3.0]) * labels[:, None], labels


def assert_same(found, theirs):
    may, _ = everything(*found.codes.shape[1:2], found.codes.shape[2] - 1)
    kept = found.codes > 0
    assert np.abs(np.exp(found.log_p) - np.nan_to_num(theirs["p_matrix"], nan=1.0))[may].max() < 1e-9
    assert np.abs(found.strength - theirs["val_matrix"])[kept].max() < 1e-9
    assert (found.codes == codes_of(theirs["graph"])).all()


@METHODS
@pytest.mark.parametrize("lengths", [(150, 140), (120, 60, 90), (100, 4, 120)])
def test_environments_are_pooled_as_multiple_data_sets(name, method, settings, lengths):
    (values, labels), (may, must) = shifted(lengths), everything(6, 2)
    found, theirs = ours(name, values, may, must, labels), tigramite(method, values, 2, labels, **settings)
    assert_same(found, theirs)
    # The shifts do make links that are not there otherwise.
    assert (ours(name, values, may, must, labels, own_means=True).codes != found.codes).any()


@METHODS
def test_environments_of_equal_means_differ_from_pooled_ones_by_a_degree_of_freedom(name, method, settings):
    parts = [var(0, rows=150), var(1, rows=140)]
    values, labels = np.concatenate([part - part.mean(axis=0) for part in parts]), np.repeat([0, 1], [150, 140])
    found, theirs = (
        discover(Telemetry(values, list("abcdef"), environments=labels), a, max_lag=2) for a in (name, f"tigramite_{name}")
    )
    assert (found.graph.codes() == theirs.graph.codes()).all()
    size = found.report["effective_sample_size"]["median"]
    assert size == theirs.report["windows"]
    apart = discover(Telemetry(values, list("abcdef"), environments=labels), name, max_lag=2, own_means=True)
    assert apart.report["effective_sample_size"]["median"] == size - 1


def gappy(values, kind, seed):
    """The values without some cells at random, or without some stretches of some columns."""
    rng, values = np.random.default_rng(seed), values.copy()
    if kind == "cells":
        values[rng.random(values.shape) < 0.03] = np.nan
    else:
        for column in rng.choice(values.shape[1], values.shape[1] // 2, replace=False):
            start = rng.integers(len(values) - 30)
            values[start : start + 30, column] = np.nan
    return values


@METHODS
@pytest.mark.parametrize("kind", ["cells", "stretches"])
@pytest.mark.parametrize("seed", range(3))
def test_missing_values_test_by_test(name, method, settings, kind, seed):
    values, (may, must) = gappy(var(seed), kind, seed), everything(6, 2)
    assert_same(ours(name, values, may, must, missing="testwise"), tigramite(method, values, 2, **settings))


@METHODS
def test_missing_values_of_several_environments_and_a_column_that_stands_still(name, method, settings):
    (values, labels), (may, must) = shifted((120, 60, 90)), everything(6, 2)
    values = gappy(values, "cells", 0)
    values[:200, 2] = np.where(np.isnan(values[:200, 2]), np.nan, 5.0)
    found, theirs = ours(name, values, may, must, labels, missing="testwise"), tigramite(method, values, 2, labels, **settings)
    assert_same(found, theirs)


@METHODS
def test_few_samples_with_missing_values(name, method, settings):
    values, (may, must) = gappy(var(7, 5, 30), "cells", 1), everything(5, 2)
    assert_same(ours(name, values, may, must, missing="testwise"), tigramite(method, values, 2, **settings))


def test_missing_values_reach_the_library():
    values, (may, must) = var(0), everything(6, 2)
    values[40:60, 1] = np.nan
    with_gap = run_pcmci(values, np.zeros(300, int), may, must, pc_alpha=0.2, alpha_level=0.05)
    theirs = tigramite("run_pcmci", np.delete(values, 1, axis=1), 2, **PCMCI_DEFAULTS)
    assert with_gap.codes[1, 1, 1] == 1
    # Tests without the gappy variable keep all their samples.
    rest = np.ix_([0, 2, 3, 4, 5], [0, 2, 3, 4, 5])
    assert (np.abs(np.exp(with_gap.log_p[rest]) - theirs["p_matrix"]) < 1e-9).any()
    assert np.isfinite(with_gap.log_p).all()


def test_too_many_missing_values_are_refused_by_name():
    values = var(0, rows=60)
    values[::2, 1], values[1::2, 2] = np.nan, np.nan
    with pytest.raises(InputError, match="too many missing values"):
        discover(Telemetry(values, [f"v{k}" for k in range(6)]), "tigramite_pcmci", max_lag=2)


def test_strings_and_codes_on_an_asymmetric_graph():
    from tigramite.pcmci import PCMCI

    marks = np.zeros((4, 4, 2))  # the library's own way from numbers to strings
    marks[0, 1, 0] = marks[2, 1, 1] = marks[2, 3, 0] = marks[3, 2, 0] = 1
    marks[1, 3, 0] = marks[3, 1, 0] = 2
    graph: Any = PCMCI.convert_to_string_graph(cast(Any, None), marks)
    expected = np.zeros((4, 4, 2), int)
    expected[0, 1, 0] = expected[2, 1, 1] = 1
    expected[2, 3, 0] = expected[3, 2, 0] = 2
    expected[1, 3, 0] = expected[3, 1, 0] = 3
    assert codes_of(graph).tolist() == expected.tolist()
    assert graph_of(expected).tolist() == graph.tolist()
    with pytest.raises(ValueError, match="o->"):
        codes_of(np.array([["", "o->"], ["<-o", ""]])[:, :, None])


def test_the_direction_of_the_library_is_ours():
    noise = np.random.default_rng(0).normal(size=(400, 2))
    noise[1:, 1] += 0.8 * noise[:-1, 0]
    found = discover(Telemetry(noise, ["cause", "effect"]), "tigramite_pcmci", max_lag=1)
    assert [(e.source, e.target, e.lag) for e in found.graph.edges] == [("cause", "effect", 1)]


def test_assumptions_leave_out_what_is_forbidden_and_keep_the_own_past():
    names = ["a", "b", "c"]
    prior = ExpertPrior(required=[{"source": "a", "target": "b", "lag": 0}], forbidden=[("b", "c")], roots=["c"])
    limits = Constraints.of(prior, names, 1)
    links = assumptions(searched(limits), limits.pin(np.zeros((3, 3, 2))))
    assert links == {
        0: {(0, -1): "-?>", (1, 0): "<--", (1, -1): "-?>", (2, 0): "-?>", (2, -1): "-?>"},
        1: {(0, 0): "-->", (0, -1): "-?>", (1, -1): "-?>", (2, 0): "-?>", (2, -1): "-?>"},
        2: {(0, 0): "<?-", (1, 0): "<?-", (2, -1): "-?>"},
    }


def test_one_way_links_in_a_circle_are_handed_over_without_direction():
    one_way = np.zeros((3, 3, 1), dtype=bool)
    one_way[0, 1, 0] = one_way[1, 2, 0] = one_way[2, 0, 0] = True
    links = assumptions(one_way, np.zeros_like(one_way))
    assert links is not None and {link for row in links.values() for link in row.values()} == {"o?o"}
    prior = ExpertPrior(forbidden=[{"source": a, "target": b, "lag": 0} for a, b in ("ba", "cb", "ac")])
    shared = np.random.default_rng(0).normal(size=(200, 1))
    telemetry = Telemetry(shared + 0.5 * np.random.default_rng(1).normal(size=(200, 3)), list("abc"))
    for name in ("tigramite_pcmci", "tigramite_pcmci_plus", "pcmci", "pcmci_plus"):
        found = discover(telemetry, name, prior=prior, max_lag=0)
        assert found.certificate.ok and len(found.graph.edges) == 2, name
        assert found.report["edges_without_acyclic_direction"] == 1


def test_silence_on_both_streams(capfd):
    discover(Telemetry(var(0, rows=100), [f"v{k}" for k in range(6)]), "tigramite_pcmci_plus", max_lag=1)
    assert capfd.readouterr() == ("", "")
