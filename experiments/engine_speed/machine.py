"""What machine and which versions the figures come from."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "numba", "causal-learn", "tigramite")


def describe() -> dict[str, Any]:
    """Return processor, cores, memory, versions and the load as of now, JSON-ready."""
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "load": round(os.getloadavg()[0], 2),
    }


def sentence(machine: dict[str, Any], loads: list[float]) -> str:
    """Say it in a sentence; ``loads`` are those of all starts that the figures come from."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    low, high = min(loads), max(loads)
    load = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']:g} GiB, {machine['system']}; "
        f"Python {machine['python']}, {versions}; one thread; load average {load} when the runs began"
    )


def _field(path: str, name: str) -> str:
    file = Path(path)
    if not file.is_file():
        return ""
    lines = (line.partition(":") for line in file.read_text().splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
