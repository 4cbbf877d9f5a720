"""Watching a simulation on stderr: a bar and a table that is drawn again on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from causaldisc.cli.common import table

if TYPE_CHECKING:
    from causaldisc.sources._system.live import Look
    from causaldisc.sources._system.run import Run

_TERMINAL_SECONDS, _LOG_SECONDS = 0.2, 10.0


class Watch:
    """Shows how far a simulation is and what its services do; ``progress`` is what a system calls while it runs.

    ``runs`` of ``seconds`` simulated seconds each are to come: the recorded one and the held-out trials.
    """

    def __init__(self, runs: int, seconds: float, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin; nothing is shown before the first call."""
        from causaldisc.sources._system.live import Watcher

        self._out, self._clock = out or sys.stderr, clock
        self._runs, self._seconds = max(runs, 1), seconds
        self._terminal = self._out.isatty()
        self._watcher, self._run, self._number = Watcher(), None, 0
        self._began = self._shown = clock()
        self._drawn, self._first, self._calls = 0, True, dict[int, int]()
        self._interrupted, self._before = False, None

    def progress(self, seconds: float, run: Run) -> None:
        """Note how far a run is, and show it if the last time was long enough ago.

        Raises
        ------
        KeyboardInterrupt : there was an interrupt. The one that its signal raised may have been lost in compiled code.
        """
        if self._interrupted:
            raise KeyboardInterrupt
        now = self._clock()
        if run is not self._run:
            self._run, self._number = run, self._number + 1
        self._calls[self._number] = self._watcher.calls(run)
        last = self._first or (self._number >= self._runs and seconds >= self._seconds)
        if not last and now - self._shown < (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS):
            return
        look = self._watcher.look(seconds, run)
        speed = look.calls / max(now - self._shown, 1e-9)
        self._shown, self._first = now, False
        self._draw([self._bar(seconds), *self._table(look)] if self._terminal else [], self._state(look, speed))

    def __enter__(self) -> Watch:
        """Use it, and remember interrupts meanwhile."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def _interrupt(self, number: int, frame: Any) -> None:
        self._interrupted = True
        signal.default_int_handler(number, frame)

    def __exit__(self, kind: Any, *_: object) -> None:
        """Take the table away; one line stays when all went well."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        self._erase()
        if kind is None:
            took = self._clock() - self._began
            self._out.write(
                f"done in {took:.1f} s{f': {sum(self._calls.values()):,} calls in {self._number} runs' if self._number else ''}\n"
            )
        self._out.flush()

    def _state(self, look: Look, speed: float) -> str:
        busiest = look.services[0]
        shown = f"run {self._number} of {self._runs}, {_clock(look.seconds)} of {_clock(self._seconds)}, {speed:,.0f} calls/s"
        shown += f"; busiest {busiest.name}: cpu {_percent(busiest.cpu)}, p95 {_number(busiest.p95_ms)} ms"
        return f"{shown}; {look.failed:,} of {look.calls:,} calls failed"

    def _bar(self, seconds: float) -> str:
        from tqdm import tqdm

        done = (self._number - 1) * self._seconds + min(max(seconds, 0.0), self._seconds)
        width = shutil.get_terminal_size().columns - 1
        total = self._runs * self._seconds
        return tqdm.format_meter(
            100 * min(done / total, 1.0), 100, self._clock() - self._began, ncols=width, prefix="simulate",
            bar_format="{l_bar}{bar}| {elapsed}<{remaining}",
        )  # fmt: skip

    def _table(self, look: Look) -> list[str]:
        room = max(shutil.get_terminal_size().lines - 6, 3)
        rows = [
            [s.name, f"{s.rate:.1f}", _percent(s.cpu), _number(s.p95_ms), _percent(s.errors, 2), s.inside, s.replicas]
            for s in look.services[:room]
        ]
        lines = table(["service", "calls/s", "cpu", "p95 ms", "errors", "inside", "replicas"], rows).splitlines()
        left = len(look.services) - room
        return [*lines, f"and {left} more"] if left > 0 else lines

    def _draw(self, lines: list[str], state: str) -> None:
        """Write over what stands there on a terminal, else write the state below."""
        width = shutil.get_terminal_size().columns - 1
        shown = [lines[0], state, *lines[1:]] if lines else [state]
        self._erase()
        self._out.write("".join(f"{line[:width] if lines else line}\n" for line in shown))
        self._drawn = len(shown) if lines else 0
        self._out.flush()

    def _erase(self) -> None:
        if self._drawn:
            self._out.write(f"\x1b[{self._drawn}A\x1b[J")
        self._drawn = 0


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}%" if share == share else "-"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == value else "-"


def _clock(seconds: float) -> str:
    """Simulated time.

    >>> _clock(75), _clock(3 * 3600 + 61), _clock(-5)
    ('1:15', '3:01:01', 'warm-up')
    """
    if seconds < 0:
        return "warm-up"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
