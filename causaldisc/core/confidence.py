"""Confidence: how sure a search may be of every adjacency, and of every direction, each as a probability."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from causaldisc.core.graph import CausalGraph


@dataclass(frozen=True, eq=False)
class Confidence:
    """Probabilities from resampling, of adjacencies and of directions apart.

    Attributes
    ----------
    adjacency : float[N, N, L + 1], the probability that i(t - lag) and j(t) are adjacent, symmetric at lag 0; NaN where the
        prior excludes the pair.
    orientation : float[N, N, L + 1], the probability that an adjacency is to be directed i → j, given that it is one; at lag 0
        ``1 - [i, j] - [j, i]`` is that of an edge which the equivalence class leaves undirected. 1 at lags > 0; NaN where the
        search says nothing of directions.
    frequency, directed : the plain shares of resamples behind them: with the adjacency, and, of those, with i → j.
    resamples : how many there were.
    block : length of the blocks of rows they were drawn in.
    calibration : name of the map from shares to probabilities (the search, ``@0`` without lags or ``@1`` with them);
        ``"none"`` when there is none for it, or fewer than 50 resamples: then the shares stand for themselves.

    >>> shares = np.array([[0.0, 0.9], [0.9, 0.0]])[:, :, None]
    >>> sure = Confidence(shares, 0.5 * shares, shares, 0.5 * shares, 100, 1, "none")
    >>> float(sure.adjacency[0, 1, 0])
    0.9
    """

    adjacency: np.ndarray
    orientation: np.ndarray
    frequency: np.ndarray
    directed: np.ndarray
    resamples: int
    block: int
    calibration: str

    def of(self, graph: CausalGraph) -> CausalGraph:
        """Return the graph with ``confidence`` and ``orientation_confidence`` written on its edges."""
        place = graph.index
        edges = []
        for edge in graph.edges:
            i, j, lag = place[edge.source], place[edge.target], edge.lag
            sure, way = float(self.adjacency[i, j, lag]), float(self.orientation[i, j, lag])
            if not edge.is_directed:
                way = np.nan  # marks that leave the direction open claim none
            edges.append(replace(edge, confidence=_known(sure), orientation_confidence=_known(way)))
        return graph.replace(edges=edges)

    def embed(self, n: int, columns: np.ndarray) -> Confidence:
        """Return the confidence over n variables of which these are some columns, NaN for the others."""
        if len(columns) == n:
            return self
        wide: dict[str, Any] = {}
        for name in ("adjacency", "orientation", "frequency", "directed"):
            array = getattr(self, name)
            wide[name] = np.full((n, n, array.shape[2]), np.nan)
            wide[name][np.ix_(columns, columns)] = array
        return replace(self, **wide)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
