"""Every root-cause ranker, found by name: sound answers on awkward data, and only those that say so use the graph."""

from __future__ import annotations

import numpy as np
import pytest

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.plugins import rankers
from causaldisc.core.telemetry import Telemetry
from causaldisc.rca._rca import rca

NAMES = rankers.names()
VARIABLES = ["web:latency", "cart:cpu", "cart:latency", "db:errors", "db:cpu"]
GRAPH = CausalGraph(
    VARIABLES,
    [Edge("cart:cpu", "cart:latency", 1), Edge("cart:latency", "web:latency"), Edge("web:latency", "web:latency", 1)],
    "lagged",
    1,
)


def incident(seed: int = 0, rows: int = 200, at: int = 170) -> Telemetry:
    """A fault in cart:cpu that spreads; missing cells, a variable constant before, one that is never recorded afterwards."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 5))
    values[at:, 1] += 12
    values[1:, 2] += 2 * values[:-1, 1]
    values[:, 0] += values[:, 2]
    values[:, 3] = 0.0
    values[at:, 3] = 0.1
    values[rng.random((rows, 5)) < 0.1] = np.nan
    values[at:, 4] = np.nan
    return Telemetry(values, VARIABLES)


@pytest.mark.parametrize("method", NAMES)
def test_scores_are_sorted_finite_and_of_known_variables(method, capfd):
    telemetry = incident()
    before = telemetry.sha256
    ranking = rankers.build(method).rank(GRAPH, telemetry, 170.0)
    scores = [score for _, score in ranking]
    assert scores == sorted(scores, reverse=True)
    assert np.isfinite(scores).all()
    assert {name for name, _ in ranking} == set(VARIABLES) - {"db:cpu"}  # nothing was recorded of it in the incident
    assert telemetry.sha256 == before
    assert ranking == rankers.build(method).rank(GRAPH, telemetry, 170.0)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("method", NAMES)
def test_units_and_column_order_do_not_matter(method):
    telemetry = incident()
    plain = dict(rankers.build(method).rank(GRAPH, telemetry, 170.0))
    order = [3, 1, 4, 0, 2]
    scaled = Telemetry(telemetry.values * 1000.0, VARIABLES).select(order)
    shuffled = GRAPH.replace(variables=[GRAPH.variables[k] for k in order], edges=GRAPH.edges[::-1])
    other = dict(rankers.build(method).rank(shuffled, scaled, 170.0))
    assert other == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("method", NAMES)
def test_the_graph_is_used_by_those_that_say_so(method):
    telemetry = incident()
    ranker = rankers.build(method)
    same = ranker.rank(GRAPH, telemetry, 170.0) == ranker.rank(GRAPH.replace(edges=()), telemetry, 170.0)
    assert same is not ranker.uses_graph


@pytest.mark.parametrize("method", NAMES)
def test_few_rows_constants_and_many_parents(method):
    rng = np.random.default_rng(1)
    names = [f"x{k}" for k in range(30)]
    values = rng.normal(size=(9, 30))
    values[:, 5] = 7.0
    star = CausalGraph(names, [Edge(n, "x0") for n in names[1:]])
    ranking = rca(star, Telemetry(values, names), at=6, method=method, top=None)
    assert len(ranking) == 30
    assert all(np.isfinite(c.score) and c.score >= 0 for c in ranking)
    assert next(c.score for c in ranking if c.variable == "x5") == 0


@pytest.mark.parametrize("method", NAMES)
def test_a_change_from_a_constant_counts_by_its_size(method):
    values = np.zeros((60, 3))
    values[:, 0] = np.random.default_rng(2).normal(size=60)
    values[50:, 1], values[50:, 2] = 0.1, 5.0
    telemetry = Telemetry(values, ["a:errors", "b:errors", "c:errors"])
    scores = dict(rankers.build(method).rank(CausalGraph(telemetry.variables), telemetry, 50.0))
    assert scores["c:errors"] >= scores["b:errors"]
    assert np.isfinite(list(scores.values())).all()
