"""Figures of a run: the learned graph against the truth on the metric level, and per role on the service level."""

from __future__ import annotations

import numpy as np

from causaldisc.core.dataset import Dataset
from causaldisc.core.edge import VALIDATION_STATES
from causaldisc.core.graph import CausalGraph

# Of the service level the headline figures only: there is a graph for every role.
SERVICE_KEYS = ("skeleton_f1", "directed_precision", "directed_recall", "directed_f1", "shd", "auprc", "prevalence", "n_edges")


def metrics_of(graph: CausalGraph, dataset: Dataset, scores: np.ndarray | None) -> dict[str, float]:
    """Return every metric-level score where the truth is known, and ``service_<role>_<key>`` where services have several metrics.

    Parameters
    ----------
    graph : over the variables of the data set's telemetry.
    scores : float[N, N, L + 1] of every ordered pair, or None.
    """
    from causaldisc.metrics._score import score

    found = _verdicts(graph)
    if dataset.truth is not None:
        found |= score(graph, dataset.truth, scores=scores)
    if dataset.truth is not None and len({v.service for v in graph.variables}) == len(graph.variables):
        return found  # every variable a service of its own: the service level is the metric level once more
    roles = {v.role for v in graph.variables} | {"merged"}
    for role, truth in dataset.services.items():
        if role in roles and truth.edges:  # without a single true edge nothing is defined
            level = score(graph, truth, scores=scores, level="service", role=role)
            found |= {f"service_{role}_{key}": level[key] for key in SERVICE_KEYS}
    return found


def _verdicts(graph: CausalGraph) -> dict[str, float]:
    """How many edges interventions confirmed, refuted, or left untested; nothing for a graph that none was spent on."""
    if "validation" not in graph.provenance:
        return {}
    return {f"edges_{state}": float(sum(e.validation == state for e in graph.edges)) for state in VALIDATION_STATES}
