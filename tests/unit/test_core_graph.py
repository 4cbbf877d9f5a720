import json

import networkx as nx
import numpy as np
import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.graph import CONFLICT, DIRECTED, UNDIRECTED, CausalGraph, Edge
from causaldisc.core.graph_json import from_json, to_json

LAGGED = CausalGraph(
    ["a:traffic", "b:traffic", "a:latency", "b:latency"],
    [
        Edge("a:traffic", "b:traffic", 0, strength=0.4, evidence=("data", "prior")),
        Edge("b:latency", "a:latency", 1, p_value=1e-9, validation="confirmed"),
        Edge("a:latency", "a:latency", 1),
        Edge("a:traffic", "a:latency", 0, "tail", "tail"),
        Edge("b:latency", "b:traffic", 0, "arrow", "arrow", conflict=True),
    ],
    kind="lagged",
    max_lag=2,
    step_seconds=15.0,
    provenance={"algorithm": "pcmci"},
)


def test_file_round_trip_and_networkx(tmp_path):
    path = tmp_path / "g.json"
    LAGGED.save(path)
    again = CausalGraph.load(path)
    assert to_json(again) == to_json(LAGGED)
    assert again == LAGGED and hash(again) == hash(LAGGED)
    assert again != LAGGED.replace(edges=LAGGED.edges[:-1])
    graph = nx.node_link_graph(json.loads(path.read_text()), edges="edges")
    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.edges["b:latency", "a:latency", 1]["validation"] == "confirmed"
    assert graph.nodes["a:latency"]["service"] == "a"
    assert nx.utils.graphs_equal(graph, LAGGED.to_networkx())


def test_adjacency_collapses_lags_and_opens_undirected_edges():
    expected = np.zeros((4, 4), bool)
    for i, j in [(0, 1), (3, 2), (0, 2), (2, 0), (3, 1), (1, 3)]:
        expected[i, j] = True
    assert np.array_equal(LAGGED.adjacency(), expected)
    assert np.array_equal(LAGGED.summary().adjacency(), expected)
    assert LAGGED.summary().kind == "summary"


def test_codes_round_trip():
    cells = LAGGED.codes()
    assert cells[0, 1, 0] == DIRECTED
    assert cells[0, 2, 0] == cells[2, 0, 0] == UNDIRECTED
    assert cells[1, 3, 0] == cells[3, 1, 0] == CONFLICT
    again = CausalGraph.from_codes(LAGGED.variables, cells, kind="lagged")
    assert np.array_equal(again.codes(), cells)
    with pytest.raises(InputError, match="symmetric"):
        CausalGraph.from_codes(["a", "b"], np.array([[0, UNDIRECTED], [0, 0]]), kind="cpdag")


def test_services_are_told_apart_by_the_role_that_flows():
    services = LAGGED.services()
    assert {(e.source, e.target) for e in services["traffic"].edges} == {("a", "b")}
    # the conflict between b:latency and b:traffic is within one service, so it makes no service edge
    assert {(e.source, e.target) for e in services["latency"].edges} == {("b", "a")}
    assert {(e.source, e.target) for e in services["merged"].edges} == {("a", "b"), ("b", "a")}


def test_summary_keeps_both_readings_of_an_undirected_edge_beside_a_lagged_one():
    graph = CausalGraph(["x", "y"], [Edge("x", "y", 0, "tail", "tail"), Edge("x", "y", 1)], "lagged", 1)
    assert graph.summary().adjacency().tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize(
    ("edges", "kind", "message"),
    [
        ([Edge("x", "z")], "dag", "unknown 'z'"),
        ([Edge("x", "x")], "dag", "self-loop"),
        ([Edge("x", "y"), Edge("y", "x")], "dag", "twice"),
        ([Edge("x", "y"), Edge("x", "y")], "summary", "twice"),
        ([Edge("x", "y", 1)], "dag", "lag in 0..0"),
        ([Edge("x", "y", 0, "tail", "tail")], "dag", "must be directed"),
        ([Edge("x", "y", 0, "tip", "tail")], "cpdag", "got 'tip'"),
        ([Edge("x", "y", validation="maybe")], "dag", "validation among"),
        ([], "tree", "known kind"),
    ],
)
def test_impossible_graphs_are_refused(edges, kind, message):
    with pytest.raises(InputError, match=message):
        CausalGraph(["x", "y"], edges, kind)


def test_cycles_are_refused_at_lag_zero_only():
    ring = [("x", "y"), ("y", "z"), ("z", "x")]
    with pytest.raises(InputError, match="acyclic"):
        CausalGraph("xyz", [Edge(a, b) for a, b in ring], "cpdag")
    assert CausalGraph("xyz", [Edge(a, b, 1) for a, b in ring], "lagged", 1).is_acyclic()
    assert not CausalGraph("xyz", [Edge(a, b) for a, b in ring], "summary").is_acyclic()


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: [],
        lambda d: {**d, "graph": None},
        lambda d: {**d, "graph": {**d["graph"], "format": "other"}},
        lambda d: {**d, "graph": {**d["graph"], "version": 99}},
        lambda d: {**d, "graph": {**d["graph"], "max_lag": "many"}},
        lambda d: {**d, "nodes": "abc"},
        lambda d: {**d, "nodes": [{}]},
        lambda d: {**d, "edges": [{"source": "a:traffic"}]},
        lambda d: {**d, "edges": [{"source": "a:traffic", "target": "nobody", "lag": 0}]},
        lambda d: {**d, "edges": [{"source": "a:traffic", "target": "b:traffic", "lag": 1.5}]},
        lambda d: {**d, "edges": [{"source": "a:traffic", "target": "b:traffic", "strength": "big"}]},
    ],
)
def test_damaged_files_are_named(damage):
    with pytest.raises(InputError, match=r"^here: ") as caught:
        from_json(damage(to_json(LAGGED)), "here")
    assert "\n" not in str(caught.value)


def test_broken_json_leaves_one_line(tmp_path):
    path = tmp_path / "g.json"
    path.write_text("{")
    with pytest.raises(InputError, match=r"g\.json: must be JSON"):
        CausalGraph.load(path)
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"g\.json: must be JSON"):
        CausalGraph.load(path)
