"""Signals: the same run in the forms that observability tools speak: traces, metrics as scraped, events, logs.

Whatever form, times are Unix times: ``EPOCH_S`` (2026-01-01T00:00:00Z) and the seconds since the first row of the telemetry.
Signals tell what happened, on a true clock: what goes wrong when metrics are collected (skew, gaps, noise, lost cells, units) is
the telemetry's alone, except for counters that restarts reset. So is ``set``: a variable that is held is shown there as held.
"""

from causaldisc.sources._system.signals.write import EPOCH_S, MOST_SPANS, SIGNALS, check_size, signals_of

__all__ = ["EPOCH_S", "MOST_SPANS", "SIGNALS", "check_size", "signals_of"]
