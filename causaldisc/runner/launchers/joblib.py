"""Several cells at once on this machine, counted as joblib counts jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from causaldisc.core.errors import InputError
from causaldisc.core.parameters import parameter
from causaldisc.runner.launchers._base import Launcher

if TYPE_CHECKING:
    from causaldisc.runner.execution import Summary
    from causaldisc.runner.sweep import Sweep


@dataclass(frozen=True)
class Joblib(Launcher):
    """Runs ``n_jobs`` cells at a time; -1 = one a core, -2 = one a core but one.

    joblib's threads do no more than wait: every cell has a process of its own in any case.
    """

    n_jobs: int = parameter(-1, "cells at a time; -1 = one a core")
    name: ClassVar[str] = "joblib"
    summary: ClassVar[str] = "several cells at once on this machine"

    def __post_init__(self) -> None:
        """Refuse zero jobs."""
        if self.n_jobs == 0:
            raise InputError("joblib.n_jobs must not be 0; valid: 1, 2, … or -1 for one a core")

    def launch(self, sweep: Sweep) -> Iterator[Summary]:
        """Yield as cells finish."""
        from joblib import Parallel, delayed

        # Handed out one cell at a time: cells last milliseconds to hours, and a batch would wait for its slowest.
        options: dict[str, Any] = {"return_as": "generator_unordered", "batch_size": 1, "prefer": "threads"}
        finished: Any = Parallel(self.n_jobs, **options)(delayed(sweep.run)(index) for index in range(len(sweep.configs)))
        yield from finished
