"""How often tests of independence reject: at 5 % without an effect, and with one, on the data that each is for.

python experiments/test_levels/study.py --pairs 2000 --figure levels.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from kinds import KINDS, Kind
from scipy.stats import binomtest

from causaldisc.kernels.separation import Neighbours
from causaldisc.kernels.weighing import Weighing, transformed

ALPHA = 0.05


class Rate(NamedTuple):
    """Rejections of a test on a kind of data, of so many pairs, and whether the test is the one for it."""

    kind: str
    test: str
    own: bool
    level: tuple[int, int]
    power: tuple[int, int]


def rejects(name: str, values: np.ndarray, given: bool) -> bool:
    """Whether a test at 5 % finds the first two columns dependent, given the third or nothing."""
    test = name.removesuffix("/testwise").removesuffix("+")
    labels = np.zeros(len(values), np.int64)
    tests = Weighing(
        test,
        transformed(test, values, labels),
        labels,
        1,
        ALPHA,
        testwise=name.endswith("/testwise"),
        autocorrelation="+" in name,
    )().tests
    around = Neighbours.of(np.array([[0, 2]] if given else np.zeros((0, 2)), dtype=np.int64), 3)
    results = np.zeros(1, np.int64), np.zeros((0, 3), np.int32), np.array([[np.inf, 0.0]])
    made, _ = tests.judge(around, np.array([[0, 1]]), (int(given), int(given)), True, results)
    return bool(made) and float(results[2][0, 0]) > tests.critical


def rates(kind: Kind, pairs: int, rows: int, seed: int) -> list[Rate]:
    """Rejections of every test shown for a kind of data: of all pairs without an effect, of a quarter as many with it."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    names = [*kind.shown, kind.own]
    counts, sizes = np.zeros((2, len(names)), int), (pairs, pairs // 4)
    for row, (effect, size) in enumerate(zip((0.0, kind.effect), sizes, strict=True)):
        for _ in range(size):
            values = kind.draw(rng, rows, effect)
            counts[row] += [rejects(name, values, kind.given) for name in names]
    return [
        Rate(kind.name, name, name == kind.own, (int(counts[0, k]), sizes[0]), (int(counts[1, k]), sizes[1]))
        for k, name in enumerate(names)
    ]


def interval(count: tuple[int, int]) -> tuple[float, float, float]:
    """Percentage, and its 95 % interval (Wilson)."""
    bounds = binomtest(*count).proportion_ci(method="wilson")
    return 100.0 * count[0] / count[1], 100.0 * bounds.low, 100.0 * bounds.high


def table(found: list[Rate]) -> str:
    """Markdown rows."""
    lines = ["| data | test | type I error at 5 % | power |", "|---|---|---|---|"]
    for rate in found:
        cells = ["{:.1f} ({:.1f} to {:.1f})".format(*interval(count)) for count in (rate.level, rate.power)]
        name = f"**`{rate.test}`**" if rate.own else f"`{rate.test}`"
        lines.append(f"| {rate.kind} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def figure(found: list[Rate], path: Path) -> None:
    """Draw type I errors of the tests for each kind beside those of Fisher's z, and power."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    kinds = list(dict.fromkeys(rate.kind for rate in found))
    figure, axes = plt.subplots(1, 2, figsize=(11, 0.42 * len(kinds) + 1.6), sharey=True, layout="constrained")
    for rate in found:
        if not rate.own and rate.test != "fisher_z":
            continue
        y = kinds.index(rate.kind) + (0.0 if rate.own else 0.25)
        color, marker = ("#0b6e4f", "o") if rate.own else ("#b0413e", "x")
        for axis, count in zip(axes, (rate.level, rate.power), strict=True):
            middle, low, high = interval(count)
            axis.errorbar(middle, y, xerr=[[middle - low], [high - middle]], fmt=marker, color=color, ms=5, lw=1.2)
    own = {rate.kind: rate.test for rate in found if rate.own}
    axes[0].set_yticks(range(len(kinds)), [f"{kind}   [{own[kind]}]" for kind in kinds], fontsize=8)
    axes[0].set_xscale("log")
    axes[0].set_xticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
    axes[0].minorticks_off()
    axes[0].axvspan(4, 6, color="#0b6e4f", alpha=0.12, lw=0)
    axes[0].axvline(5, color="0.4", lw=0.8)
    axes[0].set_xlabel("rejected without an effect at 5 %, % of pairs (log)")
    axes[1].set_xlim(0, 101)
    axes[1].set_xlabel("rejected with an effect, % of pairs")
    axes[0].invert_yaxis()
    axes[0].plot([], [], "o", color="#0b6e4f", label="the test for the data, in brackets")
    axes[0].plot([], [], "x", color="#b0413e", label="Fisher's z as it is")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Print the table, and draw it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000, help="null pairs of each kind; a quarter as many with an effect")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    found = [rate for kind in KINDS for rate in rates(kind, given.pairs, given.rows, given.seed)]
    sys.stdout.write(table(found))
    if given.figure:
        figure(found, given.figure)


if __name__ == "__main__":
    main()
