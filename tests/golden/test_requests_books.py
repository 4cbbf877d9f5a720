"""The books of simulated systems balance whatever happens: faults, time-outs, retries, breakers, kills; and runs repeat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from request_books import SLOT_TABLES, check_drained, check_now, check_same

from causaldisc.core.errors import InputError
from causaldisc.kernels import requests_world as x
from causaldisc.sources._system.named_systems import NAMED, named
from causaldisc.sources._system.random_mesh import draw_mesh
from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology
from causaldisc.sources._system.traffic import visits
from causaldisc.sources._system.wiring import World, wire

BUSY_S, DRAIN_S = 30, 150  # seconds with users, seconds without
# Column → (the worst it is set to, what it is without a fault); services, pairs, hosts.
KNOBS = {x.THROTTLE: (0.9, 0.0), x.DELAY: (0.3, 0.0), x.LOSS: (0.4, 0.0), x.FAULT_ERRORS: (1.0, 0.0), x.DOWN: (1.0, 0.0)}
KNOBS |= {x.WORK_GAIN: (3.0, 1.0), x.EXTRA: (1.0, 0.0), x.LEAK: (0.2, 0.0)}
PAIR_KNOBS = {x.OUTAGE: (1.0, 0.0), x.PAIR_DELAY: (0.2, 0.0), x.PAIR_LOSS: (0.4, 0.0)}
SYSTEM = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def strained(seed: int, services: int, strain: float) -> Topology:
    """A random system with too few threads, connections and patience; the more so, the nearer ``strain`` is to 1."""
    rng = np.random.default_rng(seed)
    mesh = draw_mesh(services, rng, asynchronous=0.3, rate=40.0, load=0.3 + 0.35 * strain)
    tight = 1 + int(30 * (1 - strain))
    policies = {
        edge: replace(
            policy,
            timeout_ms=None if rng.random() < 0.15 else (policy.timeout_ms or 2000.0) * (1.05 - strain),
            retries=int(rng.integers(0, 4)),
            backoff_ms=float(rng.choice([0.0, 5.0, 50.0])),
            connections=tight if rng.random() < 0.5 else policy.connections,
            network_ms=float(rng.choice([0.0, 0.5, 3.0])),
            open_ms=float(rng.choice([200.0, 5000.0])),
        )
        for edge, policy in mesh.policies.items()
    }
    crowded = tuple(
        replace(s, threads=int(rng.integers(1, 1 + tight)), queue=int(rng.integers(0, 2 * tight))) if rng.random() < 0.5 else s
        for s in mesh.services
    )
    return replace(mesh, services=crowded, policies=policies)


def faults(topology: Topology, seed: int, count: int) -> list[tuple[int, int, int, int, float]]:
    """Random faults of random length, all over when the users are."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        of_pair = rng.random() < 0.3 and len(topology.edges) > 0
        table = PAIR_KNOBS if of_pair else KNOBS
        column = int(rng.choice(list(table)))
        row = int(rng.integers(len(topology.edges if of_pair else topology.services)))
        worst, none = table[column]
        start, stop = sorted(rng.choice(BUSY_S, 2, replace=False))
        what = x.PAIR_KNOB if of_pair else x.KNOB
        found += [
            (int(start), what, row, column, none + (worst - none) * float(rng.uniform(0.1, 1))),
            (int(stop), what, row, column, none),
        ]
    return sorted(found, key=lambda change: change[0])


def wired(topology: Topology, seed: int, changes=(), rate: float | None = None, **more) -> World:
    rates = np.r_[np.full(BUSY_S, rate or topology.rate), np.zeros(DRAIN_S)]
    return wire(topology, rates, seed, changes=changes, visits=visits(topology), snapshot_every=5, long_s=0.05, **more)


def check_run(world: World, stops: list[float], wires_known: bool) -> None:
    """Stop a run a few times on its way, then let it drain."""
    for stop in sorted(stops):
        world.run(stop)
        check_now(world)
    world.run(float(BUSY_S + DRAIN_S))
    check_drained(world, float(BUSY_S + DRAIN_S), wires_known)


@given(
    seed=st.integers(0, 2**32), services=st.integers(2, 12), strain=st.floats(0, 1), count=st.integers(0, 12),
    stops=st.lists(st.floats(0, BUSY_S + 2), max_size=4),
)  # fmt: skip
@SYSTEM
def test_no_call_is_lost_or_counted_twice_whatever_happens(seed, services, strain, count, stops):
    topology = strained(seed, services, strain)
    changes = faults(topology, seed, count)
    check_run(wired(topology, seed, changes), stops, wires_known=not changes)


def test_the_strained_systems_do_what_the_test_above_is_about():
    """Else its books would balance because nothing happened."""
    deed, pair_deed = np.zeros(x.SERVICE_DEEDS), np.zeros(x.PAIR_DEEDS)
    for seed in range(8):
        topology = strained(seed, 10, 0.9)
        world = wired(topology, seed, faults(topology, seed, 8))
        check_run(world, [5.0, 15.0, 25.0], wires_known=False)
        deed, pair_deed = deed + world["deed"].sum(0), pair_deed + world["pair_deed"].sum(0)
    happened = (
        x.WAITED_THREAD,
        x.WAITED_CORE,
        x.REFUSED,
        x.UNSERVED,
        x.SKIPPED,
        x.OWN_FAILURES,
        x.KILLED,
        x.STRETCHED,
        x.SPARED,
        x.PAUSED,
    )
    assert np.all(deed[list(happened)] > 0), deed
    assert np.all(pair_deed > 0), pair_deed


@pytest.mark.parametrize("name", NAMED)
def test_the_books_of_named_systems_balance(name):
    topology = named(name)
    check_run(wired(topology, 0), [3.3, 17.9], wires_known=True)
    changes = faults(topology, 1, 10)
    check_run(wired(topology, 1, changes, rate=2 * topology.rate), [10.0, 20.0], wires_known=False)


@given(seed=st.integers(0, 2**32), services=st.integers(2, 10), steps=st.lists(st.floats(1e-3, 8), min_size=1, max_size=20))
@SYSTEM
def test_many_small_steps_are_one_large_one(seed, services, steps):
    topology = strained(seed, services, 0.7)
    changes = faults(topology, seed, 6)
    whole, pieces = (wired(topology, seed, changes, spans=5000, trace_share=0.3, log=5000) for _ in range(2))
    end = float(BUSY_S + 20)
    for stop in np.minimum(np.cumsum(steps), end):
        pieces.run(float(stop))
        pieces.run(float(stop))
    pieces.run(end)
    whole.run(end)
    assert whole["registers"][x.ARRIVED] > 100
    check_same(whole, pieces)


@given(seed=st.integers(0, 2**32), services=st.integers(2, 10))
@SYSTEM
def test_how_many_slots_there_are_changes_nothing(seed, services):
    topology = strained(seed, services, 0.9)
    changes = faults(topology, seed, 6)
    small, large = (wired(topology, seed, changes, spans=5000, trace_share=0.3, log=5000) for _ in range(2))
    for _ in range(4):
        large._enlarge()
    for stop in (12.5, float(BUSY_S + DRAIN_S)):
        small.run(stop)
        large.run(stop)
        check_now(large)
    free = small["registers"].copy()
    free[x.FREE] = large["registers"][x.FREE]
    small.tables["registers"] = free
    check_same(small, large, but=SLOT_TABLES)


def test_a_system_that_falls_behind_gets_more_slots_until_there_are_too_many():
    slow = Service("q", (Operation("o", 1000.0),), threads=None, queue=None, memory_per_thread=0.0)
    topology = Topology("slow", (slow,), {("q", "o"): 1.0}, 2000.0)
    world = wire(topology, np.full(20, 2000.0), 0)
    slots = len(world["call"])
    world.run(10.0)
    assert len(world["call"]) > 64 * slots
    check_now(world)
    flood = wire(topology, np.full(20, 1e6), 0)
    with pytest.raises(InputError, match="keep up"):
        flood.run(20.0)


def test_a_seed_is_a_run_and_another_seed_another():
    topology = strained(3, 8, 0.5)
    one, same, other = (wired(topology, seed) for seed in (0, 0, 1))
    for world in (one, same, other):
        world.run(30.0)
    check_same(one, same)
    assert one["service"][0, x.ARRIVALS] != other["service"][0, x.ARRIVALS]
    assert np.all(one["servicef"][:, x.LATENCY_SUM] != other["servicef"][:, x.LATENCY_SUM])


def bursts(layers: int, fan_out: int, **policy) -> Topology:
    """Services that need no time to call each other: all that one request causes in the last layer is sent at one moment."""
    services = []
    for k in range(layers):
        calls = tuple(Call(f"s{k + 1}", "o") for _ in range(fan_out)) if k + 1 < layers else ()
        own = Operation("o", 0.0 if calls else 400.0, calls, first=1.0)
        services.append(
            Service(f"s{k}", (own,), cores=1000, threads=None, queue=None, floor=1.0, errors=0.0, memory_per_thread=0.0)
        )
    found = {"timeout_ms": 100.0, "retries": 2, "breaker": None, "connections": None, "network_ms": 0.0, "backoff_ms": 0.0}
    return Topology("bursts", tuple(services), {("s0", "o"): 1.0}, 2.0, policy=Policy(**{**found, **policy}))


@pytest.mark.parametrize("connections", [None, 7])
def test_any_number_of_calls_may_time_out_at_one_moment(connections):
    world = wired(bursts(4, 8, connections=connections), 0, rate=0.5)
    check_run(world, [1.0, 2.5, 7.3], wires_known=True)
    assert world["pair_deed"][2, x.TIMED_OUT] > 10_000


def test_all_callers_on_a_path_may_send_their_last_messages_at_one_moment():
    """An event makes 320 calls here, more than any one operation does."""
    services = [Service("s0", (Operation("o", 20.0),), cores=1000, threads=None, queue=None, errors=0.0)]
    for k in range(1, 41):
        calls = (Call(f"s{k - 1}", "o"), *(Call("sink", "o", stage=1, waits=False) for _ in range(8)))
        services.append(
            Service(f"s{k}", (Operation("o", 0.0, calls, first=1.0),), threads=None, queue=None, errors=0.0, floor=1.0)
        )
    services.append(Service("sink", (Operation("o", 0.0),), cores=1000, threads=None, queue=None, errors=0.0))
    slow = {(f"s{k}", "sink"): Policy(network_ms=5.0) for k in range(1, 41)}
    quick = Policy(network_ms=0.0, connections=None)
    topology = Topology("ladder", tuple(services), {("s40", "o"): 1.0}, 200.0, policies=slow, policy=quick)
    check_run(wired(topology, 0), [0.5, 1.1, 4.0], wires_known=True)


def test_a_call_that_gave_up_waiting_for_a_connection_has_waited_for_that():
    world = wired(bursts(2, 8, connections=1, retries=0), 0)
    world.run(float(BUSY_S + DRAIN_S))
    deed = world["pair_deed"][0]
    assert deed[x.SENT_CALLS] < deed[x.TIMED_OUT] == deed[x.FAILED_TRIES]
    # Every call gives up after 0.1 s, in line or not.
    assert deed[x.WAITED_POOL] + deed[x.CALLEE_SECONDS] == pytest.approx(0.1 * deed[x.TIMED_OUT])
    assert deed[x.CALLEE_SECONDS] <= 0.1 * deed[x.SENT_CALLS] * (1 + 1e-9)


@pytest.mark.parametrize("timeout_s", [0.02, 5.0, np.inf])
def test_a_time_out_may_change_while_calls_are_under_way(timeout_s):
    topology = strained(5, 6, 0.3)
    changes = [(10, x.PAIR_KNOB, e, x.TIMEOUT, timeout_s) for e in range(len(topology.edges))]
    changes += [(20, x.PAIR_KNOB, e, x.TIMEOUT, 0.5) for e in range(len(topology.edges))]
    world = wired(topology, 0, changes)
    world.run(float(BUSY_S + DRAIN_S))
    check_drained(world, float(BUSY_S + DRAIN_S))
    assert world["pair_deed"][:, x.SENT_CALLS].min() > 100


def test_a_run_does_not_go_beyond_the_users_that_were_given():
    world = wire(named("online_boutique"), np.full(10, 5.0), 0)
    with pytest.raises(InputError, match="until"):
        world.run(10.5)
    world.run(10.0)
    assert world["registers"][x.TICK] == 10
