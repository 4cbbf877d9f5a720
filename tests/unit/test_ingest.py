"""Ingest: every format told apart by content, inputs joined by rule, and what does not fit refused by name."""

from __future__ import annotations

import json

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.intervention import Intervention
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.telemetry_file import write_csv, write_parquet
from causaldisc.ingest._ingest import ingest
from causaldisc.ingest._reader import InputFile, readers

PETSHOP = """microservice,A_AWS::SSM,A_AWS::SSM,web
metric,latency,requests,latency
statistic,p95,Sum,Average
unix_timestamp,,,
1692608400.0,0.25,,
1692608700.0,0.5,3.0,
"""
CALLS = [("web", "A_AWS::SSM"), ("web", "169.254.170.2_remote"), ("A_AWS::SSM", "db/é")]


def as_matrix(folder):
    names = ["db/é", "web", "A_AWS::SSM", "169.254.170.2_remote"]
    matrix = pd.DataFrame(0.0, index=names, columns=names)
    for caller, callee in CALLS:
        matrix.loc[caller, callee] = 1.0
    matrix.to_csv(folder / "matrix.csv")
    return folder / "matrix.csv"


def as_edges(folder):
    pd.DataFrame([(b, a, 3) for a, b in CALLS], columns=["callee", "caller", "rate"]).to_csv(folder / "edges.csv", index=False)
    return folder / "edges.csv"


def as_node_link(folder, edges="edges"):
    (folder / "graph.txt").write_text(json.dumps(nx.node_link_data(nx.DiGraph(CALLS), edges=edges)))
    return folder / "graph.txt"


def as_links(folder):
    return as_node_link(folder, "links")


def as_jaeger(folder, wrap=lambda links: links):
    links = [{"parent": a, "child": b, "callCount": 7} for a, b in CALLS] + [{"parent": "db/é", "child": "web", "callCount": 0}]
    (folder / "deps").write_text(json.dumps(wrap(links)))
    return folder / "deps"


def as_wrapped_jaeger(folder):
    return as_jaeger(folder, lambda links: {"data": links, "total": 0})


@pytest.mark.parametrize("write", [as_matrix, as_edges, as_node_link, as_links, as_jaeger, as_wrapped_jaeger])
def test_every_call_graph_format_keeps_the_direction(tmp_path, write):
    path = write(tmp_path)
    result = ingest([path])
    assert result.telemetry is None
    assert set(result.prior.calls) == set(CALLS)
    result.prior.save(tmp_path / "p.yaml")
    assert ExpertPrior.load(tmp_path / "p.yaml") == result.prior


def test_every_reader_recognises_its_own_files_alone(tmp_path):
    telemetry = Telemetry([[1.0, 2.0], [2.0, 1.0]], ["caller:cpu", "callee:cpu"])
    write_csv(telemetry, tmp_path / "caller,callee")
    write_parquet(telemetry, tmp_path / "json")
    (tmp_path / "petshop").write_text(PETSHOP)
    paths = [tmp_path / n for n in ("caller,callee", "json", "petshop")]
    for write in (as_matrix, as_edges, as_node_link, as_jaeger):
        paths.append(write(tmp_path))
    claims = [[n for n in readers.names() if readers.build(n).recognises(InputFile.of(p))] for p in paths]
    assert all(len(c) == 1 for c in claims)
    assert {c[0] for c in claims} == set(readers.names())


def test_petshop_with_its_graph(tmp_path):
    (tmp_path / "metrics.csv").write_text(PETSHOP)
    result = ingest([tmp_path / "metrics.csv", as_matrix(tmp_path)])
    assert result.telemetry.names == ("A_AWS::SSM:latency_p95", "A_AWS::SSM:requests_Sum")
    assert result.report["empty_columns"] == ["web:latency_Average"]
    assert result.report["services_without_telemetry"] == ["db/é", "web", "169.254.170.2_remote"]
    assert set(result.prior.calls) == set(CALLS)
    assert [e["format"] for e in result.report["inputs"]] == ["telemetry_csv", "call_matrix_csv"]
    json.dumps(result.report)


def test_two_call_graphs_are_united_and_self_calls_left_out(tmp_path):
    (tmp_path / "a.csv").write_text("caller,callee\na,b\na,a\n")
    (tmp_path / "b.csv").write_text("caller,callee\nb,c\na,b\n")
    result = ingest([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert result.prior.calls == (("a", "b"), ("b", "c"))
    assert result.report["self_calls"] == 1


def telemetry(folder, name, body):
    (folder / name).write_text(body)
    return folder / name


def test_shared_columns_make_environments(tmp_path):
    a = telemetry(tmp_path, "a.csv", "time,x,y\n0,1,2\n15,2,3\n")
    b = telemetry(tmp_path, "b.csv", "time,y,x\n0,9,8\n15,7,6\n30,5,4\n")
    found = ingest([a, b]).telemetry
    assert found.environments.tolist() == [0, 0, 1, 1, 1]
    assert found.values.tolist() == [[1, 2], [2, 3], [8, 9], [6, 7], [4, 5]]


def test_environments_over_the_union_of_columns_when_times_are_apart(tmp_path):
    a = telemetry(tmp_path, "a.csv", "time,x,y\n0,1,2\n15,2,3\n")
    b = telemetry(tmp_path, "b.csv", "time,y,z\n100,9,8\n115,7,6\n")
    found = ingest([a, b]).telemetry
    assert found.names == ("x", "y", "z")
    assert np.isnan(found.values).tolist() == [[False, False, True]] * 2 + [[True, False, False]] * 2


def test_disjoint_columns_stand_side_by_side(tmp_path):
    a = telemetry(tmp_path, "a.csv", "time,x\n0,1\n15,2\n30,3\n")
    b = telemetry(tmp_path, "b.csv", "time,y\n15,5\n30,6\n45,7\n")
    result = ingest([a, b])
    assert result.report["joined"] == "side by side"
    assert result.telemetry.times.tolist() == [0, 15, 30, 45]
    assert np.array_equal(result.telemetry.values, [[1, np.nan], [2, 5], [3, 6], [np.nan, 7]], equal_nan=True)


A = "time,x,y\n0,1,2\n15,2,3\n"
MISFITS = (
    ((A, "time,y,z\n0,9,8\n15,7,6\n"), "column 'y' is also in .* over the same times"),
    ((A, "time,z\n1,9\n16,8\n"), "must have times in common"),
    ((A, "time,z\n2024-01-01,9\n2024-01-02,8\n"), "must be of one clock"),
    ((A, "time,x,y\n0,1,2\n15,2,3\n", "time,z\n0,9\n15,8\n"), "must all share columns"),
    (("a,b\n1,2\n",), "must be of a format that ingest reads"),
    (("",), "must not be empty"),
    (('{"nodes": [}',), "must be JSON"),
    (('{"spans": []}',), "must be of a format that ingest reads"),
    (('{"nodes": [{"id": 7}], "edges": []}',), r"nodes\[0\].id must name a service"),
    (('{"nodes": [{"id": "a"}], "edges": [{"source": "a", "target": "b"}]}',), "unknown 'b'"),
    (('{"nodes": [{"id": "a"}], "edges": {"a": "b"}}',), "must be lists"),
    (('{"directed": false, "nodes": [], "edges": []}',), "must be directed"),
    (('{"graph": {"format": "causaldisc-graph"}, "nodes": [], "edges": []}',), "got a causal graph"),
    (('[{"parent": "a", "child": ""}]',), "dependency 0, child must name a service"),
    (('[{"parent": "a", "child": "b", "callCount": "9"}]',), "callCount must be a number"),
    ((",a,b\na,0,1\n",), "rows and columns must be the same services"),
    ((",a,b\na,0,1\nb,0\n",), "row 1 must have 3 cells"),
    ((",a,b\na,0,1\nb,,0\n",), "cell 'b' -> 'a' must be a number"),
    ((",a,b\na,0,1\nb,0,-1\n",), "cell 'b' -> 'b' must be a number"),
    (("caller,callee\na,\n",), "row 0, callee must name a service"),
    (("caller,callee\na\n",), "row 0 must have 2 cells"),
)


@pytest.mark.parametrize(("bodies", "words"), MISFITS)
def test_inputs_that_do_not_fit_are_refused(tmp_path, bodies, words):
    paths = [telemetry(tmp_path, f"{k}.in", body) for k, body in enumerate(bodies)]
    with pytest.raises(InputError, match=words) as caught:
        ingest(paths)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_windows_are_never_lost_silently(tmp_path):
    labelled = Telemetry([[1.0], [2.0]], ["x"], windows=[Intervention("x", "kill")])
    write_parquet(labelled, tmp_path / "a.parquet")
    assert ingest(tmp_path / "a.parquet").telemetry.windows == labelled.windows
    again = ingest([tmp_path / "a.parquet", tmp_path / "a.parquet"]).telemetry
    assert [w.environment for w in again.windows] == [None, 1]
    assert [again.window_rows(w).tolist() for w in again.windows] == [[True, True, False, False], [False, False, True, True]]
    other = Telemetry([[1.0], [2.0]], ["y"], windows=labelled.windows)
    write_parquet(other, tmp_path / "b.parquet")
    with pytest.raises(InputError, match="intervention windows"):
        ingest([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    with pytest.raises(InputError, match="at least one file"):
        ingest([])
