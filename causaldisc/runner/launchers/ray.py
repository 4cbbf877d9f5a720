"""Tasks of a Ray cluster (Ray Core), by the same command line as jobs of any other cluster."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from causaldisc.core.errors import InputError, MissingExtraError
from causaldisc.core.parameters import parameter
from causaldisc.runner.launchers._base import Launcher

if TYPE_CHECKING:
    from causaldisc.runner.execution import Summary
    from causaldisc.runner.sweep import Sweep

_STOP_SECONDS = 10.0
_TAIL = 400


@dataclass(frozen=True)
class Ray(Launcher):
    """Deals the cells out to ``jobs`` tasks, each of which runs ``cpus_per_task`` cells at a time.

    Ray started here listens on the loopback interface only. It has no dashboard and reports nothing to anybody.
    """

    address: str = parameter("", "of a cluster: auto, or HOST:PORT of its head; empty = a Ray of its own on this machine")
    jobs: int | None = parameter(None, "tasks among which the cells are dealt out; null = as many as fit at a time", low=1)
    cpus_per_task: int = parameter(1, "cores of a task, and cells that it runs at a time", low=1)
    name: ClassVar[str] = "ray"
    summary: ClassVar[str] = "tasks of a Ray cluster"

    def launch(self, sweep: Sweep) -> Iterator[Summary]:
        """Yield as cells finish, whichever task they are in."""
        from causaldisc.runner.sweep import command, parts, stop

        with self._connected() as ray, sweep.written() as folder:
            fit = int(ray.cluster_resources().get("CPU", 1)) // self.cpus_per_task
            shared = parts(len(sweep.configs), self.jobs or max(fit, 1))
            run = ray.remote(num_cpus=self.cpus_per_task, max_retries=0)(run_command)
            tasks = [run.remote(command(folder, part, self.cpus_per_task)) for part in shared]
            try:
                yield from sweep.endings(folder, shared, lambda task: _end_of(ray, tasks[task]))
            except BaseException:  # an interrupt, or nobody wants the rest
                stop(folder)
                for task in tasks:
                    ray.cancel(task)
                raise
            finally:
                ray.wait(tasks, num_returns=len(tasks), timeout=_STOP_SECONDS)

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        quiet = {"RAY_USAGE_STATS_ENABLED": "0"}
        if not self.address:
            quiet["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # by which Ray, on any system, means: no cluster, so loopback
        with _environment(quiet):
            try:
                ray = import_module("ray")
            except ImportError as error:
                raise MissingExtraError("launcher=ray needs the package ray; valid: pip install 'causaldisc[ray]'") from error
            if ray.is_initialized():  # by whoever calls us from Python
                yield ray
                return
            try:
                _knock(self.address)
                ray.init(
                    self.address or "local",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **({} if self.address else {"include_dashboard": False}),
                )
            except (OSError, ValueError, RuntimeError) as error:
                told = " ".join(str(error).split())[:300]
                raise InputError(f"ray.address must be that of a running cluster, got {self.address!r}: {told}") from error
        try:
            yield ray
        finally:
            ray.shutdown()


def run_command(line: list[str]) -> str:
    """Run a command, on whichever node, and say why it ended: its exit code, and its last line on stderr."""
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, told = process.communicate()
    except BaseException:  # cancelled: the command is given time to end what it has begun
        process.terminate()
        process.wait(_STOP_SECONDS)
        raise
    lines = told.decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing on stderr")
    return f"exit code {process.returncode}: {last[:_TAIL]}"


def _knock(address: str) -> None:
    """Raise OSError where nobody listens; Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and "/" not in host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_STOP_SECONDS).close()


def _end_of(ray: Any, task: Any) -> str | None:
    """Why a task ended; None while it has not."""
    if not ray.wait([task], timeout=0)[0]:
        return None
    try:
        return ray.get(task)
    except Exception as error:  # noqa: BLE001 - Ray's own, of which there are many: a lost node, no memory, cancelled
        return f"{type(error).__name__}: {' '.join(str(error).split())[:_TAIL]}"


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
