"""Isolation: an algorithm runs in a process of its own, under limits of time and memory that hold whatever it does."""

from __future__ import annotations

import signal
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from causaldisc.runner.children import Child, Meter, Template
from causaldisc.runner.exchange import Answer, Task, read_answer, write_task
from causaldisc.runner.template import PREFIX

_POLL_SECONDS = 0.025
_TAIL_BYTES = 8192
# Share of the machine's memory that an unlimited run may take before it is ended, lest the machine choose whom to end.
_MOST_OF_MEMORY = 0.9


@dataclass(frozen=True)
class Limits:
    """Limits of one discovery; None = none.

    ``timeout_s`` is wall-clock time in seconds since the start of the process; ``memory_mb`` the resident memory of the
    process and its descendants together, in MB (10^6 bytes); without it nine tenths of the machine's.
    """

    timeout_s: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True)
class Ending:
    """How a process ended: its exit code, or the limit that it broke; and the peak of its memory in MB."""

    code: int | None
    status: str
    error: str
    peak_memory_mb: float


def discover_isolated(task: Task, limits: Limits = Limits(), template: Template | None = None) -> Answer:
    """Run a task in a child process and return its answer, whatever becomes of the child.

    The child is given the task alone, through files in a private folder that is gone afterwards, and works in an empty one.
    Statuses: ``ok``, ``invalid_input``, ``skipped`` (a prior that the algorithm cannot obey), ``timeout``,
    ``out_of_memory``, ``crashed`` (with the signal or exit code, and the last line on stderr; also for anything on stdout,
    which algorithms leave to whoever runs them).

    Parameters
    ----------
    template : what the child is forked from; None = one of its own, which costs the time of importing causaldisc.
    """
    if template is None:
        with Template.start() as own:
            return discover_isolated(task, limits, own)
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder, empty = Path(name), Path(name) / "cwd"
        empty.mkdir()
        write_task(folder, task)
        child = template.child("discovery", folder, cwd=empty)
        try:
            ending = watch(child, limits)
        finally:
            child.kill()
        answer = read_answer(folder) if ending.code == 0 else None
        if answer is None:
            error = ending.error or cause(ending.code, folder / "stderr")
            return Answer(ending.status, error, peak_memory_mb=ending.peak_memory_mb or None)
        said = _last_line(folder / "stdout")
    peak = max(answer.peak_memory_mb or 0.0, ending.peak_memory_mb)
    if limits.memory_mb is not None and peak > limits.memory_mb:  # a peak too short to be seen from outside
        return Answer("out_of_memory", _memory_error(peak, limits), peak_memory_mb=peak)
    if said:
        return Answer("crashed", f"wrote to stdout, which an algorithm must not: {said[:200]}", peak_memory_mb=peak)
    return replace(answer, peak_memory_mb=peak)


def watch(child: Child, limits: Limits = Limits()) -> Ending:
    """Wait for the end of a child, or for the limit that it breaks."""
    started, meter, peak = time.monotonic(), Meter(child.pid), 0.0
    while True:
        code = child.wait(_POLL_SECONDS)
        if code is not None:
            return Ending(code, "crashed", "", peak)
        peak = max(peak, meter.resident_mb())
        if peak > _most(limits):
            return Ending(None, "out_of_memory", _memory_error(peak, limits), peak)
        if limits.timeout_s is not None and time.monotonic() - started > limits.timeout_s:
            return Ending(None, "timeout", f"no graph after timeout_s={limits.timeout_s:g}", peak)


def _most(limits: Limits) -> float:
    return limits.memory_mb if limits.memory_mb is not None else _MOST_OF_MEMORY * psutil.virtual_memory().total / 1e6


def _memory_error(peak: float, limits: Limits) -> str:
    limit = "nine tenths of the machine's" if limits.memory_mb is None else f"memory_mb={limits.memory_mb:g}"
    return f"resident memory reached {peak:.0f} MB, limit {limit}"


def cause(code: int | None, stderr: Path) -> str:
    """Say in one line why a process ended without a result."""
    last = _last_line(stderr)
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"killed by {name}{f': {last}' if last else ''}"
    # An uncaught exception of Python ends with exit code 1 and says in its last line what it was.
    if code == 1 and last:
        return last
    return f"exit code {code} without a result{f': {last}' if last else ''}"


def _last_line(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        lines = handle.read().decode("utf-8", "replace").splitlines()
    return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "")
