"""``causaldisc validate``: intervene on a system and mark the edges of a graph."""

from __future__ import annotations

import argparse
from collections import Counter

from causaldisc.cli.common import add_json, add_output, add_settings, check_output, emit, settings, whole
from causaldisc.core.errors import InputError

HELP = "run interventions and mark edges confirmed, refuted or untested"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("graph", metavar="GRAPH.json")
    parser.add_argument("--source", required=True, metavar="SOURCE|DIR", help="a source, or a folder that `simulate` wrote")
    add_settings(parser, "the source")
    parser.add_argument(
        "--budget", type=whole, default=10, metavar="N", help="how many variables may be intervened on (default 10)"
    )
    parser.add_argument("--planner", default="coverage", metavar="NAME", help="see `causaldisc list planners` (default coverage)")
    parser.add_argument("--alpha", type=float, default=0.05, help="false-discovery rate of the verdicts (default 0.05)")
    parser.add_argument(
        "--delta", type=float, default=0.2, help="smallest effect that matters, in standard deviations (default 0.2)"
    )
    parser.add_argument(
        "--hold",
        default="parents",
        metavar="WHICH",
        help="what is held fixed in a trial: parents (of the effect, by the graph), all, or none (default parents)",
    )
    parser.add_argument("--repeats", type=whole, default=1, metavar="N", help="runs of each setting (default 1)")
    add_output(parser, "GRAPH.json")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Validate and write the marked graph."""
    from pathlib import Path

    from causaldisc import CausalGraph, validate
    from causaldisc.core.graph_json import to_json
    from causaldisc.sources._folder import read_manifest

    source, seed, parameters = args.source, args.seed, settings(args)
    if Path(source).is_dir():
        if parameters:
            raise InputError("--set must not be given with a folder as --source; the folder says which system it is")
        manifest = read_manifest(source)
        source, seed, parameters = manifest["source"], manifest["seed"], manifest["parameters"]
    check_output(args.output)
    graph = CausalGraph.load(args.graph)
    marked = validate(
        graph,
        source,
        seed=seed,
        budget=args.budget,
        planner=args.planner,
        alpha=args.alpha,
        delta=args.delta,
        hold=args.hold,
        repeats=args.repeats,
        **parameters,
    )
    counts = Counter(e.validation for e in marked.edges)
    facts = {state: counts.get(state, 0) for state in ("confirmed", "refuted", "untested")}
    if not args.output:
        emit(to_json(marked), True, "")
        return 0
    marked.save(args.output)
    emit(
        {**facts, "record": marked.provenance.get("validation")},
        args.json,
        ", ".join(f"{n} {state}" for state, n in facts.items()) + f" -> {args.output}",
    )
    return 0
