"""``causaldisc discover``: learn a graph from the user's own telemetry."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from causaldisc.cli.common import add_json, add_output, add_settings, check_output, emit, settings
from causaldisc.core.errors import PriorError

if TYPE_CHECKING:
    from causaldisc.core.discovery import Discovery

# What a reader must know of a figure to judge the graph by it.
_MEANING = {
    "correlation_repair": "largest change to reconcile correlations from differing rows; above 0.1 doubt weak edges",
    "untestable_pairs": "pairs with too few joint rows to be tested; no edge between them is no finding",
    "unknown_pairs": "pairs with too few joint rows to be judged; no edge between them is no finding",
    "bootstrap": "resamples behind the confidence of edges",
    "block_length": "rows on end that were resampled together, as long as autocorrelation lasts",
    "truncated": "cut off by deadline_s: the graph so far, or fewer resamples",
}
# Lists of edges that a choice by resamples kept out of the graph.
_LEFT_OUT = {"abstained_edges": "less probable than min_confidence", "unstable_edges": "not stable over half-samples"}
_SHOWN = 10
HELP = "learn a causal graph from telemetry files"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "telemetry", nargs="+", metavar="TELEMETRY", help="CSV or Parquet; several files are several environments"
    )
    parser.add_argument("--prior", metavar="PRIOR.yaml", help="the expert's prior")
    parser.add_argument("--algorithm", default="pc", metavar="NAME", help="see `causaldisc list algorithms` (default pc)")
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="telemetry: treat every series by its habits, choose by rule what --set does not, and grade the edges; "
        "telemetry-proxy, telemetry-factor: take a common load out as well",
    )
    add_settings(parser, "the algorithm")
    add_output(parser, "GRAPH.json")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Check every argument, then read, learn, write and report."""
    from causaldisc.core.graph_json import to_json
    from causaldisc.core.plugins import algorithms
    from causaldisc.core.prior import ExpertPrior
    from causaldisc.core.telemetry_file import read_telemetry
    from causaldisc.habits import preset
    from causaldisc.runner.pipeline import discover

    given = settings(args)
    algorithms.build(args.algorithm, given)  # a mistake is told before any data are read
    if args.preset is not None:
        preset(args.preset)
    prior = ExpertPrior.load(args.prior) if args.prior else None
    check_output(args.output, [*args.telemetry, *([args.prior] if args.prior else [])])
    telemetry = [read_telemetry(path) for path in args.telemetry]
    try:
        found = discover(telemetry, args.algorithm, prior=prior, seed=args.seed, preset=args.preset, **given)
    except PriorError as error:
        raise PriorError(f"{args.prior}: {error}") from error
    if args.output:
        found.graph.save(args.output)
        emit(summary(found), args.json, text(found, args.output))
    else:
        emit(to_json(found.graph), True, "")
        sys.stderr.write("" if args.json else text(found, "stdout") + "\n")
    found.certificate.raise_if_violated()
    return 0


def summary(found: Discovery) -> dict[str, Any]:
    """Return what a script wants to know about a discovery."""
    graph = found.graph
    directed = sum(e.is_directed for e in graph.edges)
    return {
        "algorithm": graph.provenance["algorithm"],
        "kind": graph.kind,
        "nodes": len(graph.variables),
        "edges": len(graph.edges),
        "directed": directed,
        "seconds": found.seconds,
        "certificate": found.certificate.to_dict(),
        "report": dict(found.report),
        **_answers(found),
    }


def _answers(found: Discovery) -> dict[str, Any]:
    """What a preset adds: the verdict, the edges of the core, the candidates."""
    if found.core is None:
        return {}
    core = [{"source": e.source, "target": e.target, "lag": e.lag} for e in found.core.edges]
    return {"verdict": found.verdict, "core": core, "candidates": [c.to_dict() for c in found.candidates]}


def text(found: Discovery, where: str) -> str:
    """Say in a few lines what was found, from what, and whether the prior holds."""
    facts, graph, report = summary(found), found.graph, found.report
    lines = [
        f"{facts['algorithm']}: {facts['edges']} edges ({facts['directed']} directed) among {facts['nodes']} variables "
        f"in {found.seconds:.2f} s -> {where}",
        f"data: {report['rows']} rows, {report['columns']} columns, {report['missing_share']:.1%} missing, "
        f"step {graph.step_seconds:g} s",
    ]
    if found.core is not None:
        lines.append(f"{found.verdict}; core: {len(found.core.edges)} edges; candidates: {len(found.candidates)}")
        lines += [f"  {e.source} -> {e.target} at lag {e.lag}" for e in found.core.edges[:_SHOWN]]
        lines += [f"preset: {note}" for note in report["preset"]["notes"]]
    constant = report["constant_columns"]
    if constant:
        lines.append(f"constant columns kept as isolated nodes: {len(constant)} ({_some(constant)})")
    duplicates = report.get("duplicates") or []
    if duplicates:
        lines.append(
            f"groups of near-duplicate columns: {len(duplicates)} ({_some([' = '.join(map(str, g)) for g in duplicates])})"
        )
    dependent = report.get("dependent_columns") or []
    if dependent:
        lines.append(f"columns that others determine: {len(dependent)} ({_some(dependent)})")
    for key, value in report.items():
        if key in _MEANING and value:
            figure = f"{value:.3g}" if isinstance(value, float) else value
            lines.append(f"{key.replace('_', ' ')}: {figure} ({_MEANING[key]})")
        elif value and isinstance(value, int | float | str) and key not in ("rows", "columns", "missing_share", "rank"):
            lines.append(
                f"{key.replace('_', ' ')}: {value:.6g}" if isinstance(value, float) else f"{key.replace('_', ' ')}: {value}"
            )
    for key, why in _LEFT_OUT.items():
        if report.get(key):
            lines.append(f"edges left out, {why}: {len(report[key])} ({_some(report[key])})")
    kept = sum(v.status == "kept" for v in found.certificate)
    if len(found.certificate):
        lines.append(f"prior: {kept} of {len(found.certificate)} clauses kept")
        lines += [f"  {v.status}: {v.clause} ({v.why})" for v in found.certificate if v.why]
    return "\n".join(lines)


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f", … {len(names) - most} more" if len(names) > most else "")
