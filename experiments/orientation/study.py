"""How often each way of directing what the data leave open is right, and how much it settles.

    python experiments/orientation/study.py --seeds 8 -o experiments/orientation

learns a graph of every system once, and then asks each way alone about the edges that the search left open. An open edge counts
where the truth has a direct cause between the two, in one direction only, at any lag. Prints a Markdown table and writes
``ways.png``; intervals are 95 % percentiles of resampled seeds.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import causaldisc as cd
from causaldisc.algorithms._as_dag import as_dag
from causaldisc.algorithms._beyond import Settling, beyond
from causaldisc.algorithms._beyond_lead import wishes as leads
from causaldisc.algorithms._directions import _either_way
from causaldisc.algorithms._open_edges import turned
from causaldisc.core.constraints import Constraints
from causaldisc.core.dataset import Dataset
from causaldisc.core.discovery import Discovery
from causaldisc.core.graph import CausalGraph
from causaldisc.core.prior import ExpertPrior


class Setting(NamedTuple):
    """One row of systems: a source, how it is learned, and how many of the seeds it can have."""

    label: str
    source: str
    options: dict[str, Any]
    algorithm: str
    parameters: dict[str, Any]
    share: float = 1.0


NOISES = ("gaussian", "uniform", "exponential", "laplace", "heavy")
SEM = {"n_variables": 15, "n_samples": 1000, "trials": 0}
VAR = {"n_variables": 10, "n_samples": 1000, "contemporaneous": 0.6, "trials": 0}
LIVE = {"trials": 0, "duration_s": 7200.0}
SETTINGS = (
    *(Setting(f"sem, {noise}", "sem", {**SEM, "noise": noise}, "pc", {}) for noise in NOISES),
    *(Setting(f"var, {noise}", "var", {**VAR, "noise": noise}, "pcmci", {}) for noise in ("gaussian", "exponential")),
    Setting("mesh, 8 services", "mesh", {**LIVE, "n_services": 8}, "pc", {"max_conditions": 3}, 0.5),
    Setting("mesh, clocks 10 s apart", "mesh", {**LIVE, "n_services": 8, "skew_s": 10.0}, "pc", {"max_conditions": 3}, 0.5),
    Setting("online_boutique", "online_boutique", LIVE, "pc", {"max_conditions": 3}, 0.34),
)
Way = Callable[[Discovery, Dataset], CausalGraph]


def constraints_of(data: Dataset, found: Discovery, calls: bool = False) -> Constraints:
    """No hard clause; with ``calls`` who calls whom and who shares a host is known all the same."""
    free = Constraints.of(ExpertPrior(), data.telemetry.variables, found.graph.max_lag)
    known = ExpertPrior(calls=data.prior.calls, co_located=data.prior.co_located) if calls and data.prior else free.prior
    return Constraints(free.variables, free.max_lag, free.allowed, free.rules, known)


def asked(ways: str, calls: bool = False) -> Way:
    """Ask one way, or all."""

    def ask(found: Discovery, data: Dataset) -> CausalGraph:
        return beyond(found.graph, data.telemetry, constraints_of(data, found, calls), ways, judged=judged(found))

    return ask


def judged(found: Discovery) -> bool:
    """Whether the search looked for colliders."""
    return found.graph.provenance["algorithm"] != "pcmci"


def any_lead(found: Discovery, data: Dataset) -> CausalGraph:
    """Believe every significant lead, though clocks out of step make some: what the way named lag does not do."""
    work = Settling(np.array(found.graph.codes()), data.telemetry, constraints_of(data, found), judged(found))
    work.settle(leads(work.codes, work.marks, data.telemetry, rows=0))
    return turned(found.graph, work.told, "mpdag" if found.graph.kind == "cpdag" else found.graph.kind)


def dag(found: Discovery, data: Dataset) -> CausalGraph:
    """Direct everything, by what resampling says of directions."""
    likely = None if found.confidence is None else _either_way(found.confidence.orientation)
    given = found.graph, found.scores, data.telemetry, constraints_of(data, found)
    return as_dag(*given, orientation=likely, judged=judged(found))[0]


WAYS: dict[str, Way] = {
    "roles": asked("roles"),
    "roles, calls known": asked("roles", calls=True),
    "nongaussian": asked("nongaussian"),
    "lags": asked("lags"),
    "any lead at all": any_lead,
    "all, calls known": asked("all", calls=True),
    "as_dag": dag,
}


def count(before: CausalGraph, after: CausalGraph, truth: CausalGraph) -> tuple[int, int, int]:
    """Of the open edges with one true direction: how many there were, how many were directed, and how many rightly."""
    true = {(e.source, e.target) for e in truth.edges if e.is_directed}
    open_ = {frozenset((e.source, e.target)) for e in before.edges if e.lag == 0 and not e.is_directed}
    fair = {pair for pair in open_ if len({tuple(pair), tuple(pair)[::-1]} & true) == 1}
    settled = [e for e in after.edges if e.lag == 0 and e.is_directed and frozenset((e.source, e.target)) in fair]
    return len(fair), len(settled), sum((e.source, e.target) in true for e in settled)


def measure(setting: Setting, seeds: int) -> dict[str, np.ndarray]:
    """int[S, 3] of every way: what :func:`count` gives, seed by seed."""
    rows: dict[str, list[tuple[int, int, int]]] = {name: [] for name in WAYS}
    for seed in range(max(2, round(seeds * setting.share))):
        data = cd.simulate(setting.source, seed=seed, **setting.options)
        resamples = {"bootstrap": 30 if setting.source in ("sem", "var") else 0}
        found = cd.discover(data.telemetry, setting.algorithm, seed=seed, **{**resamples, **setting.parameters})
        for name, way in WAYS.items():
            rows[name].append(count(found.graph, way(found, data), data.truth))
    return {name: np.array(values) for name, values in rows.items()}


def share(counts: np.ndarray, top: int, bottom: int, draws: int = 2000) -> tuple[float, float, float]:
    """A share over all seeds, and its 95 % interval over resampled seeds; NaN where there is nothing to share."""
    totals = counts.sum(axis=0)
    if not totals[bottom]:
        return np.nan, np.nan, np.nan
    rng = np.random.default_rng(0)
    drawn = counts[rng.integers(len(counts), size=(draws, len(counts)))].sum(axis=1)
    drawn = drawn[drawn[:, bottom] > 0]
    low, high = np.quantile(drawn[:, top] / drawn[:, bottom], [0.025, 0.975])
    return totals[top] / totals[bottom], low, high


def table(results: dict[str, dict[str, np.ndarray]]) -> Iterator[str]:
    """Markdown: a row a setting and way."""
    yield "| systems | seeds | way | settled, of the open edges | right, of those settled |"
    yield "|---|---|---|---|---|"
    for label, ways in results.items():
        for name, counts in ways.items():
            if not counts[:, 1].sum():
                continue
            total = counts.sum(axis=0)
            pairs = ((1, 0), (2, 1))
            cells = (f"{total[a]}/{total[b]} = {'{:.0%} ({:.0%}–{:.0%})'.format(*share(counts, a, b))}" for a, b in pairs)
            yield f"| {label} | {len(counts)} | {name} | {' | '.join(cells)} |"


def figure(results: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Draw how much every way settles, and how much of that is right."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    labels = list(results)
    drawn, axes = plt.subplots(1, 2, figsize=(11, 0.55 * len(labels) + 1.9), sharey=True, layout="constrained")
    for k, name in enumerate(WAYS):
        places = np.arange(len(labels))[::-1] + 0.36 - 0.12 * k
        for ax, pair in zip(axes, ((1, 0), (2, 1)), strict=True):
            found = np.array([share(results[label][name], *pair) for label in labels])
            gaps = np.abs(found[:, 1:] - found[:, :1]).T
            ax.errorbar(found[:, 0], places, xerr=gaps, fmt="o", ms=4, lw=1.2, color=f"C{k}", label=name)
    for ax, title in zip(axes, ("settled, of the edges left open", "right, of those settled"), strict=True):
        ax.set(title=title, xlim=(-0.03, 1.03), ylim=(-0.6, len(labels) - 0.4))
        ax.xaxis.set_major_formatter("{x:.0%}")
        ax.grid(axis="x", alpha=0.3)
    axes[1].axvline(0.5, color="grey", lw=0.8, ls="--")
    axes[0].set_yticks(np.arange(len(labels))[::-1], labels)
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(WAYS), frameon=False, fontsize=8)
    drawn.savefig(path, dpi=130)


def main() -> None:
    """Measure, print the table, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    results = {}
    for setting in SETTINGS:
        results[setting.label] = measure(setting, arguments.seeds)
        sys.stderr.write(f"{setting.label}\n")
    for line in table(results):
        print(line)
    figure(results, arguments.output / "ways.png")


if __name__ == "__main__":
    main()
