"""The last step of the searches: directions beyond the equivalence class, and a DAG, where they are asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.telemetry import Telemetry


def directed(
    learned: Learned, telemetry: Telemetry, constraints: Constraints, ways: str, dag: bool, judged: bool = True
) -> Learned:
    """Return what was learned with more edges of lag 0 directed.

    Parameters
    ----------
    ways : what to ask besides the search, see :func:`causaldisc.algorithms._beyond.beyond`; the report then says how many edges
        each way directed (``oriented``).
    dag : whether to direct all that is left, see :func:`causaldisc.algorithms._as_dag.as_dag`.
    judged : whether the search looked for colliders.
    """
    if ways == "class" and not dag:
        return learned
    graph, report = learned.graph, dict(learned.report)
    if ways != "class":
        from causaldisc.algorithms._beyond import beyond

        graph = beyond(graph, telemetry, constraints, ways, judged=judged)
        before = {frozenset((e.source, e.target)) for e in learned.graph.edges if e.lag == 0 and not e.is_directed}
        fresh = (e for e in graph.edges if e.lag == 0 and e.is_directed and frozenset((e.source, e.target)) in before)
        report["oriented"] = dict(sorted(Counter(e.evidence[-1] for e in fresh).items()))
    if dag:
        from causaldisc.algorithms._as_dag import as_dag

        likely = None if learned.confidence is None else _either_way(learned.confidence.orientation)
        graph, facts = as_dag(graph, learned.scores, telemetry, constraints, orientation=likely, judged=judged)
        report |= facts
    return replace(learned, graph=graph, report=report)


def _either_way(orientation: np.ndarray) -> np.ndarray:
    """The probability of i → j at lag 0 when the share of resamples that left the edge open is split between both directions."""
    likely = np.array(orientation)
    now = orientation[:, :, 0]
    likely[:, :, 0] = now + 0.5 * (1.0 - now - now.T)
    return likely
