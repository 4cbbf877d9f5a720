"""A picture of an incident: every service's traffic, latency, errors and CPU before, during and after, against what was usual."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.intervention import Intervention
from causaldisc.core.telemetry import Telemetry
from causaldisc.layered_layout import call_depth

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes

PANELS = ("traffic", "latency", "errors", "cpu")
_MOST = 8.0  # beyond so many deviations all is one colour
# A share of failures that is no incident, by unit: where calls are few, one failure is many per cent of nothing.
_LEAST_ERRORS = {"1": 0.005, "%": 0.5}
_INK, _ROOT, _MISSING = "#22272e", "#b3006b", "#c9ccd1"


def deviations(values: np.ndarray, before: np.ndarray, least: Any = 0.0) -> np.ndarray:
    """Return how far each value is from the usual, in usual deviations, float[T, N]; NaN stays.

    Parameters
    ----------
    values : float[T, N].
    before : bool[T], the rows that count as usual.
    least : float[N], below which a deviation of a column is none.

    The usual is the median of a column, its deviation 1.4826 times the median absolute one, at least half the standard deviation,
    2 % of the median, and a twentieth of the largest departure: a column that never moved before does not go beyond all bounds.

    >>> found = deviations(np.array([[1.0], [3.0], [2.0], [2.0], [5.0]]), np.array([True] * 4 + [False]))
    >>> found.round(2).T.tolist()
    [[-1.35, 1.35, 0.0, 0.0, 4.05]]
    """
    usual = values[before]
    some = ~np.isnan(usual).all(axis=0)
    found = np.full(values.shape, np.nan)
    middle = np.nanmedian(usual[:, some], axis=0)
    away = values[:, some] - middle
    scale = np.max(
        [
            1.4826 * np.nanmedian(np.abs(usual[:, some] - middle), axis=0),
            0.5 * np.nanstd(usual[:, some], axis=0),
            0.02 * np.abs(middle),
            np.nanmax(np.abs(away), axis=0) / 20.0,
            np.broadcast_to(least, values.shape[1:])[some],
        ],
        axis=0,
    )
    found[:, some] = np.divide(away, scale, out=np.where(np.isnan(away), np.nan, 0.0), where=scale > 0)
    return found


def incident_picture(
    telemetry: Telemetry, intervention: Intervention, graph: nx.DiGraph | None = None, title: str | None = None
) -> bytes:
    """Draw one incident as PNG: a map for each role of metrics, services from the users down, time to the right.

    Parameters
    ----------
    telemetry : of the whole run; its own clock, in which the window is.
    intervention : what was done when and where; its target is marked.
    graph : call graph, for the order of the services; without it they come by name.

    Raises
    ------
    InputError : fewer than five rows before the window, or no metric of a role that is drawn.

    >>> import causaldisc as cd
    >>> data = cd.simulate("mesh", n_services=3, duration_s=600, trials=1)
    >>> incident_picture(data.trials[0].telemetry, data.trials[0].intervention, data.call_graph)[1:4]
    b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    seconds = np.asarray(telemetry.times, float) - float(telemetry.times[0])
    before = seconds < intervention.start
    if before.sum() < 5:
        raise InputError(f"intervention must leave at least 5 rows before it, got {int(before.sum())}")
    services = _ordered(telemetry, graph)
    panels = [role for role in PANELS if _columns(telemetry, role)]
    if not panels:
        raise InputError(f"telemetry must have a metric of a role that is drawn, got none; valid: {', '.join(PANELS)}")
    tall = float(np.clip(0.24 * len(services), 1.2, 14.0))
    figure = Figure(figsize=(1.6 + 2.75 * len(panels), tall + 1.35), dpi=130, layout="constrained")
    grid: Any = figure.subplots(1, len(panels), sharey=True, squeeze=False)
    z = deviations(telemetry.values, before, [_LEAST_ERRORS.get(v.unit, 0.0) * (v.role == "errors") for v in telemetry.variables])
    image: Any = None
    for axes, role in zip(grid[0], panels, strict=True):
        columns = _columns(telemetry, role)
        rows = np.array([z[:, columns[s]] if s in columns else np.full(len(z), np.nan) for s in services])
        image = _map(axes, rows, seconds, intervention)
        axes.set_title(_named(telemetry, role, columns), fontsize=9, color=_INK, pad=10)
    _names(grid[0, 0], services, roots_of(intervention))
    bar = figure.colorbar(image, ax=list(grid[0]), shrink=0.9, aspect=max(20.0, 9.0 * tall), pad=0.01, extend="both")
    bar.set_label("deviations from the usual before" + (" (grey: no value)" if np.isnan(z).any() else ""), fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(_described(intervention) if title is None else title, fontsize=11, color=_INK)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def roots_of(intervention: Intervention) -> set[str]:
    """The services at which an intervention acts: its target, or both ends of a call ``caller->callee``."""
    return set(intervention.target.split("->"))


def _map(axes: Axes, rows: np.ndarray, seconds: np.ndarray, intervention: Intervention) -> Any:
    from matplotlib import colormaps

    colours = colormaps["PuOr_r"].with_extremes(bad=_MISSING)
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
    extent = (seconds[0] / 60, (seconds[-1] + step) / 60, len(rows) - 0.5, -0.5)
    image = axes.imshow(rows, aspect="auto", interpolation="nearest", cmap=colours, vmin=-_MOST, vmax=_MOST, extent=extent)
    start, stop = intervention.start / 60, min(intervention.stop / 60, extent[1])
    axes.plot([start, stop], [-0.5, -0.5], color=_ROOT, lw=5, solid_capstyle="butt", clip_on=False, zorder=5)
    for moment in (start, stop):
        axes.axvline(moment, color=_ROOT, lw=1.0, ls=(0, (3, 2)))
    axes.set_yticks(np.arange(1, len(rows)) - 0.5, minor=True)
    axes.grid(which="minor", axis="y", color="white", lw=0.8)
    axes.tick_params(which="both", length=0, labelsize=8)
    axes.tick_params(axis="x", which="major", length=2)
    axes.set_xlabel("minutes", fontsize=8)
    for side in axes.spines.values():
        side.set_visible(False)
    return image


def _names(axes: Axes, services: list[str], roots: set[str]) -> None:
    labels = [f"▶ {s}" if s in roots else s for s in services]
    axes.set_yticks(range(len(services)), labels, fontsize=8 if len(services) <= 45 else 6)
    for label, service in zip(axes.get_yticklabels(), services, strict=True):
        if service in roots:
            label.set(color=_ROOT, fontweight="bold")


def _ordered(telemetry: Telemetry, graph: nx.DiGraph | None) -> list[str]:
    names = sorted({v.service for v in telemetry.variables})
    depth = call_depth(graph) if graph is not None else {}
    return sorted(names, key=lambda s: (depth.get(s, len(depth)), s))


def _columns(telemetry: Telemetry, role: str) -> dict[str, int]:
    """Service → the column of its plainest metric of a role."""
    found: dict[str, int] = {}
    for k, v in enumerate(telemetry.variables):
        if v.role == role and (v.service not in found or len(v.metric) < len(telemetry.variables[found[v.service]].metric)):
            found[v.service] = k
    return found


def _named(telemetry: Telemetry, role: str, columns: dict[str, int]) -> str:
    metrics = {telemetry.variables[k].metric for k in columns.values()}
    return role if len(metrics) > 1 or role in metrics else f"{role} ({metrics.pop()})"


def _described(intervention: Intervention) -> str:
    stop = "the end" if np.isinf(intervention.stop) else f"minute {intervention.stop / 60:.4g}"
    place = intervention.variable if intervention.kind == "set" else intervention.target
    return f"{intervention.kind} {intervention.magnitude:g} at {place}, minute {intervention.start / 60:.4g} to {stop}"
