"""Logs: one JSON object a line, from the traced requests: every failure, and every user's request that took long."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np

from causaldisc.sources._system.signals.epoch import rfc3339
from causaldisc.sources._system.signals.spans import Spans

SLOW = 5.0  # times the median of the operation


def lines(spans: Spans) -> bytes:
    r"""Write a line for each failed span (``ERROR``) and each users' request slower than ``SLOW`` times its usual (``WARN``).

    Fields: ``time`` (of the answer), ``level``, ``service``, ``pod`` and ``host`` where known, ``operation``, ``message``,
    ``trace_id``, ``span_id``, ``duration_ms``, ``attempt``. The usual is the median of the traced requests of that operation.
    Lines are sorted by time; there are at most as many as spans.
    """
    slow = _slow(spans)
    why = _reasons(spans)
    chosen = np.flatnonzero(spans.failed | (slow > 0))
    chosen = chosen[np.argsort(spans.ended[chosen], kind="stable")]
    written = (json.dumps(_line(spans, k, float(slow[k]), why), separators=(",", ":")) for k in chosen.tolist())
    return "".join(f"{line}\n" for line in written).encode()


def _line(spans: Spans, k: int, usual: float, why: dict[int, str]) -> dict[str, object]:
    service, operation = spans.operations[spans.operation[k]]
    took = 1000.0 * float(spans.ended[k] - spans.sent[k])
    if spans.failed[k]:
        message = f"{operation} failed{why.get(k, '')}"
    else:
        message = f"{operation} took {took:.0f} ms, usually {1000 * usual:.0f} ms"
    host = spans.topology.services[spans.service[k]].host
    return {
        "time": rfc3339(float(spans.ended[k]), "microseconds"),
        "level": "ERROR" if spans.failed[k] else "WARN",
        "service": service,
        **({"pod": f"{service}-{spans.pod[k]}"} if spans.pod[k] >= 0 else {}),
        **({"host": host} if host is not None else {}),
        "operation": operation,
        "message": message,
        "trace_id": spans.trace_id(k),
        "span_id": f"{int(spans.own[k]):016x}",
        "duration_ms": round(took, 3),
        "attempt": int(spans.attempt[k]),
    }


def _slow(spans: Spans) -> np.ndarray:
    """float[N]: the usual seconds of an operation at users' requests that took much longer, 0 at all other spans."""
    took = spans.ended - spans.sent
    found = np.zeros(len(spans))
    users = spans.parent == 0
    for operation in np.unique(spans.operation[users]):
        of = np.flatnonzero(users & (spans.operation == operation))
        usual = float(np.median(took[of]))
        found[of[took[of] > SLOW * usual]] = usual
    return found


def _reasons(spans: Spans) -> dict[int, str]:
    """What a failed span's own calls tell of it: which failed, and which were answered only after it had gone."""
    parents = spans.parents()
    told: dict[int, dict[str, None]] = defaultdict(dict)
    for k in np.flatnonzero((parents >= 0) & spans.waits).tolist():
        p = int(parents[k])
        if spans.failed[p]:
            callee = "/".join(spans.operations[spans.operation[k]])
            if spans.ended[k] > spans.ended[p]:
                told[p][f"no answer of {callee} in time"] = None
            elif spans.failed[k]:
                told[p][f"{callee} failed"] = None
    return {p: ": " + ", ".join(found) for p, found in told.items()}
