"""``causaldisc simulate``: write a data set of a source with its truth, prior and trials."""

from __future__ import annotations

import argparse

from causaldisc.cli.common import add_json, add_output, add_settings, emit, settings

HELP = "write telemetry, truth, call graph, prior and trials of a source"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="SOURCE", help="see `causaldisc list sources`")
    add_settings(parser, "the source")
    add_output(parser, "DIR", required=True)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Simulate and write the folder, whole or not at all."""
    from causaldisc.sources._folder import check_folder, write_folder
    from causaldisc.sources._simulate import simulate

    parameters = settings(args)
    check_folder(args.output)
    dataset = simulate(args.source, seed=args.seed, **parameters)
    write_folder(dataset, args.output, source=args.source, seed=args.seed, parameters=parameters)
    rows, columns = dataset.telemetry.shape
    facts = {
        "directory": args.output,
        "rows": rows,
        "variables": columns,
        "trials": len(dataset.trials),
        "edges": len(dataset.truth.edges) if dataset.truth else None,
        "notes": dict(dataset.notes),
    }
    emit(facts, args.json, f"{args.source}: {rows} rows, {columns} variables, {len(dataset.trials)} trials -> {args.output}")
    return 0
