"""Jaeger's dependencies, as its HTTP interface ``/api/dependencies`` answers; Zipkin's dependency links have the same form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from causaldisc.core.errors import InputError
from causaldisc.ingest._reader import CallGraph, InputFile, Reader, service_name


@dataclass(frozen=True)
class JaegerDependencies(Reader):
    """Reads ``[{"parent", "child", "callCount"}]``, bare or wrapped in ``{"data": …}``; a count of 0 is no call."""

    name: ClassVar[str] = "jaeger_dependencies"
    summary: ClassVar[str] = "Jaeger or Zipkin dependency links, JSON"
    valid: ClassVar[str] = "Jaeger or Zipkin dependencies JSON (a list of parent, child, callCount)"

    def recognises(self, file: InputFile) -> bool:
        """A non-empty list whose first entry has a parent and a child."""
        links = _links(file.json)
        return isinstance(links, list) and bool(links) and isinstance(links[0], Mapping) and {"parent", "child"} <= set(links[0])

    def read(self, file: InputFile) -> CallGraph:
        """Read the calls."""
        calls = []
        for k, link in enumerate(_links(file.json)):
            where = f"{file.path}: dependency {k}"
            if not isinstance(link, Mapping):
                raise InputError(f"{where} must be an object with parent and child, got {type(link).__name__}")
            caller, callee = (service_name(link.get(end), f"{where}, {end}") for end in ("parent", "child"))
            count = link.get("callCount", 1)
            if isinstance(count, bool) or not isinstance(count, int | float) or not count >= 0:
                raise InputError(f"{where}, callCount must be a number >= 0, got {count!r}")
            if count:
                calls.append((caller, callee))
        return CallGraph.of(calls)


def _links(data: Any) -> Any:
    return data.get("data") if isinstance(data, Mapping) else data
