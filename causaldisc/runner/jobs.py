"""What a child of the template does: one function a job, each from a request to an exit code."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from causaldisc.core.files import read_json, write_json
from causaldisc.core.plugins import algorithms, metrics, sources
from causaldisc.runner.pipeline import versions


def load() -> None:
    """Import what every job needs, before the first of them.

    Nothing is called that would start threads here (gadjid does): they would not be there in the children.
    """
    for module in ("networkx", "gadjid", *(f"causaldisc.runner.{name}" for name in ("worker", "cell", "execution"))):
        importlib.import_module(module)
    for registry in (sources, metrics):
        for name in registry.names():
            if registry.origin(name) == "causaldisc":
                registry.get(name)
    versions()


def preload(algorithm: str) -> None:
    """Import and compile what an algorithm of ours needs; those of others are met in their own children only."""
    if algorithms.origin(algorithm) != "causaldisc":
        return
    from causaldisc.runner.warm import warm

    for module in algorithms.get(algorithm).imports:
        with suppress(ImportError):
            importlib.import_module(module)
    warm([algorithm])


def _nothing(request: dict[str, Any]) -> int:
    return 0


def _template(request: dict[str, Any]) -> int:
    """Become a template that is loaded for one algorithm."""
    from causaldisc.runner.template import serve

    preload(request["name"])
    serve(request["address"])
    return 0


def _discovery(request: dict[str, Any]) -> int:
    """Run an algorithm on the task in the folder."""
    from causaldisc.runner.worker import main

    main(Path(request["folder"]))
    return 0


def _cell(request: dict[str, Any]) -> int:
    """Run the cell in the folder and store its outcome; what became of it lies in the folder afterwards."""
    from causaldisc.runner.cell import Identity
    from causaldisc.runner.execution import execute

    folder = Path(request["folder"])

    task = read_json(folder / "cell.json")
    (folder / "cell.json").unlink()  # what the data are made from is nothing for the algorithm to find
    identity = Identity(task["key"], task["commit"])
    ending = execute(identity, task["config"], Path(task["store"]), task["picture"], request.get("algorithm"), task["again"])
    write_json(folder / "ending.json", ending._asdict())
    return 0


JOBS: dict[str, Callable[[dict[str, Any]], int]] = {
    "nothing": _nothing,
    "template": _template,
    "discovery": _discovery,
    "cell": _cell,
}
