"""What a launcher must be able to do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from causaldisc.core.plugins import Plugin, Registry

if TYPE_CHECKING:
    from causaldisc.runner.execution import Summary
    from causaldisc.runner.sweep import Sweep


class Launcher(Plugin):
    """Runs the cells of a sweep, here or elsewhere."""

    @abstractmethod
    def launch(self, sweep: Sweep) -> Iterator[Summary]:
        """Yield what became of each cell as it finishes, in any order; failures are no exceptions.

        Closing the iterator, or an interrupt, stops what is under way.
        """


launchers: Registry[Launcher] = Registry("launcher", "causaldisc.runner.launchers", cast(Any, Launcher))
