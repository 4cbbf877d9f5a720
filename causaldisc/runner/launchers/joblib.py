"""Several cells at once on this machine, by joblib's worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from causaldisc.core.errors import CausaldiscError, InputError
from causaldisc.core.outcome import Outcome
from causaldisc.core.parameters import parameter
from causaldisc.runner.launchers._base import Launcher, Work


@dataclass(frozen=True)
class Joblib(Launcher):
    """Runs ``n_jobs`` cells at a time; -1 = one a core, -2 = one a core but one."""

    n_jobs: int = parameter(-1, "cells at a time; -1 = one a core")
    name: ClassVar[str] = "joblib"
    summary: ClassVar[str] = "several cells at once on this machine"

    def __post_init__(self) -> None:
        """Refuse zero jobs."""
        if self.n_jobs == 0:
            raise InputError("joblib.n_jobs must not be 0; valid: 1, 2, … or -1 for one a core")

    def launch(self, work: Work, configs: Sequence[dict[str, Any]]) -> Iterator[Outcome]:
        """Yield outcomes as they finish."""
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        # Work is sent one cell at a time: cells last seconds to hours, and a batch would wait for its slowest.
        options: dict[str, Any] = {"return_as": "generator_unordered", "batch_size": 1, "pre_dispatch": "n_jobs"}
        finished: Any = Parallel(self.n_jobs, **options)(delayed(work)(config) for config in configs)
        try:
            yield from finished
        except TerminatedWorkerError as error:
            raise CausaldiscError(
                "a worker process died with cells under way; what finished is kept, and --resume runs the rest"
            ) from error
