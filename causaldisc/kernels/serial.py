"""Fisher's z for autocorrelated series: the effective sample size of every test is that of its own residuals.

A partial correlation is the correlation of two residuals, and it varies as much as their autocorrelations say, not those of
the series themselves: given the slow cause of two series, or their own past, what is left of them may well be white. The
autocovariances of any residual follow from the lagged covariances of all columns, which are taken once; so a test costs some
hundred times one on a correlation matrix, and no pass through the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.effective import _RUN, _THRESHOLD, autocorrelations, blocks_of, gaps_alike, inflation
from causaldisc.kernels.fisher import LARGEST, PIVOT, Fisher, critical_value
from causaldisc.kernels.inner import inner
from causaldisc.kernels.separation import Neighbours
from causaldisc.kernels.subsets import LARGE, SIZE, begin, next_set, record, walk_over

# Lags beyond the windows of the series themselves, for what shows only in residuals; numbers in all lagged covariances.
_MORE_LAGS, _MOST_NUMBERS = 20, 2e7


class Memory(NamedTuple):
    """Lagged covariances of M columns at lags 0 to K.

    Attributes
    ----------
    gamma : float[M, M, K + 1], of standardised columns, means of both directions in time; the correlations at lag 0.
    share : float[K + 1], rows with a row k before them in their environment, over all rows.
    spread : float[K + 1], the share that each autocovariance has in the variance of a mean.
    thinning : float[M, K + 1], chance that a value is there k rows after another, over that of any row.
    alike : float[M, M], how far the gaps of two columns are the same.
    """

    gamma: np.ndarray
    share: np.ndarray
    spread: np.ndarray
    thinning: np.ndarray
    alike: np.ndarray


@dataclass(frozen=True, eq=False)
class Serial:
    """Fisher's z, two-sided, with effective sample sizes; see :class:`causaldisc.kernels.separation.Tests`.

    The statistic is abs(z) with ``(n - |Z|) / f - 3`` degrees of freedom, where f = 1 + 2 Σ ρx(k) ρy(k) of the residuals is at
    least 1 (Bartlett 1946); the strength is the partial correlation.

    Attributes
    ----------
    R, n : float[M, M], correlations and the rows behind them.
    sizes : float[M, M], effective sample sizes of pairs given nothing.
    memory : lagged covariances.
    cause : bool[M, M], whether the column of the row may be a cause of the other.
    critical : two-sided critical value of the standard normal.
    """

    R: np.ndarray
    n: np.ndarray
    sizes: np.ndarray
    memory: Memory
    cause: np.ndarray
    critical: float

    @classmethod
    def build(cls, values: np.ndarray, environments: np.ndarray, R: np.ndarray, n: np.ndarray, alpha: float) -> Serial:
        """Prepare float[T, M] of values, NaN where missing, in int[T] environments, with their correlations and rows.

        >>> from causaldisc.kernels.moments import correlation
        >>> rng, slow = np.random.default_rng(0), np.ones(20)
        >>> values = np.column_stack([np.convolve(rng.normal(size=1019), slow, "valid") for _ in range(2)])
        >>> tests = Serial.build(values, np.zeros(1000, int), *correlation(values), 0.05)
        >>> bool(tests.sizes[0, 1] < 100), bool(tests.marginal(2)[0][0, 1] < tests.critical)
        (True, True)
        """
        return cls.of_memory(R, n, *remember(values, environments), alpha)

    @classmethod
    def of_memory(cls, R: np.ndarray, n: np.ndarray, memory: Memory, rows: np.ndarray, alpha: float) -> Serial:
        """Prepare correlations and rows, maybe of a resample, with what :func:`remember` says of all rows."""
        gamma = np.array(memory.gamma)
        gamma[:, :, 0] = R
        free = np.ones(R.shape, dtype=bool)
        return cls(R, n, n / rows, memory._replace(gamma=gamma), free, critical_value(alpha))

    @property
    def cost(self) -> float:
        """How many tests on a correlation matrix take as long as one of these, roughly."""
        return 20.0 + len(self.memory.share)

    def under(self, cause: np.ndarray) -> Serial:
        """Return the same tests with other possible causes, bool[M, M]."""
        return replace(self, cause=np.ascontiguousarray(cause))

    def of(self, columns: np.ndarray) -> Serial:
        """Return the tests of int[K] columns, in their order, each once or more."""
        if np.array_equal(columns, np.arange(len(self.R))):
            return self
        among, memory = np.ix_(columns, columns), self.memory
        chosen = memory._replace(gamma=memory.gamma[among], thinning=memory.thinning[columns], alike=memory.alike[among])
        return Serial(self.R[among], self.n[among], self.sizes[among], chosen, self.cause[among], self.critical)

    def marginal(self, variables: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ``(abs(z), r, known)`` given nothing, [N, M] each; 0 where no degree of freedom is left."""
        return Fisher(self.R, self.sizes, self.cause, self.critical).marginal(variables)

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
        walk, lags = walk_over(len(R), high), len(self.memory.share)
        room = _Room(np.empty((high + 2, high + 1)), np.empty((2, high + 1)), np.empty((2, lags)), np.empty(2, np.int64))
        return judge(
            R, n, self.memory, cause, self.critical, room, walk, *neighbours, pairs, low, high, first, *results
        )  # fmt: skip

    def log_p(self, statistic: np.ndarray) -> np.ndarray:
        """Return the natural logarithm of two-sided p-values of a standard normal; finite for any finite statistic."""
        return Fisher(self.R, self.n, self.cause, self.critical).log_p(statistic)


def remember(values: np.ndarray, environments: np.ndarray) -> tuple[Memory, np.ndarray]:
    """Return the lagged covariances of the columns of float[T, M], and float[M, M]: rows that tell as much as an independent one.

    >>> memory, inflation = remember(np.random.default_rng(0).normal(size=(200, 2)), np.zeros(200, int))
    >>> memory.gamma.shape[:2], inflation.tolist()
    ((2, 2), [[1.0, 1.0], [1.0, 1.0]])
    """
    found, blocks = autocorrelations(values, environments), blocks_of(environments, len(values))
    columns, total = values.shape[1], max(len(values), 1)
    longest = max((b.stop - b.start for b in blocks), default=1)
    depth = min(found.rho.shape[1] + _MORE_LAGS, max(longest // 2, 1), max(int(_MOST_NUMBERS / max(columns, 1) ** 2), 1))
    there = ~np.isnan(values)
    X, mask = np.zeros(values.shape), there.astype(float)
    for block in blocks:
        part, present = np.where(there[block], values[block], 0.0), mask[block]
        X[block] = np.where(present > 0, part - part.sum(axis=0) / np.maximum(present.sum(axis=0), 1.0), 0.0)
    scale = np.sqrt((X**2).sum(axis=0) / np.maximum(mask.sum(axis=0), 1.0))
    X *= np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    gamma, thinning = np.zeros((columns, columns, depth)), np.ones((columns, depth))
    share, spread = np.zeros((2, depth))
    for lag in range(depth):
        products, counts, rows = np.zeros((columns, columns)), np.zeros((columns, columns)), 0
        for block in blocks:
            x, m = X[block], mask[block]
            length = max(len(x) - lag, 0)
            products += x[lag:].T @ x[:length]
            counts += length if there.all() else m[lag:].T @ m[:length]
            rows += length
            spread[lag] += (1.0 if lag == 0 else 2.0) * length / (len(x) * total)
        mean = np.divide(products, counts, out=np.zeros_like(products), where=counts > 0)
        gamma[:, :, lag] = 0.5 * (mean + mean.T)
        share[lag] = rows / total
        thinning[:, lag] = np.diag(counts) / max(rows, 1)
    thinning = np.minimum(np.divide(thinning, thinning[:, :1], out=np.ones_like(thinning), where=thinning[:, :1] > 0), 1.0)
    joint = mask.T @ mask
    memory = Memory(gamma, share, spread, thinning, gaps_alike(found.rows, joint, total))
    return memory, inflation(found, joint, total)


class _Room(NamedTuple):
    """Where a test is worked out, for sets of up to K columns.

    Attributes
    ----------
    factor : float[K + 2, K + 1], the Cholesky factor of the conditions, then the rows of x and y.
    weights : float[2, K + 1], coefficients of the regressions of x and y on the conditions.
    rho : float[2, L], autocorrelations of both residuals.
    window : int[2], where they end.
    """

    factor: np.ndarray
    weights: np.ndarray
    rho: np.ndarray
    window: np.ndarray


@kernel(nogil=True)
def _judge(R, n, memory, cause, critical, room, walk, flat, starts, pairs, low, high, first, found, holding, best):
    """Fill in the results pair by pair, sizes ascending."""
    neighbours, results = (flat, starts), (found, holding, best)
    made = np.int64(0)
    for k in range(len(pairs)):
        x, y = pairs[k, 0], pairs[k, 1]
        begin(walk, low)
        while next_set(walk, cause, neighbours, x, y, high):
            size = walk.at[SIZE]
            r, rows = _regress(R, n, room, walk.chosen, size, x, y)
            if rows - size < 4.0:
                continue
            each = _rows_of_one(memory, room, walk.chosen, size, x, y, rows)
            # Without a degree of freedom the pair cannot be told from an independent one.
            freedom = max((rows - size) / each - 3.0, 0.0)
            made += 1
            magnitude = min(abs(r), LARGEST)
            statistic = 0.5 * math.log((1.0 + magnitude) / (1.0 - magnitude)) * math.sqrt(freedom)
            if record(walk, results, k, statistic, r, critical) and first:
                break
    return made, walk.at[LARGE] > 0


@inner
def _regress(R: Any, n: Any, room: Any, chosen: Any, size: Any, x: Any, y: Any) -> Any:
    """Regress x and y on the conditions; return their partial correlation and the fewest rows behind any pair, 0 for no test."""
    factor, weights, rows = room.factor, room.weights, n[x, y]
    for a in range(size + 2):
        column = chosen[a] if a < size else (x if a == size else y)
        left = 1.0
        for b in range(min(a, size)):
            entry = R[column, chosen[b]]
            rows = min(rows, n[column, chosen[b]])
            for c in range(b):
                entry -= factor[a, c] * factor[b, c]
            entry /= factor[b, b]
            factor[a, b] = entry
            left -= entry * entry
        if left < PIVOT:
            return 0.0, 0.0
        if a < size:
            factor[a, a] = math.sqrt(left)
        else:
            weights[a - size, size] = left
    shared = R[x, y]
    for b in range(size):
        shared -= factor[size, b] * factor[size + 1, b]
    shared /= math.sqrt(weights[0, size] * weights[1, size])
    for end in range(2):
        for a in range(size - 1, -1, -1):
            weight = factor[size + end, a]
            for b in range(a + 1, size):
                weight -= weights[end, b] * factor[b, a]
            weights[end, a] = weight / factor[a, a]
    return shared, rows


@inner
def _rows_of_one(memory: Any, room: Any, chosen: Any, size: Any, x: Any, y: Any, rows: Any) -> Any:
    """How many rows tell as much of the residuals as one independent row, at least 1."""
    limit = _THRESHOLD * math.sqrt(math.log10(rows) / rows)
    lags = len(memory.share)
    for end in range(2):
        _residual(memory.gamma, room.weights[end], chosen, size, x if end == 0 else y, room.rho[end])
        room.window[end] = _cut(room.rho[end], memory.spread, limit)
        if room.window[end] == 0:
            return 1.0
    total, alike = 0.0, memory.alike[x, y]
    for lag in range(1, min(lags, 2 * min(room.window[0], room.window[1]) + 1)):
        # Gaps in the conditions thin the rows out as well: what those of x and y do is the least.
        thin = memory.thinning[x, lag] * memory.thinning[y, lag]
        total += memory.share[lag] * room.rho[0, lag] * room.rho[1, lag] * ((1.0 - alike) * thin + alike * math.sqrt(thin))
    return max(1.0 + 2.0 * total, 1.0)


@inner(fastmath={"reassoc", "contract"})
def _residual(gamma: Any, weights: Any, chosen: Any, size: Any, end: Any, out: Any) -> None:
    """Autocovariances of a column less its regression on others."""
    for lag in range(len(out)):
        out[lag] = gamma[end, end, lag]
    for a in range(size):
        mine = -2.0 * weights[a]
        row = gamma[chosen[a], end]
        for lag in range(len(out)):
            out[lag] += mine * row[lag]
        for b in range(a + 1):
            product = weights[a] * weights[b] * (1.0 if a == b else 2.0)
            other = gamma[chosen[a], chosen[b]]
            for lag in range(len(out)):
                out[lag] += product * other[lag]


@inner
def _cut(rho: Any, spread: Any, limit: Any) -> Any:
    """Turn autocovariances into autocorrelations, 0 beyond their window, as ``effective.cut_off``; return the window."""
    if rho[0] <= 0.0:
        return 0
    scale, run, window = 1.0 / rho[0], 0, len(rho) - 1
    for lag in range(len(rho)):
        rho[lag] *= scale
        if lag > 0:
            run = run + 1 if abs(rho[lag]) < limit else 0
            if run == _RUN:
                window = lag - _RUN
                break
    if window == 0:
        return 0
    for lag in range(window + 1, min(len(rho), 2 * window + 1)):
        rho[lag] *= scale if lag > window + _RUN else 1.0
    shift, taken = 0.0, 0.0
    for lag in range(min(len(rho), 2 * window + 1)):
        taper = 1.0 if lag <= window else 2.0 - lag / window
        shift += spread[lag] * taper * rho[lag]
        taken += spread[lag] * taper
    shift = max(shift / (1.0 - min(taken, 0.9)), 0.0)
    whole = 1.0 / (1.0 + shift)
    for lag in range(min(len(rho), 2 * window + 1)):
        taper = 1.0 if lag <= window else 2.0 - lag / window
        rho[lag] = taper * (rho[lag] + shift) * whole
    return window
