"""Hidden variables: which ones to hide, and what is left of the causal graph over those that are seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causaldisc.core.graph import Edge


def choose_hidden(links: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return bool[N]: variables to hide, at random among those with two children or more, as far as these go.

    Parameters
    ----------
    links : bool[N, N], [i, j] = i → j at some lag.

    >>> choose_hidden(np.array([[0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=bool), 1, np.random.default_rng(0)).tolist()
    [True, False, False]
    """
    hidden = np.zeros(len(links), dtype=bool)
    useful = np.minimum(links.sum(axis=1), 2)
    hidden[np.lexsort((rng.random(len(links)), -useful))[:count]] = True
    return hidden


@dataclass(frozen=True)
class Projection:
    """A graph over the variables seen.

    ``causes`` are (i, j, lag): i → j directly, or along variables that are all hidden. ``confounded`` are (i, j, lag): a hidden
    variable reaches i and, ``lag`` steps later, j, along variables that are all hidden; at lag 0, i < j.
    """

    causes: tuple[tuple[int, int, int], ...]
    confounded: tuple[tuple[int, int, int], ...]

    def edges(self, names: dict[int, str], strength: dict[tuple[int, int, int], float]) -> list[Edge]:
        """Return the edges of the truth: arrow–arrow for what is confounded alone, since a pair has one edge a lag."""
        directed = [
            Edge(names[i], names[j], lag, strength=strength.get((i, j, lag)), evidence=("truth",)) for i, j, lag in self.causes
        ]
        taken = {*self.causes, *((j, i, 0) for i, j, lag in self.causes if lag == 0)}
        joined = [
            Edge(names[i], names[j], lag, source_mark="arrow", target_mark="arrow", evidence=("truth",))
            for i, j, lag in self.confounded
            if (i, j, lag) not in taken
        ]
        return directed + joined

    def pairs(self, names: dict[int, str]) -> list[list[str]]:
        """Return the names of all confounded pairs, those that have a directed edge besides included."""
        found = {tuple(sorted((names[i], names[j]))) for i, j, _ in self.confounded if i != j}
        return [list(pair) for pair in sorted(found)]


def project(links: np.ndarray, hidden: np.ndarray) -> Projection:
    """Return the latent projection of links bool[L + 1, N, N] (``[l, i, j]`` = i(t - l) → j(t)) onto what is not hidden.

    Lags along a chain add up. Links among hidden variables must have no cycle at any lag. Verma, "Graphical aspects of causal
    models", 1993.

    >>> links = np.zeros((1, 4, 4), dtype=bool)
    >>> links[0, 0, 1] = links[0, 1, 2] = links[0, 1, 3] = True  # 0 → 1 → {2, 3}
    >>> project(links, np.array([False, True, False, False]))
    Projection(causes=((0, 2, 0), (0, 3, 0)), confounded=((2, 3, 0),))
    """
    children: dict[int, list[tuple[int, int]]] = {i: [] for i in range(len(hidden))}
    for lag, i, j in zip(*(axis.tolist() for axis in np.nonzero(links)), strict=True):
        children[i].append((j, lag))
    reached: dict[int, frozenset[tuple[int, int]]] = {}

    def reach(i: int) -> frozenset[tuple[int, int]]:
        """The (variable seen, lag) that i drives, directly or by way of hidden ones."""
        if i not in reached:
            found: set[tuple[int, int]] = set()
            for j, lag in children[i]:
                found |= {(k, lag + more) for k, more in reach(j)} if hidden[j] else {(j, lag)}
            reached[i] = frozenset(found)
        return reached[i]

    seen = np.flatnonzero(~hidden).tolist()
    causes = sorted({(i, j, lag) for i in seen for j, lag in reach(i)}, key=lambda c: (c[2], c[0], c[1]))
    confounded = {
        (i, j, later - lag)
        for h in np.flatnonzero(hidden).tolist()
        for i, lag in reach(h)
        for j, later in reach(h)
        if later > lag or (later == lag and i < j)
    }
    return Projection(tuple(causes), tuple(sorted(confounded)))
