"""Sweeps against fate, in the small; ``experiments/sweeps`` does the same in the large."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SWEEPS = Path(__file__).parents[2] / "experiments" / "sweeps"


def study(script, *arguments):
    command = [sys.executable, str(SWEEPS / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("fault", [("kill", "--cells", "24", "--kills", "3"), ("tracker", "--cells", "6")])
def test_nothing_is_lost_and_nothing_is_double(fault):
    done = study("faults.py", *fault)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "none lost, none double" in done.stdout


def test_a_disk_that_is_full_for_a_moment_costs_nothing_that_resume_does_not_bring_back():
    done = study("faults.py", "disk", "--cells", "24")
    if done.returncode == 77:
        pytest.skip("needs leave to mount a small file system (root, or user namespaces)")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "none lost, none double" in done.stdout


def test_a_hundred_runs_leave_the_scheduler_no_larger():
    done = study("bench.py", "--cells", "100")
    assert done.returncode == 0, done.stderr[-2000:]
    cost = json.loads(done.stdout)
    assert cost["cells"] == 100
    memory = list(cost["scheduler_mb"].values())
    assert len(memory) >= 2 and memory[-1] - memory[0] < 10
