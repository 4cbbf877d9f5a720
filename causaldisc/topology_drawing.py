"""A picture of a system: services from left to right as they call each other, their load, their hosts, their traffic."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.layered_layout import Layout, layered

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes

# Okabe & Ito's colours, which are told apart in every common kind of colour vision.
HUES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_INK, _EDGE = "#22272e", "#7d8590"
_MOST_LETTERS = 28
_WIDTHS = 0.7, 4.5  # points, of the least and of the most calls
_TALL = 0.62  # of a box, in rooms


@dataclass(frozen=True)
class Scene:
    """What is drawn: the graph, what is known of it, and where it stands; lengths in inches."""

    graph: nx.DiGraph
    layout: Layout
    load: Mapping[str, float]
    calls: Mapping[tuple[str, str], float]
    hosts: Mapping[str, str]
    left: tuple[float, ...]  # of each layer
    width: tuple[float, ...]
    room: float

    def y(self, height: float) -> float:
        """From rooms to inches, upwards."""
        return -height * self.room


def topology_picture(
    graph: nx.DiGraph,
    *,
    load: Mapping[str, float] | None = None,
    calls: Mapping[tuple[str, str], float] | None = None,
    hosts: Mapping[str, str] | None = None,
    title: str = "",
    load_name: str = "CPU in use",
) -> bytes:
    """Draw a call graph as PNG.

    Parameters
    ----------
    graph : services, caller → callee; an edge with ``waits`` False is a message that nobody awaits, and dashed.
    load : service → share in use, 0..1; decides the colour.
    calls : (caller, callee) → calls per second; decides the width of the edge.
    hosts : service → host; written in the box, and marked at its side in a colour of its own.

    >>> import networkx as nx
    >>> topology_picture(nx.DiGraph([("web", "cart"), ("cart", "db")]), load={"cart": 0.4})[1:4]
    b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scene = _scene(graph, layered(graph), load or {}, calls or {}, hosts or {})
    heights = [*scene.layout.height.values(), *(h for points in scene.layout.bends.values() for _, h in points)]
    reach = scene.room * (max(heights, default=0.0) - min(heights, default=0.0) + 1.2)
    wide = scene.left[-1] + scene.width[-1] + 0.3
    figure = Figure(figsize=(max(wide, 6.0), reach + 1.25), dpi=130)
    high = figure.get_size_inches()[1]
    axes = figure.add_axes((0.0, 0.75 / high, 1.0, (high - 1.25) / high))
    extra = (figure.get_size_inches()[0] - wide) / 2
    top = scene.y(min(heights, default=0.0)) + 0.6 * scene.room
    axes.set(xlim=(-0.3 - extra, wide - 0.3 + 0.3 + extra), ylim=(top - reach, top))
    axes.axis("off")
    colours, most = _colours(scene.load)
    _draw_edges(axes, scene)
    _draw_boxes(axes, scene, colours)
    _legend(figure, scene, colours, most, load_name)
    figure.text(0.5, 1 - 0.12 / high, title, ha="center", va="top", fontsize=12, color=_INK)
    buffer = io.BytesIO()
    # Neither version nor time goes into the file: the same system gives the same bytes.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _scene(graph: Any, layout: Layout, load: Any, calls: Any, hosts: Any) -> Scene:
    layers = max(layout.layer.values(), default=0) + 1
    letters = [max([len(_short(n)) for n, k in layout.layer.items() if k == layer] + [13]) for layer in range(layers)]
    width = [0.083 * n + 0.3 for n in letters]
    tallest = max((sum(k == layer for k in layout.layer.values()) for layer in range(layers)), default=1)
    room = float(np.clip(9.0 / max(tallest, 1), 0.46, 0.72))
    gap = float(np.clip(0.5 + 0.06 * tallest, 0.8, 1.7))
    left = np.cumsum([0.0, *(w + gap for w in width[:-1])])
    return Scene(graph, layout, load, calls, hosts, tuple(left.tolist()), tuple(width), room)


def _draw_boxes(axes: Axes, scene: Scene, colours: Any) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    marks = _marks(scene.hosts)
    for node, layer in scene.layout.layer.items():
        x, y, width = scene.left[layer], scene.y(scene.layout.height[node]), scene.width[layer]
        tall = _TALL * scene.room
        share = scene.load.get(node, np.nan)
        fill = colours(share) if share == share else (0.95, 0.95, 0.96, 1.0)
        ink = "white" if np.dot(fill[:3], (0.299, 0.587, 0.114)) < 0.5 else _INK
        style = f"round,pad=0,rounding_size={0.12 * tall}"
        axes.add_patch(FancyBboxPatch((x, y - tall / 2), width, tall, style, fc=fill, ec=_INK, lw=0.7, zorder=3))
        host = scene.hosts.get(node)
        if host in marks:
            axes.add_patch(
                Rectangle((x + 0.035, y - 0.36 * tall), 0.06, 0.72 * tall, fc=marks[host], ec="white", lw=0.4, zorder=4)
            )
        words = [f"{100 * share:.0f} %"] if share == share else []
        words += [host] if host else []
        centre = x + width / 2 + (0.04 if host in marks else 0.0)
        lift = 0.16 * tall if words else 0.0
        axes.text(centre, y + lift, _short(node), ha="center", va="center", fontsize=8, fontweight="bold", color=ink, zorder=5)
        if words:
            axes.text(centre, y - 0.26 * tall, " · ".join(words), ha="center", va="center", fontsize=6.5, color=ink, zorder=5)


def _draw_edges(axes: Axes, scene: Scene) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    most = max(scene.calls.values(), default=0.0)
    leave, reach = _ports(scene)
    for edge in sorted(scene.graph.edges, key=lambda e: scene.calls.get(e, 0.0)):
        a, b = edge
        width = _width(scene.calls.get(edge, 0.0), most)
        points = [(scene.left[scene.layout.layer[a]] + scene.width[scene.layout.layer[a]], leave[edge])]
        for layer, height in scene.layout.bends[edge]:
            points += [(scene.left[layer], scene.y(height)), (scene.left[layer] + scene.width[layer], scene.y(height))]
        points.append((scene.left[scene.layout.layer[b]] - 0.02, reach[edge]))
        vertices, codes = [points[0]], [Path.MOVETO]
        for k, (p, q) in enumerate(pairwise(points)):
            if k % 2:  # past a layer, straight
                vertices.append(q)
                codes.append(Path.LINETO)
            else:
                reachable = 0.5 * abs(q[0] - p[0]) if q[0] > p[0] else 0.6
                vertices += [(p[0] + reachable, p[1]), (q[0] - reachable, q[1]), q]
                codes += [Path.CURVE4] * 3
        waits = scene.graph.edges[edge].get("waits", True)
        axes.add_patch(
            FancyArrowPatch(
                path=Path(vertices, codes), arrowstyle="-|>", mutation_scale=5 + 1.5 * width, lw=width, color=_EDGE,
                ls="-" if waits else (0, (4, 2)), shrinkA=0, shrinkB=0, joinstyle="round", capstyle="butt", zorder=1,
            )
        )  # fmt: skip


def _ports(scene: Scene) -> tuple[dict[Any, float], dict[Any, float]]:
    """Heights at which edges leave and reach a box, in the order of where they come from or go to."""
    leave: dict[Any, float] = {}
    reach: dict[Any, float] = {}
    for node in scene.graph:
        for edges, ports, far in ((scene.graph.out_edges(node), leave, 0), (scene.graph.in_edges(node), reach, -1)):

            def other(edge: Any, far: int = far) -> float:
                bends = scene.layout.bends[edge]
                return bends[far][1] if bends else scene.layout.height[edge[1] if far == 0 else edge[0]]

            ordered = sorted(edges, key=other)
            spread = 0.7 * _TALL * min(1.0, 0.25 * max(len(ordered) - 1, 0))
            places = np.linspace(-spread / 2, spread / 2, len(ordered))
            for edge, place in zip(ordered, places, strict=True):
                ports[edge] = scene.y(scene.layout.height[node] + float(place))
    return leave, reach


def _width(calls: float, most: float) -> float:
    """Points; its square grows with the calls, so that few are still seen."""
    low, high = _WIDTHS
    return low + (high - low) * np.sqrt(calls / most) if most > 0 else 1.1


def _colours(load: Mapping[str, float]) -> tuple[Any, float]:
    """A scale from light to dark and its upper end: a whole tenth, at least a half, so that an idle system looks idle."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    highest = max((v for v in load.values() if v == v), default=0.0)
    most = float(np.clip(np.ceil(10 * highest - 1e-9) / 10, 0.5, 1.0))
    scale = LinearSegmentedColormap.from_list("load", colormaps["YlGnBu"](np.linspace(0.03, 0.88, 256)))
    return (lambda share: scale(min(share / most, 1.0))), most


def _marks(hosts: Mapping[str, str]) -> dict[str | None, str]:
    names = sorted(set(hosts.values()))
    return dict(zip(names, HUES, strict=False)) if len(names) <= len(HUES) else {}


def _legend(figure: Any, scene: Scene, colours: Any, most: float, load_name: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    wide, high = figure.get_size_inches()
    if scene.load:
        bar = figure.add_axes((0.35 / wide, 0.42 / high, 1.7 / wide, 0.13 / high))
        bar.imshow([[*colours_of(colours, most)]], aspect="auto", extent=(0, 100 * most, 0, 1))
        bar.set(yticks=[], xticks=np.linspace(0, 100 * most, 3))
        bar.tick_params(labelsize=7, length=2, pad=1)
        bar.set_xlabel(f"{load_name}, %", fontsize=7, labelpad=1)
    handles: list[Any] = [Patch(fc=hue, label=host) for host, hue in _marks(scene.hosts).items()]
    largest = max(scene.calls.values(), default=0.0)
    for rate in _examples(largest):
        handles.append(Line2D([], [], color=_EDGE, lw=_width(rate, largest), label=f"{rate:g} calls/s"))
    if any(not waits for *_, waits in scene.graph.edges(data="waits", default=True)):
        handles.append(Line2D([], [], color=_EDGE, lw=1.2, ls=(0, (4, 2)), label="not awaited"))
    if handles:
        start = 2.4 if scene.load else 0.3
        columns = max(int((wide - start) / 1.15), 1)
        place = (start / wide, 0.02 / high, 1 - (start + 0.1) / wide, 0.6 / high)
        figure.legend(handles=handles, loc="center left", bbox_to_anchor=place, ncols=min(columns, len(handles)),
                      frameon=False, fontsize=7.5, handlelength=2.0, columnspacing=1.4)  # fmt: skip


def colours_of(colours: Any, most: float) -> list[Any]:
    """The scale as 64 colours, for its bar."""
    return [colours(share) for share in np.linspace(0, most, 64)]


def _examples(largest: float) -> list[float]:
    """Round numbers below the largest, one or two."""
    if not largest > 0:
        return []
    top = 10.0 ** np.floor(np.log10(largest))
    return [float(f"{v:.1g}") for v in (top / 10, top * int(largest / top))]


def _short(name: str) -> str:
    half = _MOST_LETTERS // 2
    return name if len(name) <= _MOST_LETTERS else f"{name[: half - 1]}…{name[-half:]}"
