"""One line on stderr that says how far a sweep is: done, failed, running, to do, and the time that this will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

# On a terminal the line is written over; elsewhere, in a log, a new one comes now and then.
_TERMINAL_SECONDS, _LOG_SECONDS = 0.2, 60.0


class Progress:
    """Counts cells as they finish; says nothing about a single one."""

    def __init__(self, total: int, running: Callable[[], int]) -> None:
        """Begin; ``running`` tells how many cells are under way."""
        self._total, self._running = total, running
        self._done = self._failed = 0
        self._started = self._told = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def count(self, failed: bool) -> None:
        """Note the end of a cell."""
        self._done += not failed
        self._failed += failed
        pause = _TERMINAL_SECONDS if self._terminal else _LOG_SECONDS
        if self._total > 1 and time.monotonic() - self._told >= pause:
            self._told = time.monotonic()
            sys.stderr.write(f"\r\x1b[2K{self}" if self._terminal else f"{self}\n")
            sys.stderr.flush()

    def __str__(self) -> str:
        """The line."""
        finished = self._done + self._failed
        left = (time.monotonic() - self._started) / max(finished, 1) * (self._total - finished)
        rest = f"{self._total - finished - self._running()} to do, {_clock(left)} left"
        return f"{self._done} done, {self._failed} failed, {self._running()} running, {rest}"

    def __enter__(self) -> Progress:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        if self._terminal and self._total > 1:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def _clock(seconds: float) -> str:
    """Round to what one wants to know.

    >>> _clock(7.2), _clock(192), _clock(7500)
    ('7 s', '3 min', '2 h 5 min')
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
