"""What every simulator shares: runs with their own noise, windows of interventions, columns, missing cells, held-out trials."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.core.dataset import Dataset, Trial
from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.graph import CausalGraph
from causaldisc.core.intervention import Intervention
from causaldisc.core.parameters import values_of
from causaldisc.core.plugins import Source, System
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.variables import Variable
from causaldisc.sources._sortability import r2_sortability, var_sortability
from causaldisc.sources._streams import check_seed, stream

if TYPE_CHECKING:
    import networkx as nx


class SimulatedSystem(System):
    """A system whose states follow known structural equations.

    A subclass sets the attributes below in its constructor and gives :meth:`values`; noise is drawn before interventions are
    looked at, so two runs with the same number differ only where an intervention reaches.

    Attributes
    ----------
    truth : the graph of the structural equations, nodes in column order.
    n_rows, step_s : rows of a run, and seconds between them.
    kinds : intervention kinds that the system knows.
    bounds : variable name → (low, high), the values that ``set`` may take.
    prior, call_graph : what an expert knows beforehand.
    """

    truth: CausalGraph
    n_rows: int
    step_s: float = 1.0
    kinds: tuple[str, ...] = ("set",)
    bounds: Mapping[str, tuple[float, float]]
    prior: ExpertPrior = ExpertPrior()
    call_graph: nx.DiGraph | None = None
    missing: float = 0.0

    def __init__(self, source: Source, seed: int) -> None:
        """Remember whose system it is."""
        self.source, self.seed = source, check_seed(seed)

    # -- what a subclass gives ---------------------------------------------------------------------------------------

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The columns of every run, in order."""
        return self.truth.variables

    @abstractmethod
    def values(self, interventions: Sequence[Intervention], *purpose: str | int) -> np.ndarray:
        """Return what is seen of a run before cells get lost, float[T, N]; ``purpose`` names the run and keys its noise.

        The number of draws must not depend on the interventions.
        """

    @abstractmethod
    def planned_trials(self, rng: np.random.Generator) -> list[Intervention]:
        """Return the interventions of the held-out trials."""

    def notes(self, states: np.ndarray) -> dict[str, Any]:
        """Return JSON-ready facts about the data."""
        return {
            "var_sortability": var_sortability(states, self.truth),
            "r2_sortability": r2_sortability(states, self.truth),
        }

    # -- the protocol ------------------------------------------------------------------------------------------------

    @property
    def duration_s(self) -> float:
        """Length of a run in seconds."""
        return self.n_rows * self.step_s

    def dataset(self, interventions: Sequence[Intervention] = ()) -> Dataset:
        """Run the system as its seed says, with its held-out trials."""
        telemetry = self._run(interventions, "dataset")
        plans = [self.resolve(plan) for plan in self.planned_trials(stream(self.seed, self.source.name, "trials"))]
        trials = tuple(Trial(plan, self._run([plan], "held-out", k, label=False)) for k, plan in enumerate(plans))
        return Dataset(
            self.source.name,
            telemetry,
            self.truth,
            self.call_graph,
            self.prior,
            trials,
            notes={"seed": self.seed, "parameters": values_of(self.source), **self.notes(telemetry.values)},
        )

    def trial(self, interventions: Sequence[Intervention], run: int) -> Telemetry:
        """Run the same system with the noise of a numbered run; the same number shares its draws."""
        if isinstance(run, bool) or not isinstance(run, int | np.integer) or run < 0:
            raise InputError(f"run must be a whole number >= 0, got {run!r}")
        return self._run(interventions, "trial", int(run))

    def resolve(self, intervention: Intervention) -> Intervention:
        """Check an intervention against this system; an open end becomes the end of the run.

        Raises
        ------
        InputError : an unknown kind, service or variable, a value out of bounds, or a window outside the run.
        """
        if not isinstance(intervention, Intervention):
            raise InputError(f"interventions must be Intervention objects, got {type(intervention).__name__}")
        services = {v.service for v in self.variables}
        if intervention.kind not in self.kinds:
            raise InputError(
                f"intervention kind must be one that {self.source.name} knows, got {intervention.kind!r}; "
                f"{did_you_mean(intervention.kind, self.kinds)}"
            )
        if intervention.target not in services:
            raise InputError(f"intervention target must name a service, {_unknown(intervention.target, services)}")
        if intervention.kind == "set":
            self._check_set(intervention)
        if intervention.start >= self.duration_s or self.duration_s < intervention.stop < np.inf:
            raise InputError(
                f"intervention window must lie within the run, got {intervention.start:g}..{intervention.stop:g} s; "
                f"valid: 0..{self.duration_s:g} s"
            )
        found = replace(intervention, stop=min(intervention.stop, self.duration_s))
        if not self.rows_of(found).any():
            raise InputError(
                f"intervention window must hold a scrape, got {found.start:g}..{found.stop:g} s at one every {self.step_s:g} s"
            )
        return found

    def rows_of(self, intervention: Intervention) -> np.ndarray:
        """bool[T]: the rows inside the window, start included, stop not."""
        times = np.arange(self.n_rows) * self.step_s
        return (times >= intervention.start) & (times < intervention.stop)

    def clamps(self, interventions: Sequence[Intervention]) -> np.ndarray:
        """float[T, N]: the value that a row of a variable is set to, NaN where it is free; a later one wins."""
        values = np.full((self.n_rows, len(self.variables)), np.nan)
        column = {v.name: k for k, v in enumerate(self.variables)}
        for intervention in interventions:
            if intervention.kind == "set":
                values[self.rows_of(intervention), column[str(intervention.variable)]] = intervention.magnitude
        return values

    def _check_set(self, intervention: Intervention) -> None:
        name = str(intervention.variable)
        known = {v.name: v.service for v in self.variables}
        if name not in known:
            raise InputError(f"intervention variable must be one of the system's, {_unknown(name, list(known))}")
        service = known[name]
        if intervention.target != service:
            raise InputError(
                f"intervention target must be the service of {name!r}, got {intervention.target!r}; valid: {service}"
            )
        low, high = self.bounds.get(name, (-np.inf, np.inf))
        if not low <= intervention.magnitude <= high:
            raise InputError(f"intervention magnitude on {name!r} must be in {low:g}..{high:g}, got {intervention.magnitude!r}")

    def _run(self, interventions: Sequence[Intervention], *labels: str | int, label: bool = True) -> Telemetry:
        resolved = [self.resolve(intervention) for intervention in interventions]
        purpose = (self.source.name, *labels)
        return self._telemetry(self.values(resolved, *purpose), resolved if label else (), *purpose)

    def _telemetry(self, values: np.ndarray, windows: Sequence[Intervention], *purpose: str | int) -> Telemetry:
        """Lose cells at random, and put rows, columns and labels together."""
        lost = stream(self.seed, *purpose, "missing").random(values.shape) < self.missing
        lost[0] = False  # a column keeps at least one value
        return Telemetry(
            np.where(lost, np.nan, values),
            self.variables,
            np.arange(self.n_rows) * self.step_s,
            windows=windows,
        )


def set_trials(system: SimulatedSystem, count: int, magnitude: float, rng: np.random.Generator) -> list[Intervention]:
    """Plan trials that hold one random variable each at plus or minus a magnitude in the second half of the run."""
    variables = system.truth.variables
    chosen = rng.choice(len(variables), size=count, replace=count > len(variables))
    signs = rng.choice([-1.0, 1.0], size=count)
    start = (system.n_rows // 2) * system.step_s
    return [
        Intervention(variables[k].service, "set", float(sign * magnitude), start, system.duration_s, variables[k].name)
        for k, sign in zip(chosen, signs, strict=True)
    ]


def _unknown(name: str, valid: Any) -> str:
    hint = did_you_mean(name, valid)
    return f"got {name!r}; {hint if len(hint) < 300 else hint[:300] + ' …'}"
