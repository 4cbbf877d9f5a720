"""Ranking: do the scores put true edges above the rest, whatever the threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.plugins import Metric
from causaldisc.metrics._weights import NAN, ratio, summary_weights


@dataclass(frozen=True)
class Ranking(Metric):
    """Areas under the ROC and the precision-recall curve over ordered pairs, diagonal left out.

    Scores are the largest over lags; a pair that is NaN at every lag (excluded by the prior) ranks below all others.
    Without scores the edges rank themselves: by confidence if every edge has one, else by |strength| if every edge has one,
    else 1 each, half of it each way where the direction is open, and 0 where there is no edge.

    ``auroc`` is the Mann-Whitney probability that a true edge outranks another pair, ties 1/2; ``auprc`` is average
    precision, Σ (R_k - R_{k-1}) P_k over distinct scores, so that ties share one step (Davis & Goadrich, 2006). A true edge
    with an open direction is half a positive each way. NaN without positives (or, for ``auroc``, negatives).

    >>> from causaldisc.core.graph import Edge
    >>> truth = CausalGraph(["a", "b"], [Edge("a", "b")])
    >>> Ranking()(truth, truth, np.array([[np.nan, 0.9], [0.2, np.nan]]))
    {'auroc': 1.0, 'auprc': 1.0}
    """

    name: ClassVar[str] = "ranking"
    summary: ClassVar[str] = "areas under the ROC and precision-recall curves of the edge scores"
    keys: ClassVar[tuple[str, ...]] = ("auroc", "auprc")

    def __call__(self, graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> dict[str, float]:
        """Rank the off-diagonal pairs and read both areas off the ranking."""
        ranks = edge_scores(graph) if scores is None else collapse(scores)
        off = ~np.eye(len(ranks), dtype=bool)
        auroc, auprc = areas(ranks[off], summary_weights(truth)[off])
        return {"auroc": auroc, "auprc": auprc}


def collapse(scores: np.ndarray) -> np.ndarray:
    """Return float[N, N]: the largest score of each pair over its lags; -inf where all are NaN."""
    cube = scores[:, :, None] if scores.ndim == 2 else scores
    return np.where(np.isnan(cube), -np.inf, cube).max(axis=2, initial=-np.inf)


def edge_scores(graph: CausalGraph) -> np.ndarray:
    """Return float[N, N]: what the graph's own edges say of each pair, 0 where there is none."""
    edges = [e for e in graph.edges if e.source != e.target]
    scores = np.zeros((len(graph.names),) * 2)
    for edge, weight in zip(edges, _own_weights(edges), strict=True):
        for cause, effect in edge.directions:
            cell = graph.index[cause], graph.index[effect]
            scores[cell] = max(scores[cell], weight if edge.is_directed else weight / 2)
    return scores


def areas(ranks: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Return (AUROC, average precision) of ranks float[K], larger = first, for K items that are positive to a share in 0..1."""
    if not ranks.size:
        return NAN, NAN
    _, group = np.unique(-ranks, return_inverse=True)
    hits = np.bincount(group, weights=positive)
    misses = np.bincount(group, weights=1.0 - positive)
    below = misses.sum() - np.cumsum(misses)
    auroc = ratio(float(hits @ (below + misses / 2)), float(hits.sum() * misses.sum()))
    precision = np.cumsum(hits) / np.cumsum(hits + misses)
    return auroc, ratio(float(hits @ precision), float(hits.sum()))


def _own_weights(edges: list[Edge]) -> list[float]:
    """One scale for all edges: a confidence beside a strength would compare apples and pears."""
    confidence = [e.confidence for e in edges if e.confidence is not None]
    if len(confidence) == len(edges):
        return confidence
    strength = [abs(e.strength) for e in edges if e.strength is not None]
    return strength if len(strength) == len(edges) else [1.0] * len(edges)
