"""``causaldisc leaderboard``: build the page, or re-run a row and compare."""

from __future__ import annotations

import argparse

from causaldisc.cli.common import emit

HELP = "build the leaderboard page from outcomes/, or re-run rows and compare"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="write the static page")
    build.add_argument("--outcomes", default="outcomes", metavar="DIR", help="the store (default outcomes)")
    build.add_argument("-o", "--output", default="site", metavar="DIR", help="where the page goes (default site)")
    build.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    verify = actions.add_parser("verify", help="re-run stored outcomes and compare bit for bit")
    verify.add_argument("keys", nargs="*", metavar="KEY", help="outcome keys or unique beginnings of them (default: all)")
    verify.add_argument("--outcomes", default="outcomes", metavar="DIR", help="the store (default outcomes)")
    verify.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Build or verify."""
    return _build(args) if args.action == "build" else _verify(args)


def _build(args: argparse.Namespace) -> int:
    from causaldisc.leaderboard.build import build

    page = build(args.outcomes, args.output)
    emit(None, False, f"leaderboard: {page}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from causaldisc.runner.verify import verify_stored

    differing = 0
    for key, differences in verify_stored(args.outcomes, args.keys):
        differing += bool(differences)
        emit(None, False, f"{key[:12]}  {'same' if not differences else '; '.join(differences)}")
    return 1 if differing else 0
