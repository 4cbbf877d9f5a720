"""Options of every request-level source: what is switched on, how long it runs, what is seen of it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Source
from causaldisc.sources._system.faults import METRICS
from causaldisc.sources._system.signals import SIGNALS
from causaldisc.sources._system.system import RequestSystem
from causaldisc.sources._system.topology import Policy, Service, Topology

GOLDEN = ("requests", "latency", "errors", "cpu")


@dataclass(frozen=True)
class RequestSource(Source):
    """A system of services under users' requests, simulated request by request; a subclass gives the topology.

    Faults: see ``causaldisc.sources._system.faults``. The model, its equations and its truth: ``experiments/simulator/MODEL.md``.
    """

    duration_s: float = parameter(7200.0, "length of a run, in seconds", low=1)
    step_s: float = parameter(15.0, "seconds between scrapes", low=0.001)
    day_s: float = parameter(3600.0, "length of the daily cycle, in seconds (a real one has 86400)", low=1)
    load: float = parameter(1.0, "traffic in multiples of what the services are sized for", low=0.01, high=100)
    rate: float | None = parameter(None, "users' requests per second, instead of the topology's own", low=0.001)
    daily: float = parameter(0.3, "swing of the daily cycle, as a share of the mean", low=0, high=1)
    bursts: float = parameter(0.15, "relative standard deviation of traffic beyond the daily cycle", low=0, high=2)
    burst_s: float = parameter(60.0, "seconds within which a burst is over", low=0.1)
    metrics: tuple[str, ...] = parameter(GOLDEN, f"metrics per service: golden, all, or some of {', '.join(METRICS)}")
    memory: bool = parameter(False, "whether services have a memory metric, whatever `metrics` says")
    pools: str = parameter(
        "bounded", "threads, queues and connections: as the topology has them, or without a bound", choices=("bounded", "wide")
    )
    timeouts: bool = parameter(True, "whether calls time out")
    retries: bool = parameter(True, "whether failed calls are tried again")
    breakers: bool = parameter(True, "whether circuit breakers open")
    caches: bool = parameter(True, "whether callers cache answers")
    locks: bool = parameter(True, "whether databases lock what they write")
    pauses: bool = parameter(True, "whether garbage collectors stop services")
    hosts: bool = parameter(True, "whether services share hosts and slow each other down")
    neighbours: float = parameter(
        0.0, "share of each host's cores that unseen tenants use in waves: a hidden common cause", low=0, high=0.9
    )
    autoscaling: bool = parameter(True, "whether services that can scale do")
    deployments: int = parameter(0, "deployments that change the work of a random service by up to a quarter", low=0, high=1000)
    scrape_noise: float = parameter(0.0, "relative standard deviation of a noise on what is seen", low=0, high=1)
    skew_s: float = parameter(0.0, "most seconds by which a target's clock is late", low=0, high=60)
    gaps: float = parameter(0.0, "share of a target's scrapes that fail, a few in a row", low=0, high=0.9)
    resets: bool = parameter(False, "whether counters start at zero after a restart")
    buckets: str = parameter("fine", "latency buckets of the quantiles", choices=("fine", "prometheus"))
    mixed_units: bool = parameter(False, "whether teams tell their metrics in different units")
    missing: float = parameter(0.0, "share of cells lost at random", low=0, high=0.95)
    missing_series: float = parameter(0.0, "share of metrics that a service does not have at all", low=0, high=0.9)
    truth: str = parameter("regime", "what acted in the run, or all that the mechanisms read", choices=("regime", "structural"))
    epsilon: float = parameter(0.005, "least share that a mechanism must make to be in the regime", low=0, high=1)
    ancestors: float | None = parameter(
        None, "effects, in standard deviations, that the truth of twin runs counts; null = no such truth", low=0
    )
    signals: tuple[str, ...] = parameter((), f"other forms of the same run to give as well: {', '.join(SIGNALS)}")
    trace_share: float = parameter(0.01, "share of users' requests that are traced, if traces are asked for", low=0, high=1)
    trials: int = parameter(4, "held-out faults", low=0, high=1000)

    @abstractmethod
    def topology(self, rng: np.random.Generator) -> Topology:
        """Return the system's topology; ``rng`` is the seed's."""

    def system(self, seed: int) -> RequestSystem:
        """Return the system that a seed draws."""
        return RequestSystem(self, seed)

    @property
    def wanted_metrics(self) -> tuple[str, ...]:
        """The metrics of each service, in the order of ``METRICS``; raises InputError for one that there is not."""
        chosen: set[str] = {"memory"} if self.memory else set()
        for name in self.metrics:
            if name not in (*METRICS, "golden", "all"):
                raise InputError(
                    f"{self.name}.metrics must be known metrics, got {name!r}; {did_you_mean(name, (*METRICS, 'golden', 'all'))}"
                )
            chosen |= set(METRICS) if name == "all" else set(GOLDEN) if name == "golden" else {name}
        if not chosen:
            raise InputError(
                f"{self.name}.metrics must name at least one metric, got none; valid: golden, all, {', '.join(METRICS)}"
            )
        return tuple(m for m in METRICS if m in chosen)

    @property
    def wanted_signals(self) -> tuple[str, ...]:
        """The other forms of the run, in the order of ``SIGNALS``; raises InputError for one that there is not."""
        for name in self.signals:
            if name not in SIGNALS:
                raise InputError(f"{self.name}.signals must be known forms, got {name!r}; {did_you_mean(name, SIGNALS)}")
        return tuple(s for s in SIGNALS if s in self.signals)


def switched(topology: Topology, source: RequestSource) -> Topology:
    """Return the topology with the parts off that a source switches off."""
    services = tuple(_service(s, source) for s in topology.services)
    policies = {pair: _policy(topology.policy_of(*pair), source) for pair in topology.edges}
    hosts = topology.hosts if source.hosts else {}
    rate = (topology.rate if source.rate is None else source.rate) * source.load
    return replace(topology, services=services, policies=policies, hosts=hosts, rate=rate)


def _service(service: Service, source: RequestSource) -> Service:
    changed = service
    if source.pools == "wide":
        changed = replace(changed, threads=None, queue=None)
    if not source.caches:
        operations = tuple(replace(o, calls=tuple(replace(c, hit=0.0) for c in o.calls)) for o in changed.operations)
        changed = replace(changed, operations=operations)
    if not source.locks:
        changed = replace(changed, locks=0, operations=tuple(replace(o, writes=0.0) for o in changed.operations))
    if not source.pauses:
        changed = replace(changed, gc_s=0.0)
    if not source.hosts:
        changed = replace(changed, host=None)
    if not source.autoscaling:
        changed = replace(changed, max_replicas=None)
    return changed


def _policy(policy: Policy, source: RequestSource) -> Policy:
    changed = policy
    if source.pools == "wide":
        changed = replace(changed, connections=None)
    if not source.timeouts:
        changed = replace(changed, timeout_ms=None)
    if not source.retries:
        changed = replace(changed, retries=0)
    if not source.breakers:
        changed = replace(changed, breaker=None)
    return changed
