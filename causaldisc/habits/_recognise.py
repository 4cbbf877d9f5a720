"""Recognise the habits of every series by written rules: its kind, its true cadence, how heavy and how sluggish it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from causaldisc.core.telemetry import Telemetry
from causaldisc.habits import _series as series

KINDS = ("counter", "gauge", "count", "flag", "sleeping", "constant")

FEWEST_INCREASES = 8  # of a counter
MOST_RESETS = 0.05  # of its increases
RESET_TO = 0.5  # a reset falls below this share of what the counter was
ASLEEP = 0.8  # share of steps unchanged from which on a series sleeps
AT_REST = 0.5  # share of rows at one value that makes it the value of rest
WANDERS = 0.98  # lag-1 autocorrelation from which on a level is differenced
_TREATMENT = {
    "counter": "rate per second between updates; a reset is missing",
    "gauge": "normal scores of its ranks",
    "count": "normal scores of its ranks, ties at their mean",
    "flag": "kept as it is",
    "sleeping": "flag of being awake",
    "constant": "left alone: nothing can be learned of it",
}


@dataclass(frozen=True)
class Habit:
    """What one series is like.

    Attributes
    ----------
    name : of the variable.
    kind : one of ``counter``, ``gauge``, ``count``, ``flag``, ``sleeping``, ``constant``.
    cadence : rows between two values of its exporter; 1.0 = every scrape brings a new one.
    alternating : whether every other scrape tells another level.
    wandering : whether its level drifts so slowly that its steps are what can be compared.
    rest : the value at which a sleeping series sleeps; None where it has none.
    kurtosis : excess kurtosis of the values (of the steps, for a counter).
    unchanged : share of steps at which the value stays what it was.
    autocorrelation : at lag 1 (for a counter, of its steps).
    effective_rows : independent rows that a correlation with a series like it is worth.
    treatment : what ``treat`` does, in words.
    """

    name: str
    kind: str
    cadence: float
    alternating: bool
    wandering: bool
    rest: float | None
    kurtosis: float
    unchanged: float
    autocorrelation: float
    effective_rows: float
    treatment: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping; what is undefined is None."""
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(self).items()}


def recognise(telemetry: Telemetry) -> tuple[Habit, ...]:
    """Return the habit of each of N variables, in their order.

    The first rule that holds names the kind:

    ==========  ==========================================================================================================
    constant    one value
    counter     never negative, 8 increases or more, and every decrease (at most 5 % of them) falls below half; no memory
    flag        two values
    count       whole numbers >= 0, and either 0 is the commonest value or fewer than 80 % of the steps are unchanged
    sleeping    80 % of the steps or more unchanged, its exporter's cadence taken out
    gauge       anything else
    ==========  ==========================================================================================================

    Beside the kind: an exporter slower than the scrape has *cadence* > 1 (:func:`causaldisc.habits._series.cadence`); a series
    *alternates* as in :func:`causaldisc.habits._series.alternates`; a gauge or count *wanders* from a lag-1 autocorrelation of
    0.98 on. None of the rules looks at another column, at names beyond the role of memory, or at a truth.

    >>> rng = np.random.default_rng(0)
    >>> total, level = np.cumsum(rng.poisson(9, 100)), rng.normal(size=100)
    >>> [h.kind for h in recognise(Telemetry(np.column_stack([total, level]), ["a:requests_total", "a:latency"]))]
    ['counter', 'gauge']
    """
    starts = series.starts_of(telemetry.environments)
    columns = zip(telemetry.variables, np.ascontiguousarray(telemetry.values.T), strict=True)
    return tuple(_habit(v.name, x, starts, v.role == "memory") for v, x in columns)


def steps_of(x: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return float[T]: the change since the value before, over gaps too; NaN where there is none or it falls.

    >>> steps_of(np.array([1.0, 4.0, np.nan, 6.0, 0.0]), np.arange(5) == 0).tolist()
    [nan, 3.0, nan, 2.0, nan]
    """
    before = np.concatenate([[np.nan], series.filled(x, starts)[:-1]])
    before[starts] = np.nan
    step = x - before
    with np.errstate(invalid="ignore"):
        return np.where(step >= 0, step, np.nan)


def _habit(name: str, x: np.ndarray, starts: np.ndarray, memory: bool) -> Habit:
    unchanged = series.unchanged_share(x, starts)
    pace = series.cadence(x, starts)
    fresh = np.where(series.updates(x, starts), x, np.nan) if pace > 1 else x
    kind = _kind(x, fresh, starts, pace, memory)
    moving = steps_of(fresh, starts) if kind == "counter" else fresh
    kept = ~np.isnan(moving)  # a slow exporter's own steps follow one another
    own, borders = moving[kept], _first_kept(starts, kept)
    rho = series.lag_one(own, borders) if len(own) > 2 and kind != "constant" else float("nan")
    rest = _rest(x) if kind == "sleeping" else None
    wandering = kind in ("gauge", "count") and bool(rho >= WANDERS)
    alternating = kind in ("gauge", "count", "counter") and pace == 1 and series.alternates(moving, starts)
    return Habit(
        name,
        kind,
        pace,
        alternating,
        wandering,
        rest,
        series.excess_kurtosis(own),
        unchanged,
        float(rho),
        series.effective_rows(own, borders) if len(own) and kind != "constant" else float("nan"),
        _treatment(kind, pace, alternating, wandering, rest),
    )


def _first_kept(starts: np.ndarray, kept: np.ndarray) -> np.ndarray:
    environment = np.cumsum(starts)[kept]
    return np.concatenate([[True], np.diff(environment) != 0]) if len(environment) else np.zeros(0, bool)


def _kind(x: np.ndarray, fresh: np.ndarray, starts: np.ndarray, pace: float, memory: bool) -> str:
    known = x[~np.isnan(x)]
    levels = np.unique(known)
    if len(levels) == 1:
        return "constant"
    if not memory and _counts_up(fresh, starts):
        return "counter"
    if len(levels) == 2:
        return "flag"
    asleep = pace == 1 and series.unchanged_share(x, starts) >= ASLEEP
    whole = levels[0] >= 0 and bool((levels == np.round(levels)).all())
    if whole and (not asleep or np.count_nonzero(known == 0) >= AT_REST * len(known)):
        return "count"
    return "sleeping" if asleep else "gauge"


def _counts_up(x: np.ndarray, starts: np.ndarray) -> bool:
    """Whether a series only grows, but for resets."""
    kept = ~np.isnan(x)
    values, same = x[kept], np.diff(np.cumsum(starts)[kept]) == 0
    if len(values) < 2 or values.min() < 0:
        return False
    before, after = values[:-1][same], values[1:][same]
    ups, downs = np.count_nonzero(after > before), after < before
    resets = np.count_nonzero(downs)
    return bool(ups >= FEWEST_INCREASES and resets <= MOST_RESETS * ups) and bool(
        (after[downs] <= RESET_TO * before[downs]).all()
    )


def _rest(x: np.ndarray) -> float | None:
    values, counts = np.unique(x[~np.isnan(x)], return_counts=True)
    best = int(np.argmax(counts))
    return float(values[best]) if counts[best] >= AT_REST * counts.sum() else None


def _treatment(kind: str, pace: float, alternating: bool, wandering: bool, rest: float | None) -> str:
    text = _TREATMENT[kind]
    if kind == "sleeping" and rest is None:
        text = "direction of its changes"
    if wandering:
        text = "normal scores of its steps: the level wanders"
    if alternating:
        text = f"means of two scrapes, then {text}"
    if kind == "counter":
        text += ", then normal scores"
    return text if pace == 1 else f"one value in {pace:.3g} scrapes, then {text}"
