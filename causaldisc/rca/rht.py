"""Regression-based hypothesis testing on the graph's parents.

M. Li et al., "Causal inference-based root cause analysis for online service systems with intervention recognition", KDD 2022
(CIRCA): a fault is an intervention, so the faulty variable is one whose distribution given its parents changed. Each variable is
regressed on its parents in the normal period; its score is its largest standardised residual after the onset. Unlike the paper,
the residual is divided by the standard error of the prediction, s·sqrt(1 + h) with the leverage h, so that a coefficient known
only roughly does not accuse the children of an extreme parent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from causaldisc.core.directed import directed_part, to_dag
from causaldisc.core.graph import CausalGraph
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Ranker
from causaldisc.core.telemetry import Telemetry
from causaldisc.rca._periods import ranked, scale_of, split


@dataclass(frozen=True)
class Rht(Ranker):
    """Ranks by the change of each variable given its parents, lags respected.

    Undirected edges count by a consistent extension, refuted edges not at all. A missing value of a parent is replaced by the
    parent's normal mean, and a parent without any is left out; rows where the variable itself is missing are left out.
    """

    adjust: bool = parameter(False, "descendant adjustment of the paper: an anomalous child adds to its anomalous parent")
    threshold: float = parameter(3.0, "score from which a variable counts as anomalous in that adjustment", low=0)
    name: ClassVar[str] = "rht"
    summary: ClassVar[str] = "regression-based hypothesis testing on the parents (CIRCA)"

    def rank(self, graph: CausalGraph, telemetry: Telemetry, at: float) -> list[tuple[str, float]]:
        """Rank the variables that both the graph and the telemetry know."""
        normal, abnormal = split(telemetry, at)
        column = {name: k for k, name in enumerate(telemetry.names)}
        edges = [e for e in directed_part(graph).graph.edges if e.source in column and e.target in column]
        mean, deviation = scale_of(telemetry, normal)
        filled = np.where(np.isnan(telemetry.values), mean, telemetry.values)
        scores = np.full(len(column), np.nan)
        for name in graph.names:
            if name in column:
                k = column[name]
                parents = [(column[e.source], e.lag) for e in edges if e.target == name and not np.isnan(mean[column[e.source]])]
                design = _lagged(filled, parents, telemetry.environments)
                scores[k] = _largest_residual(telemetry.values[:, k], design, normal, abnormal, deviation[k])
        if self.adjust:
            dag = to_dag(graph).graph.edges
            links = [(column[e.source], column[e.target]) for e in dag if e.source in column and e.target in column]
            scores = _adjusted(scores, links, self.threshold)
        return ranked(telemetry.names, scores)


def _lagged(filled: np.ndarray, parents: list[tuple[int, int]], environments: np.ndarray) -> np.ndarray:
    """float[T, P]: each parent at its lag; NaN where that reaches before the start of an environment."""
    design = np.full((len(filled), len(parents)), np.nan)
    for k, (column, lag) in enumerate(parents):
        design[lag:, k] = filled[: len(filled) - lag, column]
        design[lag:, k][environments[lag:] != environments[: len(filled) - lag]] = np.nan
    return design


def _largest_residual(target: np.ndarray, design: np.ndarray, normal: np.ndarray, abnormal: np.ndarray, fallback: float) -> float:
    """Largest |residual| after the onset in standard errors of its prediction; NaN without data.

    ``fallback`` is the deviation to use where the normal residuals are all zero.
    """
    whole = ~np.isnan(target) & ~np.isnan(design).any(axis=1)
    fit, test = whole & normal, whole & abnormal
    if fit.sum() < 3 or not test.any():
        return float("nan")
    design = design[:, _useful(design[fit], target[fit])]
    center, spread = design[fit].mean(axis=0), design[fit].std(axis=0)
    x = (design - center) / spread
    gram = np.linalg.pinv(x[fit].T @ x[fit])
    level = target[fit].mean()
    slope = gram @ (x[fit].T @ (target[fit] - level))
    residual = target - level - x @ slope
    freedom = int(fit.sum()) - 1 - design.shape[1]
    deviation = float(np.sqrt((residual[fit] ** 2).sum() / freedom))
    if deviation <= 1e-12 * max(abs(level), 1e-300):
        deviation = fallback
    if not deviation > 0:
        return 0.0
    leverage = 1.0 / fit.sum() + np.einsum("ti,ij,tj->t", x[test], gram, x[test])
    return float(np.max(np.abs(residual[test]) / (deviation * np.sqrt(1.0 + leverage))))


def _useful(parents: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Columns of the parents to regress on: those that vary, and of them only as many as leave half of the rows free."""
    varying = np.flatnonzero(parents.std(axis=0) > 1e-12 * np.abs(parents).max(axis=0, initial=1e-300))
    most = max(len(target) // 2 - 1, 0)
    if len(varying) <= most:
        return varying
    centred = parents[:, varying] - parents[:, varying].mean(axis=0)
    strength = np.abs(centred.T @ (target - target.mean())) / np.linalg.norm(centred, axis=0)
    return np.sort(varying[np.argsort(-strength, kind="stable")[:most]])


def _adjusted(scores: np.ndarray, edges: list[tuple[int, int]], threshold: float) -> np.ndarray:
    """Descendant adjustment: an anomalous variable gains the largest adjusted score among its anomalous children.

    ``edges`` form a DAG.
    """
    import networkx as nx

    dag = nx.DiGraph(edges)
    total = scores.copy()
    for node in reversed(list(nx.topological_sort(dag))):
        below = [total[child] for child in dag.successors(node) if scores[child] >= threshold]
        if below and scores[node] >= threshold:
            total[node] += max(below)
    return total
