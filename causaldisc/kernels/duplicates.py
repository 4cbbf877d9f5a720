"""Near-duplicate variables: one of each group stands for it in a search, and what it finds is lifted back to all.

Variables that are the same up to scale and sign cannot be told apart by any test, and together they make every matrix
singular. A group has its members' permissions together, so that nothing that the prior allows is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Groups:
    """A partition of N variables into G groups, most of them of one.

    Attributes
    ----------
    of : int[N], the group of each variable.
    kept : int[G], the variable that stands for each group.
    """

    of: np.ndarray
    kept: np.ndarray

    @classmethod
    def build(cls, duplicates: Sequence[Sequence[int]], rows: np.ndarray) -> Groups:
        """Group variables; the member with the most rows stands for its group, the first of them in a tie.

        Parameters
        ----------
        duplicates : groups of at least two.
        rows : int[N], rows recorded of each variable.

        >>> Groups.build([(0, 2)], np.array([5, 9, 8])).kept.tolist()
        [1, 2]
        """
        stand_in = np.arange(len(rows))
        for members in duplicates:
            inside = np.asarray(members)
            stand_in[inside] = inside[np.argmax(rows[inside])]
        kept, of = np.unique(stand_in, return_inverse=True)
        return cls(of, kept)

    @property
    def trivial(self) -> bool:
        """Whether every variable stands for itself."""
        return len(self.kept) == len(self.of)

    @property
    def sets(self) -> list[list[int]]:
        """The groups of two and more, the one kept first."""
        several = np.flatnonzero(np.bincount(self.of, minlength=len(self.kept)) > 1)
        return [self.members(g) for g in several.tolist()]

    def members(self, group: int) -> list[int]:
        """The variables of a group, the one kept first."""
        kept = int(self.kept[group])
        return [kept, *(int(i) for i in np.flatnonzero(self.of == group) if i != kept)]

    def columns(self, lags: int) -> np.ndarray:
        """int[N * lags]: the column of a group that stands for each column ``lag * N + i``."""
        return np.concatenate([lag * len(self.kept) + self.of for lag in range(lags)])

    def kept_columns(self, lags: int) -> np.ndarray:
        """int[G * lags]: the column ``lag * N + i`` that each column of a group is."""
        return np.concatenate([lag * len(self.of) + self.kept for lag in range(lags)])

    def merge(self, edges: np.ndarray) -> np.ndarray:
        """Return bool[G, G, L + 1] of bool[N, N, L + 1]: whether any members have it; nothing within a group at lag 0."""
        if self.trivial:
            return edges
        member = (self.of[None, :] == np.arange(len(self.kept))[:, None]).astype(np.float32)
        merged = np.einsum("gi,ijl,hj->ghl", member, edges.astype(np.float32), member, optimize=True) > 0
        merged[:, :, 0] &= ~np.eye(len(self.kept), dtype=bool)
        return merged

    def weigh(self, logits: np.ndarray) -> np.ndarray:
        """Return float[G, G, L + 1] of log-odds float[N, N, L + 1]: the strongest word for members, or else against them.

        >>> Groups(np.array([0, 1, 1]), np.array([0, 1])).weigh(np.array([[0, -2, 1], [0, 0, 0], [0, 0, 0.0]])[:, :, None])[0, 1]
        array([1.])
        """
        if self.trivial:
            return logits
        for_, against = np.zeros((2, len(self.kept), len(self.kept), logits.shape[2]))
        cell = (self.of[:, None], self.of[None, :])
        np.maximum.at(for_, cell, logits)
        np.minimum.at(against, cell, logits)
        return np.where(for_ > 0.0, for_, against)

    def lift(self, found: np.ndarray, possible: np.ndarray, required: np.ndarray) -> np.ndarray:
        """Give every edge between groups to one pair of members, and join each member to the one that stands for it.

        Parameters
        ----------
        found : bool[G, G, L + 1], edges between groups, cause → effect; adjacencies at lag 0 in both cells.
        possible : bool[N, N, L + 1], the edges that variables may have; symmetric at lag 0.
        required : bool[N, N, L + 1], the edges that they must have.

        Returns
        -------
        bool[N, N, L + 1] : edges, adjacencies at lag 0 in both cells: first the required ones; then, for an edge that no
        required one carries, the first possible pair of members, those that stand for their groups before all others.
        """
        edges = np.array(required)
        edges[:, :, 0] |= required[:, :, 0].T
        for g, h, lag in np.argwhere(found).tolist():
            if lag == 0 and g > h:
                continue
            pairs = [(i, j) for i in self.members(g) for j in self.members(h)]
            if any(edges[i, j, lag] for i, j in pairs):
                continue
            i, j = next((i, j) for i, j in pairs if possible[i, j, lag])
            edges[i, j, lag] = True
            edges[j, i, 0] |= lag == 0
        for first, *others in self.sets:
            for other in others:
                edges[first, other, 0] |= possible[first, other, 0]
                edges[other, first, 0] |= possible[other, first, 0]
        return edges
