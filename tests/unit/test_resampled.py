"""Confidence from resamples, stability selection, abstention and deadlines of the searches that share them."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import causaldisc as cd
from causaldisc.cli.discover_command import text
from causaldisc.core.errors import InputError
from causaldisc.kernels.resampling import block_length, draw, halves

SEARCHES = ("pc", "ges", "pcmci", "pcmci_plus")


def chain(rows: int = 400, seed: int = 0, n: int = 4) -> cd.Telemetry:
    """x0 → x1 → x2 …, each partly its own."""
    values = np.random.default_rng(seed).normal(size=(rows, n))
    for k in range(1, n):
        values[:, k] += 0.7 * values[:, k - 1]
    return cd.Telemetry(values, [f"s{k}:latency" for k in range(n)])


def marks(graph: cd.CausalGraph) -> set[tuple]:
    return {(e.source, e.target, e.lag, e.source_mark, e.target_mark) for e in graph.edges}


# -- draws -----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 12), st.integers(0, 99))
def test_draws_stay_in_their_environment_and_keep_its_size(sizes: list[int], block: int, seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    rows = draw(labels, block, np.random.default_rng(seed))
    assert (labels[rows] == labels).all()
    start = np.r_[0, np.cumsum(sizes)[:-1]]
    for begin, size in zip(start, sizes, strict=True):
        steps = np.diff(rows[begin : begin + size])
        follows = (steps == 1) | (steps == 1 - size)
        jumps = np.flatnonzero(~follows)
        assert all((jump + 1) % block == 0 for jump in jumps), "rows may only be parted where a block ends"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 30), min_size=1, max_size=4), st.integers(1, 12), st.integers(0, 99))
def test_halves_part_every_environment(sizes: list[int], block: int, seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    one, other = halves(labels, block, np.random.default_rng(seed))
    assert sorted([*one.tolist(), *other.tolist()]) == list(range(len(labels)))
    for label, size in enumerate(sizes):
        share = (labels[one] == label).sum()
        assert 0 < share < size and abs(2 * share - size) <= 2 * min(block, size)


def test_blocks_are_as_long_as_memory_lasts() -> None:
    rng = np.random.default_rng(1)
    lengths = []
    for memory in (0.0, 0.5, 0.9):
        values = rng.normal(size=(1000, 5))
        for t in range(1, len(values)):
            values[t] += memory * values[t - 1]
        lengths.append(block_length(values, np.zeros(1000)))
    assert lengths[0] <= 2 < lengths[1] < lengths[2] <= 95
    values[rng.random(values.shape) < 0.2] = np.nan
    assert block_length(values, np.zeros(1000)) > 5
    assert block_length(values[:5], np.zeros(5)) == 1


# -- confidence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEARCHES)
def test_confidence_comes_by_default_and_leaves_the_graph_alone(name: str) -> None:
    telemetry = chain()
    plain, sure = cd.discover(telemetry, name, bootstrap=0), cd.discover(telemetry, name)
    assert plain.confidence is None and plain.report["bootstrap"] == 0 and plain.graph.edges[0].confidence is None
    assert sure.confidence is not None and sure.report["bootstrap"] == 100
    assert marks(plain.graph) == marks(sure.graph) and np.array_equal(plain.scores, sure.scores, equal_nan=True)
    for array in (sure.confidence.adjacency, sure.confidence.orientation, sure.confidence.frequency, sure.confidence.directed):
        known = array[~np.isnan(array)]
        assert array.shape == sure.scores.shape and ((known >= 0) & (known <= 1)).all()
    now = sure.confidence.adjacency[:, :, 0]
    assert np.allclose(now, now.T, equal_nan=True) and np.isnan(np.diag(now)).all()
    both = np.nan_to_num(sure.confidence.orientation[:, :, 0])
    assert np.nanmax(both + both.T) <= 1 + 1e-9
    for edge in sure.graph.edges:
        assert 0 <= edge.confidence <= 1
        assert (edge.orientation_confidence is not None) == edge.is_directed
    strong = [e for e in sure.graph.edges if {e.source, e.target} == {"s0:latency", "s1:latency"} and e.lag == 0]
    assert strong and strong[0].confidence > 0.8


def test_what_is_true_is_surer_than_what_is_chance() -> None:
    right, wrong = [], []
    for seed in range(12):
        data = cd.simulate("sem", seed=seed, n_variables=12, n_samples=150)
        found = cd.discover(data.telemetry, "pc", alpha=0.1)
        truth = data.truth.adjacency() | data.truth.adjacency().T
        for edge in found.graph.edges:
            i, j = (found.graph.index[end] for end in (edge.source, edge.target))
            (right if truth[i, j] else wrong).append(edge.confidence)
    assert np.mean(right) > np.mean(wrong) + 0.2


@pytest.mark.parametrize("name", SEARCHES)
def test_confidence_moves_with_the_columns_and_repeats_with_the_seed(name: str) -> None:
    telemetry, order = chain(200), [2, 0, 3, 1]
    one, again = (cd.discover(telemetry, name, bootstrap=50, seed=3).confidence for _ in range(2))
    turned = cd.discover(telemetry.select(order), name, bootstrap=50, seed=3).confidence
    assert one is not None and again is not None and turned is not None
    assert one.calibration.startswith(name) and one.adjacency.tobytes() == again.adjacency.tobytes()
    for field in ("adjacency", "orientation", "frequency", "directed"):
        moved = getattr(one, field)[np.ix_(order, order)]
        assert np.array_equal(moved, getattr(turned, field), equal_nan=True), field


@pytest.mark.parametrize("name", SEARCHES)
def test_the_prior_holds_in_every_resample(name: str) -> None:
    prior = cd.ExpertPrior(
        required=[("s0:latency", "s3:latency")], forbidden=[("s1:latency", "s2:latency"), ("s2:latency", "s1:latency")]
    )
    found = cd.discover(chain(), name, prior=prior, bootstrap=20)
    sure = found.confidence
    assert sure is not None and found.certificate.ok
    assert np.isnan(sure.adjacency[1, 2]).all() and np.isnan(sure.adjacency[2, 1]).all()
    assert np.nanmax(sure.frequency[0, 3]) == 1.0
    needed = [e for e in found.graph.edges if (e.source, e.target) == ("s0:latency", "s3:latency")]
    assert needed and needed[0].confidence == 1.0


def test_constant_columns_are_unknown() -> None:
    frame = chain().to_pandas().assign(flat=1.0)
    sure = cd.discover(frame, "pc").confidence
    assert sure is not None and sure.adjacency.shape == (5, 5, 1)
    assert np.isnan(sure.adjacency[4]).all() and np.isnan(sure.adjacency[:, 4]).all() and sure.adjacency[0, 1, 0] > 0.8


def test_resamples_go_without_where_they_would_cost() -> None:
    data = cd.simulate("sem", seed=0, n_variables=60, n_samples=20000)
    assert cd.discover(data.telemetry, "pc").report["bootstrap"] == 0
    assert cd.discover(data.telemetry, "pc", bootstrap=3).report["bootstrap"] == 3


# -- what is chosen by it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pc", "pcmci_plus"])
def test_stability_keeps_about_so_many_false_edges(name: str) -> None:
    counts, plain = [], []
    for seed in range(12):
        noise = np.random.default_rng(seed).normal(size=(200, 12))
        telemetry = cd.Telemetry(noise, [f"x{k}" for k in range(12)])
        options = {"bootstrap": 40, "alpha": 0.05, "max_lag": 0 if name == "pc" else 1}
        found = cd.discover(telemetry, name, select="stability", false_edges=1.0, **options)
        counts.append(len(found.graph.edges))
        plain.append(len(found.graph.edges) + len(found.report["unstable_edges"]))
    assert np.mean(counts) <= 1.0 < np.mean(plain)


def test_stability_keeps_what_is_strong() -> None:
    found = cd.discover(chain(1000), "pc", select="stability", false_edges=0.5)
    pairs = {frozenset((e.source, e.target)) for e in found.graph.edges}
    assert pairs == {frozenset(pair) for pair in itertools.pairwise(found.graph.names)}
    assert found.report["half_samples"] == 100 and found.report["expected_false_edges"] == 0.5


def test_unsure_edges_are_left_out_and_listed() -> None:
    data = cd.simulate("sem", seed=3, n_variables=12, n_samples=120)
    required = cd.ExpertPrior(required=[(data.telemetry.names[0], data.telemetry.names[1])])
    every = cd.discover(data.telemetry, "pc", alpha=0.2, prior=required)
    some = cd.discover(data.telemetry, "pc", alpha=0.2, prior=required, min_confidence=0.8)
    unsure = [e for e in every.graph.edges if e.confidence < 0.8]
    assert unsure and len(some.report["abstained_edges"]) == len(unsure)
    assert len(some.graph.edges) == len(every.graph.edges) - len(unsure) and some.certificate.ok
    assert all(f"{e.source} - {e.target}" in some.report["abstained_edges"] for e in unsure)
    assert f"edges left out, less probable than min_confidence: {len(unsure)} (" in text(some, "graph.json")


def test_a_deadline_cuts_the_resamples_and_says_so() -> None:
    data = cd.simulate("sem", seed=0, n_variables=40, n_samples=2000)
    cd.discover(data.telemetry, "pc", bootstrap=1)
    found = cd.discover(data.telemetry, "pc", bootstrap=100000, deadline_s=0.7)
    assert found.report["truncated"] and 0 < found.report["bootstrap"] < 100000
    assert found.confidence is not None and found.confidence.resamples == found.report["bootstrap"]
    assert marks(found.graph) == marks(cd.discover(data.telemetry, "pc", bootstrap=0).graph)


@pytest.mark.parametrize("asked", [{"select": "stability"}, {"min_confidence": 0.8}])
def test_choosing_by_resamples_without_any_is_refused(asked: dict) -> None:
    with pytest.raises(InputError, match=r"pc\.bootstrap must be > 0 with (select=stability|min_confidence=0\.8), got 0"):
        cd.discover(chain(), "pc", bootstrap=0, **asked)


def test_a_resample_past_the_deadline_is_cut_short_and_does_not_count() -> None:
    from causaldisc.algorithms._resampled import _bootstrap
    from causaldisc.algorithms.fci import FCI
    from causaldisc.core.constraints import Constraints
    from causaldisc.core.prior import ExpertPrior

    data = chain(n=6)
    limits = Constraints.of(ExpertPrior(), data.variables, 0)
    late, whole = (FCI().study(data, limits, end) for end in (-np.inf, np.inf))
    rows = np.arange(len(data.values))
    assert (late.again(rows).codes > 0).sum() > (whole.again(rows).codes > 0).sum()  # what was not tested stays
    slow = whole._replace(again=lambda rows: (time.sleep(0.2), whole.again(rows))[1])
    assert _bootstrap(slow, 5, 1, np.random.default_rng(0), time.monotonic() + 0.1).resamples == 0


def test_without_time_for_a_half_sample_nothing_counts_as_unstable() -> None:
    from causaldisc.algorithms.pc import PC
    from causaldisc.core.constraints import Constraints
    from causaldisc.core.prior import ExpertPrior

    data, search = chain(), PC(select="stability")
    limits = Constraints.of(ExpertPrior(), data.variables, 0)
    study = search.study(data, limits, np.inf)
    stable, facts = search._stability(study, limits, 10, 1, np.random.default_rng(0), -np.inf)
    assert stable.all() and facts["half_samples"] == 0


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_confidence_does_not_depend_on_the_unit(scale: float) -> None:
    data = chain()
    values = np.array(data.values)
    values[:, 1] *= scale
    plain, scaled = (cd.discover(t, "pc", bootstrap=50) for t in (data, cd.Telemetry(values, data.names)))
    for one, other in zip(plain.graph.edges, scaled.graph.edges, strict=True):
        assert one.confidence is not None and other.confidence == pytest.approx(one.confidence, abs=1e-9)
