"""A sweep as a launcher sees it: cells to run here by the pool, or elsewhere by a command that shares nothing but the folder."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causaldisc.core.files import plain, read_json, write_text
from causaldisc.runner.execution import Summary
from causaldisc.runner.pool import Pool
from causaldisc.runner.store import Store

CELLS = "cells.json"
# How often the folder is looked at: at once after something was found there, more and more seldom where nothing is.
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.05, 2.0
# What a job wrote last may be seen a little later than its end, on a folder that several machines share.
_GRACE_SECONDS = 3.0


@dataclass(frozen=True, eq=False)
class Sweep:
    """Cells to run.

    Attributes
    ----------
    keys, configs : their content addresses and canonical configurations.
    store, pool : where outcomes go, and what runs cells on this machine.
    picture, again : as for :func:`causaldisc.runner.execution.execute`.
    """

    keys: Sequence[str]
    configs: Sequence[Mapping[str, Any]]
    store: Store
    pool: Pool
    picture: bool = False
    again: bool = True

    def run(self, index: int) -> Summary:
        """Run one cell on this machine."""
        return self.pool.run(self.keys[index], self.configs[index])

    @contextmanager
    def written(self) -> Iterator[Path]:
        """Write the cells down beside the store, for :mod:`causaldisc.runner.batch` on whichever machine, and clear up after."""
        folder = (self.store.root / f".sweep-{uuid.uuid4().hex[:12]}").absolute()
        where = {"store": str(self.store.root.absolute()), "cwd": str(Path.cwd())}
        task = {**where, "picture": self.picture, "again": self.again, "keys": self.keys, "configs": self.configs}
        write_text(folder / CELLS, json.dumps(plain(task)))
        try:
            yield folder
        finally:
            stop(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def endings(self, folder: Path, parts: Sequence[range], ended: Callable[[int], str | None]) -> Iterator[Summary]:
        """Yield what became of each cell of a written sweep as its job writes it down; or, when the job ended first, that.

        Parameters
        ----------
        folder, parts : where the cells were written to, and the share of each job.
        ended : says of a job, by the position of its part, why it ended, and None while it has not.
        """
        missing, since = [set(part) for part in parts], [float("inf")] * len(parts)
        pause = _SHORTEST_SECONDS
        while any(missing):
            why = [ended(job) if cells else None for job, cells in enumerate(missing)]
            begun, written = _noted(folder)
            self.pool.elsewhere = len(begun - written)
            pause = min(1.5 * pause, _LONGEST_SECONDS)
            for job, cells in enumerate(missing):
                since[job] = min(since[job], time.monotonic()) if why[job] is not None else float("inf")
                lost = time.monotonic() - since[job] > _GRACE_SECONDS
                for index in sorted(cells if lost else cells & written):
                    cells.discard(index)
                    pause = _SHORTEST_SECONDS
                    yield self._ending(folder, index, why[job] or "")
            if any(missing):
                time.sleep(pause)
        self.pool.elsewhere = 0

    def _ending(self, folder: Path, index: int, error: str) -> Summary:
        path = ending(folder, index)
        if path.is_file():
            return Summary(**read_json(path))
        known = None if self.again else self.store.load(self.keys[index])
        if known is not None and known.is_ok:  # cut off between the outcome and the note of it
            return Summary.of(known)
        return self.pool.failed(self.keys[index], self.configs[index], f"its job ended before it: {error}")


def parts(count: int, jobs: int) -> list[range]:
    """Deal cells out to at most so many jobs; in turn, since neighbours mostly take alike long.

    >>> parts(5, 2)
    [range(0, 5, 2), range(1, 5, 2)]
    """
    return [range(first, count, min(jobs, count)) for first in range(min(jobs, count))]


def command(folder: Path, part: range, at_once: int = 1, python: Sequence[str] = ()) -> list[str]:
    """The command that runs a part of the cells written to a folder, some at once; ``python`` defaults to this interpreter."""
    # -P: a file of the working directory that is named like a library's module must not shadow it.
    batch = [*(python or [sys.executable]), "-P", "-m", "causaldisc.runner.batch"]
    return ["env", f"PYTHONPATH={_added_path()}", *batch, *map(str, (folder, part.start, part.stop, part.step, at_once))]


def stop(folder: Path) -> None:
    """Tell the jobs of a written sweep, wherever they run, to end."""
    (folder / CELLS).unlink(missing_ok=True)


def begun(folder: Path, index: int) -> Path:
    """The file that says that a cell is under way."""
    return folder / f"begun-{index}"


def ending(folder: Path, index: int) -> Path:
    """The file that says what became of a cell."""
    return folder / f"ending-{index}.json"


def _noted(folder: Path) -> tuple[set[int], set[int]]:
    """Cells that are noted as begun, and as ended."""
    noted: dict[str, set[int]] = {"begun": set(), "ending": set()}
    for path in folder.iterdir():
        kind, _, index = path.name.removesuffix(".json").partition("-")
        if kind in noted:
            noted[kind].add(int(index))
    return noted["begun"], noted["ending"]


def _added_path() -> str:
    """Where this process finds modules beside its own installation, plug-ins on an added path for one."""
    own = tuple(str(Path(prefix).resolve()) for prefix in (sys.prefix, sys.base_prefix))
    found = (Path(entry).absolute() for entry in sys.path)
    return os.pathsep.join(str(p) for p in found if not str(p.resolve()).startswith(own))
