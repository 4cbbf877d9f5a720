"""The figure of the study: plain, preset and core of each group, beside the complete graph and permuted labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

INK, MUTED = "#20242c", "#8a93a3"
COLOURS = {"plain": "#b8bfca", "preset": "#2f6fb5", "core": "#e08a1e"}


def draw(table: dict, groups: list[str], algorithms: tuple[str, ...], path: Path) -> None:
    """Write a picture: rows are metrics, columns algorithms, a dot a set, a bar their mean."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    metrics = {"directed_f1_z": ("z of directed F1", 0.0), "precision_lift": ("precision lift", 1.0)}
    size = (4.6 * len(algorithms), 0.55 * len(groups) * len(metrics) + 2.0)
    figure, axes = plt.subplots(len(metrics), len(algorithms), figsize=size, sharey=True, sharex="row", layout="constrained")
    for row, (key, (label, chance)) in enumerate(metrics.items()):
        for column, name in enumerate(algorithms):
            axis = axes[row, column]
            for place, group in enumerate(groups):
                for shift, kind in zip((-0.25, 0.0, 0.25), COLOURS, strict=True):
                    values = np.array(table[group, f"{name}, {kind}", key])
                    y = np.full(len(values), place + shift)
                    axis.scatter(values, y, s=13, color=COLOURS[kind], alpha=0.75, linewidths=0, zorder=3)
                    axis.plot([values.mean()] * 2, [place + shift - 0.12, place + shift + 0.12], color=INK, lw=1.8, zorder=4)
            axis.axvline(chance, color=MUTED, lw=1, ls=(0, (4, 3)), zorder=1)
            axis.set_yticks(range(len(groups)), groups)
            axis.set_xlabel(label)
            axis.grid(axis="x", color="#e7eaef", lw=0.8)
            axis.set_axisbelow(True)
            axis.spines[["top", "right", "left"]].set_visible(False)
            axis.tick_params(axis="y", length=0)
            if row == 0:
                axis.set_title(name, color=INK)
    axes[0, 0].invert_yaxis()  # shared by all
    dots = [plt.Line2D([], [], marker="o", ls="", color=c, label=k) for k, c in COLOURS.items()]
    dots.append(plt.Line2D([], [], color=MUTED, ls=(0, (4, 3)), label="permuted labels, complete graph: chance"))
    figure.legend(handles=dots, loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(path, dpi=110)
