"""Experiments as a user runs them: sweep, store, resume, limits, MLflow mirror, verification."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.files import read_json, write_json
from causaldisc.core.prior import ExpertPrior
from causaldisc.runner.experiment import report, run, tracker_sync
from causaldisc.runner.store import Store
from causaldisc.runner.verify import verify, verify_stored
from causaldisc.trackers.mlflow import Mlflow

PLUGINS = Path(__file__).parents[1] / "plugins"
SEM = ["source=sem", "source.n_variables=5", "source.n_samples=120"]
QUIET = [*SEM, "tracker=none"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(PLUGINS))
    return tmp_path


def stamps(folder):
    return {p.parent.name: p.stat().st_mtime_ns for p in folder.glob("outcomes/*/outcome.json")}


def test_a_single_run_leaves_outcome_graph_and_picture(folder):
    result = run([*QUIET, "algorithm=random", "seed=3"])
    assert len(result) == 1 and result[0].status == "ok" and result.exit_status == 0
    lying = folder / "outcomes" / result[0].key
    assert sorted(p.name for p in lying.iterdir()) == ["graph.json", "graph.png", "outcome.json"]
    assert result.graph_path.resolve() == lying / "graph.json" and str(result.graph_path) in report(result)
    outcome = read_json(lying / "outcome.json")
    assert outcome["metrics"]["shd"] == result[0].metrics["shd"]
    assert outcome["config"]["algorithm"]["name"] == "random" and "tracker" not in outcome["config"]
    assert outcome["graph"]["graph"]["provenance"]["data_sha256"] == outcome["data_sha256"]
    assert outcome["versions"]["numpy"] and outcome["seconds"] >= 0 and outcome["peak_memory_mb"] > 10
    assert outcome["git_commit"] == ""
    again = run([*QUIET, "algorithm=random", "seed=3"])
    assert again.computed == 0 and again[0].metrics.keys() == result[0].metrics.keys()
    assert sorted(p.name for p in folder.iterdir()) == ["outcomes"]


def test_limits_and_crashes_are_outcomes_and_the_sweep_goes_on(folder):
    result = run(
        [
            *QUIET,
            "algorithm=rough",
            "algorithm.act=none,fail,loop,allocate",
            "timeout_s=4",
            "memory_mb=300",
            "algorithm.megabytes=40",
        ],
        multirun=True,
    )
    assert [o.status for o in result] == ["ok", "crashed", "timeout", "out_of_memory"]
    assert result.exit_status == 1 and len(stamps(folder)) == 4
    text = report(result)
    assert "ValueError: the matrix is singular" in text
    command = next(line for line in text.splitlines() if "act=fail" in line and "causaldisc run" in line)
    assert command.split()[:2] == ["causaldisc", "run"]
    single = run([word.strip("'") for word in command.split()[2:]])
    assert single[0].key == result[1].key and single.computed == 1, "failures are not reused"
    assert single.exit_status == 1 and single.complaint.startswith("crashed: ValueError")


def test_an_algorithm_that_looks_for_the_truth_finds_nothing(folder, monkeypatch):
    note = folder / "found"
    monkeypatch.setenv("ROUGH_NOTE", str(note))
    with tempfile.TemporaryDirectory(prefix="causaldisc-") as temporary:  # nobody else's files
        monkeypatch.setenv("TMPDIR", temporary)
        monkeypatch.setattr(tempfile, "tempdir", None)
        result = run([*QUIET, "algorithm=rough", "algorithm.act=spy", "seed=11"])
        monkeypatch.setattr(tempfile, "tempdir", None)
    assert result[0].is_ok and result[0].metrics["shd"] >= 0, "there is a truth, and the run is scored against it"
    assert note.read_text() == ""
    assert result[0].graph["graph"]["provenance"]["seed"] != 11, "the seed of its data is not told either"


def test_a_graph_that_breaks_the_prior_has_no_figures(folder):
    ExpertPrior(required=[("x0", "x1")]).save("prior.yaml")
    arguments = [*QUIET, "prior=file", "prior.path=prior.yaml"]
    broken = run([*arguments, "algorithm=rough"])
    assert broken[0].status == "prior_violated" and broken.exit_status == 1
    assert "x0" in broken[0].error and broken[0].graph is not None and not broken[0].metrics
    kept = run([*arguments, "algorithm=empty"])
    assert kept[0].status == "ok" and kept[0].certificate["ok"]
    Path("prior.yaml").unlink()
    assert verify(kept[0]) == [], "the outcome holds the prior's clauses"


def test_a_prior_that_does_not_fit_is_invalid_input(folder):
    ExpertPrior(roots=["nobody"]).save("prior.yaml")
    result = run([*QUIET, "algorithm=empty", "prior=file", "prior.path=prior.yaml"])
    assert result[0].status == "invalid_input" and "nobody" in result.complaint and result.exit_status == 2


def test_resume_runs_what_an_interrupt_left(folder):
    sweep = [*QUIET, "algorithm=empty,random", "seed=0,1"]
    run([*QUIET, "algorithm=empty", "seed=0,1"], multirun=True)
    before = stamps(folder)
    state = run(sweep, multirun=True, status=True)
    assert (
        report(state).startswith("2 done, 0 failed, 0 running, 2 to do, 4 in all")
        and state.exit_status == 0
        and state.computed == 0
    )
    finished = run(sweep, multirun=True, resume=True)
    assert finished.computed == 2 and all(o.is_ok for o in finished)
    assert {k: v for k, v in stamps(folder).items() if k in before} == before
    assert run(sweep, multirun=True, resume=True).computed == 0


def test_what_the_cache_is_told_it_does(folder):
    cell = [*QUIET, "algorithm=empty"]
    with pytest.raises(InputError, match="cache=strict needs every cell"):
        run([*cell, "cache=strict"])
    assert run([*cell, "cache=only"])[0].status == "skipped"
    assert not (folder / "outcomes").exists()
    run(cell)
    before = stamps(folder)
    for cache, computed in (("default", 0), ("only", 0), ("strict", 0), ("ignore", 1)):
        assert run([*cell, f"cache={cache}"]).computed == computed
    assert stamps(folder) != before
    with pytest.raises(InputError, match="--resume"):
        run([*cell, "cache=ignore"], resume=True)


def test_joblib_finds_what_one_after_another_finds(folder):
    sweep = [*QUIET, "algorithm=random", "seed=range(0,3)"]
    one = list(run([*sweep, "cache=ignore"], multirun=True))
    two = list(run([*sweep, "cache=ignore", "launcher=joblib", "launcher.n_jobs=2"], multirun=True))
    assert [o.key for o in one] == [o.key for o in two]
    assert [o.graph for o in one] == [o.graph for o in two] and [o.data_sha256 for o in one] == [o.data_sha256 for o in two]


@pytest.mark.parametrize(("launcher", "send"), [("basic", os.kill), ("joblib", os.kill), ("joblib", os.killpg)])
def test_an_interrupt_stops_what_runs_and_keeps_what_is_finished(folder, launcher, send):
    note = folder / "pid"
    script = f"""
import signal, sys
from causaldisc.runner.experiment import run
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
try:
    run({[*QUIET, "algorithm=rough", "algorithm.act=none,wait", f"launcher={launcher}"]!r}, multirun=True)
except KeyboardInterrupt as stop:
    print(stop, file=sys.stderr)
    sys.exit(130)
"""
    environment = {**os.environ, "ROUGH_NOTE": str(note), "PYTHONPATH": str(PLUGINS)}
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    end = time.monotonic() + 40
    while not (note.exists() and note.read_text() and stamps(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    send(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=20)[1]
    assert process.returncode == 130, errors
    assert "Traceback" not in errors and "1 of 2 cells done" in errors
    assert [(o.status, o.error) for o in Store()] == [("ok", "")]
    time.sleep(0.5)
    worker = int(note.read_text())
    assert not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE


def test_interventions_mark_edges_and_are_on_record(folder):
    result = run([*QUIET, "algorithm=tournament", "validation=do", "validation.budget=2"])
    assert result[0].is_ok, result[0].error
    counted = sum(result[0].metrics[f"edges_{state}"] for state in ("confirmed", "refuted", "untested"))
    assert counted == len(result[0].graph["edges"]) > 0
    assert len(result[0].trials) >= 1
    assert verify(result[0]) == []


def test_the_mirror_and_its_rebuilding(folder, caplog):
    Mlflow().log([], None)
    shutil.copy("mlflow.db", "other.db")  # making a store takes MLflow seconds, so the second is a copy of the empty first
    sweep = [*SEM, "algorithm=empty,rough", "seed=0,1"]
    result = run([*sweep, "timeout_s=60"], multirun=True)
    single = run([*SEM, "algorithm=rough", "algorithm.act=fail"])
    assert not [r for r in caplog.records if r.levelname == "WARNING"], caplog.text

    from mlflow import MlflowClient

    def runs():
        client = MlflowClient("sqlite:///mlflow.db")
        (experiment,) = [e for e in client.search_experiments() if e.name == "causaldisc"]
        return client, {r.info.run_id: r for r in client.search_runs([experiment.experiment_id])}

    client, found = runs()
    parents = [r for r in found.values() if "causaldisc.cells" in r.data.tags]
    assert len(found) == 6 and len(parents) == 1
    (parent,) = parents
    assert parent.data.metrics == {} and parent.info.status == "FINISHED" and "seed=0,1" in parent.info.run_name
    children = [r for r in found.values() if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert {r.data.tags["causaldisc.key"] for r in children} == {o.key for o in result}
    for child, outcome in ((c, next(o for o in result if o.key == c.data.tags["causaldisc.key"])) for c in children):
        assert child.info.status == "FINISHED" and child.data.tags["status"] == "ok"
        assert child.data.metrics["shd"] == outcome.metrics["shd"] and "peak_memory_mb" in child.data.metrics
        assert child.data.params["source.n_variables"] == "5" and child.data.params["timeout_s"] == "60.0"
        assert child.data.tags["data_sha256"] == outcome.data_sha256
        assert sorted(a.path for a in client.list_artifacts(child.info.run_id)) == ["certificate.json", "graph.json"]
    (failed,) = [r for r in found.values() if r.info.status == "FAILED"]
    assert failed.data.tags["causaldisc.key"] == single[0].key and "singular" in failed.data.tags["error"]

    pictured = run([*SEM, "algorithm=empty", "seed=5"])
    client, found = runs()
    (mirrored,) = [r for r in found.values() if r.data.tags.get("causaldisc.key") == pictured[0].key]
    assert "graph.png" in [a.path for a in client.list_artifacts(mirrored.info.run_id)]
    run([*SEM, "algorithm=empty", "seed=5"])
    assert len(runs()[1]) == 7, "an outcome from the store is mirrored once"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlflow.MlflowClient.log_batch", lambda *args, **kwargs: 1 / 0)
        kept = run([*SEM, "algorithm=empty", "seed=6"])
    assert kept[0].is_ok and "tracker mlflow failed" in caplog.text
    shutil.rmtree("mlartifacts")
    assert tracker_sync("outcomes", "sqlite:///other.db") == 7
    client = MlflowClient("sqlite:///other.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "causaldisc"]
    mirrored = client.search_runs([experiment.experiment_id])
    assert {r.data.tags["causaldisc.key"] for r in mirrored} == {o.key for o in Store()} and len(mirrored) == 7
    tracker_sync("outcomes", "sqlite:///other.db")
    assert len(client.search_runs([experiment.experiment_id])) == 7
    assert not Path("outcomes/outcome.json").exists() and not list(Path("mlartifacts").rglob("outcome.json"))


def test_verify_runs_again_and_compares(folder):
    result = run([*QUIET, "algorithm=random", "seed=0,1"], multirun=True)
    assert [d for _, d in verify_stored("outcomes")] == [[], []]
    path = folder / "outcomes" / result[0].key / "outcome.json"
    forged, shd = json.loads(path.read_text()), result[0].metrics["shd"]
    forged["metrics"]["shd"] += 1
    write_json(path, forged)
    assert [d for _, d in verify_stored("outcomes", [result[0].key[:12]])] == [[f"metrics.shd: stored {shd + 1}, now {shd}"]]
    with pytest.raises(InputError, match="key must name one outcome"):
        list(verify_stored("outcomes", ["zz"]))
    with pytest.raises(InputError, match="must be a store"):
        list(verify_stored("elsewhere"))


def test_the_commit_of_a_checkout_is_recorded(folder):
    from causaldisc.runner.provenance import git_commit

    def git(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (folder / "a").write_text("1")
    git("add", "a")
    git("commit", "-q", "-m", "first")
    assert git_commit(folder) == git("rev-parse", "HEAD")
    git_commit.cache_clear()
    (folder / "a").write_text("2")
    assert git_commit(folder) == git("rev-parse", "HEAD") + "-dirty"
