"""The recursion of a structural VAR: steps through time, within a step through the levels of the lag-0 graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from causaldisc.sources._levels import Cuts, Levels
from causaldisc.sources._mechanisms import bend


@dataclass(frozen=True, eq=False)
class Regime:
    """Weights of a stretch of time.

    Attributes
    ----------
    own : float[N], of a variable's own value one step before.
    weights : float[L + 1, N, N], ``[l, i, j]`` = weight of ``f(x_i(t - l))`` in ``x_j(t)``; acyclic at lag 0.
    skew : of the same shape, weights of ``x_i(t - l)`` in the scale of j's noise, or None.
    """

    own: np.ndarray
    weights: np.ndarray
    skew: np.ndarray | None = None


class Recursion:
    """Equations that can be run: the regimes with their variables in the order in which a step computes them."""

    def __init__(self, regimes: Sequence[Regime], order: np.ndarray, mechanism: str, heteroscedastic: float) -> None:
        """Prepare the steps; ``order`` is one in which lag-0 causes come first."""
        groups = _groups(np.any([r.weights[0] != 0 for r in regimes], axis=0), order)
        self.place = np.concatenate(groups)  # variables of one group stand together
        ends = np.cumsum([len(group) for group in groups]).tolist()
        self.groups = [slice(end - len(group), end) for end, group in zip(ends, groups, strict=True)]
        self.mechanism, self.spread = mechanism, heteroscedastic
        p = self.place
        self.own = [r.own[p] for r in regimes]
        self.weights = [r.weights[:, p][:, :, p] for r in regimes]
        self.skew = [None if r.skew is None else r.skew[:, p][:, :, p] for r in regimes]

    def run(
        self,
        noise: np.ndarray,
        spans: Sequence[tuple[int, int, int]],
        held: np.ndarray | None,
        levels: Sequence[Levels | None],
        latents: np.ndarray | None = None,
    ) -> np.ndarray:
        """Run C independent copies at once.

        Parameters
        ----------
        noise : float[T, C, N]; before the first step everything is 0.
        spans : (regime, first step, step after the last), which cover all steps.
        held : float[T, N], what variables are held at, NaN where free; None = nothing.
        levels : how discrete variables are cut, None where continuous.
        latents : float[T, C, N] to be filled with the values before they are cut or held, or None.

        Returns
        -------
        float[T, C, N]
        """
        history, back = self.weights[0].shape[0] - 1, np.argsort(self.place)
        drawn = np.ascontiguousarray(noise.transpose(1, 0, 2)[:, :, self.place])
        values = np.zeros((drawn.shape[0], history + drawn.shape[1], drawn.shape[2]))
        bent = values if self.mechanism == "linear" else bend(self.mechanism, values)
        before = None if latents is None else np.empty_like(drawn)
        fixed = [] if held is None else np.flatnonzero(~np.isnan(held).all(axis=1)).tolist()
        holds = {row: held[row, self.place] for row in fixed} if held is not None else {}
        cuts = Cuts.of([levels[j] for j in self.place.tolist()])
        for k, first, last in spans:
            self._advance(k, range(first, last), values, bent, drawn, holds, cuts, before)
        if latents is not None and before is not None:
            latents[:] = before[:, :, back].transpose(1, 0, 2)
        return values[:, history:][:, :, back].transpose(1, 0, 2)

    def _advance(
        self,
        k: int,
        rows: range,
        values: np.ndarray,
        bent: np.ndarray,
        noise: np.ndarray,
        holds: dict[int, np.ndarray],
        cuts: Cuts | None,
        before: np.ndarray | None,
    ) -> None:
        """Fill the steps of one regime, in place."""
        own, weights, skew, n = self.own[k], self.weights[k], self.skew[k], noise.shape[2]
        history, runs = len(weights) - 1, len(noise)
        past = weights[:0:-1].reshape(-1, n)  # oldest lag first, as the steps stand
        past_skew = None if skew is None else skew[:0:-1].reshape(-1, n)
        instant = [weights[0][:, group].copy() for group in self.groups]
        for row in rows:
            now = history + row
            free = bent[:, row:now].reshape(runs, -1) @ past + own * values[:, now - 1]
            e, hold = noise[:, row], holds.get(row)
            lean = None if past_skew is None else values[:, row:now].reshape(runs, -1) @ past_skew
            for g, group in enumerate(self.groups):
                mean = free[:, group] + bent[:, now] @ instant[g] if g else free[:, group]
                shock = e[:, group]
                if skew is not None and lean is not None:
                    shock = shock * np.sqrt(1.0 + self.spread * np.tanh(lean[:, group] + values[:, now] @ skew[0][:, group]))
                found = mean + shock
                if before is not None:
                    before[:, row, group] = found
                values[:, now, group] = _settled(found, hold, group, cuts)
                if bent is not values:
                    bent[:, now, group] = bend(self.mechanism, values[:, now, group])


def _settled(found: np.ndarray, hold: np.ndarray | None, group: slice, cuts: Cuts | None) -> np.ndarray:
    """Cut what is discrete and put in place what is held."""
    if cuts is not None:
        found = cuts.cut(found, group)
    return found if hold is None else np.where(np.isnan(hold[group]), found, hold[group])


def spectral_radius(own: np.ndarray, weights: np.ndarray) -> float:
    """Largest modulus of the eigenvalues of the companion matrix of a linear VAR; below 1 it is stationary.

    >>> spectral_radius(np.array([0.5]), np.zeros((2, 1, 1)))
    0.5
    """
    return float(np.abs(np.linalg.eigvals(_companion(own, weights))).max())


def dominating_radius(regimes: Sequence[Regime]) -> float:
    """Spectral radius of the VAR whose weights are the largest absolute ones of all regimes.

    It bounds the growth under any switching among them, and whatever parts of them are replaced by bounded ones.

    >>> dominating_radius([Regime(np.array([-0.5]), np.zeros((2, 1, 1))), Regime(np.array([0.25]), np.zeros((2, 1, 1)))])
    0.5
    """
    own = np.max([np.abs(r.own) for r in regimes], axis=0)
    return spectral_radius(own, np.max([np.abs(r.weights) for r in regimes], axis=0))


def _companion(own: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Matrix of the reduced form, float[N L, N L]; column vectors stack the newest step first."""
    lags, n = len(weights) - 1, len(own)
    lagged = weights[1:].copy()
    lagged[0] += np.diag(own)
    unmix = np.linalg.inv(np.eye(n) - weights[0].T)
    top = np.concatenate([unmix @ a.T for a in lagged], axis=1)
    return np.concatenate([top, np.eye(n * (lags - 1), n * lags)])


def _groups(instant: np.ndarray, order: np.ndarray) -> list[np.ndarray]:
    """Group variables so that lag-0 parents stand in an earlier group."""
    depth = np.zeros(len(order), dtype=int)
    for j in order:
        parents = np.flatnonzero(instant[:, j])
        depth[j] = depth[parents].max() + 1 if len(parents) else 0
    return [np.flatnonzero(depth == d) for d in range(depth.max() + 1)]
