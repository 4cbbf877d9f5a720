"""A nonlinear test of conditional independence by random Fourier features.

RCoT (Strobl, Zhang & Visweswaran 2019, Journal of Causal Inference 7): random features of x and of y, less their regressions
on random features of the conditions; the squared norm of the covariance of what is left is, under independence, a weighted
sum of χ², here by its first three moments (Hall 1983; Buckley & Eagleson 1988).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causaldisc.kernels.chi_squared import log_p_values
from causaldisc.kernels.looped import Looped
from causaldisc.kernels.ranks import normal_scores

# Features of an end, as in the paper, and of the conditions.
_FEATURES, _CONDITION_FEATURES = 5, 100
# Ridge on a feature's variance of about one; rows whose distances set the width of the kernel.
_RIDGE, _ROWS_FOR_WIDTH = 1e-7, 100
# Rows that a feature of the conditions must have, and the fewest for any test.
_ROWS_A_FEATURE, _FEWEST_ROWS = 10, 20


@dataclass(frozen=True, eq=False)
class RCoT(Looped):
    """RCoT among M columns. The statistic is -log10 of the p-value, the strength the largest correlation of two features.

    Columns are taken by their normal scores, which moves no independence and tames heavy tails. A test has the rows in which
    all of its columns are recorded; rows are taken to be independent of each other. A test of 500 rows takes some 5 to 10 ms.

    Attributes
    ----------
    scores : float[T, D], normal scores of the columns of the data, NaN where missing.
    strata : int[T], environments, whose means of all features are taken out.
    frequencies, phases : float[D, 5] and float[5], of the features of an end.
    wide, wide_phases : float[D, 100] and float[100], of the features of conditions.
    """

    scores: np.ndarray
    strata: np.ndarray
    frequencies: np.ndarray
    phases: np.ndarray
    wide: np.ndarray
    wide_phases: np.ndarray

    @classmethod
    def build(cls, values: np.ndarray, environments: np.ndarray, alpha: float, rng: np.random.Generator) -> RCoT:
        """Prepare float[T, M] of values, NaN where missing, in int[T] environments; the same generator, the same tests.

        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=400)
        >>> values = np.column_stack([x, x**2 + 0.5 * rng.normal(size=400), rng.normal(size=400)])
        >>> tests = RCoT.build(values, np.zeros(400, int), 0.05, rng)
        >>> (tests.marginal(3)[0][0, 1:] > tests.critical).tolist()
        [True, False]
        """
        columns = values.shape[1]
        critical = -float(np.log10(alpha)) if alpha > 0 else np.inf
        strata = np.unique(environments, return_inverse=True)[1]
        draws = (
            rng.normal(size=(columns, _FEATURES)),
            rng.uniform(0.0, 2.0 * np.pi, size=(columns, _FEATURES)),
            rng.normal(size=(columns, _CONDITION_FEATURES)),
            rng.uniform(0.0, 2.0 * np.pi, size=_CONDITION_FEATURES),
        )
        free = np.ones((columns, columns), dtype=bool)
        return cls(np.arange(columns), free, critical, normal_scores(values, environments), strata, *draws)

    @property
    def cost(self) -> float:
        """How many tests on a correlation matrix take as long as one of these, roughly."""
        return 1e4 + 20.0 * len(self.scores)

    def test(self, x: int, y: int, given: tuple[int, ...]) -> tuple[float, float] | None:
        """Test x and y given others, by the rows that all of them have."""
        used = self.scores[:, [x, y, *given]]
        rows = ~np.isnan(used).any(axis=1)
        used, strata = used[rows], self.strata[rows]
        if len(used) < _FEWEST_ROWS or not (np.ptp(used, axis=0) > 0).all():
            return None
        base = [(strata == e)[:, None].astype(float) for e in np.unique(strata)]
        if given:
            count = min(_CONDITION_FEATURES, max(len(used) // _ROWS_A_FEATURE, _FEATURES))
            base.append(_features(used[:, 2:], self.wide[list(given), :count], self.wide_phases[:count]))
        ends = [_features(used[:, k : k + 1], self.frequencies[[c]], self.phases[c]) for k, c in enumerate((x, y))]
        left = _residuals(np.concatenate(ends, axis=1), np.concatenate(base, axis=1))
        return _verdict(left[:, :_FEATURES], left[:, _FEATURES:])


def _features(values: np.ndarray, frequencies: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Random Fourier features float[T, F] of a Gaussian kernel on float[T, D], as wide as the median distance of two rows."""
    some = values[:: max(len(values) // _ROWS_FOR_WIDTH, 1)]
    distance = np.sqrt(((some[:, None, :] - some[None, :, :]) ** 2).sum(axis=2))[np.triu_indices(len(some), 1)]
    width = float(np.median(distance)) or float(distance.mean())
    return np.sqrt(2.0) * np.cos(values @ frequencies / width + phases)


def _residuals(features: np.ndarray, base: np.ndarray) -> np.ndarray:
    """What a ridge regression on a base of features leaves; the first columns of the base are indicators."""
    gram = base.T @ base
    gram[np.diag_indices_from(gram)] += _RIDGE * len(base) / base.shape[1]
    left = features - base @ np.linalg.solve(gram, base.T @ features)
    return left - left.mean(axis=0)


def _verdict(mine: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """-log10 of the p-value of n times the squared covariances of residuals, and their largest correlation."""
    rows = len(mine)
    covariance = mine.T @ theirs / rows
    products = (mine[:, :, None] * theirs[:, None, :]).reshape(rows, -1)
    spread = products.T @ products / rows
    square = spread @ spread
    mean, variance, skew = np.trace(spread), 2.0 * np.trace(square), 8.0 * np.sum(square * spread)
    freedom = max(8.0 * variance**3 / skew**2, 1.0)
    statistic = (rows * np.sum(covariance**2) - mean) * np.sqrt(2.0 * freedom / variance) + freedom
    log_p = log_p_values(np.array([max(statistic, 0.0)]), np.array([freedom]))[0]
    scale = np.outer(mine.std(axis=0), theirs.std(axis=0))
    strength = np.divide(np.abs(covariance), scale, out=np.zeros_like(scale), where=scale > 1e-12).max()
    return max(-float(log_p) / np.log(10.0), 0.0), min(float(strength), 1.0)
