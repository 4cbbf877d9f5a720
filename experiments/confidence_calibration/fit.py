"""Fit the maps from shares to probabilities on what ``collect.py fit`` wrote, and write them beside the module that applies them.

    python experiments/confidence_calibration/fit.py shares/fit

One logistic regression (ridge penalty, chosen by leaving a fifth of the data sets out in turn) for every search and kind of
cell. Every family weighs the same, and within it every data set.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from families import FAMILIES
from numpy.typing import NDArray

from causaldisc.algorithms._calibration import PLACE, Shares, of_directions, of_pairs

Floats = NDArray[np.float64]
PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
KINDS = ("now", "past", "directions")
MOST = 1500  # cells of a kind that a data set brings along: those that any resample had, and some of the rest


class Table:
    """Rows of features, labels, weights, families and folds, filled set by set."""

    def __init__(self) -> None:
        """Begin empty."""
        self.features: list[Floats] = []
        self.labels: list[Floats] = []
        self.weights: list[Floats] = []
        self.families: list[str] = []
        self.folds: list[int] = []

    def add(self, features: Floats, labels: Floats, weights: Floats, family: str, fold: int) -> None:
        """Add the rows of one data set."""
        self.features.append(features)
        self.labels.append(labels.astype(float))
        self.weights.append(weights)
        self.families += [family] * len(labels)
        self.folds += [fold] * len(labels)


def rows_of(path: Path, rng: np.random.Generator) -> dict[tuple[str, str], tuple[Floats, Floats, Floats]]:
    """Return ``{(search, kind): (features, labels, weights)}`` of one file; weights undo what sampling left out."""
    found: dict[tuple[str, str], tuple[Floats, Floats, Floats]] = {}
    with np.load(path) as data:
        for search in {key.split("/")[0] for key in data.files if "/" in key}:
            adjacent, directed, strength = (data[f"{search}/{key}"] for key in ("adjacent", "directed", "strength"))
            shares = Shares(adjacent, directed, strength, 100)
            whole = dict(zip(data[f"{search}/names"].tolist(), data[f"{search}/whole"].tolist(), strict=True))
            asked, label, kinds = (data[f"{search}/{key}"] for key in ("asked", "label", "kinds"))
            features = of_pairs(shares, whole)
            for kind in ("now", "past"):
                lag = np.arange(asked.shape[2]) > 0 if kind == "past" else np.arange(asked.shape[2]) == 0
                cells = asked & lag
                cells[np.arange(len(asked)), np.arange(len(asked))] = False
                if not cells.any():
                    continue
                seen = cells & (shares.adjacent > 0)
                rest = np.flatnonzero(cells & ~seen)
                few = rng.permutation(rest)[: max(MOST - int(seen.sum()), 100)]
                picked = np.concatenate([np.flatnonzero(seen), few])
                weights = np.concatenate([np.ones(int(seen.sum())), np.full(len(few), len(rest) / max(len(few), 1))])
                flat = features.reshape(-1, features.shape[-1])[picked]
                found[search, kind] = flat, label.ravel()[picked].astype(float), weights
            joined = label[:, :, 0] & (shares.adjacent[:, :, 0] > 0)
            if joined.any() and not search.startswith("pcmci@"):  # which says nothing of directions at lag 0
                flat = of_directions(shares, whole)[joined]
                found[search, "directions"] = flat, (kinds[joined] == 1) * 1.0, np.ones(len(flat))
    return found


def logistic(X: Floats, y: Floats, weights: Floats, penalty: float) -> Floats:
    """Coefficients of standardised features, the constant last, by Newton's method."""
    X = np.column_stack([X, np.ones(len(X))])
    ridge = np.full(X.shape[1], penalty)
    ridge[-1] = 1e-6
    beta = np.zeros(X.shape[1])
    for _ in range(60):
        p = 1.0 / (1.0 + np.exp(-np.clip(X @ beta, -30, 30)))
        gradient = X.T @ (weights * (y - p)) - ridge * beta
        curvature = (X * (weights * np.maximum(p * (1 - p), 1e-6))[:, None]).T @ X + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        beta += step * min(1.0, 3.0 / max(float(np.abs(step).max()), 1e-9))
        if np.abs(step).max() < 1e-6:
            break
    return beta


def loss(X: Floats, y: Floats, weights: Floats, beta: Floats) -> float:
    """Mean log loss."""
    p = np.clip(1.0 / (1.0 + np.exp(-np.clip(np.column_stack([X, np.ones(len(X))]) @ beta, -30, 30))), 1e-6, 1 - 1e-6)
    return float(-(weights * (y * np.log(p) + (1 - y) * np.log(1 - p))).sum() / weights.sum())


def fit(table: Table) -> dict[str, Any]:
    """Fit one map, with the penalty that does best on sets left out."""
    X, y, weights = (np.concatenate(part) for part in (table.features, table.labels, table.weights))
    families, folds = np.array(table.families), np.array(table.folds)
    low, high = np.quantile(X, [0.002, 0.998], axis=0)
    X = np.clip(X, low, high)
    centre, scale = X.mean(axis=0), X.std(axis=0) + 1e-9
    X = (X - centre) / scale
    names = np.unique(families)
    for name in names:  # every family weighs the same
        mine = families == name
        weights[mine] *= len(y) / len(names) / weights[mine].sum()

    def left_out(penalty: float) -> float:
        rest = [folds != fold for fold in np.unique(folds)]
        return float(np.mean([loss(X[~r], y[~r], weights[~r], logistic(X[r], y[r], weights[r], penalty)) for r in rest]))

    tried = {penalty: left_out(penalty) for penalty in PENALTIES}
    best = min(tried, key=lambda p: tried[p])
    beta = logistic(X, y, weights, best)
    print(
        f"    {len(y)} rows, base rate {np.average(y, weights=weights):.3f}, penalty {best}, log loss left out {tried[best]:.4f}"
    )
    arrays = {"low": low, "high": high, "centre": centre, "scale": scale, "weights": beta}
    return {key: [float(f"{v:.8g}") for v in value] for key, value in arrays.items()}


def main() -> None:
    """Fit and write all maps."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=PLACE)
    options = parser.parse_args()
    tables: dict[tuple[str, str], Table] = defaultdict(Table)
    rng = np.random.default_rng(0)
    for number, path in enumerate(sorted(options.folder.glob("*.npz"))):
        family = str(np.load(path)["family"])
        for key, (features, labels, weights) in rows_of(path, rng).items():
            tables[key].add(features, labels, weights / weights.sum(), family, number // len(FAMILIES) % 5)
    maps: dict[str, dict[str, Any]] = defaultdict(dict)
    for search, kind in sorted(tables):
        print(search, kind)
        maps[search][kind] = fit(tables[search, kind])
    options.out.write_text(json.dumps(maps, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
