"""``causaldisc export``: write a graph for another program."""

from __future__ import annotations

import argparse

from causaldisc.cli.common import add_json, add_output, check_output, emit

HELP = "write a graph in the format of a root-cause engine or library"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("graph", metavar="GRAPH.json")
    parser.add_argument("--to", required=True, metavar="FORMAT", help="see `causaldisc list exporters`")
    parser.add_argument(
        "--level", choices=("metric", "service"), default="metric", help="nodes are metrics or services (default metric)"
    )
    add_output(parser, "FILE", required=True)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Export and say which files were written."""
    from causaldisc import CausalGraph, export
    from causaldisc.core.plugins import exporters

    exporters.get(args.to)
    check_output(args.output, [args.graph])
    paths = export(CausalGraph.load(args.graph), args.to, args.output, level=args.level)
    emit({"files": paths}, args.json, "\n".join(str(p) for p in paths))
    return 0
