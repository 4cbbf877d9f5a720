"""`causaldisc simulate --watch`, `--pictures` and signals, as a user types them."""

import contextlib
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from causaldisc.cli.main import main
from causaldisc.cli.watch import Watch

SMALL = ("--set", "n_services=4", "--set", "duration_s=900", "--set", "trials=2")
COMMAND = (sys.executable, "-m", "causaldisc", "simulate")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_watch_tells_state_and_end_on_stderr_only(folder, capsys):
    assert main(["simulate", "mesh", *SMALL, "--watch", "--json", "-o", "d"]) == 0
    done = capsys.readouterr()
    assert json.loads(done.out)["rows"] == 60
    lines = done.err.splitlines()
    assert "\x1b" not in done.err and "\r" not in done.err
    state = r"run \d of 3, [\w:-]+ of 15:00, [\d,]+ calls/s; busiest \S+: cpu \d+%, p95 \d+ ms; [\d,]+ of [\d,]+ calls failed"
    assert len(lines) >= 3 and all(re.fullmatch(state, line) for line in lines[:-1])
    assert lines[0].startswith("run 1 of 3") and lines[-2].startswith("run 3 of 3, 15:00 of 15:00")
    calls = int(re.fullmatch(r"done in [\d.]+ s: ([\d,]+) calls in 3 runs", lines[-1])[1].replace(",", ""))
    assert calls > json.loads((folder / "d" / "manifest.json").read_text())["notes"]["calls"] > 1000


def test_watching_changes_nothing(folder, capsys):
    assert main(["simulate", "mesh", *SMALL, "-o", "plain"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["simulate", "mesh", *SMALL, "--watch", "-o", "seen"]) == 0
    plain, seen = (json.loads((folder / d / "manifest.json").read_text())["sha256"] for d in ("plain", "seen"))
    assert plain == seen


def test_a_source_without_progress_is_watched_all_the_same(folder, capsys):
    assert main(["simulate", "sem", "--set", "n_samples=100", "--watch", "-o", "d"]) == 0
    assert re.fullmatch(r"done in [\d.]+ s\n", capsys.readouterr().err)


def test_a_terminal_gets_a_table_that_is_drawn_again(folder):
    words = (*COMMAND, "mesh", *SMALL, "--set", "duration_s=7200", "--watch", "-o", "d")
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "LINES": "40", "TERM": "xterm"}
    process = subprocess.Popen(words, stdin=follower, stdout=subprocess.PIPE, stderr=follower, env=environment)
    os.close(follower)
    shown = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([leader], [], [], 0.2)[0]:
            try:
                shown += os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
        elif process.poll() is not None:
            break
    os.close(leader)
    assert process.wait(30) == 0
    assert process.stdout is not None
    process.stdout.close()
    blocks = [block.decode().replace("\r", "") for block in re.split(rb"\x1b\[\d+A\x1b\[J", shown)]
    assert len(blocks) >= 2 and re.fullmatch(r"done in .* calls in 3 runs\n", blocks[-1])
    bar, state, head, *services = blocks[0].splitlines()
    assert bar.startswith("simulate:") and "%|" in bar and state.startswith("run 1 of 3")
    assert head.split() == ["service", "calls/s", "cpu", "p95", "ms", "errors", "inside", "replicas"]
    loads = [int(line.split()[2].removesuffix("%")) for line in services]
    assert len(loads) == 4 and loads == sorted(loads, reverse=True)
    assert all(len(line) < 100 for block in blocks[:-1] for line in block.splitlines())


def test_an_interrupt_leaves_nothing_behind(folder):
    words = (*COMMAND, "online_boutique", "--set", "duration_s=864000", "--watch", "-o", "d")
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None and process.stdout is not None
    assert process.stderr.readline().startswith(b"run 1 of 5")  # it runs
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == b""
    assert err.decode().splitlines()[-1] == "error: interrupted" and b"Traceback" not in err
    assert list(folder.iterdir()) == []


def test_pictures_and_signals_are_in_the_folder(folder, capsys):
    wanted = ("--set", "signals=[traces,openmetrics,events,logs]", "--pictures", "--json")
    assert main(["simulate", "mesh", *SMALL, *wanted, "-o", "d"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["pictures"] == ["topology.png", "trial_000.png", "trial_001.png"]
    assert facts["signals"] == ["events.json", "logs.jsonl", "metrics.openmetrics", "traces.json"]
    listed = json.loads((folder / "d" / "manifest.json").read_text())["sha256"]
    for name in (*(f"pictures/{p}" for p in facts["pictures"]), *(f"signals/{s}" for s in facts["signals"])):
        assert (folder / "d" / name).stat().st_size > 0 and name in listed
    assert (folder / "d" / "pictures" / "topology.png").read_bytes().startswith(b"\x89PNG")
    assert main(["simulate", "mesh", *SMALL, "-o", "d"]) == 0  # replaced as a whole
    assert not (folder / "d" / "pictures").exists() and not (folder / "d" / "signals").exists()


def test_a_source_without_calls_has_no_pictures(folder, capsys):
    assert main(["simulate", "sem", "--set", "n_samples=100", "--pictures", "--json", "-o", "d"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == []


def test_an_unknown_signal_is_one_line(folder, capsys):
    assert main(["simulate", "mesh", "--set", "signals=[trace]", "--watch", "-o", "d"]) == 2
    done = capsys.readouterr()
    assert done.out == "" and list(folder.iterdir()) == []
    assert done.err == "error: mesh.signals must be known forms, got 'trace'; did you mean traces? " + (
        "valid: events, logs, openmetrics, traces\n"
    )


def test_an_interrupt_that_was_lost_is_raised_again():
    """Compiled code may swallow what a signal raises: the next look at the clock ends the run all the same."""
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Watch(1, 60.0, io.StringIO()) as watch:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        watch.progress(1.0, None)
    assert signal.getsignal(signal.SIGINT) is before
