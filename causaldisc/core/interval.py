"""Intervals over seeds: never a single figure where there can be a range."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """Mean over seeds with a Student-t 95 % interval; ``half`` is NaN for a single value, both are for none.

    ``n`` counts the values that are defined.

    >>> Interval.of([0.4, 0.5, 0.6]).half > 0.2
    True
    """

    mean: float
    half: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Interval:
        """Summarise the values that are not NaN."""
        from scipy.special import stdtrit

        known = [v for v in values if not math.isnan(v)]
        if not known:
            return cls(math.nan, math.nan, 0)
        mean = math.fsum(known) / len(known)
        if len(known) == 1:
            return cls(mean, math.nan, 1)
        variance = math.fsum((v - mean) ** 2 for v in known) / (len(known) - 1)
        return cls(mean, float(stdtrit(len(known) - 1, 0.975)) * math.sqrt(variance / len(known)), len(known))
