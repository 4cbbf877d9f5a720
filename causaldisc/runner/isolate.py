"""Isolation: an algorithm runs in a process of its own, under limits of time and memory that hold whatever it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from causaldisc.runner.exchange import Answer, Task, read_answer, write_task

_POLL_SECONDS = 0.025
_CHILDREN_SECONDS = 0.5
_TAIL_BYTES = 8192

# One thread each, so that figures and times do not depend on how many cores happen to be idle; a fixed hash seed, so that
# no library's loop over a set of strings makes a run differ from the next.
_PINNED = {
    **dict.fromkeys(
        (
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "NUMBA_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
            "VECLIB_MAXIMUM_THREADS",
        ),
        "1",
    ),
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True)
class Limits:
    """Limits of one discovery; None = none.

    ``timeout_s`` is wall-clock time in seconds since the start of the process; ``memory_mb`` the resident memory of the
    process and its descendants together, in MB (10^6 bytes).
    """

    timeout_s: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True)
class _Ending:
    """How a process ended: its exit code, or the limit that it broke; and the peak of its memory in MB."""

    code: int | None
    status: str
    error: str
    peak_memory_mb: float


def discover_isolated(task: Task, limits: Limits = Limits()) -> Answer:
    """Run a task in a child process and return its answer, whatever becomes of the child.

    The child is given the task alone, through files in a private folder that is gone afterwards. Its stdout goes nowhere.
    Statuses: ``ok``, ``invalid_input``, ``skipped`` (a prior that the algorithm cannot obey), ``timeout``,
    ``out_of_memory``, ``crashed`` (with the signal or exit code, and the last line on stderr).
    """
    with tempfile.TemporaryDirectory(prefix="causaldisc-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_task(folder, task)
        with (folder / "stderr").open("wb") as stderr:
            process = _start(folder, stderr.fileno())
            try:
                ending = _watch(process, limits)
            finally:
                _kill(process)
        answer = read_answer(folder) if ending.code == 0 else None
        if answer is None:
            error = ending.error or _cause(ending.code, folder / "stderr")
            return Answer(ending.status, error, peak_memory_mb=ending.peak_memory_mb or None)
    peak = max(answer.peak_memory_mb or 0.0, ending.peak_memory_mb)
    if limits.memory_mb is not None and peak > limits.memory_mb:  # a peak too short to be seen from outside
        return Answer("out_of_memory", _memory_error(peak, limits.memory_mb), peak_memory_mb=peak)
    return replace(answer, peak_memory_mb=peak)


def _start(folder: Path, stderr: int) -> subprocess.Popen[bytes]:
    # -P: a file of the working directory that is named like a library's module must not shadow it.
    command = [sys.executable, "-P", "-m", "causaldisc.runner.worker", str(folder)]
    # The child finds the modules that its parent finds, plug-ins on an added path included.
    path = os.pathsep.join(str(Path(p).absolute()) for p in sys.path)
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env={**os.environ, **_PINNED, "PYTHONPATH": path},
        start_new_session=True,
    )


def _watch(process: subprocess.Popen[bytes], limits: Limits) -> _Ending:
    started = time.monotonic()
    meter = _Meter(process.pid)
    peak = 0.0
    while True:
        try:
            return _Ending(process.wait(_POLL_SECONDS), "crashed", "", peak)
        except subprocess.TimeoutExpired:
            peak = max(peak, meter.resident_mb())
        if limits.memory_mb is not None and peak > limits.memory_mb:
            return _Ending(None, "out_of_memory", _memory_error(peak, limits.memory_mb), peak)
        if limits.timeout_s is not None and time.monotonic() - started > limits.timeout_s:
            return _Ending(None, "timeout", f"no graph after timeout_s={limits.timeout_s:g}", peak)


class _Meter:
    """Resident memory of a process and its descendants; who they are is looked up now and then, since that is slow."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._tree = [self._root]
        self._looked = time.monotonic()

    def resident_mb(self) -> float:
        """Return the sum in MB (10^6 bytes); shared pages count for each process."""
        if time.monotonic() - self._looked > _CHILDREN_SECONDS:
            with suppress(psutil.Error):
                self._tree = [self._root, *self._root.children(recursive=True)]
            self._looked = time.monotonic()
        total = 0
        for process in self._tree:
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total / 1e6


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and everything that it started."""
    family = []
    with suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in family:
        with suppress(psutil.Error):
            child.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _memory_error(peak: float, limit: float) -> str:
    return f"resident memory reached {peak:.0f} MB, memory_mb={limit:g}"


def _cause(code: int | None, stderr: Path) -> str:
    last = _last_line(stderr)
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"killed by {name}{f': {last}' if last else ''}"
    # An uncaught exception of Python ends with exit code 1 and says in its last line what it was.
    if code == 1 and last:
        return last
    return f"exit code {code} without a result{f': {last}' if last else ''}"


def _last_line(path: Path) -> str:
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        lines = handle.read().decode("utf-8", "replace").splitlines()
    return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "")
