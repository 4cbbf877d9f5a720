"""Disturb a sweep, resume it, and compare it with one that nobody disturbed: kill -9, a full disk, a locked tracker.

python experiments/sweeps/faults.py kill --cells 200 --kills 20
python experiments/sweeps/faults.py disk --cells 40        (needs leave to mount: root, or user namespaces)
python experiments/sweeps/faults.py tracker --cells 20
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# What two runs of the same cell may differ in.
BESIDE = ("seconds", "cpu_seconds", "peak_memory_mb", "started")
_PATIENCE = 600.0


def command(cells: int, *more: str) -> list[str]:
    """The sweep: half of its cells by ``empty``, half by ``pc``."""
    sweep = [
        "-m",
        "algorithm=empty,pc",
        "source=sem",
        "source.n_variables=5",
        "source.n_samples=100",
        f"seed=range(0,{cells // 2})",
    ]
    return [sys.executable, "-m", "causaldisc", "run", *sweep, "launcher=joblib", *more]


def outcomes(folder: Path) -> dict[str, Any]:
    """All outcomes below a folder by key, without what may differ; broken or surplus files raise."""
    found = {}
    for path in (folder / "outcomes").glob("*/*"):
        if path.name != "outcome.json":
            raise AssertionError(f"left behind: {path}")
        outcome = json.loads(path.read_text())
        found[path.parent.name] = {k: v for k, v in outcome.items() if k not in BESIDE}
    return found


def run(folder: Path, cells: int, *more: str) -> int:
    """Run the sweep to its end and return its exit status."""
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.run(command(cells, *more), cwd=folder, capture_output=True, check=False, timeout=_PATIENCE).returncode


def killed(folder: Path, cells: int, kills: int, seed: int) -> int:
    """Kill the sweep so often, each time some outcomes later, then finish it; returns how many kills met it alive."""
    rng, met = random.Random(seed), 0
    folder.mkdir(parents=True)
    for left in range(kills, 0, -1):
        done = len(list(folder.glob("outcomes/*/outcome.json")))
        goal = done + rng.randint(0, max(1, 2 * (cells - done) // (left + 1)))
        process = subprocess.Popen(
            command(cells, "tracker=none", "--resume"),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        pause = rng.uniform(0.0, 0.15)
        while process.poll() is None and len(list(folder.glob("outcomes/*/outcome.json"))) < max(goal, 1):
            time.sleep(0.005)
        time.sleep(pause)
        met += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    if run(folder, cells, "tracker=none", "--resume") != 0:
        raise AssertionError("the resumed sweep failed")
    return met


def full_disk(folder: Path, cells: int) -> tuple[int, int]:
    """Fill the disk of a sweep for two seconds; returns exit status and outcomes before it was resumed.

    The folder has to be on a file system of its own, a small one.
    """
    process = subprocess.Popen(
        command(cells, "tracker=none"), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and len(list(folder.glob("outcomes/*/outcome.json"))) < cells // 4:
        time.sleep(0.005)
    filler = folder / "filler"
    until = time.monotonic() + 2.0
    with filler.open("wb", buffering=0) as handle:
        while time.monotonic() < until:
            try:
                handle.write(bytes(4096))
            except OSError:
                time.sleep(0.002)
    filler.unlink()
    status = process.wait(_PATIENCE)
    before = sum(o["status"] == "ok" for o in outcomes(folder).values())
    if run(folder, cells, "tracker=none", "--resume") != 0:
        raise AssertionError("the resumed sweep failed")
    return status, before


def locked_tracker(folder: Path, cells: int) -> int:
    """Run a sweep while somebody else holds the tracker's database, then mirror; returns the runs mirrored."""
    folder.mkdir(parents=True)
    if run(folder, 2) != 0:  # makes the database
        raise AssertionError("the first sweep failed")
    with sqlite3.connect(folder / "mlflow.db", isolation_level=None) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        if run(folder, cells) != 0:
            raise AssertionError("the sweep failed for its tracker")
        holder.execute("ROLLBACK")
    holder.close()
    subprocess.run([sys.executable, "-m", "causaldisc", "tracker", "sync"], cwd=folder, check=True, capture_output=True)
    with sqlite3.connect(folder / "mlflow.db") as reader:
        return int(reader.execute("SELECT COUNT(DISTINCT value) FROM tags WHERE key = 'causaldisc.key'").fetchone()[0])


def same(one: dict[str, Any], two: dict[str, Any], cells: int) -> None:
    """Compare a disturbed sweep with an undisturbed one."""
    if len(one) != cells or one.keys() != two.keys():
        raise AssertionError(f"{len(one)} outcomes, wanted {cells}")
    odd = [key for key in one if one[key] != two[key]]
    if odd:
        raise AssertionError(f"{len(odd)} outcomes differ, the first: {odd[0]}")


def main() -> int:
    """Disturb a sweep in one way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fault", choices=("kill", "disk", "tracker"))
    parser.add_argument("--cells", type=int, default=40)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.fault == "disk" and args.inside is None:
        return _on_a_small_disk(args)
    root = args.inside or Path(tempfile.mkdtemp(prefix="causaldisc-faults-"))
    try:
        if args.fault == "kill":
            met = killed(root / "killed", args.cells, args.kills, args.seed)
            told, folder = f"killed {met} times", root / "killed"
        elif args.fault == "disk":
            status, before = full_disk(root, args.cells)
            told, folder = f"disk full for 2 s: exit status {status}, {before} outcomes before it was resumed", root
        else:
            mirrored = locked_tracker(root / "locked", args.cells)
            told, folder = f"tracker locked: {mirrored} runs mirrored afterwards", root / "locked"
            if mirrored != args.cells:
                raise AssertionError(told)
        plain = Path(tempfile.mkdtemp(prefix="causaldisc-plain-"))
        if run(plain, args.cells, "tracker=none") != 0:
            raise AssertionError("the undisturbed sweep failed")
        same(outcomes(folder), outcomes(plain), args.cells)
        shutil.rmtree(plain)
        sys.stdout.write(f"{told}; {args.cells} outcomes, none lost, none double, equal to an undisturbed sweep\n")
    finally:
        if args.inside is None:
            shutil.rmtree(root, ignore_errors=True)
    return 0


def _on_a_small_disk(args: argparse.Namespace) -> int:
    """Do it in a name space of our own with a small file system in memory; 77 when that is not allowed."""
    folder = tempfile.mkdtemp(prefix="causaldisc-disk-")
    again = [sys.executable, __file__, "disk", "--cells", str(args.cells), "--inside", folder]
    script = 'mount -t tmpfs -o size=3m tmpfs "$0" && exec "$@"'
    unshare = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        sys.stderr.write("no leave to mount a file system here\n")
        return 77
    status = subprocess.run([*unshare, "sh", "-c", script, folder, *again], check=False).returncode
    Path(folder).rmdir()  # the mount was gone with its name space
    return status


if __name__ == "__main__":
    sys.exit(main())
