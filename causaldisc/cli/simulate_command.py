"""``causaldisc simulate``: write a data set of a source with its truth, prior and trials."""

from __future__ import annotations

import argparse
import inspect
from typing import TYPE_CHECKING

from causaldisc.cli.common import add_json, add_output, add_settings, emit, settings

if TYPE_CHECKING:
    from causaldisc.core.dataset import Dataset
    from causaldisc.core.plugins import System

HELP = "write telemetry, truth, call graph, prior and trials of a source"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="SOURCE", help="see `causaldisc list sources`")
    add_settings(parser, "the source")
    parser.add_argument("--watch", action="store_true", help="show on stderr how far it is and what the services do")
    parser.add_argument("--pictures", action="store_true", help="draw the system and its trials, into DIR/pictures")
    add_output(parser, "DIR", required=True)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Simulate and write the folder, whole or not at all."""
    from causaldisc.sources._folder import check_folder, write_folder
    from causaldisc.sources._simulate import build_system

    parameters = settings(args)
    check_folder(args.output)
    system = build_system(args.source, args.seed, parameters)
    dataset = _watched(system) if args.watch else system.dataset()
    pictures = _pictures(system, dataset) if args.pictures else {}
    write_folder(dataset, args.output, source=args.source, seed=args.seed, parameters=parameters, pictures=pictures)
    rows, columns = dataset.telemetry.shape
    facts = {
        "directory": args.output,
        "rows": rows,
        "variables": columns,
        "trials": len(dataset.trials),
        "edges": len(dataset.truth.edges) if dataset.truth else None,
        "signals": sorted(dataset.signals),
        "pictures": sorted(pictures),
        "notes": dict(dataset.notes),
    }
    emit(facts, args.json, f"{args.source}: {rows} rows, {columns} variables, {len(dataset.trials)} trials -> {args.output}")
    return 0


def _watched(system: System) -> Dataset:
    """Run a system in sight; one that does not tell its progress is run all the same."""
    from causaldisc.cli.watch import Watch

    # Runs that will be told of: the recorded one and the held-out trials.
    runs = 1 + int(getattr(getattr(system, "options", None), "trials", 0))
    with Watch(runs, float(getattr(system, "duration_s", 0.0))) as watch:
        if "progress" in inspect.signature(system.dataset).parameters:
            return system.dataset(progress=watch.progress)  # pyright: ignore[reportCallIssue]  # seen in its signature
        return system.dataset()


def _pictures(system: System, dataset: Dataset) -> dict[str, bytes]:
    from causaldisc.sources._system.portrait import pictures_of

    return pictures_of(system, dataset)
