"""No tracker: the store alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from causaldisc.core.outcome import Outcome
from causaldisc.core.plugins import Tracker


@dataclass(frozen=True)
class NoTracker(Tracker):
    """Mirrors nothing."""

    name: ClassVar[str] = "none"
    summary: ClassVar[str] = "no mirror; outcomes/ alone"

    def log(self, outcomes: Sequence[Outcome], sweep: str | None) -> None:
        """Do nothing."""
