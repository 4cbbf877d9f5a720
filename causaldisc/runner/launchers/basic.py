"""One cell after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from causaldisc.runner.launchers._base import Launcher

if TYPE_CHECKING:
    from causaldisc.runner.execution import Summary
    from causaldisc.runner.sweep import Sweep


@dataclass(frozen=True)
class Basic(Launcher):
    """Runs the cells in their order."""

    name: ClassVar[str] = "basic"
    summary: ClassVar[str] = "one cell after another"

    def launch(self, sweep: Sweep) -> Iterator[Summary]:
        """Yield in the order of the cells."""
        yield from map(sweep.run, range(len(sweep.configs)))
