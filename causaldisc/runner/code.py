"""Which code an outcome depends on: this package to the byte, and third parties by their versions."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import causaldisc
from causaldisc.core.plugins import algorithms, sources

# Rooms that say, draw or pass on what was found, and change nothing about it.
_BESIDE = ("cli", "exporters", "leaderboard", "trackers", "ingest", "rca")


def code_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return what names the code behind a configuration.

    >>> sorted(code_of({"algorithm": {"name": "pc"}}))
    ['causaldisc']
    """
    found = {"causaldisc": f"{version('causaldisc')}+{_digest()}"}
    for group, registry in (("algorithm", algorithms), ("source", sources)):
        name = config.get(group, {}).get("name")
        origin = "causaldisc" if name is None else registry.origin(name)
        if origin != "causaldisc":
            found[f"{group} of {origin}"] = _version(origin)
    return found


@functools.cache
def _digest() -> str:
    """Hash of the package's files that results depend on, names and contents."""
    digest = hashlib.sha256()
    for path in sorted(_files()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _files() -> Iterator[Path]:
    package = Path(causaldisc.__file__).parent
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] not in _BESIDE:
            yield path
    data = importlib.util.find_spec("causaldisc.datasets")
    for folder in (data.submodule_search_locations or ()) if data is not None else ():
        yield from (path for path in Path(folder).rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".md"))


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
