"""Undo what a good pipeline does: turn a simulated run into what a scraper of ordinary exporters would have stored."""

from __future__ import annotations

import numpy as np

import causaldisc as cd

SLOW = 0.34  # share of services whose exporter tells latency and errors every 2 or 4 scrapes only
TWO_PODS = 0.2  # share of services of which every other scrape reaches another pod, that works by a quarter more or less
RESTARTS = 0.3  # share of services that restart once, their counters with them
LOST = 0.01  # share of the cells


def raw_scrape(telemetry: cd.Telemetry, rng: np.random.Generator) -> cd.Telemetry:
    """Return the same columns: traffic and CPU as counters kept as levels, slow exporters, alternating pods, lost cells."""
    values = np.array(telemetry.values)
    rows, step = len(values), telemetry.step_seconds
    services = list(dict.fromkeys(v.service for v in telemetry.variables))
    slow = {s: int(rng.choice([2, 4])) if rng.random() < SLOW else 1 for s in services}
    swing = {s: 0.125 if rng.random() < TWO_PODS else 0.0 for s in services}
    restart = {s: int(rng.integers(rows // 4, rows)) if rng.random() < RESTARTS else rows for s in services}
    phase = np.where(np.arange(rows) % 2, 1.0, -1.0)
    for k, v in enumerate(telemetry.variables):
        if v.role in ("traffic", "cpu"):
            values[:, k] = _counter(values[:, k] * (1.0 + swing[v.service] * phase), step, restart[v.service], rng)
        else:
            values[:, k] = _held(values[:, k], slow[v.service])
    values[rng.random(values.shape) < LOST] = np.nan
    kept = np.where(np.isnan(values).all(axis=0), 0.0, values)
    return cd.Telemetry(kept, telemetry.variables, telemetry.times, telemetry.environments, (), telemetry.clock)


def _counter(rate: np.ndarray, step: float, restart: int, rng: np.random.Generator) -> np.ndarray:
    total = np.cumsum(np.nan_to_num(rate) * step) + rng.uniform(0.0, 1e5)
    total[restart:] -= total[restart - 1] if restart < len(total) else 0.0
    return total


def _held(x: np.ndarray, every: int) -> np.ndarray:
    """Mean of each ``every`` rows, told during the next so many."""
    if every == 1:
        return x
    parts = np.array_split(np.arange(len(x)), range(every, len(x), every))
    told = [np.nanmean(x[p]) if not np.isnan(x[p]).all() else np.nan for p in parts]
    return np.concatenate([np.full(len(p), told[max(n - 1, 0)]) for n, p in enumerate(parts)])
