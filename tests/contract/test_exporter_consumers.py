"""Exports read back by the program they are written for, or by its documented grammar where it is not installed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import yaml
from exporter_graphs import NASTY, chain, cpdag, lagged, pag
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.plugins import exporters
from causaldisc.exporters._export import export
from causaldisc.exporters.pyrca_csv import pyrca_frame
from causaldisc.ingest._ingest import ingest

Pairs = set[tuple[str, str]]


def pairs_of(matrix) -> Pairs:
    """[i, j] = i → j of a labelled frame."""
    return {(str(a), str(b)) for a in matrix.index for b in matrix.columns if matrix.loc[a, b]}


def read_json(path: Path) -> Pairs:
    return set(nx.node_link_graph(json.loads(path.read_text()), edges="edges").edges())


def read_graphml(path: Path) -> Pairs:
    return set(nx.read_graphml(path).edges())


def read_dot(path: Path) -> Pairs:
    graph = nx.nx_pydot.read_dot(path)
    return {(a, b) for a, b, d in graph.edges(data=True) if d.get("arrowhead", "normal") == "normal"}


def read_gml(path: Path) -> Pairs:
    # dowhy.CausalModel(graph="….gml") does exactly this.
    return set(nx.DiGraph(nx.read_gml(path)).edges())


def read_timeseries(path: Path) -> Pairs:
    # dowhy.utils.timeseries.create_graph_from_csv does exactly this, row by row.
    frame = pd.read_csv(path)
    assert list(frame.columns) == ["node1", "node2", "time_lag"]
    return {(row["node1"], row["node2"]) for _, row in frame.iterrows() if int(row["time_lag"]) >= 0}


def read_pyrca(path: Path) -> Pairs:
    # pyrca.utils / BayesianNetwork: pd.read_csv without an index column; row = cause.
    frame = pd.read_csv(path)
    return pairs_of(frame.set_axis(frame.columns, axis=0))


def read_tetrad(path: Path) -> Pairs:
    from causallearn.utils.TXT2GeneralGraph import txt2generalgraph

    graph = txt2generalgraph(str(path))
    nodes = graph.get_nodes()
    return {(a.get_name(), b.get_name()) for a in nodes for b in nodes if graph.is_parent_of(a, b)}


def read_causallearn(path: Path) -> Pairs:
    from causallearn.graph.GeneralGraph import GeneralGraph
    from causallearn.graph.GraphNode import GraphNode

    matrix = np.load(path)
    nodes = [GraphNode(str(k)) for k in range(len(matrix))]
    graph = GeneralGraph(nodes)
    graph.graph = matrix
    return {(a.get_name(), b.get_name()) for a in nodes for b in nodes if graph.is_parent_of(a, b)}


def read_tigramite(path: Path) -> Pairs:
    from tigramite.graphs import Graphs

    parents = Graphs.get_dict_from_graph(np.load(path), parents_only=True)
    return {(str(i), str(j)) for j, links in parents.items() for i, _ in links}


def read_petshop(path: Path) -> Pairs:
    # PetShop's rankers: pd.read_csv(index_col=0) is the call graph, reversed for causes.
    return {(b, a) for a, b in pairs_of(pd.read_csv(path, index_col=0))}


def read_rcaeval(path: Path) -> Pairs:
    # circa.graph.MemoryGraph / StaticGraphFactory: nodes by index, edges (cause, effect).
    data = json.loads(path.read_text())
    columns = [f"{n['entity']}_{n['metric']}" for n in data["nodes"]]
    for column, node in zip(columns, data["nodes"], strict=True):
        assert column.split("_", 1) == [node["entity"], node["metric"]]
    return {(columns[i], columns[j]) for i, j in data["edges"]}


def read_mermaid(path: Path) -> Pairs:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("flowchart LR\n")
    for line in text.splitlines()[1:]:
        assert re.fullmatch(
            r'  (n\d+\["[^"\[\]<>`|&;]*(?:#\d+;[^"\[\]<>`|&;]*)*"\]|n\d+ [<o]?--[->o](\|lag \d+\|)? n\d+)', line
        ), line
    return set(re.findall(r"^  (n\d+) -->(?:\|lag \d+\|)? (n\d+)$", text, re.M))


def read_cypher(path: Path) -> Pairs:
    pairs = set()
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        assert line.endswith(";")
        assert line.count("'") % 2 == 0
        assert "\\" not in line
        bare = re.sub(r"'[^']*'", "?", line)
        match = re.fullmatch(
            r"MERGE \(v:Variable \{name: \?\}\) SET v\.service = \?, v\.metric = \?, v\.role = \?;"
            r"|MATCH \(a:Variable \{name: \?\}\), \(b:Variable \{name: \?\}\) MERGE \(a\)-\[e:CAUSES \{lag: \d+\}\]->\(b\) "
            r"SET e\.source_mark = \?, e\.target_mark = \?, e\.validation = \?(, e\.\w+ = [-\d.e]+)*;",
            bare,
        )
        assert match, bare
        strings = re.findall(r"'([^']*)'", line)
        if line.startswith("MATCH") and strings[2:4] == ["tail", "arrow"]:
            pairs.add((strings[0], strings[1]))
    return pairs


def read_pyrca_yaml(path: Path) -> Pairs:
    # pyrca.graphs.causal.base: yaml.safe_load, then "causal-graph" with these keys; requires = [cause, effect].
    body = yaml.safe_load(path.read_text(encoding="utf-8"))["causal-graph"]
    assert set(body) == {"metrics", "root-nodes", "leaf-nodes", "forbids", "requires"}
    return {(a, b) for a, b in body["requires"]}


def read_knowledge(path: Path) -> Pairs:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:6] == ["/knowledge", "addtemporal", "", "forbiddirect", "", "requiredirect"]
    return {(a, b) for a, b in (line.split() for line in lines[6:])}


READERS: dict[str, Callable[[Path], Pairs]] = {
    "json": read_json,
    "graphml": read_graphml,
    "dot": read_dot,
    "dowhy-gml": read_gml,
    "dowhy-dot": read_dot,
    "dowhy-timeseries-csv": read_timeseries,
    "pyrca-csv": read_pyrca,
    "tetrad-txt": read_tetrad,
    "causallearn-npy": read_causallearn,
    "tigramite-npy": read_tigramite,
    "petshop-csv": read_petshop,
    "rcaeval-json": read_rcaeval,
    "mermaid": read_mermaid,
    "cypher": read_cypher,
    "pyrca-yaml": read_pyrca_yaml,
    "tetrad-knowledge": read_knowledge,
    "causalnex-json": read_json,
}
LOSSLESS = {"json", "graphml", "dot", "tigramite-npy", "mermaid", "cypher", "dowhy-timeseries-csv", "causalnex-json"}
MARKS_KEPT = {"json", "graphml", "dot", "tigramite-npy", "mermaid", "cypher", "tetrad-txt", "causallearn-npy"}


def read_back(graph: CausalGraph, to: str, folder: Path, level: str = "metric") -> Pairs:
    """Export, read with the consumer, and map names back."""
    paths = export(graph, to, folder / f"out{exporters.get(to).suffix}", level)
    names = next((json.loads(p.read_text(encoding="utf-8")) for p in paths if p.name.endswith(".names.json")), {})
    return {(names.get(a, a), names.get(b, b)) for a, b in READERS[to](paths[0])}


def truth(graph: CausalGraph) -> Pairs:
    return {(e.source, e.target) for e in graph.edges if e.is_directed}


def test_every_exporter_of_the_house_has_its_consumer():
    assert set(READERS) == {n for n in exporters.names() if exporters.origin(n) == "causaldisc"}


@pytest.mark.parametrize("to", READERS)
def test_direction_survives(tmp_path, to):
    graph = chain(("a:cpu", "b:latency", "c:errors", "d"))
    assert read_back(graph, to, tmp_path) == truth(graph)


@pytest.mark.parametrize("to", READERS)
def test_nasty_names_survive(tmp_path, to):
    graph = chain(NASTY)
    assert read_back(graph, to, tmp_path) == truth(graph)


@pytest.mark.parametrize("to", READERS)
def test_lags_are_kept_or_collapsed_by_the_stated_rule(tmp_path, to):
    graph = lagged()
    everything = truth(graph)
    if to in LOSSLESS:
        assert read_back(graph, to, tmp_path) == everything
    elif to == "petshop-csv":
        assert read_back(graph, to, tmp_path) == everything - {("a:cpu", "a:cpu")}
    else:
        assert read_back(graph, to, tmp_path) == {("a:cpu", "b:cpu"), ("b:cpu", "c:cpu")}
        meta = json.loads((tmp_path / f"out{exporters.get(to).suffix}.meta.json").read_text())
        assert {(o["source"], o["target"], o["why"]) for o in meta["left_out"]} == {
            ("a:cpu", "a:cpu", "an edge of a variable to itself"),
            ("b:cpu", "a:cpu", "would close a cycle"),
        }


@pytest.mark.parametrize("to", READERS)
def test_a_cpdag_keeps_its_marks_or_becomes_a_member_of_its_class(tmp_path, to):
    graph = cpdag()
    found = read_back(graph, to, tmp_path)
    if to in {"json", "graphml"}:  # every edge, with its marks as attributes
        assert found == truth(graph) | {("d", "e")}
    elif to in MARKS_KEPT:
        assert found == truth(graph)
    else:
        assert found in (truth(graph) | {("d", "e")}, truth(graph) | {("e", "d")})


@pytest.mark.parametrize("to", sorted(set(READERS) - {"json", "graphml"}))
def test_only_what_is_directed_in_a_pag_is_directed_in_the_file(tmp_path, to):
    found = read_back(pag(), to, tmp_path)
    assert found - {("a", "b"), ("b", "c")} == {("c", "d")}
    if to not in MARKS_KEPT:
        assert found == {("c", "d")}


@pytest.mark.parametrize("to", READERS)
def test_service_level(tmp_path, to):
    graph = CausalGraph(
        ["db:cpu", "db:latency", "web:latency"], [Edge("db:cpu", "db:latency"), Edge("db:latency", "web:latency")]
    )
    found = read_back(graph, to, tmp_path, "service")
    if to == "rcaeval-json":  # nodes of that format are always entity and metric
        assert {(a.split("_")[0], b.split("_")[0]) for a, b in found} == {("db", "web")}
    else:
        assert found == {("db", "web")}


def test_isolated_nodes_survive(tmp_path):
    graph = CausalGraph(["a", "node", "edge x"])
    assert set(nx.nx_pydot.read_dot(export(graph, "dowhy-dot", tmp_path / "g.dot")[0])) == {"a", "%6E%6F%64%65", "edge x"}
    assert set(nx.read_gml(export(graph, "dowhy-gml", tmp_path / "g.gml")[0])) == {"a", "node", "edge x"}
    assert list(pd.read_csv(export(graph, "pyrca-csv", tmp_path / "g.csv")[0])) == ["a", "node", "edge x"]
    assert set(nx.read_graphml(export(graph, "graphml", tmp_path / "g.graphml")[0])) == {"a", "node", "edge x"}


def test_json_is_the_graph_file(tmp_path):
    for graph in (lagged(), cpdag(), pag(), chain(NASTY)):
        back = CausalGraph.load(export(graph, "json", tmp_path / "g.json")[0])
        assert (back.variables, back.edges, back.kind, back.step_seconds) == (
            graph.variables,
            graph.edges,
            graph.kind,
            graph.step_seconds,
        )


def test_graphml_keeps_lags_marks_and_numbers(tmp_path):
    edge = Edge("a", "b", 1, strength=0.25, p_value=1e-9, evidence=("data", "prior"), validation="confirmed")
    graph = CausalGraph(["a", "b"], [edge, Edge("a", "b", source_mark="arrow")], "pag", 1)
    read = nx.read_graphml(export(graph, "graphml", tmp_path / "g.graphml")[0], force_multigraph=True)
    first, second = sorted((d for *_, d in read.edges(data=True)), key=lambda d: d["lag"])
    assert (first["source_mark"], first["target_mark"], "strength" in first) == ("arrow", "arrow", False)
    assert (second["strength"], second["p_value"], second["evidence"]) == (0.25, 1e-9, "data;prior")
    assert (read.nodes["a"]["metric"], read.graph["kind"]) == ("value", "pag")


def test_tigramite_array_is_one_that_tigramite_checks(tmp_path):
    from tigramite.causal_effects import CausalEffects

    array = np.load(export(lagged(), "tigramite-npy", tmp_path / "g.npy")[0])
    effects = CausalEffects(
        array, graph_type="stationary_dag", X=[(1, 0)], Y=[(2, 0)]
    )  # raises when the array contradicts itself
    assert not effects.no_causal_path
    assert CausalEffects(array, graph_type="stationary_dag", X=[(2, 0)], Y=[(1, 0)]).no_causal_path
    assert array[0, 1].tolist() == ["", "-->", ""]
    assert (array[1, 2, 0], array[2, 1, 0]) == ("-->", "<--")
    marks = np.load(export(cpdag(), "tigramite-npy", tmp_path / "c.npy")[0])
    assert (marks[3, 4, 0], marks[4, 3, 0]) == ("o-o", "o-o")


def test_timeseries_lags_and_isolated_nodes(tmp_path):
    paths = export(lagged(), "dowhy-timeseries-csv", tmp_path / "g.csv")
    assert paths[0].read_text().splitlines()[1:] == ["a:cpu,a:cpu,1", "a:cpu,b:cpu,1", "b:cpu,a:cpu,2", "b:cpu,c:cpu,0"]
    export(CausalGraph(["a", "b", "c"], [Edge("a", "b")]), "dowhy-timeseries-csv", tmp_path / "h.csv")
    assert json.loads((tmp_path / "h.csv.meta.json").read_text())["nodes_without_an_edge"] == ["c"]


def test_pyrca_frame_has_equal_index_and_columns():
    frame = pyrca_frame(chain(("a", "b", "c", "d")))
    assert list(frame.index) == list(frame.columns) == ["a", "b", "c", "d"]
    assert pairs_of(frame) == {("a", "b"), ("b", "c"), ("c", "d"), ("a", "c")}


def test_petshop_export_is_read_by_ingest_as_calls(tmp_path):
    graph = CausalGraph(["db:latency", "web:latency"], [Edge("db:latency", "web:latency")])
    path = export(graph, "petshop-csv", tmp_path / "graph.csv", "service")[0]
    assert ingest([path]).prior.calls == (("web", "db"),)


def test_refuted_edges_are_not_given_to_engines(tmp_path):
    graph = CausalGraph(["a", "b", "c"], [Edge("a", "b", validation="refuted"), Edge("b", "c", validation="confirmed")])
    assert read_back(graph, "dowhy-gml", tmp_path) == {("b", "c")}
    assert read_back(graph, "json", tmp_path) == truth(graph)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.text(
            st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")) | st.sampled_from("\n\t \"'\\%;:_#&<>[]{}|`"), min_size=1
        )
        .filter(str.strip)
        .filter(lambda name: name != "time"),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
@pytest.mark.parametrize("to", READERS)
def test_any_name_survives(tmp_path_factory, to, names):
    graph = CausalGraph(names, [Edge(*names)])
    assert read_back(graph, to, tmp_path_factory.mktemp("names")) == {tuple(names)}


def test_causalnex_lags_are_unrolled_as_dynotears_names_them(tmp_path):
    paths = export(lagged(), "causalnex-json", tmp_path / "g.json")
    read = nx.node_link_graph(json.loads(paths[0].read_text()), edges="edges")
    assert ("a:cpu_lag1", "b:cpu_lag0") in read.edges
    assert read.edges["a:cpu_lag1", "b:cpu_lag0"]["weight"] == 0.5
    assert len(read) == 9
