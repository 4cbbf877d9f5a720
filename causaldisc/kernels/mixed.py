"""Tests of conditional independence of discrete and continuous columns together, on one matrix of correlations.

A discrete column is embedded as an indicator for each of its levels but one, a continuous column stands for itself, and the
whole is taken for Gaussian ("degenerate Gaussian": Andrews, Ramsey & Cooper 2019, Proceedings of Machine Learning Research
104). Then x and y, blocks of columns, are independent given others where all their canonical partial correlations are 0: the
likelihood ratio is that of Wilks (1935), with the multiplier of Bartlett (1938).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from causaldisc.kernels.chi_squared import log_p
from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.fisher import PIVOT
from causaldisc.kernels.inner import inner
from causaldisc.kernels.levels import MAX_LEVELS
from causaldisc.kernels.moments import pairwise_correlation, repair
from causaldisc.kernels.separation import Neighbours
from causaldisc.kernels.subsets import LARGE, SIZE, begin, next_set, record, walk_over

_LOG_10 = math.log(10.0)
# The least variance that a logarithm is taken of.
_SMALLEST = 1e-15


class Embedding(NamedTuple):
    """Columns as blocks of columns.

    Attributes
    ----------
    values : float[T, E], NaN where missing.
    starts : int64[N + 1], variable i is the columns ``starts[i]`` to ``starts[i + 1] - 1``.
    """

    values: np.ndarray
    starts: np.ndarray


def embed(values: np.ndarray, discrete: np.ndarray) -> Embedding:
    """Embed float[T, N]: indicators of all levels but the most frequent for the columns marked in bool[N], others as they are.

    Raises ValueError for more than 255 levels of a discrete column.

    >>> embed(np.array([[0.0, 5.5], [2.0, 1.5], [0.0, 2.5]]), np.array([True, False])).values.tolist()
    [[0.0, 5.5], [1.0, 1.5], [0.0, 2.5]]
    """
    parts: list[np.ndarray] = []
    for i in range(values.shape[1]):
        column = values[:, i : i + 1]
        if discrete[i]:
            levels, counts = np.unique(column[~np.isnan(column)], return_counts=True)
            if len(levels) > MAX_LEVELS:
                raise ValueError(f"a discrete column must have at most {MAX_LEVELS} levels, got {len(levels)}")
            rest = np.delete(levels, np.argmax(counts)) if len(levels) > 1 else levels
            column = np.where(np.isnan(column), np.nan, (column == rest).astype(float)) if len(rest) else column
        parts.append(column)
    starts = np.concatenate([[0], np.cumsum([part.shape[1] for part in parts], dtype=np.int64)]).astype(np.int64)
    return Embedding(np.concatenate([np.zeros((len(values), 0)), *parts], axis=1), starts)


@dataclass(frozen=True, eq=False)
class Mixed:
    """Likelihood ratio tests among M blocks of columns; see :class:`causaldisc.kernels.separation.Tests`.

    The statistic of a test is -log10 of its p-value, its strength sqrt(1 - Λ) with Wilks's Λ: of two continuous columns the
    partial correlation, with its sign.

    Attributes
    ----------
    R : float[E, E], correlations of the embedded columns.
    starts : int64[M + 1], block i is the columns ``starts[i]`` to ``starts[i + 1] - 1``.
    n : float[M, M], rows behind each pair of blocks.
    cause : bool[M, M], whether the block of the row may be a cause of the other.
    critical : -log10 of the level of the tests.
    """

    R: np.ndarray
    starts: np.ndarray
    n: np.ndarray
    cause: np.ndarray
    critical: float

    @classmethod
    def build(cls, values: np.ndarray, starts: np.ndarray, environments: np.ndarray, alpha: float) -> Mixed:
        """Prepare float[T, E] of embedded values, NaN where missing, in int[T] environments, each with its own means.

        >>> rng = np.random.default_rng(0)
        >>> kind = rng.integers(0, 3, size=300)
        >>> embedding = embed(np.column_stack([kind, rng.normal(size=300) + (kind == 1)]), np.array([True, False]))
        >>> tests = Mixed.build(*embedding, np.zeros(300, int), 0.05)
        >>> bool(tests.marginal(2)[0][0, 1] > tests.critical)
        True
        """
        R, n = pairwise_correlation(values, environments)
        R, _ = repair(R)
        blocks = len(starts) - 1
        # A level that is nowhere in an environment has no rows; its block has, as long as another level does.
        rows = np.zeros((blocks, blocks))
        of = np.repeat(np.arange(blocks), np.diff(starts))
        np.maximum.at(rows, (of[:, None], of[None, :]), n)
        critical = -math.log10(alpha) if alpha > 0 else math.inf
        return cls(R, starts.astype(np.int64), rows, np.ones(rows.shape, dtype=bool), critical)

    @property
    def cost(self) -> float:
        """How many tests on a correlation matrix take as long as one of these, roughly."""
        return 10.0 + 5.0 * float(np.diff(self.starts).max(initial=1)) ** 2

    def under(self, cause: np.ndarray) -> Mixed:
        """Return the same tests with other possible causes, bool[M, M]."""
        return replace(self, cause=np.ascontiguousarray(cause))

    def of(self, columns: np.ndarray) -> Mixed:
        """Return the tests of int[K] blocks, in their order, each once or more."""
        among = np.ix_(columns, columns)
        parts = [np.arange(*self.starts[[c, c + 1]].tolist()) for c in columns]
        wide = np.concatenate([np.zeros(0, np.int64), *parts])
        starts = np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)]).astype(np.int64)
        return replace(self, R=self.R[np.ix_(wide, wide)], starts=starts, n=self.n[among], cause=self.cause[among])

    def marginal(self, variables: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return statistic, strength float[N, M] and whether there is a test bool[N, M], of the first N blocks and all."""
        pairs = np.argwhere(np.triu(np.ones((variables, len(self.cause)), dtype=bool), 1))
        alone = Neighbours(np.zeros(0, np.int64), np.zeros(variables + 1, np.int64))
        found, holding, best = np.zeros(len(pairs), np.int64), np.zeros((0, len(self.cause)), np.int32), np.zeros((len(pairs), 2))
        best[:, 0] = np.inf
        self.judge(alone, pairs, (0, 0), True, (found, holding, best))
        statistic, strength, known = np.zeros((3, variables, len(self.cause)))
        j, c = pairs.T
        made = np.isfinite(best[:, 0])
        for array, value in ((statistic, best[:, 0]), (strength, best[:, 1]), (known, 1.0)):
            array[j, c] = np.where(made, value, 0.0)
            now = c < variables
            array[c[now], j[now]] = array[j[now], c[now]]
        return statistic, strength, known > 0

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
        R, n, cause, pairs = map(np.ascontiguousarray, (self.R, self.n, self.cause, pairs))
        widest = int(np.diff(self.starts).max(initial=1)) * (high + 2)
        room = _Room(np.empty((widest, widest)), *np.empty((2, widest), np.int64))
        walk = walk_over(len(cause), high)
        return judge(
            R, self.starts, n, cause, self.critical, room, walk, *neighbours, pairs, low, high, first, *results
        )  # fmt: skip

    def log_p(self, statistic: np.ndarray) -> np.ndarray:
        """Return the natural logarithm of the p-values that belong to statistics."""
        return -_LOG_10 * np.asarray(statistic)


class _Room(NamedTuple):
    """A Cholesky factor float[W, W], the columns int64[W] behind its rows, and those int64[W] of a block that are kept."""

    factor: np.ndarray
    columns: np.ndarray
    kept: np.ndarray


@kernel(nogil=True)
def _judge(R, starts, n, cause, critical, room, walk, flat, begins, pairs, low, high, first, found, holding, best):
    """Fill in the results pair by pair, sizes ascending."""
    neighbours, results = (flat, begins), (found, holding, best)
    made = np.int64(0)
    for k in range(len(pairs)):
        x, y = pairs[k, 0], pairs[k, 1]
        begin(walk, low)
        while next_set(walk, cause, neighbours, x, y, high):
            size = walk.at[SIZE]
            rows = n[x, y]
            for a in range(size):
                z = walk.chosen[a]
                rows = min(rows, min(n[z, x], n[z, y]))
                for b in range(a):
                    rows = min(rows, n[z, walk.chosen[b]])
            statistic, strength = _ratio(R, starts, room, walk.chosen, size, x, y, rows)
            if statistic < 0.0:
                continue
            made += 1
            if record(walk, results, k, statistic, strength, critical) and first:
                break
    return made, walk.at[LARGE] > 0


@inner
def _ratio(R: Any, starts: Any, room: Any, chosen: Any, size: Any, x: Any, y: Any, rows: Any) -> Any:
    """-log10 p and strength of x and y given the chosen blocks; a negative number where no test can be made."""
    given = np.int64(0)
    for a in range(size):
        for column in range(starts[chosen[a]], starts[chosen[a] + 1]):
            given += _append(R, room, given, column) >= PIVOT
    # The determinant of y given the conditions, then given x as well: their ratio is Wilks's.
    theirs, log_ratio = np.int64(0), 0.0
    for column in range(starts[y], starts[y + 1]):
        left = _append(R, room, given + theirs, column)
        if left >= PIVOT:
            room.kept[theirs] = column
            theirs += 1
            log_ratio -= math.log(left)
    mine = np.int64(0)
    for column in range(starts[x], starts[x + 1]):
        mine += _append(R, room, given + mine, column) >= PIVOT
    freedom = rows - 1.0 - given - 0.5 * (mine + theirs + 1.0)
    if mine == 0 or theirs == 0 or rows - given - mine - theirs < 2.0:
        return -1.0, 0.0
    for a in range(theirs):
        left = _append(R, room, given + mine + a, room.kept[a])
        log_ratio += math.log(max(left, _SMALLEST))
    log_ratio = min(log_ratio, 0.0)
    statistic = -log_p(-freedom * log_ratio, float(mine * theirs)) / _LOG_10
    strength = math.sqrt(1.0 - math.exp(log_ratio))
    if mine == 1 and theirs == 1 and room.factor[given + 1, given] < 0.0:
        strength = -strength
    return max(statistic, 0.0), strength


@inner
def _append(R: Any, room: Any, rank: Any, column: Any) -> Any:
    """Add a column to a factor of so many; return its variance given them. To keep it is to go on with ``rank + 1``."""
    factor, columns, left = room.factor, room.columns, 1.0
    for b in range(rank):
        entry = R[column, columns[b]]
        for c in range(b):
            entry -= factor[rank, c] * factor[b, c]
        entry /= factor[b, b]
        factor[rank, b] = entry
        left -= entry * entry
    columns[rank], factor[rank, rank] = column, math.sqrt(max(left, _SMALLEST))
    return left
