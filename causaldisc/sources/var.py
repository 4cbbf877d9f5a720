"""var: a random stationary structural vector autoregression, linear or bent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.intervention import Intervention
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Source
from causaldisc.sources._mechanisms import MECHANISMS, bend, signed_weights
from causaldisc.sources._simulated import SimulatedSystem, set_trials
from causaldisc.sources._streams import NOISES, draw_noise, stream

_RADIUS = 0.9
_WARM_UP = 200
_PILOT_ROWS = 4000


@dataclass(frozen=True)
class Var(Source):
    """A structural VAR ``x_j(t) = a_j x_j(t-1) + Σ w_ij,l f(x_i(t-l)) + e_j(t)``, lags ``l`` from 0 to ``max_lag``.

    Links between different variables are drawn at random with the expected ``degree`` (in and out together); a share
    ``contemporaneous`` of them acts at lag 0, along a random order, the rest at a lag drawn uniformly; weights are uniform in
    ±[0.25, 0.5]. Lagged weights are then shrunk, at lag l by r^l, until the spectral radius of the companion matrix is at most
    0.9; a bent ``f`` is bounded besides. A step counts as a second.

    >>> data = Var(n_variables=5, n_samples=300).system(seed=0).dataset()
    >>> data.telemetry.shape, data.truth.kind, data.truth.max_lag
    ((300, 5), 'lagged', 3)
    """

    name: ClassVar[str] = "var"
    summary: ClassVar[str] = "random stationary structural vector autoregression, linear or bent"

    n_variables: int = parameter(10, "variables", low=1, high=2000)
    n_samples: int = parameter(1000, "steps", low=10, high=10_000_000)
    max_lag: int = parameter(3, "largest lag of a link, in steps", low=1, high=100)
    degree: float = parameter(2.0, "expected number of links of a variable, its self-link apart", low=0)
    mechanism: str = parameter("linear", "what another variable does", choices=MECHANISMS)
    noise: str = parameter("gaussian", "distribution of the noise", choices=NOISES)
    contemporaneous: float = parameter(0.3, "share of links at lag 0", low=0, high=1)
    autocorrelation: float = parameter(0.5, "typical weight of a variable's own past; 0 = no self-links", low=0, high=0.9)
    standardise: bool = parameter(True, "whether variables have mean 0 and variance 1")
    missing: float = parameter(0.0, "share of cells lost at random", low=0, high=0.95)
    trials: int = parameter(4, "held-out trials, each setting one variable", low=0, high=1000)

    def system(self, seed: int) -> VarSystem:
        """Return the system that a seed draws."""
        return VarSystem(self, seed)


class VarSystem(SimulatedSystem):
    """One VAR: ``own`` float[N] weights of the own past, ``weights`` float[L + 1, N, N], ``[l, i, j]`` = i(t - l) → j(t)."""

    def __init__(self, source: Var, seed: int) -> None:
        """Draw links, weights and units; no noise of a run."""
        super().__init__(source, seed)
        self.options = source
        n = source.n_variables
        self.n_rows, self.missing, self.bounds = source.n_samples, source.missing, {}
        rng = stream(self.seed, "var", "system")
        self.own, self.weights, order = _draw(source, rng)
        self.own, self.weights = _stabilise(self.own, self.weights)
        self._levels = _levels(self.weights[0], order)
        self.shift, self.scale = np.zeros(n), np.ones(n)
        if source.standardise:
            rows = _WARM_UP + _PILOT_ROWS
            pilot = self._solve(draw_noise(source.noise, stream(self.seed, "var", "pilot"), (rows, n)), None)[_WARM_UP:]
            self.shift, self.scale = pilot.mean(axis=0), pilot.std(axis=0)
        self.truth = self._truth()

    def states(self, interventions: Sequence[Intervention], rng: np.random.Generator) -> np.ndarray:
        """Run the recursion: float[T, N] in the units of the data."""
        noise = draw_noise(self.options.noise, rng, (_WARM_UP + self.n_rows, len(self.own)))
        held = np.full_like(noise, np.nan)
        held[_WARM_UP:] = self.clamps(interventions) * self.scale + self.shift
        return (self._solve(noise, held)[_WARM_UP:] - self.shift) / self.scale

    def planned_trials(self, rng: np.random.Generator) -> list[Intervention]:
        """Set random variables two standard deviations up or down in the second half of the run."""
        return set_trials(self, self.options.trials, 2.0, rng)

    def notes(self, states: np.ndarray) -> dict[str, Any]:
        """Return what every simulator tells, and the spectral radius."""
        return {**super().notes(states), "spectral_radius": spectral_radius(self.own, self.weights)}

    def _solve(self, noise: np.ndarray, held: np.ndarray | None) -> np.ndarray:
        """Step through time; within a step, through the levels of the lag-0 graph."""
        mechanism, (depth, n, _) = self.options.mechanism, self.weights.shape
        history = depth - 1
        past = self.weights[:0:-1].reshape(-1, n)  # oldest lag first, as rows of the history stand
        instant = [(level, self.weights[0][:, level].copy()) for level in self._levels[1:]]
        holds = np.full_like(noise, np.nan) if held is None else held
        fixed = set(np.nonzero(~np.isnan(holds))[0].tolist())
        values = np.zeros((history + len(noise), n))
        bent = values if mechanism == "linear" else bend(mechanism, values)
        for row in range(len(noise)):
            now = history + row
            free = bent[row:now].reshape(-1) @ past + self.own * values[now - 1] + noise[row]
            values[now] = _hold(free, holds[row]) if row in fixed else free
            for level, weights in instant:
                if bent is not values:
                    bent[now] = bend(mechanism, values[now])
                values[now, level] = free[level] + bent[now] @ weights
                if row in fixed:
                    values[now] = _hold(values[now], holds[row])
            if bent is not values:
                bent[now] = bend(mechanism, values[now])
        return values[history:]

    def _truth(self) -> CausalGraph:
        names = [f"x{k}" for k in range(len(self.own))]
        linear = self.options.mechanism == "linear"
        links = self.weights * self.scale[:, None] / self.scale[None, :]
        edges = [Edge(names[j], names[j], 1, strength=float(self.own[j]), evidence=("truth",)) for j in np.flatnonzero(self.own)]
        for lag, i, j in zip(*(axis.tolist() for axis in np.nonzero(self.weights)), strict=True):
            edges.append(Edge(names[i], names[j], lag, strength=float(links[lag, i, j]) if linear else None, evidence=("truth",)))
        return CausalGraph(names, edges, "lagged", self.options.max_lag, 1.0, {"source": "var"})


def _hold(values: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Put in place what is held; NaN is free."""
    return np.where(np.isnan(held), values, held)


def spectral_radius(own: np.ndarray, weights: np.ndarray) -> float:
    """Largest modulus of the eigenvalues of the companion matrix of a linear VAR; below 1 it is stationary.

    >>> spectral_radius(np.array([0.5]), np.zeros((2, 1, 1)))
    0.5
    """
    return float(np.abs(np.linalg.eigvals(_companion(own, weights))).max())


def _companion(own: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Matrix of the reduced form, float[N L, N L]; column vectors stack the newest step first."""
    lags, n = len(weights) - 1, len(own)
    lagged = weights[1:].copy()
    lagged[0] += np.diag(own)
    unmix = np.linalg.inv(np.eye(n) - weights[0].T)
    top = np.concatenate([unmix @ a.T for a in lagged], axis=1)
    return np.concatenate([top, np.eye(n * (lags - 1), n * lags)])


def _draw(source: Var, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw own weights, links and the causal order of lag 0."""
    n, lags = source.n_variables, source.max_lag
    order = rng.permutation(n)
    rank = np.argsort(order)
    instant = (rng.random((n, n)) < source.contemporaneous * source.degree / max(n - 1, 1)) & (rank[:, None] < rank[None, :])
    lagged = (rng.random((n, n)) < (1 - source.contemporaneous) * source.degree / max(2 * (n - 1), 1)) & ~np.eye(n, dtype=bool)
    lag = rng.integers(1, lags + 1, (n, n))
    weights = np.zeros((lags + 1, n, n))
    weights[0] = np.where(instant, signed_weights(rng, 0.25, 0.5, (n, n)), 0.0)
    for step in range(1, lags + 1):
        weights[step] = np.where(lagged & (lag == step), signed_weights(rng, 0.25, 0.5, (n, n)), 0.0)
    own = np.clip(source.autocorrelation * rng.uniform(0.7, 1.3, n), 0.0, _RADIUS)
    return own, weights, order


def _stabilise(own: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shrink weights at lag l by r^l, which multiplies every eigenvalue by r, until the radius is at most 0.9."""
    shrink = min(1.0, _RADIUS / max(spectral_radius(own, weights), 1e-12))
    return own * shrink, weights * (shrink ** np.arange(len(weights)))[:, None, None]


def _levels(instant: np.ndarray, order: np.ndarray) -> list[np.ndarray]:
    """Group variables so that lag-0 parents stand in an earlier group."""
    depth = np.zeros(len(order), dtype=int)
    for j in order:
        parents = np.flatnonzero(instant[:, j])
        depth[j] = depth[parents].max() + 1 if len(parents) else 0
    return [np.flatnonzero(depth == d) for d in range(depth.max() + 1)]
