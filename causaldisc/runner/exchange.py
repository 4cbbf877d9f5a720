"""What crosses the wall between the runner and the process of an algorithm: plain files, no pickle, no truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from causaldisc.core.certificate import Certificate
from causaldisc.core.discovery import Discovery
from causaldisc.core.files import write_json
from causaldisc.core.graph_json import from_json, to_json
from causaldisc.core.intervention import Intervention
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.variables import Variable

_TASK, _ARRAYS, _RESULT, _SCORES = "task.json", "telemetry.npz", "result.json", "scores.npz"


@dataclass(frozen=True, eq=False)
class Task:
    """All that an algorithm is given: telemetry, prior, its name and parameters, a seed, and the name of a preset, if any."""

    telemetry: Telemetry
    prior: ExpertPrior
    algorithm: str
    parameters: Mapping[str, Any]
    seed: int
    preset: str | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """What came back: a status of :data:`causaldisc.core.outcome.STATUSES`, why, and the discovery when there is one.

    ``cpu_seconds`` is that of the discovery, its own processes included; ``peak_memory_mb`` that of the whole process.
    """

    status: str
    error: str = ""
    discovery: Discovery | None = None
    cpu_seconds: float | None = None
    peak_memory_mb: float | None = None


def write_task(folder: Path, task: Task) -> None:
    """Write a task into a private folder."""
    data = task.telemetry
    np.savez(folder / _ARRAYS, values=data.values, times=data.times, environments=data.environments)
    write_json(
        folder / _TASK,
        {
            "variables": [asdict(v) for v in data.variables],
            "windows": [w.to_dict() for w in data.windows],
            "clock": data.clock,
            "prior": task.prior.to_dict(),
            "algorithm": task.algorithm,
            "parameters": dict(task.parameters),
            "seed": task.seed,
            "preset": task.preset,
        },
    )


def read_task(folder: Path) -> Task:
    """Read what :func:`write_task` wrote, bit for bit."""
    task = _read(folder / _TASK)
    with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
        telemetry = Telemetry(
            arrays["values"],
            [Variable(**v) for v in task["variables"]],
            arrays["times"],
            arrays["environments"],
            [Intervention.from_dict(w) for w in task["windows"]],
            task["clock"],
        )
    prior = ExpertPrior.from_dict(task["prior"])
    return Task(telemetry, prior, task["algorithm"], task["parameters"], task["seed"], task["preset"])


def write_answer(folder: Path, answer: Answer) -> None:
    """Write an answer; ``result.json`` comes last, so that it is only there when all is."""
    found = answer.discovery
    result: dict[str, Any] = {
        "status": answer.status,
        "error": answer.error,
        "cpu_seconds": answer.cpu_seconds,
        "peak_memory_mb": answer.peak_memory_mb,
    }
    if found is not None:
        np.savez(folder / _SCORES, scores=found.scores)
        result |= {
            "graph": to_json(found.graph),
            "certificate": found.certificate.to_dict(),
            "report": dict(found.report),
            "seconds": found.seconds,
        }
    write_json(folder / _RESULT, result)


def read_answer(folder: Path) -> Answer | None:
    """Read what :func:`write_answer` wrote, or None when the process did not get there."""
    if not (folder / _RESULT).is_file():
        return None
    result = _read(folder / _RESULT)
    found = None
    if "graph" in result:
        with np.load(folder / _SCORES, allow_pickle=False) as arrays:
            scores = arrays["scores"]
        certificate = Certificate.from_dict(result["certificate"])
        found = Discovery(from_json(result["graph"]), scores, certificate, result["report"], result["seconds"])
    return Answer(result["status"], result["error"], found, result["cpu_seconds"], result["peak_memory_mb"])


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
