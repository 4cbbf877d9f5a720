"""Treat every series as its habit asks: rates, true cadence, flags, pair means, steps, normal scores; names stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.windows import after_selection
from causaldisc.habits import _series as series
from causaldisc.habits._recognise import Habit

SLOW_SHARE = 0.25  # of the columns; so many slow ones bring all to their grid
FEWEST_ROWS = 100  # that a common grid must leave
FEWEST_VALUES = 8  # of a column that can be used
FEWEST_EVENTS = 5  # values that differ from its commonest one


@dataclass(frozen=True, eq=False)
class Treated:
    """Telemetry after its treatment.

    Attributes
    ----------
    telemetry : the same columns and names; a column that cannot be used is constant (0), so it stays an isolated node.
    habits : one a variable, as given.
    grid : rows of the input behind one of the result.
    notes : sentences, one a fact that the reader should know.
    """

    telemetry: Telemetry
    habits: tuple[Habit, ...]
    grid: int
    notes: tuple[str, ...]


def treat(telemetry: Telemetry, habits: Sequence[Habit], grid: bool = True) -> Treated:
    """Return telemetry in which a row is one true observation and every column is on a scale of its own ranks.

    1. *Grid.* Where a quarter of the columns or more come from an exporter slower than the scrape, rows are joined to that
       cadence (while 100 rows are left): the mean of a block, for a counter its last value. What is slower than the grid
       keeps one value an update; its stale cells are missing.
    2. *Kind.* Counters become rates per second between updates, missing where they were reset; sleeping series the flag of
       being away from rest, or without a value of rest the direction of their changes; flags stay.
    3. *Alternation* goes by the mean of each row and the one before.
    4. *Wandering* levels become steps.
    5. *Ranks.* All but flags become normal scores, so that heavy tails and counts weigh by rank: Pearson's correlation of
       these is the rank correlation of van der Waerden, and partial correlations follow.

    The first row of each environment is cut off where some treatment needs a row before.

    Parameters
    ----------
    habits : of the same variables, from :func:`causaldisc.habits._recognise`.
    grid : whether rows may be joined; without, lags keep their meaning and stale cells are missing.

    Raises
    ------
    InputError : habits of other variables.

    >>> from causaldisc.habits._recognise import recognise
    >>> total = np.cumsum(np.random.default_rng(0).poisson(9, 200))
    >>> raw = Telemetry(total[:, None], ["a:requests_total"])
    >>> after = treat(raw, recognise(raw))
    >>> after.telemetry.shape, abs(float(after.telemetry.values.mean())) < 0.05
    ((199, 1), True)
    """
    if tuple(h.name for h in habits) != telemetry.names:
        raise InputError("habits must be those of the telemetry's variables, in their order; valid: recognise(telemetry)")
    width = _grid(telemetry, habits) if grid else 1
    starts = series.starts_of(telemetry.environments)
    block, first = _blocks(telemetry.environments, width)
    begins = series.starts_of(telemetry.environments[first])
    keep = ~begins if any(_looks_back(h, width) for h in habits) else np.ones(len(first), dtype=bool)
    keep = keep if keep.sum() >= 2 else np.ones(len(first), dtype=bool)
    notes, usable = _said(habits, width), []
    for habit, x in zip(habits, np.ascontiguousarray(telemetry.values.T), strict=True):
        joined = _joined(habit, x, starts, block, len(first))
        usable.append(_usable(habit, _treated(habit, joined, telemetry.times[first], begins, width)[keep], notes))
    labels, times = telemetry.environments[first][keep], telemetry.times[first][keep]
    windows = after_selection(telemetry.windows, telemetry.times, telemetry.environments, times, labels)
    result = Telemetry(np.column_stack(usable), telemetry.variables, times, labels, windows, telemetry.clock)
    return Treated(result, tuple(habits), width, tuple(notes))


def normal_scores(x: np.ndarray) -> np.ndarray:
    """Return the normal quantiles of mid-ranks, (rank - 1/2) / n; NaN stays.

    >>> normal_scores(np.array([10.0, 1000.0, 10.0, np.nan])).round(2).tolist()
    [-0.43, 0.97, -0.43, nan]
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    known, scores = ~np.isnan(x), np.full(len(x), np.nan)
    scores[known] = ndtri((rankdata(x[known]) - 0.5) / max(known.sum(), 1))
    return scores


def _grid(telemetry: Telemetry, habits: Sequence[Habit]) -> int:
    """The widest cadence that a quarter of the varying columns have and that leaves enough rows."""
    paces = np.sort([round(h.cadence) for h in habits if h.kind != "constant"])[::-1]
    shared = int(paces[max(int(np.ceil(SLOW_SHARE * len(paces))) - 1, 0)]) if len(paces) else 1
    return max(min(shared, telemetry.shape[0] // FEWEST_ROWS), 1)


def _blocks(environments: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(int[T] block of each row, -1 in an incomplete last one; int[B] first row of each block)."""
    starts = series.starts_of(environments)
    rows = np.arange(len(environments))
    place = rows - np.maximum.accumulate(np.where(starts, rows, 0))
    opens = place % width == 0
    block = np.cumsum(opens) - 1
    sizes = np.bincount(block)
    whole = sizes == width
    if not whole.any():
        return rows, rows
    number = np.where(whole, np.cumsum(whole) - 1, -1)
    return number[block], np.flatnonzero(opens)[whole]


def _joined(habit: Habit, x: np.ndarray, starts: np.ndarray, block: np.ndarray, count: int) -> np.ndarray:
    """One value a block: a counter's last, the mean of anything else; stale values of a slow exporter count once."""
    fresh = np.where(series.updates(x, starts), x, np.nan) if habit.cadence > 1 else x
    known = ~np.isnan(fresh) & (block >= 0)
    rows, places = np.flatnonzero(known), block[known]
    if habit.kind == "counter":
        result = np.full(count, np.nan)
        result[places] = fresh[rows]  # the last of a block wins
        return result
    sums, sizes = np.bincount(places, fresh[rows], count), np.bincount(places, minlength=count)
    return np.divide(sums, sizes, out=np.full(count, np.nan), where=sizes > 0)


def _treated(habit: Habit, x: np.ndarray, times: np.ndarray, starts: np.ndarray, width: int) -> np.ndarray:
    if habit.kind in ("constant", "flag"):
        return x
    if habit.kind == "counter":
        x = _rate(x, times, starts)
    elif habit.kind == "sleeping":
        return _awake(x, starts, habit.rest)
    if habit.alternating and width % 2:
        x = _pairs(x, starts)
    return normal_scores(_change(x, starts) if habit.wandering else x)


def _rate(x: np.ndarray, times: np.ndarray, starts: np.ndarray) -> np.ndarray:
    known = ~np.isnan(x)
    rows, environment = np.flatnonzero(known), np.cumsum(starts)[known]
    rate = np.full(len(x), np.nan)
    with np.errstate(invalid="ignore"):
        step = np.diff(x[rows]) / np.diff(times[rows])
    rate[rows[1:]] = np.where((np.diff(environment) == 0) & (step >= 0), step, np.nan)
    return rate


def _awake(x: np.ndarray, starts: np.ndarray, rest: float | None) -> np.ndarray:
    return np.sign(_change(x, starts)) if rest is None else np.where(np.isnan(x), np.nan, (x != rest).astype(float))


def _change(x: np.ndarray, starts: np.ndarray) -> np.ndarray:
    before = np.concatenate([[np.nan], series.filled(x, starts)[:-1]])
    before[starts] = np.nan
    return x - before


def _pairs(x: np.ndarray, starts: np.ndarray) -> np.ndarray:
    before = np.concatenate([[np.nan], x[:-1]])
    before[starts] = np.nan
    return 0.5 * (x + before)


def _looks_back(habit: Habit, width: int) -> bool:
    """Whether the treatment of a row needs the row before."""
    asleep = habit.kind == "sleeping" and habit.rest is None
    return habit.kind == "counter" or habit.wandering or asleep or (habit.alternating and width % 2 == 1)


def _usable(habit: Habit, x: np.ndarray, notes: list[str]) -> np.ndarray:
    known = x[~np.isnan(x)]
    if habit.kind == "constant":
        return x if len(known) else np.zeros(len(x))
    counts = np.unique(known, return_counts=True)[1]
    rare = int(counts.sum() - counts.max(initial=0))
    if len(known) < FEWEST_VALUES:
        why = f"{len(known)} values are left of it"
    elif rare < FEWEST_EVENTS:
        why = f"only {rare} of its {len(known)} values differ from the rest"
    else:
        return x
    notes.append(f"{habit.name}: left out, {why} ({habit.kind}: {habit.treatment})")
    return np.zeros(len(x))


def _said(habits: Sequence[Habit], width: int) -> list[str]:
    notes = [f"rows joined {width} by {width}, the cadence of the slow exporters: a lag is {width} scrapes"] if width > 1 else []
    for kind in ("counter", "count", "flag", "sleeping"):
        notes += _some([h.name for h in habits if h.kind == kind], kind)
    notes += _some([h.name for h in habits if h.cadence > 1], "slower than the scrape")
    notes += _some([h.name for h in habits if h.alternating], "alternating between scrapes")
    return notes + _some([h.name for h in habits if h.wandering], "wandering")


def _some(names: list[str], what: str) -> list[str]:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"{what}: {', '.join(names[:3])}{more}"] if names else []
