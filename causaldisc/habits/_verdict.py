"""Whether the telemetry can tell anything at all, said before anybody reads a graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from causaldisc.core.telemetry import Telemetry
from causaldisc.habits._innovations import after_own_past, lags_for
from causaldisc.habits._recognise import Habit

FEWEST_ROWS = 50  # rows of treated telemetry
FEWEST_EFFECTIVE = 15  # effective rows of a typical column
WARN_BELOW = 50
FAMILY_LEVEL = 0.001  # of a false finding anywhere
LAGS = 2


def verdict(telemetry: Telemetry, habits: Sequence[Habit] = (), p: np.ndarray | None = None, lags: int = LAGS) -> str:
    """Return ``can tell``, ``can tell, with care: …`` or ``cannot tell: …`` of treated telemetry.

    It cannot tell with fewer than 50 rows; where the median column has no more than 15 effective rows; with fewer than two
    columns that vary; and where no pair depends on each other, after own pasts, at a level of 0.001 for all tests together
    (Bonferroni). A median under 50 effective rows is told as a warning.

    Parameters
    ----------
    habits : from :func:`causaldisc.habits._recognise`; none = effective rows are not looked at.
    p : float[N, N, L + 1], p-values of the dependence of innovations; None = worked out here.
    lags : rows of own past.

    >>> verdict(Telemetry(np.random.default_rng(0).normal(size=(400, 3)), ["a", "b", "c"]))
    'cannot tell: no pair of 3 columns depends on each other beyond chance (smallest p 0.012 in 15 tests)'
    """
    rows = telemetry.shape[0]
    varying = np.flatnonzero(~telemetry.constant)
    if rows < FEWEST_ROWS:
        return f"cannot tell: {rows} rows; valid: {FEWEST_ROWS} or more"
    if len(varying) < 2:
        return f"cannot tell: {len(varying)} of {telemetry.shape[1]} columns vary"
    known = [h.effective_rows for h in habits if not np.isnan(h.effective_rows)]
    typical = float(np.median(known)) if known else float(rows)
    if typical <= FEWEST_EFFECTIVE:
        return f"cannot tell: a typical column has {typical:.0f} effective rows among {rows}: it repeats its own past"
    if p is None:
        p = after_own_past(telemetry.select(varying), lags_for(telemetry.environments, lags))[1]
    tests, smallest = tests_in(p), float(off_diagonal(p).min())
    if smallest * tests > FAMILY_LEVEL:
        return (
            f"cannot tell: no pair of {len(varying)} columns depends on each other beyond chance "
            f"(smallest p {smallest:.2g} in {tests} tests)"
        )
    if typical < WARN_BELOW:
        return f"can tell, with care: a typical column has {typical:.0f} effective rows among {rows}, fewer than {WARN_BELOW}"
    return "can tell"


def off_diagonal(p: np.ndarray) -> np.ndarray:
    """Return the p-values of links between two variables, flat."""
    return p[~np.eye(len(p), dtype=bool)]


def tests_in(p: np.ndarray) -> int:
    """Number of different tests in float[N, N, L + 1]: a pair at lag 0 is one.

    >>> tests_in(np.ones((3, 3, 2)))
    9
    """
    count, lags = len(p), p.shape[2] - 1
    return count * (count - 1) // 2 + count * (count - 1) * lags
