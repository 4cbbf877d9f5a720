"""The pool: templates that stay warm for a sweep, and every cell of it in a process of its own."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from causaldisc.core.errors import CausaldiscError, InputError
from causaldisc.core.files import plain
from causaldisc.core.outcome import Outcome
from causaldisc.runner.children import Child, LostTemplateError, Template
from causaldisc.runner.execution import Summary
from causaldisc.runner.isolate import cause, watch
from causaldisc.runner.pipeline import versions
from causaldisc.runner.provenance import git_commit
from causaldisc.runner.store import Store, content_of
from causaldisc.runner.template import PREFIX

logger = logging.getLogger(__name__)


class Pool:
    """Runs cells for a store; may be used by several threads, and by none after it is closed.

    One template serves all cells, and each algorithm has a branch of it, loaded with what that algorithm imports.
    """

    def __init__(self, store: Store, picture: bool = False, again: bool = True) -> None:
        """Remember; the templates start when they are first needed."""
        self._store, self._picture, self._again = store, picture, again
        self._lock = threading.Lock()
        self._trunk: Template | None = None
        self._branches: dict[str, Template] = {}
        self._under_way: set[Child] = set()
        self._closed = False
        self.elsewhere = 0  # cells under way on other machines, as far as a launcher knows

    def run(self, key: str, config: Mapping[str, Any]) -> Summary:
        """Run one cell, of a content address, in a child and say what became of it.

        The child stores the outcome, or the pool does when the child died.
        """
        with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            try:
                return self._run(key, config, folder)
            except LostTemplateError as error:
                self._refuse_when_closed()
                self._uproot()
                return self.failed(key, config, str(error))
            except (InputError, OSError) as error:  # no room for the child's files, say
                self._refuse_when_closed()
                return self.failed(key, config, f"could not be run: {error}")

    def _run(self, key: str, config: Mapping[str, Any], folder: Path) -> Summary:
        where = {"store": str(self._store.root), "picture": self._picture, "again": self._again}
        task = {"key": key, "commit": git_commit(), "config": config, **where}
        (folder / "cell.json").write_text(json.dumps(plain(task)), encoding="utf-8")
        child = self._start(config, folder)
        try:
            ending = watch(child)
        finally:
            child.kill()
            with self._lock:
                self._under_way.discard(child)
        self._refuse_when_closed()
        try:
            return Summary(**json.loads((folder / "ending.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            error = ending.error or cause(ending.code, folder / "stderr")
            return self.failed(key, config, error, ending.status)

    def _start(self, config: Mapping[str, Any], folder: Path) -> Child:
        with self._lock:
            self._refuse_when_closed()
            branch = self._branch(config["algorithm"]["name"])
            assert self._trunk is not None
            child = self._trunk.child("cell", folder, cwd=Path.cwd(), algorithm=branch.address)
            self._under_way.add(child)
        return child

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise CausaldiscError("the sweep has ended")

    def _branch(self, algorithm: str) -> Template:
        if self._trunk is None:
            self._trunk = Template.start()
        if algorithm not in self._branches:
            self._branches[algorithm] = self._trunk.branch(algorithm)
        return self._branches[algorithm]

    def failed(self, key: str, config: Mapping[str, Any], error: str, status: str = "crashed") -> Summary:
        """Store a failure that its own process could not."""
        outcome = Outcome(
            key,
            status,
            plain(content_of(config)),
            error=error,
            versions=versions(),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        summary = Summary.of(outcome)
        try:
            self._store.save(outcome)
        except InputError as problem:
            logger.debug("failure not stored: %s", problem)
            return summary._replace(stored=False)
        return summary

    def _uproot(self) -> None:
        """Forget templates that died; the next cell starts new ones."""
        with self._lock:
            trunk, self._trunk, self._branches = self._trunk, None, {}
        if trunk is not None:
            with suppress(LostTemplateError, OSError):
                trunk.close()

    @property
    def running(self) -> int:
        """How many cells are under way."""
        return len(self._under_way) + self.elsewhere

    def close(self) -> None:
        """End what is under way, and the templates."""
        with self._lock:
            self._closed = True
        if self._trunk is not None:  # its branches go with it: ended before, they would be missed by cells that use them
            with suppress(LostTemplateError, OSError):
                self._trunk.close()

    def __enter__(self) -> Pool:
        """Use it, and close it in the end."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()
