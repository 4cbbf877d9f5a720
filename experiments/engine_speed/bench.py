"""Time our engines side by side with the reference libraries, in one run: medians of CPU and wall time, peak memory, accuracy.

Each competitor runs in a child process of its own with one thread. A warm-up on other data pays imports and compilation; then
every repeat gets the same data with its columns permuted anew, so that nothing is memoised. What is timed is the whole call of
``causaldisc.discover``, from the telemetry to the checked graph, for ours and for the adapters of the libraries alike.

    scripts/bench --quick                 the smallest workloads, minutes
    scripts/bench --only pc_d100,ges_d50  some of them
    scripts/bench --list
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}

# name: source, its parameters, ours, the reference, parameters of both, and whether --quick runs it
WORKLOADS: dict[str, tuple[str, dict[str, Any], str, str, dict[str, Any], bool]] = {
    "pc_d20_n1000": ("sem", {"n_variables": 20, "n_samples": 1000}, "pc", "causallearn_pc", {}, True),
    "pc_d50_n1000": ("sem", {"n_variables": 50, "n_samples": 1000}, "pc", "causallearn_pc", {}, True),
    "pc_d100_n1000": ("sem", {"n_variables": 100, "n_samples": 1000}, "pc", "causallearn_pc", {}, False),
    "pc_d200_n2000": ("sem", {"n_variables": 200, "n_samples": 2000}, "pc", "causallearn_pc", {}, False),
    "ges_d20_n1000": ("sem", {"n_variables": 20, "n_samples": 1000}, "ges", "causallearn_ges", {}, True),
    "ges_d50_n1000": ("sem", {"n_variables": 50, "n_samples": 1000}, "ges", "causallearn_ges", {}, False),
    "pcmci_n10_t500": ("var", {"n_variables": 10, "n_samples": 500}, "pcmci", "tigramite_pcmci", {"max_lag": 3}, True),
    "pcmci_n50_t1000": ("var", {"n_variables": 50, "n_samples": 1000}, "pcmci", "tigramite_pcmci", {"max_lag": 3}, False),
    "pcmci_plus_n10_t500": (
        "var",
        {"n_variables": 10, "n_samples": 500},
        "pcmci_plus",
        "tigramite_pcmci_plus",
        {"max_lag": 3},
        True,
    ),
    "pcmci_plus_n50_t1000": (
        "var",
        {"n_variables": 50, "n_samples": 1000},
        "pcmci_plus",
        "tigramite_pcmci_plus",
        {"max_lag": 3},
        False,
    ),
}


def main() -> int:
    """Run the chosen workloads and print one line a competitor and one ratio a workload."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the smallest workloads")
    parser.add_argument("--only", default="", help="comma-separated beginnings of workload names")
    parser.add_argument("--list", action="store_true", help="name the workloads and stop")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of ours (the reference: as many, within --patience)")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds after which the reference is not repeated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="append the results as JSON lines")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(*args.child)
    names = [n for n, w in WORKLOADS.items() if (w[5] or not args.quick) and n.startswith(tuple(args.only.split(",")))]
    if args.list:
        sys.stdout.write("\n".join(names) + "\n")
        return 0
    sys.stdout.write(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n"
    )
    for name in names:
        compare(name, args)
    return 0


def compare(name: str, args: argparse.Namespace) -> None:
    """Run ours and the reference on one workload and print both with their ratio."""
    _, _, ours, reference, _, _ = WORKLOADS[name]
    results = {}
    for algorithm in (ours, reference):
        result = run(name, algorithm, args)
        results[algorithm] = result
        line = {"workload": name, "algorithm": algorithm, **result}
        if args.out:
            with args.out.open("a") as handle:
                handle.write(json.dumps(line) + "\n")
        sys.stdout.write("  ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in line.items()) + "\n")
        sys.stdout.flush()
    if all("cpu" in r for r in results.values()):
        ratio = {key: results[reference][key] / results[ours][key] for key in ("cpu", "wall")}
        sys.stdout.write(f"{name}: {reference} / {ours} = {ratio['cpu']:.0f} x CPU, {ratio['wall']:.0f} x wall\n")


def run(name: str, algorithm: str, args: argparse.Namespace) -> dict[str, Any]:
    """Run one competitor in a child process."""
    command = [sys.executable, __file__, "--child", name, algorithm, str(args.seed), str(args.repeats), str(args.patience)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ONE_THREAD}, check=False)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def child(name: str, algorithm: str, seed: str, repeats: str, patience: str) -> int:
    """Time one competitor; prints one JSON line."""
    import numpy as np

    import causaldisc as cd

    source, size, _, _, parameters, _ = WORKLOADS[name]
    small = cd.simulate(source, seed=9, n_variables=5, n_samples=200)
    cd.discover(small.telemetry, algorithm, **parameters)
    data = cd.simulate(source, seed=int(seed), **size)
    rng = np.random.default_rng(int(seed))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall, scores = [], [], []
    for _ in range(int(repeats)):
        telemetry = data.telemetry.select(rng.permutation(data.telemetry.shape[1]))
        c, w = time.process_time(), time.perf_counter()
        found = cd.discover(telemetry, algorithm, **parameters)
        wall.append(time.perf_counter() - w)
        cpu.append(time.process_time() - c)
        scores.append(cd.score(found, data.truth))
        if sum(wall) > float(patience):
            break
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {
        "cpu": statistics.median(cpu),
        "wall": statistics.median(wall),
        "runs": len(wall),
        "peak_mb": after / 1024,
        "grown_mb": (after - before) / 1024,
    }
    result |= {key: float(np.mean([s[key] for s in scores])) for key in ("skeleton_f1", "directed_f1", "shd")}
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
