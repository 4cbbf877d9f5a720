"""Properties of the habits: what the treatment must not depend on, and what a doubt may only take away."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.core.graph import DIRECTED, CausalGraph
from causaldisc.core.telemetry import Telemetry
from causaldisc.habits import answers, recognise, treat
from causaldisc.habits._load import burden_of
from causaldisc.habits._treat import normal_scores

seeds = st.integers(0, 10_000)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(2, 60))
def test_normal_scores_see_ranks_alone(seed: int, rows: int) -> None:
    x = np.random.default_rng(seed).integers(-5, 6, rows).astype(float)
    assert (normal_scores(x) == normal_scores(np.exp(x) * 1e3 - 7.0)).all()
    np.testing.assert_allclose(normal_scores(-x), -normal_scores(x), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(1, 3), st.floats(0.0, 0.3))
def test_treatment_keeps_names_order_of_time_and_environments(seed: int, environments: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    rows = 40 * environments
    x = np.column_stack([np.cumsum(rng.poisson(3.0, rows)), rng.normal(size=rows), np.repeat(rng.normal(size=rows // 4), 4)])
    x = np.where(rng.random(x.shape) < missing, np.nan, x.astype(float))
    raw = Telemetry(x, ["a:total", "b:latency", "c:cpu"], environments=np.repeat(np.arange(environments), 40))
    after = treat(raw, recognise(raw)).telemetry
    assert after.names == raw.names and set(after.environments) <= set(raw.environments)
    assert set(after.times) <= set(raw.times) and np.isfinite(after.values[~after.missing]).all()
    assert not np.isnan(after.values).all(axis=0).any()


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_scale_and_offset_of_a_gauge_change_nothing(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(80, 2))
    first = Telemetry(x, ["a:latency", "b:latency"])
    second = Telemetry(x * [8.0, 0.25] + [16.0, -4.0], ["a:latency", "b:latency"])
    one, two = (treat(t, recognise(t)).telemetry.values for t in (first, second))
    np.testing.assert_allclose(one, two, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(2, 6))
def test_more_doubt_takes_edges_from_the_core_and_adds_none(seed: int, nodes: int) -> None:
    rng = np.random.default_rng(seed)
    codes = np.triu(rng.random((nodes, nodes)) < 0.6, 1) * DIRECTED
    p = 10.0 ** -rng.uniform(0, 12, (nodes, nodes, 1))
    graph = CausalGraph.from_codes([f"x{k}" for k in range(nodes)], codes, kind="dag", p_value=p[:, :, 0])
    scores = -np.log10(p)
    core = set(answers(graph, scores, p).core.edges)
    assert core <= set(graph.edges)
    assert set(answers(graph, scores, np.minimum(10 * p, 1.0)).core.edges) <= core
    assert set(answers(graph, scores, p, rng.random(p.shape)).core.edges) <= core
    both = answers(graph, scores, p)
    assert {(c.source, c.target) for c in both.candidates if c.found} == {(e.source, e.target) for e in graph.edges}


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_no_column_is_regressed_on_itself(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(60, 6))
    telemetry = Telemetry(x, [f"x{k}" for k in range(6)])
    changed = np.array(x)
    changed[:, 2] = np.random.default_rng(seed + 1).normal(size=60)
    first = burden_of(telemetry, "factor")
    second = burden_of(Telemetry(changed, telemetry.variables), "factor")
    assert first is not None and second is not None
    np.testing.assert_allclose(np.abs(first[:, 2]), np.abs(second[:, 2]), atol=1e-9)
