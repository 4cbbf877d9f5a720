"""What sorting alone scores on simulated data: a table of sorters, a random graph, PC and GES, source by source.

    python experiments/sortability/study.py --seeds 20

reads ``sources.yaml`` beside it (or ``--sources FILE``) and prints Markdown tables: mean over the seeds, with the half-width
of a 95 % interval (Student's t).
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import causaldisc as cd
from causaldisc.core.plain_yaml import load_yaml

ALGORITHMS: dict[str, tuple[str, dict[str, Any]]] = {
    "`sortnregress`, raw": ("sortnregress", {}),
    "`sortnregress`, standardised": ("sortnregress", {"standardise": True}),
    "`r2_sortnregress`, raw": ("r2_sortnregress", {}),
    "`r2_sortnregress`, standardised": ("r2_sortnregress", {"standardise": True}),
    "`random`": ("random", {"degree": 2.0}),
    "`pc`": ("pc", {}),
    "`ges`": ("ges", {}),
}
DRAWS = {"random": 10}  # runs a data set, of which the mean counts
METRICS = {"directed_f1": "Directed F1", "skeleton_f1": "Skeleton F1", "auroc": "AUROC of directed edges"}
SORTABILITIES = ("var_sortability", "r2_sortability")
Table = dict[tuple[str, str], list[float]]


def results(entry: dict[str, Any], seed: int) -> Iterator[tuple[str, str, float]]:
    """Yield (table, row, value) of one data set."""
    data = cd.simulate(entry["source"], seed=seed, trials=0, **entry["parameters"])
    for key in SORTABILITIES:
        yield "sortability", key, float(data.notes[key])
    assert data.truth is not None
    for label, (name, parameters) in ALGORITHMS.items():
        scores = []
        for draw in range(DRAWS.get(name, 1)):
            found = cd.discover(data.telemetry, name, seed=1000 * draw + seed, max_lag=entry["max_lag"], **parameters)
            scores.append(cd.score(found.graph, data.truth, found.scores))
        for key in METRICS:
            yield key, label, float(np.mean([score[key] for score in scores]))


def interval(values: list[float]) -> str:
    """Return the mean ± the half-width of its 95 % interval; what is undefined for a data set is left out.

    >>> interval([0.1, 0.2, 0.3])
    '0.20 ± 0.25'
    """
    from scipy.stats import t

    known = np.array([v for v in values if not np.isnan(v)])
    if len(known) < 2:
        return "–"
    half = t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return f"{known.mean():.2f} ± {half:.2f}"


def markdown(title: str, rows: list[str], columns: list[str], cells: Table) -> str:
    """Return one table."""
    lines = [f"**{title}**", "", f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    lines += [f"| {row} | {' | '.join(interval(cells[row, column]) for column in columns)} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the study and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="data sets a source")
    parser.add_argument("--sources", type=Path, default=Path(__file__).with_name("sources.yaml"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    entries = load_yaml(options.sources.read_text(encoding="utf-8"), str(options.sources))
    tables: dict[str, Table] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        for seed in range(options.seeds):
            for table, row, value in results(entry, seed):
                tables[table][row, entry["label"]].append(value)
        sys.stderr.write(f"{entry['label']}: {options.seeds} data sets\n")
    columns = [entry["label"] for entry in entries]
    out = [markdown("Sortability", list(SORTABILITIES), columns, tables["sortability"])]
    out += [markdown(title, list(ALGORITHMS), columns, tables[key]) for key, title in METRICS.items()]
    sys.stdout.write("\n".join(out))


if __name__ == "__main__":
    main()
