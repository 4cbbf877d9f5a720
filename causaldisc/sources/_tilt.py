"""The tilt: one number that weakens or strengthens effects along the causal order, until R² has no trend along it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from causaldisc.sources._sortability import explained, path_counts, share_rising

_WIDEST = 4.0
_STEPS = 7
_DRAWS = 8
_NEAR = 0.02


def positions(edges: np.ndarray) -> np.ndarray:
    """Return float[N] in -1..1: the share of paths that end in a variable minus the share that begin there, 0 without any.

    >>> positions(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)).tolist()
    [-1.0, 0.0, 1.0]
    """
    counts = path_counts(edges)
    begin, end = counts.sum(axis=1), counts.sum(axis=0)
    return (end - begin) / np.maximum(end + begin, 1.0)


def r2_share(values: np.ndarray, edges: np.ndarray) -> float:
    """Return the R²-sortability of float[T, N] under the directed edges bool[N, N]."""
    return share_rising(explained(values), path_counts(edges))


def level(measure: Callable[[int, float], float], rng: np.random.Generator) -> tuple[int, float]:
    """Return the (draw, tilt) whose measure is nearest to 1/2.

    For each of up to eight draws of what else is random the tilt is sought in ±4 by bisection of a measure that falls with
    it, until one is within 0.02. A graph may be too small to have the choice: then it is the nearest met, and among equally
    near ones chance decides, or ties would all be broken to one side. Only the simulation is looked at, never what an
    algorithm makes of it.

    >>> draw, tilt = level(lambda draw, tilt: 0.8 - 0.1 * tilt, np.random.default_rng(0))
    >>> draw, round(tilt, 1)
    (0, 3.0)
    """
    met = []
    for draw in range(_DRAWS):
        low, high = -_WIDEST, _WIDEST
        for _ in range(_STEPS):
            tilt = 0.5 * (low + high)
            share = measure(draw, tilt)
            if np.isnan(share):  # no edge, no order
                return 0, 0.0
            met.append((round(abs(share - 0.5), 6), float(rng.random()), draw, tilt))
            if met[-1][0] < _NEAR:
                return draw, tilt
            low, high = (tilt, high) if share > 0.5 else (low, tilt)
    return min(met)[2:]
