"""The command line starts at once and loads nothing heavy."""

import subprocess
import sys

import numpy as np

import causaldisc as cd
from causaldisc.cli.main import COMMANDS
from causaldisc.core.telemetry_file import write_csv

HEAVY = ("torch", "torch_geometric", "mlflow", "tigramite", "causallearn", "pandas", "scipy.stats", "matplotlib", "sklearn")


def loaded_after(code):
    script = f"import sys\n{code}\nprint(*sorted(set(sys.modules) & {set(HEAVY)!r}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stderr.split(), done.stdout


def test_import_loads_nothing_heavy():
    assert loaded_after("import causaldisc")[0] == []


def test_help_loads_nothing_heavy_and_names_every_command():
    heavy, text = loaded_after(
        "from causaldisc.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit as stop:\n    assert not stop.code"
    )
    assert heavy == []
    words = text.split()
    assert [c for c in COMMANDS if c not in words] == []


def test_the_module_runs_like_the_script():
    done = subprocess.run([sys.executable, "-m", "causaldisc", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("causaldisc ")
    wrong = subprocess.run(
        [sys.executable, "-m", "causaldisc", "score", "no.json", "no.json"], capture_output=True, text=True, check=False
    )
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "error: no.json: no such file\n"


def test_discover_from_a_csv_of_numbers_loads_nothing_heavy(tmp_path):
    values = np.random.default_rng(0).normal(size=(60, 4))
    write_csv(cd.Telemetry(values, ["a:cpu", "b:cpu", "c:cpu", "d:cpu"], np.arange(60) * 15), tmp_path / "t.csv")
    graph = tmp_path / "graph.json"
    arguments = ["discover", str(tmp_path / "t.csv"), "-o", str(graph)]
    heavy, text = loaded_after(f"from causaldisc.cli.main import main\nassert main({arguments!r}) == 0")
    assert heavy == []
    assert text.startswith("pc: ") and graph.is_file()
