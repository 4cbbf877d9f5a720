"""Plug-ins: what each kind must be able to do, and how they are found by name.

A plug-in is one module in the room of its kind, named like the plug-in, that defines one class (dashes in a name are
underscores in the module). Third parties add theirs through entry points such as ``causaldisc.algorithms``.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np

from causaldisc.core.constraints import Constraints
from causaldisc.core.dataset import Dataset
from causaldisc.core.discovery import Learned
from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.graph import CausalGraph
from causaldisc.core.intervention import Intervention
from causaldisc.core.outcome import Outcome
from causaldisc.core.parameters import build
from causaldisc.core.prior import HARD_CLAUSES
from causaldisc.core.telemetry import Telemetry


class Plugin(ABC):
    """Base of every plug-in; parameters are the fields of a frozen dataclass."""

    name: ClassVar[str]
    summary: ClassVar[str]


class Algorithm(Plugin):
    """Learns a graph from telemetry under constraints.

    ``clauses`` are the hard clause kinds that it promises to obey; a prior with another one is refused before the run.
    ``max_lag`` is the largest lag searched, in steps: a parameter wherever the algorithm knows lags.
    ``control`` marks baselines that need no method. ``equivariant`` promises that permuting columns permutes the result.
    ``uses_beliefs`` says that beliefs move its result; its report then has one entry a belief, in order, under ``beliefs``.
    ``imports`` are modules that a run imports late, for whoever wants to have paid for them before the first of many runs.
    """

    clauses: ClassVar[frozenset[str]] = frozenset(HARD_CLAUSES)
    control: ClassVar[bool] = False
    equivariant: ClassVar[bool] = True
    uses_beliefs: ClassVar[bool] = False
    imports: ClassVar[tuple[str, ...]] = ()
    max_lag: int = 0

    @property
    @abstractmethod
    def kind(self) -> str:
        """The kind of graph that it returns (see ``GRAPH_KINDS``)."""

    @abstractmethod
    def discover(self, telemetry: Telemetry, constraints: Constraints, rng: np.random.Generator) -> Learned:
        """Learn a graph.

        The telemetry has no constant column; ``constraints.variables`` are its variables and ``constraints.max_lag`` is
        ``self.max_lag``. Randomness comes from ``rng`` alone. Neither argument may be changed; nothing goes to stdout.
        """


class System(ABC):
    """One system that can be run again and intervened on."""

    @abstractmethod
    def dataset(self, interventions: Sequence[Intervention] = ()) -> Dataset:
        """Run it as its seed says; interventions become labelled windows of the telemetry."""

    @abstractmethod
    def trial(self, interventions: Sequence[Intervention], run: int) -> Telemetry:
        """Run the same system afresh under interventions; ``run`` numbers the run and gives it its own noise."""


class Source(Plugin):
    """Gives data sets; parameters are the fields."""

    real: ClassVar[bool] = False

    @abstractmethod
    def system(self, seed: int) -> System:
        """Return the system of a seed; a real data set ignores the seed and refuses trials."""


class Metric(Plugin):
    """Scores a graph against the truth; one plug-in may give several keys."""

    keys: ClassVar[tuple[str, ...]]

    @abstractmethod
    def __call__(self, graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> Mapping[str, float]:
        """Return a value for each of ``keys``; NaN where undefined. Nodes of both graphs stand in the same order."""


class Exporter(Plugin):
    """Writes a graph for another program; ``suffix`` is the usual file ending."""

    suffix: ClassVar[str]

    @abstractmethod
    def export(self, graph: CausalGraph, path: Path) -> list[Path]:
        """Write the file (and the files beside it) and return their paths."""


class Ranker(Plugin):
    """Ranks root causes of an incident on a graph."""

    uses_graph: ClassVar[bool] = True

    @abstractmethod
    def rank(self, graph: CausalGraph, telemetry: Telemetry, at: float) -> list[tuple[str, float]]:
        """Return (variable, score), best first, for an incident that begins ``at`` seconds (the telemetry's own clock)."""


class Planner(Plugin):
    """Chooses the next interventions of a validation."""

    @abstractmethod
    def choose(self, graph: CausalGraph, tested: Mapping[str, int], budget: int, rng: np.random.Generator) -> list[str]:
        """Return up to ``budget`` variables to set, best first; ``tested`` counts the trials that each has had."""


class Tracker(Plugin):
    """Mirrors outcomes into an experiment tracker; the store stays the record."""

    @abstractmethod
    def log(self, outcomes: Sequence[Outcome], sweep: str | None) -> None:
        """Mirror outcomes; those of a sweep become children of one parent run."""


@functools.lru_cache(maxsize=8)
def _entry_points(path: tuple[str, ...]) -> EntryPoints:
    """All entry points on ``sys.path``; read once, since that opens the metadata of every installed package."""
    return cast(EntryPoints, entry_points())


@functools.cache
def _modules_in(package: str) -> tuple[str, ...]:
    """Names of a package's modules; read once, since that lists its folder."""
    return tuple(module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__))


P = TypeVar("P", bound=Plugin)


@dataclass(frozen=True)
class Registry(Generic[P]):
    """All plug-ins of a kind, found by listing a package's modules and the entry points of a group."""

    kind: str
    package: str
    base: type[P]

    def names(self) -> list[str]:
        """Names of all plug-ins, without importing any."""
        return sorted({*self._modules(), *self._entries()})

    def get(self, name: str) -> type[P]:
        """Import the plug-in class of a name; raises InputError with the nearest valid name."""
        modules = self._modules()
        if name in modules:
            return self._class_in(modules[name])
        entries = self._entries()  # slow the first time, so only when it may be needed
        if name in entries:
            return self._class_of(entries[name])
        raise InputError(f"unknown {self.kind} {name!r}; {did_you_mean(name, [*modules, *entries])}")

    def build(self, name: str, parameters: Mapping[str, Any] | None = None) -> P:
        """Construct the plug-in of a name with checked parameters."""
        return build(self.get(name), parameters or {}, name)

    def origin(self, name: str) -> str:
        """Where a plug-in comes from: ``causaldisc``, or the distribution of its entry point."""
        if name in self._modules():
            return "causaldisc"
        entry = self._entries().get(name)
        return entry.dist.name if entry is not None and entry.dist is not None else "unknown"

    def _modules(self) -> dict[str, str]:
        found = (name for name in _modules_in(self.package) if not name.startswith("_"))
        return {name.replace("_", "-") if self.kind == "exporter" else name: f"{self.package}.{name}" for name in found}

    def _entries(self) -> dict[str, EntryPoint]:
        group = f"causaldisc.{self.package.rpartition('.')[2]}"
        return {e.name: e for e in _entry_points(tuple(sys.path)).select(group=group)}

    def _class_in(self, module_name: str) -> type[P]:
        module = importlib.import_module(module_name)
        classes = [
            c
            for _, c in inspect.getmembers(module, inspect.isclass)
            if issubclass(c, self.base) and c.__module__ == module_name and not inspect.isabstract(c)
        ]
        if len(classes) != 1:
            raise TypeError(f"{module_name} must define exactly one {self.base.__name__}, got {len(classes)}")
        return classes[0]

    def _class_of(self, entry: EntryPoint) -> type[P]:
        loaded = entry.load()
        if not (inspect.isclass(loaded) and issubclass(loaded, self.base)):
            raise InputError(f"{self.kind} {entry.name!r} of {entry.value} must be a {self.base.__name__} class")
        return cast("type[P]", loaded)


algorithms: Registry[Algorithm] = Registry("algorithm", "causaldisc.algorithms", cast(Any, Algorithm))
sources: Registry[Source] = Registry("source", "causaldisc.sources", cast(Any, Source))
metrics: Registry[Metric] = Registry("metric", "causaldisc.metrics", cast(Any, Metric))
exporters: Registry[Exporter] = Registry("exporter", "causaldisc.exporters", cast(Any, Exporter))
rankers: Registry[Ranker] = Registry("rca method", "causaldisc.rca", cast(Any, Ranker))
planners: Registry[Planner] = Registry("planner", "causaldisc.validation.planners", cast(Any, Planner))
trackers: Registry[Tracker] = Registry("tracker", "causaldisc.trackers", cast(Any, Tracker))
