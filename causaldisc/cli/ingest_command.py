"""``causaldisc ingest``: telemetry and call graphs from files of the field → telemetry and a prior."""

from __future__ import annotations

import argparse

from causaldisc.cli.common import add_json, add_output, check_output, emit
from causaldisc.core.errors import InputError

HELP = "turn telemetry and call-graph files into telemetry.parquet and a prior"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="CSV, Parquet, PetShop CSV, call-graph CSV or JSON")
    add_output(parser, "TELEMETRY.parquet")
    parser.add_argument("--prior-out", metavar="PRIOR.yaml", help="write the prior that the call graph makes")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Read the inputs and write what was asked for."""
    from causaldisc import ingest
    from causaldisc.core.telemetry_file import write_parquet

    if not args.output and not args.prior_out:
        raise InputError("ingest must be told where to write; valid: -o TELEMETRY.parquet, --prior-out PRIOR.yaml, or both")
    check_output(args.output)
    check_output(args.prior_out)
    result = ingest(args.inputs)
    if args.output and result.telemetry is None:
        raise InputError("-o needs telemetry among the inputs, got call graphs only")
    if args.prior_out and result.prior is None:
        raise InputError("--prior-out needs a call graph among the inputs, got telemetry only")
    lines = []
    if args.output:
        write_parquet(result.telemetry, args.output)
        lines.append(f"{result.telemetry.shape[0]} rows, {result.telemetry.shape[1]} variables -> {args.output}")
    if args.prior_out:
        result.prior.save(args.prior_out)
        lines.append(f"{len(result.prior.calls)} calls -> {args.prior_out}")
    emit(result.report, args.json, "\n".join(lines))
    return 0
