"""``causaldisc rca``: rank root causes of an incident on a graph."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from causaldisc.cli.common import add_json, emit, table, whole
from causaldisc.core.errors import InputError

if TYPE_CHECKING:
    from causaldisc.core.telemetry import Telemetry

HELP = "rank root causes of an incident on a graph"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("graph", metavar="GRAPH.json")
    parser.add_argument("telemetry", metavar="TELEMETRY")
    parser.add_argument(
        "--at", metavar="TIME", help="onset: seconds of the telemetry's clock, or ISO 8601 (default: found from the data)"
    )
    parser.add_argument(
        "--normal", metavar="TELEMETRY", help="a normal period recorded apart; the incident is then all of TELEMETRY"
    )
    parser.add_argument("--method", default="rht", metavar="NAME", help="see `causaldisc list rca` (default rht)")
    parser.add_argument("--top", type=whole, default=5, metavar="K", help="how many causes to name (default 5)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Rank and print."""
    from causaldisc import CausalGraph, rca
    from causaldisc.core.plugins import rankers

    rankers.get(args.method)
    if args.top < 1:
        raise InputError(f"--top must be a whole number >= 1, got {args.top}")
    graph = CausalGraph.load(args.graph)
    normal = _read(args.normal) if args.normal else None
    ranking = rca(graph, _read(args.telemetry), at=args.at, method=args.method, top=args.top, normal=normal)
    rows = [[c.rank, c.variable, c.service, c.score] for c in ranking.causes]
    lines = [f"onset: {ranking.onset_text}", table(["rank", "variable", "service", "score"], rows)]
    for key, what in (
        ("not_in_telemetry", "of the graph not in the telemetry"),
        ("not_in_graph", "of the telemetry not in the graph"),
    ):
        if ranking.report[key]:
            lines.append(f"variables {what}, left out: {len(ranking.report[key])}")
    emit(ranking.to_dict(), args.json, "\n".join(lines))
    return 0


def _read(path: str) -> Telemetry:
    """Read telemetry without its empty columns: an incident is short, and says nothing of what was silent in it."""
    from causaldisc.core.telemetry_file import read_table

    kept, _ = read_table(path).without_empty()
    return kept.telemetry(path)
