"""Root-cause analysis: the graph must earn its place, the onset is found, and bad input is named."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.plugins import rankers
from causaldisc.core.telemetry import Telemetry
from causaldisc.rca._onset import find_onset
from causaldisc.rca._periods import split
from causaldisc.rca._rca import rca

NAMES = ("traffic", "cpu", "replicas", "latency", "frontend")
TRUE = (("traffic", "cpu"), ("traffic", "replicas"), ("cpu", "latency"), ("replicas", "latency"), ("latency", "frontend"))
GRAPHS = {"true": TRUE, "reversed": tuple((b, a) for a, b in TRUE), "empty": (), "no traffic": TRUE[2:]}
ROOTS, SEEDS, ONSET, ROWS = ("cpu", "replicas", "latency"), 30, 400, 420


def masked_fault(root: str, seed: int) -> Telemetry:
    """A shift of six noise deviations, hidden at the root by the traffic it shares and magnified downstream."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(ROWS, 5))
    shift = {name: np.where((np.arange(ROWS) >= ONSET) & (name == root), rng.choice([-6.0, 6.0]), 0.0) for name in ROOTS}
    traffic = 100 + 10 * np.convolve(rng.normal(size=ROWS + 49), 0.9 ** np.arange(50), "valid")
    cpu = 2 * traffic + noise[:, 1] + shift["cpu"]
    replicas = 2 * traffic + noise[:, 2] + shift["replicas"]
    latency = 3 * (cpu - replicas) + noise[:, 3] + shift["latency"]
    return Telemetry(np.column_stack([traffic, cpu, replicas, latency, 2 * latency + noise[:, 4]]), NAMES)


@cache
def trials() -> list[tuple[str, Telemetry]]:
    return [(root, masked_fault(root, seed)) for root in ROOTS for seed in range(SEEDS)]


def hits(method: str, graph: str, **parameters: object) -> int:
    edges = CausalGraph(NAMES, [Edge(a, b) for a, b in GRAPHS[graph]])
    ranker = rankers.build(method, parameters)
    return sum(ranker.rank(edges, telemetry, float(ONSET))[0][0] == root for root, telemetry in trials())


def test_rht_lives_by_the_graph_and_zscore_does_not():
    found = {graph: hits("rht", graph) for graph in GRAPHS}
    assert found["true"] >= 0.95 * len(trials())
    assert found["reversed"] <= 0.1 * len(trials())
    assert found["empty"] <= 0.4 * len(trials())
    assert found["no traffic"] <= 0.7 * len(trials())
    assert hits("rht", "true", adjust=True) >= 0.9 * len(trials())
    assert {hits("zscore", graph) for graph in GRAPHS} == {found["empty"]}


def test_rht_by_hand():
    """y = 2x exactly but for one unit of noise: after the onset x jumps and y follows it, so only x is to blame."""
    x = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 50])
    noise = np.array([1.0, -1, -1, 1, 1, -1, -1, 1, 0])
    telemetry = Telemetry(np.column_stack([x, 2 * x + noise]), ["x", "y"])
    graph = CausalGraph(["x", "y"], [Edge("x", "y")])
    ranking = {c.variable: c.score for c in rca(graph, telemetry, at=8, top=None)}
    fit_x = x[:8]
    leverage_x = 1 / 8
    assert ranking["x"] == pytest.approx((50 - fit_x.mean()) / (fit_x.std(ddof=1) * np.sqrt(1 + leverage_x)))
    slope, level = np.polyfit(fit_x, 2 * fit_x + noise[:8], 1)
    residual = (2 * fit_x + noise[:8]) - (slope * fit_x + level)
    spread = np.sqrt((residual**2).sum() / 6)
    leverage = 1 / 8 + (50 - fit_x.mean()) ** 2 / ((fit_x - fit_x.mean()) ** 2).sum()
    assert ranking["y"] == pytest.approx(abs(100 - slope * 50 - level) / (spread * np.sqrt(1 + leverage)))


def test_lags_are_respected():
    rng = np.random.default_rng(4)
    x = rng.normal(size=300)
    x[250:] += 3 * np.arange(50)
    y = 3 * np.roll(x, 2) + 0.1 * rng.normal(size=300)
    telemetry = Telemetry(np.column_stack([x, y])[2:], ["x", "y"], times=np.arange(298.0))
    right = rca(CausalGraph(["x", "y"], [Edge("x", "y", 2)], "lagged", 2), telemetry, at=248)
    wrong = rca(CausalGraph(["x", "y"], [Edge("x", "y", 0)], "lagged", 2), telemetry, at=248)
    scores = [{c.variable: c.score for c in r}["y"] for r in (right, wrong)]
    assert scores[0] < 5 < scores[1]


def test_a_refuted_edge_explains_nothing():
    edges = [Edge("x", "y", validation="refuted")]
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    x[90:] += 20
    telemetry = Telemetry(np.column_stack([x, x + 0.1 * rng.normal(size=100)]), ["x", "y"])
    refuted = {c.variable: c.score for c in rca(CausalGraph(["x", "y"], edges), telemetry, at=90)}
    none = {c.variable: c.score for c in rca(CausalGraph(["x", "y"]), telemetry, at=90)}
    assert refuted == none


def test_the_normal_period_may_be_another_environment():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(105, 2))
    values[100:, 1] += 9
    times = [*np.arange(1e9, 1e9 + 100), *np.arange(9e8, 9e8 + 5)]  # the incident was recorded years earlier
    telemetry = Telemetry(values, ["x", "y"], times, [0] * 100 + [1] * 5, clock="utc")
    normal, abnormal = split(telemetry, 9e8)
    assert (int(normal.sum()), int(abnormal.sum())) == (100, 5)
    assert rca(CausalGraph(["x", "y"]), telemetry, at=9e8)[0].variable == "y"


def test_no_lag_reaches_across_environments():
    values = np.array([[0.0, 0], [1, 0], [2, 1], [3, 2], [4, 3], [5, 4], [100, 0], [101, 100], [102, 101]])
    telemetry = Telemetry(values, ["x", "y"], [0, 1, 2, 3, 4, 5, 10, 11, 12], [0] * 6 + [1] * 3)
    graph = CausalGraph(["x", "y"], [Edge("x", "y", 1)], "lagged", 1)
    scores = {c.variable: c.score for c in rca(graph, telemetry, at=10, top=None)}
    assert scores["y"] == pytest.approx(0, abs=1e-6)  # y(10) would be wrong by 5 if it looked back to x(5)


@pytest.mark.parametrize("lasts", [15, 60])
def test_the_onset_is_found(lasts):
    errors = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        at = int(rng.integers(60, 300))
        values = rng.standard_t(4, size=(400, 8))
        values[at : at + lasts, :3] += 6 * rng.choice([-1, 1], size=3)
        names = [f"s{k}:latency" for k in range(6)] + ["s1:cpu", "s2:cpu"]
        errors.append(abs(find_onset(Telemetry(values, names)) - at))
    assert np.median(errors) <= 1
    assert np.mean(np.array(errors) <= 3) >= 0.9


def test_the_found_onset_is_said():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 2))
    values[150:, 0] += 10
    telemetry = Telemetry(values, ["a:latency", "b:latency"], 1704067200.0 + 15 * np.arange(200), clock="utc")
    graph = CausalGraph(telemetry.variables)
    found = rca(graph, telemetry)
    assert found.onset == 1704067200.0 + 15 * 150
    assert found.onset_found
    assert found.onset_text == "2024-01-01T00:37:30Z (found from the data)"
    given = rca(graph, telemetry, at="2024-01-01T00:37:30+00:00", top=1)
    assert (given.onset, given.onset_found, len(given)) == (found.onset, False, 1)
    assert given[0] == found[0]


def test_what_only_one_side_knows_is_reported():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(50, 2)), columns=["web:cpu", "web:latency"])
    ranking = rca(CausalGraph(["web:latency", "db:cpu"], [Edge("db:cpu", "web:latency")]), frame, at=40)
    assert [c.variable for c in ranking] == ["web:latency"]
    assert ranking.report["not_in_telemetry"] == ["db:cpu"]
    assert ranking.report["not_in_graph"] == ["web:cpu"]
    assert (ranking.report["normal_rows"], ranking.report["abnormal_rows"]) == (40, 10)
    assert ranking.services == ("web",)
    assert json.loads(json.dumps(ranking.to_dict()))["causes"][0]["rank"] == 1


BAD = (
    ({"at": 99}, "at must lie within the telemetry's times 0..49, got 99"),
    ({"at": 2}, "at least 5 normal rows"),
    ({"at": "noon"}, "ISO 8601"),
    ({"at": "2024-01-01"}, "clock counts from its start"),
    ({"at": float("nan")}, "at must be seconds"),
    ({"at": True}, "at must be seconds"),
    ({"at": 40, "method": "rth"}, "did you mean rht"),
    ({"at": 40, "method": "rht", "adjusted": True}, "unknown parameter 'adjusted'"),
    ({"at": 40, "top": -1}, "top must be"),
)


@pytest.mark.parametrize(("arguments", "words"), BAD)
def test_bad_arguments_are_named(arguments, words):
    telemetry = Telemetry(np.random.default_rng(0).normal(size=(50, 2)), ["a", "b"])
    with pytest.raises(InputError, match=words):
        rca(CausalGraph(["a", "b"]), telemetry, **arguments)


def test_nothing_in_common_and_nothing_found():
    telemetry = Telemetry(np.tile([[1.0, 2.0]], (50, 1)), ["a", "b"])
    with pytest.raises(InputError, match="must share variables"):
        rca(CausalGraph(["x"]), telemetry, at=40)
    with pytest.raises(InputError, match="no stretch of the telemetry stands out"):
        rca(CausalGraph(["a", "b"]), telemetry)


def test_noise_rarely_passes_for_an_incident():
    alarms = 0
    for seed in range(60):
        values = np.random.default_rng(seed).normal(size=(200, 5))
        try:
            find_onset(Telemetry(values, [f"s{k}:latency" for k in range(5)]))
        except InputError:
            continue
        alarms += 1
    assert alarms <= 15


def test_an_incident_lies_within_one_environment_and_leaves_a_normal_period():
    values = np.random.default_rng(0).normal(size=(80, 2))
    values[35:45] += 30  # the last rows of one environment and the first of the next
    telemetry = Telemetry(values, ["a", "b"], environments=np.repeat([0, 1], 40))
    assert find_onset(telemetry) in (35.0, 40.0)
    values[:] = np.random.default_rng(0).normal(size=(80, 2))
    values[:10] += 30
    assert find_onset(Telemetry(values, ["a", "b"])) >= 5
