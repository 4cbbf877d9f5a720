"""The bridge to tigramite's nearest-neighbour test of conditional mutual information, and to its seed.

CMIknn (Runge 2018, AISTATS): an estimate of the conditional mutual information, against its values with x permuted among rows
that are alike in the conditions. It takes up to a second for 500 rows and 199 permutations, so it is for a handful of variables.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from causaldisc.algorithms._bridges.quiet import quiet
from causaldisc.core.errors import InputError
from causaldisc.kernels.looped import Looped

logger = logging.getLogger(__name__)

# Permutations at least, and at most: the least p-value is one over their number and one.
_PERMUTATIONS, _MOST = 199, 9999
_FEWEST_ROWS = 20


@dataclass(frozen=True, eq=False)
class Nearest(Looped):
    """CMIknn among M columns. The statistic is -log10 of the p-value, the strength the information in nats.

    A test has the rows in which all of its columns are recorded; rows are taken to be independent of each other, and
    environments to be alike. The permutations of a test depend on the seed and on its columns alone.

    Attributes
    ----------
    values : float[T, D], NaN where missing.
    seed : of all permutations.
    permutations : of each test.
    """

    values: np.ndarray
    seed: int
    permutations: int

    @classmethod
    def build(cls, values: np.ndarray, labels: np.ndarray, alpha: float, seed: int = 0) -> Nearest:
        """Prepare float[T, M] of values for tests at a level.

        Raises
        ------
        InputError : more permutations than 9999 would be needed to tell a p-value from the level.
        """
        needed = max(int(np.ceil(2.0 / alpha)) - 1 if alpha > 0 else _MOST + 1, _PERMUTATIONS)
        if needed > _MOST:
            raise InputError(
                f"`alpha` must be at least {2.0 / (_MOST + 1)} with test=knn, whose p-values are counts, got {alpha}"
            )
        _library()
        free = np.ones((values.shape[1],) * 2, dtype=bool)
        return cls(np.arange(values.shape[1]), free, -float(np.log10(alpha)), values, seed, needed)

    @property
    def cost(self) -> float:
        """How many tests on a correlation matrix take as long as one of these, roughly."""
        return 8.0 * len(self.values) * self.permutations

    def test(self, x: int, y: int, given: tuple[int, ...]) -> tuple[float, float] | None:
        """Test x and y given others, by the rows that all of them have."""
        used = self.values[:, [x, y, *given]]
        used = used[~np.isnan(used).any(axis=1)]
        if len(used) < _FEWEST_ROWS or not (np.ptp(used, axis=0) > 0).all():
            return None
        seed = np.random.SeedSequence([self.seed, x, y, *given])
        # Blocks of one row: its own choice of their length calls numpy in a way that is no longer there.
        library: Any = _library()(sig_samples=self.permutations, sig_blocklength=1, seed=seed, workers=1, verbosity=0)
        value, p = library.run_test_raw(used[:, :1], used[:, 1:2], used[:, 2:] if given else None)
        # The library counts the sample itself among those that the null allows, so that p is never 0.
        return max(-float(np.log10(max(float(p), 1.0 / (self.permutations + 1)))), 0.0), float(value)


@cache
def _library() -> Any:
    """The library's class, loaded before threads share the tests out: keeping it quiet is not for several at once."""
    with quiet(logger, "tigramite"):
        from tigramite.independence_tests.cmiknn import CMIknn
    return CMIknn
