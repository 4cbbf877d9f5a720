"""Plain defaults against ``preset="telemetry"``, with controls and the node-permutation null beside every figure.

    python experiments/telemetry_habits/study.py --data FOLDER --figure habits.png

``FOLDER`` holds the alarm logs (``alarms_18v``, ``alarms_noah``); without it they are left out. PetShop is shipped. Prints
Markdown tables; ``--silence`` checks instead where the verdict must be that nothing can be told.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from alarms import LOGS, read_log
from raw_scrape import raw_scrape

import causaldisc as cd
from causaldisc.core.plugins import metrics

ALGORITHMS = ("pc", "pcmci_plus", "ges")
SIZES = (5, 9, 14)
METRICS = {"directed_f1_z": "z of directed F1", "precision_lift": "precision lift", "directed_f1": "directed F1"}
EMPTY = {"directed_f1_z": 0.0, "precision_lift": 1.0, "directed_f1": 0.0}  # what an empty graph counts as: chance
SCORED = ("directed", "density", "permutation")
DRAWS = 20  # permutations of the labels
RESAMPLES = 4000
Table = dict[tuple[str, str, str], list[float]]  # (group, row, metric) -> one figure a set


class Set(NamedTuple):
    """Telemetry and what is true of it: pairs of (what to read off a learned graph, the true graph)."""

    group: str
    telemetry: cd.Telemetry
    truths: list[tuple[str | None, cd.CausalGraph]]


def sets(options: argparse.Namespace) -> Iterator[Set]:
    """Yield every data set of the study."""
    for size in SIZES:
        for seed in range(options.first, options.first + options.seeds):
            data = cd.simulate("mesh", seed=seed, n_services=size, trials=0)
            assert data.truth is not None
            truths = [(None, data.truth)]
            yield Set(f"mesh {size}, rates", data.telemetry, truths)
            yield Set(f"mesh {size}, raw scrape", raw_scrape(data.telemetry, np.random.default_rng(seed)), truths)
    for name in LOGS if options.data else ():
        for quarter in range(4):
            telemetry, truth = read_log(options.data, name, quarter)
            yield Set(name, telemetry, [(None, truth)])
    if not options.without_petshop:
        shop = cd.simulate("petshop")
        yield Set("petshop", shop.telemetry, [(role, shop.services[role]) for role in ("traffic", "latency", "errors")])


def figures(graph: cd.CausalGraph, truths: list[tuple[str | None, cd.CausalGraph]], rng: np.random.Generator | None) -> dict:
    """Metric → one figure a truth; with ``rng`` the mean over permutations of the graph's labels."""
    found: dict[str, list[float]] = {key: [] for key in METRICS}
    for role, truth in truths:
        drawn = graph if role is None else graph.services()[role]
        drawn = drawn.summary()
        scores = [score(g, truth) for g in ([drawn] if rng is None else (permuted(drawn, rng) for _ in range(DRAWS)))]
        for key in METRICS:
            values = [s[key] for s in scores]
            found[key].append(float(np.mean([EMPTY[key] if np.isnan(v) else v for v in values])))
    return found


def score(graph: cd.CausalGraph, truth: cd.CausalGraph) -> dict[str, float]:
    """The metrics of this study alone: ``cd.score`` makes all of them."""
    return {key: value for metric in SCORED for key, value in metrics.build(metric)(graph, truth, None).items()}


def permuted(graph: cd.CausalGraph, rng: np.random.Generator) -> cd.CausalGraph:
    """Return the graph with its node labels permuted."""
    from dataclasses import replace

    other = dict(zip(graph.names, [graph.names[k] for k in rng.permutation(len(graph.names))], strict=True))
    edges = [replace(e, source=other[e.source], target=other[e.target]) for e in graph.edges]
    return graph.replace(edges=edges, kind="summary")


def graphs(telemetry: cd.Telemetry, seed: int) -> Iterator[tuple[str, cd.CausalGraph, bool]]:
    """Yield (row, graph, whether its permutations are a row too)."""
    for control in ("complete", "tournament", "empty"):
        yield control, cd.discover(telemetry, control, seed=seed, max_lag=0).graph, False
    for name in ALGORITHMS:
        yield f"{name}, plain", cd.discover(telemetry, name, seed=seed, bootstrap=0).graph, False
        ready = cd.discover(telemetry, name, seed=seed, preset="telemetry", bootstrap=0)
        assert ready.core is not None
        yield f"{name}, preset", ready.graph, True
        yield f"{name}, core", ready.core, True


def run(options: argparse.Namespace) -> Table:
    """Score every graph of every set."""
    table: Table = defaultdict(list)
    for number, entry in enumerate(sets(options)):
        started = time.perf_counter()
        for row, graph, null in graphs(entry.telemetry, number):
            for suffix, rng in ((row, None), (f"{row}, permuted", np.random.default_rng(number))):
                if rng is None or null:
                    for key, values in figures(graph, entry.truths, rng).items():
                        table[entry.group, suffix, key] += values
        sys.stderr.write(f"{entry.group}: {entry.telemetry.shape}, {time.perf_counter() - started:.1f} s\n")
    return table


def groups_of(table: Table) -> list[str]:
    """The groups, in order."""
    return list(dict.fromkeys(group for group, _, _ in table))


def interval(values: list[np.ndarray], rng: np.random.Generator, weights: list[float]) -> tuple[float, float, float]:
    """Weighted mean over groups of their means, and its 95 % interval by a bootstrap of the sets within each group."""
    drawn = [v[rng.integers(len(v), size=(RESAMPLES, len(v)))].mean(axis=1) for v in values]
    low, high = np.percentile(np.average(drawn, axis=0, weights=weights), [2.5, 97.5])
    return float(np.average([v.mean() for v in values], weights=weights)), float(low), float(high)


def cell(values: list[np.ndarray], rng: np.random.Generator, sign: bool = False, weights: list[float] | None = None) -> str:
    """One cell of a table."""
    mean, low, high = interval(values, rng, weights or [1.0] * len(values))
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]" if sign else f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def levels(table: Table, key: str, rng: np.random.Generator) -> str:
    """Mean of a metric, rows by groups."""
    groups = groups_of(table)
    rows = list(dict.fromkeys(row for _, row, metric in table if metric == key))
    lines = [f"**{METRICS[key]}**", "", f"| | {' | '.join(groups)} |", f"|---|{'---|' * len(groups)}"]
    for row in rows:
        values = [np.array(table[group, row, key]) for group in groups]
        lines.append(f"| {row} | {' | '.join(cell([v], rng) for v in values)} |")
    return "\n".join(lines) + "\n"


def leads(table: Table, rng: np.random.Generator) -> str:
    """Preset less plain, paired by set: by group, the mean over the groups that are as scraped, and that over their kinds."""
    groups = groups_of(table)
    raw = [g for g in groups if not g.endswith("rates")]
    kinds = [g.split("_")[0].split()[0] for g in raw]  # mesh, alarms, petshop
    even = [1.0 / kinds.count(k) for k in kinds]
    one = [(g, [g], [1.0]) for g in groups]
    columns = [*one, ("as scraped, mean of groups", raw, [1.0] * len(raw)), ("as scraped, mean of kinds", raw, even)]
    lines = [f"| lead of the preset | {' | '.join(name for name, _, _ in columns)} |", f"|---|{'---|' * len(columns)}"]
    for name in ALGORITHMS:
        for row, key in (
            (f"{name}, preset", "directed_f1_z"),
            (f"{name}, core", "precision_lift"),
            (f"{name}, preset", "precision_lift"),
        ):
            cells = [
                cell(
                    [np.array(table[g, row, key]) - np.array(table[g, f"{name}, plain", key]) for g in members],
                    rng,
                    True,
                    weights,
                )
                for _, members, weights in columns
            ]
            lines.append(f"| {row}: {METRICS[key]} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def silence(seeds: int) -> str:
    """How often nothing can be told where nothing can be, and where something can."""
    rng = np.random.default_rng(0)

    def noise(rows: int, columns: int, rho: float = 0.0) -> cd.Telemetry:
        x = rng.normal(size=(rows + 200, columns))
        for t in range(1, len(x)):
            x[t] += rho * x[t - 1]
        return cd.Telemetry(x[200:], [f"s{k}:x" for k in range(columns)])

    def cut(rows: int, seed: int) -> cd.Telemetry:
        return cd.simulate("mesh", seed=seed, n_services=5, trials=0).telemetry.rows(np.arange(rows))

    made: dict[str, Any] = {
        "white noise, 3 to 40 columns, 60 to 2000 rows": lambda s: noise(int(rng.integers(60, 2000)), int(rng.integers(3, 40))),
        "40 rows of white noise": lambda s: noise(40, 8),
        "40 rows of `mesh`": lambda s: cut(40, s),
        "300 rows worth 10 (AR 0.967)": lambda s: noise(300, 8, 0.967),
        "`mesh`, default length": lambda s: cd.simulate("mesh", seed=s, trials=0).telemetry,
        "`mesh`, raw scrape": lambda s: raw_scrape(cd.simulate("mesh", seed=s, trials=0).telemetry, np.random.default_rng(s)),
        "`sem`, 500 rows": lambda s: cd.simulate("sem", seed=s, n_samples=500, trials=0).telemetry,
    }
    from causaldisc.habits import recognise, treat, verdict

    lines = ["| data | cannot tell |", "|---|---|"]
    for label, make in made.items():
        said = []
        for seed in range(seeds):
            telemetry = make(seed)
            habits = recognise(telemetry)
            said.append(verdict(treat(telemetry, habits).telemetry, habits).startswith("cannot tell"))
        lines.append(f"| {label} | {sum(said)} of {seeds} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the study and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the alarm logs")
    parser.add_argument("--seeds", type=int, default=6, help="systems of each size")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--without-petshop", action="store_true")
    parser.add_argument("--figure", type=Path, help="draw the figure there")
    parser.add_argument("--silence", type=int, metavar="N", help="only count verdicts, over N draws of each kind")
    options = parser.parse_args()
    if options.silence:
        sys.stdout.write(silence(options.silence))
        return
    table, rng = run(options), np.random.default_rng(0)
    sys.stdout.write("\n".join([leads(table, rng), *(levels(table, key, rng) for key in METRICS)]))
    if options.figure:
        from figure import draw

        draw(table, groups_of(table), ALGORITHMS, options.figure)


if __name__ == "__main__":
    main()
