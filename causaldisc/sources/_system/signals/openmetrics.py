"""Metrics as Prometheus scrapes them: OpenMetrics text, to be backfilled with ``promtool tsdb create-blocks-from openmetrics``.

The format: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from causaldisc.sources._system.observe import COUNTERS, PROMETHEUS_S, Counters, last_reset
from causaldisc.sources._system.signals.epoch import EPOCH_S
from causaldisc.sources._system.wiring import BOUNDS_S

if TYPE_CHECKING:
    from causaldisc.sources._system.run import Run

_HISTOGRAM = "request_duration_seconds"
# Family → (type, unit, column of a snapshot, help). The rate of a counter of seconds is a mean number: of calls that wait, say.
_FAMILIES = {
    "requests": ("counter", "", "S_ARRIVALS", "calls that came in"),
    "request_errors": ("counter", "", "S_ERRORS", "answers that failed"),
    "request_queue_seconds": ("counter", "seconds", "S_QUEUE", "time that calls waited for a thread"),
    "thread_busy_seconds": ("counter", "seconds", "S_THREADS", "time that threads were held"),
    "cpu_seconds": ("counter", "seconds", "S_CPU", "CPU time used"),
    "cpu_limit_seconds": ("counter", "seconds", "S_LIMIT", "CPU time that the limits allowed"),
    "cache_hits": ("counter", "", "S_HITS", "calls that a cache spared"),
    "restarts": ("counter", "", "S_RESTARTS", "restarts of the service"),
    "memory_usage_ratio": ("gauge", "ratio", "S_MEMORY", "memory in use as a share of the limit"),
    "replicas": ("gauge", "", "S_REPLICAS", "replicas that answer"),
}


def samples_per_scrape(buckets: str) -> int:
    """How many samples one scrape of one service gives."""
    return len(_bounds(buckets)) + 3 + len(_FAMILIES)


def exposition(run: Run, *, resets: bool = False, buckets: str = "fine") -> bytes:
    """Write the counters and gauges of every service at the beginning of the first row and at the end of each.

    The increase of a counter from one scrape to the next is thus what a row of the telemetry tells, at the time of the first
    of the two: ``rate(requests_total)``, ``request_duration_seconds_sum / _count``, ``request_errors_total /
    request_duration_seconds_count``, ``cpu_seconds_total / cpu_limit_seconds_total``.

    Parameters
    ----------
    resets : whether the counters of requests start at zero after a restart; those of CPU, cache and restarts do not. Prometheus
        sees a reset where a counter falls; ``restarts_total`` tells of those, too, after which it soon was higher than before.
    buckets : ``fine``, or ``prometheus``: the eleven of its client libraries.
    """
    from causaldisc.kernels import requests_world as x

    counters = run.counters
    at = np.arange(run.rows + 1) * round(run.step_s / counters.every_s)
    table, counts = _since_restart(counters, at) if resets else (counters.table[at], counters.buckets[at])
    stamps = [_stamp(k * run.step_s) for k in range(len(at))]
    names = [_quoted(s.name) for s in run.topology.services]
    out = io.BytesIO()
    for family, (kind, unit, column, text) in _FAMILIES.items():
        out.write(_header(family, kind, unit, text).encode())
        sample = f"{family}_total" if kind == "counter" else family
        values = table[:, :, getattr(x, column)]
        for s, name in enumerate(names):
            lines = _series(f"{sample}{{service={name}}}", values[:, s], stamps)
            out.write("".join(lines).encode())
    out.write(_header(_HISTOGRAM, "histogram", "seconds", "from the sending of a call to its answer").encode())
    for s, name in enumerate(names):
        out.write("".join(_histogram(name, counts[:, s], table[:, s, x.S_LATENCY], stamps, buckets)).encode())
    out.write(b"# EOF\n")
    return out.getvalue()


def _since_restart(counters: Counters, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counters as they stand after their last restart since the first row."""
    since = last_reset(counters)[at]
    column = np.arange(counters.table.shape[1])[None, :]
    before = counters.table[since, column]
    before[since == 0] = 0.0  # no restart: what was counted before the first row stays
    before[:, :, COUNTERS:] = 0.0
    counted = counters.buckets[since, column]
    counted[since == 0] = 0
    return counters.table[at] - before, counters.buckets[at] - counted


def _histogram(name: str, counts: np.ndarray, total_s: np.ndarray, stamps: list[str], buckets: str) -> Iterator[str]:
    """A service's histogram, all samples of one scrape together; ``counts`` int[K, B] per bucket, cumulative in time."""
    upto = np.cumsum(counts, axis=1)
    kept = [BOUNDS_S.index(bound) for bound in _bounds(buckets)]
    heads = [f'{_HISTOGRAM}_bucket{{service={name},le="{float(BOUNDS_S[k])}"}} ' for k in kept]
    for row, seconds, stamp in zip(upto.tolist(), total_s.tolist(), stamps, strict=True):
        for k, head in zip(kept, heads, strict=True):
            yield f"{head}{row[k]}{stamp}"
        yield f'{_HISTOGRAM}_bucket{{service={name},le="+Inf"}} {row[-1]}{stamp}'
        yield f"{_HISTOGRAM}_count{{service={name}}} {row[-1]}{stamp}"
        yield f"{_HISTOGRAM}_sum{{service={name}}} {seconds!r}{stamp}"


def _series(head: str, values: np.ndarray, stamps: list[str]) -> Iterator[str]:
    for value, stamp in zip(values.tolist(), stamps, strict=True):
        yield f"{head} {int(value) if value.is_integer() else repr(value)}{stamp}"


def _bounds(buckets: str) -> tuple[float, ...]:
    return BOUNDS_S if buckets == "fine" else PROMETHEUS_S


def _header(family: str, kind: str, unit: str, text: str) -> str:
    return f"# HELP {family} {text}\n# TYPE {family} {kind}\n" + (f"# UNIT {family} {unit}\n" if unit else "")


def _stamp(seconds: float) -> str:
    """Unix seconds with milliseconds where there are any, a blank before and the line's end after."""
    ms = EPOCH_S * 1000 + round(seconds * 1000)
    return f" {ms // 1000}\n" if ms % 1000 == 0 else f" {ms // 1000}.{ms % 1000:03d}\n"


def _quoted(name: str) -> str:
    r"""A label's value.

    >>> _quoted('a"b')
    '"a\\"b"'
    """
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
