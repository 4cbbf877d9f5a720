"""Libraries that print are kept off stdout; what they say goes to the log."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet(logger: logging.Logger, library: str) -> Iterator[None]:
    """Turn what a library prints, and its warnings, into log lines."""
    spoken = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(spoken):
        warnings.simplefilter("always")
        yield
    for line in [*spoken.getvalue().splitlines(), *(str(w.message) for w in caught)]:
        logger.info("%s: %s", library, line)
