"""Jobs of a cluster, an array of them, by way of submitit.

What crosses to the jobs is a command line; the cells are JSON in the shared folder, and outcomes go to the store in it.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from causaldisc.core.errors import InputError, MissingExtraError
from causaldisc.core.parameters import parameter
from causaldisc.runner.launchers._base import Launcher

if TYPE_CHECKING:
    from causaldisc.runner.execution import Summary
    from causaldisc.runner.sweep import Sweep

_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Submitit(Launcher):
    """Deals the cells out to ``jobs`` jobs, each of which runs ``cpus_per_task`` cells at a time.

    Parameters that are not given are left to the cluster's defaults.
    """

    executor: str = parameter("slurm", "where jobs run: slurm, or local to try it out", choices=("slurm", "local", "auto"))
    jobs: int = parameter(16, "jobs among which the cells are dealt out", low=1)
    cpus_per_task: int = parameter(1, "cores of a job, and cells that it runs at a time", low=1)
    mem_gb: float | None = parameter(None, "memory of a job in GB", low=0)
    timeout_min: int = parameter(1440, "time limit of a job in minutes; submitit's own would be five", low=1)
    partition: str | None = parameter(None, "partition of the cluster")
    account: str | None = parameter(None, "account to charge")
    additional: str = parameter("", "further options of sbatch, such as --qos=low --gres=gpu:1")
    python: str = parameter("", "command of Python on the nodes; empty = the path of this one")
    folder: str = parameter("outcomes/.submitit", "where submitit keeps its logs, on the shared file system")
    name: ClassVar[str] = "submitit"
    summary: ClassVar[str] = "jobs of a Slurm cluster"

    def __post_init__(self) -> None:
        """Refuse what cannot be an option of sbatch."""
        for field in ("partition", "account", "additional"):
            if "\n" in (getattr(self, field) or ""):
                raise InputError(f"submitit.{field} must be one line, got {getattr(self, field)!r}")
        self._additional()

    def launch(self, sweep: Sweep) -> Iterator[Summary]:
        """Yield as cells finish, whichever job they are in."""
        from causaldisc.runner.sweep import command, parts, stop

        executor, shared = self._executor(), parts(len(sweep.configs), self.jobs)
        with sweep.written() as folder:
            lines = [command(folder, part, self.cpus_per_task, shlex.split(self.python)) for part in shared]
            jobs = self._submit(executor, lines)
            try:
                yield from sweep.endings(folder, shared, lambda job: _end_of(jobs[job]))
            except BaseException:  # an interrupt, or nobody wants the rest
                stop(folder)
                _cancel(jobs, executor.cluster)
                raise

    def _executor(self) -> Any:
        submitit = _import()
        try:
            cluster = None if self.executor == "auto" else self.executor
            executor = submitit.AutoExecutor(self.folder, cluster, **({"slurm_python": self.python} if self.python else {}))
        except RuntimeError as error:
            raise InputError(f"submitit.executor must be one that can be used here, got {self.executor}: {error}") from None
        executor.update_parameters(
            name="causaldisc",
            cpus_per_task=self.cpus_per_task,
            mem_gb=self.mem_gb,
            timeout_min=self.timeout_min,
            slurm_partition=self.partition,
            slurm_account=self.account,
            slurm_additional_parameters=self._additional() or None,
        )
        return executor

    def _additional(self) -> dict[str, str | bool]:
        """The further options, as submitit takes them."""
        found: dict[str, str | bool] = {}
        for word in self.additional.split():
            option = re.fullmatch(r"--([a-z][a-z-]*)(?:=(.+))?", word)
            if option is None:
                raise InputError(f"submitit.additional must be options of sbatch, got {word!r}; valid: --qos=low --exclusive")
            found[option[1]] = option[2] or True
        return found

    def _submit(self, executor: Any, lines: list[list[str]]) -> list[Any]:
        submitit = _import()
        try:
            with _deaf_to_interrupts():
                return executor.submit_array([submitit.helpers.CommandFunction(line, cwd=Path.cwd()) for line in lines])
        except (submitit.core.utils.FailedSubmissionError, OSError) as error:
            told = " ".join(str(error).split())[:300]
            raise InputError(f"launcher=submitit must be given what {executor.cluster} accepts, got from it: {told}") from error


def _import() -> Any:
    """Import submitit without the handlers that it gives its logger, one of which writes to stdout."""
    before = os.environ.get("SUBMITIT_LOG_LEVEL")
    os.environ["SUBMITIT_LOG_LEVEL"] = "NOCONFIG"
    try:
        import submitit
        import submitit.helpers
    except ImportError as error:
        told = "launcher=submitit needs the package submitit; valid: pip install 'causaldisc[cluster]'"
        raise MissingExtraError(told) from error
    finally:
        os.environ.pop("SUBMITIT_LOG_LEVEL")
        if before is not None:
            os.environ["SUBMITIT_LOG_LEVEL"] = before
    return submitit


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C on this terminal does not reach: it is for us to say when jobs end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_of(job: Any) -> str | None:
    """Why a job ended; None while it has not."""
    if not job.done():
        return None
    with suppress(OSError, UnicodeDecodeError):
        told = job.stderr() or ""
        died = re.findall(r"(died with [^\n]*|returned non-zero exit status \d+)", told)
        lines = [line.strip() for line in told.splitlines() if line.strip()]
        # The command's own last word stands before the traceback of whoever ran it.
        before = [line for line in told.partition("Traceback")[0].splitlines() if line.strip()]
        detail = ": ".join([*died[-1:], *before[-1:]]) or (lines[-1] if lines else "nothing on stderr")
        return f"job {job.job_id}, {job.state}: {detail[:400]}"
    return f"job {job.job_id}, {job.state}"


def _cancel(jobs: list[Any], cluster: str) -> None:
    """End jobs, and wait for those of this machine."""
    if cluster != "local":
        for job in jobs:
            with suppress(OSError):
                job.cancel(check=False)
        return
    from causaldisc.runner.template import kill_tree

    end = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < end and not all(job.done() for job in jobs):
        time.sleep(0.05)
    for job in jobs:
        if not job.done():
            kill_tree(int(job.job_id))
