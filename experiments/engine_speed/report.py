"""Make the table of a file of runs, write it into README.md between its markers, and draw the figure.

python experiments/engine_speed/report.py [RUNS.jsonl] [--readme README.md] [--figure speed] [--keep DIR]
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import read
from machine import sentence
from workloads import WORKLOADS, Workload

BEGIN, END = "<!-- table -->", "<!-- end of table -->"
ERROR = "causaldisc.core.errors.InputError: "
HEADER = (
    "| work | ours, CPU s | reference, CPU s | ratio CPU (wall) | peak MB, ours / ref. | skeleton F1, ours / ref. "
    "| SHD to the CPDAG, ours / ref. | same skeleton, same graph |"
)


@dataclass(frozen=True)
class Side:
    """What one competitor did on one workload.

    ``runs`` are those that ended well, ``limits`` the seconds after which the run of a seed without any was killed, and ``error``
    what went wrong with another.
    """

    runs: tuple[dict[str, Any], ...]
    limits: tuple[float, ...] = ()
    error: str | None = None

    def per_seed(self, key: str) -> list[float]:
        """Return the median over the permutations of each seed."""
        seeds = sorted({run["seed"] for run in self.runs})
        return [statistics.median([run[key] for run in self.runs if run["seed"] == seed]) for seed in seeds]

    def median(self, key: str) -> float:
        """Return the median over seeds, or where ``cut`` a bound that it exceeds; NaN without any seed."""
        values = [*self.per_seed(key), *self.limits]
        return statistics.median(values) if values else math.nan

    @property
    def tried(self) -> bool:
        """Whether anything is known of it."""
        return bool(self.runs or self.limits or self.error)

    @property
    def cut(self) -> bool:
        """Whether so many runs were killed that the median is known from below only."""
        return bool(self.limits) and len(self.limits) >= len(self.per_seed("cpu"))


def sides(lines: list[dict[str, Any]], workload: Workload) -> tuple[Side, Side]:
    """Return ours and the reference."""

    def side(algorithm: str) -> Side:
        mine = [line for line in lines if (line.get("workload"), line.get("algorithm")) == (workload.name, algorithm)]
        runs = {(line["seed"], line["permutation"]): line for line in mine if line["status"] == "ok"}  # the latest of each
        ended = {line["seed"] for line in runs.values()}
        limits = {line["seed"]: line["limit"] for line in mine if line["status"] == "timeout" and line["seed"] not in ended}
        errors = [line["error"] for line in mine if line["status"] == "error"]
        return Side(tuple(runs.values()), tuple(limits.values()), errors[-1] if errors else None)

    return side(workload.algorithm), side(workload.reference)


def table(lines: list[dict[str, Any]], keep: Path | None = None) -> str:
    """Return the Markdown table of every workload that has runs."""
    rows, failures = [HEADER, "|" + "---|" * 8], []
    for workload in WORKLOADS.values():
        ours, reference = sides(lines, workload)
        if ours.tried or reference.tried:
            rows.append(_row(workload, ours, reference, keep))
        for algorithm, side in zip(workload.competitors, (ours, reference), strict=True):
            if side.error and not side.runs:
                failures.append(
                    f"`{algorithm}` at {workload.variables} × {workload.rows} failed: {side.error.removeprefix(ERROR)}"
                )
    return "\n\n".join(["\n".join(rows), *failures])


def _row(workload: Workload, ours: Side, reference: Side, keep: Path | None) -> str:
    degree = f", degree {workload.degree}" if workload.degree != 2 else ""
    lags = f", lags to {workload.parameters['max_lag']}" if "max_lag" in workload.parameters else ""
    work = f"`{workload.algorithm}`, {workload.variables} × {workload.rows}{degree}{lags}"
    both = (ours, reference)
    cells = [
        work,
        _seconds(ours),
        _seconds(reference),
        _ratio(ours, reference),
        " / ".join(f"{max(r['peak_mb'] for r in s.runs):.0f}" if s.runs else "-" for s in both),
        " / ".join(_interval(s, "skeleton_f1", 3) for s in both),
        " / ".join(_interval(s, "shd_cpdag", 1) for s in both),
        _equality(workload, ours, reference, keep),
    ]
    return "| " + " | ".join(cells) + " |"


def _seconds(side: Side) -> str:
    value = side.median("cpu")
    if math.isnan(value):
        return "failed" if side.error else "-"
    return f"> {value:.4g}" if side.cut else f"{value:.3g}"


def _ratio(ours: Side, reference: Side) -> str:
    if not ours.runs or ours.cut or math.isnan(reference.median("cpu")):
        return "-"
    more = "> " if reference.cut else ""
    cpu, wall = (reference.median(key) / ours.median(key) for key in ("cpu", "wall"))
    return f"{more}{_short(cpu)} ({more}{_short(wall)})"


def _short(value: float) -> str:
    """Two significant digits, without an exponent."""
    return f"{float(f'{value:.2g}'):,.10g}"


def _interval(side: Side, key: str, digits: int) -> str:
    from causaldisc.core.interval import Interval

    if not side.runs:
        return "-"
    found = Interval.of(side.per_seed(key))
    return f"{found.mean:.{digits}f}" + ("" if math.isnan(found.half) else f" ± {found.half:.{digits}f}")


def _equality(workload: Workload, ours: Side, reference: Side, keep: Path | None) -> str:
    """Count the seeds on which both found the same from the same columns in the same order."""
    mine, theirs = ({(r["seed"], r["permutation"]): r for r in side.runs} for side in (ours, reference))
    shared = [key for key in mine if key in theirs and key[1] == 0]
    if not shared:
        return "-"
    skeletons, graphs = (sum(mine[k][what] == theirs[k][what] for k in shared) for what in ("skeleton", "graph"))
    told = f"{skeletons} and {graphs} of {len(shared)}"
    if workload.algorithm == "ges":
        better = sum(mine[k]["bic"] > theirs[k]["bic"] + 1e-6 for k in shared)
        worse = sum(mine[k]["bic"] < theirs[k]["bic"] - 1e-6 for k in shared)
        told += f"; BIC higher {better}, lower {worse}"
    largest = largest_difference(keep, workload, [seed for seed, _ in shared]) if keep else math.nan
    return told if math.isnan(largest) else f"{told}; p within {largest:.1e}"


def largest_difference(keep: Path, workload: Workload, seeds: list[int]) -> float:
    """Return the largest difference of a p-value over edges that both give one for; NaN without such edges."""
    import numpy as np

    largest = math.nan
    for seed in seeds:
        files = [keep / f"{workload.name}-{algorithm}-{seed}.npz" for algorithm in workload.competitors]
        if all(file.is_file() for file in files):
            ours, theirs = (np.load(file)["p_values"] for file in files)
            gaps = np.abs(ours - theirs)
            if not np.isnan(gaps).all():
                largest = float(np.nanmax([largest, np.nanmax(gaps)]))
    return largest


def write(readme: Path, text: str) -> None:
    """Put a text between the markers of a page."""
    page = readme.read_text()
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"{readme} must hold the markers {BEGIN} and {END} once each")
    head, rest = page.split(BEGIN)
    readme.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def main(argv: list[str] | None = None) -> int:
    """Write table and figure."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="?", default=here / "runs.jsonl", metavar="RUNS.jsonl")
    parser.add_argument("--readme", type=Path, default=here / "README.md")
    parser.add_argument("--figure", type=Path, default=here / "speed", help="without the ending: .png and .svg are written")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="the arrays that bench.py kept, to compare p-values")
    args = parser.parse_args(argv)
    lines = read(args.runs)
    machines = [line["machine"] for line in lines if "machine" in line]
    if not machines:
        sys.stderr.write(f"error: {args.runs} must be a file that bench.py wrote; run scripts/bench first\n")
        return 2
    described = sentence(machines[-1], [machine["load"] for machine in machines])
    write(args.readme, f"{table(lines, args.keep)}\n\n{described}.")
    from figure import draw

    draw(lines, args.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
