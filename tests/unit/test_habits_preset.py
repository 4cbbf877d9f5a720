"""Habits: the load, the verdict, the choice of parameters, and the two answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.intervention import Intervention
from causaldisc.core.plugins import algorithms
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.habits import Habit, Load, Preset, adjust, answers, choose, hidden_load, recognise, treat, verdict
from causaldisc.habits._load import leading_without


def named(values: np.ndarray) -> Telemetry:
    return Telemetry(values, [f"x{k}" for k in range(values.shape[1])])


def slow(rows: int, columns: int, rho: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(rows + 100, columns))
    for t in range(1, len(noise)):
        noise[t] += rho * noise[t - 1]
    return noise[100:]


def said(telemetry: Telemetry) -> str:
    habits = recognise(telemetry)
    return verdict(treat(telemetry, habits).telemetry, habits)


@pytest.mark.parametrize("columns", [2, 5, 30])
@pytest.mark.parametrize("rows", [60, 400, 2000])
def test_white_noise_cannot_tell(rows: int, columns: int) -> None:
    for seed in range(2):
        assert said(named(np.random.default_rng([seed, rows]).normal(size=(rows, columns)))).startswith("cannot tell")


def test_forty_rows_cannot_tell_whatever_they_show() -> None:
    x = np.random.default_rng(0).normal(size=(40, 1)) @ np.ones((1, 4)) + 0.1 * np.random.default_rng(1).normal(size=(40, 4))
    assert said(named(x)) == "cannot tell: 40 rows; valid: 50 or more"


def test_ten_effective_rows_cannot_tell() -> None:
    for seed in range(4):  # (1 + rho²) / (1 - rho²) = 30: 300 rows are worth 10
        assert said(named(slow(300, 6, 0.967, seed))).startswith("cannot tell")
    together = slow(300, 1, 0.995, 3) + 0.05 * slow(300, 6, 0.995, 4)
    assert "effective rows" in said(named(together))


def test_dependence_is_told() -> None:
    assert said(cd.simulate("sem", seed=1, n_variables=6, n_samples=500, trials=0).telemetry) == "can tell"
    assert said(cd.simulate("mesh", seed=1, n_services=5, trials=0).telemetry).startswith("can tell")


def test_a_common_load_is_found_named_and_taken_out() -> None:
    rng = np.random.default_rng(2)
    load = rng.normal(size=(600, 1))
    x = np.column_stack([load, 2 * load + rng.normal(size=(600, 7))])
    telemetry = Telemetry(x, ["front:requests", *(f"s{k}:cpu" for k in range(7))])
    found = hidden_load(telemetry)
    assert found.present and found.proxy == "front:requests" and found.dependent_share == 1.0
    for how in ("proxy", "factor"):
        left = adjust(telemetry, how)
        assert left.names == telemetry.names
        rest = np.abs(np.corrcoef(left.values[:, 1:].T)) - np.eye(7)
        assert rest.max() < (0.2 if how == "proxy" else 0.45)
    assert (adjust(telemetry, "proxy").values[:, 0] == x[1:, 0]).all()
    assert not hidden_load(named(rng.normal(size=(600, 8)))).present


def test_the_factor_leaves_the_column_itself_out() -> None:
    x = np.random.default_rng(3).normal(size=(500, 6))
    left = adjust(named(x), "factor").values
    assert min(np.corrcoef(left[:, k], x[1:, k])[0, 1] for k in range(6)) > 0.95


def test_the_factors_of_many_columns_are_those_found_one_by_one() -> None:
    rng = np.random.default_rng(8)
    R = np.corrcoef((rng.normal(size=(400, 160)) + rng.normal(size=(400, 1))).T)
    found = leading_without(R)
    for k in (0, 77):
        others = np.delete(np.arange(160), k)
        one = np.linalg.eigh(R[np.ix_(others, others)])[1][:, -1]
        assert found[k, k] == 0.0 and abs(abs(one @ found[others, k]) - 1.0) < 1e-8


def test_an_unknown_adjustment_or_proxy_is_refused() -> None:
    telemetry = named(np.random.default_rng(3).normal(size=(60, 6)))
    with pytest.raises(InputError, match="how must be a known way"):
        adjust(telemetry, "magic")
    with pytest.raises(InputError, match="proxy must be a column"):
        adjust(telemetry, "proxy", "nobody")


def habit(rho: float) -> Habit:
    return Habit("x", "gauge", 1.0, False, False, None, 0.0, 0.0, rho, 100.0, "")


def load(present: bool) -> Load:
    return Load(present, 0.9, 0.5, 0.1, "x", 0.5)


def test_choices_follow_the_rules_and_spare_what_is_given() -> None:
    pc, ges, pcmci = (algorithms.get(name) for name in ("pc", "ges", "pcmci"))
    values, why = choose([habit(0.6)], load(False), pc, (400, 10), {})
    assert values["max_lag"] == 1 and values["alpha"] == 0.01 and set(why) == set(values)
    assert "max_lag" not in choose([habit(0.02)], load(False), pc, (400, 10), {})[0]
    assert "max_lag" not in choose([habit(0.6)], load(False), pcmci, (400, 10), {})[0]
    assert choose([habit(0.6)], load(False), pcmci, (400, 10), {}, environments=2)[0]["own_means"] is True
    assert choose([habit(0.6)], load(False), ges, (400, 10), {})[0]["penalty"] == 2.0
    assert choose([habit(0.6)], load(True), pc, (400, 40), {})[0]["max_conditions"] == 3
    given: dict[str, Any] = {"alpha": 0.2, "max_lag": 0, "max_conditions": 1}
    values, why = choose([habit(0.6)], load(True), pc, (9000, 99), given)
    assert {k: values[k] for k in given} == given and not set(why) & set(given)


def test_the_level_gets_stricter_with_rows() -> None:
    levels = [
        choose([habit(0.6)], load(False), algorithms.get("pc"), (rows, 5), {})[0]["alpha"] for rows in (100, 500, 5000, 10**6)
    ]
    assert levels[0] == levels[1] == 0.01 and levels[1] > levels[2] > levels[3] >= 1e-4


def chain() -> tuple[CausalGraph, np.ndarray, np.ndarray]:
    edges = [
        Edge("a:cpu", "b:latency", p_value=1e-20, confidence=0.9),
        Edge("b:latency", "c:latency", p_value=1e-20, confidence=0.3),
        Edge("c:latency", "d:cpu", p_value=1e-20, source_mark="tail", target_mark="tail"),
        Edge("d:cpu", "d:requests", p_value=1e-20),
        Edge("a:cpu", "e:cpu", p_value=1e-3),
    ]
    graph = CausalGraph(["a:cpu", "b:latency", "c:latency", "d:cpu", "d:requests", "e:cpu"], edges, kind="mpdag")
    return graph, np.ones((6, 6, 1)), np.full((6, 6, 1), 1e-15)


def test_the_core_has_what_survives_every_doubt() -> None:
    graph, scores, p = chain()
    both = answers(graph, scores, p)
    assert [(e.source, e.target) for e in both.core.edges] == [("a:cpu", "b:latency")]
    doubts = {(c.source, c.target): c.doubts for c in both.candidates}
    assert doubts["b:latency", "c:latency"] == ("confidence below 0.8",)
    assert doubts["c:latency", "d:cpu"] == ("direction unknown",)
    assert doubts["d:cpu", "d:requests"] == ("against the roles",)
    assert doubts["a:cpu", "e:cpu"] == ("weak by its own test",)
    assert both.candidates[0].core and [c.found for c in both.candidates] == sorted(
        (c.found for c in both.candidates), reverse=True
    )


def test_a_load_or_no_telling_empties_the_core() -> None:
    graph, scores, p = chain()
    assert not answers(graph, scores, p, np.ones_like(p)).core.edges
    assert not answers(graph, scores, p, told=False).core.edges
    assert not answers(graph, scores, np.ones_like(p)).core.edges


def test_what_the_prior_demands_stays_in_the_core() -> None:
    edge = Edge("a", "b", evidence=("prior",))
    graph = CausalGraph(["a", "b"], [edge], kind="dag")
    assert answers(graph, np.ones((2, 2, 1)), np.ones((2, 2, 1)), told=False).core.edges == (edge,)


def test_arrays_that_do_not_fit_are_refused() -> None:
    graph, scores, p = chain()
    with pytest.raises(InputError, match="p_past must be an array"):
        answers(graph, scores, p[:3])


def raw_pair(rows: int = 500) -> Telemetry:
    rng = np.random.default_rng(4)
    rate = rng.gamma(4.0, size=rows)
    latency = np.exp(0.4 * rate + 0.3 * rng.normal(size=rows))
    return Telemetry(np.column_stack([np.cumsum(rate), latency]), ["a:requests_total", "a:latency"])


def test_discover_with_the_preset_sees_through_a_counter() -> None:
    found = cd.discover(raw_pair(), "pc", preset="telemetry", bootstrap=0)
    assert [(e.source, e.target) for e in found.graph.edges] == [("a:requests_total", "a:latency")]
    assert found.core is not None and found.core.edges == found.graph.edges
    assert found.verdict == "can tell" and found.candidates[0].core
    assert found.report["habits"][0]["kind"] == "counter" and found.report["load"]["present"] is False
    assert found.graph.provenance["preset"] == "telemetry"
    assert found.graph.provenance["data_sha256"] == raw_pair().sha256


def test_without_a_preset_nothing_is_said() -> None:
    found = cd.discover(raw_pair(), "pc", bootstrap=0)
    assert found.core is None and found.verdict == "" and "habits" not in found.report


def test_what_the_user_set_stays_set() -> None:
    found = cd.discover(raw_pair(), "pc", preset="telemetry", bootstrap=0, alpha=0.3, orient="class")
    assert found.graph.provenance["parameters"]["alpha"] == 0.3
    assert found.graph.provenance["parameters"]["orient"] == "class"


def test_a_prior_in_steps_keeps_the_steps() -> None:
    slow_pair = named(np.repeat(np.random.default_rng(5).normal(size=(120, 2)), 4, axis=0))
    lagged = ExpertPrior(forbidden=[{"source": "x0", "target": "x1", "lag": [2, 2]}])
    free = cd.discover(slow_pair, "pc", preset="telemetry", bootstrap=0)
    bound = cd.discover(slow_pair, "pc", preset="telemetry", prior=lagged, bootstrap=0)
    assert (free.graph.step_seconds, bound.graph.step_seconds) == (4.0, 1.0)


def test_the_preset_takes_a_load_out_when_asked() -> None:
    rng = np.random.default_rng(6)
    x = named(rng.normal(size=(400, 12)) + 2 * rng.normal(size=(400, 1)))
    plain = cd.discover(x, "correlation", preset="telemetry", max_lag=0)
    freed = cd.discover(x, "correlation", preset=Preset(load="factor"), max_lag=0)
    assert plain.report["load"]["present"] and plain.core is not None and not plain.core.edges
    assert any("taken out" in note for note in freed.report["preset"]["notes"])
    assert len(plain.graph.edges) == 66 and len(freed.graph.edges) < 10


def test_a_preset_that_is_unknown_is_refused() -> None:
    with pytest.raises(InputError, match="preset must be a known preset"):
        cd.discover(raw_pair(), "pc", preset="telemetri")
    with pytest.raises(InputError, match="preset load must be a known way"):
        Preset(load="all")


@pytest.mark.parametrize("name", ["pcmci", "pcmci_plus", "ges", "correlation", "complete"])
def test_the_preset_serves_every_algorithm(name: str) -> None:
    found = cd.discover(raw_pair(200), name, preset="telemetry")
    assert found.graph.names == ("a:requests_total", "a:latency") and found.verdict == "can tell"


# -- environments and windows ----------------------------------------------------------------------------------------


def test_rows_that_look_back_keep_every_window_over_its_moments() -> None:
    held = Intervention("a", "latency", 0.3, start=40, stop=60)
    rng = np.random.default_rng(0)
    data = Telemetry(rng.normal(size=(200, 6)) + rng.normal(size=(200, 1)), list("abcdef"), windows=[held])
    left = adjust(data, "factor")
    assert left.times[left.window_rows(left.windows[0])].tolist() == data.times[data.window_rows(held)].tolist()


def test_windows_of_an_environment_too_short_for_the_grid_go_with_it() -> None:
    rng = np.random.default_rng(0)
    long, short = np.repeat(rng.normal(size=(200, 2)), 4, axis=0), np.repeat(rng.normal(size=(1, 2)), 3, axis=0)
    gone, kept = (Intervention("a", "latency", 0.3, start=0, stop=12, environment=k) for k in (0, 1))
    data = Telemetry(
        np.concatenate([short, long]),
        ["a:cpu", "b:cpu"],
        np.r_[np.arange(3.0), np.arange(800.0)],
        np.repeat([0, 1], [3, 800]),
        [gone, kept],
    )
    after = treat(data, recognise(data))
    assert after.grid == 4 and [w.environment for w in after.telemetry.windows] == [1]
    assert after.telemetry.window_rows(after.telemetry.windows[0]).sum() == 3


def test_environments_of_few_rows_can_be_asked() -> None:
    rng = np.random.default_rng(0)
    parts = [Telemetry(rng.normal(size=(3, 5)), list("abcde")) for _ in range(20)]
    found = cd.discover(parts, "pc", preset="telemetry")
    assert found.verdict.startswith("cannot tell") and found.report["preset"]["verdict"] == found.verdict
    assert not hidden_load(Telemetry.concat(parts)).present


def test_a_load_is_taken_out_by_the_name_of_the_preset() -> None:
    rng = np.random.default_rng(0)
    load = rng.normal(size=(600, 1))
    values = 1.5 * load + rng.normal(size=(600, 14))
    telemetry = cd.Telemetry(values, [f"s{k}:latency" for k in range(14)])
    options = {"bootstrap": 0, "max_conditions": 2}
    plain, without = (cd.discover(telemetry, "pc", preset=name, **options) for name in ("telemetry", "telemetry-factor"))
    assert plain.report["load"]["present"] and len(without.graph.edges) < len(plain.graph.edges) / 3
    with pytest.raises(InputError, match="telemetry-factor"):
        cd.discover(telemetry, "pc", preset="telemetry-facto")
