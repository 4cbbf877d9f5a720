"""A candidate: one pair that may be an edge, with what speaks for it and what keeps it from the core."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Candidate:
    """One pair that may be an edge.

    Attributes
    ----------
    source, target : names; cause and effect where a direction was found or time gives it.
    lag : in steps.
    score : the algorithm's; NaN = none.
    p_value : of the dependence after both own pasts.
    found, core : whether the graph has it, and whether the core has it.
    doubts : why it is not of the core.

    >>> Candidate("a", "b", 0, 3.5, 1e-9, True, True).to_dict()["doubts"]
    []
    """

    source: str
    target: str
    lag: int
    score: float
    p_value: float
    found: bool
    core: bool
    doubts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping; an undefined score is None."""
        data = asdict(self) | {"doubts": list(self.doubts)}
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in data.items()}
