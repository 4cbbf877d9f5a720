"""What a user can get wrong on the command line: one line, the right exit status, no traceback, nothing half-written."""

import json

import numpy as np
import pytest

from causaldisc import CausalGraph, Edge
from causaldisc.cli.main import main

GOOD = "time,a:cpu,b:latency\n" + "".join(f"{t},{np.sin(t * 1.7):.4f},{np.cos(t * 2.3):.4f}\n" for t in range(30))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.csv").write_text(GOOD)
    CausalGraph(["a:cpu", "b:latency"], [Edge("a:cpu", "b:latency")]).save("graph.json")
    return tmp_path


def refused(capsys, folder, *argv, status=2):
    before = sorted(p.name for p in folder.rglob("*"))
    assert main(list(argv)) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in captured.err
    assert sorted(p.name for p in folder.rglob("*")) == before, "a refused command must leave nothing behind"
    return lines[0]


TELEMETRY = {
    "no such file": (None, "no.csv: no such file"),
    "empty file": ("", "bad.csv"),
    "non-numeric column": ("time,a:cpu\n0,1\n1,up\n2,3\n", "'a:cpu'"),
    "all-NaN column": ("time,a:cpu,b:cpu\n0,1,\n1,2,\n2,3,\n", "'b:cpu'"),
    "duplicate names": ("time,a:cpu,a:cpu\n0,1,2\n1,2,3\n2,3,1\n", "'a:cpu'"),
    "unsorted times": ("time,a:cpu\n0,1\n2,2\n1,3\n", "unsorted time 1"),
    "repeated times": ("time,a:cpu\n0,1\n1,2\n1,3\n", "repeated time 1"),
    "one row": ("time,a:cpu\n0,1\n", "at least 2 rows"),
    "no rows": ("time,a:cpu\n", "rows"),
    "no columns": ("time\n0\n1\n", "column"),
    "infinite value": ("time,a:cpu\n0,1\n1,inf\n2,3\n", "'a:cpu'"),
    "no time": ("a:cpu,b:cpu\n0,1\n1,2\n2,5\n", "time"),
    "ragged": ("time,a:cpu\n0,1\n1,2,3,4\n2,3\n", "bad.csv"),
    "binary": ("\x00\x01\x02\x03,\x00\n\x00", "bad.csv"),
}


@pytest.mark.parametrize("case", TELEMETRY)
def test_bad_telemetry(case, capsys, folder):
    content, needle = TELEMETRY[case]
    path = "no.csv" if content is None else "bad.csv"
    if content is not None:
        (folder / path).write_text(content)
    assert needle in refused(capsys, folder, "discover", path, "--algorithm", "empty", "-o", "out/g.json")


PRIORS = {
    "contradictory": ('required: [{source: "a:cpu", target: "b:latency"}]\nleaves: ["a:cpu"]', ["required[0]", "leaves: a:cpu"]),
    "cyclic": (
        'required: [{source: "a:cpu", target: "b:latency", lag: 0}, {source: "b:latency", target: "a:cpu", lag: 0}]',
        ["required[0]", "required[1]", "cycle"],
    ),
    "unknown variable": ('roots: ["c:cpu"]', ["'c:cpu'", "did you mean a:cpu?"]),
    "unknown clause": ("require: []", ["p.yaml", "did you mean required?"]),
    "not YAML": ("required: [", ["p.yaml: must be YAML"]),
    "code": ("!!python/object/apply:os.system ['touch owned']", ["p.yaml: must be YAML"]),
}


@pytest.mark.parametrize("case", PRIORS)
def test_bad_priors(case, capsys, folder):
    text, needles = PRIORS[case]
    (folder / "p.yaml").write_text(text)
    line = refused(capsys, folder, "discover", "good.csv", "--algorithm", "empty", "--prior", "p.yaml", "-o", "g.json")
    for needle in needles:
        assert needle in line


@pytest.mark.parametrize(
    ("argv", "needle"),
    [
        (["discover", "good.csv", "--algorithm", "emptyy", "-o", "g.json"], "did you mean empty?"),
        (["discover", "good.csv", "--algorithm", "empty", "--set", "maxlag=1", "-o", "g.json"], "did you mean max_lag?"),
        (["discover", "good.csv", "--algorithm", "empty", "--set", "max_lag=soon", "-o", "g.json"], "must be a whole number"),
        (["discover", "good.csv", "--algorithm", "empty", "--set", "max_lag=-1", "-o", "g.json"], "empty.max_lag must be >= 0"),
        (["discover", "good.csv", "--algorithm", "empty", "--set", "max_lag", "-o", "g.json"], "must be key=value"),
        (["discover", "good.csv", "--algorithm", "empty", "--set", "max_lag=40", "-o", "g.json"], "got 30 rows"),
        (["discover", "good.csv", "--seed", "-1", "-o", "g.json"], "whole number >= 0"),
        (["discover", "good.csv", "--algorithm", "empty", "-o", "."], "got a folder"),
        (["discover", "good.csv", "--algorithm", "empty", "-o", "good.csv/g.json"], "folder"),
        (["discover"], "required: TELEMETRY"),
        (["discover", "good.csv", "--algoritm", "pc"], "--algoritm"),
        (["discovr"], "invalid choice"),
        ([], "COMMAND"),
        (["score", "graph.json", "no.json"], "no.json: no such file"),
        (["score", "graph.json", "good.csv"], "good.csv: must be JSON"),
        (["export", "graph.json", "--to", "gml", "-o", "x.gml"], "unknown exporter 'gml'"),
        (["validate", "graph.json", "--source", "mash"], "did you mean mesh?"),
        (["simulate", "meshh", "-o", "d"], "did you mean mesh?"),
        (["simulate", "mesh", "--set", "n_service=3", "-o", "d"], "did you mean n_services?"),
        (["rca", "graph.json", "no.csv"], "no.csv"),
        (["rca", "graph.json", "good.csv", "--method", "zscor"], "did you mean zscore?"),
        (["list", "algorithm"], "invalid choice"),
        (["leaderboard", "build", "--outcomes", "none"], "folder of outcomes"),
        (["ingest", "good.csv"], "-o TELEMETRY.parquet"),
        (["run", "algorithm=pcc"], "pcc"),
        (["run", "algorithm.alhpa=0.1"], "alhpa"),
        (["run", "sed=1"], "sed"),
        (["run", "algorithm=pc,ges"], "-m"),
        (["run", "algorithm=pc", "+algorithm._target_=os.system"], "_target_"),
    ],
)
def test_bad_usage(argv, needle, capsys, folder):
    assert needle in refused(capsys, folder, *argv)


def test_malformed_graph_json(capsys, folder):
    for text in ("{", "[]", '{"nodes": []}', json.dumps({"graph": {"format": "causaldisc-graph", "version": 1}, "nodes": 3})):
        (folder / "bad.json").write_text(text)
        assert "bad.json" in refused(capsys, folder, "score", "bad.json", "graph.json")
        assert "bad.json" in refused(capsys, folder, "export", "bad.json", "--to", "json", "-o", "x.json")


def test_debug_shows_the_traceback(folder):
    with pytest.raises(Exception, match="no such file"):
        main(["discover", "no.csv", "--algorithm", "empty", "--debug"])


def test_an_interrupt_ends_with_130(capsys, folder, monkeypatch):
    import causaldisc.runner.pipeline as pipeline

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "discover", interrupted)
    assert (
        refused(capsys, folder, "discover", "good.csv", "--algorithm", "empty", "-o", "g.json", status=130)
        == "error: interrupted"
    )
