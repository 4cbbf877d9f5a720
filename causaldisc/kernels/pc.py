"""PC on arrays: correlations, skeleton, settled directions, colliders, Meek's rules (Spirtes, Glymour & Scheines 2000)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from causaldisc.kernels.colliders import AMBIGUOUS, judge_triples
from causaldisc.kernels.duplicates import Groups
from causaldisc.kernels.moments import lagged, lagged_rows, near_duplicates, pairwise_correlation, repair
from causaldisc.kernels.orientation import DIRECTED, UNDIRECTED, orient, settle
from causaldisc.kernels.separation import Basis, marginal, never
from causaldisc.kernels.skeleton import Skeleton, find_skeleton

# Equality over a handful of rows is chance, and no ground to call two variables the same.
_ROWS_FOR_EQUALITY = 10


@dataclass(frozen=True, eq=False)
class Findings:
    """What PC found; all arrays are over N variables and L + 1 lags, ``[i, j, lag]`` about i(t - lag) → j(t).

    Attributes
    ----------
    codes : int8, cell codes of a graph (see :mod:`causaldisc.kernels.orientation`).
    required : bool, the edges that the prior demanded.
    settled : bool, lag 0: edges whose direction the prior gave.
    statistic : float, smallest abs(z) over the tests of the pair; ``strength``: the partial correlation there.
    n_eff : float, rows behind the pair.
    groups : near-duplicates.
    tests, orientation_tests : tests made by level, and for colliders.
    ambiguous : triples that the majority rule leaves open.
    dropped : adjacencies for which the prior leaves no acyclic direction.
    complete : whether there was time for everything.
    """

    codes: np.ndarray
    required: np.ndarray
    settled: np.ndarray
    statistic: np.ndarray
    strength: np.ndarray
    tests: tuple[int, ...]
    orientation_tests: int
    ambiguous: int
    dropped: int
    complete: bool


class Evidence(NamedTuple):
    """The moments that PC works on: those of M = N * (L + 1) columns, and of the G * (L + 1) that stand for them.

    Attributes
    ----------
    R, n : float[M, M], correlations by available pairs, and the rows behind them.
    groups : near-duplicate variables.
    small : float[G * (L + 1), G * (L + 1)], correlations of the variables kept, repaired.
    """

    R: np.ndarray
    n: np.ndarray
    groups: Groups
    small: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, environments: np.ndarray, lags: int) -> Evidence:
        """Weigh float[T, N] of values in int[T] environments, with copies at lags 0 to ``lags - 1``."""
        X = lagged(values, environments, lags - 1)
        R, n = pairwise_correlation(X, environments[lagged_rows(environments, lags - 1)])
        variables = values.shape[1]
        now = np.where(n[:variables, :variables] >= _ROWS_FOR_EQUALITY, R[:variables, :variables], 0.0)
        groups = Groups.build(near_duplicates(now), np.isfinite(values).sum(axis=0))
        return cls(R, n, groups, repair(_block(R, groups.kept_columns(lags)))[0])

    @property
    def repair(self) -> float:
        """The largest change that the repair made to a correlation."""
        lags = len(self.R) // len(self.groups.of)
        return float(np.abs(self.small - _block(self.R, self.groups.kept_columns(lags))).max(initial=0.0))


def learn(
    evidence: Evidence,
    allowed: np.ndarray,
    pin: Callable[[np.ndarray], np.ndarray],
    alpha: float,
    max_conditions: int | None = None,
    expired: Callable[[], bool] = never,
) -> Findings:
    """Learn a graph over variables and their lagged copies.

    Parameters
    ----------
    allowed : bool[N, N, L + 1], edges that may exist.
    pin : gives bool[N, N, L + 1] of required edges, one lag each, for float[N, N, L + 1] of association.
    alpha : level of the tests.
    max_conditions : largest conditioning set, None for any.
    expired : asked now and then whether to stop with the graph so far.
    """
    variables, lags = allowed.shape[1:]
    R, n, groups, small = evidence
    kept, spread = groups.kept_columns(lags), groups.columns(lags)
    possible, required = _possible(allowed), pin(_cube(np.abs(R[:variables]), lags))
    critical = -NormalDist().inv_cdf(alpha / 2) if alpha > 0 else float("inf")
    basis = Basis(small, _block(n, kept), _causes(groups.merge(possible)), critical)
    candidates, stay = (_flat(groups.merge(_adjacencies(edges))) for edges in (possible, required))
    found = _lift(find_skeleton(basis, candidates, stay, max_conditions, expired), groups, possible, required, R, n)

    basis = Basis(_block(small, spread), _block(basis.n, spread), _causes(possible), critical)
    codes = settle(found.adjacent[:, :variables], allowed[:, :, 0], required[:, :, 0], found.statistic[:, :variables])
    now = (codes != 0) | (codes.T != 0)
    adjacent = np.concatenate([now, found.adjacent[:, variables:]], axis=1)
    triples = judge_triples(basis, adjacent, codes == UNDIRECTED, max(len(found.tests) - 1, 0), expired)
    cells = (_cube(adjacent, lags) & allowed).astype(np.int8)
    cells[:, :, 0] = orient(codes, triples)
    return Findings(
        cells,
        required,
        codes == DIRECTED,
        _cube(found.statistic, lags),
        _cube(found.strength, lags),
        found.tests,
        triples.tests,
        int((triples.kinds == AMBIGUOUS).sum()) // 2,
        int((found.adjacent[:, :variables] & ~now).sum()) // 2,
        found.complete and triples.complete,
    )


def _lift(found: Skeleton, groups: Groups, possible: np.ndarray, required: np.ndarray, R: np.ndarray, n: np.ndarray) -> Skeleton:
    """Carry a skeleton of groups over to the variables; pairs within a group have their plain correlation."""
    if groups.trivial:
        return found
    variables, lags = possible.shape[1:]
    columns = groups.columns(lags)
    edges = groups.lift(_cube(found.adjacent, lags), _adjacencies(possible), required)
    inside = groups.of[:, None] == columns[None, :]
    statistic = np.where(inside, marginal(R[:variables], n[:variables]), found.statistic[np.ix_(groups.of, columns)])
    strength = np.where(inside, R[:variables], found.strength[np.ix_(groups.of, columns)])
    return Skeleton(_flat(edges), statistic, strength, found.tests, found.complete)


def _possible(allowed: np.ndarray) -> np.ndarray:
    """The edges that the search may think with: those allowed, and every variable's own past.

    A prior that does not want a variable's past reported does not deny it: left out of all conditioning sets, it would
    confound everything.
    """
    possible = np.array(allowed)
    own = np.arange(allowed.shape[0])
    possible[own, own, 1:] = True
    return possible


def _adjacencies(edges: np.ndarray) -> np.ndarray:
    """Make bool[N, N, L + 1] symmetric at lag 0."""
    pairs = np.array(edges)
    pairs[:, :, 0] |= edges[:, :, 0].T
    return pairs


def _causes(possible: np.ndarray) -> np.ndarray:
    """bool[M, M]: whether column ``lag * N + i`` may be a cause of another, later or at the same time."""
    variables, lags = possible.shape[1:]
    cause = np.zeros((lags, variables, lags, variables), dtype=bool)
    for early in range(lags):
        for late in range(early + 1):
            cause[early, :, late, :] = possible[:, :, early - late]
    return cause.reshape(lags * variables, lags * variables)


def _flat(cube: np.ndarray) -> np.ndarray:
    """[N, M] by target and column, of [N, N, L + 1] by source, target and lag."""
    return np.ascontiguousarray(cube.transpose(1, 2, 0)).reshape(cube.shape[1], -1)


def _cube(flat: np.ndarray, lags: int) -> np.ndarray:
    """The inverse of :func:`_flat`."""
    return np.ascontiguousarray(flat.reshape(len(flat), lags, -1).transpose(2, 0, 1))


def _block(matrix: np.ndarray, columns: np.ndarray) -> np.ndarray:
    if np.array_equal(columns, np.arange(len(matrix))):
        return matrix
    return np.ascontiguousarray(matrix[np.ix_(columns, columns)])
