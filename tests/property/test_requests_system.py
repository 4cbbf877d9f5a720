"""The request-level systems as a whole: twin runs, faults, and truths."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import causaldisc as cd
from causaldisc.core.errors import InputError
from causaldisc.core.intervention import Intervention
from causaldisc.sources._system import faults
from causaldisc.sources._system.mechanisms import State
from causaldisc.sources._system.options import RequestSource
from causaldisc.sources._system.projection import NOISY, Arrow, project, timed
from causaldisc.sources._system.system import MAX_LAG, RequestSystem
from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology
from causaldisc.sources.mesh import Mesh

ALL = ("all",)
LENGTH: dict[str, Any] = {"duration_s": 600, "trials": 0}


def reached(system: RequestSystem, plan: Intervention) -> set[str]:
    """Variables whose state an intervention touches, or that read of one that it touches, near or far."""
    graph = nx.DiGraph((r.source, r.target) for r in system.reads)
    graph.add_nodes_from(system.states_of.values())
    touched = [s for s in faults.touched(system.topology, plan) if s in graph]
    states = set(touched).union(*(nx.descendants(graph, s) for s in touched))
    return {v.name for v in system.variables if system.states_of[v.name] in states}


def moved(system: RequestSystem, plan: Intervention, run: int = 0) -> tuple[set[str], np.ndarray]:
    free, treated = system.trial([], run), system.trial([plan], run)
    differs = ~((free.values == treated.values) | (free.missing & treated.missing))
    return {n for n, d in zip(free.names, differs.any(axis=0), strict=True) if d}, np.flatnonzero(differs.any(axis=1))


@cache
def mesh(seed: int, **options: object) -> RequestSystem:
    return Mesh(n_services=6, metrics=ALL, **{**LENGTH, **options}).system(seed)  # type: ignore[arg-type]


@given(st.integers(0, 11), st.sampled_from(faults.KINDS), st.integers(0, 5), st.floats(0.1, 0.9), st.booleans())
@settings(max_examples=60, deadline=None)
def test_twins_differ_only_where_a_path_leads(seed: int, kind: str, pick: int, magnitude: float, wide: bool) -> None:
    system = mesh(seed, pools="wide" if wide else "bounded")
    disks = [s.name for s in system.topology.services if s.disk]
    if kind == "disk_slowdown" and not disks:
        return
    names = disks if kind == "disk_slowdown" else [s.name for s in system.topology.services]
    plan = system.resolve(Intervention(names[pick % len(names)], kind, magnitude, 300, 450))
    found, rows = moved(system, plan)
    assert found <= reached(system, plan)
    assert not len(rows) or rows.min() >= 20


@given(st.integers(0, 11), st.integers(0, 1000), st.floats(0.2, 1.8))
@settings(max_examples=40, deadline=None)
def test_do_moves_only_what_hangs_on_the_variable(seed: int, pick: int, factor: float) -> None:
    system = mesh(seed)
    free = system.trial([], 0)
    able = [v for v in system.variables if v.metric in faults.SETTABLE]
    variable = able[pick % len(able)]
    usual = float(np.nanmean(free.values[:, free.names.index(variable.name)]))
    low, high = system.bounds[variable.name]
    plan = Intervention(variable.service, "set", min(max(usual * factor, low), high), 300, 450, variable.name)
    found, rows = moved(system, plan)
    assert found <= reached(system, plan)
    assert not len(rows) or rows.min() >= 20


def shop(threads: int | None) -> Topology:
    """A front that serves two kinds of requests, each with a service of its own behind it; nothing else is shared."""
    front = Service(
        "front",
        (Operation("slow", 2.0, (Call("a", "x"),)), Operation("fast", 2.0, (Call("b", "x"),))),
        cores=4,
        threads=threads,
        queue=None,
    )
    behind = [Service(n, (Operation("x", 5.0),), cores=4, threads=None, queue=None) for n in "ab"]
    policy = Policy(timeout_ms=None, retries=0, connections=None, breaker=None)
    return Topology("shop", (front, *behind), {("front", "slow"): 1.0, ("front", "fast"): 1.0}, 40.0, policy=policy)


class Shop(RequestSource):
    """The shop as a source."""

    name = "shop"
    threads: int | None = 8

    def topology(self, rng: np.random.Generator) -> Topology:
        return shop(self.threads)


class WideShop(Shop):
    threads = None


def test_a_slow_dependency_starves_its_siblings_only_where_threads_are_few() -> None:
    plan = Intervention("a", "latency", 2.0, 300, 480)
    tight, wide = Shop(duration_s=900, trials=0).system(0), WideShop(duration_s=900, trials=0).system(0)
    found, _ = moved(wide, plan)
    assert found == {"a:latency", "a:errors", "front:latency", "front:errors", "front:cpu"}  # answers later, nothing else
    found, _ = moved(tight, plan)
    assert {"b:requests", "b:cpu", "b:latency"} <= found
    free, held = tight.trial([], 0), tight.trial([plan], 0)
    inside = (free.times >= 330) & (free.times < 480)
    k = free.names.index("b:requests")
    assert held.values[inside, k].mean() < 0.7 * free.values[inside, k].mean()
    incident = tight.dataset([plan]).truth
    assert incident is not None
    edges = {(e.source, e.target) for e in incident.edges}
    assert ("a:latency", "b:requests") in edges and ("a:latency", "front:latency") in edges
    assert ("a:latency", "b:requests") not in {(e.source, e.target) for e in tight.truth.edges}  # a day without the incident
    unbound = wide.dataset([plan]).truth
    assert unbound is not None and ("a:latency", "b:requests") not in {(e.source, e.target) for e in unbound.edges}


RISES = {
    "cpu_throttle": ("latency", 0.9),
    "latency": ("latency", 0.5),
    "error": ("errors", 0.5),
    "traffic_surge": ("requests", 0.8),
    "bad_deployment": ("cpu", 0.7),
    "memory_leak": ("memory", 0.4),
    "kill": ("restarts", 0.5),
}


@pytest.mark.parametrize("kind", RISES)
def test_a_fault_raises_what_it_breaks(kind: str) -> None:
    metric, magnitude = RISES[kind]
    for seed in range(3):
        system = mesh(seed)
        target = system.topology.services[-1].name
        free, held = (system.trial(plan, 0) for plan in ([], [Intervention(target, kind, magnitude, 300, 480)]))
        inside = (free.times >= 300) & (free.times < 480)
        k = free.names.index(f"{target}:{metric}")
        assert np.nanmean(held.values[inside, k]) > np.nanmean(free.values[inside, k])


def test_faults_on_a_call_on_a_host_and_of_a_dependency() -> None:
    system = mesh(0)
    caller, callee = system.topology.edges[0]
    free = system.trial([], 0)
    inside = (free.times >= 300) & (free.times < 480)

    def change(plan: Intervention, name: str) -> float:
        k = free.names.index(name)
        return float(np.nanmean(system.trial([plan], 0).values[inside, k]) - np.nanmean(free.values[inside, k]))

    assert change(Intervention(f"{caller}->{callee}", "latency", 0.2, 300, 480), f"{callee}:latency") > 100
    assert change(Intervention(callee, "dependency_outage", 0.9, 300, 480), f"{callee}:requests") < 0
    host = system.topology.services[0].host
    assert change(Intervention(f"host:{host}", "cpu_throttle", 1.0, 300, 480), f"{system.topology.services[0].name}:latency") > 0


def test_what_cannot_be_done_is_refused_in_one_line() -> None:
    system = mesh(0)
    name = system.topology.services[0].name
    disks = {s.name for s in system.topology.services if s.disk}
    for plan, words in [
        (Intervention("nobody", "kill", 0.5, 0, 60), "target must name a service, a call"),
        (Intervention(name, "cpu_throttle", 1.0, 0, 60), "magnitude of 'cpu_throttle'"),
        (Intervention(name, "kill", 0.5, 1e6, 2e6), "window must lie within"),
        (Intervention(f"host:{system.topology.services[0].host}", "kill", 0.5, 0, 60), "must be a service, got the host"),
        (Intervention(name, "set", 1.0, 0, 60, f"{name}:restarts"), "one that can be set"),
        (Intervention(name, "set", 1.5, 0, 60, f"{name}:cpu"), r"in 0\.\.1"),
        (Intervention(next(s.name for s in system.topology.services if s.name not in disks), "disk_slowdown", 1, 0, 60), "disk"),
    ]:
        with pytest.raises(InputError, match=words):
            system.trial([plan], 0)
    with pytest.raises(InputError, match="did you mean"):
        cd.simulate("mesh", metrics=["latnecy"])
    with pytest.raises(InputError, match="at least 20 steps"):
        cd.simulate("mesh", duration_s=60)


@given(st.integers(0, 10_000), st.floats(0.3, 3.0))
@settings(max_examples=25, deadline=None)
def test_what_is_seen_is_sound(seed: int, load: float) -> None:
    data = (
        Mesh(n_services=4, metrics=ALL, load=load, duration_s=400, trials=0, gaps=0.1, skew_s=5, resets=True)
        .system(seed)
        .dataset()
    )
    for variable, column in zip(data.telemetry.variables, data.telemetry.values.T, strict=True):
        assert np.nanmin(column) >= 0, variable.name
        if variable.metric in ("cpu", "errors", "memory"):
            assert np.nanmax(column) <= 1, variable.name
    by = {v.name: c for v, c in zip(data.telemetry.variables, data.telemetry.values.T, strict=True)}
    for service in {v.service for v in data.telemetry.variables}:
        low, middle, high = (by[f"{service}:latency_p{p}"] for p in (50, 95, 99))
        seen = ~np.isnan(low)
        assert (low[seen] <= middle[seen]).all() and (middle[seen] <= high[seen]).all()


def brute_force(arrows: list[Arrow], seen: set[State], max_lag: int) -> tuple[set[Arrow], set[Arrow]]:
    """Every simple path over the states of a few steps, written out one by one."""
    span = 2 * max_lag + 1
    graph = nx.DiGraph()
    for a, b, lag in arrows:
        graph.add_edges_from(((a, t), (b, t + lag)) for t in range(span - lag))

    def through(start: tuple[State, int]) -> set[tuple[State, int]]:
        found, todo = set(), [[start]]
        while todo:
            path = todo.pop()
            for node in graph.successors(path[-1]) if path[-1] in graph else ():
                if node in path or node[1] - start[1] > max_lag:
                    continue
                if node[0] in seen:
                    found.add(node)
                else:
                    todo.append([*path, node])
        return found

    states = {s for a, b, _ in arrows for s in (a, b)}
    directed = {(a, b, t) for a in states & seen for b, t in through((a, 0)) if (a, 0) != (b, t)}
    confounded = set()
    for hidden in (s for s in states - seen if s.role in NOISY):
        for (a, s), (b, t) in itertools.permutations(through((hidden, 0)), 2):
            if a != b and (t > s or (t == s and a < b)):
                confounded.add((a, b, t - s))
    return directed, confounded


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_projection_agrees_with_brute_force(data: st.DataObject) -> None:
    roles = ("traffic", "cores", "latency", "errors", "load", "work", "users")
    states = [State(role, of) for role in roles for of in ("a", "b")][: data.draw(st.integers(3, 9))]
    arrow = st.tuples(st.sampled_from(states), st.sampled_from(states), st.integers(0, 2))
    arrows = data.draw(st.lists(arrow, min_size=1, max_size=14, unique=True))
    order = {s: k for k, s in enumerate(states)}
    arrows = [(a, b, lag) for a, b, lag in arrows if lag > 0 or order[a] < order[b]]  # acyclic within a step
    seen = set(data.draw(st.lists(st.sampled_from(states), min_size=1, unique=True)))
    assert project(arrows, seen, 2) == brute_force(arrows, seen, 2)


@pytest.mark.parametrize("seed", range(4))
def test_projected_truth_of_small_systems_agrees_with_brute_force(seed: int) -> None:
    system = Mesh(n_services=2, trials=0, duration_s=300, neighbours=0.2).system(seed)
    arrows = timed(system.topology, system.reads, lambda _: 0.0, 15.0)
    seen = set(system.states_of.values())
    assert project(arrows, seen, 1) == brute_force(arrows, seen, 1)
    instant = nx.DiGraph((a, b) for a, b, lag in arrows if lag == 0)
    assert nx.is_directed_acyclic_graph(instant)


@pytest.mark.parametrize(("seed", "pools"), [(0, "wide"), (1, "bounded"), (2, "bounded")])
def test_ancestors_are_the_closure_of_the_direct_truth_where_effects_show(seed: int, pools: str) -> None:
    system = Mesh(n_services=4, duration_s=900, trials=0, pools=pools).system(seed)
    closure = nx.transitive_closure(nx.DiGraph((e.source, e.target) for e in system.structural.edges if e.is_directed))
    every = system.ancestors(epsilon=0.0)
    assert all(closure.has_edge(e.source, e.target) for e in every.edges)  # not one bit elsewhere
    large = {(e.source, e.target) for e in every.edges if (e.strength or 0.0) > 0.5}
    assert large == {(e.source, e.target) for e in system.ancestors(epsilon=0.5).edges}
    acting = nx.transitive_closure(nx.DiGraph((e.source, e.target) for e in system.truth.edges if e.is_directed))
    physical = {(a, b) for a, b in large if not b.endswith(":errors")}  # rare errors are a matter of which requests meet them
    assert len(physical) > 5 and len(physical - set(acting.edges)) <= 0.1 * len(physical)


def test_options_do_what_they_say() -> None:
    assert len(cd.simulate("mesh", metrics=["all"], **LENGTH).telemetry.names) == 8 * len(faults.METRICS)
    assert cd.simulate("mesh", memory=True, **LENGTH).telemetry.shape == (40, 40)
    lost = cd.simulate("mesh", missing=0.2, trials=1, duration_s=1200)
    assert 0.15 < lost.telemetry.missing.mean() < 0.25 and lost.trials[0].telemetry.missing.any()
    fewer = cd.simulate("mesh", missing_series=0.3, **LENGTH)
    assert len(fewer.telemetry.names) < 32 and fewer.truth is not None and fewer.truth.names == fewer.telemetry.names
    gaps = cd.simulate("mesh", gaps=0.2, duration_s=3000, trials=0).telemetry
    assert 0.12 < gaps.missing.mean() < 0.28
    mixed = cd.simulate("mesh", mixed_units=True, **LENGTH).telemetry
    usual = cd.simulate("mesh", **LENGTH).telemetry
    assert {v.unit for v in mixed.variables} > {v.unit for v in usual.variables}
    hidden = cd.simulate("mesh", neighbours=0.3, **LENGTH).truth
    assert hidden is not None and any(e.source_mark == "arrow" and not e.conflict for e in hidden.edges)
    found = cd.simulate("mesh", ancestors=0.2, n_services=2, **LENGTH)
    assert set(found.truths) == {"structural", "ancestors"}
    noisy = cd.simulate("mesh", scrape_noise=0.3, **LENGTH).telemetry
    latency = [v.metric == "latency" for v in usual.variables]
    ratio = np.log(noisy.values[:, latency] / usual.values[:, latency])
    assert 0.25 < np.nanstd(ratio) < 0.35


@pytest.mark.parametrize("seed", range(6))
def test_the_defaults_are_an_ordinary_system(seed: int) -> None:
    data = Mesh(trials=0).system(seed).dataset()
    by = dict(zip(data.telemetry.names, data.telemetry.values.T, strict=True))
    assert 0.15 < data.notes["mean_cpu"] < 0.5 and data.notes["overloaded"] == []
    for name, column in by.items():
        if name.endswith(":latency"):
            assert 3 < np.nanmedian(column) < 2000  # ms
        if name.endswith(":errors"):
            assert np.nanmedian(column) < 0.02
    assert data.truth is not None and data.call_graph is not None
    assert {(e.source, e.target) for e in data.services["traffic"].edges} >= set(data.call_graph.edges)
    waits = {(b, a) for a, b, w in data.call_graph.edges(data="waits") if w}
    latency = {(e.source, e.target) for e in data.services["latency"].edges if e.is_directed}
    assert len(waits - latency) <= 0.2 * len(waits)


def test_switches_reach_the_topology() -> None:
    off = {"pools": "wide", "hosts": False}
    off |= dict.fromkeys(("timeouts", "retries", "breakers", "caches", "locks", "pauses", "autoscaling"), False)
    system = Mesh(**{**LENGTH, **off}).system(3)  # type: ignore[arg-type]
    for s in system.topology.services:
        assert s == replace(s, threads=None, queue=None, locks=0, gc_s=0.0, max_replicas=None, host=None)
        assert all(o.writes == 0 and all(c.hit == 0 for c in o.calls) for o in s.operations)
    for policy in system.topology.policies.values():
        assert policy == replace(policy, connections=None, timeout_ms=None, retries=0, breaker=None)
    roles = {r.source.role for r in system.reads}
    assert not roles & {"pool", "breaker", "locks", "load", "warm"} and MAX_LAG >= 1
