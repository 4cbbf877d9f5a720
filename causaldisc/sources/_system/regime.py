"""Regime: which mechanisms of a system acted in a run, and so which reads made a difference there.

A system is built with time-outs, retries, breakers and lines of every kind; on a quiet day most of them do nothing. A mechanism is
in the regime of a run when it made at least a share ``epsilon`` of what it works on: of the seconds of latency, of the calls, of the
errors. A delay that only shifts when a call is made is there when it reaches a tenth of a scrape interval: what is much shorter than
an interval is at once, and what is at once changes no count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causaldisc.sources._system.mechanisms import Read
from causaldisc.sources._system.topology import Topology

_LONG = 0.1  # share of a scrape interval from which a delay is told from none


@dataclass(frozen=True)
class Regime:
    """What mechanisms did in a run.

    Parameters
    ----------
    service, servicef, deed : the tables of services at the end of the run (see ``causaldisc.kernels.requests_world``).
    pair_deed : the table of what happened between callers and callees.
    replicas, memory : float[K, S], replicas that took calls and memory used, over the run.
    step_s : scrape interval in seconds.
    epsilon : least share that counts.
    """

    topology: Topology
    service: np.ndarray
    servicef: np.ndarray
    deed: np.ndarray
    pair_deed: np.ndarray
    replicas: np.ndarray
    memory: np.ndarray
    step_s: float
    epsilon: float = 0.01

    def acts(self, read: Read) -> bool:
        """Whether the read made a difference in this run."""
        if read.kind == "which":
            return False
        word, _, rest = read.because.partition(" ")
        if word == "backlog":
            return self._long(rest)
        if read.kind == "when":
            return False
        if word == "always":
            return True
        late, name = rest.startswith("late "), rest.removeprefix("late ")
        if "->" in name:
            return self._pair(word, name.split(" ")[-1], late, read.source.role)
        return self._service(word, name)

    def longest_delay(self, word: str, name: str) -> float:
        """Seconds that a mechanism held a call up: the longest for lines, the mean for the rest."""
        from causaldisc.kernels import requests_world as x

        if "->" in name:
            e = self._edge(name)
            if word == "line":
                return float(self.pair_deed[e, x.LONGEST_POOL])
            return self._ratio(self.pair_deed[e, x.CALLEE_SECONDS], self.pair_deed[e, x.SENT_CALLS])
        s = self.topology.index[name]
        if word in ("threads", "cores"):
            return float(self.deed[s, x.LONGEST_WAIT if word == "threads" else x.LONGEST_CORE])
        column = {"locks": x.WAITED_LOCK, "slow": x.STRETCHED}.get(word)
        return self._ratio(self.deed[s, column], self.service[s, x.ARRIVALS]) if column is not None else 0.0

    def _long(self, rest: str) -> bool:
        word, _, name = rest.partition(" ")
        return self.longest_delay(word, name.split(" ")[-1]) >= _LONG * self.step_s

    def _service(self, word: str, name: str) -> bool:
        from causaldisc.kernels import requests_world as x

        s = self.topology.index[name]
        deed, seconds = self.deed[s], self.servicef[s, x.LATENCY_SUM]
        errors, restarts = self.service[s, x.ERRORS], self.service[s, x.RESTARTS] > 0
        shares = {
            "threads": (deed[x.WAITED_THREAD], seconds),
            "cores": (deed[x.WAITED_CORE], seconds),
            "slow": (deed[x.STRETCHED] + deed[x.PAUSED], seconds),
            "contention": (deed[x.STRETCHED], seconds),
            "host": (deed[x.STRETCHED], seconds),
            "locks": (deed[x.WAITED_LOCK], seconds),
            "pauses": (deed[x.PAUSED], seconds),
            "refused": (deed[x.REFUSED], errors),
        }
        if word in shares:
            return self._ratio(*shares[word]) >= self.epsilon
        varied = bool(np.ptp(self.replicas[:, s]) > 0) if len(self.replicas) else False
        known = {
            "unserved": varied,
            "scaling": varied,
            "restarts": restarts,
            "full": restarts and float(self.memory[:, s].max(initial=0.0)) >= 0.95,
            "cache": restarts and deed[x.SPARED] > 0,
        }
        return bool(known.get(word, True))

    def _pair(self, word: str, name: str, late: bool, role: str) -> bool:
        from causaldisc.kernels import requests_world as x

        e = self._edge(name)
        s = self.topology.index[name.partition("->")[0]]
        deed, seconds, calls = self.pair_deed[e], self.servicef[s, x.LATENCY_SUM], self.pair_deed[e, x.SENT_CALLS]
        timed = self._ratio(deed[x.TIMED_OUT], deed[x.FAILED_TRIES]) >= self.epsilon
        spoilt, cut = deed[x.SPOILT], self._ratio(deed[x.CUT], deed[x.CUT] + calls)
        share = {
            "wait": self._ratio(deed[x.CALLEE_SECONDS], seconds),
            "again": self._ratio(deed[x.RETRIED], calls),
            "line": self._ratio(deed[x.WAITED_POOL], seconds),
            "cut": cut,
            "abort": self._ratio(spoilt, self.service[s, x.ANSWERS]),
            "through": self._ratio(spoilt, self.service[s, x.ERRORS]),
        }.get(word, 1.0)
        if role == "breaker" and cut < self.epsilon:
            return False
        return share >= self.epsilon and (timed or not late)

    def _edge(self, name: str) -> int:
        caller, _, callee = name.partition("->")
        return self.topology.edges.index((caller, callee))

    @staticmethod
    def _ratio(part: float, whole: float) -> float:
        return float(part / whole) if whole > 0 else 0.0
