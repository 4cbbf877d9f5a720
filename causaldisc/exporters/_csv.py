"""CSV text with only the quotes that are needed, and names that pandas takes for names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

# What pandas would read in a cell as missing, a number or a truth value, and the characters that it loses.
_WORDS = r"#n/a.*|#na|-?1\.#ind|-?1\.#qnan|-?nan|<na>|n/?a|null|none|[-+]?inf(?:inity)?|true|false|[-+.\d][-+.\de_]*"
PANDAS_UNSAFE = rf"^\s+|\s+$|[\x00\r]|^(?=(?i:{_WORDS})$)."


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
