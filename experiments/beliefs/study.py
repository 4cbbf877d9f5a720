"""What a belief is worth and what it costs, right and wrong, as rows grow: the figures and the picture of the README.

    python experiments/beliefs/study.py --seeds 16

Every belief is given alone, to the same search on the same data, and compared with the search without it: for a true edge, for
a pair that has none, and for a true edge the wrong way round. Prints Markdown tables (mean, half-width of a 95 % interval over
data sets) and writes ``curves.png`` beside this file.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import causaldisc as cd
from causaldisc.core.constraints import Constraints
from causaldisc.core.plugins import algorithms, metrics

ALGORITHMS: dict[str, tuple[str, dict[str, Any]]] = {
    "pc": ("sem", {"n_variables": 12}),
    "ges": ("sem", {"n_variables": 12}),
    "pcmci": ("var", {"n_variables": 8, "max_lag": 1}),
    "pcmci_plus": ("var", {"n_variables": 8, "max_lag": 1}),
}
ROWS, PROBABILITIES = (50, 100, 300, 1000, 5000, 20_000), (0.6, 0.8, 0.9, 0.99)
KINDS = {
    "true": "A true edge believed: directed recall gained",
    "absent": "An absent edge believed: share of directed F1 lost",
    "reversed": "A true edge believed the wrong way round: share of directed F1 lost",
}
Table = dict[tuple[str, str, float, int], list[float]]


def pairs_of(data: cd.Dataset, most: int, rng: np.random.Generator) -> dict[str, list[tuple[str, str]]]:
    """Draw at most so many pairs of each kind to believe in."""
    assert data.truth is not None
    true = {(e.source, e.target) for e in data.truth.edges if e.source != e.target}
    pairs = [(a, b) for a in data.telemetry.names for b in data.telemetry.names if a != b]
    cases = {
        "true": [p for p in pairs if p in true],
        "absent": [p for p in pairs if p not in true and p[::-1] not in true],
        "reversed": [p for p in pairs if p not in true and p[::-1] in true],
    }
    return {kind: [some[k] for k in rng.permutation(len(some))[:most]] for kind, some in cases.items()}


def results(algorithm: str, seed: int, rows: int, most: int) -> Iterator[tuple[str, float, float]]:
    """Yield (kind, probability, mean over beliefs of what was gained or lost) of one data set."""
    source, parameters = ALGORITHMS[algorithm]
    data = cd.simulate(source, seed=seed, n_samples=rows, trials=0, **parameters)
    assert data.truth is not None
    directed, truth = metrics.build("directed"), data.truth
    lag: dict[str, Any] = {"max_lag": parameters["max_lag"]} if "max_lag" in parameters else {}

    search: Any = algorithms.build(algorithm, lag)

    def scores(beliefs: list[dict[str, Any]]) -> tuple[float, float]:
        # The search alone: without resampling, and without the account, which would make it twice.
        limits = Constraints.of(cd.ExpertPrior(beliefs=beliefs), data.telemetry.variables, search.max_lag)
        score = directed(search.study(data.telemetry, limits, math.inf).learned.graph, truth, None)
        return score["directed_recall"], score["directed_f1"]

    recall, f1 = scores([])
    if not f1 > 0:
        return
    for kind, pairs in pairs_of(data, most, np.random.default_rng(seed)).items():
        for p in PROBABILITIES:
            after = [scores([{"source": a, "target": b, "probability": p}]) for a, b in pairs]
            moved = [r - recall if kind == "true" else 1 - f / f1 for r, f in after]
            if moved:
                yield kind, p, float(np.mean(moved))


def interval(values: list[float]) -> tuple[float, float]:
    """Return the mean and the half-width of its 95 % interval (Student's t).

    >>> tuple(round(x, 2) for x in interval([0.1, 0.2, 0.3]))
    (0.2, 0.25)
    """
    from scipy.stats import t

    known = np.array(values, dtype=float)
    if len(known) < 2:
        return float(known.mean()), float("nan")
    return float(known.mean()), float(t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known)))


def tables(table: Table, names: list[str], sizes: list[int]) -> str:
    """Lay the figures out as Markdown, in percentage points, one table a kind of belief."""
    lines = []
    for kind, title in KINDS.items():
        heads = "".join(f" {rows} rows |" for rows in sizes)
        lines += [f"**{title}**, in %", "", f"| | p |{heads}", "|---|---|" + "---|" * len(sizes)]
        for algorithm in names:
            for p in PROBABILITIES:
                cells = [interval(table[algorithm, kind, p, rows]) for rows in sizes]
                row = "".join(f" {100 * mean:.1f} ± {100 * half:.1f} |" for mean, half in cells)
                lines.append(f"| `{algorithm}` | {p} |{row}")
        lines.append("")
    return "\n".join(lines)


def draw(table: Table, path: Path) -> None:
    """Draw every mean with its interval, kinds of belief down and algorithms across."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    labels = {"true": "recall gained", "absent": "F1 lost, absent edge", "reversed": "F1 lost, reversed edge"}
    figure, axes = plt.subplots(len(KINDS), len(ALGORITHMS), figsize=(13, 8), sharex=True, sharey="row", layout="constrained")
    colours = plt.get_cmap("viridis")(np.linspace(0.8, 0.1, len(PROBABILITIES)))
    for line, kind in zip(axes, KINDS, strict=True):
        for axis, algorithm in zip(line, ALGORITHMS, strict=True):
            for k, (p, colour) in enumerate(zip(PROBABILITIES, colours, strict=True)):
                mean, half = np.transpose([interval(table[algorithm, kind, p, rows]) for rows in ROWS])
                shifted = np.array(ROWS) * 1.06 ** (k - 1.5)
                axis.errorbar(shifted, 100 * mean, 100 * half, color=colour, marker="o", ms=3.5, lw=1.4, label=f"p = {p}")
            axis.axhline(0.0, color="0.6", lw=0.8, zorder=0)
            if kind != "true":
                axis.axhline(2.0, color="tab:red", lw=0.8, ls=":", zorder=0)
            axis.set_xscale("log")
            axis.spines[["top", "right"]].set_visible(False)
        line[0].set_ylabel(f"{labels[kind]} (%)")
    for axis, algorithm in zip(axes[0], ALGORITHMS, strict=True):
        axis.set_title(algorithm)
    for axis in axes[-1]:
        axis.set_xlabel("rows")
    axes[0, 0].legend(frameon=False, fontsize=8)
    figure.suptitle("One belief at a time: what a right one gains and a wrong one costs (dotted: 2 %)")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=16, help="data sets a size")
    parser.add_argument("--beliefs", type=int, default=2, help="beliefs of each kind a data set")
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS, default=list(ALGORITHMS))
    parser.add_argument("--rows", nargs="+", type=int, default=list(ROWS), help="with fewer of these, no picture is drawn")
    parser.add_argument("--figure", type=Path, default=Path(__file__).with_name("curves.png"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    table: Table = defaultdict(list)
    for algorithm in options.algorithms:
        for rows in options.rows:
            logging.info("%s, %d rows", algorithm, rows)
            for seed in range(options.seeds):
                for kind, p, value in results(algorithm, seed, rows, options.beliefs):
                    table[algorithm, kind, p, rows].append(value)
    sys.stdout.write(tables(table, options.algorithms, options.rows) + "\n")
    if options.algorithms == list(ALGORITHMS) and options.rows == list(ROWS):
        draw(table, options.figure)


if __name__ == "__main__":
    main()
