"""Alarm logs as count series: one column a type of alarm, one row an interval; and cascades of made-up alarms to try rules on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import causaldisc as cd

ROWS = 10_000  # of a log, at most: the interval is the shortest of INTERVALS that keeps to it
INTERVALS = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0)
LOGS = {"alarms_18v": ("Alarm.csv", "DAG.npy"), "alarms_noah": ("alarm.csv", "true_graph.npy")}


def counts(types: np.ndarray, times: np.ndarray, n_types: int) -> cd.Telemetry:
    """Count the alarms of each type in each interval, over all devices; a type without alarms is a constant column."""
    span = float(times.max() - times.min())
    interval = next((i for i in INTERVALS if span / i <= ROWS * 1.1), INTERVALS[-1])
    row = ((times - times.min()) // interval).astype(int)
    table = np.zeros((int(row.max()) + 1, n_types))
    np.add.at(table, (row, types.astype(int)), 1.0)
    names = [f"alarm{k:02d}:count" for k in range(n_types)]
    return cd.Telemetry(table, names, np.arange(len(table)) * interval)


def graph(matrix: np.ndarray) -> cd.CausalGraph:
    """Return the true graph of int[N, N], row = cause."""
    return cd.CausalGraph.from_codes([f"alarm{k:02d}:count" for k in range(len(matrix))], (matrix > 0).astype(int), kind="dag")


def read_log(folder: Path, name: str, quarter: int | None = None) -> tuple[cd.Telemetry, cd.CausalGraph]:
    """Read a log and its graph; ``quarter`` 0..3 takes a quarter of its time."""
    events, truth = LOGS[name]
    table = np.genfromtxt(folder / name / events, delimiter=",", skip_header=1)
    matrix = np.load(folder / name / truth)
    telemetry = counts(table[:, 0], table[:, 2], len(matrix))
    if quarter is not None:
        rows = np.array_split(np.arange(telemetry.shape[0]), 4)[quarter]
        telemetry = telemetry.rows(rows)
    return telemetry, graph(matrix)


def cascades(rng: np.random.Generator, n_types: int = 20, span_s: float = 600_000.0) -> tuple[cd.Telemetry, cd.CausalGraph]:
    """Draw alarms that set off others: spontaneous ones in bursts, under a load that drives all, and their consequences.

    Nothing of it is fitted to a log: rules are tried here, so that the logs stay unseen.
    """
    order = rng.permutation(n_types)
    matrix = np.zeros((n_types, n_types))
    for later in range(1, n_types):
        parents = rng.choice(later, size=min(later, int(rng.integers(0, 4))), replace=False)
        matrix[order[parents], order[later]] = 1
    chance, delay = rng.uniform(0.1, 0.6, matrix.shape), rng.exponential(60.0, matrix.shape) + 1.0
    busy = rng.uniform(0, span_s, int(span_s / 20_000))
    found: list[tuple[float, int]] = []
    for kind in range(n_types):
        count = rng.poisson(10 ** rng.uniform(1.5, 3.0))
        own, busy_share = rng.uniform(0, span_s, count), rng.random(count) < 0.4
        own[busy_share] = rng.choice(busy, busy_share.sum()) + rng.exponential(600.0, busy_share.sum())
        found += [(t, kind) for t in own]
        found += [(t + rng.exponential(300.0), kind) for t in own for _ in range(rng.geometric(0.7) - 1)]
    at = 0
    while at < len(found) and len(found) < 200_000:
        t, kind = found[at]
        hit = np.flatnonzero(matrix[kind] * (rng.random(n_types) < chance[kind]))
        found += [(t + rng.exponential(delay[kind, j]), int(j)) for j in hit]
        at += 1
    events = np.array([(t, k) for t, k in found if 0 <= t < span_s])
    return counts(events[:, 1], events[:, 0], n_types), graph(matrix)
