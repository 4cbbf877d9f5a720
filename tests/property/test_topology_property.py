"""Laws of topologies: YAML gives them back, traffic is conserved, random systems are sound, hostile text is refused."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.core.errors import InputError
from causaldisc.sources._system.bounds import BOUNDS, FLAGS, Bound
from causaldisc.sources._system.checks import validate
from causaldisc.sources._system.known import call_graph, known_to_expert
from causaldisc.sources._system.random_graph import draw_call_graph
from causaldisc.sources._system.random_mesh import draw_mesh
from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology
from causaldisc.sources._system.topology_yaml import dump_topology, load_topology
from causaldisc.sources._system.traffic import (
    connection_use,
    host_use,
    operations_of,
    service_visits,
    thread_use,
    usual_ms,
    utilisation,
    visits,
)

_NAMES = st.one_of(
    st.sampled_from(["on", "no", "null", "1", "1.5", "1e5", "0x1f", "2024-01-01", "a.b-c_d", "12"]),
    st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,6}[A-Za-z0-9])?", fullmatch=True),
)


def _numbers(bound: Bound) -> st.SearchStrategy[Any]:
    if bound.whole:
        found: st.SearchStrategy[Any] = st.integers(int(bound.low), int(bound.high))
    else:
        found = st.floats(bound.low, bound.high, exclude_min=bound.above) | st.integers(1, int(bound.high) or 1)
    return found | st.none() if bound.optional else found


def _values(cls: type, *but: str) -> st.SearchStrategy[dict[str, Any]]:
    kept = {name: _numbers(bound) for name, bound in BOUNDS[cls].items() if name not in but}
    flags = {name: st.booleans() for name in FLAGS.get(cls, ())}
    return st.fixed_dictionaries({}, optional={**kept, **flags})


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Any valid topology: fields anywhere in their bounds, calls from earlier services to later ones, stages with gaps."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=5, unique=True))
    operations = [draw(st.lists(_NAMES, min_size=1, max_size=3, unique=True)) for _ in names]
    hosts = draw(st.dictionaries(_NAMES, st.integers(1, 4096), max_size=2))
    services = []
    for k, name in enumerate(names):
        targets = [(names[j], o) for j in range(k + 1, len(names)) for o in operations[j]]
        locks = draw(st.integers(0, 2))
        made = []
        for operation in operations[k]:
            calls = []
            for stage in sorted(draw(st.lists(st.integers(0, 9), max_size=3))) if targets else ():
                service, callee = draw(st.sampled_from(targets))
                calls.append(Call(service, callee, stage, **draw(_values(Call, "stage"))))
            more = draw(_values(Operation, *(() if locks else ("writes",)), "work_ms"))
            made.append(Operation(operation, draw(_numbers(BOUNDS[Operation]["work_ms"])), tuple(calls), **more))
        more = draw(_values(Service, "locks", "replicas", "max_replicas", "gc_s", "gc_pause_ms", "queue", "threads"))
        replicas = draw(st.integers(1, 500))
        more |= {"replicas": replicas, "max_replicas": draw(st.none() | st.integers(replicas, 1000)), "gc_pause_ms": 30.0}
        more |= {"gc_s": draw(st.sampled_from([0.0, 1e-1, 60])), "host": draw(st.sampled_from([None, *hosts]))}
        services.append(Service(name, tuple(made), locks=locks, **more))
    entries = draw(
        st.dictionaries(
            st.sampled_from([(n, o) for n, ops in zip(names, operations, strict=True) for o in ops]),
            st.floats(0.01, 9),
            min_size=1,
        )
    )
    bare = Topology(
        draw(st.text("aß ü:#'\"→", min_size=1, max_size=9)), tuple(services), entries, draw(st.floats(1e-3, 1e6)), hosts
    )
    policies = {edge: Policy(**draw(_values(Policy))) for edge in bare.edges if draw(st.booleans())}
    return Topology(bare.name, bare.services, entries, bare.rate, hosts, policies, Policy(**draw(_values(Policy))))


@settings(max_examples=60, deadline=None)
@given(topologies())
def test_yaml_gives_the_same_topology_back(topology: Topology) -> None:
    assert load_topology(dump_topology(topology)) == topology


@settings(max_examples=40, deadline=None)
@given(topologies())
def test_traffic_is_conserved(topology: Topology) -> None:
    found, total = visits(topology), sum(topology.entries.values())
    inflow: dict[tuple[str, str], float] = defaultdict(float)
    for key, operation in operations_of(topology).items():
        for call in operation.calls:
            inflow[call.service, call.operation] += found[key] * call.probability * (1 - call.hit)
    for key, value in found.items():
        assert value == pytest.approx(inflow[key] + topology.entries.get(key, 0.0) / total, rel=1e-9, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(topologies(), st.floats(0.1, 10))
def test_load_is_proportional_to_the_rate_and_latency_is_not_less_than_the_work(topology: Topology, gain: float) -> None:
    faster = replace(topology, rate=topology.rate * gain)
    for what in (utilisation, host_use, thread_use, connection_use):
        before, after = what(topology), what(faster)
        assert after == pytest.approx({k: v * gain for k, v in before.items()}, rel=1e-9)
    usual = usual_ms(topology)
    assert usual == usual_ms(faster)
    assert all(usual[key] >= o.work_ms for key, o in operations_of(topology).items())


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 30), st.integers(0, 2**32), st.floats(0, 1), st.floats(0.1, 0.5))
def test_a_random_system_is_sound(n: int, seed: int, asynchronous: float, load: float) -> None:
    topology = draw_mesh(n, np.random.default_rng(seed), asynchronous, load=load)
    _check_mesh(topology, n, load)
    assert topology == draw_mesh(n, np.random.default_rng(seed), asynchronous, load=load)
    assert load_topology(dump_topology(topology)) == topology


@pytest.mark.parametrize("n", [2, 500])
def test_a_random_system_of_any_size_is_sound(n: int) -> None:
    _check_mesh(draw_mesh(n, np.random.default_rng(1)), n, 0.35)


def _check_mesh(topology: Topology, n: int, load: float) -> None:
    assert validate(topology) == [] and len(topology.services) == n and 12 <= topology.rate <= 30
    graph = call_graph(topology)
    assert nx.is_directed_acyclic_graph(graph) and nx.descendants(graph, "frontend") == set(graph) - {"frontend"}
    assert {service for service, _ in topology.entries} == {"frontend"} and max(d for _, d in graph.out_degree()) <= 8
    found = visits(topology)
    assert sum(found.values()) <= 1.6 * n and min(found.values()) > 0 and max(service_visits(topology).values()) < 2
    for use in utilisation(topology).values():
        assert 0.6 * load < use < 1.4 * load
    assert max(thread_use(topology).values()) < 0.25 and max(connection_use(topology).values()) < 0.25
    assert max(host_use(topology).values()) < 0.7 and len(topology.hosts) == max(1, round(n / 3))
    assert all(1 <= len(s.operations) <= 3 for s in topology.services)
    assert known_to_expert(topology).calls == tuple(sorted(graph.edges))


def test_random_systems_show_every_feature() -> None:
    meshes = [draw_mesh(30, np.random.default_rng(seed), 0.2) for seed in range(4)]
    services = [s for t in meshes for s in t.services]
    operations = [o for s in services for o in s.operations]
    calls = [c for o in operations for c in o.calls]
    for share, low, high in (
        (np.mean([s.gc_s > 0 for s in services]), 0.1, 0.5),
        (np.mean([s.locks > 0 for s in services]), 0.05, 0.5),
        (np.mean([s.disk for s in services]), 0.1, 0.6),
        (np.mean([s.max_replicas is not None for s in services]), 0.03, 0.35),
        (np.mean([c.hit > 0 for c in calls]), 0.05, 0.3),
        (np.mean([not c.waits for c in calls]), 0.08, 0.4),
        (np.mean([not c.required and c.waits for c in calls]), 0.08, 0.4),
        (np.mean([len({c.stage for c in o.calls}) > 1 for o in operations if len(o.calls) > 1]), 0.3, 0.95),
        (np.mean([len({c.stage for c in o.calls}) < len(o.calls) for o in operations if len(o.calls) > 1]), 0.2, 0.95),
        (np.mean([d > 1 for t in meshes for _, d in call_graph(t).in_degree()]), 0.1, 0.6),
    ):
        assert low < share < high
    assert not any(c.waits for s in draw_mesh(9, np.random.default_rng(0), 1.0).services for o in s.operations for c in o.calls)
    assert all(c.waits for s in draw_mesh(9, np.random.default_rng(0), 0.0).services for o in s.operations for c in o.calls)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.integers(1, 8), st.integers(1, 6), st.floats(0, 2), st.integers(0, 2**32))
def test_call_graphs_keep_depth_and_fan_out_or_say_why_not(n: int, depth: int, fan_out: int, shared: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    if not 1 <= depth < n or sum(fan_out**k for k in range(depth + 1)) < n:
        with pytest.raises(InputError, match=r"^(depth must be in|fan_out must leave room)"):
            draw_call_graph(n, rng, depth, fan_out, shared)
        return
    found = draw_call_graph(n, rng, depth, fan_out, shared)
    out = np.bincount([c for callers in found.callers for c in callers], minlength=n)
    assert max(found.layers) == depth and out.max() <= fan_out and len(set(found.names)) == n
    for k, callers in enumerate(found.callers):
        assert len(set(callers)) == len(callers) and all(found.layers[c] < found.layers[k] for c in callers)
        assert k == 0 or found.layers[callers[0]] == found.layers[k] - 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_services": 1}, "n_services must be in 2..1000, got 1"),
        ({"n_services": 1001}, "n_services must be in 2..1000"),
        ({"asynchronous": 1.1}, "asynchronous must be in 0..1, got 1.1"),
        ({"load": 0.9}, "load must be in 0.01..0.65, got 0.9"),
        ({"fan_out": 0}, "fan_out must be in 1..1000"),
        ({"shared": -1}, "shared must be in 0..10"),
        ({"depth": 9}, "depth must be in 1..8 for n_services=9, got 9"),
        ({"fan_out": 1}, r"fan_out must leave room for n_services=9 in depth=3 layers, got 1 \(room for 4\)"),
        ({"rate": 0.0}, "rate must be a number > 0"),
        ({"rate": float("nan")}, "rate must be a number > 0"),
    ],
)
def test_bad_parameters_of_a_random_system(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw_mesh(**{"n_services": 9, "rng": np.random.default_rng(0), **values})


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["a/x", "a->b", "a", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=70, deadline=None)
@given(st.data())
def test_junk_anywhere_is_refused_in_one_line_or_read(data: st.DataObject) -> None:
    whole = yaml.safe_load(dump_topology(draw_mesh(3, np.random.default_rng(2))))
    places = list(_places(whole))
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(_JUNK)
    try:
        text = yaml.safe_dump(whole)
        assert isinstance(load_topology(text), Topology)
    except InputError as error:
        assert "\n" not in str(error) and str(error).startswith("topology: ") and len(str(error)) < 600


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as error:
        load_topology(f"{text}\n")
    assert "\n" not in str(error.value)


def _places(data: Any) -> Any:
    """(container, key) of everything in nested data."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield data, key
        if isinstance(value, dict | list):
            yield from _places(value)
