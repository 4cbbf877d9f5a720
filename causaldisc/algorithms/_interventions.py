"""What the windows of a telemetry say of its rows: which interventions are at work in each, and on what they may act."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causaldisc.core.intervention import Intervention
from causaldisc.core.telemetry import Telemetry

# Choices for faults, which act on a service and not, like ``set``, on one variable that is told.
TARGETS = ("unknown", "service", "leave_out")


@dataclass(frozen=True, eq=False)
class Acting:
    """One distinct intervention: windows of the same target, kind and variable.

    Attributes
    ----------
    name : for reports, such as ``set cart:cpu``.
    held : the column that it sets, None where it is none of the columns.
    pool : bool[N], the variables on which it may act besides.
    magnitude : float[T], NaN outside its windows.
    """

    name: str
    held: int | None
    pool: np.ndarray
    magnitude: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """bool[T]: the rows in its windows."""
        return ~np.isnan(self.magnitude)


def acting(telemetry: Telemetry, by_service: bool) -> list[Acting]:
    """Return the distinct interventions that cover a row, in the order in which they are listed.

    An intervention of kind ``set`` acts on its variable alone, whose own mechanism is then out of force. Every other kind
    changes mechanisms in a way that is not told: of any variable, or, ``by_service``, of metrics of the service that it touches.
    That is sound only where no mechanism of another service notices it but through these metrics. What acts on a variable or a
    service that was not measured may show anywhere.

    >>> window = Intervention("cart", "set", 2.0, start=1, stop=3, variable="cart:cpu")
    >>> data = Telemetry([[1.0, 1.0], [2.0, 0.0], [2.0, 1.0]], ["cart:cpu", "cart:latency"], windows=[window])
    >>> [(a.name, a.held, a.pool.any(), a.rows.tolist()) for a in acting(data, by_service=False)]
    [('set cart:cpu', 0, np.False_, [False, True, True])]
    """
    found: dict[tuple[str, str, str | None], Acting] = {}
    for window in telemetry.windows:
        inside = telemetry.window_rows(window)
        if not inside.any():
            continue
        key = (window.kind, window.target, window.variable)
        if key not in found:
            found[key] = _of(window, telemetry, by_service)
        found[key].magnitude[inside] = window.magnitude
    return list(found.values())


def _of(window: Intervention, telemetry: Telemetry, by_service: bool) -> Acting:
    names, held = telemetry.names, None
    if window.kind == "set" and window.variable in names:
        held = names.index(window.variable)
    same = np.array([v.service == window.target for v in telemetry.variables])
    anywhere = window.kind == "set" or not by_service or not same.any()
    pool = np.zeros(len(names), bool) if held is not None else np.ones(len(names), bool) if anywhere else same
    about = window.variable if window.kind == "set" else window.target
    return Acting(f"{window.kind} {about}", held, pool, np.full(telemetry.shape[0], np.nan))


@dataclass(frozen=True, eq=False)
class Plan:
    """The rows of a telemetry by regime: the set of interventions that are at work.

    Attributes
    ----------
    labels : int[T], the regime of every row, -1 for rows that are left out.
    names : R names; that of rows without intervention is empty.
    held, pool : bool[R, N], variables that are set in a regime, and those whose mechanism may be another one.
    reference : the regime from which mechanisms change: that without intervention, or that of most rows.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    held: np.ndarray
    pool: np.ndarray
    reference: int

    @property
    def contexts(self) -> np.ndarray:
        """int[K], the regimes that have a context: those that touch anything."""
        return np.flatnonzero((self.held | self.pool).any(axis=1))


def plan_of(telemetry: Telemetry, targets: str, fewest: int) -> Plan:
    """Sort rows into regimes.

    Interventions that are at work at the same time are one regime, since nothing tells what each of them did. So are, of
    faults, those of one magnitude. Rows of a regime in which mechanisms may be others are left out where they are fewer than
    ``fewest`` or, with targets ``leave_out``, always. Without rows free of intervention, the regime of most rows is the
    reference: on what differs from it both what acts in the one and in the other may have acted.
    """
    at_work, n = acting(telemetry, targets == "service"), telemetry.shape[1]
    signs = np.zeros((telemetry.shape[0], len(at_work)), int)
    for k, one in enumerate(at_work):
        strength = one.magnitude[one.rows] if one.pool.any() else np.zeros(one.rows.sum())
        signs[one.rows, k] = 1 + np.unique(strength, return_inverse=True)[1]
    kinds, begins, labels = np.unique(signs, axis=0, return_index=True, return_inverse=True)
    order = np.lexsort((begins, kinds.any(axis=1)))  # without intervention first, then as they come
    kinds, labels = kinds[order], np.argsort(order)[labels.ravel()]
    held, pool = np.zeros((len(kinds), n), bool), np.zeros((len(kinds), n), bool)
    for k, one in enumerate(at_work):
        pool[kinds[:, k] > 0] |= one.pool
        if one.held is not None:
            held[kinds[:, k] > 0, one.held] = True
    pool &= ~held
    names = tuple(" and ".join(one.name for k, one in enumerate(at_work) if kind[k]) for kind in kinds)
    sizes = np.bincount(labels, minlength=len(kinds))
    out = pool.any(axis=1) & ((sizes < fewest) | (targets == "leave_out"))
    return _without(Plan(labels, names, held, pool, 0), out)


def _without(plan: Plan, out: np.ndarray) -> Plan:
    """Leave regimes out, and choose the reference among the others."""
    kept = np.flatnonzero(~out)
    place = np.full(len(out), -1)
    place[kept] = np.arange(len(kept))
    labels = place[plan.labels]
    names, held, pool = tuple(plan.names[r] for r in kept), plan.held[kept], np.array(plan.pool[kept])
    reference = int(np.argmax(np.bincount(labels[labels >= 0], minlength=max(len(kept), 1))))
    if "" in names:
        reference = names.index("")
    elif len(kept):
        pool |= pool[reference] & ~held
        pool[reference] = False
    return Plan(labels, names, held, pool, reference)
