"""Orientation of the lag-0 edges of PCMCI+: colliders by majority, then three rules, with conflicts (Runge 2020, UAI).

Graphs are int8[N, N, L + 1] of cell codes, ``[i, j, lag]``: 0 no edge, 1 directed i → j, 2 undirected, 3 in conflict, and at
lag 0, beside a directed edge, 4 in the other cell. An edge that is wanted in both directions at once is in conflict, which
makes the result independent of the order of the variables.
"""

from __future__ import annotations

import numpy as np

from causaldisc.kernels.belief_directions import direct

DIRECTED, UNDIRECTED, CONFLICT, REVERSED = 1, 2, 3, 4


def unshielded(codes: np.ndarray, undirected_too: bool = True) -> np.ndarray:
    """Return int[T, 4] of the triples i(t - lag) → k — j (also i — k — j) whose ends are not adjacent: (i, lag, k, j).

    >>> chain = np.zeros((3, 3, 1), np.int8)
    >>> chain[0, 1, 0], chain[1, 0, 0], chain[1, 2, 0], chain[2, 1, 0] = DIRECTED, REVERSED, UNDIRECTED, UNDIRECTED
    >>> unshielded(chain).tolist()
    [[0, 0, 1, 2]]
    """
    found = [np.empty((0, 4), np.int64)]
    for k in range(len(codes)):
        into = codes[:, k] == DIRECTED
        if undirected_too:
            into |= codes[:, k] == UNDIRECTED
        (i, lag), j = np.nonzero(into), np.flatnonzero(codes[k, :, 0] == UNDIRECTED)
        if not len(i) or not len(j):
            continue
        apart = codes[i[:, None], j, lag[:, None]] == 0
        apart &= (i[:, None] != j) | (lag[:, None] > 0)
        a, b = np.nonzero(apart)
        found.append(np.column_stack([i[a], lag[a], np.full(len(a), k), j[b]]))
    return np.concatenate(found)


def links_between(triples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the links between the ends of triples, int[P, 3] of (i, j, lag), each once, and the link of each triple, int[T].

    At lag 0 the link i, j is the link j, i.

    >>> links_between(np.array([[2, 0, 1, 0], [0, 0, 1, 2], [2, 1, 1, 0]]))[0].tolist()
    [[0, 2, 0], [2, 0, 1]]
    """
    i, lag, j = triples[:, 0], triples[:, 1], triples[:, 3]
    swap = (lag == 0) & (i > j)
    links = np.column_stack([np.where(swap, j, i), np.where(swap, i, j), lag])
    unique, place = np.unique(links, axis=0, return_inverse=True)
    return unique, place.reshape(-1)


def orient(codes: np.ndarray, triples: np.ndarray, found: np.ndarray, with_middle: np.ndarray) -> np.ndarray:
    """Orient colliders by majority and then apply the rules; returns new codes.

    Parameters
    ----------
    triples : of :func:`unshielded`.
    found, with_middle : int[T], subsets that separate the ends of each triple, and those among them that hold its middle.
        A minority with it makes a collider; none at all, or a tie, makes the triple ambiguous and keeps it out of the rules.
    """
    codes = np.array(codes)
    n = len(codes)
    collider = 2 * with_middle < found
    ambiguous = 2 * with_middle == found
    wanted = np.zeros((n, n), dtype=bool)
    i, lag, k, j = triples[collider].T
    wanted[j, k] = True
    wanted[i[lag == 0], k[lag == 0]] = True
    _direct(codes, wanted)
    return _follow(codes, _numbers(triples[ambiguous], codes.shape))


def believe(
    codes: np.ndarray, worth: np.ndarray, triples: np.ndarray, found: np.ndarray, with_middle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Direct lag-0 edges that :func:`orient` left open as beliefs say, see :func:`causaldisc.kernels.belief_directions.direct`.

    Parameters
    ----------
    worth : float[N, N], log-odds of i → j over j → i.
    triples, found, with_middle : as in :func:`orient`.

    Returns
    -------
    New codes, and bool[N, N, L + 1] of the edges whose direction is owed to beliefs.
    """
    unclear = _numbers(triples[2 * with_middle == found], codes.shape)
    i, lag, k, j = triples[2 * with_middle >= found].T
    turned = np.zeros(codes.shape, dtype=bool)

    def whole(now: np.ndarray) -> np.ndarray:
        graph = np.array(codes)
        graph[:, :, 0] = np.where((now == 0) & (now.T == DIRECTED), REVERSED, now)
        return graph

    def follow(now: np.ndarray) -> np.ndarray:
        after = _follow(whole(now), unclear)[:, :, 0]
        return np.where(after == REVERSED, 0, after)

    def unseen(now: np.ndarray) -> np.ndarray:
        return (whole(now)[i, k, lag] == DIRECTED) & (now[j, k] == DIRECTED)

    now = np.where(codes[:, :, 0] == REVERSED, 0, codes[:, :, 0])
    after, turned[:, :, 0] = direct(now, worth, follow, unseen)
    return whole(after), turned


def _follow(codes: np.ndarray, unclear: np.ndarray) -> np.ndarray:
    """Apply the rules until nothing follows any more, in place; ``unclear`` are the numbers of ambiguous triples."""
    while True:
        before = codes.copy()
        _direct(codes, _away_from_parents(codes, unclear))
        _direct(codes, _around_chains(codes))
        _direct(codes, _into_colliders(codes))
        if (codes == before).all():
            return codes


def _direct(codes: np.ndarray, wanted: np.ndarray) -> None:
    """Direct lag-0 edges where bool[N, N] wants it, in place; an edge wanted both ways is in conflict."""
    now, both = codes[:, :, 0], wanted & wanted.T
    now[wanted] = DIRECTED
    now[wanted.T] = REVERSED
    now[both] = CONFLICT


def _numbers(triples: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """One number a triple."""
    i, lag, k, j = triples.T
    n, lags = shape[0], shape[2]
    return ((i * lags + lag) * n + k) * n + j


def _away_from_parents(codes: np.ndarray, unclear: np.ndarray) -> np.ndarray:
    """Rule 1: i → k — j, i and j apart: k → j, unless the triple is ambiguous."""
    triples = unshielded(codes, undirected_too=False)
    clear = triples[~np.isin(_numbers(triples, codes.shape), unclear)]
    wanted = np.zeros(codes.shape[:2], dtype=bool)
    wanted[clear[:, 2], clear[:, 3]] = True
    return wanted


def _around_chains(codes: np.ndarray) -> np.ndarray:
    """Rule 2: i → k → j and i — j: i → j."""
    directed = (codes[:, :, 0] == DIRECTED).astype(float)
    return (directed @ directed > 0) & (codes[:, :, 0] == UNDIRECTED)


def _into_colliders(codes: np.ndarray) -> np.ndarray:
    """Rule 3: i — k → j, i — l → j, k and l apart, and i — j: i → j."""
    now = codes[:, :, 0]
    wanted = np.zeros(now.shape, dtype=bool)
    for i, j in zip(*np.nonzero(now == UNDIRECTED), strict=True):
        middle = np.flatnonzero((now[:, j] == DIRECTED) & (now[:, i] == UNDIRECTED))
        apart = now[np.ix_(middle, middle)] == 0
        wanted[i, j] = apart.sum() > len(middle)
    return wanted
