"""Queues of one service, what theory says of them, and the same in simpy."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from causaldisc.kernels import requests_world as x
from causaldisc.sources._system.topology import Operation, Service, Topology
from causaldisc.sources._system.wiring import wire

RATE = 1000.0  # requests per second


def queue(cores: int, use: float, floor: float = 0.0) -> Topology:
    """M/G/c: a share ``floor`` of the work fixed, the rest exponential; nothing bounded, nothing fails."""
    work = Operation("o", 1000 * use * cores / RATE)
    open_ = {"threads": None, "queue": None, "errors": 0.0, "memory_per_thread": 0.0}
    return Topology("queue", (Service("q", (work,), cores=cores, floor=floor, **open_),), {("q", "o"): 1.0}, RATE)


def exact_wait(cores: int, use: float, floor: float = 0.0) -> float:
    """Mean wait in units of the mean work: Erlang (1917) for M/M/c, Pollaczek and Khinchine for M/G/1."""
    load, lost = use * cores, 1.0
    for k in range(1, cores + 1):
        lost = load * lost / (k + load * lost)
    waits = lost / (1 - use * (1 - lost))
    if floor > 0 and cores > 1:
        raise ValueError("no exact wait is known for M/G/c")
    return waits / (cores * (1 - use)) * (1 + (1 - floor) ** 2) / 2


def mean_wait(cores: int, use: float, floor: float, requests: float, seed: int, batches: int = 32) -> tuple[float, float]:
    """Simulate: mean wait in units of the mean work, and its batch-means standard error."""
    length = math.ceil(requests / RATE / batches)
    world = wire(queue(cores, use, floor), np.full(length * (batches + 4), RATE), seed, snapshot_every=10**6)
    seen = []
    for batch in range(4, batches + 5):  # the first four are warm-up
        world.run(float(batch * length))
        seen.append((world["deed"][0, x.WAITED_CORE], world["service"][0, x.ANSWERS]))
    waited, calls = np.array([np.subtract(b, a) for a, b in pairwise(seen)], float).T
    mean = waited.sum() / calls.sum()
    error = np.std(waited - mean * calls, ddof=1) / math.sqrt(batches) / calls.mean()
    work = use * cores / RATE
    return float(mean / work), float(error / work)


def run_simpy(cores: int, use: float, count: int, seed: int) -> float:
    """Mean wait of ``count`` requests at M/M/c, in units of the mean work, simulated by simpy with draws made beforehand."""
    import simpy

    rng = np.random.default_rng(seed)
    gaps, works = rng.exponential(1 / RATE, count).tolist(), rng.exponential(use * cores / RATE, count).tolist()
    environment = simpy.Environment()
    resource = simpy.Resource(environment, capacity=cores)
    waited = 0.0

    def call(work):
        nonlocal waited
        came = environment.now
        with resource.request() as core:
            yield core
            waited += environment.now - came
            yield environment.timeout(work)

    def users():
        for gap, work in zip(gaps, works, strict=True):
            yield environment.timeout(gap)
            environment.process(call(work))

    environment.process(users())
    environment.run()
    return waited / count / (use * cores / RATE)
