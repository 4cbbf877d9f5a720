"""A part of a sweep on any machine that shares its folder: ``python -m causaldisc.runner.batch FOLDER FIRST STOP``."""

from __future__ import annotations

import sys
from pathlib import Path

from causaldisc.core.files import read_json, write_json
from causaldisc.runner.pool import Pool
from causaldisc.runner.store import Store


def main(folder: Path, first: int, stop: int) -> None:
    """Run the cells ``first <= k < stop`` of ``FOLDER/cells.json``, and write ``ending-k.json`` after each."""
    task = read_json(folder / "cells.json")
    with Pool(Store(Path(task["store"])), task["picture"], task["again"]) as pool:
        for index in range(first, stop):
            write_json(folder / f"ending-{index}.json", pool.run(task["keys"][index], task["configs"][index])._asdict())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
