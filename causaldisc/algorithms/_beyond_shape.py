"""What the shapes of distributions tell of directions at lag 0, by a measure of pairs that Gaussian data leave silent.

Known causes, past ones too, are regressed out of both ends of an edge, and one filter whitens both; then the two directions
are compared (:mod:`causaldisc.kernels.nongaussian`). That needs the two to have no other common cause, which an undirected
neighbourhood may hide. So, as DirectLiNGAM finds one source after another (Shimizu et al. 2011), a variable is told to be the
cause of its neighbours only piece by piece: its open neighbours that hang together without it are all told to be its effects,
or none is. In a tree every neighbour is a piece of its own. Whoever is found is a known cause in the next round.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from causaldisc.algorithms._beyond import Wish
from causaldisc.core.graph import DIRECTED
from causaldisc.core.telemetry import Telemetry

# Levels: that a pair is Gaussian is refused at 1 % (four tests, two-sided), that no direction is likelier at 1 % as well.
LEVEL = 0.01
_SHAPE_Z, _RATIO_Z = 3.023, 2.576
_FEWEST_ROWS, _ROWS_A_CAUSE, _FEW_LEVELS = 50, 10, 10


class Shapes:
    """Pairs of one telemetry, each weighed once for every set of known causes."""

    def __init__(self, codes: np.ndarray, telemetry: Telemetry) -> None:
        """Take int8[N, N, L + 1] of cell codes, of which the lagged ones count as known causes, and their telemetry."""
        from causaldisc.kernels.levels import count_levels
        from causaldisc.kernels.moments import lagged, lagged_rows

        n, depth = len(codes), codes.shape[2] - 1
        rows = lagged_rows(telemetry.environments, depth)
        self.labels, self.rows = telemetry.environments[rows], rows
        self.windows = lagged(telemetry.values, telemetry.environments, depth)
        self.smooth = count_levels(telemetry.values) > _FEW_LEVELS
        sources = [np.argwhere(codes[:, j, 1:] > 0).tolist() for j in range(n)]
        self.past = [frozenset((lag + 1) * n + i for i, lag in pairs) for pairs in sources]
        self.known: dict[tuple[int, int, frozenset[int]], float] = {}

    def wishes(self, now: np.ndarray) -> Iterator[Wish]:
        """Yield directions of the open edges of int8[N, N], each as sure as the least sure of its piece."""
        adjacent = (now > 0) | (now.T > 0)
        open_ = adjacent & (now != DIRECTED) & (now.T != DIRECTED)
        label = _components(open_)
        causes = [frozenset(np.flatnonzero(column == DIRECTED).tolist()) for column in now.T]
        for x in np.flatnonzero(open_.any(axis=0)).tolist():
            others = np.flatnonzero(label == label[x])
            others = others[others != x]
            piece = _components(adjacent[np.ix_(others, others)])
            beside = open_[x, others]
            for number in np.unique(piece[beside]).tolist():
                effects = others[beside & (piece == number)].tolist()
                sure = self._least(x, effects, causes)
                if sure > 0.0:
                    yield from (Wish(x, y, "nongaussian", sure) for y in effects)

    def _least(self, x: int, effects: list[int], causes: list[frozenset[int]]) -> float:
        """How sure x → y is for the least sure of its effects; 0 where any of them is not."""
        least = np.inf
        for y in effects:
            least = min(least, self.z(x, y, causes[x] | causes[y] | self.past[x] | self.past[y]))
            if least <= 0.0:
                return 0.0
        return float(least)

    def z(self, x: int, y: int, causes: frozenset[int]) -> float:
        """By how many standard errors x → y is likelier than y → x; 0 where that or the pair's shape is not significant."""
        i, j = min(x, y), max(x, y)
        if (i, j, causes) not in self.known:
            self.known[i, j, causes] = self._weigh(i, j, causes)
        found = self.known[i, j, causes]
        return found if x == i else -found

    def _weigh(self, i: int, j: int, causes: frozenset[int]) -> float:
        from causaldisc.kernels.nongaussian import compare

        columns = [i, j, *sorted(causes)]
        block = self.windows[:, columns]
        there = ~np.isnan(block).any(axis=1)
        if there.sum() < max(_FEWEST_ROWS, _ROWS_A_CAUSE * len(columns)) or not (self.smooth[i] and self.smooth[j]):
            return 0.0
        rows, labels = self.rows[there], self.labels[there]
        left = _without(_centred(block[there], labels))
        verdict = compare(*_whitened(left[:, 0], left[:, 1], stretches(rows, labels)))
        if not (np.isfinite(verdict.z) and verdict.shape > _SHAPE_Z and abs(verdict.z) > _RATIO_Z):
            return 0.0
        return verdict.z


def stretches(rows: np.ndarray, labels: np.ndarray) -> list[slice]:
    """The stretches of rows, int[T] ascending, that follow each other within one environment, int[T]."""
    cuts = np.flatnonzero((np.diff(rows) != 1) | (np.diff(labels) != 0)) + 1
    return [slice(a, b) for a, b in itertools.pairwise([0, *cuts.tolist(), len(rows)])]


def _whitened(x: np.ndarray, y: np.ndarray, blocks: list[slice]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both series whitened by one filter, and which rows begin a stretch; as they are where gaps leave too little of them.

    An echo adds up many noises, and sums look Gaussian; what is new in every row shows its own shape.
    """
    from causaldisc.kernels.whitening import whitened

    parts = whitened(x, y, blocks)
    if 2 * sum(part.shape[1] for part in parts) < len(x):
        parts = [np.stack([x[block], y[block]]) for block in blocks]
    starts = np.concatenate([np.arange(part.shape[1]) == 0 for part in parts])
    return *np.concatenate(parts, axis=1), starts


def _centred(block: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Take every environment's means out of float[T, C], and bring the columns to one scale."""
    centred = np.array(block)
    for label in np.unique(labels):
        centred[labels == label] -= centred[labels == label].mean(axis=0)
    spread = np.sqrt(np.mean(centred**2, axis=0))
    return centred / np.where(spread > 0, spread, 1.0)


def _without(block: np.ndarray) -> np.ndarray:
    """What the other columns leave of the first two."""
    ends, causes = block[:, :2], block[:, 2:]
    if not causes.shape[1]:
        return ends
    return ends - causes @ np.linalg.lstsq(causes, ends, rcond=1e-10)[0]


def _components(linked: np.ndarray) -> np.ndarray:
    """The number of its connected component for every node of a symmetric bool[N, N]."""
    from scipy.sparse.csgraph import connected_components

    return connected_components(linked, directed=False)[1]
