"""``causaldisc score``: compare a graph with the truth."""

from __future__ import annotations

import argparse

from causaldisc.cli.common import add_json, emit, table

HELP = "score a graph against the truth, by every structural metric"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("graph", metavar="GRAPH.json")
    parser.add_argument("truth", metavar="TRUTH.json")
    parser.add_argument(
        "--level", choices=("metric", "service"), default="metric", help="compare metrics or services (default metric)"
    )
    parser.add_argument(
        "--role", metavar="ROLE", help="with --level service: the graph of one role, such as latency (default: merged)"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Read both graphs, score, print."""
    from causaldisc import CausalGraph, score

    values = score(CausalGraph.load(args.graph), CausalGraph.load(args.truth), level=args.level, role=args.role)
    emit(values, args.json, table(["metric", "value"], values.items()))
    return 0
