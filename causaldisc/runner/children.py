"""The other side of the template: jobs handed to it, each a child process that can be waited for, measured and ended."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from causaldisc.core.errors import CausaldiscError
from causaldisc.runner.template import PREFIX

_CHILDREN_SECONDS = 0.5
_START_SECONDS = 120.0

# One thread each, so that figures and times do not depend on how many cores happen to be idle; a fixed hash seed, so that
# no library's loop over a set of strings makes a run differ from the next.
PINNED = {
    **dict.fromkeys(
        (
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "NUMBA_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
            "VECLIB_MAXIMUM_THREADS",
            "RAYON_NUM_THREADS",
        ),
        "1",
    ),
    "PYTHONHASHSEED": "0",
}


class LostTemplateError(CausaldiscError):
    """The template died; nothing can be said of what its children were doing."""


class Child:
    """A job under way: its process number, and how to wait for its exit code or end it."""

    def __init__(self, address: str, request: dict[str, Any]) -> None:
        """Hand a request to the template at an address."""
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.connect(address)
        self._lines = self._connection.makefile("rb")
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        self._code: int | None = None
        self.pid = int(self._hear()["pid"])

    def wait(self, seconds: float | None = None) -> int | None:
        """Return the exit code, negative for a signal, or None when the child runs on after so many seconds."""
        if self._code is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection, selectors.EVENT_READ)
                if not selector.select(seconds):
                    return None
            self._code = int(self._hear()["code"])
            self._close()
        return self._code

    def kill(self) -> None:
        """End the child and everything that it started, and wait until they are gone."""
        if self._code is None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_WR)
            with suppress(LostTemplateError):
                self._code = int(self._hear()["code"])
        self._close()

    def _hear(self) -> dict[str, Any]:
        line = b"" if self._lines.closed else self._lines.readline()
        if not line:
            self._close()
            raise LostTemplateError("the process that starts the runs has died")
        return json.loads(line)

    def _close(self) -> None:
        self._lines.close()
        self._connection.close()


@dataclass
class Template:
    """A template process and its address; see :mod:`causaldisc.runner.template`.

    >>> with Template.start() as template, tempfile.TemporaryDirectory() as folder:
    ...     template.child("nothing", folder).wait()
    0
    """

    address: str
    _process: subprocess.Popen[bytes] | None = None
    _folder: tempfile.TemporaryDirectory[str] | None = None
    _branch: Child | None = None

    @classmethod
    def start(cls) -> Template:
        """Start a template; it takes as long as importing causaldisc."""
        folder = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
        address = str(Path(folder.name) / "socket")
        # The template finds the modules that we find, plug-ins on an added path included.
        path = os.pathsep.join(str(Path(p).absolute()) for p in sys.path)
        process = subprocess.Popen(
            # -P: a file of the working directory that is named like a library's module must not shadow it.
            [sys.executable, "-P", "-m", "causaldisc.runner.template", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # All that a child makes for a while lies in the template's own folder, so that it goes with the template.
            env={**os.environ, **PINNED, "PYTHONPATH": path, "TMPDIR": folder.name},
            start_new_session=True,
        )
        template = cls(address, process, folder)
        template._await(process)
        return template

    def branch(self, name: str, **request: Any) -> Template:
        """Fork another template from this one, to be loaded with more; it ends with this one, or when it is closed."""
        folder = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
        address = str(Path(folder.name) / "socket")
        child = self.child("template", folder.name, address=address, name=name, **request)
        branch = Template(address, _folder=folder, _branch=child)
        branch._await(None)
        return branch

    def child(self, job: str, folder: str | Path, cwd: str | Path | None = None, **details: Any) -> Child:
        """Start a job in a child of the template.

        Parameters
        ----------
        job : a name of ``causaldisc.runner.jobs.JOBS``.
        folder : where the job finds its input and leaves ``stdout``, ``stderr`` and its result.
        cwd : its working directory; default ``folder``.
        """
        return Child(self.address, {"job": job, "folder": str(folder), "cwd": str(cwd or folder), **details})

    def close(self) -> None:
        """End the template and all its children."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        if self._branch is not None:
            self._branch.kill()
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> Template:
        """Use it, and close it in the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _await(self, process: subprocess.Popen[bytes] | None) -> None:
        """Wait until somebody listens at the address."""
        end = time.monotonic() + _START_SECONDS
        while not _listens(self.address):
            dead = process.poll() is not None if process is not None else self._branch and self._branch.wait(0) is not None
            if dead or time.monotonic() > end:
                self.close()
                raise CausaldiscError("the process that starts the runs did not come up")
            time.sleep(0.005)


def _listens(address: str) -> bool:
    if not Path(address).exists():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        return trial.connect_ex(address) == 0


class Meter:
    """Resident memory of a process and its descendants; who they are is looked up now and then, since that is slow."""

    def __init__(self, pid: int) -> None:
        """Measure from a process number."""
        self._tree: list[psutil.Process] = []
        with suppress(psutil.Error):
            self._tree = [psutil.Process(pid)]
        self._looked = time.monotonic()

    def resident_mb(self) -> float:
        """Return the sum in MB (10^6 bytes); shared pages count for each process."""
        if self._tree and time.monotonic() - self._looked > _CHILDREN_SECONDS:
            with suppress(psutil.Error):
                self._tree = [self._tree[0], *self._tree[0].children(recursive=True)]
            self._looked = time.monotonic()
        total = 0
        for process in self._tree:
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total / 1e6
