"""Every source, found by discovery, keeps what the protocol promises."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml

import causaldisc as cd
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import InputError
from causaldisc.core.intervention import Intervention
from causaldisc.core.plugins import Source, sources
from causaldisc.sources._folder import read_folder, read_manifest, write_folder
from causaldisc.sources._simulate import build_system

NAMES = sources.names()
SIMULATORS = [name for name in NAMES if not sources.get(name).real]
CONFIGS = Path(__file__).parents[2] / "configs" / "source"
# Smaller than the defaults where that is enough; a source not listed runs with its defaults.
SYSTEM_SOURCES = {"mesh", "online_boutique", "sock_shop", "topology", "train_ticket"}
SYSTEMS = {"duration_s": 600, "trials": 1}
SMALL = {
    "online_boutique": {**SYSTEMS, "rate": 10},
    "sock_shop": {**SYSTEMS, "rate": 10},
    "topology": {**SYSTEMS, "rate": 10},
    "train_ticket": {**SYSTEMS, "rate": 5},
    "mesh": {"n_services": 5, "duration_s": 1200, "trials": 2},
    "sem": {"n_samples": 200, "trials": 2},
    "var": {"n_samples": 200, "trials": 2},
}


def make(name: str, seed: int = 0, **parameters: object) -> cd.Dataset:
    return cd.simulate(name, seed=seed, **{**SMALL.get(name, {}), **parameters})


def test_the_shipped_sources_are_found() -> None:
    assert {"asia", "mesh", "petshop", "sachs", "sem", "var"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_class_is_a_frozen_dataclass_named_like_its_module(name: str) -> None:
    source = sources.get(name)
    assert issubclass(source, Source) and source.name == name and source.summary
    with pytest.raises(dataclasses.FrozenInstanceError):
        source().anything = 1  # type: ignore[attr-defined]
    assert all(f.metadata.get("help") for f in dataclasses.fields(source))


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bits(name: str) -> None:
    a, b = make(name, 7), make(name, 7)
    assert a.telemetry.sha256 == b.telemetry.sha256
    assert [t.telemetry.sha256 for t in a.trials] == [t.telemetry.sha256 for t in b.trials]
    assert [t.intervention for t in a.trials] == [t.intervention for t in b.trials]
    if a.truth is not None and b.truth is not None:
        assert a.truth.edges == b.truth.edges


@pytest.mark.parametrize("name", SIMULATORS)
def test_other_seed_other_data_and_another_system(name: str) -> None:
    a, b = make(name, 0), make(name, 1)
    assert a.telemetry.sha256 != b.telemetry.sha256
    assert a.truth is not None and b.truth is not None
    if name not in SYSTEM_SOURCES - {"mesh"}:  # a named system is the same for every seed
        assert {(e.source, e.target, e.lag) for e in a.truth.edges} != {(e.source, e.target, e.lag) for e in b.truth.edges}


@pytest.mark.parametrize("name", NAMES)
def test_telemetry_is_sound(name: str) -> None:
    data = make(name)
    values = data.telemetry.values
    assert data.name == name
    assert np.isfinite(values[~data.telemetry.missing]).all()
    assert data.telemetry.windows == ()
    if not sources.get(name).real:
        # A service that had no request in an interval has no latency then, and a good one no errors at all.
        never = {"latency", "errors"}
        for variable, lost, flat in zip(data.telemetry.variables, data.telemetry.missing.T, data.telemetry.constant, strict=True):
            assert variable.role in never or not lost.any(), variable.name
            assert variable.role == "errors" or not flat, variable.name
    for variable, column in zip(data.telemetry.variables, values.T, strict=True):
        if variable.role in ("traffic", "cpu", "memory", "saturation", "latency"):
            assert np.nanmin(column) >= 0, variable.name


@pytest.mark.parametrize("name", NAMES)
def test_truth_stands_over_the_columns(name: str) -> None:
    data = make(name)
    if data.truth is None:
        assert sources.get(name).real and data.service_truth
        services = {v.service for v in data.telemetry.variables}
        assert all(set(graph.names) <= services for graph in data.services.values())
        return
    assert data.truth.variables == data.telemetry.variables
    assert data.truth.edges and data.truth.kind in ("dag", "lagged")
    assert all(e.is_directed or (e.source_mark, e.target_mark, e.conflict) == ("arrow", "arrow", False) for e in data.truth.edges)
    assert "merged" in data.services


@pytest.mark.parametrize("name", NAMES)
def test_own_prior_allows_every_true_edge(name: str) -> None:
    for seed in range(5):
        data = make(name, seed)
        if data.truth is None:
            Constraints.of(data.prior, data.telemetry.variables, 1)
            continue
        allowed = Constraints.of(data.prior, data.telemetry.variables, data.truth.max_lag).allowed
        index = data.truth.index
        beside = [e for e in data.truth.edges if not allowed[index[e.source], index[e.target], e.lag]]
        # The call rules do not know that failures make callers try again, or skip what they would have called next.
        assert all(data.truth.variables[index[e.target]].role == "traffic" for e in beside), beside
        assert len(beside) <= 0.1 * len(data.truth.edges) * (name in SYSTEM_SOURCES), beside


@pytest.mark.parametrize("name", NAMES)
def test_column_order_does_not_tell_the_causal_order(name: str) -> None:
    shares = []
    less = {} if sources.get(name).real else {"trials": 0, **({"duration_s": 300} if name in SYSTEM_SOURCES else {})}
    for seed in range(40):
        truth = make(name, seed, **less).truth
        if truth is None:
            return
        matrix = truth.adjacency()
        if matrix.any():
            shares.append(np.triu(matrix).sum() / matrix.sum())
    # A random order puts each edge forward with probability 1/2; four standard errors of the mean over seeds.
    assert abs(np.mean(shares) - 0.5) < 4 * np.std(shares) / np.sqrt(len(shares))
    assert np.std(shares) > 0


@pytest.mark.parametrize("name", NAMES)
def test_call_graph_and_prior_say_the_same_calls(name: str) -> None:
    data = make(name)
    if data.call_graph is None:
        assert not data.prior.calls
        return
    assert data.call_graph.is_directed() and not data.call_graph.is_multigraph()
    assert set(data.call_graph.edges) == set(data.prior.calls)


@pytest.mark.parametrize("name", NAMES)
def test_trials_are_labelled_and_fit_the_telemetry(name: str) -> None:
    data = make(name)
    services = {v.service for v in data.telemetry.variables}
    for trial in data.trials:
        duration = trial.telemetry.times[-1] - trial.telemetry.times[0] + trial.telemetry.step_seconds
        assert trial.intervention.target in services
        assert 0 <= trial.intervention.start < trial.intervention.stop <= duration
        assert set(trial.telemetry.names) <= set(data.telemetry.names)
        assert trial.telemetry.windows == ()
    if not sources.get(name).real:
        assert len(data.trials) == SMALL[name]["trials"] and make(name, trials=0).trials == ()
        assert all(t.telemetry.names == data.telemetry.names for t in data.trials)


@pytest.mark.parametrize("name", SIMULATORS)
def test_runs_share_draws_by_number_and_interventions_become_windows(name: str) -> None:
    system = build_system(name, 0, SMALL.get(name, {}))
    plan = make(name).trials[0].intervention
    free, free_again, other = system.trial([], 3), system.trial([], 3), system.trial([], 4)
    assert free.sha256 == free_again.sha256 != other.sha256
    treated = system.trial([plan], 3)
    before = treated.times < plan.start
    assert before.any() and np.array_equal(treated.values[before], free.values[before], equal_nan=True)
    assert not np.array_equal(treated.values, free.values)
    assert [w.kind for w in treated.windows] == [plan.kind] and free.windows == ()
    recorded = cd.simulate(name, interventions=[plan], **SMALL.get(name, {}))
    assert recorded.telemetry.windows == treated.windows
    assert np.array_equal(recorded.telemetry.values[before], make(name).telemetry.values[before], equal_nan=True)


@pytest.mark.parametrize("name", SIMULATORS)
def test_impossible_interventions_are_refused(name: str) -> None:
    system = build_system(name, 0, SMALL.get(name, {}))
    telemetry = system.trial([], 0)
    variable = telemetry.variables[0]
    end = float(telemetry.times[-1]) + telemetry.step_seconds
    level = float(np.nanmean(telemetry.values[:, 0]))

    def put(**changes: object) -> Intervention:
        fields = {"target": variable.service, "kind": "set", "magnitude": level, "variable": variable.name, **changes}
        return Intervention(**fields)  # type: ignore[arg-type]

    assert system.trial([put()], 0).windows[0].stop == end  # an open end is the end of the run
    for bad, words in [
        (put(target="nobody"), "valid"),
        (put(variable="nobody:cpu"), "valid"),
        (put(kind="unknown"), "valid"),
        (put(start=end), "valid"),
        (put(start=0.0, stop=end + 1), "valid"),
        (put(start=telemetry.step_seconds * 0.1, stop=telemetry.step_seconds * 0.2), "hold a scrape"),
    ]:
        with pytest.raises(InputError, match=words):
            system.trial([bad], 0)
    for run in (-1, 0.5, "x", True):
        with pytest.raises(InputError, match="run must"):
            system.trial([], run)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [n for n in NAMES if sources.get(n).real])
def test_recorded_data_cannot_be_experimented_on(name: str) -> None:
    system = build_system(name)
    plan = Intervention("a", "set", 1.0, 0.0, 1.0, "a")
    for run in (lambda: system.trial([], 0), lambda: system.dataset([plan])):
        with pytest.raises(InputError, match="recorded"):
            run()


@pytest.mark.parametrize("name", NAMES)
def test_bad_parameters_are_refused_with_what_is_valid(name: str) -> None:
    for field in dataclasses.fields(sources.get(name)):
        with pytest.raises(InputError, match=f"did you mean {field.name}"):
            cd.simulate(name, **{field.name + "z": 1})
        with pytest.raises(InputError, match=field.name):
            cd.simulate(name, **{field.name: object()})
        for bound, step in (("low", -1), ("high", 1)):
            if field.metadata.get(bound) is not None:
                with pytest.raises(InputError, match=field.name):
                    cd.simulate(name, **{field.name: field.metadata[bound] + step})
        if field.metadata.get("choices"):
            with pytest.raises(InputError, match="valid"):
                cd.simulate(name, **{field.name: "nonsense"})


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True, None])
@pytest.mark.parametrize("name", NAMES)
def test_bad_seeds_are_refused(name: str, seed: object) -> None:
    with pytest.raises(InputError, match="seed must"):
        cd.simulate(name, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_configuration_lists_the_defaults(name: str) -> None:
    if sources.origin(name) != "causaldisc":
        pytest.skip("a third party's source brings its own configuration")
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert config.pop("name") == name
    config = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    assert config == {f.name: f.default for f in dataclasses.fields(sources.get(name))}


@pytest.mark.parametrize("name", NAMES)
def test_folder_gives_the_same_data_set_back(name: str, tmp_path: Path) -> None:
    data = make(name)
    place = write_folder(data, tmp_path / "data", source=name, seed=0, parameters=SMALL.get(name, {}))
    again, manifest = read_folder(place), read_manifest(place)
    assert again.telemetry.sha256 == data.telemetry.sha256
    assert again.telemetry.variables == data.telemetry.variables
    assert again.prior == data.prior
    assert [t.telemetry.sha256 for t in again.trials] == [t.telemetry.sha256 for t in data.trials]
    assert [t.intervention for t in again.trials] == [t.intervention for t in data.trials]
    assert (again.truth is None) == (data.truth is None)
    if data.truth is not None and again.truth is not None:
        assert again.truth.edges == data.truth.edges
    assert set(again.services) == set(data.services)
    if data.call_graph is not None:
        assert again.call_graph is not None and set(again.call_graph.edges) == set(data.call_graph.edges)
    same = cd.simulate(manifest["source"], seed=manifest["seed"], **manifest["parameters"])
    assert same.telemetry.sha256 == data.telemetry.sha256
