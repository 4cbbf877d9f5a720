"""A sweep as a launcher sees it: cells to run here by the pool, or elsewhere by a command that shares nothing but the folder."""

from __future__ import annotations

import json
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causaldisc.core.files import plain
from causaldisc.runner.execution import Summary
from causaldisc.runner.pool import Pool
from causaldisc.runner.store import Store


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
        folder.mkdir(parents=True)
        task = {"store": str(self.store.root.absolute()), "picture": self.picture, "again": self.again, "keys": self.keys}
        cells = {**task, "configs": self.configs}
        (folder / "cells.json").write_text(json.dumps(plain(cells)), encoding="utf-8")
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def command(folder: Path, part: range) -> list[str]:
        """The command that runs a part of the cells written to a folder."""
        return [sys.executable, "-m", "causaldisc.runner.batch", str(folder), str(part.start), str(part.stop)]

    def ending(self, folder: Path, index: int, error: str) -> Summary:
        """What became of a cell that such a command was to run; with ``error`` where it left nothing behind."""
        path = folder / f"ending-{index}.json"
        if path.is_file():
            return Summary(**json.loads(path.read_text(encoding="utf-8")))
        return self.pool.failed(self.keys[index], self.configs[index], error)


def parts(count: int, size: int) -> list[range]:
    """Cut cells into parts of a size.

    >>> parts(5, 2)
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    return [range(first, min(first + size, count)) for first in range(0, count, size)]
