"""Pictures of systems and incidents: where things stand, what is counted, and that the bytes are a picture."""

import struct

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import causaldisc as cd
from causaldisc.core.errors import InputError
from causaldisc.incident_drawing import deviations, incident_picture, roots_of
from causaldisc.layered_layout import call_depth, layered
from causaldisc.sources._simulate import build_system
from causaldisc.sources._system.live import Watcher
from causaldisc.sources._system.named_systems import NAMED, named
from causaldisc.sources._system.portrait import portrait
from causaldisc.topology_drawing import topology_picture

edges = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30)


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@settings(max_examples=60, deadline=None)
@given(edges)
def test_callers_stand_left_and_nothing_overlaps(pairs):
    graph = nx.DiGraph([(f"s{a}", f"s{b}") for a, b in pairs])
    graph.add_node("alone")
    layout = layered(graph)
    circle = {n: k for k, c in enumerate(nx.strongly_connected_components(graph)) for n in c}
    for a, b in graph.edges:
        if circle[a] != circle[b]:
            assert layout.layer[a] < layout.layer[b]
        passed = [layer for layer, _ in layout.bends[a, b]]
        low, high = sorted((layout.layer[a], layout.layer[b]))
        assert sorted(passed) == list(range(low + 1, high))
        assert passed == sorted(passed, reverse=layout.layer[a] > layout.layer[b])
    for layer in set(layout.layer.values()):
        heights = sorted(layout.height[n] for n in graph if layout.layer[n] == layer)
        assert all(np.diff(heights) >= 1 - 1e-6)
        passing = [h for points in layout.bends.values() for k, h in points if k == layer]
        assert all(abs(h - other) > 0.3 for h in passing for other in heights)


def test_depth_is_the_longest_way():
    graph = nx.DiGraph([("web", "a"), ("a", "b"), ("b", "db"), ("web", "db"), ("db", "a")])
    assert call_depth(graph) == {"web": 0, "a": 1, "b": 2, "db": 3}
    assert call_depth(nx.DiGraph()) == {}


def test_a_layout_without_needless_crossings():
    graph = nx.DiGraph([("web", f"s{k}") for k in range(4)] + [(f"s{k}", f"t{3 - k}") for k in range(4)])
    layout = layered(graph)
    assert [layout.height[f"s{k}"] for k in range(4)] == pytest.approx([layout.height[f"t{3 - k}"] for k in range(4)])


@pytest.mark.parametrize("name", NAMED)
def test_calls_of_a_portrait_add_up(name):
    topology = named(name)
    seen = portrait(topology)
    from causaldisc.sources._system.traffic import service_visits

    visits = service_visits(topology)
    entering = dict.fromkeys(topology.index, 0.0)
    for (s, _), share in topology.entries.items():
        entering[s] += topology.rate * share / sum(topology.entries.values())
    for s in topology.index:
        come = sum(rate for (_, callee), rate in seen.calls.items() if callee == s)
        assert come + entering[s] == pytest.approx(topology.rate * visits[s])


def test_pictures_are_the_same_bytes_and_bear_what_is_odd():
    graph = nx.DiGraph([("web", "a" * 60), ("web", "db $x_1$"), ("db $x_1$", "web"), ("solo", "solo")])
    load = {"web": 0.97, "solo": float("nan")}
    hosts = {name: f"node-{k}" for k, name in enumerate(graph)}
    first = topology_picture(graph, load=load, hosts=hosts, calls={("web", "db $x_1$"): 12.0}, title="x")
    assert first == topology_picture(graph, load=load, hosts=hosts, calls={("web", "db $x_1$"): 12.0}, title="x")
    assert size(first)[0] > 400
    assert size(topology_picture(nx.DiGraph([("a", "b")])))[0] > 400
    many = {name: f"node-{k}" for k, name in enumerate("abcdefghijkl")}
    assert size(topology_picture(nx.DiGraph([("a", x) for x in "bcdefghijkl"]), hosts=many))[1] > 400


def test_deviations_are_from_the_usual_before():
    rng = np.random.default_rng(0)
    values = rng.normal(10, 2, (400, 3))
    values[200:, 1] += 8
    values[:, 2] = 5.0
    values[3, 0] = np.nan
    before = np.arange(400) < 200
    z = deviations(values, before)
    assert np.isnan(z[3, 0]) and np.isfinite(np.delete(z[:, 0], 3)).all()
    assert abs(np.nanmean(z[:200, 1])) < 0.2 and np.mean(z[200:, 1]) == pytest.approx(4, abs=0.5)
    assert (z[:, 2] == 0).all()
    assert np.abs(deviations(values, before, 100.0)).max(initial=0, where=np.isfinite(z)) < 1
    values[:200, 2] = np.nan
    assert np.isnan(deviations(values, before)[:, 2]).all()


def test_an_incident_is_drawn_and_bad_windows_refused():
    data = cd.simulate("mesh", 0, n_services=4, duration_s=600, trials=1, gaps=0.1)
    trial = data.trials[0]
    assert size(incident_picture(trial.telemetry, trial.intervention, data.call_graph))[0] > 800
    assert size(incident_picture(trial.telemetry, trial.intervention))[0] > 800
    early = cd.Intervention(trial.intervention.target, "kill", 1.0, 15, 300)
    with pytest.raises(InputError, match="at least 5 rows"):
        incident_picture(trial.telemetry, early)
    assert roots_of(cd.Intervention("a->b", "latency", 1.0)) == {"a", "b"}


def test_a_look_tells_what_the_counters_tell():
    system = build_system("mesh", 0, {"n_services": 4, "duration_s": 600, "trials": 0})
    watcher, looks, totals = Watcher(), [], []

    def progress(seconds, run):
        looks.append(watcher.look(seconds, run))
        totals.append(watcher.calls(run))

    data = system.dataset(progress=progress)  # type: ignore[call-arg]
    assert [look.calls for look in looks] == np.diff([0, *totals]).tolist() and totals[-1] == data.notes["calls"]
    assert looks[-1].seconds >= 600 > looks[0].seconds
    for look in looks:
        loads = [s.cpu for s in look.services if s.cpu == s.cpu]
        assert loads == sorted(loads, reverse=True) and all(0 <= load <= 1.2 for load in loads)
    seen = [look for look in looks if look.seconds > 0]
    for v, values in zip(data.telemetry.variables, data.telemetry.values.T, strict=True):
        if v.metric == "requests":
            mean = np.mean([s.rate for look in seen for s in look.services if s.name == v.service])
            assert mean == pytest.approx(np.nanmean(values), rel=0.1)
