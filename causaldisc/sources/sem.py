"""sem: independent rows of a random structural equation model over an Erdős–Rényi DAG.

With ``sortability="level"`` neither variance nor R² tells the causal order, on average over seeds: the figures stand in
``experiments/sortability/README.md``, and ``experiments/sortability/levels.py`` finds them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph
from causaldisc.core.intervention import Intervention
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Source
from causaldisc.sources._mechanisms import MECHANISMS, bend, signed_weights, temper
from causaldisc.sources._random import (
    RandomSystem,
    discrete_parameter,
    heteroscedastic_parameter,
    hidden_parameter,
    regimes_parameter,
    sortability_parameter,
)
from causaldisc.sources._sortability import directed_edges
from causaldisc.sources._streams import NOISES, draw_noise
from causaldisc.sources._tilt import level, positions, r2_share

_HIDDEN = 12  # tanh units of an mlp mechanism
_PILOT_ROWS = 4000


@dataclass(frozen=True)
class Sem(Source):
    """A structural equation model ``x_j = Σ w_ij f(x_i) + e_j`` with rows that are independent of each other.

    Edges are those of an Erdős–Rényi graph with the expected ``degree``, directed along a random order; weights are uniform in
    ±[0.5, 1] (less into a variable of more than eight parents); with ``mlp`` a random layer of tanh units reads all parents
    together. Noise has variance 1; with ``heteroscedastic`` = h its variance is ``1 + h tanh(Σ v_ij x_i)`` over the same
    parents. ``discrete`` variables are cut into 2 to 5 levels, about equally likely, 0, 1, … in the data. ``hidden`` variables
    are not shown: the truth (kind ``pag``) is then the latent projection, with an arrow–arrow edge where a hidden variable is
    all that joins two columns. With ``regimes`` the weights are drawn anew at random times, the graph stays.

    With ``standardise`` every variable is given in units of its own (observational) mean and standard deviation, constants
    of the system, so that variances tell nothing of the order. ``sortability="level"`` takes that from R² too: the parents'
    share of a variable's variance is drawn for each variable, as in internally standardised models (Ormaniec et al.,
    "Standardizing structural causal models", ICLR 2025), and falls or rises along the order just so far that
    R²-sortability is 1/2 on a pilot run. A row counts as a second: ``set`` holds a variable over rows ``start <= row < stop``.

    >>> data = Sem(n_variables=5, n_samples=200).system(seed=0).dataset()
    >>> data.telemetry.shape, data.truth.kind
    ((200, 5), 'dag')
    >>> Sem(hidden=1).system(seed=0).dataset().truth.kind
    'pag'
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
    heteroscedastic: float = heteroscedastic_parameter()
    discrete: float = discrete_parameter()
    hidden: int = hidden_parameter()
    regimes: int = regimes_parameter()
    sortability: str = sortability_parameter()

    def system(self, seed: int) -> SemSystem:
        """Return the system that a seed draws."""
        return SemSystem(self, seed)


@dataclass(frozen=True, eq=False)
class _Regime:
    """What the equations are for a stretch of rows: weights float[N, N], those in the noise's scale, layers of an mlp."""

    weights: np.ndarray
    skew: np.ndarray
    layers: list[tuple[np.ndarray, np.ndarray, np.ndarray]]


class SemSystem(RandomSystem):
    """One SEM: its DAG, its weights and its units.

    ``weights`` float[N, N], ``[i, j]`` = weight of i in the equation of j in the first regime, before ``scale`` float[N] and
    ``shift`` float[N]. Of all that parents make of a variable, float[T], the equation takes ``gain · (it - centre)``, and of
    its noise ``sd`` times: 1, 0 and 1 unless sortability is level.
    """

    def __init__(self, source: Sem, seed: int) -> None:
        """Draw graph, weights and units; no noise of a run."""
        n = source.n_variables + source.hidden
        super().__init__(source, seed, n)
        self.options = source
        rng = self._stream("system")
        self.order = rng.permutation(n)  # causes first; names and columns are in another order
        upper = np.triu(rng.random((n, n)) < source.degree / max(n - 1, 1), k=1)
        self.weights = np.zeros((n, n))
        self.weights[np.ix_(self.order, self.order)] = np.where(upper, signed_weights(rng, 0.5, 1.0, (n, n)), 0.0)
        self.weights = temper(self.weights)
        self.regimes = [self._regime(self.weights, rng, 0)]
        for k in range(1, source.regimes):
            rng = self._stream("regime", k)
            drawn = np.where(self.weights != 0, signed_weights(rng, 0.5, 1.0, (n, n)), 0.0)
            self.regimes.append(self._regime(temper(drawn), rng, k))
        self.hide(self.weights != 0, source.hidden)
        self.gain, self.centre, self.sd = np.ones(n), np.zeros(n), np.ones(n)
        self.truth = self._truth()
        self._settle()
        self.truth = self._truth()

    def states(self, interventions: Sequence[Intervention], rng: np.random.Generator) -> np.ndarray:
        """Solve the equations: float[T, M] in the units of the data."""
        noise = draw_noise(self.options.noise, rng, (self.n_rows, len(self.order)))
        return self.in_units(self._solve(noise, self.held_values(interventions)))

    def _regime(self, weights: np.ndarray, rng: np.random.Generator, k: int) -> _Regime:
        parents = np.count_nonzero(weights, axis=0)
        layers = [_layer(rng, int(p)) for p in parents] if self.options.mechanism == "mlp" else []
        signs = signed_weights(self._stream("skew", k), 0.5, 1.0, weights.shape) if self.options.heteroscedastic else 0.0
        return _Regime(weights, np.where(weights != 0, signs, 0.0) / np.sqrt(np.maximum(parents, 1)), layers)

    def _settle(self) -> None:
        """Fix by a pilot run what cannot be known before: the level, the levels of discrete variables, the units."""
        options, even = self.options, self.options.sortability == "level"
        if not (options.standardise or even or self.counts.any()):
            self.fix_units(np.empty((0, len(self.order))), False, False)
            return
        noise = draw_noise(options.noise, self._stream("pilot"), (_PILOT_ROWS, len(self.order)))
        share = None
        if even:
            links = self.weights != 0
            place, seen = positions(links), directed_edges(self.truth)

            def shares(draw: int, tilt: float) -> np.ndarray:
                base = self._stream("level", draw).uniform(-0.7, 1.1, len(place))  # shares from a third to three quarters
                return np.clip(1.0 / (1.0 + np.exp(tilt * place - base)), 0.1, 0.9)

            def measure(draw: int, tilt: float) -> float:
                return r2_share(self._solve(noise, None, shares(draw, tilt))[:, self.observed], seen)

            share = shares(*level(measure, self._stream("level")))
        pilot = self._solve(noise, None, share if even else np.empty(0))
        self.fix_units(pilot, options.standardise, even)

    def _solve(self, noise: np.ndarray, held: np.ndarray | None, share: np.ndarray | None = None) -> np.ndarray:
        """Solve the equations in causal order: float[T, N] before units.

        With ``share`` the run is a pilot and fixes what it meets: levels of discrete variables, and, if ``share`` is float[N],
        the gains by which that share of each variable's variance comes from its parents.
        """
        values = np.empty_like(noise)
        for j in self.order.tolist():
            drive, spread = self._read(j, values)
            if share is not None and len(share):
                self._balance(j, drive, float(share[j]))
            latent = self.gain[j] * (drive - self.centre[j]) + self.sd[j] * spread * noise[:, j]
            if share is not None:
                self.fit_levels(j, latent)
            cut = self.levels[j]
            values[:, j] = latent if cut is None else cut.cut(latent)
            if held is not None:
                values[:, j] = np.where(np.isnan(held[:, j]), values[:, j], held[:, j])
        return values

    def _read(self, j: int, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | float]:
        """What the parents make of variable j, float[T], and of the scale of its noise."""
        parents = np.flatnonzero(self.weights[:, j])
        drive = np.zeros(len(values))
        if not len(parents):
            return drive, 1.0
        spread = np.ones(len(values)) if self.options.heteroscedastic else 1.0
        for k, start, stop in self.spans(len(values)):
            regime, read = self.regimes[k], values[start:stop, parents]
            drive[start:stop] = self._mean(regime, j, read, regime.weights[parents, j])
            if isinstance(spread, np.ndarray):
                tanh = np.tanh(read @ regime.skew[parents, j])
                spread[start:stop] = np.sqrt(1.0 + self.options.heteroscedastic * tanh)
        return drive, spread

    def _mean(self, regime: _Regime, j: int, parents: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """What the parents, float[T, P], make of the mean of variable j: float[T]."""
        if not regime.layers:
            return bend(self.options.mechanism, parents) @ weights
        inner, bias, outer = regime.layers[j]
        return np.tanh(parents @ inner + bias) @ outer

    def _balance(self, j: int, drive: np.ndarray, share: float) -> None:
        """Let a share of variable j's variance come from its parents, the rest from its noise."""
        spread = float(drive.std())
        self.centre[j] = float(drive.mean())
        self.gain[j], self.sd[j] = (np.sqrt(share) / spread, np.sqrt(1.0 - share)) if spread > 0 else (1.0, 1.0)

    def _truth(self) -> CausalGraph:
        links = (self.weights != 0)[None]
        effects = self.weights * self.gain[None, :] * self.scale[:, None] / self.scale[None, :]
        strength = {}
        if self.options.mechanism == "linear" and len(self.regimes) == 1 and not self.counts.any():
            strength = {(i, j, 0): float(effects[i, j]) for i, j in np.argwhere(links[0]).tolist()}
        return self.graph(links, strength, "pag" if self.hidden.any() else "dag", 0)


def _layer(rng: np.random.Generator, n_parents: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights float[P, H], biases float[H] and outgoing weights float[H] of one random layer."""
    inner = signed_weights(rng, 0.5, 2.0, (n_parents, _HIDDEN))
    return inner, rng.uniform(-1.0, 1.0, _HIDDEN), signed_weights(rng, 0.5, 1.5, (_HIDDEN,)) / np.sqrt(_HIDDEN)
