"""Regime: which mechanisms of a system acted in a run, and so which reads made a difference there.

A system is built with time-outs, retries, breakers and lines of every kind; on a quiet day most of them do nothing. A mechanism
is in the regime of a run when it made at least a share ``epsilon`` of what it works on: of the seconds of latency, of the calls,
of the errors. A delay that only shifts when a call is made is there when that share of the calls waits for a tenth of a scrape
interval: what is much shorter than an interval is at once, and what is at once changes no count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causaldisc.sources._system.mechanisms import Read
from causaldisc.sources._system.topology import Topology

LONG = 0.1  # share of a scrape interval from which a delay is told from none


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
    epsilon: float = 0.005

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

    def delayed(self, word: str, name: str) -> float:
        """Share of the calls that a line held up for long; for what is no line, 1 if the mean delay is long, else 0."""
        from causaldisc.kernels import requests_world as x

        if "->" in name:
            deed = self.pair_deed[self._edge(name)]
            if word == "line":
                return self._ratio(deed[x.LONG_POOLS], deed[x.SENT_CALLS])
            return float(self._ratio(deed[x.CALLEE_SECONDS], deed[x.SENT_CALLS]) >= LONG * self.step_s)
        s = self.topology.index[name]
        arrivals = self.service[s, x.ARRIVALS]
        if word in ("threads", "cores"):
            return self._ratio(self.deed[s, x.LONG_WAITS if word == "threads" else x.LONG_CORES], arrivals)
        column = {"locks": x.WAITED_LOCK, "slow": x.STRETCHED}.get(word)
        return float(column is not None and self._ratio(self.deed[s, column], arrivals) >= LONG * self.step_s)

    def _long(self, rest: str) -> bool:
        word, _, name = rest.partition(" ")
        return self.delayed(word, name.split(" ")[-1]) >= self.epsilon

    def _service(self, word: str, name: str) -> bool:
        from causaldisc.kernels import requests_world as x

        s = self.topology.index[name]
        deed, inside = self.deed[s], self._inside(s)
        errors, restarts = self.service[s, x.ERRORS], self.service[s, x.RESTARTS] > 0
        shares = {
            "threads": (deed[x.WAITED_THREAD], inside + deed[x.WAITED_THREAD]),
            "cores": (deed[x.WAITED_CORE], inside),
            "slow": (deed[x.STRETCHED] + deed[x.PAUSED], inside),
            "contention": (deed[x.STRETCHED], inside),
            "host": (deed[x.STRETCHED], inside),
            "locks": (deed[x.WAITED_LOCK], inside),
            "pauses": (deed[x.PAUSED], inside),
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
        deed, calls = self.pair_deed[e], self.pair_deed[e, x.SENT_CALLS]
        timed = self._ratio(deed[x.TIMED_OUT], deed[x.FAILED_TRIES]) >= self.epsilon
        spoilt, cut = deed[x.SPOILT], self._ratio(deed[x.CUT], deed[x.CUT] + calls)
        share = {
            "wait": self._ratio(deed[x.CALLEE_SECONDS], self._inside(s)),
            "again": self._ratio(deed[x.RETRIED], calls),
            "line": self._ratio(deed[x.WAITED_POOL], self._inside(s)),
            "cut": cut,
            "abort": self._ratio(spoilt, self.service[s, x.ANSWERS]),
            "through": self._ratio(spoilt, self.service[s, x.ERRORS]),
        }.get(word, 1.0)
        if role == "breaker" and cut < self.epsilon:
            return False
        return share >= self.epsilon and (timed or not late)

    def _inside(self, s: int) -> float:
        """Seconds that calls spent in a service once they had a thread: what they meet there is also what the line is made of."""
        from causaldisc.kernels import requests_world as x

        return float(self.servicef[s, x.LATENCY_SUM] - self.deed[s, x.WAITED_THREAD])

    def _edge(self, name: str) -> int:
        caller, _, callee = name.partition("->")
        return self.topology.edges.index((caller, callee))

    @staticmethod
    def _ratio(part: float, whole: float) -> float:
        return float(part / whole) if whole > 0 else 0.0
