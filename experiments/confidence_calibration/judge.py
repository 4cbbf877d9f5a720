"""Hold stated probabilities against what is true, on what ``collect.py judge`` wrote; draw the picture.

    python experiments/confidence_calibration/judge.py shares/judge --figure calibration.png

Prints, for adjacencies and for directions, every bin of stated confidence: how many, mean stated, share that is true; and the
Brier skill: 1 - Brier score / that of stating the base rate. Edges are those of the graphs found, and directions are judged on
those that are truly adjacent: is this the direction of the true equivalence class? ``pairs`` are all pairs, each way round.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from causaldisc.algorithms._calibration import Shares, _apply, _maps, of_directions, of_pairs

BINS, FEWEST, ALLOWED = 10, 300, 0.07


def stated(path: Path) -> dict[tuple[str, str], list[np.ndarray]]:
    """Return ``{(what, search): [stated, plain share, true]}`` of one file."""
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    with np.load(path) as data:
        for search in sorted({key.split("/")[0] for key in data.files if "/" in key}):
            adjacent, directed, strength = (data[f"{search}/{key}"] for key in ("adjacent", "directed", "strength"))
            asked, label, kinds, codes = (data[f"{search}/{key}"] for key in ("asked", "label", "kinds", "codes"))
            shares, maps = Shares(adjacent, directed, strength, 100), _maps()[search]
            whole = dict(zip(data[f"{search}/names"].tolist(), data[f"{search}/whole"].tolist(), strict=True))
            features = of_pairs(shares, whole)
            sure = _apply(maps["now"], features)
            if "past" in maps:
                sure[:, :, 1:] = _apply(maps["past"], features[:, :, 1:])
            asked[np.arange(len(asked)), np.arange(len(asked))] = False
            there = codes > 0
            there[:, :, 0] |= there[:, :, 0].T
            for what, cells in (("adjacency of edges", asked & there), ("adjacency of pairs", asked)):
                found[what, search] = [sure[cells], adjacent[cells], label[cells].astype(float)]
            if "directions" not in maps:
                continue
            way = _apply(maps["directions"], of_directions(shares, whole))
            way = way / np.maximum(way + way.T, 1.0)
            plain = np.divide(directed[:, :, 0], adjacent[:, :, 0], out=np.zeros_like(way), where=adjacent[:, :, 0] > 0)
            now, joined = codes[:, :, 0], label[:, :, 0]
            for what, cells in (("direction of edges", joined & (now == 1)), ("direction of pairs", joined)):
                found[what, search] = [way[cells], plain[cells], (kinds[cells] == 1).astype(float)]
    return found


def bins(probability: np.ndarray, true: np.ndarray) -> list[tuple[int, float, float]]:
    """Return (number, mean stated, share true) of bins of equal width."""
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    return [(int((place == k).sum()), float(probability[place == k].mean()), float(true[place == k].mean()))
            for k in range(BINS) if (place == k).any()]  # fmt: skip


def skill(probability: np.ndarray, true: np.ndarray) -> float:
    """Brier skill against the base rate."""
    spread = float(true.var())
    return 1.0 - float(((probability - true) ** 2).mean()) / spread if spread > 0 else float("nan")


def main() -> None:
    """Judge, print, draw."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--by-family", action="store_true")
    options = parser.parse_args()
    parts: dict[tuple[str, str], list[list[np.ndarray]]] = defaultdict(list)
    for path in sorted(options.folder.glob("*.npz")):
        family = str(np.load(path)["family"])
        for (what, search), columns in stated(path).items():
            parts[what, "all"].append(columns)
            parts[what, search].append(columns)
            if options.by_family:
                parts[what, family].append(columns)
    table = {key: [np.concatenate(column) for column in zip(*sets, strict=True)] for key, sets in parts.items()}
    for what, search in sorted(table, key=lambda key: (key[0], key[1] != "all", key[1])):
        sure, plain, true = table[what, search]
        large = [b for b in bins(sure, true) if b[0] >= FEWEST]
        worst = max((abs(b[1] - b[2]) for b in large), default=float("nan"))
        raw = max((abs(b[1] - b[2]) for b in bins(plain, true) if b[0] >= FEWEST), default=float("nan"))
        print(f"{what:30s} {search:14s} {len(true):7d}  worst bin {worst:.3f} (shares alone {raw:.3f})  "
              f"Brier skill {skill(sure, true):.3f} ({skill(plain, true):.3f})")  # fmt: skip
        if search == "all":
            for number, said, seen in bins(sure, true):
                flag = "" if number < FEWEST else "  ok" if abs(said - seen) <= ALLOWED else "  OFF"
                print(f"    {number:7d}  stated {said:.3f}  true {seen:.3f}{flag}")
    if options.figure:
        draw(table, options.figure)


def draw(table: dict[tuple[str, str], list[np.ndarray]], path: Path) -> None:
    """Draw stated against true, for the map and for the shares alone."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.6), layout="constrained")
    for axis, what in zip(axes, ("adjacency", "direction"), strict=True):
        axis.plot([0, 1], [0, 1], color="#999999", lw=1)
        axis.fill_between([0, 1], [-ALLOWED, 1 - ALLOWED], [ALLOWED, 1 + ALLOWED], color="#999999", alpha=0.15, lw=0)
        sure, plain, true = table[f"{what} of edges", "all"]
        for values, label, colour in ((plain, "share of resamples", "#d95f02"), (sure, "calibrated", "#1b6ca8")):
            found = [b for b in bins(values, true) if b[0] >= FEWEST]
            sizes = [12 + 60 * np.sqrt(b[0] / len(true)) for b in found]
            axis.plot([b[1] for b in found], [b[2] for b in found], color=colour, lw=1.2)
            axis.scatter([b[1] for b in found], [b[2] for b in found], s=sizes, color=colour, label=label, zorder=3)
        axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="stated probability", ylabel="share that is true", aspect="equal",
                 title=f"{what} of {len(true):,} edges")  # fmt: skip
        axis.legend(frameon=False, loc="upper left")
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
