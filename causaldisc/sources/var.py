"""var: a random stationary structural vector autoregression, linear or bent.

With ``sortability="level"`` neither variance nor R² tells the causal order, on average over seeds: the figures stand in
``experiments/sortability/README.md``, and ``experiments/sortability/levels.py`` finds them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.graph import CausalGraph
from causaldisc.core.intervention import Intervention
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Source
from causaldisc.sources._mechanisms import MECHANISMS, signed_weights, temper
from causaldisc.sources._random import (
    RandomSystem,
    discrete_parameter,
    heteroscedastic_parameter,
    hidden_parameter,
    regimes_parameter,
    sortability_parameter,
)
from causaldisc.sources._recursion import Recursion, Regime, dominating_radius, spectral_radius
from causaldisc.sources._sortability import directed_edges
from causaldisc.sources._streams import NOISES, draw_noise
from causaldisc.sources._tilt import level, positions, r2_share

_RADIUS = 0.9
_WARM_UP = 200
_PILOT_ROWS = 4000
_CHAINS, _CHAIN_STEPS, _CHAIN_WARM_UP, _CHAIN_STRIDE = 250, 80, 40, 4  # pilot of the level: many short runs at once


@dataclass(frozen=True)
class Var(Source):
    """A structural VAR ``x_j(t) = a_j x_j(t-1) + Σ w_ij,l f(x_i(t-l)) + e_j(t)``, lags ``l`` from 0 to ``max_lag``.

    Links between different variables are drawn at random with the expected ``degree`` (in and out together); a share
    ``contemporaneous`` of them acts at lag 0, along a random order, the rest at a lag drawn uniformly; weights are uniform in
    ±[0.25, 0.5]. Pairs of ``feedback`` drive each other at lag 1 besides: x → y → x, a cycle of the summary graph. Lagged
    weights are then shrunk, at lag l by r^l, until the spectral radius of the companion matrix is at most 0.9; a bent ``f`` is
    bounded besides. A step counts as a second.

    With ``heteroscedastic`` = h the variance of the noise is ``1 + h tanh(Σ v_ij,l x_i(t-l))`` over the same parents.
    ``discrete`` variables are cut into 2 to 5 levels, 0, 1, … in the data. ``hidden`` variables, without memory of their own and
    without links among themselves, are not shown: the truth is then the latent projection, in which lags along a chain add up,
    with an arrow–arrow edge where a hidden variable is all that joins two columns. With ``regimes`` the weights are drawn anew
    at random times, the graph stays. With regimes, discrete variables or a level, 0.9 bounds the radius of the largest
    absolute weights of all regimes, so that no switching makes values grow.

    With ``sortability="level"`` weights into later variables are larger or smaller than into earlier ones, just so far that
    R²-sortability (of rows, by the summary graph) is 1/2 on a pilot run.

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
    heteroscedastic: float = heteroscedastic_parameter()
    discrete: float = discrete_parameter()
    hidden: int = hidden_parameter()
    regimes: int = regimes_parameter()
    feedback: int = parameter(0, "pairs of variables that drive each other at lag 1", low=0, high=1000)
    sortability: str = sortability_parameter()

    def system(self, seed: int) -> VarSystem:
        """Return the system that a seed draws; raises InputError for more pairs of feedback than there are."""
        if self.feedback > self.n_variables // 2:
            raise InputError(
                f"var.feedback must be at most half of n_variables, got {self.feedback}; valid: 0..{self.n_variables // 2}"
            )
        return VarSystem(self, seed)


class VarSystem(RandomSystem):
    """One VAR: ``own`` float[N] weights of the own past, ``weights`` float[L + 1, N, N], ``[l, i, j]`` = i(t - l) → j(t).

    Both are those of the first regime.
    """

    def __init__(self, source: Var, seed: int) -> None:
        """Draw links, weights and units; no noise of a run."""
        n = source.n_variables + source.hidden
        super().__init__(source, seed, n)
        self.options = source
        own, weights, self.order = _draw(source, n, self._stream("system"))
        self.hide(np.array(weights.any(axis=0)), source.hidden)
        weights[:, self.hidden[:, None] & self.hidden[None, :]] = 0.0
        self._feed_back(weights)
        self.drawn = [self._regime(own, weights)]
        for k in range(1, source.regimes):
            self.drawn.append(self._redrawn(weights != 0, "regime", k))
        self._take(self.drawn)
        self.truth = self._truth()
        self._settle()
        self.truth = self._truth()

    def states(self, interventions: Sequence[Intervention], rng: np.random.Generator) -> np.ndarray:
        """Run the recursion: float[T, M] in the units of the data."""
        noise = draw_noise(self.options.noise, rng, (_WARM_UP + self.n_rows, len(self.hidden)))
        held = np.full_like(noise, np.nan)
        held[_WARM_UP:] = self.held_values(interventions)
        return self.in_units(self._run_recursion(noise[:, None], _WARM_UP, held)[_WARM_UP:, 0])

    def notes(self, states: np.ndarray) -> dict[str, Any]:
        """Return what every random system tells, and the largest spectral radius of its regimes."""
        return {**super().notes(states), "spectral_radius": max(spectral_radius(r.own, r.weights) for r in self.regimes)}

    # -- drawing -----------------------------------------------------------------------------------------------------

    def _feed_back(self, weights: np.ndarray) -> None:
        """Let pairs of columns drive each other at lag 1, in place."""
        rng = self._stream("feedback")
        pairs = rng.permutation(self.observed)[: 2 * self.options.feedback].reshape(-1, 2)
        for pair in (pairs, pairs[:, ::-1]):
            weights[1, pair[:, 0], pair[:, 1]] = signed_weights(rng, 0.25, 0.5, (len(pair),))

    def _redrawn(self, links: np.ndarray, *labels: str | int) -> Regime:
        """Draw all weights of the same links anew."""
        rng = self._stream(*labels)
        weights = np.where(links, signed_weights(rng, 0.25, 0.5, links.shape), 0.0)
        weights[0] = temper(weights[0])
        return self._regime(_own(self.options, rng, len(self.hidden)), weights, *labels)

    def _regime(self, own: np.ndarray, weights: np.ndarray, *labels: str | int) -> Regime:
        """Add the weights in the scale of the noise; hidden variables have no memory."""
        skew = None
        if self.options.heteroscedastic:
            signs = signed_weights(self._stream("skew", *labels), 0.5, 1.0, weights.shape)
            parents = np.count_nonzero(weights, axis=(0, 1))
            skew = np.where(weights != 0, signs, 0.0) / np.sqrt(np.maximum(parents, 1))
        return Regime(np.where(self.hidden, 0.0, own), weights, skew)

    def _take(self, drawn: Sequence[Regime]) -> None:
        """Make stable what was drawn, and run by it from now on."""
        switching = len(drawn) > 1 or self.counts.any() or self.options.sortability == "level"
        radius = dominating_radius(drawn) if switching else spectral_radius(drawn[0].own, drawn[0].weights)
        shrink = min(1.0, _RADIUS / max(radius, 1e-12))  # at lag l by r^l: every eigenvalue is multiplied by r
        lags = (shrink ** np.arange(len(drawn[0].weights)))[:, None, None]
        self.regimes = [Regime(r.own * shrink, r.weights * lags, r.skew) for r in drawn]
        self.own, self.weights = self.regimes[0].own, self.regimes[0].weights
        options = self.options
        self.recursion = Recursion(self.regimes, self.order, options.mechanism, options.heteroscedastic)

    # -- pilots ------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Fix by pilot runs what cannot be known before: the level, the levels of discrete variables, the units."""
        options, n = self.options, len(self.hidden)
        even = options.sortability == "level"
        if even:
            self._find_level()
        if self.counts.any():
            self._fit_levels(self._chains())
        if not (options.standardise or even or self.counts.any()):
            self.fix_units(np.empty((0, n)), False, False)
            return
        noise = draw_noise(options.noise, self._stream("pilot"), (_WARM_UP + _PILOT_ROWS, n))[:, None]
        self.fix_units(self._run_recursion(noise, _WARM_UP)[_WARM_UP:, 0], options.standardise, even)

    def _find_level(self) -> None:
        """Choose weights by which R²-sortability is 1/2 on many short runs."""
        noise, n, links = self._chains(), len(self.hidden), self.weights != 0
        place, seen = positions(links.any(axis=0) & ~np.eye(n, dtype=bool)), directed_edges(self.truth)

        def measure(draw: int, tilt: float) -> float:
            self._take(self._tilted(links, place, draw, tilt))
            self._fit_levels(noise)
            rows = self._run_recursion(noise, _CHAIN_WARM_UP)[_CHAIN_WARM_UP::_CHAIN_STRIDE]
            return r2_share(rows.reshape(-1, n)[:, self.observed], seen)

        self._take(self._tilted(links, place, *level(measure, self._stream("level", "ties"))))

    def _chains(self) -> np.ndarray:
        """Noise float[T, C, N] of many short runs."""
        shape = (_CHAIN_STEPS, _CHAINS, len(self.hidden))
        return draw_noise(self.options.noise, self._stream("pilot", "chains"), shape)

    def _tilted(self, links: np.ndarray, place: np.ndarray, draw: int, tilt: float) -> list[Regime]:
        """Weaken (or strengthen) the weights into late variables."""
        drawn = [self._redrawn(links, "level", draw, k) for k in range(len(self.drawn))] if draw else self.drawn
        return [Regime(r.own, r.weights * np.exp(-0.5 * tilt * place), r.skew) for r in drawn]

    def _fit_levels(self, noise: np.ndarray) -> None:
        """Cut the discrete variables by runs in which they are continuous, then by runs in which they are not."""
        self.levels = [None] * len(self.levels)
        for _ in range(2 if self.counts.any() else 0):
            latents = np.empty_like(noise)
            self._run_recursion(noise, _CHAIN_WARM_UP, latents=latents)
            for j in range(len(self.levels)):
                self.fit_levels(j, latents[_CHAIN_WARM_UP:, :, j].ravel())

    def _run_recursion(
        self, noise: np.ndarray, warm_up: int, held: np.ndarray | None = None, latents: np.ndarray | None = None
    ) -> np.ndarray:
        """float[T, C, N] of C runs at once, of which the warm-up is in the first regime; see :meth:`Recursion.run`."""
        spans = [(k, warm_up + first, warm_up + last) for k, first, last in self.spans(len(noise) - warm_up)]
        spans[0] = (0, 0, spans[0][2])
        return self.recursion.run(noise, spans, held, self.levels, latents)

    def _truth(self) -> CausalGraph:
        links = self.weights != 0
        strength = {}
        if len(self.regimes) == 1 and not self.counts.any():
            if self.options.mechanism == "linear":
                effects = self.weights * self.scale[:, None] / self.scale[None, :]
                cells = zip(*(axis.tolist() for axis in np.nonzero(links)), strict=True)
                strength = {(i, j, lag): float(effects[lag, i, j]) for lag, i, j in cells}
            strength |= {(j, j, 1): float(self.own[j]) for j in np.flatnonzero(self.own).tolist()}
        links[1] |= np.diag(self.own != 0)
        return self.graph(links, strength, "lagged", self.options.max_lag)


def _draw(source: Var, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw own weights, links and the causal order of lag 0."""
    lags = source.max_lag
    order = rng.permutation(n)
    rank = np.argsort(order)
    instant = (rng.random((n, n)) < source.contemporaneous * source.degree / max(n - 1, 1)) & (rank[:, None] < rank[None, :])
    lagged = (rng.random((n, n)) < (1 - source.contemporaneous) * source.degree / max(2 * (n - 1), 1)) & ~np.eye(n, dtype=bool)
    lag = rng.integers(1, lags + 1, (n, n))
    weights = np.zeros((lags + 1, n, n))
    weights[0] = temper(np.where(instant, signed_weights(rng, 0.25, 0.5, (n, n)), 0.0))
    for step in range(1, lags + 1):
        weights[step] = np.where(lagged & (lag == step), signed_weights(rng, 0.25, 0.5, (n, n)), 0.0)
    return _own(source, rng, n), weights, order


def _own(source: Var, rng: np.random.Generator, n: int) -> np.ndarray:
    return np.clip(source.autocorrelation * rng.uniform(0.7, 1.3, n), 0.0, _RADIUS)
