"""A sweep on any launcher, and the parts of Slurm that submitit talks to, on this machine alone."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1] / "plugins"
QUIET = ["source=sem", "source.n_variables=5", "source.n_samples=120", "tracker=none"]
LAUNCHERS = {
    "basic": ["launcher=basic"],
    "joblib": ["launcher=joblib", "launcher.n_jobs=2"],
    "submitit": ["launcher=submitit", "launcher.executor=local", "launcher.jobs=2", "launcher.cpus_per_task=2"],
    "slurm": ["launcher=submitit", "launcher.jobs=2", "launcher.additional='--qos=low'", "launcher.partition=short"],
    "ray": ["launcher=ray", "launcher.jobs=2"],
}
RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not here: pip install 'causaldisc[ray]'")
EVERY = [pytest.param(name, marks=RAY if name == "ray" else ()) for name in LAUNCHERS]

# An array of jobs as processes, by the same words as the real one's: what sbatch is given, and where a task finds itself.
_SBATCH = """
import os, re, subprocess, sys
from pathlib import Path
text = Path(sys.argv[1]).read_text()
options = dict(re.findall("^#SBATCH --([a-z-]+)=(.*)$", text, re.M))
Path("sbatch.txt").write_text(text)
tasks = [f"7_{k}" for k in range(int(options["array"][2:].split("%")[0]) + 1)] if "array" in options else ["7"]
for task in tasks:
    array, _, number = task.partition("_")
    place = {"SLURM_JOB_ID": task, **({"SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": number} if number else {})}
    streams = [open(options[s].replace("%A_%a", task).replace("%j", task), "ab") for s in ("output", "error")]
    job = subprocess.Popen(["bash", sys.argv[1]], stdout=streams[0], stderr=streams[1],
                           env={**os.environ, **place}, start_new_session=True)
    Path(f"slurm-{task}").write_text(str(job.pid))
print("Submitted batch job 7")
"""
_SACCT = """
import os
from pathlib import Path
print("JobID|State|NodeList")
for note in sorted(Path().glob("slurm-7*")):
    try:
        there = Path(f"/proc/{note.read_text()}/stat").read_text().split()[2] != "Z"
    except OSError:
        there = False
    print(f"{note.name[6:]}|{'RUNNING' if there else 'COMPLETED'}|here")
"""
_SCANCEL = """
import os, signal, sys
from pathlib import Path
os.killpg(int(Path(f"slurm-{sys.argv[1]}").read_text()), signal.SIGTERM)
"""
_SRUN = """
import os, sys
arguments = sys.argv[1:]
os.execvp(*(lambda line: (line[0], line))(arguments[arguments.index("--unbuffered") + 5:]))
"""


def pretend_slurm(folder: Path) -> str:
    """Put sbatch, srun, sacct and scancel into a folder, and return a PATH on which they are found."""
    folder.mkdir()
    for name, script in {"sbatch": _SBATCH, "sacct": _SACCT, "scancel": _SCANCEL, "srun": _SRUN}.items():
        (folder / name).write_text(f"#!{sys.executable}\n{script}")
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
