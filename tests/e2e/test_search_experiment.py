"""A sweep with a search, as a user runs it: tuned apart from scored, on equal budgets, recorded, and never done twice."""

import itertools
import math

import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.files import read_json
from causaldisc.runner.experiment import report, run
from causaldisc.runner.launching import launched
from causaldisc.runner.search import tuning
from causaldisc.runner.store import Store

SWEEP = [
    *("algorithm=pc,random,empty", "seed=0,1", "source=sem", "source.n_variables=5", "source.n_samples=120", "tracker=none"),
    *("search=optuna", "search.budget=3", "search.seeds=[100,101]"),
]


def stamps(folder):
    return {p.parent.name: p.stat().st_mtime_ns for p in folder.glob("outcomes/**/outcome.json")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def first(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        before = run(SWEEP, multirun=True, status=True)
        assert report(before).splitlines() == [
            "0 done, 0 failed, 0 running, 6 to do, 6 in all",
            "search: 0 of 6 trials done, 1 of 3 searches ended",
        ]
        with pytest.raises(InputError, match=r"cache=strict .*tuning"):
            run([*SWEEP, "cache=strict"], multirun=True)
        assert not (folder / "outcomes").exists()
        return run(SWEEP, multirun=True)


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_budgets_are_equal_and_begin_at_the_defaults(first):
    pc, random, empty = first.studies
    assert [len(s.trials) for s in (pc, random, empty)] == [3, 3, 0]
    assert pc.trials[0].parameters == {"alpha": 0.01, "colliders": "majority"} and random.trials[0].parameters == {"degree": 2.0}
    for study in (pc, random):
        assert all(trial.value is not None for trial in study.trials)
        assert study.best.value == max(trial.value for trial in study.trials) >= study.trials[0].value
    assert all(o.is_ok for o in first) and first.exit_status == 0


def test_what_is_tuned_on_is_never_scored(first):
    tuned, scored = list(Store(Store().root / "tuning")), list(Store())
    assert {o.config["seed"] for o in tuned} == {100, 101} and {o.config["seed"] for o in scored} == {0, 1}
    assert len(tuned) == 12 and len(scored) == 6
    assert not {o.data_sha256 for o in tuned} & {o.data_sha256 for o in scored}
    value = {o.key: o.metrics["directed_f1"] for o in tuned}
    for trial in first.studies[0].trials:
        assert trial.value == pytest.approx(math.fsum(value[cell.key] for cell in trial.cells) / 2)


def test_the_outcomes_hold_what_was_chosen_and_the_record_why(first, folder):
    for study, outcomes in zip(first.studies, (first[:2], first[2:4], first[4:]), strict=True):
        for outcome in outcomes:
            assert study.chosen.items() <= outcome.config["algorithm"].items() and "search" not in outcome.config
    records = {r["setting"]["algorithm"]["name"]: r for r in map(read_json, folder.glob("outcomes/search-*.json"))}
    assert set(records) == {"pc", "random"}
    record, study = records["pc"], first.studies[0]
    assert record["chosen"] == study.chosen == record["trials"][record["best"]]["parameters"]
    assert record["scored"] == sorted(o.key for o in first[:2]) and record["options"]["seeds"] == [100, 101]
    assert all((folder / "outcomes" / "tuning" / key).is_dir() for trial in record["trials"] for key in trial["cells"])
    assert record["sampler"]["seed"] == study.setting.sampler_seed and record["versions"]["optuna"]
    text = report(first)
    assert "search: 3 trials each, by the mean of directed_f1 over the tuning seeds 100, 101" in text
    assert any(line.startswith("empty") and line.endswith("nothing to search") for line in text.splitlines())
    assert first.to_dict()["searches"][0]["chosen"] == study.chosen


def test_a_second_run_computes_nothing_and_chooses_the_same(first, folder):
    before = stamps(folder)
    again = run(SWEEP, multirun=True, resume=True)
    assert again.computed == 0 and stamps(folder) == before
    assert [s.chosen for s in again.studies] == [s.chosen for s in first.studies]
    state = run(SWEEP, multirun=True, status=True)
    assert report(state).splitlines()[0].startswith("6 done") and "6 of 6 trials done, 3 of 3 searches ended" in report(state)


def test_one_run_is_tuned_too_and_what_is_given_is_not_searched(first):
    one = [o for o in SWEEP if not o.startswith(("algorithm=", "seed="))]
    result = run([*one, "algorithm=random", "seed=1"])
    assert result.computed == 0 and result[0].key == first[3].key and "search: 3 trials" in report(result)
    given = run([*one, "algorithm=random", "algorithm.degree=2.0", "seed=1"])
    assert given.studies[0].budget == 0 and given[0].config["algorithm"]["degree"] == 2.0


def test_an_interrupted_search_goes_on_where_it_stopped(first, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    alone = ["algorithm=random", *SWEEP[1:]]

    def cut_off(cells, store, pool):
        yield from itertools.islice(launched(cells, store, pool), 4)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tuning, "launched", cut_off)
        with pytest.raises(KeyboardInterrupt, match="4 cells of the search done; --resume"):
            run(alone, multirun=True)
    before = stamps(tmp_path)
    state = run(alone, multirun=True, status=True)
    assert "search: 2 of 3 trials done, 0 of 1 searches ended" in report(state) and {o.status for o in state} == {"skipped"}
    resumed = run(alone, multirun=True, resume=True)
    assert [o.key for o in resumed] == [o.key for o in first[2:4]] and before.items() <= stamps(tmp_path).items()


def test_another_launcher_makes_the_same_choice_and_shards_share_the_settings_out(first, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = ["algorithm=random,empty", *SWEEP[1:], "launcher=joblib", "launcher.n_jobs=2"]
    parts = [run([*sweep, f"shard={k}/2"], multirun=True) for k in (1, 2)]
    assert {o.key: o.graph for part in parts for o in part} == {o.key: o.graph for o in first[2:]}
    assert sum(len(part.studies) for part in parts) == 2
