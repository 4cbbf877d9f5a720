"""Draw the mean wait against the use of the servers: theory, and what the simulator says.

.venv/bin/python experiments/simulator/figure.py      writes waits.png and waits.svg; about a minute
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from queues import exact_wait, mean_wait
from scipy import stats

HERE = Path(__file__).parent
USES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
# label, cores, share of the work that is fixed, colour (Okabe & Ito), marker, where its label stands
QUEUES = (
    ("M/M/1", 1, 0.0, "#0072B2", "o", (0.42, 0.88)),
    ("M/D/1", 1, 1.0, "#D55E00", "s", (0.66, 0.58)),
    ("M/M/4", 4, 0.0, "#009E73", "^", (0.66, 0.15)),
)
REQUESTS, BATCHES = 4e6, 32


def main() -> int:
    """Simulate every point, tell the worst, and write the figure."""
    points = [(label, use, *mean_wait(c, use, f, REQUESTS, k, BATCHES)) for k, (label, c, f, use) in enumerate(_cells())]
    # Bars hold all points at once with 99 %.
    widest = float(stats.t.isf(0.01 / len(points) / 2, BATCHES - 1))
    exact = {label: (c, f) for label, c, f, *_ in QUEUES}
    z = [(wait - exact_wait(exact[label][0], use, exact[label][1])) / error for label, use, wait, error in points]
    sys.stdout.write(f"{len(z)} points, worst |z| {max(map(abs, z)):.2f}, 99 % of such figures stay below {widest:.2f}\n")
    draw(points, widest, HERE / "waits")
    return 0


def _cells() -> list[tuple[str, int, float, float]]:
    return [(label, cores, floor, use) for label, cores, floor, *_ in QUEUES for use in USES]


def draw(points: list[tuple[str, float, float, float]], widest: float, path: Path) -> None:
    """Write the figure; ``points`` are (label, use, mean wait, its standard error)."""
    with mpl.rc_context({"font.size": 11, "svg.hashsalt": "waits", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 5), layout="constrained")
        axis = figure.subplots()
        grid = np.linspace(0.28, 0.955, 200)
        for label, cores, floor, colour, marker, place in QUEUES:
            axis.plot(grid, [exact_wait(cores, float(u), floor) for u in grid], color=colour, linewidth=1.4)
            use, wait, error = np.array([p[1:] for p in points if p[0] == label]).T
            style = {"color": colour, "marker": marker, "markersize": 5, "linestyle": "none", "capsize": 3, "linewidth": 1.4}
            axis.errorbar(use, wait, yerr=widest * error, **style)
            axis.annotate(label, place, color=colour, ha="center")
        axis.set_yscale("log")
        axis.set_xlabel("use of the servers, ρ")
        axis.set_ylabel("mean wait, in units of the mean work")
        axis.set_title("Lines: theory. Points: simulated, with simultaneous 99 % bars", loc="left", fontsize=11)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.grid(color="0.92")
        axis.spines[["top", "right"]].set_visible(False)
        figure.savefig(path.with_suffix(".png"), dpi=150, metadata={"Software": None})
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
