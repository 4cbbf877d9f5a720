"""Where intervention windows lie among the rows of a telemetry, and how they move when rows or environments do.

A window counts its seconds from the first time of its environment; one that names no environment lies in the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from causaldisc.core.intervention import Intervention


def rows_of(window: Intervention, times: np.ndarray, environments: np.ndarray) -> np.ndarray:
    """Return bool[T]: the rows with ``start <= seconds < stop`` in the environment of a window.

    Parameters
    ----------
    times : float[T], seconds.
    environments : int[T], a label per row, each environment one block.

    >>> window = Intervention("cart", "kill", start=15, stop=45)
    >>> rows_of(window, np.array([100.0, 115.0, 130.0, 145.0]), np.zeros(4, int)).tolist()
    [False, True, True, False]
    """
    inside = environments == _label(window, environments)
    if not inside.any():
        return inside
    seconds = times - times[int(np.argmax(inside))]
    slack = 4.0 * float(np.spacing(np.abs(times).max()))  # 0.1 s apart in 1970 is not 0.1 s apart today
    return inside & (seconds >= window.start - slack) & (seconds < window.stop - slack)


def after_selection(
    windows: Iterable[Intervention],
    times: np.ndarray,
    environments: np.ndarray,
    kept_times: np.ndarray,
    kept_environments: np.ndarray,
) -> tuple[Intervention, ...]:
    """Return the windows over the same moments when only some rows are kept; those that end before these are dropped.

    >>> t, e = np.array([0.0, 1.0, 2.0, 3.0]), np.zeros(4, int)
    >>> [(w.start, w.stop) for w in after_selection([Intervention("cart", "kill", start=1, stop=3)], t, e, t[2:], e[2:])]
    [(0.0, 1.0)]
    """
    moved = []
    for window in windows:
        label = _label(window, environments)
        there = kept_environments == label
        if not there.any():
            continue
        shift = float(kept_times[int(np.argmax(there))] - times[int(np.argmax(environments == label))])
        stop = window.stop - shift
        if stop > 0:
            place = None if window.environment is None and label == kept_environments[0] else int(label)
            moved.append(replace(window, start=max(window.start - shift, 0.0), stop=stop, environment=place))
    return tuple(moved)


def relabelled(
    windows: Iterable[Intervention], environments: np.ndarray, labels: Mapping[int, int], leads: bool
) -> tuple[Intervention, ...]:
    """Return windows under new labels of the environments.

    Parameters
    ----------
    environments : int[T], the old labels by row.
    labels : old label → new label.
    leads : whether the first environment stays the first of all, so that windows in it need no label.
    """
    return tuple(
        window if leads and window.environment is None else replace(window, environment=labels[int(_label(window, environments))])
        for window in windows
    )


def _label(window: Intervention, environments: np.ndarray) -> int | float:
    """Return the label of a window's environment."""
    if window.environment is not None:
        return window.environment
    return environments[0] if len(environments) else math.nan
