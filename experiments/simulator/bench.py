"""Time the request-level simulator on one core: calls a second, simpy side by side, straight lines, a day, a large system.

scripts/bench simulator                       all of it, about ten minutes on a quiet machine
scripts/bench simulator --quick               the same in the small, about a minute
scripts/bench simulator --only speed,simpy    some of: speed, simpy, length, day, large

Every measurement is a process of its own, its kernels compiled before, and the first second of a run is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
USE, CORES = 0.7, 4  # of the queue that simpy runs too


def main() -> int:
    """Run the parts that are asked for, and print what they cost as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller and fewer runs")
    parser.add_argument("--only", default=",".join(PARTS), metavar="A,B", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=7, metavar="K", help="runs of which the median is told (default 7)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        sys.stdout.write(json.dumps(once(**json.loads(args.child))) + "\n")
        return 0
    unknown = set(args.only.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"--only must name parts among {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    rounds = min(args.rounds, 3) if args.quick else args.rounds
    child(kind="loop", system="online_boutique", calls=1e4)  # compiles the kernels where the cache has none
    found: dict[str, Any] = {"machine": machine()}
    for name in args.only.split(","):
        found[name] = PARTS[name](rounds, args.quick)
        sys.stderr.write(json.dumps({name: found[name]}) + "\n")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


# -- parts ---------------------------------------------------------------------------------------------------------------


def speed(rounds: int, quick: bool) -> dict[str, Any]:
    """Calls a second at default physics, each system at its own rate."""
    calls = 5e5 if quick else 4e6
    systems = ("online_boutique", "sock_shop", "train_ticket", "mesh12")
    return {
        system: summary([child(kind="loop", system=system, calls=calls, seed=k) for k in range(rounds)]) for system in systems
    }


def simpy(rounds: int, quick: bool) -> dict[str, Any]:
    """M/M/4 here and in simpy, in turns; nanoseconds of CPU a request."""
    ours, theirs = [], []
    for seed in range(rounds):
        ours.append(child(kind="queue", calls=5e5 if quick else 4e6, seed=seed))
        theirs.append(child(kind="simpy", calls=2e4 if quick else 1e5, seed=seed))
    us, them = (float(np.median([1e9 * run["cpu_s"] / run["calls"] for run in runs])) for runs in (ours, theirs))
    return {
        "ours_ns": round(us, 1),
        "simpy_ns": round(them),
        "ratio": round(them / us),
        "simpy": version("simpy"),
        "runs": rounds,
    }


def length(rounds: int, quick: bool) -> dict[str, Any]:
    """Seconds against calls; the slope of their logarithms is 1 when time is a straight line through the origin."""
    sizes = [float(s) for s in np.geomspace(1e5, 1e7 if quick else 1e8, 5 if quick else 7)]
    runs = [child(kind="loop", system="online_boutique", calls=size) for size in sizes for _ in range(3 if size < 5e6 else 1)]
    calls, cpu = np.array([run["calls"] for run in runs]), np.array([run["cpu_s"] for run in runs])
    slope = float(np.polyfit(np.log(calls), np.log(cpu), 1)[0])
    return {
        "slope": round(slope, 3),
        "calls": calls.tolist(),
        "cpu_s": cpu.round(4).tolist(),
        "peak_mb": [r["peak_mb"] for r in runs],
    }


def day(rounds: int, quick: bool) -> dict[str, Any]:
    """A day of the online boutique at 100 requests a second, scraped every 15 s: the loop alone, and the whole data set."""
    seconds = 3600.0 if quick else 86400.0
    return {kind: child(kind=kind, system="online_boutique", seconds=seconds, rate=100.0) for kind in ("loop", "dataset")}


def large(rounds: int, quick: bool) -> dict[str, Any]:
    """Hundreds of services: an hour of each."""
    sizes = (100, 500) if quick else (12, 100, 500, 1000)
    return {f"mesh{n}": child(kind="loop", system=f"mesh{n}", seconds=60.0 if quick else 600.0) for n in sizes}


PARTS = {"speed": speed, "simpy": simpy, "length": length, "day": day, "large": large}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over runs, and the range of calls per CPU second."""
    cpu = [run["calls"] / run["cpu_s"] for run in runs]
    wall = [run["calls"] / run["wall_s"] for run in runs]
    return {
        "calls_per_cpu_s": round(float(np.median(cpu))),
        "range": [round(min(cpu)), round(max(cpu))],
        "calls_per_wall_s": round(float(np.median(wall))),
        "peak_mb": max(run["peak_mb"] for run in runs),
        "calls": runs[0]["calls"],
        "runs": len(runs),
    }


# -- one measurement, in a process of its own ----------------------------------------------------------------------------


def child(**what: Any) -> dict[str, Any]:
    """Measure in a fresh process."""
    command = [sys.executable, str(Path(__file__)), "--child", json.dumps(what)]
    found = subprocess.run(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, check=True)
    return json.loads(found.stdout)


def once(kind: str, seed: int = 0, **what: Any) -> dict[str, Any]:
    """Measure once: calls, seconds of CPU and on the clock, peak resident memory."""
    calls, cpu, wall, more = {"loop": _loop, "queue": _queue, "simpy": _simpy, "dataset": _dataset}[kind](seed=seed, **what)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "cpu_s": round(cpu, 4),
        "wall_s": round(wall, 4),
        "peak_mb": round(peak),
        **more,
        **({"calls": int(calls)} if calls else {}),
    }


def _timed(action: Any) -> tuple[Any, float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    found = action()
    return found, time.process_time() - cpu, time.perf_counter() - wall


def _run(topology: Any, seconds: int, seed: int, **options: Any) -> tuple[Any, float, float, dict[str, Any]]:
    """Run the event loop for a time, after a second that is not counted."""
    from causaldisc.kernels import requests_world as x
    from causaldisc.sources._system.wiring import wire

    world = wire(topology, np.full(1 + seconds, topology.rate), seed, **options)
    world.run(1.0)
    before = int(world["registers"][x.ARRIVED])
    _, cpu, wall = _timed(lambda: world.run(float(1 + seconds)))
    arrived = int(world["registers"][x.ARRIVED])
    failed = round(float(world["service"][:, x.ERRORS].sum() / max(1, arrived)), 5)
    most = int(world["registers"][x.PEAK])
    return arrived - before, cpu, wall, {"failed": failed, "most_at_once": most, "services": len(topology.services)}


def _loop(
    system: str, seed: int, calls: float = 0.0, seconds: float = 0.0, rate: float | None = None
) -> tuple[Any, float, float, dict[str, Any]]:
    from dataclasses import replace

    from causaldisc.sources._system.named_systems import named
    from causaldisc.sources._system.random_mesh import draw_mesh
    from causaldisc.sources._system.traffic import service_visits

    if system.startswith("mesh"):
        topology = draw_mesh(int(system[4:]), np.random.default_rng(0))
    else:
        topology = named(system)
    if rate is not None:
        topology = replace(topology, rate=rate)
    if calls:
        seconds = calls / topology.rate / sum(service_visits(topology).values())
    return _run(topology, max(1, round(seconds)), seed)


def _queue(calls: float, seed: int) -> tuple[Any, float, float, dict[str, Any]]:
    from queues import queue

    topology = queue(CORES, USE)
    return _run(topology, round(calls / topology.rate), seed)


def _simpy(calls: float, seed: int) -> tuple[Any, float, float, dict[str, Any]]:
    from queues import run_simpy

    wait, cpu, wall = _timed(lambda: run_simpy(CORES, USE, int(calls), seed))
    return calls, cpu, wall, {"mean_wait": round(wait, 4)}


def _dataset(system: str, seconds: float, rate: float, seed: int) -> tuple[Any, float, float, dict[str, Any]]:
    """Everything that a user gets: users of a real day, telemetry, truth."""
    from causaldisc.core.plugins import sources

    options = {"step_s": 15.0, "rate": rate, "day_s": 86400.0, "trials": 0}
    sources.build(system, {"duration_s": 600.0, **options}).system(seed=1).dataset()  # so that imports are not counted
    source = sources.build(system, {"duration_s": seconds, **options})
    found, cpu, wall = _timed(lambda: source.system(seed=seed).dataset())
    rows, columns = found.telemetry.values.shape
    return 0, cpu, wall, {"rows": rows, "columns": columns}


def machine() -> dict[str, Any]:
    """What the figures come from."""
    info = Path("/proc/cpuinfo")
    models = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.is_file()
        else []
    )
    return {
        "processor": (models or [platform.machine()])[0],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "numba")},
        "load_before": round(os.getloadavg()[0], 2),
    }


if __name__ == "__main__":
    sys.exit(main())
