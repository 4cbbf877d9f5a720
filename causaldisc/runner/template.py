"""The template: a process that has paid for its imports and forks a child for every job.

A child is as good as a new process (own memory, own session, own fate) and is there in milliseconds. The template listens
on a socket in a private folder. Whoever wants a job done connects, sends one line of JSON, and keeps the connection: the
template answers with the child's process number, later with its exit code. When the connection ends first, so does the child.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

# What the kernel is told to end first when memory runs out.
_FIRST_TO_GO = 1000
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
# How the folders begin that are made for one job, and may be cleared away when all else is dead.
PREFIX = "causaldisc-"


def serve(address: str, lifeline: socket.socket | int | None = None) -> None:
    """Fork children until the lifeline ends; returns in no other way.

    Parameters
    ----------
    address : path of the socket to listen on.
    lifeline : a socket or file descriptor whose end of file ends the template and all its children; None = none.
    """
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(address)
    server.listen(128)
    _Template(server, lifeline).run()


class _Template:
    """The loop: requests in, children out, exit codes back."""

    def __init__(self, server: socket.socket, lifeline: socket.socket | int | None) -> None:
        self._server, self._lifeline = server, lifeline
        self._children: dict[int, socket.socket] = {}
        self._folders: dict[int, str] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(server, selectors.EVENT_READ)
        if lifeline is not None:
            self._selector.register(lifeline, selectors.EVENT_READ)
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for whoever holds the connections
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def run(self) -> None:
        gc.freeze()  # so that a child's collector does not touch, and so copy, what it shares with us
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._server:
                    self._accept()
                elif key.fileobj == self._woken:
                    os.read(self._woken, 4096)
                    self._reap()
                elif self._lifeline is not None and key.fileobj == self._lifeline:
                    self._end()
                else:
                    self._hear(key.data)

    def _accept(self) -> None:
        connection, _ = self._server.accept()
        with connection.makefile("rb") as lines:
            line = lines.readline(2**20)
        if not line.endswith(b"\n"):
            connection.close()
            return
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            self._become_child(connection, request)
        self._children[pid], self._folders[pid] = connection, request["folder"]
        self._selector.register(connection, selectors.EVENT_READ, pid)
        _send(connection, {"pid": pid})

    def _hear(self, pid: int) -> None:
        """Nobody talks to us after a request, so there is something to read only at the end of a connection."""
        connection = self._children.get(pid)
        if connection is not None:  # None: it came to its end at this very moment
            self._selector.unregister(connection)
            kill_tree(pid)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection = self._children.pop(pid, None)
            self._folders.pop(pid, None)
            if connection is None:
                continue
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # what the child left running
            with suppress(KeyError):
                self._selector.unregister(connection)
            _send(connection, {"code": os.waitstatus_to_exitcode(status)})
            connection.close()

    def _end(self) -> None:
        # Later children first: one that waits for another must not live to see it die and call that a result.
        for pid in reversed(self._children):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            kill_tree(pid)
        # Whoever was to clear up may have died without a chance to.
        for folder in {*self._folders.values(), str(Path(self._server.getsockname()).parent)}:
            if Path(folder).name.startswith(PREFIX):
                shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)

    def _become_child(self, connection: socket.socket, request: dict[str, Any]) -> None:
        """Leave everything of the template behind, do the job, and never come back."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for held in (self._server, self._selector, connection, *self._children.values()):
                held.close()
            for descriptor in (self._woken, self._wake):
                os.close(descriptor)
            _settle(request)
            from causaldisc.runner.jobs import JOBS

            sys.argv[1:] = []
            code = JOBS[request["job"]](request)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001 - the process ends here, whatever it was
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            # What libraries do at exit can only cost time or crash; the answer is on disk.
            os._exit(code)


def _settle(request: dict[str, Any]) -> None:
    """Give the child a session, a folder, its own outputs, and no second life after its template."""
    os.setsid()
    with suppress(Exception):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_FIRST_TO_GO))
    with suppress(Exception):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(request["cwd"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        target = os.open(Path(request["folder"]) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(target, descriptor)
        os.close(target)


def kill_tree(pid: int) -> None:
    """End a child of ours and everything that it started."""
    family: list[psutil.Process] = []
    with suppress(psutil.Error):
        family = psutil.Process(pid).children(recursive=True)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
    for member in family:
        with suppress(psutil.Error):
            member.kill()


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    with suppress(OSError):
        connection.sendall(json.dumps(message).encode() + b"\n")


def main(address: str) -> None:
    """Load what every job needs, say so, and serve until stdin ends."""
    from causaldisc.runner import jobs

    jobs.load()
    serve(address, 0)


if __name__ == "__main__":
    main(sys.argv[1])
