"""One finding of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, how grave it is (``ok``, ``note``, ``warning``), and what it means in plain words."""

    topic: str
    value: Any
    level: str
    meaning: str
