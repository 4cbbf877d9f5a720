"""From a trained network to edges: candidates by its gates, the order of best score, and a test of every edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from causaldisc.algorithms._gnn_fits import Fit, Fits, orthonormal_basis
from causaldisc.algorithms._gnn_panel import Cells, Panel, own_past
from causaldisc.algorithms._gnn_training import Trained
from causaldisc.algorithms._orders import best_order, random_order, reachable

CANDIDATES = 16  # sources a target that the search looks at, those of the strongest gates: beyond, it gets slow, not better


@dataclass(frozen=True, eq=False)
class Found:
    """Edges with their strength and p-value (NaN where not tested) and scores, each [S, N]; how many candidates there were."""

    edges: np.ndarray
    strength: np.ndarray
    p_value: np.ndarray
    scores: np.ndarray
    candidates: int


@dataclass(eq=False)
class Parents:
    """The best parents of a target among its candidates, by growing and shrinking, memoised."""

    fits: Fits
    base: tuple[frozenset[int], ...]
    now: tuple[frozenset[int], ...]
    past: tuple[frozenset[int], ...]
    memo: dict[tuple[int, frozenset[int]], Fit]

    def best(self, target: int, earlier: frozenset[int]) -> Fit:
        """Choose among the lag-0 candidates that come earlier and all lagged ones; the base is always in."""
        key = (target, self.now[target] & earlier)
        if key not in self.memo:
            self.memo[key] = self._grow_and_shrink(target, key[1] | self.past[target])
        return self.memo[key]

    def _grow_and_shrink(self, target: int, pool: frozenset[int]) -> Fit:
        base = self.base[target]
        fit = self.fits.fit(target, base)
        room = int(self.fits.panel.known[target].sum()) // 4
        while pool - set(fit.parents) and len(fit.parents) < room:
            parents = frozenset(fit.parents)
            larger = max((self.fits.fit(target, parents | {p}) for p in sorted(pool - parents)), key=lambda f: f.score)
            if larger.score <= fit.score + 1e-9:
                break
            fit = larger
        while set(fit.parents) - base:
            parents = frozenset(fit.parents)
            smaller = max((self.fits.fit(target, parents - {p}) for p in sorted(parents - base)), key=lambda f: f.score)
            if smaller.score <= fit.score + 1e-9:
                break
            fit = smaller
        return fit


def find(
    panel: Panel,
    cells: Cells,
    trained: Trained,
    threshold: float,
    alpha: float,
    restarts: int,
    rng: np.random.Generator,
    late: Callable[[], bool],
) -> Found:
    """Turn gates into tested edges.

    Candidates are the open cells of a gate above ``threshold``, the strongest of each target, at lag 0 in both directions.
    The order search begins at the order of the network's own DAG and at random ones. Every parent in the best graph is then
    tested, and the weakest leaves as long as the Benjamini-Hochberg procedure at level ``alpha`` does not reject all; a
    variable's own past is a family of its own, lest its sure hits buy room for false ones elsewhere.
    """
    n = len(panel.targets)
    parents = _parents(panel, cells, trained, threshold)
    linked = np.zeros((n, n), dtype=bool)
    for j, candidates in enumerate(parents.now):
        linked[list(candidates), j] = linked[j, list(candidates)] = True
    starts = [_network_order(trained.gates[:n], cells), *(random_order(cells.before, rng) for _ in range(restarts))]
    orders = []
    for start in starts:
        if not late() or not orders:
            orders.append(best_order(start, lambda j, e: parents.best(j, e).score, linked, cells.before, late))
    fits = max((_fits_along(order, parents) for order in orders), key=lambda found: sum(f.score for f in found))
    fits, p_value, effect = _prune(fits, parents, cells, alpha)
    edges = np.zeros(cells.open.shape, dtype=bool)
    for j, fit in enumerate(fits):
        edges[list(fit.parents), j] = True
    edges = (edges & cells.allowed) | cells.pinned
    scores = _scores(edges, fits, parents.fits)
    scores[cells.pinned] = scores.max(initial=0.0) + 1.0
    return Found(edges, effect, p_value, scores, sum(len(pool) for pool in parents.fits.pools))


def _parents(panel: Panel, cells: Cells, trained: Trained, threshold: float) -> Parents:
    n = len(panel.targets)
    wanted = trained.gates > threshold
    wanted[:n] |= wanted[:n].T
    wanted &= cells.open
    strength = np.where(wanted, trained.gates, 0.0)
    strength[:n] = np.maximum(strength[:n], np.where(wanted[:n], trained.gates[:n].T, 0.0))
    if len(wanted) > CANDIDATES:
        wanted &= strength >= np.sort(strength, axis=0)[-CANDIDATES]
    own = own_past(n, len(wanted) // n)
    columns = [frozenset(np.flatnonzero(wanted[:, j] & ~cells.pinned[:, j]).tolist()) for j in range(n)]
    base = tuple(frozenset(np.flatnonzero(cells.pinned[:, j]).tolist()) for j in range(n))
    past = tuple(frozenset(s for s in c if s >= n) | frozenset(np.flatnonzero(own[:, j]).tolist()) for j, c in enumerate(columns))
    now = tuple(frozenset(s for s in c if s < n) for c in columns)
    pools = tuple(tuple(sorted(b | p | c)) for b, p, c in zip(base, past, now, strict=True))
    return Parents(Fits(orthonormal_basis(trained.channels), panel, pools), base, now, past, {})


def _network_order(gates: np.ndarray, cells: Cells) -> list[int]:
    """Order the variables by the DAG of the strongest lag-0 gates; an edge that would close a cycle is left out."""
    n = len(gates)
    reach = cells.before | np.eye(n, dtype=bool)
    dag = cells.pinned[:n].copy()
    strong = np.where(cells.open[:n], gates, 0.0)
    for i, j in np.argwhere(strong > 0)[np.argsort(-strong[strong > 0], kind="stable")].tolist():
        if not reach[j, i]:
            dag[i, j] = True
            reach |= reach[:, i, None] & reach[j]
    return random_order(dag, np.random.default_rng(0))


def _fits_along(order: list[int], parents: Parents) -> list[Fit]:
    fits = {node: parents.best(node, frozenset(order[:k])) for k, node in enumerate(order)}
    return [fits[j] for j in range(len(order))]


def _prune(fits: list[Fit], parents: Parents, cells: Cells, alpha: float) -> tuple[list[Fit], np.ndarray, np.ndarray]:
    """Drop the weakest parents until all that are left pass; a target that lost one is fitted and tested anew."""
    n = len(fits)
    own = own_past(n, len(cells.open) // n)
    p_value, effect = np.full(cells.open.shape, np.nan), np.full(cells.open.shape, np.nan)
    fits, stale = list(fits), set(range(n))
    while stale:
        for j in sorted(stale):
            p_value[:, j] = effect[:, j] = np.nan
            p, e = parents.fits.test(j, fits[j])
            p_value[list(fits[j].parents), j], effect[list(fits[j].parents), j] = p, e
        stale = set()
        free = np.where(cells.pinned, np.nan, p_value)
        level = np.where(own, _level(free, own, n, alpha), _level(free, ~own & cells.allowed, n, alpha))
        for j in range(n):
            worst = int(np.nanargmax(free[:, j])) if not np.isnan(free[:, j]).all() else -1
            if worst >= 0 and not free[worst, j] <= level[worst, j]:
                fits[j] = parents.fits.fit(j, frozenset(fits[j].parents) - {worst})
                stale.add(j)
    return fits, p_value, effect


def _level(p_value: np.ndarray, family: np.ndarray, n: int, alpha: float) -> float:
    """Largest p-value that is rejected within a family of cells.

    The search has looked at every cell twice, as a linear and as a bent effect, and both count as hypotheses; at lag 0 the
    linear one is the same in either direction.
    """
    tests = int(2 * family[n:].sum() + family[:n].sum() + np.triu(family[:n] | family[:n].T).sum())
    return benjamini_hochberg(p_value[family & ~np.isnan(p_value)], tests, alpha)


def benjamini_hochberg(p_value: np.ndarray, tests: int, alpha: float) -> float:
    """Return the largest p-value that the procedure of Benjamini & Hochberg (1995) rejects, or -1 when none.

    ``tests`` counts all hypotheses; those beyond the given p-values have p = 1.

    >>> benjamini_hochberg(np.array([0.001, 0.02, 0.3]), tests=4, alpha=0.05)
    0.02
    """
    ranked = np.sort(p_value)
    passed = np.flatnonzero(ranked <= alpha * np.arange(1, len(ranked) + 1) / max(tests, 1))
    return float(ranked[passed[-1]]) if len(passed) else -1.0


def _scores(edges: np.ndarray, fits: list[Fit], model: Fits) -> np.ndarray:
    """Rank every cell by the likelihood, in nats, that it adds to the graph found, or takes with it when it leaves.

    Halved where the edge would close a cycle at lag 0: the order found speaks against it.
    """
    n, rows = edges.shape[1], len(model.panel.rows)
    residuals = np.stack([model.residual(j, fit) for j, fit in enumerate(fits)])
    total = np.maximum((residuals**2).sum(axis=1), 1e-12)
    share = np.zeros(edges.shape)
    for s, basis in enumerate(model.basis):
        share[s] = ((residuals @ basis) ** 2).sum(axis=1) / total
    scores = -0.5 * rows * np.log(np.maximum(1 - share, 1e-9))
    for j, fit in enumerate(fits):
        for s in fit.parents:
            left = model.residual(j, model.fit(j, frozenset(fit.parents) - {s}))
            scores[s, j] = max(0.5 * rows * float(np.log(np.maximum(left @ left, 1e-12) / total[j])), scores[s, j])
    against = reachable(edges[:n]).T
    scores[:n] = np.where(against, 0.5 * scores[:n], scores[:n])
    return scores
