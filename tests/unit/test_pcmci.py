"""PCMCI and PCMCI+ as a user meets them: known systems, missing values, environments, priors, limits."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.plugins import algorithms
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.runner.pipeline import discover

BOTH = pytest.mark.parametrize("name", ["pcmci", "pcmci_plus"])


def chain(rows=600, seed=0, n=4, missing=0.0):
    """v0 → v1 → … with lag 1, every variable remembering itself; and v(n-1) reads v0 two steps back."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(rows, n))
    x = noise.copy()
    for t in range(2, rows):
        x[t] += 0.5 * x[t - 1]
        x[t, 1:] += 0.4 * x[t - 1, :-1]
        x[t, -1] -= 0.4 * x[t - 2, 0]
    x[rng.random(x.shape) < missing] = np.nan
    return x


TRUE = {(f"v{k}", f"v{k}", 1) for k in range(4)} | {(f"v{k}", f"v{k + 1}", 1) for k in range(3)} | {("v0", "v3", 2)}


def telemetry(values, **fields):
    return Telemetry(values, [f"v{k}" for k in range(values.shape[1])], **fields)


def edges(found):
    return {(e.source, e.target, e.lag) for e in found.graph.edges}


@BOTH
def test_the_links_of_a_known_system_at_a_strict_level(name):
    found = discover(telemetry(chain(6000)), name, alpha=1e-5, max_lag=3)
    assert edges(found) == TRUE
    assert all(e.is_directed and e.p_value < 1e-5 and 0.2 < abs(e.strength) < 0.7 for e in found.graph.edges)
    assert found.graph.kind == "lagged"
    assert found.report["missing_values"] == "none"
    assert found.report["effective_sample_size"] == {"min": 5994.0, "median": 5994.0}


def test_contemporaneous_directions_of_pcmci_plus():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 3))
    for t in range(1, len(x)):
        x[t] += 0.6 * x[t - 1]
        x[t, 1] += 0.6 * x[t, 0]
        x[t, 2] += 0.6 * x[t, 1]
    plus, plain = (discover(telemetry(x), name, max_lag=2, alpha=1e-3) for name in ("pcmci_plus", "pcmci"))
    now = {(e.source, e.target) for e in plus.graph.edges if e.lag == 0 and e.is_directed}
    assert now == {("v0", "v1"), ("v1", "v2")}
    assert all(e.is_undirected for e in plain.graph.edges if e.lag == 0)


@BOTH
def test_false_links_come_at_the_level(name):
    counts = []
    for seed in range(20):
        found = discover(telemetry(np.random.default_rng(seed).normal(size=(200, 5))), name, alpha=0.05, pc_alpha=0.2, max_lag=2)
        counts.append(sum(e.lag > 0 for e in found.graph.edges))
    share = np.mean(counts) / (5 * 5 * 2)
    assert 0.02 < share < 0.09 if name == "pcmci" else share < 0.09


def test_environments_are_not_joined():
    """The first row of every block shouts what the last row of the block before it whispered."""
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(900, 2)), np.repeat(np.arange(30), 30)
    values[30::30, 1] = 50.0 * values[29:-1:30, 0]
    joined = discover(telemetry(values), "pcmci", max_lag=1)
    assert ("v0", "v1", 1) in edges(joined)
    # 28 windows of three rows a block, and one mean each if it has its own.
    for own_means, size in ((False, 30 * 28), (True, 30 * 28 - 29)):
        apart = discover(telemetry(values, environments=labels), "pcmci", max_lag=1, own_means=own_means)
        assert ("v0", "v1", 1) not in edges(apart)
        assert apart.report["effective_sample_size"]["median"] == size


@pytest.mark.parametrize("missing", ["none", "testwise", "pairs"])
def test_a_shift_between_environments_makes_no_link_where_they_have_means_of_their_own(missing):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(400, 3))
    values[200:] += 5.0
    labels, settings = np.repeat([0, 1], 200), {"max_lag": 1}
    if missing != "none":
        values[rng.random(values.shape) < 0.05] = np.nan
        settings["missing"] = missing
    pooled, apart = (
        discover(telemetry(values, environments=labels), "pcmci", own_means=own, **settings) for own in (False, True)
    )
    assert len(edges(pooled)) > 5
    assert len(edges(apart)) <= 2


@BOTH
@pytest.mark.parametrize(("missing", "how"), [(0.005, "complete windows"), (0.05, "available pairs")])
def test_missing_values(name, missing, how):
    found = discover(telemetry(chain(3000, missing=missing)), name, alpha=1e-4)
    assert found.report["missing_values"] == how
    assert edges(found) >= TRUE
    assert len(edges(found) - TRUE) <= 2
    size = found.report["effective_sample_size"]
    assert size["min"] == size["median"] if how == "complete windows" else size["min"] < size["median"]
    assert np.isfinite(found.scores[found.scores == found.scores]).all()


@BOTH
@pytest.mark.parametrize("missing", ["pairs", "testwise"])
def test_missing_values_as_one_chooses(name, missing):
    values = chain(3000, missing=0.005)
    found = discover(telemetry(values), name, alpha=1e-4, missing=missing)
    assert edges(found) >= TRUE
    assert len(edges(found) - TRUE) <= 2
    size, whole = found.report["effective_sample_size"], discover(telemetry(values), name).report["effective_sample_size"]
    assert whole["median"] < size["min"] < size["median"] < 3000
    how = {"pairs": "available pairs", "testwise": "complete windows of each test"}
    assert found.report["missing_values"] == how[missing]
    complete = [discover(telemetry(chain(300)), name, missing=m) for m in ("auto", missing)]
    assert (complete[0].graph.codes() == complete[1].graph.codes()).all()
    assert complete[0].report == complete[1].report and complete[1].report["missing_values"] == "none"


@BOTH
def test_machine_code_from_disk_says_the_same(name):
    script = (
        "import numpy as np, causaldisc as cd\n"
        "values = np.random.default_rng(0).normal(size=(60, 4)).cumsum(axis=0)\n"
        "for mode in ('auto', 'pairs', 'testwise'):\n"
        "    values[10:12, 1] = values[10:12, 1] if mode == 'auto' else np.nan\n"
        f"    found = cd.discover(cd.Telemetry(values, list('abcd')), {name!r}, max_lag=1, missing=mode)\n"
        "    print(found.scores.tolist())\n"
    )
    # The first process may compile, the second does not.
    said = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert said[0] == said[1] and said[0].count("\n") == 3


def test_gaps_in_one_variable_leave_the_tests_of_the_others_alone():
    values = chain(400)
    values[100:180, 3] = np.nan
    # Without parents, every test is one of a pair.
    gaps = discover(telemetry(values), "pcmci", missing="testwise", pc_alpha=0.0)
    whole = discover(telemetry(chain(400)), "pcmci", pc_alpha=0.0)
    same = np.isclose(gaps.scores, whole.scores, rtol=1e-9, atol=0.0) | np.isnan(whole.scores)
    assert same[:3, :3].all() and not same[:3, 3].any()
    assert gaps.report["effective_sample_size"] == {"min": 400 - 6 - 80 - 3, "median": 394}


@BOTH
@pytest.mark.parametrize("missing", ["auto", "testwise"])
def test_a_column_that_is_hardly_there_takes_no_part(name, missing):
    values = chain(500)
    values[5 if missing == "testwise" else 15 :, 3] = np.nan
    found = discover(telemetry(values), name, missing=missing)
    assert not any("v3" in edge for edge in edges(found))
    assert ("v0", "v1", 1) in edges(found)


@BOTH
def test_too_few_rows_are_refused_by_name(name):
    with pytest.raises(InputError, match="at least 10 rows on end in an environment"):
        discover(telemetry(chain(9)), name)
    split = telemetry(chain(60), environments=np.repeat(np.arange(10), 6))
    with pytest.raises(InputError, match="10 environment"):
        discover(split, name)
    assert discover(telemetry(chain(10)), name).report["effective_sample_size"]["min"] == 4.0


@BOTH
def test_fewer_rows_than_columns(name):
    values = np.random.default_rng(0).normal(size=(20, 40))
    found = discover(telemetry(values), name, max_lag=1)
    assert np.isfinite(found.scores).sum() == 40 * 40 * 2 - 40


@BOTH
def test_one_column(name):
    found = discover(telemetry(chain(500)[:, :1]), name)
    assert edges(found) == {("v0", "v0", 1)}
    assert found.scores.shape == (1, 1, 4)


@BOTH
def test_no_lags_at_all(name):
    x = np.random.default_rng(0).normal(size=(800, 3))
    x[:, 2] += x[:, 0] + x[:, 1]
    found = discover(telemetry(x), name, max_lag=0)
    assert {frozenset(e[:2]) for e in edges(found)} == {frozenset(p) for p in (("v0", "v2"), ("v1", "v2"))}
    assert all(e.is_directed for e in found.graph.edges) == (name == "pcmci_plus")


@BOTH
def test_duplicates_are_reported_and_cost_no_link(name):
    x = chain(3000)
    twin = np.column_stack([x, 3.0 - 2.0 * x[:, 0]])  # v4 is v0 again
    found = discover(telemetry(twin), name, alpha=1e-5)
    assert found.report["duplicates"] == [["v0", "v4"]]
    assert found.report["tests_with_dependent_conditions"] > 0
    assert {("v0", "v1", 1), ("v4", "v1", 1), ("v1", "v2", 1)} <= edges(found)
    assert {e[:2] for e in edges(found) if e[2] == 0} == {("v0", "v4")}


@BOTH
def test_a_sum_of_others_breaks_nothing(name):
    x = chain(1500)
    found = discover(telemetry(np.column_stack([x, x[:, 0] + x[:, 1]])), name)
    assert np.isfinite(found.scores[found.scores == found.scores]).all()
    assert all(np.isfinite(e.strength) and 0 <= e.p_value <= 1 for e in found.graph.edges)


# -- the prior -------------------------------------------------------------------------------------------------------


@BOTH
def test_forbidden_links_are_not_tested(name):
    values = chain()
    free = discover(telemetry(values), name)
    prior = ExpertPrior(forbidden=[("v0", "*"), ("*", "v0")])
    bound = discover(telemetry(values), name, prior=prior)
    assert bound.report["tests"] < free.report["tests"] / 1.5
    assert np.isnan(bound.scores[0]).all() and np.isnan(bound.scores[:, 0]).all()
    assert not any("v0" in edge for edge in edges(bound))


def test_a_root_keeps_its_past_as_a_condition():
    """Without it, v0 would seem to be driven and v1 to be driven by every lag of v0."""
    values = chain(4000)
    found = discover(telemetry(values), "pcmci", prior=ExpertPrior(roots=["v0"]), alpha=1e-6)
    assert not any(target == "v0" for _, target, _ in edges(found))
    assert {e for e in edges(found) if e[0] == "v0"} == {("v0", "v1", 1), ("v0", "v3", 2)}
    plain = discover(telemetry(values), "pcmci", alpha=1e-6)
    strength = {(e.source, e.target, e.lag): e.strength for e in plain.graph.edges}
    same = {(e.source, e.target, e.lag): e.strength for e in found.graph.edges}
    assert same["v0", "v1", 1] == pytest.approx(strength["v0", "v1", 1], abs=0.02)


@BOTH
def test_a_required_edge_goes_to_its_strongest_lag_and_stays(name):
    prior = ExpertPrior(required=[("v0", "v3"), {"source": "v3", "target": "v0", "lag": [0, 3]}])
    found = discover(telemetry(chain(2000)), name, prior=prior)
    assert found.certificate.ok
    assert ("v0", "v3", 2) in edges(found)
    evidence = {(e.source, e.target): e.evidence for e in found.graph.edges}
    assert evidence["v0", "v3"] == ("data", "prior")
    assert evidence["v3", "v0"] == ("prior",)
    top = np.sort(found.scores[np.isfinite(found.scores)])[-2:]
    assert top[0] == top[1] == found.scores[0, 3, 2]


@BOTH
def test_one_allowed_direction_directs_an_edge_at_lag_0(name):
    x = np.random.default_rng(0).normal(size=(500, 2))
    x[:, 1] += x[:, 0]
    prior = ExpertPrior(forbidden=[{"source": "v0", "target": "v1", "lag": 0}])
    found = discover(telemetry(x), name, prior=prior, max_lag=1)
    assert [(e.source, e.target, e.is_directed, e.evidence) for e in found.graph.edges] == [("v1", "v0", True, ("data", "prior"))]


# -- parameters ------------------------------------------------------------------------------------------------------


def test_the_levels_of_graph_and_selection_are_apart():
    values = chain(300, seed=3)
    loose, strict = (discover(telemetry(values), "pcmci", alpha=a) for a in (0.2, 1e-4))
    assert edges(strict) < edges(loose)
    assert strict.report["tests"] == loose.report["tests"]
    assert discover(telemetry(values), "pcmci", pc_alpha=0.5).report["tests"] > loose.report["tests"]


def test_adjusted_p_values_are_larger_and_links_fewer():
    values = np.random.default_rng(0).normal(size=(200, 8))
    plain, adjusted = (discover(telemetry(values), "pcmci", alpha=0.05, fdr=fdr) for fdr in (False, True))
    lagged = {e for e in edges(plain) if e[2] > 0}
    assert len(lagged) > 3 and not {e for e in edges(adjusted) if e[2] > 0}
    assert {e for e in edges(adjusted) if e[2] == 0} == edges(plain) - lagged


@BOTH
def test_a_deadline_gives_a_truncated_graph_that_obeys(name):
    prior = ExpertPrior(required=[{"source": "v3", "target": "v0", "lag": 0}], forbidden=[("v1", "v2")])
    found = discover(telemetry(chain()), name, prior=prior, deadline_s=0.0)
    assert found.report["truncated"] and found.certificate.ok
    assert edges(found) == {("v3", "v0", 0)}
    assert not discover(telemetry(chain()), name, deadline_s=60.0).report["truncated"]


def test_few_conditions_save_tests():
    values = chain(400, n=8)
    assert (
        discover(telemetry(values), "pcmci", max_conditions=0).report["tests"]
        < discover(telemetry(values), "pcmci").report["tests"]
    )


def test_scores_rank_beyond_vanishing_p_values():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 3))
    x[1:, 1] += 3.0 * x[:-1, 0]
    x[1:, 2] += 9.0 * x[:-1, 0]
    found = discover(telemetry(x), "pcmci", max_lag=1)
    assert {e.p_value for e in found.graph.edges if e.lag == 1} >= {0.0}
    assert found.scores[0, 2, 1] > found.scores[0, 1, 1] > 300


def test_defaults():
    pcmci, plus = algorithms.build("pcmci"), algorithms.build("pcmci_plus")
    assert (pcmci.pc_alpha, plus.pc_alpha, plus.alpha) == (0.2, 0.01, 0.01)
    assert pcmci.max_lag == plus.max_lag == 3
    assert (pcmci.missing, plus.missing, pcmci.own_means, plus.own_means) == ("auto", "auto", False, False)
