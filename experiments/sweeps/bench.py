"""What a sweep costs beyond its algorithms: 1,000 runs of ``empty`` and ``pc`` on a small ``sem``, then their mirror.

scripts/bench sweeps                        the 1,000 runs, two at a time, and a mirror in MLflow
scripts/bench sweeps --cells 100 --jobs 2   fewer
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil


def main() -> int:
    """Run the sweep in an empty folder and print what it cost, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="causaldisc-bench-") as folder:
        sys.stdout.write(json.dumps(measure(Path(folder), args.cells, args.jobs), indent=1) + "\n")
    return 0


def measure(folder: Path, cells: int, jobs: int) -> dict[str, Any]:
    """Return seconds and memory; ``overhead_ms`` is wall-clock time a run, less what its algorithm took, shared by the jobs."""
    sem = ["source=sem", "source.n_variables=5", "source.n_samples=100"]
    sweep = ["-m", "algorithm=empty,pc", *sem, f"seed=range(0,{cells // 2})", "launcher=joblib", f"launcher.n_jobs={jobs}"]
    load, started = os.getloadavg()[0], time.perf_counter()
    process = subprocess.Popen([*_causaldisc(), "run", *sweep, "tracker=none"], cwd=folder, stdout=subprocess.DEVNULL)
    memory = _memory_over_time(process, folder, cells)
    wall = time.perf_counter() - started
    outcomes = [json.loads(path.read_text()) for path in folder.glob("outcomes/*/outcome.json")]
    if process.returncode or len(outcomes) != cells:
        raise SystemExit(f"the sweep ended with {process.returncode} and {len(outcomes)} of {cells} outcomes")
    algorithms = sum(outcome["seconds"] for outcome in outcomes)
    started = time.perf_counter()
    subprocess.run([*_causaldisc(), "tracker", "sync"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return {
        "cells": cells,
        "jobs": jobs,
        "wall_s": round(wall, 1),
        "algorithms_s": round(algorithms, 2),
        "overhead_ms": round(1000 * (wall - algorithms / jobs) / cells, 1),
        "mirror_s": round(time.perf_counter() - started, 1),
        "scheduler_mb": memory,
        "load_before": round(load, 2),
    }


def _causaldisc() -> list[str]:
    return [sys.executable, "-m", "causaldisc"]


def _memory_over_time(process: subprocess.Popen[bytes], folder: Path, cells: int) -> dict[str, float]:
    """Resident memory of the scheduler, in MB, when a tenth, a half and nearly all of its runs were done."""
    scheduler, seen = psutil.Process(process.pid), {}
    marks = [(share, max(1, int(share * cells))) for share in (0.1, 0.5, 0.95)]
    while process.poll() is None:
        done = sum(1 for _ in folder.glob("outcomes/*/outcome.json"))
        for share, mark in marks:
            if done >= mark and f"{share:.0%}" not in seen:
                seen[f"{share:.0%}"] = round(scheduler.memory_info().rss / 1e6, 1)
        time.sleep(0.2)
    return seen


if __name__ == "__main__":
    sys.exit(main())
