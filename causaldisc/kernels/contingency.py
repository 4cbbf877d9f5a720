"""Tests of conditional independence of discrete columns: Pearson's χ² and the likelihood ratio G² on contingency tables.

Both sum over the strata of the conditions, and so do their degrees of freedom: (rows - 1) * (columns - 1) of each table, of
the levels that occur in it (Bishop, Fienberg & Holland 1975; Spirtes, Glymour & Scheines 2000, section 5.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from causaldisc.kernels.chi_squared import log_p
from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner
from causaldisc.kernels.levels import MAX_LEVELS, count_levels
from causaldisc.kernels.separation import Neighbours
from causaldisc.kernels.subsets import LARGE, begin, next_set, record, walk_over
from causaldisc.kernels.tables import (
    CEILING,
    CHI,
    FREEDOM,
    LIKELIHOOD,
    MISSING,
    ROWS,
    Codes,
    number_pair,
    room_for,
    sorting_for,
    tabulate,
)

_LOG_10 = math.log(10.0)


@dataclass(frozen=True, eq=False)
class Contingency:
    """χ² or G² tests among M discrete columns. The statistic of a test is -log10 of its p-value.

    Its strength is Cramér's V, pooled over the strata: the square root of χ² over the largest that it could be, the sum of
    ``rows * (min(levels of x, levels of y) - 1)`` over the strata, of levels that occur there. So it is between 0 and 1.

    A row counts in a test where all of the columns involved are recorded. A test without a degree of freedom, whose
    conditions leave x or y constant in every stratum, has p = 1: x and y are independent there. Where no row is left, none
    is made.

    Attributes
    ----------
    codes : the columns.
    cause : bool[M, M], whether the column of the row may be a cause of the other.
    critical : -log10 of the level of the tests.
    likelihood : G² instead of χ².
    n_eff : float[M, M], rows in which both of a pair are recorded.
    """

    codes: Codes
    cause: np.ndarray
    critical: float
    likelihood: bool
    n_eff: np.ndarray

    @classmethod
    def build(cls, values: np.ndarray, environments: np.ndarray, alpha: float, likelihood: bool = False) -> Contingency:
        """Prepare float[T, M] of values, NaN where missing, in int[T] environments, which are conditions of every test.

        Raises ValueError for more than 255 levels of a column; every value is one, so that order plays no part.

        >>> x = np.array([0.0, 0.0, 1.0, 1.0] * 25)
        >>> tests = Contingency.build(np.column_stack([x, 3 * x]), np.zeros(100, int), 0.05)
        >>> statistic, strength, known = tests.marginal(2)
        >>> bool(statistic[0, 1] > tests.critical), strength[0, 1].tolist()
        (True, 1.0)
        """
        most = int(count_levels(values).max(initial=0))
        if most > MAX_LEVELS:
            raise ValueError(f"a discrete column must have at most {MAX_LEVELS} levels, got {most}")
        present = ~np.isnan(values)
        columns, levels = _encode(values, present)
        strata = np.unique(environments, return_inverse=True)[1]
        columns, strata, weights = _distinct(columns, strata)
        codes = Codes(columns, levels, weights, strata, int(strata.max(initial=0)) + 1)
        there = present.astype(float)
        critical = -math.log10(alpha) if alpha > 0 else math.inf
        free = np.ones((values.shape[1],) * 2, dtype=bool)
        return cls(
            codes, free, critical, likelihood, there.T @ there if not present.all() else np.full(free.shape, float(len(values)))
        )

    def under(self, cause: np.ndarray) -> Contingency:
        """Return the same tests with other possible causes, bool[M, M]."""
        return replace(self, cause=np.ascontiguousarray(cause))

    def of(self, columns: np.ndarray) -> Contingency:
        """Return the tests of int[K] columns, in their order, each once or more."""
        among = np.ix_(columns, columns)
        codes = self.codes._replace(columns=self.codes.columns[columns], levels=self.codes.levels[columns])
        return replace(self, codes=codes, cause=self.cause[among], n_eff=self.n_eff[among])

    @property
    def cost(self) -> float:
        """How many tests on a correlation matrix take as long as one of these, roughly."""
        return 10.0 + len(self.codes.weights) / 20.0

    def marginal(self, variables: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return statistic, strength float[N, M] and whether there is a test bool[N, M], of the first N columns and all."""
        pairs = np.argwhere(np.triu(np.ones((variables, len(self.cause)), dtype=bool), 1))
        alone = Neighbours(np.zeros(0, np.int64), np.zeros(variables + 1, np.int64))
        found, holding, best = np.zeros(len(pairs), np.int64), np.zeros((0, len(self.cause)), np.int32), np.zeros((len(pairs), 2))
        best[:, 0] = np.inf
        self.judge(alone, pairs, (0, 0), True, (found, holding, best))
        known = self.n_eff[:variables] > 0
        statistic, strength = np.zeros(known.shape), np.zeros(known.shape)
        j, c = pairs.T
        for array, value in ((statistic, best[:, 0]), (strength, best[:, 1])):
            array[j, c] = np.where(known[j, c], value, 0.0)
            now = c < variables
            array[c[now], j[now]] = array[j[now], c[now]]
        return statistic, strength, known

    def judge(
        self,
        neighbours: Neighbours,
        pairs: np.ndarray,
        sizes: tuple[int, int],
        first: bool,
        results: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> tuple[int, bool]:
        """Test pairs given subsets of their neighbours."""
        judge: Any = _judge
        low, high = sizes
        pairs = np.ascontiguousarray(pairs)  # one layout, so that one signature is compiled
        room, walk = room_for(self.codes, high), walk_over(len(self.cause), high)
        level, sorting = (self.critical, self.likelihood), sorting_for(self.codes, high, room.space)
        return judge(self.codes, self.cause, *level, room, sorting, walk, *neighbours, pairs, low, high, first, *results)

    def log_p(self, statistic: np.ndarray) -> np.ndarray:
        """Return the natural logarithm of the p-values that belong to statistics."""
        return -_LOG_10 * np.asarray(statistic)


def _encode(values: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the values of every column in ascending order: (uint8[M, T], levels int64[M])."""
    columns, levels = np.full(values.shape[::-1], MISSING, np.uint8), np.zeros(values.shape[1], np.int64)
    for j in range(len(columns)):
        known, numbers = np.unique(values[present[:, j], j], return_inverse=True)
        columns[j, present[:, j]], levels[j] = numbers, len(known)
    return columns, levels


def _distinct(columns: np.ndarray, strata: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put equal rows together, sorted: (columns, strata, how often each was seen)."""
    rows = np.column_stack([strata.astype(np.int32).reshape(-1, 1).view(np.uint8), columns.T])
    keys = np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").ravel()
    _, at, seen = np.unique(keys, return_index=True, return_counts=True)
    return np.ascontiguousarray(columns[:, at]), strata[at].astype(np.int32), seen.astype(np.int32)


@kernel(nogil=True)
def _judge(codes, cause, critical, likelihood, room, sorting, walk, flat, starts, pairs, low, high, first, found, holding, best):
    """Fill in the results pair by pair, sizes ascending."""
    neighbours, results = (flat, starts), (found, holding, best)
    made = 0
    for k in range(len(pairs)):
        x, y = pairs[k, 0], pairs[k, 1]
        number_pair(codes, room, x, y)
        begin(walk, low)
        while next_set(walk, cause, neighbours, x, y, high):
            tabulate(codes, room, sorting, walk, x, y)
            if room.sums[ROWS] == 0.0:
                continue
            statistic, strength = _verdict(room.sums, likelihood)
            made += 1
            if record(walk, results, k, statistic, strength, critical) and first:
                break
    return made, walk.at[LARGE] > 0


@inner
def _verdict(sums: Any, likelihood: Any) -> Any:
    """-log10 of the p-value, and Cramér's V."""
    chi, ceiling = sums[CHI], sums[CEILING]
    log = log_p(sums[LIKELIHOOD] if likelihood else chi, sums[FREEDOM])
    strength = math.sqrt(chi / ceiling) if ceiling > 0.0 else 0.0
    statistic = -log / _LOG_10
    return statistic if statistic > 0.0 else 0.0, strength if strength < 1.0 else 1.0
