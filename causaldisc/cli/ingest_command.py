"""``causaldisc ingest``: telemetry and call graphs from files of the field → telemetry and a prior."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from causaldisc.cli.common import add_json, add_output, check_output, emit
from causaldisc.core.errors import InputError

_NOTES = {
    "empty_columns": "columns without any value, left out",
    "services_without_telemetry": "services of the call graph without telemetry",
    "services_without_calls": "services with telemetry that the call graph does not know",
}
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

    if not args.output and not args.prior_out:
        raise InputError("ingest must be told where to write; valid: -o TELEMETRY.parquet, --prior-out PRIOR.yaml, or both")
    check_output(args.output, args.inputs)
    check_output(args.prior_out, args.inputs)
    write = _writer(args.output)
    result = ingest(args.inputs)
    if args.output and result.telemetry is None:
        raise InputError("-o needs telemetry among the inputs, got call graphs only")
    if args.prior_out and result.prior is None:
        raise InputError("--prior-out needs a call graph among the inputs, got telemetry only")
    lines = []
    if args.output and result.telemetry is not None:
        write(result.telemetry, args.output)
        lines.append(f"{result.telemetry.shape[0]} rows, {result.telemetry.shape[1]} variables -> {args.output}")
    if args.prior_out and result.prior is not None:
        result.prior.save(args.prior_out)
        lines.append(f"{len(result.prior.calls)} calls -> {args.prior_out}")
    lines += [f"{what}: {', '.join(result.report[key])}" for key, what in _NOTES.items() if result.report.get(key)]
    emit(result.report, args.json, "\n".join(lines))
    return 0


def _writer(path: str | None) -> Any:
    """Choose the format by the ending, before anything is read."""
    from causaldisc.core.telemetry_file import write_csv, write_parquet

    writers = {".parquet": write_parquet, ".csv": write_csv}
    if path is None:
        return None
    ending = Path(path).suffix.lower()
    if ending not in writers:
        raise InputError(f"-o {path}: must end in .parquet or .csv, got {ending or 'no ending'}")
    return writers[ending]
