"""An algorithm of a third party that misbehaves on demand, found through an entry point by parent and child alike."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from causaldisc.core.dataset import Dataset
from causaldisc.core.discovery import Learned
from causaldisc.core.graph import CausalGraph
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Algorithm


def loop(megabytes):
    while True:
        time.sleep(0.01)


def allocate(megabytes):
    kept = []
    while True:
        kept.append(np.ones(int(megabytes * 125_000)))


def spike(megabytes):
    np.ones(int(megabytes * 125_000))


def helper_allocates(megabytes):
    script = f"import time; kept = bytearray({int(megabytes)} * 10**6); time.sleep(60)"
    subprocess.Popen([sys.executable, "-c", script])
    time.sleep(60)


def leave_helper(megabytes):
    Path(os.environ["ROUGH_NOTE"]).write_text(str(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid))


def chat(megabytes):
    print("this line must reach nobody", flush=True)
    os.write(1, b"nor this one\n")


def fail(megabytes):
    raise ValueError("the matrix is singular")


def interrupt(megabytes):
    raise KeyboardInterrupt("of its own")


class OddError(BaseException):
    pass


def odd(megabytes):
    raise OddError("neither an Exception nor an exit")


def segfault(megabytes):
    ctypes.string_at(0)


def wait_for_file(megabytes):
    Path(os.environ["ROUGH_NOTE"]).write_text(str(os.getpid()))
    time.sleep(60)


def memory_error(megabytes):
    raise MemoryError("no room")


def spy(megabytes):
    """Look for a truth wherever one might lie: files, arguments, environment, objects of this process."""
    places = [Path.cwd(), *Path.cwd().parents[:2], Path(tempfile.gettempdir()), Path(os.environ.get("OLDPWD", "."))]
    found = {str(p) for place in places for p in _files(place) if _tells(p)}
    said = [
        *sys.argv,
        *(v for k, v in os.environ.items() if not k.startswith("PYTEST")),
        Path("/proc/self/cmdline").read_text(errors="replace"),
    ]
    said.append(Path(f"/proc/{os.getppid()}/cmdline").read_text(errors="replace"))
    found |= {text[:80] for text in said if "source=" in text or "truth" in text}
    objects = gc.get_objects()
    found |= {type(o).__name__ for o in objects if isinstance(o, Dataset) or (isinstance(o, CausalGraph) and o.edges)}
    frame = sys._getframe()
    while frame is not None:
        found |= {f"local {name}" for name in frame.f_locals if name in ("truth", "dataset", "system", "trials")}
        frame = frame.f_back
    (Path(os.environ["ROUGH_NOTE"])).write_text("\n".join(sorted(found)))


def _files(place):
    inside = (Path(folder) / name for folder, _, names in os.walk(place) for name in names)
    return [p for p in inside if "site-packages" not in str(p) and "causaldisc-" in str(p)][:2000]


def _tells(path):
    try:
        content = path.read_bytes()[: 10**7]
    except OSError:
        return False
    return any(word in content for word in (b"truth", b'"edges"', b'"source": {', b'"trials"'))


ACTS = {
    "spy": spy,
    "loop": loop,
    "allocate": allocate,
    "spike": spike,
    "helper_allocates": helper_allocates,
    "leave_helper": leave_helper,
    "chat": chat,
    "fail": fail,
    "interrupt": interrupt,
    "odd": odd,
    "segfault": segfault,
    "wait": wait_for_file,
    "memory_error": memory_error,
    "exit": lambda megabytes: os._exit(7),
    "vanish": lambda megabytes: os._exit(0),
    "none": lambda megabytes: None,
}


@dataclass(frozen=True)
class Rough(Algorithm):
    """Does something rough, then claims an empty graph, whatever the prior requires."""

    act: str = parameter("none", "what to do", choices=tuple(ACTS))
    megabytes: float = parameter(10.0, "how much", low=0)
    name: ClassVar[str] = "rough"
    summary: ClassVar[str] = "test: misbehaves"

    @property
    def kind(self):
        return "dag"

    def discover(self, telemetry, constraints, rng):
        report = {
            "files": sorted(p.name for p in Path.cwd().parent.iterdir()),
            "datasets": sum(isinstance(o, Dataset) for o in gc.get_objects()),
            "threads": os.environ.get("OMP_NUM_THREADS"),
            "hash_seed": os.environ.get("PYTHONHASHSEED"),
            "heavy": sorted({"torch", "mlflow", "pandas"} & set(sys.modules)),
        }
        ACTS[self.act](self.megabytes)
        n = len(telemetry.names)
        return Learned(CausalGraph(telemetry.variables, []), np.where(constraints.allowed, 0.0, np.nan).reshape(n, n, -1), report)
