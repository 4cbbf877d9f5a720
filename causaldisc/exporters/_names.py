"""Names that a consumer cannot take, escaped so that different names stay different."""

from __future__ import annotations

import re
from collections.abc import Iterable

from causaldisc.core.errors import InputError


def percent_escape(name: str, unsafe: str) -> str:
    """Escape the characters that match a pattern, and ``%`` itself, as the percent-encoded bytes of their UTF-8.

    Injective; ``urllib.parse.unquote`` reads it back.

    >>> percent_escape('50% "x"', '["]')
    '50%25 %22x%22'
    """
    return re.sub(f"%|{unsafe}", lambda m: "".join(f"%{byte:02X}" for byte in m.group().encode()), name)


def escape_all(names: Iterable[str], unsafe: str) -> dict[str, str]:
    """Return name → escaped name."""
    return {name: percent_escape(name, unsafe) for name in names}


def inverse(escaped: dict[str, str]) -> dict[str, str]:
    """Return escaped name → name, what ``FILE.names.json`` holds; raises InputError should two names fall together."""
    back = {short: name for name, short in escaped.items()}
    if len(back) != len(escaped):
        raise InputError("node names must stay different in the format exported to, got two that fall together")
    return back
