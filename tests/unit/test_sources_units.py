"""Small parts of the sources, and the shipped data against what is published about them."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.sources._mechanisms import MECHANISMS, bend, signed_weights
from causaldisc.sources._sortability import var_sortability
from causaldisc.sources._streams import NOISES, draw_noise, stream


@pytest.mark.parametrize("kind", NOISES)
def test_noise_has_mean_0_and_variance_1(kind: str) -> None:
    noise = draw_noise(kind, stream(0, kind), (200_000,))
    assert abs(noise.mean()) < 0.01 and abs(noise.var() - 1) < 0.03


def test_streams_of_other_labels_are_independent() -> None:
    a, b = (stream(0, "mesh", "trial", run, "physics").standard_normal(10_000) for run in (1, 2))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


def test_bent_mechanisms_are_bounded_and_linear_is_the_identity() -> None:
    x = np.linspace(-1e6, 1e6, 1001)
    assert bend("linear", x) is x
    assert all(np.abs(bend(m, x)).max() < 3.5 for m in MECHANISMS if m != "linear")


def test_weights_stay_away_from_zero() -> None:
    weights = signed_weights(np.random.default_rng(0), 0.5, 1.0, (1000,))
    assert (np.abs(weights) >= 0.5).all() and (np.abs(weights) <= 1).all() and 0.4 < (weights > 0).mean() < 0.6


def test_var_sortability_by_hand() -> None:
    x = np.random.default_rng(0).standard_normal((50, 3)) * [1.0, 5.0, 2.0]
    chain = CausalGraph(["a", "b", "c"], [Edge("a", "b"), Edge("b", "c")])
    assert var_sortability(x, chain) == pytest.approx(2 / 3)  # a-b and a-b-c rise, b-c falls
    assert var_sortability(np.ones((3, 3)), chain) == 0.5
    assert np.isnan(var_sortability(x, CausalGraph(["a", "b", "c"])))
    loop = CausalGraph(["a", "b"], [Edge("a", "b", 1), Edge("b", "a", 1)], "lagged", 1)
    assert var_sortability(x[:, :2], loop) == 0.5


def test_a_hundred_services_are_no_trouble() -> None:
    data = cd.simulate("mesh", n_services=100, trials=0, duration_s=300)
    assert data.telemetry.shape == (20, 400)


def test_interventions_are_accepted_in_every_sensible_form() -> None:
    plan = cd.Intervention("x0", "set", 1.0, 10, 20, "x0")
    forms = [plan, [plan], (plan,), plan.to_dict(), [plan.to_dict()], iter([plan])]
    hashes = {cd.simulate("sem", n_samples=50, trials=0, interventions=form).telemetry.sha256 for form in forms}
    assert len(hashes) == 1
    for bad in ("set", 3, [3]):
        with pytest.raises(InputError, match="interventions must"):
            cd.simulate("sem", interventions=bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="did you mean mesh"):
        cd.simulate("mehs")


def test_a_set_variable_is_constant_in_its_window() -> None:
    for name in ("sem", "var"):
        data = cd.simulate(name, n_samples=100, trials=1)
        trial = data.trials[0]
        k = trial.telemetry.names.index(str(trial.intervention.variable))
        assert np.allclose(trial.telemetry.values[50:, k], trial.intervention.magnitude, atol=1e-12)
        assert not np.allclose(trial.telemetry.values[:50, k], trial.intervention.magnitude)


@pytest.mark.parametrize("name", ["alarm", "asia", "child", "insurance", "petshop", "sachs"])
def test_every_shipped_data_set_has_a_licence_and_a_data_card(name: str) -> None:
    folder = files("causaldisc.datasets") / name
    licence, card = (folder / "LICENSE").read_text(), (folder / "README.md").read_text()
    assert "MIT License" in licence or "Attribution 4.0 International" in licence
    for word in ("Origin", "commit", "Licence", "Changed against the original", "What is the truth here"):
        assert word in card


@pytest.mark.parametrize(("name", "n_edges"), [("asia", 8), ("sachs", 17)])
def test_networks_are_those_published(name: str, n_edges: int) -> None:
    data = cd.simulate(name, n_samples=10_000)
    assert data.truth is not None and len(data.truth.edges) == n_edges
    edges = {(e.source, e.target) for e in data.truth.edges}
    x = dict(zip(data.telemetry.names, data.telemetry.values.T, strict=True))
    if name == "asia":
        # "either" is the logical or of its two parents, so the names are on the right columns.
        assert np.array_equal(x["either"], np.maximum(x["tub"], x["lung"]))
        assert {("smoke", "lung"), ("smoke", "bronc"), ("either", "xray")} <= edges
        assert abs((x["smoke"] == 2).mean() - 0.5) < 0.02
    else:
        assert {("Raf", "Mek"), ("Mek", "Erk"), ("Erk", "Akt"), ("PKA", "Raf"), ("Plcg", "PIP2")} <= edges
        # Levels ascend: the cascade activates step by step, and PKA inhibits Raf.
        assert all(np.corrcoef(x[a], x[b])[0, 1] > 0.3 for a, b in (("Raf", "Mek"), ("Mek", "Erk"), ("Erk", "Akt")))
        assert np.corrcoef(x["PKA"], x["Raf"])[0, 1] < -0.3
    half = cd.simulate(name, seed=1, n_samples=5000).telemetry
    assert half.shape[0] == 5000 and half.sha256 != cd.simulate(name, seed=2, n_samples=5000).telemetry.sha256


@pytest.mark.parametrize(
    ("name", "size", "edges"),
    [
        ("alarm", (37, 46), {("HYPOVOLEMIA", "LVEDVOLUME"), ("KINKEDTUBE", "PRESS"), ("CO", "BP")}),
        ("child", (20, 25), {("BirthAsphyxia", "Disease"), ("LVH", "LVHreport"), ("CO2", "CO2Report")}),
        ("insurance", (27, 52), {("Age", "DrivingSkill"), ("DrivQuality", "Accident"), ("ThisCarCost", "PropCost")}),
    ],
)
def test_larger_networks_are_those_published(name: str, size: tuple[int, int], edges: set[tuple[str, str]]) -> None:
    data = cd.simulate(name, n_samples=10_000)
    assert data.truth is not None and (len(data.telemetry.names), len(data.truth.edges)) == size
    assert edges <= {(e.source, e.target) for e in data.truth.edges}
    # Names are on the right columns: an effect tells much more about its cause than columns elsewhere do on average.
    R = np.abs(np.corrcoef(data.telemetry.values.T))
    names = list(data.telemetry.names)
    assert np.mean([R[names.index(e.source), names.index(e.target)] for e in data.truth.edges]) > 2 * R[R < 1].mean()


def test_petshop_is_as_published() -> None:
    data = cd.simulate("petshop", latency="all")
    assert data.telemetry.shape == (589, 287) and data.telemetry.step_seconds == 300 and data.telemetry.clock == "utc"
    assert 0.15 < data.telemetry.missing.mean() < 0.17
    roles = {v.role for v in data.telemetry.variables}
    assert roles == {"traffic", "latency", "errors"}
    assert data.call_graph is not None and (len(data.call_graph), data.call_graph.number_of_edges()) == (42, 44)
    assert data.truth is None
    down = {(e.source, e.target) for e in data.services["traffic"].edges}
    assert ("PetSite", "PetSearch_AWS::ECS::Fargate") in down and len(down) == 43  # one callee has no telemetry
    for role in ("latency", "errors"):
        assert {(e.target, e.source) for e in data.services[role].edges} == down
    assert len(data.trials) == 26 and {t.intervention.kind for t in data.trials} == {"unknown"}
    assert all(t.telemetry.shape[0] == 5 for t in data.trials)


def test_petshop_incident_follows_the_normal_record() -> None:
    data = cd.simulate("petshop", incident="test/issue_3")
    assert data.telemetry.shape == (594, 123) and len(data.trials) == 1
    assert np.bincount(data.telemetry.environments).tolist() == [589, 5]
    at = data.notes["incident"]["at"]
    seen = data.notes["incident"]["seen_in"]
    assert seen == "PetSite:latency_Average" and data.telemetry.times[589] < at < data.telemetry.times[-1]
    column = data.telemetry.values[:, data.telemetry.names.index(seen)]
    assert np.nanmax(column[data.telemetry.times >= at - 300]) > np.nanmean(column[:589])
    assert data.telemetry.windows == ()  # the root cause is for the referee only
    with pytest.raises(InputError, match="did you mean test/issue_3"):
        cd.simulate("petshop", incident="test/isue_3")
