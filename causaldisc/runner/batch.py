"""A part of a sweep on any machine that shares its folder: ``python -m causaldisc.runner.batch FOLDER FIRST STOP STEP AT_ONCE``.

It ends early when the sweep does (its ``cells.json`` is gone), when the process that started it does, and on a signal, by
which schedulers announce the end of a job. Then it ends its cells too, and leaves no claim on them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

from causaldisc.core.files import read_json, write_json
from causaldisc.runner.pool import Pool
from causaldisc.runner.store import Store, key_of
from causaldisc.runner.sweep import CELLS, begun, ending

_LOOK_SECONDS, _DEATH_SECONDS = 0.5, 2.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


def main(folder: Path, part: range, at_once: int = 1) -> None:
    """Run cells of ``FOLDER/cells.json``, some at once, and write ``ending-k.json`` after each.

    Cells that have such a file already are left out: a scheduler may start a job again.
    """
    with suppress(Exception):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
    for number in _SIGNALS:
        signal.signal(number, _stop)
    if not (folder / CELLS).is_file():
        return
    task = read_json(folder / CELLS)
    os.chdir(task["cwd"])
    store = Store(Path(task["store"]))
    todo = [index for index in part if not ending(folder, index).is_file()]
    under_way: set[int] = set()
    threads = ThreadPoolExecutor(at_once)
    try:
        with Pool(store, task["picture"], task["again"]) as pool:
            running = {threads.submit(_run, pool, folder, index, task, under_way) for index in todo}
            while running and (folder / CELLS).is_file():
                done, running = wait(running, _LOOK_SECONDS, FIRST_EXCEPTION)
                for one in done:
                    one.result()
    finally:
        threads.shutdown(cancel_futures=True)
        for index in under_way:
            _release(store, task["keys"][index])


def _run(pool: Pool, folder: Path, index: int, task: Mapping[str, Any], under_way: set[int]) -> None:
    key, config = task["keys"][index], task["configs"][index]
    if not (folder / CELLS).is_file():
        return
    under_way.add(index)
    begun(folder, index).touch()
    if key_of(config) == key:
        summary = pool.run(key, config)
    else:
        where = f"{socket.gethostname()} ({sys.executable})"
        summary = pool.failed(key, config, f"the code of causaldisc, or of a plug-in, on {where} is not that of the sweep")
    if (folder / CELLS).is_file():
        write_json(ending(folder, index), summary._asdict())
    under_way.discard(index)


def _release(store: Store, key: str) -> None:
    """Clear away the claim of a cell that was ended; other machines would hold it to be alive for minutes."""
    end = time.monotonic() + _DEATH_SECONDS
    while store.is_running(key) and time.monotonic() < end:  # killed, but not gone yet
        time.sleep(0.05)
    store.tidy(key)


def _stop(number: int, frame: Any) -> None:
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(f"stopped by {signal.Signals(number).name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), range(*map(int, sys.argv[2:5])), int(sys.argv[5]))
