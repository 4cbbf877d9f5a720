"""The doctor's look at the environment: versions, optional parts, kernel cache, processors, the MLflow store."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from causaldisc.runner.finding import Finding

# Python package or program → (what it adds, how to get it).
_PACKAGES = {
    "optuna": ("the search of hyper-parameters (search=optuna)", "pip install 'causaldisc[search]'"),
    "submitit": ("sweeps as jobs of a Slurm cluster (launcher=submitit)", "pip install 'causaldisc[cluster]'"),
    "ray": ("sweeps as tasks of a Ray cluster (launcher=ray)", "pip install 'causaldisc[ray]'"),
    "pydot": ("drawing and reading DOT files", "pip install pydot"),
    "dowhy": ("DoWhy, which reads the exports dowhy-*", "pip install dowhy, best in an environment of its own: it moves scipy"),
}
_PROGRAMS = {
    "chromium": ("the test of the page in a browser", "apt-get install chromium"),
    "nvidia-smi": ("training on a GPU", "an NVIDIA driver, and the torch wheel for its CUDA version"),
}


def environment() -> tuple[Finding, ...]:
    """Return the findings; nothing is imported for them."""
    return (_python(), *_dependencies(), *_optional(), _kernel_cache(), _processors(), _memory(), _store())


def _python() -> Finding:
    found = platform.python_version()
    fine = sys.version_info >= (3, 11)
    return Finding(
        "Python", f"{found} on {platform.system()} {platform.machine()}", "ok" if fine else "warning", "3.11 or later is needed."
    )


def _dependencies() -> list[Finding]:
    names = (
        [_bare_name(line) for line in requires("causaldisc") or [] if "extra ==" not in line] if _version("causaldisc") else []
    )
    have = {name: _version(name) for name in names}
    missing = [name for name, found in have.items() if found is None]
    listed = [f"{name} {found}" for name, found in have.items() if found is not None]
    findings = [
        Finding("causaldisc", _version("causaldisc") or "not installed as a package", "ok", "The version of this project.")
    ]
    findings.append(Finding("packages", listed, "ok", "Every result records the versions that it depends on."))
    if missing:
        findings.append(
            Finding("missing packages", missing, "warning", "Install the project again: pip install -c constraints.txt .")
        )
    return findings


def _optional() -> list[Finding]:
    findings = []
    for name, (adds, how) in _PACKAGES.items():
        found = _version(name)
        findings.append(Finding(f"optional {name}", found or "absent", "ok" if found else "note", _offer(adds, how, bool(found))))
    for name, (adds, how) in _PROGRAMS.items():
        found = shutil.which(name) is not None
        findings.append(
            Finding(f"optional {name}", "present" if found else "absent", "ok" if found else "note", _offer(adds, how, found))
        )
    return findings


def _offer(adds: str, how: str, present: bool) -> str:
    return f"Adds {adds}." if present else f"Adds {adds}; to get it: {how}."


def _kernel_cache() -> Finding:
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(chosen) if chosen else Path(__file__).parents[1] / "kernels"
    count = sum(1 for _ in folder.rglob("*.nbi")) if folder.is_dir() else 0
    if count:
        return Finding("kernel cache", f"{count} compiled kernels", "ok", "Kernels start at once.")
    writable = os.access(folder if folder.is_dir() else folder.parent, os.W_OK)
    if not writable and not chosen:
        return Finding(
            "kernel cache", "not writable", "warning", "Every process compiles its kernels anew; set NUMBA_CACHE_DIR to a folder."
        )
    return Finding(
        "kernel cache",
        "empty",
        "note",
        "The first run compiles its kernels; python -m causaldisc.runner.warm does so beforehand.",
    )


def _processors() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS") if name in os.environ}
    said = "".join(f", {name}={value}" for name, value in limits.items())
    return Finding(
        "processors",
        f"{usable} usable of {os.cpu_count()}{said}",
        "ok",
        "A sweep runs as many cells at a time as its launcher is told.",
    )


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    free, total = memory.available / 2**30, memory.total / 2**30
    level = "ok" if free > 1 else "warning"
    return Finding(
        "memory", f"{free:.1f} of {total:.1f} GiB free", level, "A cell that outgrows memory_mb ends as out_of_memory."
    )


def _store() -> Finding:
    where = os.environ.get("MLFLOW_TRACKING_URI")
    if where:
        scheme = where.partition(":")[0]
        return Finding("MLflow store", f"MLFLOW_TRACKING_URI is set ({scheme})", "note", "Other MLflow tools look there.")
    store = Path("mlflow.db")
    if store.is_file():
        size = store.stat().st_size / 2**20
        return Finding(
            "MLflow store", f"mlflow.db, {size:.1f} MiB", "ok", "mlflow ui --backend-store-uri sqlite:///mlflow.db shows it."
        )
    return Finding(
        "MLflow store", "none in this folder", "note", "The first run makes mlflow.db here; outcomes/ stays the record."
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _bare_name(requirement: str) -> str:
    for k, character in enumerate(requirement):
        if not (character.isalnum() or character in "-_."):
            return requirement[:k]
    return requirement
