"""The figure: CPU seconds against the number of variables, one panel an algorithm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from report import Side, sides
from workloads import WORKLOADS, Workload

# Blue and orange of Okabe & Ito, told apart with any colour vision; markers differ too.
STYLES = (("#0072B2", "o"), ("#D55E00", "s"))
LIBRARIES = {"causallearn": "causal-learn", "tigramite": "tigramite"}
TITLES = {"pc": "PC", "ges": "GES", "pcmci": "PCMCI, lags to 3", "pcmci_plus": "PCMCI+, lags to 3"}


def draw(lines: list[dict[str, Any]], path: Path) -> None:
    """Write ``path`` with the endings .png and .svg.

    A point is the median over data sets, its bar their range; an arrow upward starts at the time after which a run was killed.
    """
    with mpl.rc_context({"font.size": 11, "svg.hashsalt": "speed", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 7), layout="constrained")
        axes = figure.subplots(2, 2, sharey=True)
        for axis, algorithm in zip(axes.flat, TITLES, strict=True):
            chosen = [w for w in WORKLOADS.values() if w.algorithm == algorithm and w.degree == 2]
            _panel(axis, chosen, lines)
        for axis in axes[:, 0]:
            axis.set_ylabel("CPU seconds")
        for axis in axes[1]:
            axis.set_xlabel("variables")
        figure.suptitle("Time to a graph, one thread", fontsize=14, x=0.01, ha="left")
        figure.savefig(path.with_suffix(".png"), dpi=150, metadata={"Software": None})
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def _panel(axis: Any, chosen: list[Workload], lines: list[dict[str, Any]]) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(chosen[0].variables / 1.5, chosen[-1].variables * 1.5)
    axis.set_title(TITLES[chosen[0].algorithm], loc="left", fontsize=12)
    for which, style in enumerate(STYLES):
        _competitor(axis, [(w, sides(lines, w)[which]) for w in chosen], style, _label(chosen[0], which))
    axis.set_xticks([w.variables for w in chosen])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.margins(y=0.12)  # room for the arrows
    axis.grid(axis="y", color="0.9")
    axis.spines[["top", "right"]].set_visible(False)


def _label(workload: Workload, which: int) -> str:
    return LIBRARIES[workload.reference.partition("_")[0]] if which else "causaldisc"


def _competitor(axis: Any, points: list[tuple[Workload, Side]], style: tuple[str, str], label: str) -> None:
    """Draw one line: medians, ranges, and arrows where a run was killed."""
    colour, marker = style
    done = [(w.variables, side.median("cpu"), side.per_seed("cpu")) for w, side in points if side.runs and not side.cut]
    if done:
        x, y, seeds = zip(*done, strict=True)
        low = [m - min(s) for m, s in zip(y, seeds, strict=True)]
        high = [max(s) - m for m, s in zip(y, seeds, strict=True)]
        axis.errorbar(x, y, yerr=[low, high], color=colour, marker=marker, markersize=6, linewidth=1.8, capsize=3)
    cut = [(w.variables, side.median("cpu")) for w, side in points if side.cut]
    for variables, limit in cut:
        axis.plot(variables, limit, marker=marker, markersize=7, color=colour, markerfacecolor="white", linestyle="none")
        up = {"arrowstyle": "<-", "color": colour, "linewidth": 1.8, "shrinkB": 5}  # its head is at the text, which is empty
        axis.annotate("", (variables, limit), (0, 28), textcoords="offset points", arrowprops=up)
        below = {"textcoords": "offset points", "color": colour, "fontsize": 10, "ha": "center", "va": "top"}
        axis.annotate(f"> {limit:.3g} s", (variables, limit), (0, -8), **below)
    if len(done) == 1:
        axis.annotate(label, done[0][:2], (10, 0), textcoords="offset points", color=colour, va="center")
    elif done:
        axis.annotate(label, done[-1][:2], (-8, 8), textcoords="offset points", color=colour, ha="right", va="bottom")
