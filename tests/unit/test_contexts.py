"""Contexts beside the telemetry: how windows become columns, and what searches make of them."""

from __future__ import annotations

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.algorithms._contexts import with_contexts
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import InputError

CPU, LATENCY, DB = NAMES = ("cart:cpu", "cart:latency", "db:latency")
THROTTLE = cd.Intervention("cart", "cpu_throttle", 0.5, 2, 4)


def columns(windows, rows=8, how="unknown", lag=0, environments=None, values=None, prior=None):
    values = np.arange(rows * 3.0).reshape(rows, 3) if values is None else values
    data = cd.Telemetry(values, NAMES, environments=environments, windows=windows)
    wider, limits, strip = with_contexts(data, Constraints.of(prior or cd.ExpertPrior(), data.variables, lag), how)
    return wider, limits, strip


def test_a_column_for_each_intervention_and_arrows_out_of_it_alone():
    again = cd.Intervention("cart", "cpu_throttle", 0.5, 6, 7)
    held = cd.Intervention("db", "set", 9.0, 5, 6, DB)
    wider, limits, _ = columns([THROTTLE, held, again])
    assert wider.names[3:] == ("context:cpu_throttle cart", "context:set db:latency") and wider.windows == ()
    assert wider.values[:, 3].tolist() == [0, 0, 1, 1, 0, 0, 1, 0]
    assert wider.values[:, 4].tolist() == [0, 0, 0, 0, 0, 1, 0, 0]
    assert limits.allowed[3:, :3, 0].tolist() == [[True, True, True], [False, False, True]]
    assert not limits.allowed[:, 3:].any() and limits.exogenous == {3, 4}
    _, narrow, _ = columns([THROTTLE, held], how="targets")
    assert narrow.allowed[3:, :3, 0].tolist() == [[True, True, False], [False, False, True]]


def test_a_prior_speaks_of_causes_in_the_system_alone():
    prior = cd.ExpertPrior(roots=[CPU], required=[(CPU, LATENCY)])
    _, limits, _ = columns([THROTTLE], prior=prior)
    assert limits.allowed[3, 0, 0] and not limits.allowed[1, 0, 0]
    assert limits.required == ((0, 1, (0, 0)),)
    turned = limits.restrict([3, 2, 1, 0])
    assert turned.exogenous == {0} and turned.required == ((3, 2, (0, 0)),)


def test_magnitudes_are_coded_where_they_differ():
    more = cd.Intervention("cart", "cpu_throttle", 0.9, 6, 7)
    assert columns([THROTTLE, more])[0].values[:, 3].tolist() == [0, 0, 0.5, 0.5, 0, 0, 0.9, 0]
    values = np.column_stack([np.arange(8.0), np.ones((8, 2)) * np.arange(8)[:, None] % 3])
    values[:, 0] = [4, 6, 9, 9, 4, 6, 1, 5]
    sets = [cd.Intervention("cart", "set", v, a, b, CPU) for v, a, b in ((9.0, 2, 4), (1.0, 6, 7))]
    assert columns(sets, values=values)[0].values[:, 3].tolist() == [0, 0, 4, 4, 0, 0, -4, 0], (
        "about the mean outside, which is 5"
    )


def test_contexts_that_cannot_be_told_apart_are_one():
    both = cd.Intervention("db", "set", 1.0, 2, 4, DB)
    wider, limits, _ = columns([THROTTLE, both], how="targets")
    assert wider.names[3:] == ("context:cpu_throttle cart and set db:latency",)
    assert limits.allowed[3, :3, 0].all()
    # No row is free: what differs from the larger one may be the work of either.
    rest = [cd.Intervention("db", "set", 1.0, 0, 5, DB), cd.Intervention("cart", "cpu_throttle", 0.5, 5, 8)]
    wider, limits, _ = columns(rest, how="targets")
    assert wider.names[3:] == ("context:cpu_throttle cart",) and limits.allowed[3, :3, 0].all()
    always, _, _ = columns([cd.Intervention("cart", "kill")])
    assert always.names == NAMES
    three = [cd.Intervention("cart", kind, 0.5, a, b) for kind, a, b in (("kill", 0, 3), ("error", 3, 5), ("latency", 5, 8))]
    assert columns(three)[0].names[3:] == ("context:error cart", "context:latency cart")


def test_in_series_contexts_are_a_step_ahead():
    wider, limits, _ = columns([THROTTLE], lag=2)
    assert wider.values[:, 3].tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    assert limits.allowed[3, :3].tolist() == [[False, True, False]] * 3
    ends = cd.Intervention("cart", "kill", 0.5, 0, 2, environment=1)
    wider, _, _ = columns([ends], lag=1, environments=[0, 0, 0, 0, 1, 1, 1, 1])
    assert wider.values[:, 3].tolist() == [0, 0, 0, 0, 1, 0, 0, 0]


def test_environments_as_contexts():
    labels = [4, 4, 7, 7, 7, 2, 2, 2]
    wider, limits, _ = columns([], how="environments", environments=labels)
    assert wider.names[3:] == ("context:environment 4", "context:environment 7")
    assert not wider.environments.any() and limits.allowed[3:, :3, 0].all()
    series, _, _ = columns([], how="environments", environments=labels, lag=1)
    assert series.environments.tolist() == labels


def test_names_that_are_taken_are_told_apart():
    data = cd.Telemetry(np.eye(4), [*NAMES, "context:cpu_throttle cart"], windows=[THROTTLE])
    wider, _, _ = with_contexts(data, Constraints.of(cd.ExpertPrior(), data.variables, 0))
    assert wider.names[4] == "context:cpu_throttle cart'"


# -- searches --------------------------------------------------------------------------------------------------------


def chain(seed=0, rows=900, fault=(300, 500), lag=0):
    """cart:cpu → cart:latency → db:latency; in the fault the mechanism of cart:latency is another one."""
    rng = np.random.default_rng(seed)
    e, x = rng.normal(size=(rows, 3)), np.zeros((rows, 3))
    during = (np.arange(rows) >= fault[0]) & (np.arange(rows) < fault[1])
    for t in range(rows):
        past = x[t - lag] if lag and t else np.zeros(3)
        x[t, 0] = 0.5 * past[0] * (lag > 0) + e[t, 0]
        x[t, 1] = 0.8 * x[t, 0] + (3.0 if during[t] else 0.0) + 0.4 * (lag > 0) * past[1] + e[t, 1]
        x[t, 2] = 0.8 * x[t, 1] + 0.3 * (lag > 0) * past[2] + e[t, 2]
    window = cd.Intervention("cart", "latency", 0.5, *fault)
    return cd.Telemetry(x, NAMES, windows=[window])


def now(found):
    return {(e.source, e.target) if e.is_directed else frozenset((e.source, e.target)) for e in found.graph.edges if e.lag == 0}


@pytest.mark.parametrize("contexts", ["unknown", "targets"])
def test_pc_learns_from_a_fault(contexts):
    data = chain()
    plain, found = (cd.discover(data, "pc", contexts=c, bootstrap=0) for c in ("ignore", contexts))
    assert now(plain) == {frozenset((CPU, LATENCY)), frozenset((LATENCY, DB))}
    assert now(found) == {(CPU, LATENCY), (LATENCY, DB)}
    assert found.graph.names == NAMES and found.scores.shape == (3, 3, 1) and found.graph.kind == "mpdag"
    assert found.report["contexts"] == [{"interventions": "latency cart", "rows": 200, "held": [], "found": [LATENCY]}]
    assert "contexts" not in plain.report


def test_confidence_is_of_the_variables_alone():
    found = cd.discover(chain(), "pc", contexts="unknown", bootstrap=10)
    assert found.confidence is not None and found.confidence.adjacency.shape == (3, 3, 1)
    assert all(e.confidence is not None and e.confidence > 0.5 for e in found.graph.edges)


def test_without_windows_nothing_changes():
    data = chain()
    bare = cd.Telemetry(data.values, NAMES)
    plain, found = (cd.discover(bare, "pc", contexts=c, bootstrap=0) for c in ("ignore", "unknown"))
    assert now(plain) == now(found) and np.array_equal(plain.scores, found.scores, equal_nan=True)
    assert found.report["contexts"] == [] and found.graph.kind == "cpdag"


def test_environments_tell_pc_what_shifts():
    data = chain()
    parts = [cd.Telemetry(data.values[a:b], NAMES) for a, b in ((0, 300), (300, 500))]
    found = cd.discover(parts, "pc", contexts="environments", bootstrap=0)
    assert now(found) == {(CPU, LATENCY), (LATENCY, DB)}
    with pytest.raises(InputError, match="contexts must not be environments"):
        cd.discover(parts, "pc", contexts="environments", max_lag=1)


def test_a_prior_holds_with_contexts():
    prior = cd.ExpertPrior(required=[(DB, LATENCY)], roots=[DB])
    found = cd.discover(chain(), "pc", contexts="unknown", prior=prior, bootstrap=0)
    assert found.certificate.ok and (DB, LATENCY) in now(found)


def test_pc_with_lags_learns_from_a_fault():
    found = cd.discover(chain(lag=1), "pc", max_lag=1, contexts="unknown", bootstrap=0)
    assert {(CPU, LATENCY), (LATENCY, DB)} <= now(found)
    assert found.report["contexts"][0]["found"] == [LATENCY] and found.scores.shape == (3, 3, 2)


@pytest.mark.parametrize("contexts", ["unknown", "targets"])
def test_pcmci_plus_learns_from_a_fault(contexts):
    data = chain(lag=1)
    plain, found = (cd.discover(data, "pcmci_plus", max_lag=2, contexts=c, bootstrap=0) for c in ("ignore", contexts))
    assert frozenset((CPU, LATENCY)) in now(plain)
    assert now(found) == {(CPU, LATENCY), (LATENCY, DB)}
    assert found.report["contexts"][0]["found"] == [LATENCY] and found.scores.shape == (3, 3, 3)
    own = {(e.source, e.target) for e in found.graph.edges if e.lag == 1}
    assert {(name, name) for name in NAMES} <= own


def test_pcmci_takes_contexts_for_causes():
    found = cd.discover(chain(lag=1), "pcmci", max_lag=1, contexts="targets", bootstrap=0)
    assert found.report["contexts"][0]["found"] == [LATENCY] and found.graph.names == NAMES
    far = cd.discover(chain(lag=1), "pcmci", max_lag=1, contexts="unknown", bootstrap=0)
    assert set(far.report["contexts"][0]["found"]) == {LATENCY, DB}, "nothing of the same step is conditioned on"


def test_environments_tell_pcmci_plus_what_shifts():
    parts = [cd.Telemetry(chain(lag=1, seed=k, fault=(0, 400 * k + 1), rows=400).values[1:], NAMES) for k in (0, 1)]
    found = cd.discover(parts, "pcmci_plus", max_lag=1, contexts="environments", bootstrap=0)
    assert now(found) == {(CPU, LATENCY), (LATENCY, DB)}
    (context,) = found.report["contexts"]
    assert context["interventions"] == "environment 1" and LATENCY in context["found"] and DB not in context["found"]
    with pytest.raises(InputError, match="own_means=False"):
        cd.discover(parts, "pcmci_plus", contexts="environments", own_means=True)
