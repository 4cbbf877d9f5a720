"""Search of hyper-parameters without a run: what is searched, what is refused, and what a study makes of outcomes."""

import sys
from dataclasses import dataclass

import pytest

from causaldisc.core.errors import InputError, MissingExtraError
from causaldisc.core.outcome import Outcome
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import algorithms
from causaldisc.core.searchable import Options, Span, searchable
from causaldisc.runner.compose import cells
from causaldisc.runner.search.setting import settings_of
from causaldisc.runner.search.study import FIRST_TRIALS, Study

BASE = ["source=sem", "tracker=none", "search=optuna", "search.seeds=[100,101]"]


def settings(*overrides):
    return settings_of(cells([*BASE, *overrides], multirun=True))


def outcomes(trial, value, status="ok", metric="directed_f1"):
    return [
        Outcome(cell.key, status, cell.config, {metric: value}, error="why", data_sha256=str(cell.config["seed"]))
        for cell in trial.cells
    ]


def filled(study, value_of):
    """Run a study to its end on values made up."""
    while trials := study.ask():
        study.tell(trials, [outcomes(trial, value_of(trial)) for trial in trials])
    return study


@pytest.mark.parametrize("name", algorithms.names())
def test_what_an_algorithm_declares_can_be_built(name):
    cls = algorithms.get(name)
    for parameter_name, where in searchable(cls).items():
        ends = where.values if isinstance(where, Options) else (where.low, where.high)
        for value in ends:
            assert getattr(algorithms.build(name, {parameter_name: value}), parameter_name) == value


@pytest.mark.parametrize(
    ("default", "ranges"),
    [
        (0.5, {"search": (0.1, 0.2)}),
        (0.5, {"search": (0.2, 0.9), "high": 0.8}),
        (0.5, {"search": (0.0, 0.9, "log")}),
        (0.5, {"search": (0.1, 0.9, "lin")}),
        (None, {"search": (0.1, 0.9)}),
        ("c", {"search": True}),
    ],
)
def test_a_declaration_that_cannot_be_right_is_refused(default, ranges):
    @dataclass(frozen=True)
    class Odd:
        field: object = parameter(default, "x", **ranges)

    with pytest.raises(TypeError, match=r"Odd\.field"):
        searchable(Odd)


def test_cells_that_differ_in_their_seed_alone_are_one_setting():
    found = settings("algorithm=pc,empty", "seed=0,1,2", "source.degree=1,2")
    assert [(s.algorithm, s.config["source"]["degree"], len(s.cells)) for s in found] == [
        ("pc", 1.0, 3),
        ("pc", 2.0, 3),
        ("empty", 1.0, 3),
        ("empty", 2.0, 3),
    ]
    assert found[0].space == {"alpha": Span(1e-4, 0.2, log=True), "colliders": Options(("majority", "conservative"))}
    assert found[2].space == {} and Study(found[2]).ask() == []
    assert len({s.digest for s in found}) == len({s.sampler_seed for s in found}) == 4


def test_what_is_given_is_not_searched(tmp_path):
    assert [list(s.space) for s in settings("algorithm=pc", "algorithm.alpha=0.01")] == [["colliders"]], "the default, but given"
    assert [list(s.space) for s in settings("algorithm=pc", "++algorithm.alpha=0.1,0.2")] == [["colliders"]] * 2
    assert [list(s.space) for s in settings("algorithm=pc", "algorithm.max_conditions=2")] == [["alpha", "colliders"]]
    (tmp_path / "algorithm").mkdir()
    (tmp_path / "algorithm" / "strict.yaml").write_text("name: pc\nalpha: 0.001")
    found = settings_of(cells([*BASE, "algorithm=strict"], config_dir=tmp_path))
    assert list(found[0].space) == ["colliders"] and found[0].config["algorithm"]["alpha"] == 0.001


def test_a_search_changes_no_key():
    (plain,) = cells(["algorithm=pc", "source=sem", "tracker=none"])
    (searched,) = cells([*BASE, "algorithm=pc"])
    assert plain.key == searched.key
    assert searched.config["search"] == {
        "name": "optuna",
        "budget": 20,
        "seeds": (100, 101),
        "metric": "directed_f1",
        "direction": "maximize",
        "sampler_seed": 0,
    }


@pytest.mark.parametrize(
    ("metric", "direction"), [("shd", "minimize"), ("service_merged_shd", "minimize"), ("auprc", "maximize"), ("sid", "minimize")]
)
def test_the_direction_is_that_of_the_metric(metric, direction):
    (cell,) = cells([*BASE, f"search.metric={metric}"])
    assert cell.config["search"]["direction"] == direction
    (cell,) = cells([*BASE, f"search.metric={metric}", "search.direction=maximize"])
    assert cell.config["search"]["direction"] == "maximize"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (["seed=99,100,101"], "got [100, 101] in both"),
        (["source=sachs"], "got sachs"),
        (["search.seeds=[]"], "search.seeds"),
        (["search.seeds=[1,1]"], "search.seeds"),
        (["search.seeds=[-1]"], "search.seeds"),
        (["search.seeds=7"], "must be a list"),
        (["search.budget=0"], "search.budget must be >= 1"),
        (["search.budget=2,3"], "search must be the same"),
        (["search.metric=directed_f2"], "did you mean directed_f1?"),
        (["search.metric=n_edges"], "known metric"),
        (["search.direction=up"], "maximize"),
        (["search.trials=3"], "unknown parameter 'trials' of search"),
        (["search=grid"], "valid: none, optuna"),
    ],
)
def test_a_bad_search_is_one_line(bad, words):
    with pytest.raises(InputError) as error:
        settings("algorithm=pc", *bad)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_missing_optuna_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'causaldisc\[search\]'"):
        Study(settings("algorithm=pc")[0])


def test_a_study_begins_at_the_defaults_stays_in_its_space_and_finds_the_peak():
    (setting,) = settings("algorithm=pc", "search.budget=40")

    def value(trial):
        return -abs(trial.parameters["alpha"] - 0.1) - 0.05 * (trial.parameters["colliders"] == "majority")

    study = filled(Study(setting), value)
    tried = [trial.parameters for trial in study.trials]
    assert tried[0] == {"alpha": 0.01, "colliders": "majority"} and len(tried) == 40
    assert all(1e-4 <= p["alpha"] <= 0.2 and float(f"{p['alpha']:.4g}") == p["alpha"] for p in tried)
    assert study.chosen["colliders"] == "conservative" and abs(study.chosen["alpha"] - 0.1) < 0.03
    assert [t.parameters for t in filled(Study(setting), value).trials] == tried
    (other,) = settings("algorithm=pc", "search.budget=40", "search.sampler_seed=1")
    assert [t.parameters for t in filled(Study(other), value).trials][1:] != tried[1:]


def test_a_larger_budget_goes_on_where_the_smaller_ended():
    def tried(budget):
        (setting,) = settings("algorithm=ges", f"search.budget={budget}")
        return [t.parameters for t in filled(Study(setting), lambda t: -t.parameters["penalty"]).trials]

    longest = tried(FIRST_TRIALS + 6)
    assert [tried(3), tried(FIRST_TRIALS + 2)] == [longest[:3], longest[: FIRST_TRIALS + 2]]


def test_smaller_is_better_for_a_distance_and_the_earliest_of_equals_wins():
    (setting,) = settings("algorithm=ges", "search.metric=shd", "search.budget=4")
    study = Study(setting)
    trials = study.ask()
    study.tell(trials, [outcomes(trial, shd, metric="shd") for trial, shd in zip(trials, (5.0, 2.0, 9.0, 2.0), strict=True)])
    assert study.best is study.trials[1]


def test_a_failed_trial_has_no_value_and_is_never_chosen():
    (setting,) = settings("algorithm=ges", "search.budget=3", "search.metric=directed_f1_z")
    study = Study(setting)
    trials = study.ask()
    half = [*outcomes(trials[1], 1.0, metric="directed_f1_z")[:1], *outcomes(trials[1], 1.0, "timeout", "directed_f1_z")[1:]]
    undefined = outcomes(trials[2], float("nan"), metric="directed_f1_z")
    study.tell(trials, [outcomes(trials[0], -3.0, metric="directed_f1_z"), half, undefined])
    assert [t.value for t in study.trials] == [-3.0, None, None]
    assert [t.error for t in study.trials] == ["", "seed 101: timeout: why", "seed 100: directed_f1_z is undefined"]
    assert study.best is study.trials[0] and study.ask() == []


def test_where_all_trials_fail_the_defaults_are_scored():
    (setting,) = settings("algorithm=ges", "search.budget=2")
    study = Study(setting)
    trials = study.ask()
    study.tell(trials, [outcomes(trial, 1.0, "crashed") for trial in trials])
    assert study.best is None and study.chosen == {"penalty": 1.0} and not study.unfinished


def test_a_study_stops_at_an_outcome_that_cannot_be_had():
    (setting,) = settings("algorithm=ges", "search.budget=12")
    study = Study(setting)
    trials = study.ask()
    found = [outcomes(trial, 0.5) for trial in trials]
    study.tell(trials, [*found[:4], [found[4][0], None], *found[5:]])
    assert len(study.trials) == 4 and study.unfinished and study.ask() == []


def test_a_source_with_the_same_data_for_all_seeds_is_refused():
    (setting,) = settings("algorithm=ges", "search.budget=1")
    study = Study(setting)
    trials = study.ask()
    with pytest.raises(InputError, match="other data for every seed, got sem"):
        study.tell(trials, [[Outcome(c.key, "ok", c.config, {"directed_f1": 1.0}, data_sha256="same") for c in trials[0].cells]])


def test_the_overrides_of_a_tuned_cell_name_it_without_a_search():
    (setting,) = settings("algorithm=gnn", "seed=3", "search.budget=2")
    for trial in Study(setting).ask():
        for cell in (*trial.cells, setting.tuned(setting.cells[0], trial.parameters)):
            (again,) = cells(cell.overrides)
            assert again.key == cell.key and again.config["search"] == {"name": "none"}
