"""What a launcher must be able to do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from causaldisc.core.outcome import Outcome
from causaldisc.core.plugins import Plugin, Registry

Work = Callable[[dict[str, Any]], Outcome]


class Launcher(Plugin):
    """Runs cells, here or elsewhere."""

    @abstractmethod
    def launch(self, work: Work, configs: Sequence[dict[str, Any]]) -> Iterator[Outcome]:
        """Yield the outcome of ``work`` on each configuration, as they finish, in any order.

        ``work`` never raises for a failed cell, stores the outcome itself, and can be sent to another process. Closing
        the iterator, or an interrupt, stops what is under way.
        """


launchers: Registry[Launcher] = Registry("launcher", "causaldisc.runner.launchers", cast(Any, Launcher))
