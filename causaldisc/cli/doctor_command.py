"""``causaldisc doctor``: the environment, and an audit of telemetry."""

from __future__ import annotations

import argparse

from causaldisc.cli.common import add_json, emit

HELP = "show versions, optional parts and how to get them; with telemetry, audit it"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("telemetry", nargs="?", metavar="TELEMETRY")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Look and report."""
    from causaldisc.core.telemetry_file import read_telemetry
    from causaldisc.runner.doctor import doctor

    report = doctor(read_telemetry(args.telemetry) if args.telemetry else None)
    emit(report.to_dict(), args.json, report.text())
    return 0
