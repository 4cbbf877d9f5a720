"""``causaldisc run``: one experiment or a sweep, configured by Hydra."""

from __future__ import annotations

import argparse

from causaldisc.cli.common import add_json, emit
from causaldisc.core.errors import CausaldiscError, InputError

HELP = "run one Hydra experiment, or with -m a sweep"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="Hydra overrides such as algorithm=pc source=mesh seed=0"
    )
    parser.add_argument("-m", "--multirun", action="store_true", help="sweep over the comma-separated values of the overrides")
    parser.add_argument("--resume", action="store_true", help="finish a sweep: run only the cells without a good outcome")
    parser.add_argument("--status", action="store_true", help="show what of a sweep is done, failed or to do, and run nothing")
    parser.add_argument("--config-dir", metavar="DIR", help="a folder with configuration groups of your own")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run and print a table of outcomes; 1 when any cell failed."""
    from causaldisc.runner.experiment import report, run

    result = run(args.overrides, multirun=args.multirun, resume=args.resume, status=args.status, config_dir=args.config_dir)
    if result.complaint:
        raise (InputError if result.exit_status == 2 else CausaldiscError)(result.complaint)
    emit(result.to_dict(), args.json, report(result))
    return result.exit_status
