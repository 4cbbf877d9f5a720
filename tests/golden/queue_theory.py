"""Queues whose averages are known exactly, as systems of one to three services."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from request_books import areas, check_drained, check_now

from causaldisc.kernels import requests_world as x
from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology
from causaldisc.sources._system.wiring import BOUNDS_S, World, wire

BATCHES = 32
WARM_UP = 4  # batches thrown away before those
RATE = 1000.0  # users' requests per second
OPEN = Policy(timeout_ms=None, retries=0, connections=None, breaker=None, network_ms=0.0)

# What a run has counted up to a time: (services' whole numbers, their numbers, deeds, areas, buckets, pairs' deeds, seconds)
Totals = tuple[np.ndarray, ...]
Ratio = Callable[[Totals], tuple[Any, Any]]


@dataclass(frozen=True)
class Measure:
    """A ratio of two things that add up over time, and the value that theory gives it."""

    name: str
    ratio: Ratio
    exact: float


@dataclass(frozen=True)
class Case:
    """One system, how many users' requests it is run for, and what is measured of it."""

    name: str
    topology: Topology
    requests: float
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class Estimate:
    """An average of a run, its standard error, and its distance from theory in standard errors."""

    name: str
    value: float
    error: float
    exact: float

    @property
    def z(self) -> float:
        return (self.value - self.exact) / self.error


# -- theory --------------------------------------------------------------------------------------------------------------


def erlang_b(servers: int, load: float) -> float:
    """Share lost in M/G/c/c of an offered load (Erlang 1917)."""
    lost = 1.0
    for k in range(1, servers + 1):
        lost = load * lost / (k + load * lost)
    return lost


def erlang_c(servers: int, load: float) -> float:
    """Share that waits in M/M/c of an offered load (Erlang 1917)."""
    use, lost = load / servers, erlang_b(servers, load)
    return lost / (1 - use * (1 - lost))


def wait_mmc(servers: int, use: float, work: float) -> float:
    """Mean wait in M/M/c of a utilisation and a mean work."""
    return erlang_c(servers, servers * use) * work / (servers * (1 - use))


def wait_mg1(rate: float, work: float, square: float) -> float:
    """Mean wait in M/G/1 of a mean and mean square of the work (Pollaczek 1930, Khinchine 1932)."""
    return rate * square / (2 * (1 - rate * work))


def bounded(servers: int, places: int, load: float) -> np.ndarray:
    """Share of time with 0 … servers + places in M/M/c/(c + places)."""
    weights = [1.0]
    for n in range(1, servers + places + 1):
        weights.append(weights[-1] * load / min(n, servers))
    return np.array(weights) / sum(weights)


def noise(use: float) -> float:
    """Variance of the mean of n waits in M/M/1, times n and over the mean squared (Daley 1968)."""
    return use * (2 + 5 * use - 4 * use**2 + use**3) / (1 - use) ** 4 / (use / (1 - use)) ** 2


# -- ratios --------------------------------------------------------------------------------------------------------------


def mean_of(deed: int, s: int = 0) -> Ratio:
    """Seconds of a deed of a service per answer."""
    return lambda d: (d[2][s, deed], d[0][s, x.ANSWERS])


def time_mean(which: int, s: int = 0, over: float = 1.0) -> Ratio:
    """Mean number in queue (0), on threads (1), on cores (2) of a service."""
    return lambda d: (d[3][s, which], over * d[6])


def latency(s: int = 0) -> Ratio:
    """Mean latency of a service."""
    return lambda d: (d[1][s, x.LATENCY_SUM], d[0][s, x.ANSWERS])


def share_below(bucket: int, s: int = 0) -> Ratio:
    """Share of a service's answers with a latency up to the bound of a bucket."""
    return lambda d: (d[4][s, : bucket + 1].sum(), d[0][s, x.ANSWERS])


# -- systems -------------------------------------------------------------------------------------------------------------


def station(name: str, *operations: Operation, **fields) -> Service:
    """A service without bounds, errors or memory of its own, its work exponential."""
    open_ = {"cores": 1, "threads": None, "queue": None, "floor": 0.0, "errors": 0.0, "memory_per_thread": 0.0}
    return Service(name, operations, **{**open_, **fields})


def single(work_ms: float | tuple[float, ...], **fields) -> Topology:
    """One service; with several kinds of requests, all equally likely, when several times are given."""
    times = work_ms if isinstance(work_ms, tuple) else (work_ms,)
    service = station("q", *(Operation(f"o{k}", w) for k, w in enumerate(times)), **fields)
    return Topology("one", (service,), {("q", f"o{k}"): 1.0 for k in range(len(times))}, RATE)


def chain(*works_cores: tuple[float, int], network_ms: float = 0.0, probability: float = 1.0) -> Topology:
    """Services in sequence: each does all of its work, then calls the next, and waits for it without holding anything."""
    services = []
    for k, (work, cores) in enumerate(works_cores):
        after = (Call(f"s{k + 1}", "o", probability=probability),) if k + 1 < len(works_cores) else ()
        services.append(station(f"s{k}", Operation("o", work, after, first=1.0), cores=cores))
    policy = Policy(timeout_ms=None, retries=0, connections=None, breaker=None, network_ms=network_ms)
    return Topology("chain", tuple(services), {("s0", "o"): 1.0}, RATE, policy=policy)


def feedback(work_a: float, work_b: float, back: float) -> Topology:
    """Two services that leave each other messages: a always to b, b with a probability to a again."""
    a = station("a", Operation("o", work_a, (Call("b", "o", waits=False),), first=1.0))
    b = station("b", Operation("o", work_b, (Call("a", "o", probability=back, waits=False),), first=1.0))
    return Topology("feedback", (a, b), {("a", "o"): 1.0}, RATE, policy=OPEN)


def pooled(work_ms: float, connections: int) -> Topology:
    """A caller that never waits, and connections to a callee that never does: the line is that for connections."""
    a = station("a", Operation("o", 2.0, (Call("b", "o"),), first=1.0), cores=1000)
    b = station("b", Operation("o", work_ms), cores=1000)
    policy = Policy(timeout_ms=None, retries=0, connections=connections, breaker=None, network_ms=0.0)
    return Topology("pooled", (a, b), {("a", "o"): 1.0}, RATE, policy=policy)


def locked(work_ms: float) -> Topology:
    """One service with cores for all and a lock that every request needs."""
    return Topology("locked", (station("q", Operation("o", work_ms, writes=1.0), cores=1000, locks=1),), {("q", "o"): 1.0}, RATE)


# -- running -------------------------------------------------------------------------------------------------------------


def totals(world: World, t: float) -> Totals:
    """What a run has counted up to ``t``."""
    tables = (world[name].copy() for name in ("service", "servicef", "deed"))
    return (*tables, areas(world, t), world["buckets"].copy(), world["pair_deed"].copy(), np.array(t))


def measured(case: Case, seed: int) -> list[Estimate]:
    """Run a case, check its books, and return its averages with batch-means standard errors.

    The averages are ratios, with the errors of ratios: a batch's deviation is that of its numerator from the average times its
    denominator.
    """
    length = math.ceil(case.requests / RATE / BATCHES)
    seconds = length * (BATCHES + WARM_UP)
    drain = 2000 + seconds // 20
    world = wire(case.topology, np.r_[np.full(seconds, RATE), np.zeros(drain)], seed, snapshot_every=10**6)
    seen = []
    for batch in range(BATCHES + WARM_UP + 1):
        world.run(float(batch * length))
        seen.append(totals(world, float(batch * length)))
    check_now(world)
    world.run(float(seconds + drain))
    check_drained(world, float(seconds + drain))
    batches = [tuple(b - a for a, b in zip(one, two, strict=True)) for one, two in pairwise(seen[WARM_UP:])]
    return [_estimate(f"{case.name}: {m.name}", np.array([m.ratio(b) for b in batches]), m.exact) for m in case.measures]


def _estimate(name: str, batches: np.ndarray, exact: float) -> Estimate:
    above, below = batches.T
    value = above.sum() / below.sum()
    error = np.std(above - value * below, ddof=1) / math.sqrt(len(batches)) / below.mean()
    return Estimate(name, float(value), float(error), exact)


# -- the cases -----------------------------------------------------------------------------------------------------------


def _many(use: float, rare: float = 1.0, error: float = 0.02) -> float:
    """Requests for a relative standard error of a mean wait, as in M/M/1, when a share of them waits at all."""
    return max(1e5, noise(use) * use / rare / error**2)


def mmc(servers: int, use: float, by: str = "cores") -> Case:
    """M/M/c whose servers are cores, or threads with cores to spare."""
    work = use * servers / RATE
    fields = {"cores": servers} if by == "cores" else {"cores": servers + 1, "threads": servers}
    waited = x.WAITED_CORE if by == "cores" else x.WAITED_THREAD
    wait = wait_mmc(servers, use, work)
    return Case(
        f"M/M/{servers} by {by}, use {use:g}",
        single(1000 * work, **fields),
        _many(use, erlang_c(servers, servers * use)),
        (Measure("wait", mean_of(waited), wait), Measure("use", time_mean(2, over=servers), use)),
    )


def mg1(use: float, floor: float, weights: tuple[float, ...] = (1.0,), by: str = "cores") -> Case:
    """M/G/1: a share of the work fixed, the rest exponential; kinds of requests of several mean lengths."""
    works = [use / RATE * w / (sum(weights) / len(weights)) for w in weights]
    square = float(np.mean([w * w * (1 + (1 - floor) ** 2) for w in works]))
    fields = {"cores": 1} if by == "cores" else {"cores": 4, "threads": 1}
    waited = x.WAITED_CORE if by == "cores" else x.WAITED_THREAD
    wait = wait_mg1(RATE, use / RATE, square)
    longer = max(1.0, square / (use / RATE) ** 2 / 2)  # the more uneven the work, the longer until it averages out
    return Case(
        f"M/G/1 by {by}, use {use:g}, floor {floor:g}, {len(weights)} kinds",
        single(tuple(1000 * w for w in works), floor=floor, **fields),
        longer * _many(use),
        (Measure("wait", mean_of(waited), wait), Measure("use", time_mean(2), use)),
    )


def loss(servers: int, places: int, use: float, floor: float = 0.0) -> Case:
    """M/M/c/K, whose newcomers are refused when all places are taken; without places, of any distribution of work."""
    work = use * servers / RATE
    share = bounded(servers, places, use * servers)
    number = np.arange(len(share))
    in_line = float(share @ np.maximum(number - servers, 0))
    lost = float(share[-1]) if places else erlang_b(servers, use * servers)
    measures = [
        Measure("refused", lambda d: (d[2][0, x.REFUSED], d[0][0, x.ARRIVALS]), lost),
        Measure("at work", time_mean(1), float(share @ np.minimum(number, servers))),
    ]
    if places:
        admitted = RATE * (1 - lost)
        measures.append(Measure("in line", time_mean(0), in_line))
        measures.append(
            Measure("wait", lambda d: (d[2][0, x.WAITED_THREAD], d[0][0, x.ANSWERS] - d[2][0, x.REFUSED]), in_line / admitted)
        )
    return Case(
        f"M/{'M' if floor == 0 else 'D'}/{servers}/{servers + places}, offered {use:g}",
        single(1000 * work, cores=servers, threads=servers, queue=places, floor=floor),
        4e5 if places < 10 else 1.2e6,
        tuple(measures),
    )


def sequence(uses_cores: tuple[tuple[float, int], ...], network_ms: float = 0.0, probability: float = 1.0) -> Case:
    """Services in sequence: by Burke (1956) each is M/M/c as if alone; with branching, by Jackson (1957)."""
    works = [use * cores / (RATE * probability**k) for k, (use, cores) in enumerate(uses_cores)]
    waits = [wait_mmc(c, use, w) for (use, c), w in zip(uses_cores, works, strict=True)]
    measures = [Measure(f"wait {k}", mean_of(x.WAITED_CORE, k), wait) for k, wait in enumerate(waits)]
    parts = [
        probability**k * (w + wait + network_ms / 1000 * (k > 0)) for k, (w, wait) in enumerate(zip(works, waits, strict=True))
    ]
    measures.append(Measure("latency of all", latency(0), sum(parts)))
    if probability == 1.0:
        inside = sum(parts) * RATE
        measures.append(Measure("inside", time_mean(1), inside))
    return Case(
        f"{len(works)} in sequence, uses {', '.join(f'{u:g}' for u, _ in uses_cores)}"
        + (f", each called with {probability:g}" if probability < 1 else ""),
        chain(
            *((1000 * w, c) for w, (_, c) in zip(works, uses_cores, strict=True)), network_ms=network_ms, probability=probability
        ),
        max(_many(use) for use, _ in uses_cores) / probability ** (len(works) - 1),
        tuple(measures),
    )


def distribution(use: float, second: float | None = None) -> Case:
    """Sojourn times of M/M/1 are exponential; those of two in sequence add up independently (Reich 1957)."""
    exits = [(1 - u) * RATE / u for u in (use, second) if u is not None]
    works = [(1000 * u / RATE, 1) for u in (use, second) if u is not None]

    def below(t: float) -> float:
        if len(exits) == 1:
            return 1 - math.exp(-exits[0] * t)
        a, b = exits
        return 1 - (b * math.exp(-a * t) - a * math.exp(-b * t)) / (b - a)

    shares = [below(t) for t in BOUNDS_S]
    chosen = [int(np.argmin(np.abs(np.array(shares) - want))) for want in (0.25, 0.5, 0.9, 0.99)]
    measures = tuple(Measure(f"share up to {BOUNDS_S[b]:g} s", share_below(b), shares[b]) for b in dict.fromkeys(chosen))
    return Case(f"distribution of {'M/M/1' if second is None else 'two in sequence'}", chain(*works), 1e6, measures)


def special() -> list[Case]:
    """What else has a line: locks, connections, replicas, a network that calls come back in, and one without a line."""
    back, flow = 0.4, RATE / 0.6
    split = single(1000 * 2 * 0.8 / RATE, replicas=2)
    return [
        Case(
            "M/M/1 by lock, use 0.7",
            locked(0.7),
            _many(0.7),
            (Measure("wait", mean_of(x.WAITED_LOCK), wait_mmc(1, 0.7, 0.7e-3)),),
        ),
        Case(
            "M/M/3 by connections, use 0.8",
            pooled(2.4, 3),
            _many(0.8),
            (Measure("wait", lambda d: (d[5][0, x.WAITED_POOL], d[5][0, x.SENT_CALLS]), wait_mmc(3, 0.8, 2.4e-3)),),
        ),
        Case("two replicas, use 0.8", split, _many(0.8), (Measure("wait", mean_of(x.WAITED_CORE), wait_mmc(1, 0.8, 1.6e-3)),)),
        Case(
            "calls that come back, uses 0.6, 0.8",
            feedback(1000 * 0.6 / flow, 1000 * 0.8 / flow, back),
            3 * _many(0.8),
            (
                Measure("wait a", mean_of(x.WAITED_CORE, 0), wait_mmc(1, 0.6, 0.6 / flow)),
                Measure("wait b", mean_of(x.WAITED_CORE, 1), wait_mmc(1, 0.8, 0.8 / flow)),
                Measure("visits of a", lambda d: (d[0][0, x.ARRIVALS], RATE * d[6]), 1 / 0.6),
            ),
        ),
        Case(
            "M/G/∞",
            single((5.0, 20.0), cores=1000, floor=0.5),
            2e5,
            (Measure("at work", time_mean(2), 12.5), Measure("latency", latency(), 12.5e-3)),
        ),
    ]


USES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
CASES = [
    *(mmc(servers, use) for servers in (1, 2, 4, 8) for use in USES if servers < 8 or use >= 0.5),
    *(mmc(3, use, by="threads") for use in (0.5, 0.8, 0.95)),
    *(mg1(use, floor) for floor in (1.0, 0.5, 0.0) for use in (0.3, 0.6, 0.9)),
    *(mg1(use, floor, (1.0, 3.0, 10.0)) for floor in (1.0, 0.3) for use in (0.5, 0.8)),
    mg1(0.8, 0.5, (1.0, 4.0), by="threads"),
    *(loss(*shape) for shape in ((1, 0, 0.8), (3, 0, 0.8), (10, 0, 0.9), (1, 4, 0.9), (2, 6, 1.3), (4, 20, 0.95))),
    loss(3, 0, 0.8, floor=1.0),
    sequence(((0.5, 1), (0.8, 1))),
    sequence(((0.9, 1), (0.9, 1))),
    sequence(((0.7, 2), (0.8, 1), (0.6, 3)), network_ms=3.0),
    sequence(((0.6, 1), (0.7, 1), (0.8, 2)), probability=0.5),
    distribution(0.8),
    distribution(0.5, 0.75),
    *special(),
]
