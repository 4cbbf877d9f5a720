"""The main job as a user types it, in a folder of their own."""

import csv
import json

import networkx as nx
import pytest

from causaldisc.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("flow")


@pytest.fixture
def command(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)

    def call(*words, status=0):
        assert main([str(w) for w in words]) == status
        return capsys.readouterr()

    return call


@pytest.fixture
def system(folder, command):
    if not (folder / "system").exists():
        command("simulate", "mesh", "--seed", 5, "--set", "n_services=4", "-o", "system")
        command("discover", "system/telemetry.parquet", "--prior", "system/prior.yaml", "-o", "graph.json")
    return folder / "system"


def test_simulate_writes_what_the_interface_says(system):
    names = {p.name for p in system.iterdir()}
    assert {"telemetry.parquet", "truth.json", "call_graph.json", "prior.yaml", "trials", "trials.json", "manifest.json"} <= names
    trials = json.loads((system / "trials.json").read_text())
    assert trials
    assert all((system / t["file"]).is_file() for t in trials)
    for name in ("truth.json", "call_graph.json"):
        nx.node_link_graph(json.loads((system / name).read_text()), edges="edges")


def test_discover_reports_and_writes_a_graph(system, command, folder):
    done = command(
        "discover", "system/telemetry.parquet", "--prior", "system/prior.yaml", "--set", "alpha=0.05", "--json", "-o", "g2.json"
    )
    facts = json.loads(done.out)
    assert facts["certificate"]["ok"]
    assert facts["edges"] == len(json.loads((folder / "g2.json").read_text())["edges"]) > 0
    printed = command("discover", "system/telemetry.parquet", "--algorithm", "empty")
    assert json.loads(printed.out)["graph"]["format"] == "causaldisc-graph"


def test_the_same_seed_gives_the_same_file(system, command, folder):
    for name in ("a.json", "b.json"):
        command("discover", "system/telemetry.parquet", "--algorithm", "random", "--seed", 3, "-o", name)
    assert (folder / "a.json").read_bytes() == (folder / "b.json").read_bytes()


def test_several_files_are_environments(system, command, folder):
    command("discover", "system/telemetry.parquet", "system/telemetry.parquet", "-o", "two.json")
    assert (folder / "two.json").is_file()


def test_score_validate_score(system, command):
    before = json.loads(command("score", "graph.json", "system/truth.json", "--json").out)
    assert before["directed_f1_z"] > 3 and before["precision_lift"] > 2  # far better than chance, and than density alone
    command("validate", "graph.json", "--source", "system", "--budget", 3, "-o", "validated.json")
    marked = json.loads((system.parent / "validated.json").read_text())
    states = {e["validation"] for e in marked["edges"]}
    assert "confirmed" in states
    assert "untested" in states, "three trials cannot decide everything"
    assert marked["graph"]["provenance"]["validation"]["trials"]
    assert "directed_f1" in command("score", "validated.json", "system/truth.json").out


def test_export_and_rca(system, command, folder):
    command("export", "graph.json", "--to", "pyrca-csv", "-o", "adjacency.csv")
    rows = list(csv.reader((folder / "adjacency.csv").open()))
    assert len(rows) == 17
    trial = json.loads((system / "trials.json").read_text())[0]
    done = command("rca", "graph.json", system / trial["file"], "--at", trial["start"], "--json")
    ranking = json.loads(done.out)
    assert [c["rank"] for c in ranking["causes"]] == [1, 2, 3, 4, 5]
    assert "rank" in command("rca", "graph.json", system / trial["file"], "--top", 2).out


def test_ingest_makes_telemetry_and_prior(system, command, folder):
    command("ingest", "system/telemetry.parquet", "system/call_graph.json", "-o", "t.parquet", "--prior-out", "p.yaml")
    command("discover", "t.parquet", "--prior", "p.yaml", "-o", "from_ingest.json")
    assert (folder / "from_ingest.json").is_file()


def test_a_broken_promise_ends_with_one(system, command, folder, monkeypatch):
    # an algorithm that ignores its constraints is caught by the certificate, not by its own word
    from causaldisc.algorithms.empty import Empty
    from causaldisc.core.constraints import Constraints
    from causaldisc.core.prior import ExpertPrior

    honest = Empty.discover

    def careless(self, telemetry, constraints, rng):
        free = Constraints.of(ExpertPrior(), telemetry.variables, constraints.max_lag)
        return honest(self, telemetry, free, rng)

    monkeypatch.setattr(Empty, "discover", careless)
    (folder / "hard.yaml").write_text('required: [{source: "frontend:requests", target: "frontend:cpu"}]')
    done = command(
        "discover", "system/telemetry.parquet", "--algorithm", "empty", "--prior", "hard.yaml", "-o", "v.json", status=1
    )
    assert done.err.startswith("error: the graph breaks prior clause required[0]")


@pytest.mark.parametrize("kind", [None, "algorithms", "sources", "metrics", "exporters", "datasets", "rca", "planners"])
def test_list(kind, command):
    words = ["list", kind] if kind else ["list"]
    found = json.loads(command(*words, "--json").out)
    assert found
    assert all(entries for entries in found.values())
    assert command(*words, "--parameters").out


def test_doctor(system, command):
    assert "torch" in command("doctor").out
    assert json.loads(command("doctor", "system/telemetry.parquet", "--json").out)


def test_run_then_leaderboard(command, folder):
    done = command("run", "-m", "algorithm=empty,correlation", "source=sem", "source.n_samples=100", "seed=0,1", "tracker=none")
    assert "4 ok" in done.out
    command("leaderboard", "build", "-o", "site")
    assert (folder / "site" / "index.html").is_file()
    key = next((folder / "outcomes").iterdir()).name
    assert "same" in command("leaderboard", "verify", key[:10]).out
    assert (
        "4 done"
        in command("run", "-m", "algorithm=empty,correlation", "source=sem", "source.n_samples=100", "seed=0,1", "--status").out
    )


def test_the_normal_period_may_be_a_file_of_its_own(system, command):
    trial = json.loads((system / "trials.json").read_text())[0]
    words = ("rca", "graph.json", system / trial["file"], "--normal", "system/telemetry.parquet", "--json")
    ranking = json.loads(command(*words).out)
    assert ranking["report"]["normal_rows"] == 480
    assert not ranking["onset_found"]


def test_an_input_is_never_written_over(system, command, folder):
    before = (system / "telemetry.parquet").read_bytes()
    for words in (["discover", "system/telemetry.parquet"], ["ingest", "system/telemetry.parquet"]):
        assert "one of the inputs" in command(*words, "-o", "system/../system/telemetry.parquet", status=2).err
    assert (system / "telemetry.parquet").read_bytes() == before
    assert "must end in .parquet or .csv" in command("ingest", "system/telemetry.parquet", "-o", "t.txt", status=2).err
    command("ingest", "system/telemetry.parquet", "-o", "t.csv")
    assert (folder / "t.csv").read_text().startswith('"time"')


def test_misspelt_services_show_in_the_report(system, command, folder):
    (folder / "odd.yaml").write_text("calls: [[fronted, payment]]")
    done = command("discover", "system/telemetry.parquet", "--prior", "odd.yaml", "-o", "odd.json")
    assert "called services without telemetry: fronted, payment" in done.out
    (folder / "glob.yaml").write_text('required: [{source: "zzz:*", target: "*:cpu"}]')
    refused = command("discover", "system/telemetry.parquet", "--prior", "glob.yaml", "-o", "odd2.json", status=2)
    assert refused.err.startswith("error: glob.yaml: required[0] zzz:*")
