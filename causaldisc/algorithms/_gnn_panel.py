"""Telemetry as the network reads it: standardised windows of lags as sources, the present as targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causaldisc.algorithms._orders import reachable
from causaldisc.core.constraints import Constraints
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.moments import lagged, lagged_rows

# More windows add seconds and memory, and hardly any power.
MAX_ROWS = 10_000


@dataclass(frozen=True, eq=False)
class Panel:
    """R windows of N variables over L + 1 lags; source ``lag * N + i`` is x_i(t - lag), so there are S = N (L + 1).

    Attributes
    ----------
    sources : float[S, R], mean 0 in each environment, unit variance; 0 (the mean) where missing.
    targets : float[N, R], the present, likewise.
    known : bool[N, R], where a target was recorded and not set from outside.
    rows : int[R], the rows of the telemetry at which the windows end.
    """

    sources: np.ndarray
    targets: np.ndarray
    known: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, telemetry: Telemetry, max_lag: int, rng: np.random.Generator) -> Panel:
        """Cut windows, none across two environments; of more than ``MAX_ROWS`` a random subset stays.

        >>> panel = Panel.of(Telemetry([[1.0], [2.0], [3.0], [4.0]], ["x"]), 1, np.random.default_rng(0))
        >>> panel.sources.shape, panel.rows.tolist()
        ((2, 3), [1, 2, 3])
        """
        values, labels = standardised(telemetry.values, telemetry.environments), telemetry.environments
        rows = lagged_rows(labels, max_lag)
        picked = np.arange(len(rows))
        if len(rows) > MAX_ROWS:
            picked = np.sort(rng.choice(len(rows), MAX_ROWS, replace=False))
        wide = lagged(values, labels, max_lag)[picked].T
        targets = wide[: values.shape[1]]
        known = ~np.isnan(targets) & ~_set_from_outside(telemetry)[rows[picked]].T
        return cls(np.nan_to_num(wide), np.nan_to_num(targets), known, rows[picked])


@dataclass(frozen=True, eq=False)
class Cells:
    """Which edges the network may use, each bool[S, N] with ``[lag * N + i, j]`` = x_i(t - lag) → x_j(t).

    Attributes
    ----------
    open : allowed by the prior, or a variable's own past, which drives it whether or not the prior wants to see that edge.
    pinned : required, one lag for each required edge.
    allowed : what the prior allows, and so what may be reported.
    before : bool[N, N], ``[u, v]``: pinned lag-0 edges lead from u to v.
    """

    open: np.ndarray
    pinned: np.ndarray
    allowed: np.ndarray
    before: np.ndarray

    @classmethod
    def of(cls, constraints: Constraints, panel: Panel) -> Cells:
        """Pin every required edge at its lag of strongest correlation; close what would make a cycle with those."""
        n, depth = len(constraints.variables), constraints.max_lag + 1
        association = np.abs(panel.sources @ panel.targets.T) / max(len(panel.rows), 1)
        pinned = flat(constraints.pin(unflat(association, n)))
        allowed = flat(constraints.allowed)
        before = reachable(pinned[:n])
        able = allowed | own_past(n, depth)
        able[:n] &= ~before.T
        return cls(able | pinned, pinned, allowed, before)


def own_past(n: int, depth: int) -> np.ndarray:
    """Return bool[S, N]: the cells from a variable's own past, over ``depth`` = L + 1 lags.

    >>> own_past(1, 3).ravel().tolist()
    [False, True, True]
    """
    cells = np.tile(np.eye(n, dtype=bool), (depth, 1))
    cells[:n] = False
    return cells


def flat(cells: np.ndarray) -> np.ndarray:
    """Turn [N, N, L + 1] (cause, effect, lag) into [S, N] (source, effect)."""
    return np.ascontiguousarray(np.moveaxis(cells, 2, 0)).reshape(-1, cells.shape[1])


def unflat(cells: np.ndarray, n: int) -> np.ndarray:
    """Turn [S, N] back into [N, N, L + 1].

    >>> cells = np.arange(8).reshape(2, 2, 2)
    >>> bool((unflat(flat(cells), 2) == cells).all())
    True
    """
    return np.ascontiguousarray(np.moveaxis(cells.reshape(-1, n, n), 0, 2))


def standardised(values: np.ndarray, environments: np.ndarray) -> np.ndarray:
    """Return float[T, N] with mean 0 within each environment and variance 1 over all; NaN stays, no variance gives 0."""
    seen = ~np.isnan(values)
    size = np.abs(np.where(seen, values, 0.0)).max(axis=0)
    centred = np.where(seen, values / np.where(size > 0, size, 1.0), 0.0)
    for label in np.unique(environments):
        block = environments == label
        mean = centred[block].sum(axis=0) / np.maximum(seen[block].sum(axis=0), 1)
        centred[block] = np.where(seen[block], centred[block] - mean, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / np.maximum(seen.sum(axis=0), 1))
    # Rounding of a mean must not pass for variance.
    flat_column = spread < 1e-12
    centred[:, flat_column] = 0.0
    return np.where(seen, centred / np.where(flat_column, 1.0, spread), np.nan)


def _set_from_outside(telemetry: Telemetry) -> np.ndarray:
    """bool[T, N]: where a labelled ``set`` intervention holds a variable, whose own equation is then out of force."""
    held = np.zeros(telemetry.shape, dtype=bool)
    for window in telemetry.windows:
        if window.kind == "set" and window.variable in telemetry.names:
            held[telemetry.window_rows(window), telemetry.names.index(window.variable)] = True
    return held
