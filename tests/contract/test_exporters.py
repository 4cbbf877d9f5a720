"""Every exporter, found by name: what it writes keeps direction and names, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from exporter_graphs import NASTY, chain, cpdag, lagged, pag, reverse

from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import exporters
from causaldisc.exporters._export import export

NAMES = exporters.names()
GRAPHS = {
    "chain": lambda: chain(("a:cpu", "b:latency", "c:errors", "d")),
    "nasty": lambda: chain(NASTY),
    "no edge": lambda: CausalGraph(["a", "b"]),
    "one node": lambda: CausalGraph(["a"]),
    "no node": lambda: CausalGraph([]),
    "cpdag": cpdag,
    "pag": pag,
    "lagged": lagged,
}


@pytest.mark.parametrize("level", ["metric", "service"])
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("to", NAMES)
def test_every_graph_is_written_and_nothing_else_is(tmp_path, capfd, to, graph, level):
    made = GRAPHS[graph]()
    before = made.edges
    paths = export(made, to, tmp_path / "deep" / "out.bin", level)
    assert paths[0] == tmp_path / "deep" / "out.bin"
    assert set(paths) == set((tmp_path / "deep").iterdir())
    assert {p.name for p in paths[1:]} <= {"out.bin.names.json", "out.bin.meta.json"}
    for companion in paths[1:]:
        assert json.loads(companion.read_text(encoding="utf-8")) is not None
    again = export(GRAPHS[graph](), to, tmp_path / "again" / "out.bin", level)
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in paths]
    assert made.edges == before
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("to", NAMES)
def test_direction_is_in_the_file(tmp_path, to):
    for names in (("a:cpu", "b:latency", "c:errors", "d:load"), NASTY):
        forward, backward = chain(names), reverse(chain(names))
        texts = [export(g, to, tmp_path / f"{k}.bin")[0].read_bytes() for k, g in enumerate((forward, backward))]
        assert texts[0] != texts[1]


@pytest.mark.parametrize("to", NAMES)
def test_every_name_can_be_told_from_the_files(tmp_path, to):
    paths = export(chain(NASTY), to, tmp_path / "out.bin")
    mapped = next((json.loads(p.read_text(encoding="utf-8")) for p in paths if p.name.endswith(".names.json")), None)
    if mapped is None:  # the format takes any text: then the plain names stand in the file
        mapped = dict.fromkeys(NASTY)
        text = paths[0].read_text(encoding="utf-8")
        assert all(word in text for word in ("AWS::SSM/x:latency_p95", "n0", "1e5"))
        return
    assert sorted(mapped.values()) == sorted(NASTY)
    assert len(mapped) == len(NASTY)


@pytest.mark.parametrize("to", NAMES)
def test_what_was_collapsed_is_said(tmp_path, to):
    paths = export(lagged(), to, tmp_path / "out.bin")
    meta = next((json.loads(p.read_text()) for p in paths if p.name.endswith(".meta.json")), None)
    text = paths[0].read_bytes().decode("utf-8", "ignore").replace("\0", "")
    if meta is None:  # lossless: the lags must be in the file itself
        assert "lag" in text
        return
    assert (meta["exporter"], meta["kind"], meta["max_lag"]) == (to, "lagged", 2)
    assert all({"source", "target", "lag", "why"} <= set(entry) for entry in meta.get("left_out", []))


@pytest.mark.parametrize("to", NAMES)
def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch, to):
    real = Path.replace

    def broken(self: Path, target: Path) -> Path:
        if Path(target).name == "out.bin":
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(InputError, match="No space left"):
        export(lagged(), to, tmp_path / "out.bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", NAMES)
def test_a_failed_write_keeps_what_was_there(tmp_path, to):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="got a directory"):
        export(lagged(), to, tmp_path / "folder")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError):
        export(lagged(), to, tmp_path / "file" / "out.bin")
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("to", NAMES)
def test_a_plugin_says_who_it_is(to):
    exporter = exporters.get(to)
    assert exporter.name == to
    assert exporter.suffix.startswith(".")
    assert exporter.summary


def test_unknown_format_and_level_are_refused(tmp_path):
    with pytest.raises(InputError, match="did you mean pyrca-csv"):
        export(cpdag(), "pyrca_csv", tmp_path / "x")
    with pytest.raises(InputError, match="level must be"):
        export(cpdag(), "json", tmp_path / "x", "pod")
    with pytest.raises(InputError, match="lone surrogate"):
        export(CausalGraph(["a\ud800"]), "json", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
