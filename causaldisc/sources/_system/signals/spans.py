"""Spans: the traced requests of a run, whole traces only."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from causaldisc.sources._system.topology import Topology

if TYPE_CHECKING:
    from causaldisc.sources._system.run import Run

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Spans:
    """Traced calls, each in the order of the answers; times in seconds since the first row.

    Attributes
    ----------
    service, operation : int[N] into ``services`` and ``operations`` ((service, operation) names).
    pod : int[N], number of the replica within its service; -1 where none took the call, or a fault held its answer.
    attempt : int[N], 0 for the first try. waits : bool[N], whether the caller awaits the answer. failed : bool[N].
    sent, ended : float[N]. own, parent, root : uint64[N] keys; the parent of a user's request is 0.
    high : the first half of every trace id.
    """

    topology: Topology
    services: tuple[str, ...]
    operations: tuple[tuple[str, str], ...]
    service: np.ndarray
    operation: np.ndarray
    pod: np.ndarray
    attempt: np.ndarray
    waits: np.ndarray
    failed: np.ndarray
    sent: np.ndarray
    ended: np.ndarray
    own: np.ndarray
    parent: np.ndarray
    root: np.ndarray
    high: int

    def __len__(self) -> int:
        """Number of spans."""
        return len(self.own)

    def trace_id(self, k: int) -> str:
        """32 hexadecimal digits."""
        return f"{self.high:016x}{int(self.root[k]):016x}"

    def parents(self) -> np.ndarray:
        """int[N]: where each span's parent stands, -1 for users' requests."""
        if not len(self):
            return np.zeros(0, int)
        order = np.argsort(self.own)
        place = order[np.minimum(np.searchsorted(self.own[order], self.parent), len(order) - 1)]
        return np.where(self.own[place] == self.parent, place, -1)


def spans_of(run: Run, high: int) -> Spans:
    """Collect the traces of a run whose users' requests came after the first row began and were answered before it ended.

    A call that is still under way when the run ends is left out, with all that it called. Calls that never reached a service (a
    refused connection, an open circuit) have no span of their own. More spans than the run had room for are lost, the latest
    first; a warning says how many.
    """
    from causaldisc.kernels import requests_world as x

    world, topology = run.world, run.topology
    made = int(world["registers"][x.SPANS])
    kept = min(made, len(world["span_time"]))
    if made > kept:
        last = float(world["span_time"][kept - 1, 1]) - run.warm_s
        _LOG.warning(
            "%d of %d spans are lost: there is room for %d, full after %.0f s; choose a smaller trace_share",
            made - kept,
            made,
            kept,
            last,
        )
    span, key, time = world["span"][:kept], world["span_key"][:kept], world["span_time"][:kept] - run.warm_s
    whole = _whole(key, time, run.rows * run.step_s)
    span, key, time = span[whole], key[whole], time[whole]
    replica, spec = span[:, 1], span[:, 2]
    service = world["op"][span[:, 0], x.OP_SERVICE]
    pod = np.where(replica >= 0, replica - world["service"][service, x.FIRST_REPLICA], -1)
    awaited = np.append(world["spec"][:, x.SPEC_WAITS], 1) == 1  # the last is for users, who have no line in the table
    return Spans(
        topology,
        tuple(topology.index),
        tuple((s.name, o.name) for s in topology.services for o in s.operations),
        service,
        span[:, 0],
        pod,
        span[:, 3],
        awaited[spec],
        span[:, 4] == 1,
        time[:, 0],
        time[:, 1],
        key[:, 0],
        key[:, 1],
        key[:, 2],
        high,
    )


def _whole(key: np.ndarray, time: np.ndarray, duration_s: float) -> np.ndarray:
    """bool[N]: spans whose callers up to the user are all there, the user's request being sent within the rows."""
    kept = (key[:, 1] != 0) | ((time[:, 0] >= 0) & (time[:, 0] < duration_s))
    while True:
        here = np.sort(key[kept, 0])
        gone = kept & (key[:, 1] != 0) & ~np.isin(key[:, 1], here)
        if not gone.any():
            return kept
        kept &= ~gone
