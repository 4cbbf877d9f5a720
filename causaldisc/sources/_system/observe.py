"""Observation: what monitoring makes of a run: rates, means and quantiles of each scrape interval, and what goes wrong.

Nothing of it feeds back. A row is stamped with the beginning of its interval; counters are differenced, gauges read at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from causaldisc.core.variables import Variable
from causaldisc.sources._system.topology import Topology
from causaldisc.sources._system.wiring import BOUNDS_S

UNITS = {
    "requests": "1/s",
    "latency": "ms",
    "latency_p50": "ms",
    "latency_p95": "ms",
    "latency_p99": "ms",
    "errors": "1",
    "cpu": "1",
    "memory": "1",
    "queue": "1",
    "pool": "1",
    "replicas": "1",
    "restarts": "1",
}
# Other units that a team may have chosen: name, and what one of the usual unit is in it.
_OTHER_UNITS = {"ms": (("s", 1e-3), ("us", 1e3)), "1/s": (("1/min", 60.0),), "1": (("%", 100.0),)}
_SHARES = ("errors", "cpu", "memory")
COUNTERS = 6  # of a snapshot's columns, counters come first
PROMETHEUS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Counters:
    """Snapshots of a run on a regular grid, from the end of the warm-up on.

    ``table`` float[K, S, C] and ``buckets`` int[K, S, B], cumulative since the start of the run; ``every_s`` seconds apart.
    """

    table: np.ndarray
    buckets: np.ndarray
    every_s: float


@dataclass(frozen=True)
class Scrape:
    """How the metrics are collected.

    ``step_s`` between scrapes; ``skew_s`` the most by which a target's clock is late; ``gaps`` share of a target's scrapes that
    fail, a few in a row; ``resets`` whether a restart sets the target's counters to zero; ``buckets`` ``fine`` or ``prometheus``.
    """

    step_s: float
    skew_s: float = 0.0
    gaps: float = 0.0
    resets: bool = False
    buckets: str = "fine"


def read_metrics(
    counters: Counters, topology: Topology, scrape: Scrape, rows: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return metric → float[rows, S] in the usual units, NaN where nothing was seen; the draws do not depend on what happened."""
    from causaldisc.kernels import requests_world as x

    services = len(topology.services)
    late = np.floor(rng.uniform(0.0, scrape.skew_s + 1e-12, services) / counters.every_s).astype(int)
    holes = _holes(rng, rows, services, scrape.gaps)
    per_row = round(scrape.step_s / counters.every_s)
    at = np.minimum(np.arange(rows + 1)[:, None] * per_row + late[None, :], len(counters.table) - 1)
    column = np.arange(services)[None, :]
    table, buckets = counters.table[at, column], counters.buckets[at, column]
    grown, more = np.diff(table, axis=0), np.diff(buckets, axis=0)
    if scrape.resets:
        since = np.maximum(at[:-1], last_reset(counters)[at[1:], column])
        grown[:, :, :COUNTERS] = (table[1:] - counters.table[since, column])[:, :, :COUNTERS]
        more = buckets[1:] - counters.buckets[since, column]
    answers, step = grown[:, :, x.S_ANSWERS], scrape.step_s
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "requests": grown[:, :, x.S_ARRIVALS] / step,
            "latency": 1000.0 * grown[:, :, x.S_LATENCY] / answers,
            "errors": grown[:, :, x.S_ERRORS] / answers,
            "cpu": np.minimum(grown[:, :, x.S_CPU] / grown[:, :, x.S_LIMIT], 1.0),
            "memory": table[1:, :, x.S_MEMORY],
            "queue": grown[:, :, x.S_QUEUE] / step,
            "pool": grown[:, :, x.S_THREADS] / step,
            "replicas": table[1:, :, x.S_REPLICAS],
            "restarts": grown[:, :, x.S_RESTARTS],
        }
    for share in (50, 95, 99):
        found[f"latency_p{share}"] = 1000.0 * quantile(more, share / 100.0, scrape.buckets)
    for name, values in found.items():
        values[~np.isfinite(values) | holes] = np.nan
        found[name] = values
    return found


def quantile(counts: np.ndarray, share: float, buckets: str = "fine") -> np.ndarray:
    """Return the quantile in seconds, float[…], from the counts of latency buckets, [… , B], linear within a bucket.

    As Prometheus' ``histogram_quantile``: what lies beyond the last bound is told as that bound, and without any count it is NaN.

    >>> counts = np.zeros(31); counts[5], counts[6] = 50, 50  # 50 answers in 7.5 … 10 ms, 50 in 10 … 15 ms
    >>> float(quantile(counts, 0.75).round(6))
    0.0125
    """
    bounds = np.array(BOUNDS_S)
    if buckets == "prometheus":
        kept = np.searchsorted(bounds, PROMETHEUS_S)
        edges = np.concatenate([[0], kept + 1])
        counts = np.add.reduceat(counts, edges, axis=-1)
        bounds = bounds[kept]
    upto = np.cumsum(counts, axis=-1, dtype=float)
    total = upto[..., -1]
    wanted = share * total
    place = np.minimum((upto < wanted[..., None]).sum(axis=-1), len(bounds) - 1)
    below = np.where(place > 0, np.take_along_axis(upto, np.maximum(place - 1, 0)[..., None], -1)[..., 0], 0.0)
    inside = np.take_along_axis(np.asarray(counts, float), place[..., None], -1)[..., 0]
    low = np.where(place > 0, bounds[np.maximum(place - 1, 0)], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.clip(np.where(inside > 0, (wanted - below) / inside, 1.0), 0.0, 1.0)
    found = low + (bounds[place] - low) * part
    return np.where(total > 0, found, np.nan)


def variable(service: str, metric: str, unit: str | None = None) -> Variable:
    """The variable of a service's metric."""
    return Variable.of(f"{service}:{metric}", role=ROLES[metric], unit=unit or UNITS[metric])


def other_units(variables: Sequence[Variable], rng: np.random.Generator) -> tuple[list[Variable], np.ndarray]:
    """Let each variable be told in one of the units that teams use; returns the variables and float[N] factors."""
    changed, factors = [], []
    for v in variables:
        others = _OTHER_UNITS.get(v.unit, ()) if v.unit != "1" or v.metric in _SHARES else ()
        pick = int(rng.integers(len(others) + 1))
        unit, factor = (v.unit, 1.0) if pick == 0 else others[pick - 1]
        changed.append(Variable.of(v.name, role=v.role, unit=unit))
        factors.append(factor)
    return changed, np.array(factors)


ROLES = {
    "requests": "traffic",
    "latency": "latency",
    "latency_p50": "latency",
    "latency_p95": "latency",
    "latency_p99": "latency",
    "errors": "errors",
    "cpu": "cpu",
    "memory": "memory",
    "queue": "saturation",
    "pool": "saturation",
    "replicas": "other",
    "restarts": "other",
}


def _holes(rng: np.random.Generator, rows: int, services: int, share: float) -> np.ndarray:
    """bool[rows, S]: scrapes that failed, three in a row on average."""
    u, v = rng.random((rows, services)), rng.random((rows, services))
    lost = np.zeros((rows, services), dtype=bool)
    if share <= 0:
        return lost
    begin = share / (3.0 * (1.0 - share))
    for k in range(1, rows):  # a target is seen at least once
        lost[k] = np.where(lost[k - 1], u[k] < 2.0 / 3.0, v[k] < begin)
    return lost


def last_reset(counters: Counters) -> np.ndarray:
    """int[K, S]: for each snapshot, the one right before the latest restart; 0 where there was none.

    What a counter that starts at zero after a restart still tells is what came after that one.
    """
    from causaldisc.kernels import requests_world as x

    restarts = counters.table[:, :, x.S_RESTARTS]
    numbers = np.broadcast_to(np.arange(len(restarts) - 1)[:, None], (len(restarts) - 1, restarts.shape[1]))
    jumps = np.where(np.diff(restarts, axis=0) > 0, numbers, 0)
    return np.concatenate([np.zeros((1, restarts.shape[1]), int), np.maximum.accumulate(jumps, axis=0)])
