"""When it all happened: the moment of the first row, and times as the formats write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

EPOCH_S = 1_767_225_600  # 2026-01-01T00:00:00Z, the moment of the first row
_EPOCH = datetime.fromtimestamp(EPOCH_S, UTC)


def unix_ns(seconds: np.ndarray) -> np.ndarray:
    """int64[…]: Unix nanoseconds of moments in seconds since the first row."""
    return EPOCH_S * 1_000_000_000 + np.rint(np.asarray(seconds, float) * 1e9).astype(np.int64)


def rfc3339(seconds: float, timespec: str = "seconds") -> str:
    """A moment in seconds since the first row, as RFC 3339 writes it.

    >>> rfc3339(90.5), rfc3339(90.5, "milliseconds")
    ('2026-01-01T00:01:30Z', '2026-01-01T00:01:30.500Z')
    """
    return (_EPOCH + timedelta(seconds=float(seconds))).isoformat(timespec=timespec).replace("+00:00", "Z")
