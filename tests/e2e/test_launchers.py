"""Launchers: the same outcomes on each, a failure is one cell's, an interrupt stops all, and shards share out a sweep."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from launcher_harness import EVERY, LAUNCHERS, PLUGINS, QUIET, RAY, pretend_slurm

from causaldisc.core.errors import InputError
from causaldisc.runner.experiment import run
from causaldisc.runner.pool import Pool
from causaldisc.runner.store import Store
from causaldisc.runner.sweep import Sweep, command, ending

SWEEP = [*QUIET, "algorithm=empty,random", "seed=0,1"]
# What is measured, and when, differs from run to run; nothing else may.
MEASURED = ("seconds", "cpu_seconds", "peak_memory_mb", "started")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(str(PLUGINS))
    monkeypatch.setenv("PATH", pretend_slurm(tmp_path / "bin"))
    return work


def stored():
    """Every outcome without what is measured, by key."""
    return {o.key: {k: v for k, v in o.to_dict().items() if k not in MEASURED} for o in Store()}


def without_times(record):
    if isinstance(record, dict):
        return {k: without_times(v) for k, v in record.items() if k not in (*MEASURED, "files")}
    return [without_times(v) for v in record] if isinstance(record, list) else record


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("basic"))
        run([*SWEEP, "launcher=basic"], multirun=True)
        return without_times(stored())


@pytest.mark.parametrize("launcher", [p for p in EVERY if p.values[0] != "basic"])
def test_outcomes_do_not_depend_on_the_launcher(folder, expected, launcher):
    result = run([*SWEEP, *LAUNCHERS[launcher]], multirun=True)
    assert [s.status for s in result.summaries] == ["ok"] * 4 and result.computed == 4
    assert without_times(stored()) == expected and len(expected) == 4
    assert not list(folder.glob("outcomes/.sweep-*")) and not list(folder.glob("outcomes/*/running.json"))
    if launcher == "slurm":
        asked = (folder / "sbatch.txt").read_text()
        assert all(f"#SBATCH --{word}\n" in asked for word in ("qos=low", "partition=short", "array=0-1%2", "time=1440"))
        assert "--mem=" not in asked and "--account" not in asked, "left to the cluster"


ACTS = {
    "none": ("ok", ""),
    "segfault": ("crashed", "killed by SIGSEGV"),
    "exit": ("crashed", "exit code 7 without a result"),
    "loop": ("timeout", "timeout_s=4"),
    "allocate": ("out_of_memory", "memory_mb=300"),
    "chat": ("crashed", "wrote to stdout"),
    "odd": ("crashed", "neither an Exception nor an exit"),
    "interrupt": ("crashed", "KeyboardInterrupt"),
}


@pytest.mark.parametrize("launcher", [p for p in EVERY if p.values[0] != "slurm"])
def test_what_misbehaves_is_one_failure_with_its_cause(folder, launcher):
    limits = ["timeout_s=4", "memory_mb=300", "algorithm.megabytes=40"]
    sweep = [*QUIET, "algorithm=rough", f"algorithm.act={','.join(ACTS)}", *limits]
    result = run([*sweep, *LAUNCHERS[launcher]], multirun=True)
    told = {o.config["algorithm"]["act"]: (o.status, o.error) for o in result}
    assert {act: status for act, (status, _) in told.items()} == {act: status for act, (status, _) in ACTS.items()}
    assert all(words in told[act][1] for act, (_, words) in ACTS.items()), told
    assert all(s.stored and s.computed for s in result.summaries) and len(stored()) == len(ACTS)


def started(folder, arguments, environment=None):
    """A sweep in a process of its own."""
    script = f"""
import signal, sys
from causaldisc.runner.experiment import run
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
try:
    result = run({arguments!r}, multirun=True)
    print(result.computed)
except KeyboardInterrupt as stop:
    print(stop, file=sys.stderr)
    sys.exit(130)
"""
    variables = {**os.environ, "PYTHONPATH": str(PLUGINS), **(environment or {})}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", script], cwd=folder, env=variables, start_new_session=True, **streams)


def until(condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    assert condition()


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("send", [os.kill, os.killpg])
@pytest.mark.parametrize("launcher", [p for p in EVERY if p.values[0] in ("submitit", "slurm", "ray")])
def test_an_interrupt_stops_the_jobs(folder, launcher, send):
    if send is os.killpg and launcher == "slurm":
        pytest.skip("jobs of Slurm are in no process group of ours")
    note = folder / "pid"
    arguments = [*QUIET, "algorithm=rough", "algorithm.act=none,wait", *LAUNCHERS[launcher]]
    process = started(folder, arguments, {"ROUGH_NOTE": str(note)})
    until(lambda: note.exists() and note.read_text() and len(list(folder.glob("outcomes/*/outcome.json"))) == 1)
    send(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=30)[1]
    assert process.returncode == 130 and "1 of 2 cells done" in errors and "Traceback" not in errors, errors
    until(lambda: gone(int(note.read_text())), 5)
    assert [o.status for o in Store()] == ["ok"], "what was cut off is no failure"
    until(lambda: not list(folder.glob("outcomes/*/running.json")), 5)
    assert not list(folder.glob("outcomes/.sweep-*"))


@pytest.mark.parametrize("launcher", ["submitit", "slurm"])
def test_a_job_that_dies_leaves_failures_with_the_cause(folder, launcher):
    note = folder / "pid"
    arguments = [*QUIET, "algorithm=rough", "algorithm.act=none,wait", "seed=0,1", *LAUNCHERS[launcher], "launcher.jobs=1"]
    process = started(folder, [*arguments, "launcher.cpus_per_task=1"], {"ROUGH_NOTE": str(note)})
    until(lambda: note.exists() and note.read_text())
    (batch,) = [p for p in psutil.process_iter() if is_batch(p, folder)]
    batch.kill()
    out, errors = process.communicate(timeout=40)
    assert process.returncode == 0 and out == "4\n", errors
    outcomes = list(Store())
    assert len(outcomes) == 4 and sum(o.is_ok for o in outcomes) == 2, "the two that came first"
    failed = [o for o in outcomes if not o.is_ok]
    assert all(o.status == "crashed" and "its job ended before it" in o.error and "SIGKILL" in o.error for o in failed)
    until(lambda: gone(int(note.read_text())), 5)


def is_batch(process, folder):
    try:
        line = process.cmdline()
    except psutil.Error:
        return False
    return "causaldisc.runner.batch" in line and any(word.startswith(str(folder)) for word in line)


def test_shards_share_out_a_sweep(folder):
    sweep = [*QUIET, "algorithm=empty,random", "seed=range(0,4)"]
    keys = [{o.key for o in run([*sweep, f"shard={k}/3"], multirun=True)} for k in (1, 2, 3)]
    whole = run(sweep, multirun=True, resume=True)
    assert sum(map(len, keys)) == 8 and set().union(*keys) == {o.key for o in whole}
    assert whole.computed == 0 and all(o.is_ok for o in whole)


def test_two_sweeps_at_once_compute_no_cell_twice(folder):
    sweep = [*QUIET, "algorithm=empty,random", "seed=range(0,4)"]
    two = [started(folder, [*sweep, f"launcher={launcher}"]) for launcher in ("basic", "joblib")]
    said = [process.communicate(timeout=60) for process in two]
    assert sum(int(out) for out, _ in said) == 8, said
    assert run(sweep, multirun=True, resume=True).computed == 0 and len(stored()) == 8


def written_cell(folder, key=None):
    from causaldisc.runner.compose import cells

    (cell,) = cells([*QUIET, "algorithm=empty"])
    store = Store()
    pool = Pool(store)
    return Sweep([key or cell.key], [dict(cell.config)], store, pool, again=False)


def test_a_machine_with_other_code_computes_nothing(folder):
    sweep = written_cell(folder, key="0" * 64)
    with sweep.written() as shared:
        subprocess.run(command(shared, range(1)), check=True, timeout=60, cwd="/")
        told = json.loads(ending(shared, 0).read_text())
    assert told["status"] == "crashed" and "is not that of the sweep" in told["error"]
    assert Store().load("0" * 64).error == told["error"]


def test_a_job_that_starts_after_its_sweep_does_nothing(folder):
    with written_cell(folder).written() as shared:
        line = command(shared, range(1))
    subprocess.run(line, check=True, timeout=60)
    assert not shared.exists() and not stored()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (["launcher=submitit", "launcher.jobs=0"], "submitit.jobs must be >= 1"),
        (["launcher=submitit", "launcher.executor=moon"], "valid: auto, local, slurm"),
        (["launcher=submitit", "launcher.additional='--a=1 rm'"], "got 'rm'"),
        (["launcher=submitit", 'launcher.partition="a\nb"'], "must be one line"),
        (["launcher=ray", "launcher.cpus_per_task=0"], "ray.cpus_per_task must be >= 1"),
    ],
)
def test_a_bad_launcher_is_one_line(folder, bad, words):
    with pytest.raises(InputError) as error:
        run([*SWEEP, *bad], multirun=True)
    assert words in str(error.value)


@pytest.mark.parametrize(("launcher", "extra"), [("submitit", "cluster"), ("ray", "ray")])
def test_what_is_not_installed_is_told(folder, monkeypatch, launcher, extra):
    monkeypatch.setitem(sys.modules, launcher, None)
    with pytest.raises(InputError, match=rf"pip install 'causaldisc\[{extra}\]'"):
        run([*SWEEP, f"launcher={launcher}"], multirun=True)


def test_no_scheduler_is_told(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    with pytest.raises(InputError, match=r"submitit\.executor must be one that can be used here, got slurm"):
        run([*SWEEP, "launcher=submitit"], multirun=True)
    assert not stored()


@RAY
def test_no_ray_is_told(folder):
    with pytest.raises(InputError, match=r"ray\.address must be that of a running cluster, got '127.0.0.1:9'"):
        run([*SWEEP, "launcher=ray", "launcher.address='127.0.0.1:9'"], multirun=True)
