"""A picture of a learned graph against the truth: what was hit, missed, reversed, and made up."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.variables import ROLES, Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NONE, HIT, OPEN, REVERSED, FALSE, MISSED = range(6)

# Code → (word, colour, line style, sign in the matrix); colours are told apart by sign and style too.
_LOOK: dict[int, tuple[str, str, str, str]] = {
    HIT: ("hit", "#1a8a4a", "-", "●"),
    OPEN: ("hit, direction left open", "#8fcfa9", "-", "○"),
    REVERSED: ("reversed", "#e8871e", "-.", "↺"),
    FALSE: ("false", "#c8342c", "-", "×"),
    MISSED: ("missed", "#8a8f98", "--", "–"),
}
# Above this many nodes names would overlap, and are left out.
_MOST_NAMES = 80
_LONGEST_NAME = 28
_FOUND = ("found", "#2f6db5", "-", "●")


def compare(graph: CausalGraph, truth: CausalGraph) -> np.ndarray:
    """Classify every ordered pair of variables, lags collapsed.

    Parameters
    ----------
    graph, truth : graphs over the same variables, in any order.

    Returns
    -------
    int[N, N] : in the order of ``graph``; [i, j] says what became of i → j: ``HIT``, ``MISSED``, ``FALSE``; ``REVERSED`` where
        the graph has i → j alone and the truth j → i alone; ``OPEN`` for the wrong way of an undirected edge that is there.

    >>> from causaldisc.core.graph import Edge
    >>> a = CausalGraph(["a", "b", "c"], [Edge("a", "b"), Edge("c", "b")])
    >>> b = CausalGraph(["a", "b", "c"], [Edge("a", "b"), Edge("b", "c")])
    >>> compare(a, b).tolist()
    [[0, 1, 0], [0, 0, 0], [0, 3, 0]]
    """
    order = [truth.index[name] for name in graph.names]
    found, real = graph.adjacency(), truth.adjacency()[np.ix_(order, order)]
    codes = np.zeros(found.shape, dtype=int)
    codes[found & real] = HIT
    codes[found & ~real] = FALSE
    codes[found & ~real & ~found.T & real.T] = REVERSED
    codes[found & ~real & real.T & _undirected(graph)] = OPEN
    codes[~found & real & ~(codes.T == REVERSED)] = MISSED
    return codes


def graph_against_truth(graph: CausalGraph, truth: CausalGraph | None = None, title: str = "") -> bytes:
    """Draw a graph beside its truth as PNG: nodes on a circle, services together, and the matrix of causes and effects.

    Parameters
    ----------
    graph : what was learned.
    truth : over the same variables, or None: then edges are drawn without a verdict.
    title : a line above.

    >>> from causaldisc.core.graph import Edge
    >>> graph_against_truth(CausalGraph(["a", "b"], [Edge("a", "b")]))[1:4]
    b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    order = _reading_order(graph)
    codes = graph.adjacency().astype(int) if truth is None else compare(graph, truth)
    look = {HIT: _FOUND} if truth is None else _LOOK
    codes, marks = codes[np.ix_(order, order)], _open_marks(graph, order)
    variables = [graph.variables[k] for k in order]
    side = float(np.clip(4.0 + 0.16 * len(variables), 5.5, 11.0))
    figure = Figure(figsize=(2 * side, side + 0.6), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    _circle(left, variables, codes, marks, look)
    _matrix(right, variables, codes, look)
    figure.legend(handles=_legend(codes, look), loc="outside lower center", ncols=len(look), frameon=False)
    if title:
        figure.suptitle(title)
    buffer = io.BytesIO()
    # Neither version nor time goes into the file: the same graph gives the same bytes.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _undirected(graph: CausalGraph) -> np.ndarray:
    """bool[N, N], symmetric: pairs joined by an edge that stands for both directions."""
    pairs = np.zeros((len(graph.variables),) * 2, dtype=bool)
    for edge in graph.edges:
        if len(edge.directions) > 1:
            i, j = graph.index[edge.source], graph.index[edge.target]
            pairs[i, j] = pairs[j, i] = True
    return pairs


def _open_marks(graph: CausalGraph, order: list[int]) -> dict[tuple[int, int], tuple[str, str]]:
    """The marks at both ends of every edge that is not directed, by its places in an order, both ways round."""
    place = {graph.names[k]: at for at, k in enumerate(order)}
    marks: dict[tuple[int, int], tuple[str, str]] = {}
    for edge in graph.edges:
        if not edge.is_directed:
            i, j = place[edge.source], place[edge.target]
            marks[i, j], marks[j, i] = (edge.source_mark, edge.target_mark), (edge.target_mark, edge.source_mark)
    return marks


def _reading_order(graph: CausalGraph) -> list[int]:
    """Columns by service, and by role within: telemetry may come in any order."""
    services = sorted({v.service for v in graph.variables})
    return sorted(
        range(len(graph.variables)),
        key=lambda k: (services.index(graph.variables[k].service), ROLES.index(graph.variables[k].role), graph.names[k]),
    )


def _circle(
    axes: Axes, variables: list[Variable], codes: np.ndarray, marks: dict[tuple[int, int], tuple[str, str]], look: dict[int, Any]
) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    names = _labels(variables)
    angles = _angles(variables)
    points = np.column_stack([np.cos(angles), np.sin(angles)])
    size = _font(len(variables))
    for code in sorted(look, reverse=True):  # hits on top
        _, colour, style, _ = look[code]
        for i, j in zip(*np.nonzero(codes == code), strict=True):
            ends = ("tail", "arrow") if code == MISSED else marks.get((i, j), ("tail", "arrow"))
            if code == OPEN or (ends != ("tail", "arrow") and codes[j, i] == code and i > j):
                continue  # an edge that stands for both directions is one line
            # Bent towards the centre, neighbours less than opposites; a side step keeps i → j apart from j → i.
            middle = (points[i] + points[j]) / 2
            bend = (0.4 + 0.4 * middle @ middle) * middle + 0.06 * np.array(
                [points[j, 1] - points[i, 1], points[i, 0] - points[j, 0]]
            )
            curve = Path([0.975 * points[i], bend, 0.975 * points[j]], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
            head = f"{'<|' if ends[0] == 'arrow' else ''}-{'|>' if ends[1] == 'arrow' else ''}"
            width = 1.5 if code == HIT else 1.1
            axes.add_patch(
                FancyArrowPatch(
                    path=curve, arrowstyle=head, mutation_scale=size + 4, color=colour, linestyle=style, linewidth=width
                )
            )
            open_ends = [0.04 + 0.92 * end for end, mark in enumerate(ends) if mark == "circle"]
            if open_ends:
                rings = [(1 - t) ** 2 * 0.975 * points[i] + 2 * t * (1 - t) * bend + t**2 * 0.975 * points[j] for t in open_ends]
                axes.scatter(*np.array(rings).T, s=14, facecolors="white", edgecolors=colour, linewidths=width, zorder=2)
    axes.scatter(points[:, 0], points[:, 1], s=26, color="#22272e", zorder=3)
    for name, angle, (x, y) in zip(names, np.degrees(angles), points, strict=True):
        left = x < -1e-9
        turn = {"rotation": angle + 180 if left else angle, "rotation_mode": "anchor", "ha": "right" if left else "left"}
        axes.text(1.04 * x, 1.04 * y, name, va="center", fontsize=size, **turn)
    reach = _reach(axes, size * max((len(name) for name in names), default=0))
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.axis("off")


def _angles(variables: list[Variable]) -> np.ndarray:
    """float[N] radians, clockwise from the top, with a gap between services."""
    new = _begins_service(variables)
    steps = np.arange(len(variables)) + 0.8 * np.cumsum(new)
    return np.pi / 2 - 2 * np.pi * steps / (len(variables) + 0.8 * (sum(new) + 1) if len(variables) else 1)


def _reach(axes: Axes, letters: float) -> float:
    """Half the width of the axes, in radii of the circle, that leaves room for labels of so many letters × points."""
    figure: Any = axes.figure
    half = figure.get_size_inches()[1] * 72 / 2 * 0.92
    return 1.06 / (1 - min(0.6 * letters / half, 0.6))


def _matrix(axes: Axes, variables: list[Variable], codes: np.ndarray, look: dict[int, Any]) -> None:
    names = _labels(variables)
    size = _font(len(names))
    for code, (_, colour, _, sign) in look.items():
        for i, j in zip(*np.nonzero(codes == code), strict=True):
            axes.text(j, i, sign, color=colour, ha="center", va="center", fontsize=size + 3, fontweight="bold")
    edge = max(len(names), 1) - 0.5
    axes.set(xlim=(-0.5, edge), ylim=(edge, -0.5), aspect="equal", xlabel="effect", ylabel="cause")
    axes.tick_params(which="both", length=0)
    ticks = np.arange(len(names)) if any(names) else np.arange(0)
    axes.set_xticks(ticks, names[: len(ticks)], rotation=90, fontsize=size)
    axes.set_yticks(ticks, names[: len(ticks)], fontsize=size)
    axes.set_xticks(ticks[1:] - 0.5, minor=True)
    axes.set_yticks(ticks[1:] - 0.5, minor=True)
    axes.grid(which="minor", color="#e4e6ea", linewidth=0.6)
    for k, new in enumerate(_begins_service(variables)):
        if new:
            axes.axhline(k - 0.5, color="#9aa0a8", linewidth=0.8)
            axes.axvline(k - 0.5, color="#9aa0a8", linewidth=0.8)


def _legend(codes: np.ndarray, look: dict[int, Any]) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = []
    for code, (word, colour, style, sign) in look.items():
        label = f"{word} ({int((codes == code).sum())})"
        handles.append(Line2D([], [], color=colour, linestyle=style, marker=f"${sign}$", markersize=7, label=label))
    return handles


def _labels(variables: list[Variable]) -> list[str]:
    if len(variables) > _MOST_NAMES:
        return [""] * len(variables)
    half = _LONGEST_NAME // 2
    return [v.name if len(v.name) <= _LONGEST_NAME else f"{v.name[: half - 1]}…{v.name[-half:]}" for v in variables]


def _begins_service(variables: list[Variable]) -> list[bool]:
    """Whether each variable is the first of another service than the one before, where services have several variables."""
    grouped = len({v.service for v in variables}) < len(variables)
    return [grouped and k > 0 and v.service != variables[k - 1].service for k, v in enumerate(variables)]


def _font(n: int) -> float:
    return float(np.clip(11 - 0.1 * n, 5.0, 9.5))
