"""What the names of metrics and the calls of a prior tell of directions at lag 0.

Within a service: traffic → saturation → cpu, memory → latency → errors, any earlier to any later; the call rules of the
prior say the same but for one thing: they leave queues and resources side by side. What counts as saturation (queued
requests, connections, busy threads) is work let in, which the resources then do; that a busy core lengthens the queue before
it is true as well, so of all steps this one is the least sure. cpu and memory stay side by side, and so does all that
a client sends again when something failed (latency or errors → traffic), which takes longer than a row.

Between services where one calls the other, directly or through others, and not the other way round: what the caller is sent
drives all metrics of those it calls, and what happens there comes back as latency and errors. Of two services on one host the
resources of one slow down the other. Nothing else is told: two services' resources may follow one load.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from causaldisc.algorithms._beyond import Wish
from causaldisc.core.constraints import Constraints
from causaldisc.core.variables import Variable

LEVELS = {"traffic": 0, "saturation": 1, "cpu": 2, "memory": 2, "latency": 3, "errors": 4}
_OUTCOMES = ("latency", "errors")
_RESOURCES = ("saturation", "cpu", "memory")


def wishes(open_: np.ndarray, constraints: Constraints) -> Iterator[Wish]:
    """Yield what roles and calls say of open edges, bool[N, N]."""
    variables, prior = constraints.variables, constraints.prior
    reach = _reach(prior.calls)
    hosts = [frozenset(group) for group in prior.co_located]
    for i, j in np.argwhere(open_).tolist():
        told = _told(variables[i], variables[j], reach, hosts)
        if told is not None and _told(variables[j], variables[i], reach, hosts) is None:
            yield Wish(i, j, told)


def _told(cause: Variable, effect: Variable, reach: set[tuple[str, str]], hosts: list[frozenset[str]]) -> str | None:
    """Who tells cause → effect: ``roles``, ``calls``, or None."""
    if "other" in (cause.role, effect.role):
        return None
    if cause.service == effect.service:
        return "roles" if LEVELS[cause.role] < LEVELS[effect.role] else None
    together = any(cause.service in host and effect.service in host for host in hosts)
    if together and cause.role in _RESOURCES and effect.role in _OUTCOMES:
        return "roles"
    down, up = (cause.service, effect.service) in reach, (effect.service, cause.service) in reach
    if down == up:
        return None
    with_request = down and cause.role == "traffic"
    with_response = up and effect.role in _OUTCOMES and cause.role != "traffic"
    return "calls" if with_request or with_response else None


def _reach(calls: tuple[tuple[str, str], ...]) -> set[tuple[str, str]]:
    """The (caller, callee) pairs joined by one or more calls."""
    callees: dict[str, set[str]] = {}
    for caller, callee in calls:
        callees.setdefault(caller, set()).add(callee)
    found = set()
    for caller in callees:
        waiting, seen = [caller], set()
        while waiting:
            for callee in callees.get(waiting.pop(), ()):
                if callee not in seen:
                    seen.add(callee)
                    waiting.append(callee)
        found |= {(caller, callee) for callee in seen}
    return found
