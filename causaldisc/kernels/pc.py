"""PC on arrays: correlations, skeleton, settled directions, colliders, Meek's rules (Spirtes, Glymour & Scheines 2000)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from causaldisc.core.arrays import cells
from causaldisc.kernels.belief_directions import direct_skeleton
from causaldisc.kernels.beliefs import adjacency, critical_values
from causaldisc.kernels.colliders import AMBIGUOUS, judge_triples
from causaldisc.kernels.duplicates import Groups
from causaldisc.kernels.fisher import Fisher, critical_value
from causaldisc.kernels.moments import dependent, near_duplicates, pairwise_correlation, repair
from causaldisc.kernels.orientation import DIRECTED, UNDIRECTED, orient, settle
from causaldisc.kernels.separation import Tests, never
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
    owed : bool, edges that the data alone would not keep: beliefs do; symmetric at lag 0.
    turned : bool, lag 0: edges whose direction beliefs gave.
    logits : float, what beliefs say of adjacencies, symmetric at lag 0.
    statistic : float, smallest abs(z) over the tests of the pair; ``strength``: the partial correlation there.
    tests, orientation_tests : tests made by level, and for colliders.
    ambiguous : triples that the majority rule leaves open.
    dropped : adjacencies for which the prior leaves no acyclic direction.
    complete : whether there was time for everything.
    """

    codes: np.ndarray
    required: np.ndarray
    settled: np.ndarray
    owed: np.ndarray
    turned: np.ndarray
    logits: np.ndarray
    statistic: np.ndarray
    strength: np.ndarray
    tests: tuple[int, ...]
    orientation_tests: int
    ambiguous: int
    dropped: int
    complete: bool


class Evidence(NamedTuple):
    """Tests on N variables and their lagged copies, M = N * (L + 1) columns, with near-duplicates put together.

    Attributes
    ----------
    R, n : float[N, M] or more, association of two columns (correlation by available pairs, Cramér's V) and the rows behind it.
    groups : near-duplicate variables.
    tests : on the G * (L + 1) columns that stand for their groups.
    repair : the largest change that made their correlations positive semi-definite.
    rank, dependent : numerical rank of the correlations of the variables kept, and those that others determine; None where
        tests do not work on correlations.
    """

    R: np.ndarray
    n: np.ndarray
    groups: Groups
    tests: Tests
    repair: float
    rank: int | None = None
    dependent: tuple[int, ...] = ()

    @classmethod
    def fisher(cls, windows: np.ndarray, labels: np.ndarray, lags: int, alpha: float) -> Evidence:
        """Weigh windows float[T', N * lags] (see ``lagged``) in int[T'] environments for Fisher's z; they are destroyed."""
        R, n = pairwise_correlation(windows, labels, overwrite=True)
        groups = _alike(R, n, windows.shape[1] // lags)
        kept = groups.kept_columns(lags)
        small, rows = _block(R, kept), _block(n, kept)
        tests, change = Fisher(small, rows, np.ones(small.shape, dtype=bool), critical_value(alpha)), 0.0
        if not tests.uniform:  # over the same rows all correlations fit together
            small, change = repair(small)
        rank, columns = dependent(small[: len(groups.kept), : len(groups.kept)])
        return cls(R, n, groups, replace(tests, R=small), change, rank, tuple(groups.kept[columns].tolist()))

    @classmethod
    def testwise(cls, windows: np.ndarray, labels: np.ndarray, lags: int, alpha: float) -> Evidence:
        """Weigh the same for Fisher's z on all rows that each test can use."""
        from causaldisc.kernels.deletion import Testwise

        tests = Testwise.build(windows, labels, alpha)
        groups = _alike(tests.R, tests.n, windows.shape[1] // lags)
        return cls(tests.R, tests.n, groups, tests.of(groups.kept_columns(lags)), 0.0)

    @classmethod
    def tables(cls, windows: np.ndarray, labels: np.ndarray, lags: int, alpha: float, likelihood: bool) -> Evidence:
        """Weigh discrete values for χ² tests, or G² with ``likelihood``; Cramér's V takes the place of correlation.

        Columns are near-duplicates when each tells the other.
        """
        from causaldisc.kernels.contingency import Contingency

        tests = Contingency.build(windows, labels, alpha, likelihood)
        levels, variables = tests.codes.levels, windows.shape[1] // lags
        V, n = tests.marginal(variables)[1], tests.n_eff
        np.fill_diagonal(V, 1.0)
        groups = _alike(np.where(levels[:variables, None] == levels, V, 0.0), n, variables)
        return cls(V, n, groups, tests.of(groups.kept_columns(lags)), 0.0)


def _alike(R: np.ndarray, n: np.ndarray, variables: int) -> Groups:
    """Group variables whose association of 1 is not mere chance."""
    now = np.where(n[:variables, :variables] >= _ROWS_FOR_EQUALITY, R[:variables, :variables], 0.0)
    return Groups.build(near_duplicates(now), n.diagonal()[:variables])


def learn(
    evidence: Evidence,
    allowed: np.ndarray,
    pin: Callable[[np.ndarray], np.ndarray],
    max_conditions: int | None = None,
    rule: str = "majority",
    expired: Callable[[], bool] = never,
    believe: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Findings:
    """Learn a graph over variables and their lagged copies.

    Parameters
    ----------
    allowed : bool[N, N, L + 1], edges that may exist.
    pin : gives bool[N, N, L + 1] of required edges, one lag each, for float[N, N, L + 1] of association.
    max_conditions : largest conditioning set, None for any.
    rule : how colliders are found, see ``judge_triples``.
    expired : asked now and then whether to stop with the graph so far.
    believe : gives float[N, N, L + 1], log-odds of edges, for the same of association; None = no beliefs.
    """
    variables, lags = allowed.shape[1:]
    R, groups, tests = evidence.R, evidence.groups, evidence.tests
    possible, required = _possible(allowed), pin(_cube(R[:variables], lags))
    grouped = tests.under(_causes(groups.merge(possible)))
    candidates, stay = (_flat(groups.merge(_adjacencies(edges))) for edges in (possible, required))
    weights = _Weights.of(evidence, allowed, believe)
    skeleton = find_skeleton(grouped, candidates, stay, max_conditions, expired, weights.of_groups)
    found = _lift(skeleton, groups, possible, required, R, tests)

    spread = grouped if groups.trivial else tests.of(groups.columns(lags)).under(_causes(possible))
    adjacent = np.zeros((variables, variables), dtype=bool)
    now = found.pairs[found.pairs[:, 1] < variables]
    adjacent[now[:, 0], now[:, 1]] = adjacent[now[:, 1], now[:, 0]] = True
    possible_now = weights.admitted(allowed[:, :, 0], found.statistic[:, :variables])
    codes = settle(adjacent, possible_now, required[:, :, 0], found.statistic[:, :variables])
    kept = (codes != 0) | (codes.T != 0)
    j, c = found.pairs.T
    pairs = found.pairs[(c >= variables) | kept[j, np.minimum(c, variables - 1)]]
    triples = judge_triples(spread, pairs, codes == UNDIRECTED, max(len(found.tests) - 1, 0), rule, expired, weights.of_variables)
    grid = np.zeros((variables, variables, lags), np.int8)
    j, c = pairs[pairs[:, 1] >= variables].T
    grid[c % variables, j, c // variables] = DIRECTED
    grid &= allowed
    grid[:, :, 0], turned = direct_skeleton(orient(codes, triples), weights.directions, triples)
    settled = (codes == DIRECTED) & (required[:, :, 0] | ~allowed[:, :, 0].T)
    return Findings(
        grid,
        required,
        settled,
        (weights.logits > 0) & ~_adjacencies(required) & (_cube(found.statistic, lags) <= tests.critical),
        turned | ((codes == DIRECTED) & ~settled),
        weights.logits,
        _cube(found.statistic, lags),
        _cube(found.strength, lags),
        found.tests,
        triples.tests,
        int((triples.kinds == AMBIGUOUS).sum()) // 2,
        len(found.pairs) - len(pairs),
        found.complete and triples.complete,
    )


class _Weights(NamedTuple):
    """What beliefs weigh: log-odds of adjacencies and directions, and the largest statistics of independence under them.

    Attributes
    ----------
    logits : float[N, N, L + 1], symmetric at lag 0; ``directions``: float[N, N], of i → j over j → i at lag 0.
    of_groups, of_variables : float[G, G * (L + 1)], float[N, M], None without beliefs.
    of_arrows : float[N, N], the largest statistic at which the data leave no room for i → j at lag 0.
    """

    logits: np.ndarray
    directions: np.ndarray
    of_groups: np.ndarray | None
    of_variables: np.ndarray | None
    of_arrows: np.ndarray | None

    @classmethod
    def of(cls, evidence: Evidence, allowed: np.ndarray, believe: Callable[[np.ndarray], np.ndarray] | None) -> _Weights:
        groups, tests, lags = evidence.groups, evidence.tests, allowed.shape[2]
        if believe is None:
            return cls(np.zeros(allowed.shape), np.zeros(allowed.shape[:2]), None, None, None)
        arrows = believe(_cube(evidence.R[: len(allowed)], lags))
        logits = adjacency(arrows, allowed)
        rows = evidence.n[np.ix_(groups.kept, groups.kept_columns(lags))]
        bars = critical_values(tests.log_p, tests.critical, _flat(groups.weigh(logits)), rows)
        spread = bars if groups.trivial else bars[np.ix_(groups.of, groups.columns(lags))]
        now, n = arrows[:, :, 0], len(allowed)
        single = critical_values(tests.log_p, tests.critical, now, evidence.n[:n, :n])
        return cls(logits, now - now.T, bars, spread, single)

    def admitted(self, allowed: np.ndarray, statistic: np.ndarray) -> np.ndarray:
        """Return bool[N, N], the arrows at lag 0 that a prior allows and whose own bar the statistic of the pair exceeds.

        An adjacency that only the belief in one direction keeps may not be read as the other. Where neither exceeds its bar,
        as where the belief is about a near-duplicate, both stay.
        """
        if self.of_arrows is None:
            return allowed
        passed = allowed & (statistic > self.of_arrows)
        return np.where(passed | passed.T, passed, allowed)


def _lift(found: Skeleton, groups: Groups, possible: np.ndarray, required: np.ndarray, R: np.ndarray, tests: Tests) -> Skeleton:
    """Carry a skeleton of groups over to the variables; pairs within a group have their plain correlation."""
    if groups.trivial:
        return found
    variables, lags = possible.shape[1:]
    columns, kept = groups.columns(lags), len(groups.kept)
    among = np.zeros((kept, kept * lags), dtype=bool)
    j, c = found.pairs.T
    among[j, c] = True
    among[:, :kept] |= among[:, :kept].T
    edges = _flat(groups.lift(_cube(among, lags), _adjacencies(possible), required))
    inside = groups.of[:, None] == columns[None, :]
    statistic = np.where(inside, tests.of(columns).marginal(variables)[0], found.statistic[np.ix_(groups.of, columns)])
    strength = np.where(inside, R[:variables], found.strength[np.ix_(groups.of, columns)])
    pairs = np.stack(cells(edges & np.triu(np.ones(edges.shape, dtype=bool))), axis=1)
    return Skeleton(pairs, statistic, strength, found.tests, found.complete)


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
    return cube.transpose(1, 2, 0).reshape(cube.shape[1], -1)


def _cube(flat: np.ndarray, lags: int) -> np.ndarray:
    """The inverse of :func:`_flat`."""
    return flat.reshape(len(flat), lags, -1).transpose(2, 0, 1)


def _block(matrix: np.ndarray, columns: np.ndarray) -> np.ndarray:
    if np.array_equal(columns, np.arange(len(matrix))):
        return matrix
    return np.ascontiguousarray(matrix[np.ix_(columns, columns)])
