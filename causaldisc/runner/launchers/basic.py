"""One cell after another, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from causaldisc.core.outcome import Outcome
from causaldisc.runner.launchers._base import Launcher, Work


@dataclass(frozen=True)
class Basic(Launcher):
    """Runs the cells in their order."""

    name: ClassVar[str] = "basic"
    summary: ClassVar[str] = "one cell after another"

    def launch(self, work: Work, configs: Sequence[dict[str, Any]]) -> Iterator[Outcome]:
        """Yield outcomes in the order of the configurations."""
        yield from map(work, configs)
