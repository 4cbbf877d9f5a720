"""Time our engines side by side with the reference libraries, in one run: CPU and wall time, peak memory, accuracy.

    scripts/bench --quick                        the smallest workloads, about a minute
    scripts/bench --only pc_d100,ges --seeds 5   some of them
    scripts/bench --list

Every competitor runs in a child process of its own with one thread; see compete.py. Runs are appended to ``--out`` one line
each, and those that are there already are not done again, so that an interrupted study goes on where it stopped.
``report.py`` makes the table and the figure of it.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from machine import describe
from workloads import Workload, choose

HERE = Path(__file__).parent
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
# Seconds that a reference gets when --patience does not say, and that a child may take before its first run.
PATIENCE, SET_UP = 600.0, 900.0


def main(argv: list[str] | None = None) -> int:
    """Run what is missing of the chosen workloads."""
    args = parser().parse_args(argv)
    try:
        chosen = choose(args.quick, args.only)
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if args.list:
        sys.stdout.write("".join(f"{w.name}: {w.algorithm} beside {w.reference}\n" for w in chosen))
        return 0
    append(args.out, {"machine": describe()})
    try:
        for workload in chosen:
            for algorithm in workload.competitors:
                compete(workload, algorithm, args)
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted; the runs so far are in {args.out}\n")
        return 130
    sys.stderr.write(f"now: {sys.executable} {HERE / 'report.py'} {args.out}\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--quick", action="store_true", help="the smallest workloads")
    found.add_argument("--only", default="", metavar="A,B", help="beginnings of workload names")
    found.add_argument("--list", action="store_true", help="name the workloads and stop")
    found.add_argument("--seeds", type=int, default=3, metavar="K", help="data sets a workload (default 3)")
    found.add_argument(
        "--patience",
        type=float,
        metavar="S",
        help=f"seconds after which a run is killed (default {PATIENCE:g}); given, the slowest references are tried too",
    )
    found.add_argument("--out", type=Path, default=HERE / "runs.jsonl", metavar="RUNS.jsonl", help="where runs are appended")
    found.add_argument("--again", action="store_true", help="do runs again that are there already")
    found.add_argument("--keep", type=Path, metavar="DIR", help="keep codes and p-values of the graphs found")
    return found


def compete(workload: Workload, algorithm: str, args: argparse.Namespace) -> None:
    """Run one competitor on the seeds that are missing."""
    if algorithm == workload.reference and workload.slow and args.patience is None:
        return
    patience = PATIENCE if args.patience is None else args.patience
    done = [] if args.again else list(read(args.out))
    seeds = missing(done, workload.name, algorithm, args.seeds, patience)
    if not seeds:
        sys.stderr.write(f"{workload.name} {algorithm}: nothing to do\n")
        return
    keep = str(args.keep.resolve()) if args.keep else ""
    command = [sys.executable, str(HERE / "compete.py"), workload.name, algorithm, ",".join(map(str, seeds)), keep]

    def record(line: dict[str, Any]) -> None:
        append(args.out, {"workload": workload.name, "algorithm": algorithm, **line})
        told = f"{line['cpu']:.4g} s" if line["status"] == "ok" else f"{line['status']} {line.get('error', '')}"
        sys.stderr.write(f"{workload.name} {algorithm} seed {line['seed']}: {told}\n")

    watch(command, patience, record)


def missing(done: Iterable[dict[str, Any]], workload: str, algorithm: str, seeds: int, patience: float) -> list[int]:
    """Return the seeds below ``seeds`` that have no run; none where a run has outlasted as much patience already."""
    mine = [line for line in done if (line.get("workload"), line.get("algorithm")) == (workload, algorithm)]
    if any(line["status"] == "timeout" and line["limit"] >= patience for line in mine):
        return []
    there = {line["seed"] for line in mine if line["status"] == "ok"}
    return [seed for seed in range(seeds) if seed not in there]


def watch(command: list[str], patience: float, record: Callable[[dict[str, Any]], None], set_up: float = SET_UP) -> None:
    """Start a child and record its runs; one that takes more than ``patience`` seconds is killed and recorded as a timeout.

    The child writes JSON lines: ``started`` with the run that begins, ``stopped`` when its clock has stopped, then its figures.
    """
    lines: queue.Queue[str] = queue.Queue()
    environment = {**os.environ, **ONE_THREAD, "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        threading.Thread(target=_pass_on, args=(child.stdout, lines), daemon=True).start()
        run, timing = {"seed": None}, False
        try:
            while text := lines.get(timeout=patience if timing else set_up):
                line = json.loads(text)
                if "started" in line:
                    run, timing = line["started"], True
                elif "stopped" in line:
                    timing = False  # judging, and drawing the next data set, may take a while
                else:
                    record(line)
        except BaseException as stop:
            child.kill()
            child.wait()
            if not isinstance(stop, queue.Empty):
                raise
            late = {"status": "timeout", "limit": patience} if timing else {"status": "error", "error": "no run begins"}
            record({**run, **late})
            return
        if child.wait():
            errors.seek(0)
            record({**run, "status": "error", "error": (errors.read().strip().splitlines() or ["no message"])[-1][:300]})


def _pass_on(stream: Any, lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of runs; a last line that an interruption cut off is left out."""
    if not path.is_file():
        return []
    found = []
    for text in path.read_text().splitlines():
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


def append(path: Path, line: dict[str, Any]) -> None:
    """Add a line to a file of runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        handle.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    sys.exit(main())
