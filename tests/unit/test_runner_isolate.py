"""Isolation against an algorithm that does its worst."""

import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from causaldisc.core.intervention import Intervention
from causaldisc.core.parameters import values_of
from causaldisc.core.plugins import algorithms
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.variables import Variable
from causaldisc.runner.exchange import Task, read_task, write_task
from causaldisc.runner.isolate import Limits, discover_isolated

PLUGINS = Path(__file__).parents[1] / "plugins"


@pytest.fixture
def telemetry(monkeypatch):
    monkeypatch.syspath_prepend(str(PLUGINS))
    values = np.random.default_rng(0).normal(size=(50, 3))
    values[3, 1] = np.nan
    return Telemetry(values, ["a:cpu", "a:latency", "b:latency"])


def task(telemetry, act, prior=None, **parameters):
    return Task(telemetry, prior or ExpertPrior(), "rough", {"act": act, **parameters}, 0)


def gone(pid, seconds=5.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_the_task_crosses_bit_for_bit(tmp_path):
    values = np.random.default_rng(1).normal(size=(6, 2)) * 10.0 ** np.arange(6)[:, None]
    values[0, 0], values[1, 1] = np.nan, -0.0
    data = Telemetry(
        values,
        [Variable.of("a::b/c:cpu", role="saturation", unit="s"), Variable.of("x")],
        [0.1, 0.2, 0.30000000000000004, 1, 2, 3],
        [0, 0, 0, 4, 4, 4],
        [Intervention("a::b/c", "set", 0.1, 1.5, variable="a::b/c:cpu")],
    )
    prior = ExpertPrior(required=[{"source": "x", "target": "a::b/c:cpu", "lag": [0, 2], "from": "me"}], tiers=[["x"]], max_lag=2)
    write_task(tmp_path, Task(data, prior, "pc", {"alpha": 0.1, "names": ["a"]}, 7, "telemetry"))
    back = read_task(tmp_path)
    assert back.telemetry.values.tobytes() == data.values.tobytes()
    assert back.telemetry.sha256 == data.sha256
    assert (back.telemetry.variables, back.telemetry.windows) == (data.variables, data.windows)
    assert (back.prior, back.algorithm, back.parameters, back.seed) == (prior, "pc", {"alpha": 0.1, "names": ["a"]}, 7)
    assert back.preset == "telemetry"


def test_a_preset_chooses_what_is_at_its_default(telemetry):
    given = {**values_of(algorithms.build("pc")), "max_lag": 0, "alpha": 0.2}
    answer = discover_isolated(Task(telemetry, ExpertPrior(), "pc", given, 0, "telemetry"))
    assert answer.discovery is not None, answer.error
    chosen = answer.discovery.report["preset"]["parameters"]
    assert "orient" in chosen and "alpha" not in chosen
    assert answer.discovery.graph.provenance["parameters"]["alpha"] == 0.2


def test_a_sound_run_gives_what_the_algorithm_found_and_shows_it_nothing_else(telemetry, capfd):
    answer = discover_isolated(task(telemetry, "none"))
    assert (answer.status, answer.error) == ("ok", "")
    found = answer.discovery
    assert found.graph.names == telemetry.names and found.graph.provenance["data_sha256"] == telemetry.sha256
    assert found.scores.shape == (3, 3, 1) and np.isnan(found.scores[0, 0, 0])
    assert 0 <= answer.cpu_seconds < 5 and 20 < answer.peak_memory_mb < 1000
    report = found.report
    assert report["files"] == ["cwd", "stderr", "stdout", "task.json", "telemetry.npz"], (
        "neither truth nor trials lie with the task"
    )
    assert report["datasets"] == 0
    assert (report["threads"], report["hash_seed"], report["heavy"]) == ("1", "0", [])
    assert capfd.readouterr() == ("", "")


def test_what_an_algorithm_writes_to_stdout_reaches_nobody_and_is_told(telemetry, capfd):
    answer = discover_isolated(task(telemetry, "chat"))
    assert answer.status == "crashed" and answer.error.endswith("nor this one") and "stdout" in answer.error
    assert "line" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("act", "status", "words"),
    [
        ("exit", "crashed", "exit code 7"),
        ("vanish", "crashed", "exit code 0 without a result"),
        ("segfault", "crashed", "SIGSEGV"),
        ("interrupt", "crashed", "KeyboardInterrupt: of its own"),
        ("odd", "crashed", "OddError: neither"),
        ("fail", "crashed", "ValueError: the matrix is singular"),
        ("memory_error", "out_of_memory", "no room"),
    ],
)
def test_a_crash_is_a_value_with_its_cause(telemetry, act, status, words):
    answer = discover_isolated(task(telemetry, act))
    assert answer.status == status and words in answer.error and "\n" not in answer.error
    assert answer.discovery is None


def test_what_the_user_can_mend_is_told_from_a_crash(telemetry):
    assert discover_isolated(task(telemetry, "none", megabyte=1)).status == "invalid_input"
    refused = discover_isolated(task(telemetry, "none", prior=ExpertPrior(roots=["nobody"])))
    assert refused.status == "invalid_input" and "nobody" in refused.error


def test_the_wall_clock_limit_holds(telemetry):
    started = time.monotonic()
    answer = discover_isolated(task(telemetry, "loop"), Limits(timeout_s=1.5))
    assert answer.status == "timeout" and "1.5" in answer.error
    assert 1.5 <= time.monotonic() - started < 5


@pytest.mark.parametrize("act", ["allocate", "helper_allocates"])
def test_the_memory_limit_holds_for_the_whole_family(telemetry, act):
    megabytes = {"allocate": 20, "helper_allocates": 400}[act]
    answer = discover_isolated(task(telemetry, act, megabytes=megabytes), Limits(timeout_s=20, memory_mb=250))
    assert answer.status == "out_of_memory" and "memory_mb=250" in answer.error
    assert 250 < answer.peak_memory_mb < 2000


def test_a_spike_between_two_looks_is_caught(telemetry):
    assert discover_isolated(task(telemetry, "spike", megabytes=300), Limits(memory_mb=250)).status == "out_of_memory"
    assert discover_isolated(task(telemetry, "spike", megabytes=30), Limits(memory_mb=250)).status == "ok"


def test_nothing_outlives_the_run(telemetry, tmp_path, monkeypatch):
    note = tmp_path / "pid"
    monkeypatch.setenv("ROUGH_NOTE", str(note))
    assert discover_isolated(task(telemetry, "leave_helper")).status == "ok"
    assert gone(int(note.read_text()))


def test_the_process_ends_when_the_runner_is_killed(telemetry, tmp_path, monkeypatch):
    note = tmp_path / "pid"
    monkeypatch.setenv("ROUGH_NOTE", str(note))
    runner = os.fork()
    if runner == 0:  # a runner of its own, to be killed without a chance to clean up
        discover_isolated(task(telemetry, "wait"))
        os._exit(0)
    end = time.monotonic() + 20
    while not (note.exists() and note.read_text()) and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(runner, 9)
    os.waitpid(runner, 0)
    assert gone(int(note.read_text()))
