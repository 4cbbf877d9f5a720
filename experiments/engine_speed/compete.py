"""One competitor on one workload: the child process of ``bench.py``, which tells of every run by JSON lines.

Imports and compilation are paid by a warm-up on other data. Every run then gets the data of its seed with the columns
permuted anew, so that nothing is memoised. Timed is the whole call of ``causaldisc.discover``, from the telemetry to the
checked graph, for ours and for the adapters of the libraries alike.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from judge import class_of, in_order, judge
from workloads import WORKLOADS, Workload

import causaldisc as cd

MOST_RUNS = 5
ENOUGH_SECONDS = 2.0


def main(name: str, algorithm: str, seeds: list[int], keep: Path | None, answer: TextIO) -> None:
    """Warm up, then run every seed."""
    workload = WORKLOADS[name]
    small = cd.simulate(workload.source, seed=10_007, n_variables=6, n_samples=200)
    timed(small.telemetry, algorithm, workload)
    before = None
    for seed in seeds:
        data = cd.simulate(workload.source, seed=seed, **workload.settings())
        truth: Any = data.truth
        truth_class = class_of(truth, workload.parameters.get("max_lag", 0))
        before = peak_mb() if before is None else before
        rng, spent = np.random.default_rng(seed), 0.0
        for k in range(MOST_RUNS):
            if spent > ENOUGH_SECONDS:
                break
            order = rng.permutation(workload.variables)
            say(answer, {"started": {"seed": seed, "permutation": k}})
            telemetry = data.telemetry.select(order)
            found, line = timed(telemetry, algorithm, workload)
            say(answer, {"stopped": True})
            spent += line["wall"]
            line |= {"peak_mb": peak_mb(), "grown_mb": peak_mb() - before}
            line |= judge(found.graph, truth, truth_class, data.telemetry.values if workload.algorithm == "ges" else None)
            if keep and k == 0:
                write_arrays(keep / f"{name}-{algorithm}-{seed}.npz", found.graph, truth.names)
            say(answer, {"seed": seed, "permutation": k, "status": "ok", **line})


def timed(telemetry: cd.Telemetry, algorithm: str, workload: Workload) -> tuple[cd.Discovery, dict[str, Any]]:
    """Discover, and return what was found with the CPU and wall time that it took, in seconds; one search against one."""
    plain = {"bootstrap": 0} if algorithm == workload.algorithm else {}
    cpu, wall = time.process_time(), time.perf_counter()
    found = cd.discover(telemetry, algorithm, **workload.parameters, **plain)
    return found, {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss would count what the parent held when it started this process
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def write_arrays(path: Path, graph: cd.CausalGraph, names: tuple[str, ...]) -> None:
    """Keep the codes and p-values of a graph, NaN where it gives none, for comparisons cell by cell."""
    graph = in_order(graph, names)
    codes = graph.codes()
    p_values = np.full(codes.shape, np.nan)
    for edge in graph.edges:
        if edge.p_value is not None:
            p_values[graph.index[edge.source], graph.index[edge.target], edge.lag] = edge.p_value
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, codes=codes, p_values=p_values)


def say(answer: TextIO, line: dict[str, Any]) -> None:
    """Write a line at once."""
    answer.write(json.dumps(line) + "\n")
    answer.flush()


if __name__ == "__main__":
    # What a library prints must not mix with the answer.
    real = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    workload_name, competitor, seed_list, folder = sys.argv[1:5]
    with contextlib.redirect_stdout(sys.stderr):
        main(workload_name, competitor, [int(s) for s in seed_list.split(",")], Path(folder) if folder else None, real)
