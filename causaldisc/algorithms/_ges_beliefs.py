"""What beliefs weigh in a greedy search of classes: a bonus for edges, and the directions that they leave room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from causaldisc.algorithms._wide import by_lag, square
from causaldisc.core.constraints import Constraints

if TYPE_CHECKING:
    from causaldisc.kernels.ges_search import Found


class Weights(NamedTuple):
    """What beliefs weigh.

    Attributes
    ----------
    logits, bonus : float[N, N, L + 1], log-odds of adjacencies, and what they add to the score.
    directions : float[M, M], log-odds of directions at lag 0.
    price, bars : what a parent costs; float[N, N], the squared statistic up to which there is no room for i → j at lag 0.
    """

    logits: np.ndarray
    bonus: np.ndarray
    directions: np.ndarray
    price: float
    bars: np.ndarray

    @classmethod
    def of(cls, constraints: Constraints, R: np.ndarray, rows: float, twins: list[list[int]], price: float) -> Weights | None:
        """Weigh beliefs, by correlations float[M, M] on so many rows; None without any.

        What they say of near-duplicates ``twins`` goes to the first of them, which is searched.
        """
        from causaldisc.kernels.beliefs import adjacency, bars, bonus

        if not constraints.beliefs:
            return None
        n, directions = len(constraints.allowed), np.zeros(R.shape)
        said = constraints.belief_logits(by_lag(np.abs(R[:, :n])))
        for group in twins:
            said[group[0]] = _loudest(said[group])
            said[:, group[0]] = _loudest(said[:, group].swapaxes(0, 1))
        logits = adjacency(said, constraints.allowed)
        directions[:n, :n] = said[:, :, 0] - said[:, :, 0].T
        single = bars(2.0 * price, said[:, :, 0], rows)
        return cls(logits, bonus(price, logits, rows), directions, price, single)

    @property
    def wide(self) -> np.ndarray:
        """float[M, M], the bonus over lagged columns."""
        return square(self.bonus)

    def owed(self, found: Found) -> np.ndarray:
        """bool[N, N, L + 1], the edges that gain nothing without their bonus; symmetric at lag 0."""
        n = len(self.logits)
        loss = -by_lag(found.gains[1]) - self.bonus
        owed = by_lag(found.marks[:, :n]) & (self.logits > 0) & (loss <= 0)
        owed[:, :, 0] |= owed[:, :, 0].T
        return owed

    def misread(self, found: Found, may: np.ndarray) -> np.ndarray:
        """bool[N, N], the arrows found at lag 0 whose own bar the data do not pass, while they pass that of the reverse.

        An adjacency that only the belief in one direction keeps may not be read as the other.
        """
        n = len(may)
        arrows = found.marks[:n, :n] & ~found.marks[:n, :n].T & may
        passed = self.squares(found)[:, :, 0] > self.bars
        return arrows & (self.logits[:, :, 0] != 0) & ~passed & (passed & may).T

    def squares(self, found: Found) -> np.ndarray:
        """float[N, N, L + 1], squared statistics: twice the log-likelihood that an edge gains, or would gain at best."""
        there = by_lag(found.marks[:, : len(self.logits)])
        gain = np.where(there, -by_lag(found.gains[1]), by_lag(found.gains[0])) - self.bonus
        worth = np.where(np.isfinite(gain), np.maximum(2.0 * (gain + self.price), 0.0), 0.0)
        worth[:, :, 0] = np.maximum(worth[:, :, 0], worth[:, :, 0].T)
        return worth


def _loudest(said: np.ndarray) -> np.ndarray:
    """The strongest word for something along the first axis, or else the strongest against it."""
    for_ = said.max(axis=0)
    return np.where(for_ > 0, for_, said.min(axis=0))
