"""The ``causaldisc`` console script: parse, call, print; every expected error is one line on stderr."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from causaldisc.core.errors import CausaldiscError, InputError

COMMANDS = (
    "run",
    "discover",
    "ingest",
    "simulate",
    "validate",
    "score",
    "export",
    "rca",
    "leaderboard",
    "tracker",
    "list",
    "doctor",
)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are InputErrors, so that they take the same one line as all others."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing usage."""
        raise InputError(f"{message}; see {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; nothing heavy is imported."""
    parser = Parser(prog="causaldisc", description="Causal discovery on microservice telemetry, under an expert's prior.")
    parser.add_argument("--version", action="version", version=_version())
    debug = Parser(add_help=False)
    debug.add_argument("--debug", action="store_true", help="show tracebacks and debug logs")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for name in COMMANDS:
        module = importlib.import_module(f"causaldisc.cli.{name}_command")
        command = commands.add_parser(name, help=module.HELP, description=module.HELP, parents=[debug])
        module.add(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 bad input or usage, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if not debug:
        warnings.simplefilter("ignore")
    try:
        status = _dispatch(words)
        sys.stdout.flush()
        return status
    except CausaldiscError as error:
        if debug:
            raise
        return _complain(error, error.exit_status)
    except KeyboardInterrupt as stop:
        return _complain(str(stop) or "interrupted", 130)
    except BrokenPipeError:
        # The reader went away (| head); what is left to write goes nowhere, without a second error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        return _complain(f"{type(error).__name__}: {error} (an unexpected error; --debug shows where)", 1)


def _dispatch(words: list[str]) -> int:
    args, rest = build_parser().parse_known_args(words)
    # Hydra overrides may stand before and after options, which argparse cannot collect in one positional.
    if rest and (args.command != "run" or any(word.startswith("-") for word in rest)):
        raise InputError(f"unrecognized arguments: {' '.join(rest)}; see causaldisc {args.command} --help")
    if rest:
        args.overrides = [*args.overrides, *rest]
    return int(args.run(args) or 0)


def _complain(error: object, status: int) -> int:
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    return status


def _version() -> str:
    try:
        return f"causaldisc {version('causaldisc')}"
    except PackageNotFoundError:
        return "causaldisc (not installed)"
