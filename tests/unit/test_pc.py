"""PC on telemetry whose graph is plain to see."""

from __future__ import annotations

import numpy as np
import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.runner.pipeline import discover


def chain(rng, *weights, rows=800):
    """x0 → x1 → …, one weight an arrow."""
    columns = [rng.normal(size=rows)]
    for weight in weights:
        columns.append(weight * columns[-1] + rng.normal(size=rows))
    return np.column_stack(columns)


def named(values, names="abcdefgh", **fields):
    return Telemetry(values, [*names[: values.shape[1]]], **fields)


def drawn(graph):
    """Edges as text: ``a>b``, ``a-b`` or ``axb``, with ``@lag`` behind lagged ones."""
    found = set()
    for e in graph.edges:
        mark = ">" if e.is_directed else "-" if e.is_undirected else "x"
        ends = (e.source, e.target) if e.is_directed else sorted((e.source, e.target))
        found.add(mark.join(ends) + (f"@{e.lag}" if e.lag else ""))
    return found


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_chain_and_collider(rng):
    assert drawn(discover(named(chain(rng, 1, 1, 1)), "pc").graph) == {"a-b", "b-c", "c-d"}
    two = rng.normal(size=(800, 2))
    values = np.column_stack([two, two.sum(axis=1) + rng.normal(size=800)])
    values = np.column_stack([values, values[:, 2] + rng.normal(size=800)])
    found = discover(named(values), "pc")
    assert drawn(found.graph) == {"a>c", "b>c", "c>d"}
    assert found.graph.kind == "cpdag"


def test_edges_say_how_strong_they_are(rng):
    found = discover(named(chain(rng, -1, 0.3)), "pc")
    strong, weak = sorted(found.graph.edges, key=lambda e: e.p_value or 0)
    assert (strong.source, strong.target) == ("a", "b")
    assert strong.strength is not None and weak.strength is not None
    assert -0.8 < strong.strength < -0.6 and 0.1 < weak.strength < 0.4
    assert strong.p_value is not None and strong.p_value < 1e-6 and weak.p_value is not None and weak.p_value < 0.01


def test_prior_clauses_bind(rng):
    data = named(chain(rng, 1, 1, 1))
    one_way = discover(data, "pc", prior=ExpertPrior(forbidden=[("b", "a")]))
    assert drawn(one_way.graph) == {"a>b", "b>c", "c>d"}
    assert one_way.graph.kind == "mpdag"
    against = discover(data, "pc", prior=ExpertPrior(required=[("d", "c")], roots=["a"]))
    assert {"d>c", "a>b"} <= drawn(against.graph)
    against.certificate.raise_if_violated()
    tiers = discover(data, "pc", prior=ExpertPrior(tiers=[["c", "d"], ["a", "b"]]))
    assert "c>b" in drawn(tiers.graph) and tiers.certificate.ok
    cut = discover(data, "pc", prior=ExpertPrior(forbidden=[("b", "c"), ("c", "b")]))
    assert not {"b-c", "b>c", "c>b"} & drawn(cut.graph)


def test_required_edge_without_any_dependence(rng):
    found = discover(named(rng.normal(size=(500, 3))), "pc", prior=ExpertPrior(required=[{"source": "a", "target": "c"}]))
    assert drawn(found.graph) == {"a>c"}
    assert found.graph.edges[0].evidence == ("prior",)
    assert found.scores[0, 2, 0] == np.nanmax(found.scores)


def test_direction_of_the_prior_is_marked_as_evidence(rng):
    found = discover(named(chain(rng, 1)), "pc", prior=ExpertPrior(forbidden=[("a", "b")]))
    assert [(e.source, e.target, e.evidence) for e in found.graph.edges] == [("b", "a", ("data", "prior"))]


def test_nothing_is_conditioned_on_what_comes_later(rng):
    common = rng.normal(size=(800, 1))
    data = named(np.column_stack([common + rng.normal(size=(800, 2)), common]))
    assert drawn(discover(data, "pc").graph) == {"a-c", "b-c"}
    later = discover(data, "pc", prior=ExpertPrior(tiers=[["a", "b"], ["c"]]))
    assert drawn(later.graph) == {"a>c", "b>c", "a-b"}


def lagged_pair(rng, rows=1500):
    values = rng.normal(size=(rows, 3))
    for t in range(1, rows):
        values[t, 0] += 0.7 * values[t - 1, 0]
        values[t, 1] += 0.6 * values[t - 1, 0]
    values[:, 2] += 0.8 * values[:, 1]
    return values


def test_lags(rng):
    found = discover(named(lagged_pair(rng)), "pc", max_lag=2)
    assert drawn(found.graph) == {"a>a@1", "a>b@1", "b>c"}
    assert found.graph.kind == "lagged" and found.scores.shape == (3, 3, 3)


def test_own_past_explains_even_where_it_may_not_be_reported(rng):
    rows = 1500
    walks = rng.normal(size=(rows, 2))
    for t in range(1, rows):
        walks[t] += 0.8 * walks[t - 1]
        walks[t, 1] += 0.8 * walks[t - 1, 0]
    forbidden = [{"source": x, "target": x} for x in "ab"]
    found = discover(named(walks), "pc", prior=ExpertPrior(forbidden=forbidden), max_lag=2)
    assert drawn(found.graph) == {"a>b@1"}
    assert np.isnan(found.scores[0, 0]).all() and found.certificate.ok


def test_lags_do_not_reach_across_environments(rng):
    values = rng.normal(size=(50, 10, 2))
    values[:, 1:, 1] = values[:, :-1, 0] + 0.1 * values[:, 1:, 1]
    # The first value of an environment follows the last of the one before, which is none of its past.
    values[1:, 0, 1], values[:, :9, 0] = 1e3 * values[:-1, 9, 0], values[:, :9, 0]
    environments, times = np.repeat(np.arange(50), 10), np.tile(np.arange(10.0), 50)
    apart = Telemetry(values.reshape(-1, 2), "ab", environments=environments, times=times)
    found = discover(apart, "pc", max_lag=1)
    assert drawn(found.graph) == {"a>b@1"}
    assert found.report["effective_sample_size"]["min"] == 50 * 9 - 49


def test_a_shift_between_environments_is_no_edge(rng):
    values = rng.normal(size=(400, 2))
    values[200:] += 30.0
    assert drawn(discover([named(values[:200]), named(values[200:])], "pc").graph) == set()
    assert drawn(discover(named(values), "pc").graph) == {"a-b"}


def test_missing_values(rng):
    values = chain(rng, 1, 1, rows=2000)
    values[rng.random(values.shape) < 0.2] = np.nan
    found = discover(named(values), "pc")
    assert drawn(found.graph) == {"a-b", "b-c"}
    assert 1200 < found.report["effective_sample_size"]["min"] < 1350


def test_columns_never_seen_together_are_not_joined(rng):
    values = chain(rng, 2, rows=100)
    values[:50, 0], values[50:, 1] = np.nan, np.nan
    found = discover(named(values), "pc")
    assert drawn(found.graph) == set()
    assert found.report["untestable_pairs"] == 2


def test_near_duplicates_are_searched_as_one(rng):
    values = chain(rng, 1, 1)
    values = np.column_stack([values, -5e6 * values[:, 1] + 3])
    found = discover(named(values), "pc")
    assert found.report["duplicates"] in ([["b", "d"]], [["d", "b"]])
    kept, other = found.report["duplicates"][0]
    join = "-".join(sorted((kept, other)))
    assert drawn(found.graph) == {f"a-{kept}", "-".join(sorted((kept, "c"))), join}
    # What cannot be told apart is rated alike.
    assert found.scores[0, 1, 0] == pytest.approx(found.scores[0, 3, 0])


def test_the_fuller_column_stands_for_its_duplicates(rng):
    values = chain(rng, 1)
    values = np.column_stack([values, values[:, 0]])
    values[:100, 0] = np.nan
    assert discover(named(values), "pc").report["duplicates"] == [["c", "a"]]


def test_prior_about_a_duplicate_is_obeyed(rng):
    values = chain(rng, 1, 1)
    values = np.column_stack([values, values[:, 1]])
    for prior in (
        ExpertPrior(required=[("d", "a"), ("c", "d")]),
        ExpertPrior(required=[("a", "b"), ("d", "a")]),
        ExpertPrior(required=[("b", "d")], roots=["b"]),
    ):
        found = discover(named(values), "pc", prior=prior)
        found.certificate.raise_if_violated()
    apart = discover(named(values), "pc", prior=ExpertPrior(forbidden=[("b", "d"), ("d", "b"), ("a", "b"), ("b", "a")]))
    assert {"a-d", "a>d", "d>a"} & drawn(apart.graph)  # the permission of one member is not lost
    apart.certificate.raise_if_violated()


def test_a_sum_of_columns_is_survived(rng):
    values = rng.normal(size=(300, 4))
    values[:, 3] = values[:, :3].sum(axis=1)
    found = discover(named(values), "pc")
    assert {"a>d", "b>d", "c>d"} == drawn(found.graph)


@pytest.mark.parametrize("rows", [2, 3, 4, 6])
@pytest.mark.parametrize("columns", [1, 2, 8])
def test_few_rows_and_columns(rng, rows, columns):
    found = discover(named(rng.normal(size=(rows, columns))), "pc")
    assert len(found.graph.edges) <= 3
    assert np.isfinite(found.scores[:, :, 0][~np.eye(columns, dtype=bool)]).all()


def test_fewer_rows_than_columns(rng):
    found = discover(Telemetry(rng.normal(size=(15, 40)), [f"x{k}" for k in range(40)]), "pc")
    assert len(found.graph.edges) < 40


def test_scale_changes_nothing(rng):
    values = chain(rng, 1, -1, 0.5)
    scaled = values * np.array([1e-9, 1e12, 1.0, 1e5]) + np.array([0.0, 1e12, -3.0, 1e6])
    one, other = discover(named(values), "pc"), discover(named(scaled), "pc")
    assert drawn(one.graph) == drawn(other.graph)
    assert np.allclose(one.scores, other.scores, rtol=1e-6, equal_nan=True)


def test_conditions_and_alpha_bound_the_search(rng):
    data = named(chain(rng, 1, 1, 1))
    assert drawn(discover(data, "pc", max_conditions=0).graph) >= {"a-b", "b-c", "c-d", "a-c"}
    assert discover(data, "pc", max_conditions=0).report["tests_per_level"] == [6]
    assert drawn(discover(data, "pc", alpha=0.0).graph) == set()
    with pytest.raises(InputError, match="max_conditions"):
        discover(data, "pc", max_conditions=-1)


def test_deadline_returns_the_graph_so_far(rng):
    common = rng.normal(size=(1000, 1))
    data = Telemetry(common + 0.3 * rng.normal(size=(1000, 40)), [f"x{k}" for k in range(40)])
    found = discover(data, "pc", deadline_s=0.5)
    assert found.report["truncated"] and found.seconds < 8
    assert len(found.graph.edges) > 100
    assert not discover(named(chain(rng, 1)), "pc", deadline_s=60.0).report["truncated"]


def test_same_bits_every_time(rng):
    values = chain(rng, 1, 1, 1)
    values[rng.random(values.shape) < 0.1] = np.nan
    one, other = (discover(named(values), "pc", max_lag=1, bootstrap=0, seed=s) for s in (0, 1))
    assert one.graph.edges == other.graph.edges
    assert np.array_equal(one.scores, other.scores, equal_nan=True)


def test_every_kernel_is_compiled_once(rng):
    from causaldisc.kernels import orientation, separation

    for missing, max_lag in ((0.0, 0), (0.1, 2)):
        values = chain(rng, 1, 1, 1)
        values = np.column_stack([values, values[:, 0]])
        values[rng.random(values.shape) < missing] = np.nan
        for prior in (None, ExpertPrior(forbidden=[("a", "b")], required=[("d", "c")])):
            discover(named(values), "pc", prior=prior, max_lag=max_lag)
    kernels = [k for module in (orientation, separation) for k in vars(module).values() if hasattr(k, "signatures")]
    assert {k.__name__: len(k.signatures) for k in kernels if k.signatures} == {k.__name__: 1 for k in kernels if k.signatures}
