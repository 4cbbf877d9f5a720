"""Run the searches on data sets with a truth and write down what the calibration looks at, pair by pair, with what is true.

    python experiments/confidence_calibration/collect.py fit --sets 420 --out shares/fit
    python experiments/confidence_calibration/collect.py judge --sets 200 --out shares/judge

``fit`` draws from the families beside this file, ``judge`` from ``sem``, ``var`` and ``mesh``. One file a data set, so that it
goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from families import FAMILIES, Sample

import causaldisc as cd
from causaldisc.algorithms._calibration import Shares, of_set
from causaldisc.algorithms._resampled import Resampled, _bootstrap, _pairs
from causaldisc.core.constraints import Constraints
from causaldisc.core.plugins import algorithms
from causaldisc.core.prior import ExpertPrior
from causaldisc.kernels.mpdag import complete, link
from causaldisc.kernels.resampling import block_length

SEARCHES: dict[str, list[tuple[str, int]]] = {
    "rows": [("pc", 0), ("ges", 0)],
    "series": [("pc", 0), ("pc", 2), ("ges", 0), ("pcmci", 3), ("pcmci_plus", 3)],
}
STATIC = ("forest", "sinks", "pairs", "layers", "band", "sem")
RESAMPLES = 100


def judged(rng: np.random.Generator, number: int) -> tuple[str, Sample]:
    """A data set of the package's own sources, of a size that varies."""
    name = ("sem", "var", "sem", "var", "mesh")[number % 5]
    seed = int(rng.integers(2**31))
    if name == "mesh":
        options: dict[str, Any] = {"n_services": int(rng.integers(3, 6)), "duration_s": int(rng.choice([3600, 7200]))}
    else:
        options = {"n_variables": int(rng.integers(5, 26)) if name == "sem" else int(rng.integers(4, 13))}
        options |= {"n_samples": int(10 ** rng.uniform(2.3, 3.5)), "degree": float(rng.uniform(1.0, 3.0))}
        options |= {"noise": str(rng.choice(["gaussian", "uniform", "laplace", "exponential"]))}
        options |= {"mechanism": str(rng.choice(["linear", "linear", "tanh"]))}
    data = cd.simulate(name, seed=seed, trials=0, **options)
    assert data.truth is not None
    return name, Sample(np.array(data.telemetry.values), data.truth.codes() == 1)


def classes(truth: np.ndarray) -> np.ndarray:
    """int[N, N] of lag 0: 1 where the equivalence class directs i → j, 2 where it leaves the edge open.

    Edges from the past count as known and directed. Where the edges at lag 0 form a cycle there is no class: the edges are
    taken as they stand.
    """
    n, _, depth = truth.shape
    now = truth[:, :, 0]
    power = np.linalg.matrix_power(np.eye(n) + now, n)
    if np.trace(power) > n + 0.5:
        return np.where(now & now.T, 2, now.astype(int))
    wide = np.zeros((n * depth, n * depth), np.uint8)
    wide[:, :n] = truth.transpose(2, 0, 1).reshape(n * depth, n)
    near, degree = np.zeros(wide.shape, np.int64), np.zeros(len(wide), np.int64)
    for i, j in np.argwhere(wide).tolist():
        link(near, degree, i, j)
    height = np.array([0] * n)
    for _ in range(n):
        height = np.maximum(height, np.where(now, height[None, :] + 1, 0).max(axis=1, initial=0))
    order = np.concatenate([np.argsort(height, kind="stable"), np.arange(n, n * depth)]).astype(np.int64)
    knowledge = np.ones(wide.shape, np.uint8)
    knowledge[:, n:] = 0
    marks = np.zeros(wide.shape, np.uint8)
    complete(wide, order, near, degree, knowledge, marks)
    marks = marks[:n, :n] > 0
    return np.where(marks & marks.T, 2, marks.astype(int))


def look(sample: Sample, name: str, max_lag: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Search, resample, and put what was seen beside what is true."""
    varying = np.nanstd(sample.values, axis=0) > 0
    values, truth = sample.values[:, varying], sample.truth[np.ix_(varying, varying)]
    telemetry = cd.Telemetry(values, [f"x{k}" for k in range(values.shape[1])])
    plugin = algorithms.build(name, {"max_lag": max_lag})
    assert isinstance(plugin, Resampled)
    constraints = Constraints.of(ExpertPrior(), telemetry.variables, max_lag)
    block = block_length(telemetry.values, telemetry.environments)
    study = plugin.study(telemetry, constraints, np.inf)
    votes = _bootstrap(study, RESAMPLES, block, rng, np.inf)
    shares = Shares(votes.adjacent / RESAMPLES, votes.directed / RESAMPLES, votes.strength, RESAMPLES)
    asked = _pairs(constraints.adjacent)
    if max_lag == 0:  # what a search without lags may call an edge is one at any lag
        either = truth.any(axis=2) & ~np.eye(len(truth), dtype=bool)
        label, kinds = either[:, :, None], classes(either[:, :, None])
    else:
        label = np.zeros(asked.shape, bool)
        depth = min(asked.shape[2], truth.shape[2])
        label[:, :, :depth] = truth[:, :, :depth]
        kinds = classes(label)
    label = np.array(label)
    label[:, :, 0] |= label[:, :, 0].T
    whole, codes = of_set(telemetry.values, shares, asked, block), study.learned.graph.codes()
    arrays = {"asked": asked, "label": label, "kinds": kinds, "codes": codes, "strength": shares.strength}
    arrays |= {"adjacent": shares.adjacent, "directed": shares.directed}
    return arrays | {"whole": np.array([whole[k] for k in sorted(whole)]), "names": np.array(sorted(whole))}


def main() -> None:
    """Collect."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("what", choices=("fit", "judge"))
    parser.add_argument("--sets", type=int, default=420)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", default="0/1", help="this process's share, k/n")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    part, parts = map(int, options.part.split("/"))
    for number in range(part, options.sets, parts):
        path = options.out / f"{number:04d}.npz"
        if path.exists():
            continue
        rng = np.random.default_rng([1 if options.what == "fit" else 2, number])
        if options.what == "fit":
            family = list(FAMILIES)[number % len(FAMILIES)]
            sample = FAMILIES[family](rng)
        else:
            family, sample = judged(rng, number)
        found: dict[str, np.ndarray] = {"family": np.array(family)}
        for name, lag in SEARCHES["rows" if family in STATIC else "series"]:
            found |= {f"{name}@{min(lag, 1)}/{key}": value for key, value in look(sample, name, lag, rng).items()}
        np.savez_compressed(path, **found)  # type: ignore[arg-type]
        print(f"{number} {family} {sample.values.shape}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
