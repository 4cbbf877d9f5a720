"""Score: every metric of a graph against the truth, nodes aligned by id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from causaldisc.core.discovery import Discovery
from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Metric, metrics

LEVELS = ("metric", "service")

# The order in which the built-in keys are shown; those of third parties follow.
KEYS = (
    *("skeleton_precision", "skeleton_recall", "skeleton_f1"),
    *("directed_precision", "directed_recall", "directed_f1"),
    *("lagged_precision", "lagged_recall", "lagged_f1"),
    *("shd", "orientation_accuracy", "sid", "ancestor_aid", "oset_aid"),
    *("auroc", "auprc", "prevalence", "n_edges", "precision_lift", "directed_f1_z"),
)


def score(
    graph: CausalGraph | Discovery,
    truth: CausalGraph,
    scores: np.ndarray | None = None,
    level: str = "metric",
    role: str | None = None,
) -> dict[str, float]:
    """Score a graph against the truth with every metric that is installed.

    Parameters
    ----------
    graph : the graph found, or a Discovery, whose scores are then used too.
    truth : over the same nodes, in any order.
    scores : float[N, N, L + 1] or float[N, N] in the order of the graph's nodes, higher = likelier, NaN = excluded; for
        ``auroc`` and ``auprc``, which otherwise rank the graph's own edges.
    level : ``metric``, lags collapsed where a metric does not say otherwise; or ``service``, on the service-dependency graphs
        (a pair of services scores the best of its pairs of metrics).
    role : with ``service``, the metric role to compare, such as ``latency``; None = merged. A graph or truth whose nodes are
        services already is compared as it is.

    Returns
    -------
    dict : key → value; NaN where a key is undefined for these graphs.

    Raises
    ------
    InputError : other nodes than the truth's, an unknown level or role, scores of another shape.

    >>> from causaldisc.core.graph import Edge
    >>> truth = CausalGraph(["a", "b", "c"], [Edge("a", "b"), Edge("b", "c")])
    >>> found = CausalGraph(["c", "b", "a"], [Edge("a", "b"), Edge("c", "b")])
    >>> values = score(found, truth)
    >>> values["directed_f1"], values["shd"], values["orientation_accuracy"]
    (0.5, 1.0, 0.5)
    """
    if isinstance(graph, Discovery):
        graph, scores = graph.graph, graph.scores if scores is None else scores
    if level not in LEVELS:
        raise InputError(f"level must be a known level, got {level!r}; {did_you_mean(str(level), LEVELS)}")
    if role is not None and level != "service":
        raise InputError(f"role must be left out at level 'metric', got {role!r}; valid: level='service'")
    values = None if scores is None else _checked(scores, len(graph.names))
    if level == "service":
        values = None if values is None else _service_scores(values, graph, role)
        graph, truth = _services(graph, role, "graph"), _services(truth, role, "truth")
    order = _order(graph, truth)
    aligned = graph.replace(variables=[graph.variables[k] for k in order])
    return _run(aligned, truth, None if values is None else values[np.ix_(order, order)])


def _run(graph: CausalGraph, truth: CausalGraph, scores: np.ndarray | None) -> dict[str, float]:
    found: dict[str, float] = {}
    for plugin in _plugins():
        values = plugin(graph, truth, scores)
        found.update({key: float(values[key]) for key in plugin.keys})
    place = {key: k for k, key in enumerate(KEYS)}
    return {key: found[key] for key in sorted(found, key=lambda key: (place.get(key, len(KEYS)), key))}


def _plugins() -> list[Metric]:
    """Every metric; two that give one key are refused, since one would hide the other."""
    plugins, owner = [metrics.build(name) for name in metrics.names()], {}
    for plugin in plugins:
        for key in plugin.keys:
            if key in owner:
                raise InputError(f"metric {plugin.name!r} must give keys of its own, got {key!r}, which {owner[key]!r} gives too")
            owner[key] = plugin.name
    return plugins


def _order(graph: CausalGraph, truth: CausalGraph) -> list[int]:
    """The columns of the graph in the order of the truth's nodes."""
    missing = [name for name in truth.names if name not in graph.index]
    extra = [name for name in graph.names if name not in truth.index]
    for odd, what in ((missing, "lacks"), (extra, "has the extra node")):
        if odd:
            more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
            raise InputError(f"graph must have the nodes of the truth, but {what} {odd[0]!r}{more}")
    return [graph.index[name] for name in truth.names]


def _checked(scores: np.ndarray, n: int) -> np.ndarray:
    """Scores as float[N, N, L + 1]."""
    array = np.asarray(scores, dtype=float)
    if array.ndim not in (2, 3) or array.shape[:2] != (n, n):
        raise InputError(f"scores must have shape ({n}, {n}) or ({n}, {n}, max_lag + 1), got {array.shape}")
    return array[:, :, None] if array.ndim == 2 else array


def _is_service_level(graph: CausalGraph) -> bool:
    return all(v.name == v.service for v in graph.variables)


def _services(graph: CausalGraph, role: str | None, what: str) -> CausalGraph:
    """The service graph of a role; a graph whose nodes are services is its own."""
    if _is_service_level(graph):
        return graph.summary()
    found = graph.services()
    if (role or "merged") not in found:
        raise InputError(f"role must be one of the {what}'s, got {role!r}; {did_you_mean(str(role), found)}")
    return found[role or "merged"]


def _service_scores(scores: np.ndarray, graph: CausalGraph, role: str | None) -> np.ndarray:
    """float[S, S, 1]: the best score of any pair of metrics whose source has the role, NaN where all are excluded."""
    if _is_service_level(graph):
        return scores
    services = list(dict.fromkeys(v.service for v in graph.variables))
    members = np.array([[v.service == s for v in graph.variables] for s in services]).reshape(len(services), len(graph.names))
    sources = members & _bears(graph.variables, role)
    best = np.where(np.isnan(scores), -np.inf, scores).max(axis=2, initial=-np.inf)
    pooled = np.array([[best[np.ix_(a, b)].max(initial=-np.inf) for b in members] for a in sources])
    return np.where(np.isneginf(pooled), np.nan, pooled).reshape(len(services), len(services), 1)


def _bears(variables: Sequence, role: str | None) -> np.ndarray:
    return np.array([role in (None, "merged", v.role) for v in variables], dtype=bool)
