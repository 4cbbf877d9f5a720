"""A test of conditional independence that holds under skewness, unequal variances, and smooth confounding.

The generalised covariance measure (Shah & Peters 2020, Annals of Statistics 48): regress x and y on the conditions, and compare
the mean product of what is left with its own spread. The regressions are additive in natural cubic splines of each condition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from causaldisc.kernels.effective import autocorrelations, inflation
from causaldisc.kernels.looped import Looped
from causaldisc.kernels.ranks import normal_scores

_LOG_10 = float(np.log(10.0))
# Knots of a spline by their share of the values (Harrell 2001); a column of no more values has an indicator for each.
_KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)
_FEWEST_ROWS, _REMEMBERED = 20, 512


@dataclass(frozen=True, eq=False)
class GCM(Looped):
    """Generalised covariance measure among M columns. The statistic is -log10 of the p-value, the strength a correlation.

    Columns are taken by their normal scores, so that no tail is too heavy. What it can see of a pair is a monotone trend; what
    it takes out of the conditions is any smooth one, each by itself. A test has the rows in which all of its columns are
    recorded, and takes some 0.5 ms for 500.

    Attributes
    ----------
    scores : float[T, D], normal scores of the columns of the data, NaN where missing.
    bases : for each of them float[T, B], what it is as a condition, NaN where missing.
    labels : int[T], environments, each with its own means.
    complete : whether nothing is missing.
    autocorrelation : whether effective rows are counted (see :mod:`causaldisc.kernels.effective`), of what is left.
    spans : orthonormal bases of sets of conditions met before, where nothing is missing.
    """

    scores: np.ndarray
    bases: tuple[np.ndarray, ...]
    labels: np.ndarray
    complete: bool
    autocorrelation: bool
    spans: dict[tuple[int, ...], np.ndarray] = field(default_factory=dict, kw_only=True)

    @classmethod
    def build(cls, values: np.ndarray, environments: np.ndarray, alpha: float, autocorrelation: bool = False) -> GCM:
        """Prepare float[T, M] of values, NaN where missing, in int[T] environments.

        >>> rng = np.random.default_rng(0)
        >>> z = rng.normal(size=500)
        >>> values = np.column_stack([z**2 * rng.normal(size=500) + z**2, np.exp(z) + z**2, z])
        >>> tests = GCM.build(values, np.zeros(500, int), 0.05)
        >>> tests.test(0, 1, ())[0] > tests.critical, tests.test(0, 1, (2,))[0] > tests.critical
        (True, False)
        """
        scores = normal_scores(values, environments)
        bases = tuple(spline(scores[:, k]) for k in range(values.shape[1]))
        critical = -float(np.log10(alpha)) if alpha > 0 else np.inf
        free = np.ones((values.shape[1],) * 2, dtype=bool)
        complete = not bool(np.isnan(values).any())
        return cls(np.arange(values.shape[1]), free, critical, scores, bases, environments, complete, autocorrelation)

    @property
    def cost(self) -> float:
        """How many tests on a correlation matrix take as long as one of these, roughly."""
        return 1500.0 + 2.0 * len(self.scores) * (8.0 if self.autocorrelation else 1.0)

    def test(self, x: int, y: int, given: tuple[int, ...]) -> tuple[float, float] | None:
        """Test x and y given others, by the rows that all of them have."""
        ends = self.scores[:, [x, y]]
        rows = slice(None) if self.complete else ~np.isnan(self.scores[:, [x, y, *given]]).any(axis=1)
        used = ends[rows]
        if len(used) < _FEWEST_ROWS or not (np.ptp(used, axis=0) > 0).all():
            return None
        span = self._span(given, rows)
        freedom = len(used) - span.shape[1]
        left = used - span @ (span.T @ used)
        spread = left.std(axis=0)
        if freedom < _FEWEST_ROWS / 2 or spread.min() < 1e-6:
            return None
        products = left[:, 0] * left[:, 1]
        statistic = abs(products.mean()) / max(float(products.std()), 1e-300) * np.sqrt(freedom)
        if self.autocorrelation:
            statistic /= np.sqrt(self._rows_of_one(left, rows))
        from scipy.special import log_ndtr

        strength = float(np.clip(products.mean() / spread.prod(), -1.0, 1.0))
        return max(-float(log_ndtr(-statistic) + np.log(2.0)) / _LOG_10, 0.0), strength

    def _span(self, given: tuple[int, ...], rows: Any) -> np.ndarray:
        """An orthonormal basis of the means of environments and of all that the conditions may add, in some rows."""
        if self.complete and given in self.spans:
            return self.spans[given]
        labels = self.labels[rows]
        parts = [(labels == e)[:, None].astype(float) for e in np.unique(labels)]
        base = np.concatenate([*parts, *(self.bases[z][rows] for z in given)], axis=1)
        left, sizes, _ = np.linalg.svd(base, full_matrices=False)
        span = np.ascontiguousarray(left[:, sizes > 1e-8 * sizes[0]])
        if self.complete and len(self.spans) < _REMEMBERED:
            self.spans[given] = span
        return span

    def _rows_of_one(self, left: np.ndarray, rows: Any) -> float:
        whole = np.full((len(self.scores), 2), np.nan)
        whole[rows] = left
        return float(inflation(autocorrelations(whole, self.labels), np.full((2, 2), float(len(left))), len(whole))[0, 1])


def spline(scores: np.ndarray) -> np.ndarray:
    """Return float[T, B] that spans the natural cubic splines of float[T], NaN where missing: 4 columns as a rule.

    >>> spline(np.array([1.0, 2.0, 1.0, np.nan])).tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [nan, nan]]
    """
    there = scores[~np.isnan(scores)]
    levels = np.unique(there)
    if len(levels) <= len(_KNOTS):
        return np.where(np.isnan(scores)[:, None], np.nan, (scores[:, None] == levels).astype(float))
    knots = np.unique(np.quantile(there, _KNOTS))
    if len(knots) < 3:
        return scores[:, None]
    cubes = np.maximum(scores[:, None] - knots, 0.0) ** 3
    bends = (cubes[:, :-1] - cubes[:, -1:]) / (knots[-1] - knots[:-1])
    return np.column_stack([scores, bends[:, :-1] - bends[:, -1:]])
