"""Overrides become cells, and every mistake in them becomes one line."""

from pathlib import Path

import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.prior import ExpertPrior
from causaldisc.runner.compose import cells

PLUGINS = Path(__file__).parents[1] / "plugins"
BASE = ["algorithm=empty", "source=sem", "tracker=none"]


def configs(folder, **files):
    """Write YAML files named like ``experiment__mine`` into a folder of the user's own."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def seen(found, *fields):
    return [
        tuple(cell.config[f]["name"] if isinstance(cell.config[f], dict) else cell.config[f] for f in fields) for cell in found
    ]


def test_a_single_cell_is_complete_and_canonical():
    (cell,) = cells([*BASE, "source.degree=3", "timeout_s=5"])
    assert cell.config["algorithm"] == {"name": "empty", "max_lag": 3}
    assert cell.config["source"]["degree"] == 3.0 and isinstance(cell.config["source"]["degree"], float)
    assert (cell.config["timeout_s"], cell.config["seed"], cell.config["prior"]) == (5.0, 0, {"name": "none"})
    assert cell.overrides == (*BASE, "source.degree=3", "timeout_s=5")


def test_a_sweep_is_the_product_of_choices_ranges_and_globs():
    found = cells(["source=sem", "tracker=none", "algorithm=glob([e*,tour*])", "seed=range(0,2)"], multirun=True)
    assert seen(found, "algorithm", "seed") == [("empty", 0), ("empty", 1), ("tournament", 0), ("tournament", 1)]
    found = cells([*BASE, "seed=3,1", "source.degree=choice(1,2.5)", "++timeout_s=null,4"], multirun=True)
    assert [(c.config["seed"], c.config["source"]["degree"], c.config["timeout_s"]) for c in found] == [
        (seed, degree, limit) for seed in (3, 1) for degree in (1.0, 2.5) for limit in (None, 4.0)
    ]
    assert len({c.key for c in found}) == 8


def test_every_cell_of_a_sweep_is_the_cell_its_overrides_name():
    for cell in cells(["source=sem,var", "tracker=none", "algorithm=empty,random", "source.degree=1,2"], multirun=True):
        (again,) = cells(cell.overrides)
        assert (again.key, again.config) == (cell.key, cell.config)


def test_the_same_cell_twice_runs_once(caplog):
    assert seen(cells([*BASE, "seed=0,1,0"], multirun=True), "seed") == [(0,), (1,)]
    assert "run once" in caplog.text


def test_an_experiment_declares_its_sweep_and_the_command_line_has_the_last_word(tmp_path, caplog):
    mine = """
# @package _global_
defaults:
  - override /source: sem
  - override /tracker: none
timeout_s: 9
hydra:
  sweeper:
    params:
      algorithm: empty,random
      seed: range(0,3)
"""
    folder = configs(tmp_path, experiment__mine=mine)
    found = cells(["experiment=mine"], multirun=True, config_dir=folder)
    assert seen(found, "algorithm", "seed") == [(a, s) for a in ("empty", "random") for s in range(3)]
    assert {c.config["timeout_s"] for c in found} == {9.0}
    found = cells(["experiment=mine", "seed=7", "timeout_s=1"], multirun=True, config_dir=folder)
    assert seen(found, "algorithm", "seed", "timeout_s") == [("empty", 7, 1.0), ("random", 7, 1.0)]
    assert len(cells(["experiment=mine", "algorithm=empty"], config_dir=folder)) == 1
    assert "-m" in caplog.text


def test_the_shipped_experiment_composes_as_far_as_its_algorithms_are_there():
    found = cells(["experiment=first_look", "algorithm=pc,random", "tracker=none"], multirun=True)
    assert seen(found, "algorithm", "source", "prior", "seed") == [
        (a, "mesh", "source", s) for a in ("pc", "random") for s in range(3)
    ]


@pytest.mark.parametrize(
    ("setting", "told"),
    [("defaults:\n  - override /launcher: joblib", "launcher"), ("hydra: {sweeper: {params: {seed: '0,1'}}}", "sweep")],
)
def test_a_sweep_over_experiments_refuses_what_hydra_would_ignore(tmp_path, setting, told):
    head = "# @package _global_\n"
    folder = configs(tmp_path, experiment__a=f"{head}seed: 1", experiment__b=f"{head}{setting}", experiment__c=f"{head}seed: 2")
    with pytest.raises(InputError, match=rf"(?s)sets a {told}.*experiment=b") as error:
        cells(["experiment=a,b", *BASE], multirun=True, config_dir=folder)
    assert "\n" not in str(error.value)
    assert seen(cells(["experiment=a,c", *BASE], multirun=True, config_dir=folder), "seed") == [(1,), (2,)]


def test_a_launcher_beside_the_experiments_is_heard(tmp_path):
    head = "# @package _global_\n"
    folder = configs(tmp_path, experiment__a=f"{head}seed: 1", experiment__b=f"{head}defaults:\n  - override /launcher: joblib")
    found = cells(["experiment=a,b", "launcher=basic", *BASE], multirun=True, config_dir=folder)
    assert seen(found, "launcher") == [("basic",), ("basic",)]


def test_own_groups_come_before_the_shipped_ones(tmp_path):
    folder = configs(
        tmp_path,
        source__small="name: sem\nn_variables: 4",
        algorithm__random="name: random\ndegree: 1.5",
        prior__mine="name: none",
    )
    (cell,) = cells(["algorithm=random", "source=small", "prior=mine", "tracker=none"], config_dir=folder)
    assert (cell.config["source"]["name"], cell.config["source"]["n_variables"]) == ("sem", 4)
    assert cell.config["algorithm"]["degree"] == 1.5
    with pytest.raises(InputError, match="small"):
        cells(["algorithm=random", "source=small", "tracker=none"])


def test_a_third_partys_plugin_needs_no_file(monkeypatch):
    monkeypatch.syspath_prepend(str(PLUGINS))
    (cell,) = cells(["algorithm=rough", "algorithm.act=loop", "source=sem", "tracker=none"])
    assert cell.config["algorithm"] == {"name": "rough", "act": "loop", "megabytes": 10.0}


def test_a_prior_counts_by_its_clauses_wherever_it_lies(tmp_path):
    prior = ExpertPrior(required=[("x0", "x1")])
    for name in ("a.yaml", "b c's.yaml"):
        prior.save(tmp_path / name)
    quoted = str(tmp_path / "b c's.yaml").replace("'", "\\'")
    (a,) = cells([*BASE, "prior=file", f"prior.path={tmp_path}/a.yaml"])
    (b,) = cells([*BASE, "prior=file", f"prior.path='{quoted}'"])
    assert a.key == b.key and a.config["prior"]["clauses"] == prior.to_dict()
    ExpertPrior(required=[("x1", "x0")]).save(tmp_path / "a.yaml")
    (c,) = cells([*BASE, "prior=file", f"prior.path={tmp_path}/a.yaml"])
    assert c.key != a.key


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (["algorithm=emty"], "did you mean empty?"),
        (["source=messh"], "did you mean mesh?"),
        (["tracker=mlfow"], "did you mean mlflow?"),
        (["experiment=nope"], "nope"),
        (["sedd=3"], "did you mean seed?"),
        (["algorithm.max_lgag=3"], "did you mean max_lag?"),
        (["+algorithm.colour=3"], "colour"),
        (["algorithm.max_lag=1.5"], "empty.max_lag must be a whole number, got 1.5"),
        (["algorithm.max_lag=-1"], "empty.max_lag must be >= 0"),
        (["seed=[1"], "key=value"),
        (["seed"], "key=value"),
        ([""], "key=value"),
        (["=3"], "unknown field"),
        (["seed=1,2"], "-m"),
        (["seed=range(0,3)"], "-m"),
        (["seed=x"], "seed must be a whole number, got 'x'"),
        (["seed=-1"], "seed must be >= 0, got -1"),
        (["seed=${nowhere}"], "nowhere"),
        (["timeout_s=soon"], "timeout_s must be a number or null"),
        (["memory_mb=0"], "memory_mb must be >= 1"),
        (["cache=sometimes"], "valid: default, ignore, only, strict"),
        (["~algorithm"], "algorithm must be chosen"),
        (["algorithm=null"], "algorithm must be a known choice"),
        (["algorithm={name: empty}"], "algorithm must be a known choice"),
        (["hydra.run.dir=x"], "hydra.run.dir has no meaning here"),
        (["hydra/launcher=joblib"], "launcher=joblib"),
        (["prior=file"], "prior.path must be given"),
        (["prior=file", "prior.path=/no/such.yaml"], "/no/such.yaml"),
        (["validation.budget=3"], "budget"),
        (["+algorithm._target_=os.system"], "_target_"),
        (["launcher=joblib", "launcher.n_jobs=0"], "n_jobs"),
    ],
)
def test_a_bad_override_is_one_line(bad, words):
    with pytest.raises(InputError) as error:
        cells([*BASE, *bad])
    assert words in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (["seed=interval(0,1)"], "finite"),
        (["seed=range(0,0)"], "at least one value"),
        (["algorithm=glob(zz*)"], "must match a known choice"),
        (["algorithm=empty,nope"], "nope"),
        (["launcher=basic,joblib"], "launcher must be the same"),
        (["cache=only,ignore"], "cache must be the same"),
    ],
)
def test_a_bad_sweep_is_one_line(bad, words):
    with pytest.raises(InputError) as error:
        cells([*BASE, *bad], multirun=True)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: empty\n_target_: os.system", "_target_"),
        ("name: empty\nmax_lag: {_target_: os.system}", "_target_"),
        ("name: [", "YAML"),
        ("max_lag: 1", "name"),
        ("- a", "algorithm must be chosen"),
    ],
)
def test_a_bad_file_of_the_users_is_one_line(tmp_path, text, words):
    folder = configs(tmp_path, algorithm__mine=text)
    with pytest.raises(InputError) as error:
        cells(["algorithm=mine", "source=sem", "tracker=none"], config_dir=folder)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_config_dir_that_is_not_there_is_named():
    with pytest.raises(InputError, match="--config-dir"):
        cells(BASE, config_dir="/no/such/folder")


def test_hydras_global_state_is_left_as_it_was(tmp_path):
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    configs(tmp_path, outer="colour: red")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        assert seen(cells(BASE), "seed") == [(0,)]
        assert compose("outer").colour == "red"
    cells(BASE)
    assert not GlobalHydra.instance().is_initialized()
