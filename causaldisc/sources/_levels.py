"""Discrete variables: a continuous value cut into a few levels that are about equally likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_MOST = 5  # levels


@dataclass(frozen=True, eq=False)
class Levels:
    """The cut of one variable: level k is ``centre + step · k``, K levels with the mean and the variance that they are cut from.

    Equations read that value; in the units of the data it is the whole number k.

    Attributes
    ----------
    borders : float[K - 1], ascending; a value belongs to the level whose number of borders lies below it.
    centre, step : value of level 0, and from level to level.
    """

    borders: np.ndarray
    centre: float
    step: float

    @classmethod
    def of(cls, sample: np.ndarray, count: int) -> Levels:
        """Return ``count`` levels, equally likely in a sample.

        >>> levels = Levels.of(np.arange(8.0), 2)
        >>> levels.borders.tolist(), levels.cut(np.array([0.0, 7.0])).round(3).tolist()
        ([3.5], [1.209, 5.791])
        """
        step = float(sample.std() / np.sqrt((count**2 - 1) / 12))
        borders = np.quantile(sample, np.arange(1, count) / count)
        return cls(borders, float(sample.mean()) - step * (count - 1) / 2, step)

    def cut(self, values: np.ndarray) -> np.ndarray:
        """Return the value of the level of each value."""
        return self.centre + self.step * np.searchsorted(self.borders, values)


@dataclass(frozen=True, eq=False)
class Cuts:
    """The cuts of many variables side by side; continuous ones stay as they are.

    Attributes
    ----------
    discrete : bool[N].
    borders : float[N, 4], infinite where a variable has fewer.
    centre, step : float[N].
    """

    discrete: np.ndarray
    borders: np.ndarray
    centre: np.ndarray
    step: np.ndarray

    @classmethod
    def of(cls, levels: Sequence[Levels | None]) -> Cuts | None:
        """Return the cuts of N variables, or None where all are continuous."""
        if not any(levels):
            return None
        borders = np.full((len(levels), _MOST - 1), np.inf)
        centre, step = np.zeros(len(levels)), np.zeros(len(levels))
        for j, cut in enumerate(levels):
            if cut is not None:
                borders[j, : len(cut.borders)], centre[j], step[j] = cut.borders, cut.centre, cut.step
        return cls(np.array([cut is not None for cut in levels]), borders, centre, step)

    def cut(self, values: np.ndarray, columns: slice) -> np.ndarray:
        """Return float[C, M] with the discrete ones among some columns at their levels.

        >>> cuts = Cuts.of([None, Levels(np.array([0.5]), 0.0, 1.0)])
        >>> cuts.cut(np.array([[0.7, 0.7]]), slice(0, 2)).tolist()
        [[0.7, 1.0]]
        """
        codes = (values[..., None] > self.borders[columns]).sum(axis=-1)
        return np.where(self.discrete[columns], self.centre[columns] + self.step[columns] * codes, values)


def choose_levels(n: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return int[N]: 2 to 5 levels for a share of the variables, 0 (continuous) for the rest.

    >>> choose_levels(4, 0.5, np.random.default_rng(0)).tolist()
    [3, 0, 2, 0]
    """
    counts = np.zeros(n, dtype=int)
    chosen = rng.permutation(n)[: round(share * n)]
    counts[chosen] = rng.integers(2, _MOST + 1, n)[chosen]
    return counts
