"""Which signals there are, how much of each a run may give, and writing those that are asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.sources._system.signals.epoch import EPOCH_S

if TYPE_CHECKING:
    from causaldisc.sources._system.run import Run

# Signal → its file.
SIGNALS: Mapping[str, str] = {
    "traces": "traces.json",
    "openmetrics": "metrics.openmetrics",
    "events": "events.json",
    "logs": "logs.jsonl",
}
MOST_SPANS = 400_000  # some 170 MB of JSON
MOST_SAMPLES = 4_000_000  # some 360 MB of text
MOST_LOOKS = 4_000_000  # services × seconds that events are looked for in: 1.4 GB of snapshots

__all__ = ["EPOCH_S", "MOST_LOOKS", "MOST_SAMPLES", "MOST_SPANS", "SIGNALS", "check_size", "signals_of"]


def signals_of(
    run: Run, names: Sequence[str], rng: np.random.Generator, *, resets: bool = False, buckets: str = "fine"
) -> dict[str, bytes]:
    """Write a run in other forms: file name → contents.

    Parameters
    ----------
    names : of ``SIGNALS``; ``traces`` and ``logs`` need a run that traced requests.
    rng : gives the trace ids their random half.
    resets : whether a restart sets a service's counters to zero (``openmetrics``).
    buckets : ``fine`` or ``prometheus``, the latency buckets (``openmetrics``).

    Raises
    ------
    InputError : an unknown name.
    """
    from causaldisc.sources._system.signals import kubernetes, logs, openmetrics, otlp
    from causaldisc.sources._system.signals.spans import spans_of

    for name in names:
        if name not in SIGNALS:
            raise InputError(f"signals must be known forms, got {name!r}; {did_you_mean(name, SIGNALS)}")
    high = int(rng.integers(1, 2**63))
    spans = spans_of(run, high) if {"traces", "logs"} & set(names) else None
    found: dict[str, bytes] = {}
    if spans is not None and "traces" in names:
        found[SIGNALS["traces"]] = otlp.traces(spans)
    if "openmetrics" in names:
        found[SIGNALS["openmetrics"]] = openmetrics.exposition(run, resets=resets, buckets=buckets)
    if "events" in names:
        found[SIGNALS["events"]] = kubernetes.events(run)
    if spans is not None and "logs" in names:
        found[SIGNALS["logs"]] = logs.lines(spans)
    return found


def check_size(
    names: Sequence[str], *, services: int, rows: int, seconds: float, buckets: str, spans: float, trace_share: float
) -> None:
    """Refuse what would not fit, before a run: ``spans`` is the number to expect.

    Raises
    ------
    InputError : more than ``MOST_SPANS``, ``MOST_SAMPLES`` or ``MOST_LOOKS``, with what to change.
    """
    from causaldisc.sources._system.signals.openmetrics import samples_per_scrape

    if {"traces", "logs"} & set(names) and spans > MOST_SPANS:
        fits = trace_share * MOST_SPANS / spans
        raise InputError(
            f"trace_share must leave at most {MOST_SPANS} spans, got about {spans:.0f} at {trace_share:g}; "
            f"valid: at most {math.floor(1e4 * fits) / 1e4:g}"
        )
    if "openmetrics" in names and (samples := services * (rows + 1) * samples_per_scrape(buckets)) > MOST_SAMPLES:
        raise InputError(
            f"openmetrics must have at most {MOST_SAMPLES} samples, got {samples}; valid: a longer step_s, a shorter duration_s"
            f"{'' if buckets == 'prometheus' else ', or buckets=prometheus'}"
        )
    if "events" in names and services * seconds > MOST_LOOKS:
        raise InputError(
            f"events must be looked for in at most {MOST_LOOKS} services × seconds, got {services * seconds:.0f}; "
            f"valid: duration_s at most {MOST_LOOKS // services}"
        )
