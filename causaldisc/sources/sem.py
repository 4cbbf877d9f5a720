"""sem: independent rows of a random structural equation model over an Erdős–Rényi DAG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.intervention import Intervention
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Source
from causaldisc.sources._mechanisms import MECHANISMS, bend, signed_weights
from causaldisc.sources._simulated import SimulatedSystem, set_trials
from causaldisc.sources._streams import NOISES, draw_noise, stream

_HIDDEN = 12  # tanh units of an mlp mechanism
_PILOT_ROWS = 4000


@dataclass(frozen=True)
class Sem(Source):
    """A structural equation model ``x_j = Σ w_ij f(x_i) + e_j`` with rows that are independent of each other.

    Edges are those of an Erdős–Rényi graph with the expected ``degree``, directed along a random order; weights are uniform in
    ±[0.5, 1]; with ``mlp`` a random layer of tanh units reads all parents together. Noise has variance 1. With
    ``standardise`` every variable is then given in units of its own (observational) mean and standard deviation, constants
    of the system, so that variances tell nothing of the order. A row counts as a second: ``set`` holds a variable over rows
    ``start <= row < stop``.

    >>> data = Sem(n_variables=5, n_samples=200).system(seed=0).dataset()
    >>> data.telemetry.shape, data.truth.kind
    ((200, 5), 'dag')
    """

    name: ClassVar[str] = "sem"
    summary: ClassVar[str] = "independent rows of a random linear or nonlinear SEM over an Erdős–Rényi DAG"

    n_variables: int = parameter(10, "variables", low=1, high=5000)
    n_samples: int = parameter(1000, "rows", low=10, high=10_000_000)
    degree: float = parameter(2.0, "expected number of neighbours of a variable; beyond n_variables - 1 all are", low=0)
    mechanism: str = parameter("linear", "what parents do", choices=(*MECHANISMS, "mlp"))
    noise: str = parameter("gaussian", "distribution of the noise", choices=NOISES)
    standardise: bool = parameter(True, "whether variables have mean 0 and variance 1")
    missing: float = parameter(0.0, "share of cells lost at random", low=0, high=0.95)
    trials: int = parameter(4, "held-out trials, each setting one variable", low=0, high=1000)

    def system(self, seed: int) -> SemSystem:
        """Return the system that a seed draws."""
        return SemSystem(self, seed)


class SemSystem(SimulatedSystem):
    """One SEM: its DAG, its weights and its units.

    ``weights`` float[N, N], ``[i, j]`` = weight of i in the equation of j, before ``scale`` float[N] and ``shift`` float[N].
    """

    def __init__(self, source: Sem, seed: int) -> None:
        """Draw graph, weights and units; no noise of a run."""
        super().__init__(source, seed)
        self.options = source
        n = source.n_variables
        self.n_rows, self.missing, self.bounds = source.n_samples, source.missing, {}
        rng = stream(self.seed, "sem", "system")
        self.order = rng.permutation(n)  # causes first; names and columns are in another order
        self.weights = np.zeros((n, n))
        upper = np.triu(rng.random((n, n)) < source.degree / max(n - 1, 1), k=1)
        self.weights[np.ix_(self.order, self.order)] = np.where(upper, signed_weights(rng, 0.5, 1.0, (n, n)), 0.0)
        self._layers = (
            [_layer(rng, int(np.count_nonzero(self.weights[:, j]))) for j in range(n)] if source.mechanism == "mlp" else []
        )
        self.shift, self.scale = np.zeros(n), np.ones(n)
        if source.standardise:
            pilot = self._solve(draw_noise(source.noise, stream(self.seed, "sem", "pilot"), (_PILOT_ROWS, n)), None)
            self.shift, self.scale = pilot.mean(axis=0), pilot.std(axis=0)
        self.truth = self._truth()

    def states(self, interventions: Sequence[Intervention], rng: np.random.Generator) -> np.ndarray:
        """Solve the equations: float[T, N] in the units of the data."""
        noise = draw_noise(self.options.noise, rng, (self.n_rows, len(self.order)))
        held = self.clamps(interventions) * self.scale + self.shift
        return (self._solve(noise, held) - self.shift) / self.scale

    def planned_trials(self, rng: np.random.Generator) -> list[Intervention]:
        """Set random variables two standard deviations up or down in the second half of the rows."""
        return set_trials(self, self.options.trials, 2.0, rng)

    def _solve(self, noise: np.ndarray, held: np.ndarray | None) -> np.ndarray:
        values = np.empty_like(noise)
        for j in self.order:
            parents = np.flatnonzero(self.weights[:, j])
            values[:, j] = self._mean(int(j), values[:, parents], self.weights[parents, j]) + noise[:, j]
            if held is not None:
                values[:, j] = np.where(np.isnan(held[:, j]), values[:, j], held[:, j])
        return values

    def _mean(self, j: int, parents: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """What the parents, float[T, P], make of variable j: float[T]."""
        if not self._layers or not len(weights):
            return bend(self.options.mechanism, parents) @ weights if len(weights) else np.zeros(len(parents))
        inner, bias, outer = self._layers[j]
        return np.tanh(parents @ inner + bias) @ outer

    def _truth(self) -> CausalGraph:
        names = [f"x{k}" for k in range(len(self.order))]
        effects = self.weights * self.scale[:, None] / self.scale[None, :]
        linear = self.options.mechanism == "linear"
        edges = [
            Edge(names[i], names[j], strength=float(effects[i, j]) if linear else None, evidence=("truth",))
            for i, j in zip(*(axis.tolist() for axis in np.nonzero(self.weights)), strict=True)
        ]
        return CausalGraph(names, edges, "dag", provenance={"source": "sem"})


def _layer(rng: np.random.Generator, n_parents: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights float[P, H], biases float[H] and outgoing weights float[H] of one random layer."""
    inner = signed_weights(rng, 0.5, 2.0, (n_parents, _HIDDEN))
    return inner, rng.uniform(-1.0, 1.0, _HIDDEN), signed_weights(rng, 0.5, 1.5, (_HIDDEN,)) / np.sqrt(_HIDDEN)
