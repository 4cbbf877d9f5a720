"""The event loop of requests beside simpy: the same queue, once with draws of their own, once with the same call by call."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import simpy
from queue_theory import RATE, mmc, single, totals
from scipy import stats

from causaldisc.kernels import requests_world as x
from causaldisc.sources._system.wiring import wire

CORES, USE = 4, 0.7
WORK = USE * CORES / RATE
BATCHES = 32


def simpy_waits(arrivals: np.ndarray, works: np.ndarray, cores: int) -> np.ndarray:
    """Each call's wait for a core, simulated by simpy."""
    waits = np.zeros(len(arrivals))
    environment = simpy.Environment()
    resource = simpy.Resource(environment, capacity=cores)

    def call(k):
        with resource.request() as core:
            yield core
            waits[k] = environment.now - arrivals[k]
            yield environment.timeout(works[k])

    def users():
        for k, at in enumerate(arrivals):
            yield environment.timeout(at - environment.now)
            environment.process(call(k))

    environment.process(users())
    environment.run()
    return waits


def mix(z: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64, written down a second time."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def child(key: np.ndarray, number: np.ndarray) -> np.ndarray:
    return mix(key ^ ((number.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)))


def exponential(key: np.ndarray, purpose: int) -> np.ndarray:
    bits = mix(key + np.full(1, purpose, np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return -np.log(1.0 - (bits >> np.uint64(11)) / 2.0**53)


@pytest.mark.parametrize(("cores", "use", "floor"), [(4, 0.8, 0.0), (1, 0.95, 0.0), (2, 0.9, 0.6)])
def test_the_same_arrivals_and_works_wait_the_same_call_by_call(cores, use, floor):
    count, work, seed = 20_000, use * cores / RATE, 0
    world = wire(single(1000 * work, cores=cores, floor=floor), np.full(40, RATE), seed, spans=count + 2000, trace_share=1.0)
    world.run(40.0)
    stream = child(np.array([seed], np.uint64), np.array([0]))
    keys = child(stream, np.arange(1, count + 1))
    arrivals = np.cumsum(exponential(np.r_[stream, keys[:-1]], x.D_GAP)) / RATE
    works = work * (floor + (1 - floor) * exponential(keys, x.D_WORK))
    spans = {int(key): times for key, times in zip(world["span_key"][:, 0], world["span_time"], strict=True)}
    ours = np.array([spans[int(key)] for key in keys])
    np.testing.assert_allclose(ours[:, 0], arrivals, rtol=0, atol=1e-9)
    # simpy gets the same floating-point numbers, so that nothing but the queue itself can differ.
    theirs = simpy_waits(ours[:, 0], works, cores)
    np.testing.assert_allclose(ours[:, 1] - ours[:, 0] - works, theirs, rtol=0, atol=1e-9)
    assert 0.3 < (theirs > 1e-9).mean() < 1


def test_simpy_and_the_event_loop_agree_on_a_queue_with_draws_of_their_own(capsys):
    count, cut = 96_000, 6_000
    rng = np.random.default_rng(0)
    arrivals, works = np.cumsum(rng.exponential(1 / RATE, count)), rng.exponential(WORK, count)
    waits = simpy_waits(arrivals, works, CORES)
    # A batch is a stretch of calls; what is used in it, their work over the time until the next stretch begins.
    edges = np.linspace(cut, count - 1, BATCHES + 1).astype(int)
    theirs_wait = np.array([waits[a:b].mean() for a, b in pairwise(edges)])
    theirs_use = np.array([works[a:b].sum() / (CORES * (arrivals[b] - arrivals[a])) for a, b in pairwise(edges)])
    length = 100
    world = wire(single(1000 * WORK, cores=CORES), np.full(length * (BATCHES + 2), RATE), 0)
    seen = []
    for batch in range(2, BATCHES + 3):
        world.run(float(batch * length))
        seen.append(totals(world, float(batch * length)))
    steps = [tuple(b - a for a, b in zip(one, two, strict=True)) for one, two in pairwise(seen)]
    ours_wait = np.array([d[2][0, x.WAITED_CORE] / d[0][0, x.ANSWERS] for d in steps])
    ours_use = np.array([d[3][0, 2] / (CORES * d[6]) for d in steps])
    exact = {m.name: m.exact for m in mmc(CORES, USE).measures}
    widest, z = stats.t.isf(0.01 / 4 / 2, BATCHES - 1), {}
    for name, ours, theirs in (("wait", ours_wait, theirs_wait), ("use", ours_use, theirs_use)):
        error = math.hypot(ours.std(ddof=1), theirs.std(ddof=1)) / math.sqrt(BATCHES)
        z[f"{name}, ours - simpy"] = (ours.mean() - theirs.mean()) / error
        z[f"{name}, simpy - theory"] = (theirs.mean() - exact[name]) / (theirs.std(ddof=1) / math.sqrt(BATCHES))
        assert error < 0.06 * exact[name]
    with capsys.disabled():
        print(f"\nM/M/{CORES} beside simpy: " + ", ".join(f"{name} z = {value:+.2f}" for name, value in z.items()))
    assert max(map(abs, z.values())) < widest
