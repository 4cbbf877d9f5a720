"""Sortability of `sem` and `var`, natural and level, over seeds: the figures in the docstrings of both sources.

python experiments/sortability/levels.py --seeds 60
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import causaldisc as cd

MECHANISMS = {"sem": ("linear", "tanh", "sine", "mlp", "quadratic"), "var": ("linear", "tanh")}


def means(source: str, mechanism: str, n: int, sortability: str, seeds: int) -> str:
    """Return mean ± half-width of a 95 % interval of var- and R²-sortability, in the system's own units."""
    values = []
    for seed in range(seeds):
        options = {"mechanism": mechanism, "n_variables": n, "sortability": sortability, "standardise": False, "trials": 0}
        notes = cd.simulate(source, seed=seed, **options).notes
        values.append((notes["var_sortability"], notes["r2_sortability"]))
    found = np.array(values)
    found = found[~np.isnan(found).any(axis=1)]
    half = 1.96 * found.std(axis=0, ddof=1) / np.sqrt(len(found))
    return " | ".join(f"{mean:.3f} ± {h:.3f}" for mean, h in zip(found.mean(axis=0), half, strict=True))


def main() -> None:
    """Print one Markdown row a source, mechanism and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=60)
    seeds = parser.parse_args().seeds
    write = sys.stdout.write
    columns = ("source", "mechanism", "variables", "natural: var", "natural: R²", "level: var", "level: R²")
    write(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n")
    for source, mechanisms in MECHANISMS.items():
        for mechanism in mechanisms:
            for n in (10, 30):
                cells = [means(source, mechanism, n, sortability, seeds) for sortability in ("natural", "level")]
                write(f"| `{source}` | {mechanism} | {n} | {' | '.join(cells)} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
