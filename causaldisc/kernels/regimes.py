"""BIC of a linear-Gaussian model over rows of several regimes, in some of which the mechanisms of some variables are others.

Rows come in blocks. A block has one regime (which interventions are at work) and one stratum (rows of one stratum share their
intercepts). Every regime but one of reference has a context node of its own: context → j says that in this regime j follows
another mechanism, with coefficients, intercept and variance of its own, and so the regime's rows are fitted apart, from the
same parents. Where j is held from outside (a hard intervention) the rows say nothing of its mechanism and do not count.

The score of node j with P parents is ``-(1 / 2) sum(n_g log(residual variance_g))`` over its groups of rows g, less ``P`` prices
for every group and 2 more for every group beyond the first (Schwarz 1978; Hauser & Bühlmann 2012 for hard interventions, Yang,
Katcoff & Uhler 2018 for mechanisms that change). Markov equivalent graphs, contexts and all, score the same.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from causaldisc.kernels.bic import SINGULAR, regress
from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner


class Regimes(NamedTuple):
    """Sufficient statistics of rows in B blocks and R regimes, over M nodes, N of which are variables with mechanisms.

    Attributes
    ----------
    rows : float[B], rows behind every block.
    means : float[B, M], zero at context nodes.
    scatter : float[B, M, M], cross products about the block's own means, in units in which every variance is about 1.
    regime, stratum : int64[B].
    context : int64[R], the node that stands for each regime, -1 for the regime of reference.
    counts : uint8[R, N], 0 where the rows of a regime do not count for a variable.
    """

    rows: np.ndarray
    means: np.ndarray
    scatter: np.ndarray
    regime: np.ndarray
    stratum: np.ndarray
    context: np.ndarray
    counts: np.ndarray


@kernel
def local_scores(regimes: tuple, price: float, dag: np.ndarray, nodes: np.ndarray, scores: np.ndarray) -> None:
    """Write to ``scores[nodes]`` the score of variables given their parents and contexts in a DAG, uint8[M, M]."""
    m = dag.shape[0]
    parents = np.empty(m, np.int64)
    for v in range(nodes.shape[0]):
        j = nodes[v]
        size = np.int64(0)
        for i in range(m):
            if dag[i, j]:
                parents[size] = i
                size += 1
        scores[j] = local(j, parents, size, regimes, price, workspace(size, regimes[0].shape[0]))


@kernel
def local_score(j: int, parents: np.ndarray, regimes: tuple, price: float, thinnest: float) -> float:
    """Return the score of variable j given its parents and contexts; -inf where a group of rows is too small for the parents.

    Every group of more than one must have ``thinnest`` rows for each parent.
    """
    size = parents.shape[0]
    causes, fewest = rows_apart(parents, size, j, regimes)
    if size > causes and thinnest * causes > fewest:
        return -np.inf
    return local(j, parents, size, regimes, price, workspace(size, regimes[0].shape[0]))


@inner
def workspace(size: int, blocks: int) -> Any:
    """Return room for the fit of a node on up to so many parents."""
    width = size + 1
    return (
        np.empty((width, width)),
        np.empty(width * (width + 1) // 2),
        np.empty(width),
        np.empty(width, np.int64),
        np.empty(width, np.int64),
        np.empty(blocks, np.int64),
    )


@inner
def local(j: int, parents: np.ndarray, size: int, regimes: tuple, price: float, room: tuple) -> float:
    """Return the score of variable j given ``parents[:size]``, contexts among them.

    ``room`` is as :func:`workspace` gives it, for at least so many parents.
    """
    _, _, _, regime, _, context, counts = regimes
    _, _, _, columns, _, chosen = room
    causes = np.int64(0)
    first = _first_context(context, regimes[1].shape[1])
    for k in range(size):
        if parents[k] < first:
            columns[causes] = parents[k]
            causes += 1
    columns[causes] = j
    total, groups = 0.0, 0
    # The rows of all regimes without a context above j, then those of each regime with one.
    for group in range(-1, context.shape[0]):
        if group >= 0 and not (counts[group, j] and _among(context[group], parents, size)):
            continue
        many = 0
        for b in range(regime.shape[0]):
            r = regime[b]
            apart = _among(context[r], parents, size)
            if counts[r, j] and ((group < 0 and not apart) or r == group):
                chosen[many] = b
                many += 1
        if many > 0:
            total += _fit(causes, regimes, many, room) - price * causes
            groups += 1
    return total - 2.0 * price * (groups - 1) if groups > 1 else total


@inner
def rows_apart(parents: np.ndarray, size: int, j: int, regimes: tuple) -> tuple[int, float]:
    """Return how many of ``parents[:size]`` are variables, and the fewest rows of a group on which they have to be fitted."""
    rows, _, _, regime, _, context, counts = regimes
    first = _first_context(context, regimes[1].shape[1])
    causes, least, rest = 0, np.inf, 0.0
    for k in range(size):
        if parents[k] < first:
            causes += 1
    for r in range(context.shape[0]):
        if not counts[r, j]:
            continue
        own = 0.0
        for b in range(regime.shape[0]):
            if regime[b] == r:
                own += rows[b]
        if _among(context[r], parents, size):
            least = min(least, own)
        else:
            rest += own
    return causes, min(least, rest) if rest > 0 else least


@inner
def _first_context(context: np.ndarray, m: int) -> int:
    """Return the first context node; they stand behind all others."""
    first = m
    for r in range(context.shape[0]):
        if 0 <= context[r] < first:
            first = context[r]
    return first


@inner
def _among(node: int, parents: np.ndarray, size: int) -> bool:
    found = False
    for k in range(size):
        found |= parents[k] == node
    return found


@inner
def _fit(causes: int, regimes: tuple, many: int, room: tuple) -> float:
    """Return the log-likelihood of ``columns[causes]`` given those before it, over ``chosen[:many]`` blocks."""
    rows, means, scatter, _, stratum, _, _ = regimes
    pooled, triangle, coordinates, columns, places, chosen = room
    width, n = causes + 1, 0.0
    for a in range(width):
        places[a] = a
        for c in range(width):
            pooled[a, c] = 0.0
    for k in range(many):
        b = chosen[k]
        n += rows[b]
        for a in range(width):
            for c in range(a + 1):
                pooled[a, c] += scatter[b, columns[a], columns[c]]
    # Means of blocks of one stratum about their common mean.
    for k in range(many):
        fresh = True
        for other in range(k):
            fresh &= stratum[chosen[other]] != stratum[chosen[k]]
        if not fresh:
            continue
        together, blocks = 0.0, 0
        for other in range(k, many):
            if stratum[chosen[other]] == stratum[chosen[k]]:
                together += rows[chosen[other]]
                blocks += 1
        if k > 0:
            n -= 1.0  # a mean of its own
        if blocks == 1:
            continue
        for a in range(width):
            mean = 0.0
            for other in range(k, many):
                b = chosen[other]
                if stratum[b] == stratum[chosen[k]]:
                    mean += rows[b] * means[b, columns[a]]
            coordinates[a] = mean / together
        for other in range(k, many):
            b = chosen[other]
            if stratum[b] != stratum[chosen[k]]:
                continue
            for a in range(width):
                shift = rows[b] * (means[b, columns[a]] - coordinates[a])
                for c in range(a + 1):
                    pooled[a, c] += shift * (means[b, columns[c]] - coordinates[c])
    if n < 1.0:
        return 0.0
    for a in range(width):
        for c in range(a + 1):
            pooled[a, c] /= n
            pooled[c, a] = pooled[a, c]
    left = regress(causes, pooled, places, causes, triangle, coordinates)
    return -0.5 * n * math.log(left if left > SINGULAR else SINGULAR)


def score(regimes: Regimes, dag: np.ndarray, price: float) -> np.ndarray:
    """Return float[N], the score of every variable in a DAG, bool[M, M], of variables and contexts.

    >>> S = np.array([[[1.0, 0.5, 0], [0.5, 1.0, 0], [0, 0, 0]]])
    >>> one = Regimes(np.array([100.0]), np.zeros((1, 3)), 100 * S, *np.zeros((2, 1), int), np.array([-1]), np.ones((1, 2), "u1"))
    >>> forward, backward = np.zeros((2, 3, 3), bool)
    >>> forward[0, 1] = backward[1, 0] = True
    >>> bool(np.isclose(score(one, forward, 1.0).sum(), score(one, backward, 1.0).sum()))
    True
    """
    scores = np.empty(regimes.counts.shape[1])
    local_scores(tuple(regimes), float(price), np.array(dag, np.uint8), np.arange(len(scores)), scores)
    return scores
