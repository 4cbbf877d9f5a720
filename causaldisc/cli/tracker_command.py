"""``causaldisc tracker``: rebuild the MLflow mirror from the store."""

from __future__ import annotations

import argparse

from causaldisc.cli.common import emit

HELP = "rebuild the MLflow mirror from outcomes/"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=("sync",))
    parser.add_argument("--outcomes", default="outcomes", metavar="DIR", help="the store (default outcomes)")
    parser.add_argument("--uri", default=None, metavar="URI", help="MLflow store (default sqlite:///mlflow.db)")


def run(args: argparse.Namespace) -> int:
    """Mirror every outcome."""
    from causaldisc.runner.sync import tracker_sync

    count = tracker_sync(args.outcomes, args.uri)
    emit(None, False, f"{count} outcomes mirrored")
    return 0
