"""The speed study: which runs are missing, runs that take too long, the table, and how graphs are judged."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.core.graph import DIRECTED, UNDIRECTED

STUDY = Path(__file__).parents[2] / "experiments" / "engine_speed"
MODULES = ("bench", "workloads", "machine", "report", "figure", "judge", "compete")


@pytest.fixture(autouse=True)
def study(monkeypatch):
    """The folder of the study on the path, as when its script runs; its plain module names are given back afterwards."""
    if not STUDY.is_dir():
        pytest.skip("the studies are not here")
    monkeypatch.syspath_prepend(str(STUDY))
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def run(algorithm, seed, cpu=1.0, workload="pc_d20_n1000", permutation=0, **more):
    good = {"status": "ok", "cpu": cpu, "wall": 2 * cpu, "peak_mb": 150.4, "skeleton_f1": 0.9, "shd_cpdag": 3.0}
    return {
        **{"workload": workload, "algorithm": algorithm, "seed": seed, "permutation": permutation},
        **good,
        **{"skeleton": "a", "graph": "b"},
        **more,
    }


def test_a_seed_with_a_run_is_not_missing_and_nothing_is_after_a_timeout():
    from bench import missing

    done = [{"machine": {}}, run("pc", 1), run("causallearn_pc", 0), run("pc", 0, workload="pc_d50_n1000")]
    assert missing(done, "pc_d20_n1000", "pc", 3, 60) == [0, 2]
    done += [{"workload": "pc_d20_n1000", "algorithm": "pc", "seed": 0, "status": "error", "error": "lost"}]
    assert missing(done, "pc_d20_n1000", "pc", 3, 60) == [0, 2]
    done += [{"workload": "pc_d20_n1000", "algorithm": "pc", "seed": 0, "status": "timeout", "limit": 60.0}]
    assert missing(done, "pc_d20_n1000", "pc", 3, 60) == []
    assert missing(done, "pc_d20_n1000", "pc", 3, 90) == [0, 2]


def test_a_file_that_was_cut_off_is_read_up_to_there(tmp_path):
    from bench import append, read

    file = tmp_path / "deep" / "runs.jsonl"
    assert read(file) == []
    append(file, run("pc", 0))
    file.write_text(file.read_text() + '{"workload": "pc_d2')
    assert [line["seed"] for line in read(file)] == [0]


def watched(script, patience, set_up=20.0):
    from bench import watch

    lines = []
    watch([sys.executable, "-c", "import json, sys, time\n" + script], patience, lines.append, set_up)
    return lines


SAY = "say = lambda **line: print(json.dumps(line), flush=True)\n"


def test_a_run_beyond_the_patience_is_killed_and_recorded():
    script = SAY + "say(started={'seed': 4, 'permutation': 0})\nsay(stopped=True)\nsay(seed=4, status='ok')\n"
    script += "say(started={'seed': 5, 'permutation': 0})\ntime.sleep(60)"
    assert watched(script, 0.3) == [
        {"seed": 4, "status": "ok"},
        {"seed": 5, "permutation": 0, "status": "timeout", "limit": 0.3},
    ]


def test_the_patience_is_for_the_run_not_for_what_comes_after():
    script = SAY + "say(started={'seed': 4})\nsay(stopped=True)\ntime.sleep(0.6)\nsay(seed=4, status='ok')"
    assert watched(script, 0.3) == [{"seed": 4, "status": "ok"}]


def test_a_child_that_dies_or_never_begins_is_an_error():
    (died,) = watched(SAY + "say(started={'seed': 2})\nsys.exit('out of luck')", 9)
    assert died == {"seed": 2, "status": "error", "error": "out of luck"}
    (idle,) = watched("time.sleep(60)", 0.3, set_up=0.3)
    assert idle["status"] == "error"


def test_a_real_competitor_tells_all_that_the_table_needs(tmp_path):
    from bench import main, read

    command = ["--only", "pc_d20_n1000", "--seeds", "1", "--out", str(tmp_path / "runs.jsonl"), "--keep", str(tmp_path / "kept")]
    assert main(command) == 0
    lines = read(tmp_path / "runs.jsonl")
    ours, theirs = ([r for r in lines if r.get("algorithm") == a] for a in ("pc", "causallearn_pc"))
    assert 1 <= len(theirs) <= len(ours) <= 5
    assert all(r["status"] == "ok" and r["cpu"] > 0 and 0.5 < r["skeleton_f1"] <= 1 and r["peak_mb"] > 20 for r in ours + theirs)
    assert ours[0]["skeleton"] == theirs[0]["skeleton"]
    assert len({r["graph"] for r in ours}) == 1
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert main(command) == 0
    assert len(read(tmp_path / "runs.jsonl")) == len(lines) + 1  # the machine again, and no run


def test_unknown_workloads_are_refused(capsys):
    from bench import main

    assert main(["--only", "pc_d20,nonsense", "--list"]) == 2
    assert "'nonsense'" in capsys.readouterr().err
    assert main(["--quick", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_the_table_says_medians_ratios_bounds_and_equality(tmp_path):
    from report import main

    lines = [
        {"machine": {"processor": "P", "cores": 2, "memory_gb": 4, "system": "S", "python": "3", "versions": {}, "load": 0.1}}
    ]
    for seed, factor in ((0, 1.0), (1, 2.0), (2, 9.0)):
        for k, more in enumerate((0.01, 0.02, 0.03)):
            lines.append(run("pc", seed, cpu=more * factor, permutation=k, shd_cpdag=float(seed)))
        lines.append(run("causallearn_pc", seed, cpu=4.0 * factor, graph="b" if seed else "other"))
    lines += [run("pc", s, workload="pc_d500_n2000", cpu=0.5) for s in range(2)]
    lines += [{"workload": "pc_d500_n2000", "algorithm": "causallearn_pc", "seed": 0, "status": "timeout", "limit": 150.0}]
    lines += [run("ges", 0, workload="ges_d20_n1000", bic=-10.0), run("causallearn_ges", 0, workload="ges_d20_n1000", bic=-12.0)]
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "README.md").write_text("before\n<!-- table -->\nold\n<!-- end of table -->\nafter\n")
    command = [str(tmp_path / "runs.jsonl"), "--readme", str(tmp_path / "README.md"), "--figure", str(tmp_path / "speed")]
    assert main(command) == 0
    page = (tmp_path / "README.md").read_text()
    assert page.startswith("before\n") and page.endswith("\nafter\n") and "old" not in page
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in page.splitlines() if row.startswith("| `")]
    small, large, ges = cells
    assert small[:5] == ["`pc`, 20 × 1000", "0.04", "8", "200 (200)", "150 / 150"]
    assert small[6:] == ["1.0 ± 2.5 / 3.0 ± 0.0", "3 and 2 of 3"]
    assert large[1:5] == ["0.5", "> 150", "> 300 (> 150)", "150 / -"]
    assert ges[-1] == "1 and 1 of 1; BIC higher 1, lower 0"
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert "causal-learn" in (tmp_path / "speed.svg").read_text()
    assert main(command) == 0
    assert (tmp_path / "README.md").read_text() == page


def test_half_of_the_runs_killed_leaves_a_bound():
    from report import Side

    side = Side((run("pc", 0, cpu=10.0),), limits=(20.0,))
    assert (side.cut, side.median("cpu")) == (True, 15.0)
    side = Side((run("pc", 0, cpu=10.0), run("pc", 1, cpu=12.0)), limits=(20.0,))
    assert (side.cut, side.median("cpu")) == (False, 12.0)


def test_the_class_of_a_dag_keeps_colliders_and_what_the_past_directs():
    from judge import class_of, difference

    chain_and_collider = np.zeros((5, 5), np.int8)
    for i, j in ((0, 1), (1, 2), (3, 4), (2, 4)):
        chain_and_collider[i, j] = DIRECTED
    found = class_of(cd.CausalGraph.from_codes(list("abcde"), chain_and_collider, kind="dag"), 0)[:, :, 0]
    assert found[0, 1] == found[1, 0] == found[1, 2] == found[2, 1] == UNDIRECTED
    assert (found[2, 4], found[4, 2], found[3, 4], found[4, 3]) == (DIRECTED, 0, DIRECTED, 0)
    lagged = np.zeros((3, 3, 2), np.int8)
    lagged[0, 1, 0] = lagged[1, 2, 0] = lagged[0, 0, 1] = DIRECTED
    truth = cd.CausalGraph.from_codes(list("abc"), lagged, kind="lagged")
    assert (class_of(truth, 1) == lagged).all()  # a's own past, apart from b, directs a → b, and that b → c
    without = class_of(truth, 0)
    assert without[0, 1, 0] == without[2, 1, 0] == UNDIRECTED
    assert difference(class_of(truth, 1), lagged) == 0
    other = np.array(lagged)
    other[0, 1, 0], other[1, 0, 0], other[2, 2, 1] = 0, DIRECTED, DIRECTED
    assert difference(other, lagged) == 2


def test_the_digest_does_not_depend_on_the_order_of_columns():
    from judge import class_of, judge

    data = cd.simulate("sem", seed=3, n_variables=6, n_samples=200)
    truth = data.truth
    shuffled = truth.replace(variables=truth.variables[::-1])
    one, other = (judge(g, truth, class_of(truth, 0), data.telemetry.values) for g in (truth, shuffled))
    assert one == other
    assert one["skeleton_f1"] == one["directed_f1"] == 1 and one["shd"] == 0
    empty = judge(truth.replace(edges=()), truth, class_of(truth, 0), data.telemetry.values)
    assert empty["bic"] < one["bic"] and empty["shd_cpdag"] == len(truth.edges)
