"""Readers: each recognises one format by its content and reads it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from causaldisc.core.csv_table import MAX_FILE_BYTES, read_rows
from causaldisc.core.errors import InputError
from causaldisc.core.files import check_file, read_json
from causaldisc.core.plugins import Plugin, Registry
from causaldisc.core.telemetry_file import TelemetryTable

MAX_GRAPH_BYTES = 16 * 2**20


@dataclass(frozen=True)
class CallGraph:
    """Who calls whom: all ``services``, and the distinct ``calls`` (caller, callee); a call of itself is left out.

    >>> CallGraph.of([("web", "cart"), ("web", "web"), ("web", "cart")]).calls
    (('web', 'cart'),)
    """

    services: tuple[str, ...]
    calls: tuple[tuple[str, str], ...]
    self_calls: int = 0

    @classmethod
    def of(cls, calls: list[tuple[str, str]], services: list[str] | None = None) -> CallGraph:
        """Collect calls in the order met."""
        names: dict[str, None] = dict.fromkeys([*(services or []), *(end for call in calls for end in call)])
        return cls(tuple(names), tuple(dict.fromkeys(c for c in calls if c[0] != c[1])), sum(a == b for a, b in calls))


@dataclass(frozen=True)
class InputFile:
    """One input, looked at just far enough to recognise its format."""

    path: Path

    @classmethod
    def of(cls, path: str | Path) -> InputFile:
        """Check that it is a readable file of a bounded size."""
        return cls(check_file(path, MAX_FILE_BYTES))

    @cached_property
    def head(self) -> bytes:
        """The first 4 KiB."""
        with self.path.open("rb") as handle:
            return handle.read(4096)

    @cached_property
    def rows(self) -> list[list[str]]:
        """The first three rows, read as CSV, their cells stripped; none when it is no CSV."""
        if self.is_json or self.head.startswith(b"PAR1"):
            return []
        try:
            return [[cell.strip() for cell in row] for row in islice(read_rows(self.path), 3)]
        except InputError:
            return []

    @property
    def is_json(self) -> bool:
        """Whether it begins like a JSON object or list."""
        return self.head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")

    @cached_property
    def json(self) -> Any:
        """The parsed JSON, None when it is none; raises InputError when it begins as JSON and is broken."""
        return read_json(self.path, MAX_GRAPH_BYTES) if self.is_json else None


class Reader(Plugin):
    """Reads one format; ``valid`` says in a few words what a file of it looks like."""

    valid: ClassVar[str]

    @abstractmethod
    def recognises(self, file: InputFile) -> bool:
        """Whether the content is of this format, judged without trusting the file's name."""

    @abstractmethod
    def read(self, file: InputFile) -> TelemetryTable | CallGraph:
        """Read the file; raises InputError naming it and what is wrong."""


readers: Registry[Reader] = Registry("ingest format", "causaldisc.ingest", Reader)  # pyright: ignore[reportAbstractUsage]


def reader_of(file: InputFile) -> Reader:
    """Return the reader that recognises a file; raises InputError with what is read today."""
    known = [readers.build(name) for name in readers.names()]
    for reader in known:
        if reader.recognises(file):
            return reader
    raise InputError(f"{file.path}: must be of a format that ingest reads; valid: {'; '.join(r.valid for r in known)}")


def service_name(value: Any, where: str) -> str:
    """Check a service name; errors begin with ``where``."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where} must name a service, got {value!r}")
    return value.strip()
