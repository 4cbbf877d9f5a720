"""Errors a user is expected to meet: one line each, naming the field, the rule, what arrived and what would be valid."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CausaldiscError(Exception):
    """Any error that the command line prints as one line, with the exit status that it carries."""

    exit_status = 1


class InputError(CausaldiscError):
    """A file, parameter or value that the user gave is not valid (exit status 2)."""

    exit_status = 2


class PriorError(InputError):
    """A prior that contradicts itself or does not fit the telemetry."""


class PriorUnsupportedError(PriorError):
    """A prior with a clause that the chosen algorithm cannot obey; the run is refused."""


class MissingExtraError(InputError):
    """An optional dependency is needed and not installed."""


class PriorViolatedError(CausaldiscError):
    """A learned graph breaks a hard clause of the prior."""


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return ``valid: a, b, c`` with the nearest name first, for the end of an error line.

    >>> did_you_mean("gez", ["pc", "pcmci", "ges"])
    'did you mean ges? valid: ges, pc, pcmci'
    """
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}valid: {', '.join(names) if names else '(none)'}"
