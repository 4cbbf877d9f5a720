"""The process of an algorithm: it reads a task in a folder and writes the answer there."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from causaldisc.core.errors import InputError, PriorUnsupportedError
from causaldisc.core.plugins import algorithms
from causaldisc.runner.exchange import Answer, Task, read_task, write_answer
from causaldisc.runner.pipeline import discover


def answer(task: Task) -> Answer:
    """Run a task; what the user can mend becomes an answer, anything else is left to end the process with a traceback."""
    before = _cpu_seconds()
    try:
        # As an object, since to a preset its parameters at their defaults are not given.
        plugin = algorithms.build(task.algorithm, task.parameters)
        found = discover(task.telemetry, plugin, prior=task.prior, seed=task.seed, preset=task.preset)
    except PriorUnsupportedError as error:
        return Answer("skipped", str(error))
    except InputError as error:
        return Answer("invalid_input", str(error))
    except MemoryError as error:
        return Answer("out_of_memory", f"the algorithm could not allocate: {error}")
    return Answer("ok", "", found, _cpu_seconds() - before, _peak_memory_mb())


def main(folder: Path) -> None:
    """Answer the task in a folder."""
    write_answer(folder, answer(read_task(folder)))


def _cpu_seconds() -> float:
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def _peak_memory_mb() -> float:
    """Peak resident memory of this process in MB (10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not ru_maxrss: on Linux it survives exec, so that it begins with the size of the process that started this one.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
