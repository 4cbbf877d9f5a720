"""The two periods of an incident: rows that are normal, and rows after its onset."""

from __future__ import annotations

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.telemetry import Telemetry

MIN_NORMAL_ROWS = 5


def incident_environment(telemetry: Telemetry, at: float) -> int:
    """Return the label of the environment that ``at`` falls into, the last one when several do."""
    labels, starts = np.unique(telemetry.environments, return_index=True)
    for label in labels[np.argsort(-starts)]:
        times = telemetry.times[telemetry.environments == label]
        if times[0] <= at <= times[-1]:
            return int(label)
    low, high = telemetry.times.min(), telemetry.times.max()
    raise InputError(f"at must lie within the telemetry's times {low:.15g}..{high:.15g}, got {at:.15g}")


def split(telemetry: Telemetry, at: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (bool[T] normal, bool[T] abnormal).

    Abnormal are the rows from ``at`` on of the environment that ``at`` falls into; normal are its rows before, and every row of
    the other environments.

    Raises
    ------
    InputError : ``at`` outside the times, or fewer than 5 normal rows.

    >>> normal, abnormal = split(Telemetry([[float(k)] for k in range(8)], ["x"]), at=6)
    >>> int(normal.sum()), int(abnormal.sum())
    (6, 2)
    """
    here = telemetry.environments == incident_environment(telemetry, at)
    abnormal = here & (telemetry.times >= at)
    normal = ~abnormal
    if normal.sum() < MIN_NORMAL_ROWS:
        raise InputError(
            f"at must leave at least {MIN_NORMAL_ROWS} normal rows before it, got {int(normal.sum())}; "
            "a normal period recorded apart can be given beside the incident (normal)"
        )
    return normal, abnormal


def beside_normal(normal: Telemetry, incident: Telemetry) -> Telemetry:
    """Return both as environments, the incident last, over the variables that both have.

    Raises
    ------
    InputError : no variable in common.

    >>> both = beside_normal(Telemetry([[1.0], [2.0]], ["x"]), Telemetry([[9.0, 1.0], [8.0, 2.0]], ["x", "y"]))
    >>> both.names, both.environments.tolist()
    (('x',), [0, 0, 1, 1])
    """
    shared = [n for n in incident.names if n in set(normal.names)]
    if not shared:
        raise InputError(f"normal must share variables with the telemetry of the incident, got {normal.names[0]!r}, … in it")
    return Telemetry.concat([part.select([part.names.index(n) for n in shared]) for part in (normal, incident)])


def scale_of(telemetry: Telemetry, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (mean, standard deviation) float[N] of the normal rows, missing values left out.

    A variable that never varied in the normal period, such as an error rate of 0, would make any change infinite. It borrows the
    median deviation of the variables with the same metric that did vary, so that of two such changes the larger one counts for
    more; without such peers it takes its own deviation over all rows. NaN where nothing was recorded.
    """
    mean, deviation = _moments(telemetry.values[normal])
    _, overall = _moments(telemetry.values)
    flat = deviation <= 1e-12 * np.maximum(np.abs(mean), 1e-300)
    metrics = np.array([v.metric if v.service != v.name else "" for v in telemetry.variables])
    for k in np.flatnonzero(flat):
        peers = deviation[(metrics == metrics[k]) & (metrics != "") & ~flat & ~np.isnan(deviation)]
        deviation[k] = np.median(peers) if peers.size else overall[k]
    return mean, deviation


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        spread = np.where(known, values - mean, 0.0)
        deviation = np.sqrt((spread**2).sum(axis=0) / np.maximum(count - 1, 1))
    return np.where(count, mean, np.nan), np.where(count, deviation, np.nan)


def ranked(names: tuple[str, ...], scores: np.ndarray) -> list[tuple[str, float]]:
    """Return (name, score), highest first, ties in column order; variables without a score are left out."""
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    return [(names[k], float(scores[k])) for k in order if not np.isnan(scores[k])]


def worst(deviations: np.ndarray) -> np.ndarray:
    """Return the largest |value| of each column, NaN where a column has none."""
    sizes = np.abs(deviations)
    known = ~np.isnan(sizes)
    return np.where(known.any(axis=0), np.where(known, sizes, -np.inf).max(axis=0, initial=-np.inf), np.nan)
