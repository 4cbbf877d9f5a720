"""``causaldisc rca``: rank root causes of an incident on a graph."""

from __future__ import annotations

import argparse

from causaldisc.cli.common import add_json, emit, table, whole

HELP = "rank root causes of an incident on a graph"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("graph", metavar="GRAPH.json")
    parser.add_argument("telemetry", metavar="TELEMETRY")
    parser.add_argument(
        "--at", metavar="TIME", help="onset: seconds of the telemetry's clock, or ISO 8601 (default: found from the data)"
    )
    parser.add_argument("--method", default="rht", metavar="NAME", help="see `causaldisc list rca` (default rht)")
    parser.add_argument("--top", type=whole, default=5, metavar="K", help="how many causes to name (default 5)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Rank and print."""
    from causaldisc import CausalGraph, rca, read_telemetry
    from causaldisc.core.plugins import rankers

    rankers.get(args.method)
    ranking = rca(CausalGraph.load(args.graph), read_telemetry(args.telemetry), at=args.at, method=args.method, top=args.top)
    rows = [[c.rank, c.variable, c.service, c.score] for c in ranking.causes]
    emit(ranking.to_dict(), args.json, f"onset: {ranking.onset_text}\n" + table(["rank", "variable", "service", "score"], rows))
    return 0
