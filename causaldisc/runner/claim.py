"""Claims: who runs a cell at this moment, so that nobody else does; a claim whose holder is gone counts for nothing."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

_BEAT_SECONDS = 20.0
# A holder on another machine can only be heard of by the age of its file, on a clock that may not be ours.
_SILENCE_SECONDS = 180.0
NAME = "running.json"
# A claim is drafted in no time; what is older was left by somebody who was killed over it.
_DRAFT_SECONDS = 2.0


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Claim a folder for as long as the context lasts; gives False where somebody else holds it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name, claimed(Path(name)) as mine, claimed(Path(name)) as other:
    ...     mine, other
    (True, False)
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    if not _take(path):
        yield False
        return
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, done), daemon=True)
    beat.start()
    try:
        yield True
    finally:
        done.set()
        beat.join()
        path.unlink(missing_ok=True)


def is_held(folder: Path) -> bool:
    """Whether somebody who is still there holds a claim on a folder."""
    path = folder / NAME
    try:
        holder, age = json.loads(path.read_text(encoding="utf-8")), time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return _age(path) < _SILENCE_SECONDS  # half written: give its holder time
    return _lives(holder, age)


def tidy(folder: Path) -> None:
    """Clear away the claim of somebody who is gone, and what was to become one."""
    path = folder / NAME
    for draft in folder.glob(f".{NAME}.*"):
        if _age(draft) > _DRAFT_SECONDS:
            draft.unlink(missing_ok=True)
    if path.exists() and not is_held(folder):
        # Renamed first, so that of two who find it stale one alone clears it away.
        stale = _beside(path)
        with suppress(OSError):
            path.rename(stale)
            stale.unlink()


def _take(path: Path) -> bool:
    tidy(path.parent)
    draft = _beside(path)
    try:
        draft.write_text(json.dumps(_ourselves()), encoding="utf-8")
        os.link(draft, path)  # whole or not at all, and only where there is none: a killed writer leaves no half of a claim
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def _beside(path: Path) -> Path:
    return path.with_name(f".{NAME}.{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}")


def _ourselves() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": psutil.Process().create_time()}


def _lives(holder: Any, age: float) -> bool:
    if not isinstance(holder, dict) or holder.get("host") != socket.gethostname():
        return age < _SILENCE_SECONDS
    try:
        process = psutil.Process(int(holder["pid"]))
        return abs(process.create_time() - holder["since"]) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _beat(path: Path, done: threading.Event) -> None:
    while not done.wait(_BEAT_SECONDS):
        with suppress(OSError):
            os.utime(path)
