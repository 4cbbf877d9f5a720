"""What both random systems share: which variables are hidden or discrete, when regimes change, and the units of the data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph
from causaldisc.core.intervention import Intervention
from causaldisc.core.parameters import parameter
from causaldisc.sources._latents import Projection, choose_hidden, project
from causaldisc.sources._levels import Levels, choose_levels
from causaldisc.sources._simulated import SimulatedSystem, set_trials
from causaldisc.sources._streams import stream

SORTABILITY = ("natural", "level")


def heteroscedastic_parameter() -> Any:
    """Declare how much parents change the scale of the noise."""
    return parameter(0.0, "how much the parents change the scale of the noise; 0 = not at all", low=0, high=0.95)


def discrete_parameter() -> Any:
    """Declare the share of discrete variables."""
    return parameter(0.0, "share of variables that take 2 to 5 levels", low=0, high=1)


def hidden_parameter() -> Any:
    """Declare the number of hidden variables."""
    return parameter(0, "variables besides that no column shows", low=0, high=1000)


def regimes_parameter() -> Any:
    """Declare the number of regimes."""
    return parameter(1, "stretches of time, each with weights of its own", low=1, high=100)


def sortability_parameter() -> Any:
    """Declare the control of sortability."""
    return parameter("natural", "whether variance and R² may tell the causal order (natural) or not (level)", choices=SORTABILITY)


class RandomSystem(SimulatedSystem):
    """A random system over N variables, of which the columns show those that are not hidden.

    What is beyond the plain system is drawn from streams of its own: switching it on draws no other graph (but for hidden
    variables, which are part of it).

    Attributes
    ----------
    hidden : bool[N].
    observed : int[M], the variables that the columns show, in column order.
    counts : int[N], the number of levels of a discrete variable, 0 for a continuous one.
    levels : how each is cut, None for a continuous one.
    shift, scale : float[N], the data are ``(x - shift) / scale``.
    change_shares : float[R - 1], where regimes begin, as shares of a run; the first begins with the run.
    """

    bounds: Mapping[str, tuple[float, float]]

    def __init__(self, source: Any, seed: int, size: int) -> None:
        """Draw what is discrete and when regimes change; hide nothing yet."""
        super().__init__(source, seed)
        if source.regimes > 1 and source.regimes * 5 > source.n_samples:
            raise InputError(
                f"{source.name}.regimes must be at most a fifth of n_samples, got {source.regimes}; "
                f"valid: 1..{max(source.n_samples // 5, 1)}"
            )
        self.n_rows, self.missing = source.n_samples, source.missing
        self.hidden, self.observed = np.zeros(size, dtype=bool), np.arange(size)
        self.counts = choose_levels(size, source.discrete, self._stream("discrete"))
        self.levels: list[Levels | None] = [None] * size
        self.shift, self.scale = np.zeros(size), np.ones(size)
        jitter = self._stream("regimes").uniform(-0.25, 0.25, source.regimes - 1)
        self.change_shares = (np.arange(1, source.regimes) + jitter) / source.regimes

    @abstractmethod
    def states(self, interventions: Sequence[Intervention], rng: np.random.Generator) -> np.ndarray:
        """Return what happens, float[T, N] in column order; the number of draws must not depend on the interventions."""

    def values(self, interventions: Sequence[Intervention], *purpose: str | int) -> np.ndarray:
        """Return the states: all of them are seen as they are."""
        return self.states(interventions, stream(self.seed, *purpose, "physics"))

    def _stream(self, *labels: str | int) -> np.random.Generator:
        return stream(self.seed, self.source.name, *labels)

    def hide(self, links: np.ndarray, count: int) -> None:
        """Choose hidden variables by the links bool[N, N]."""
        if count:
            self.hidden = choose_hidden(links, count, self._stream("hidden"))
            self.observed = np.flatnonzero(~self.hidden)

    def spans(self, rows: int) -> list[tuple[int, int, int]]:
        """Return (regime, first row, row after the last) of a run of some rows."""
        borders = [0, *np.round(self.change_shares * rows).astype(int).tolist(), rows]
        return [(k, borders[k], borders[k + 1]) for k in range(len(borders) - 1)]

    def fix_units(self, pilot: np.ndarray, standardise: bool, even: bool) -> None:
        """Set the units of the data by a pilot run float[T, N].

        A discrete variable counts its levels. Others have mean 0 and variance 1, if so asked. If not, and scales shall tell
        nothing (``even``), they have random units between a third and three times the standard deviation.
        """
        if standardise or even:
            self.shift, self.scale = pilot.mean(axis=0), pilot.std(axis=0)
        if even and not standardise:
            self.scale = self.scale * 3.0 ** self._stream("units").uniform(-1.0, 1.0, len(self.scale))
        for j, cut in enumerate(self.levels):
            if cut is not None:
                self.shift[j], self.scale[j] = cut.centre, cut.step
        names = self.names
        self.bounds = {names[j]: (0.0, float(self.counts[j] - 1)) for j in self.observed.tolist() if self.counts[j]}

    @property
    def names(self) -> dict[int, str]:
        """Column names by variable, of those that are seen."""
        return {j: f"x{k}" for k, j in enumerate(self.observed.tolist())}

    def fit_levels(self, j: int, sample: np.ndarray) -> None:
        """Cut a discrete variable by a sample of its continuous values."""
        if self.counts[j]:
            self.levels[j] = Levels.of(sample, int(self.counts[j]))

    def in_units(self, values: np.ndarray) -> np.ndarray:
        """Return the columns, float[T, M], of values float[T, N]."""
        data = ((values - self.shift) / self.scale)[:, self.observed]
        whole = self.counts[self.observed] > 0
        data[:, whole] = np.round(data[:, whole])
        return data

    def held_values(self, interventions: Sequence[Intervention]) -> np.ndarray:
        """Return float[T, N]: the value that each variable is held at, NaN where free; a discrete one at the nearest level."""
        clamps = self.clamps(interventions)
        whole = self.counts[self.observed] > 0
        clamps[:, whole] = np.round(clamps[:, whole])
        held = np.full((self.n_rows, len(self.hidden)), np.nan)
        held[:, self.observed] = clamps * self.scale[self.observed] + self.shift[self.observed]
        return held

    def planned_trials(self, rng: np.random.Generator) -> list[Intervention]:
        """Set random variables two standard deviations up or down in the second half of the run, discrete ones to an end."""
        plans = []
        for plan in set_trials(self, self.source.trials, 2.0, rng):  # type: ignore[attr-defined]
            low, high = self.bounds.get(str(plan.variable), (-2.0, 2.0))
            plans.append(replace(plan, magnitude=high if plan.magnitude > 0 else low))
        return plans

    def graph(self, links: np.ndarray, strength: Mapping[tuple[int, int, int], float], kind: str, max_lag: int) -> CausalGraph:
        """Return the truth: links bool[L + 1, N, N] projected onto the columns; strengths by (cause, effect, lag)."""
        self.projection: Projection = project(links, self.hidden)
        edges = self.projection.edges(self.names, dict(strength))
        deepest = max((edge.lag for edge in edges), default=0)
        step = 1.0 if max_lag else None
        return CausalGraph(list(self.names.values()), edges, kind, max(max_lag, deepest), step, {"source": self.source.name})

    def notes(self, states: np.ndarray) -> dict[str, Any]:
        """Return what every simulator tells, and what is hidden, discrete or changing here."""
        notes = super().notes(states)
        if self.hidden.any():
            notes["hidden"] = {"count": int(self.hidden.sum()), "confounded": self.projection.pairs(self.names)}
        if self.bounds:
            notes["levels"] = {name: int(high) + 1 for name, (_, high) in self.bounds.items()}
        if len(self.change_shares):
            notes["regimes_start_s"] = [first * self.step_s for _, first, _ in self.spans(self.n_rows)]
        return notes
