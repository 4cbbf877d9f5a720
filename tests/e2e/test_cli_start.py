"""The command line starts at once and loads nothing heavy."""

import subprocess
import sys

from causaldisc.cli.main import COMMANDS

HEAVY = ("torch", "torch_geometric", "mlflow", "tigramite", "causallearn", "pandas")


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
