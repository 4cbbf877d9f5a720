"""The store: one ``outcome.json`` a cell under its content address, written whole or not at all. It is the record."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.files import read_json, write_json
from causaldisc.core.outcome import Outcome
from causaldisc.runner.claim import claimed, is_held, tidy
from causaldisc.runner.code import code_of

logger = logging.getLogger(__name__)

# Where and how a cell is run changes nothing about its result, and neither does who chose its parameters.
_BESIDE = ("tracker", "launcher", "search", "picture", "cache", "shard")


def content_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a canonical configuration that an outcome records: what is run on what, with which limits."""
    return {k: v for k, v in config.items() if k not in _BESIDE}


def key_of(config: Mapping[str, Any]) -> str:
    """Return the content address of a canonical configuration: sha256 hex of all that its result depends on.

    That is its content, whichever file its prior came from, and the code: that of this package with the data that it
    ships, and the versions of the third parties whose plug-ins it names.

    >>> key_of({"seed": 0, "tracker": {"name": "none"}}) == key_of({"seed": 0}) != key_of({"seed": 1})
    True
    """
    kept = content_of(config)
    if isinstance(kept.get("prior"), Mapping):
        kept["prior"] = {k: v for k, v in kept["prior"].items() if k != "path"}
    text = json.dumps({"code": code_of(kept), **kept}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Store:
    """Outcomes below a folder, ``ROOT/<key>/outcome.json``."""

    root: Path = Path("outcomes")

    def folder(self, key: str) -> Path:
        """The folder of a cell."""
        return self.root / key

    def save(self, outcome: Outcome) -> Path:
        """Write an outcome in the place of an earlier one and return its path."""
        return write_json(self.folder(outcome.key) / "outcome.json", outcome.to_dict())

    def load(self, key: str) -> Outcome | None:
        """Return the outcome of a key, or None when there is none that can be read."""
        path = self.folder(key) / "outcome.json"
        if not path.is_file():
            return None
        try:
            return Outcome.from_dict(read_json(path), str(path))
        except InputError as error:
            logger.warning("ignored: %s", error)
            return None

    def keys(self) -> list[str]:
        """All keys, sorted."""
        return sorted(p.parent.name for p in self.root.glob("*/outcome.json"))

    def __iter__(self) -> Iterator[Outcome]:
        """Iterate over all outcomes that can be read, by key."""
        return (outcome for key in self.keys() if (outcome := self.load(key)) is not None)

    def claim(self, key: str) -> AbstractContextManager[bool]:
        """Claim a cell while it is run; gives False where somebody else runs it."""
        return claimed(self.folder(key))

    def tidy(self, key: str) -> None:
        """Clear away what a run that was killed left beside its outcome."""
        tidy(self.folder(key))
        for part in self.folder(key).glob(".*.part"):
            part.unlink(missing_ok=True)

    def is_running(self, key: str) -> bool:
        """Whether somebody runs a cell at this moment."""
        return is_held(self.folder(key))

    def find(self, beginning: str) -> Outcome:
        """Return the one outcome whose key begins so; raises InputError when there is none or more than one."""
        found = [key for key in self.keys() if key.startswith(beginning)]
        if len(found) != 1:
            short = [key[:12] for key in (found or self.keys())][:10]
            what = "no outcome" if not found else f"{len(found)} outcomes"
            raise InputError(f"key must name one outcome, got {beginning!r} of {what}; {did_you_mean(beginning, short)}")
        outcome = self.load(found[0])
        if outcome is None:
            raise InputError(f"{self.folder(found[0]) / 'outcome.json'}: must be an outcome that can be read")
        return outcome
