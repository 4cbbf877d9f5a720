"""The event loop and its twin of plain objects do the same, event by event and bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from requests_wild import wild_system

from causaldisc.kernels import bits
from causaldisc.kernels import requests_world as x
from causaldisc.sources._system import twin_draws
from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology
from causaldisc.sources._system.twin import KINDS, Twin
from causaldisc.sources._system.twin_parts import Host, Knobs, Pair
from causaldisc.sources._system.wiring import Physics, wire

SEEDS = range(80)


@pytest.mark.parametrize("seed", SEEDS)
def test_same_events_and_snapshots(seed: int) -> None:
    system = wild_system(seed)
    until = len(system["rates"]) * system["physics"].control_s
    world, twin = wire(**system, log=200_000, spans=20_000), Twin(**system)
    world.run(until)
    twin.run(until)
    events = int(world["registers"][x.LOGGED])
    fast = [(world["log_time"][k], KINDS[world["log"][k]], int(world["log_key"][k])) for k in range(events)]
    for k, (a, b) in enumerate(zip(fast, twin.log, strict=False)):
        assert a == b, f"event {k} of seed {seed}"
    assert events == len(twin.log)
    _same_snapshots(world, twin)
    _same_spans(world, twin)


def _same_snapshots(world, twin: Twin) -> None:
    snapshots, n = int(world["registers"][x.SNAPSHOTS]), len(world["service"])
    assert snapshots == len(twin.snapshots)
    for k, found in enumerate(twin.snapshots):
        for s, seen in enumerate(found.values()):
            row = k * n + s
            assert world["snapshot"][row].tolist() == [float(v) for v in seen[:-1]]
            assert world["snapshot_buckets"][row].tolist() == list(seen.buckets)


def _same_spans(world, twin: Twin) -> None:
    spans = int(world["registers"][x.SPANS])
    assert spans == len(twin.spans)
    for k, seen in enumerate(twin.spans):
        assert world["span_key"][k].tolist() == [seen.key, seen.parent, seen.request]
        assert world["span"][k].tolist() == [seen.operation, seen.replica, seen.made, seen.attempt, seen.failed]
        assert world["span_time"][k].tolist() == [seen.sent, seen.answered]


def test_everything_acts_somewhere() -> None:
    """Every mechanism did something in the systems above, and every kind of event came."""
    deed, pair_deed, kinds = np.zeros(x.SERVICE_DEEDS), np.zeros(x.PAIR_DEEDS), np.zeros(len(KINDS))
    for seed in SEEDS:
        system = wild_system(seed)
        world = wire(**system, log=200_000)
        world.run(len(system["rates"]) * system["physics"].control_s)
        deed += world["deed"].sum(axis=0)
        pair_deed += world["pair_deed"].sum(axis=0)
        kinds += np.bincount(world["log"][: world["registers"][x.LOGGED]], minlength=len(KINDS))
    # Long waits are counted for the regime alone, and nothing is long before somebody says what is.
    assert (np.delete(deed, [x.LONG_WAITS, x.LONG_CORES]) > 0).all()
    assert (np.delete(pair_deed, [x.LONG_POOLS]) > 0).all()
    assert (kinds > 0).all()


def test_full_memory_from_the_start() -> None:
    """A service that is full as built restarts whenever it is back; its pauses divide by the room that it has."""
    a = Service("a", (Operation("o", 1.0),), memory=1.0, gc_s=0.1)
    topology = Topology("t", (a,), {("a", "o"): 1.0}, 50.0)
    options = {"rates": np.full(5, 50.0), "seed_key": 3, "physics": Physics(restart_s=1.0), "snapshot_every": 1}
    world, twin = wire(topology, **options, log=2000), Twin(topology, **options)
    world.run(5.0)
    twin.run(5.0)
    assert world["log_time"][: len(twin.log)].tolist() == [t for t, _, _ in twin.log]
    assert twin.services["a"].restarts == world["service"][0, x.RESTARTS] == 2  # at 1 and at 3 s; away in between


def test_a_run_can_stop_and_go_on() -> None:
    system = wild_system(3)
    until = len(system["rates"]) * system["physics"].control_s
    whole, halves = Twin(**system), Twin(**system)
    whole.run(until)
    halves.run(until / 3)
    halves.run(until)
    assert whole.log == halves.log and whole.snapshots == halves.snapshots


def test_as_many_looks_as_seconds() -> None:
    """0.1 + 0.1 + … is not 1: looks at rounded times would come once too often, and read beyond the last rate."""
    topology = Topology("t", (Service("a", (Operation("o", 1.0),)),), {("a", "o"): 1.0}, 1.0)
    world = wire(topology, np.ones(10), 1, physics=Physics(control_s=0.1), snapshot_every=1)
    world.run(1.0)
    assert world["registers"][x.TICK] == 10


def test_many_calls_give_up_at_one_instant() -> None:
    """After a pause, alike calls end at one instant, and so do their calls' time-outs: more than there is room for steps."""
    a = Service("a", (Operation("o", 1.0, (Call("b", "o"),)),), cores=1024, threads=None, floor=1.0, gc_s=1e-9, gc_pause_ms=900.0)
    b = Service("b", (Operation("o", 60_000.0),), cores=1024, threads=None)
    policy = Policy(timeout_ms=100.0, connections=None, breaker=None, retries=0, network_ms=0.0)
    topology = Topology("t", (a, b), {("a", "o"): 1.0}, 2000.0, policy=policy)
    world, twin = wire(topology, np.full(2, 2000.0), 1, log=20_000), Twin(topology, np.full(2, 2000.0), 1)
    world.run(2.0)
    twin.run(2.0)
    gave_up = [t for t, kind, _ in twin.log if kind == "timer"]
    assert max(gave_up.count(t) for t in set(gave_up)) > len(world["todo"])
    assert world["log_time"][: len(twin.log)].tolist() == [t for t, _, _ in twin.log]


def test_same_numbers() -> None:
    from numba import njit

    fast = njit(lambda key, k: (bits.child(key, k), bits.uniform(key, k), bits.exponential(key, k)))
    rng = np.random.default_rng(0)
    for key in rng.integers(0, 2**64, 50, np.uint64):
        for k in (0, 1, 17, 4096 * 500 + 3):
            plain = twin_draws.child(int(key), k), twin_draws.uniform(int(key), k), twin_draws.exponential(int(key), k)
            assert tuple(fast(key, k)) == plain


def test_same_names() -> None:
    knobs = list(Knobs.__dataclass_fields__)
    assert len(knobs) == x.KNOBS and all(getattr(x, name.upper()) == k for k, name in enumerate(knobs))
    assert len(Pair.KNOBS) == x.PAIR_FLOATS and all(getattr(x, name.upper()) == k for k, name in enumerate(Pair.KNOBS))
    columns = (x.HOST_CORES, x.HOST_LOAD, x.HOST_EXTRA, x.SET_LOAD)
    assert Host.KNOBS == ("cores", "load", "extra", "set_load") and columns == (0, 1, 2, 3)
    assert all(getattr(x, kind.upper()) == k for k, kind in enumerate(KINDS))
    names = [name for name in vars(twin_draws.Draw) if name.isupper()]
    assert len(names) == 17 and all(getattr(x, f"D_{name}") == getattr(twin_draws.Draw, name) for name in names)
