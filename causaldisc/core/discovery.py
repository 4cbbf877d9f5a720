"""What a discovery returns: the algorithm's own findings, and those findings checked and signed by the runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from causaldisc.core.candidate import Candidate
from causaldisc.core.certificate import Certificate
from causaldisc.core.confidence import Confidence
from causaldisc.core.graph import CausalGraph


@dataclass(frozen=True, eq=False)
class Learned:
    """What an algorithm gives back.

    Attributes
    ----------
    graph : over exactly the variables of the telemetry it was given, in their order.
    scores : float[N, N, L + 1], every ordered pair i(t - lag) → j(t), higher = likelier; NaN = excluded by the prior
        (or, on the lag-0 diagonal, meaningless). A score for ranking, not a probability.
    report : JSON-ready facts for the user (effective sample size, near-duplicates, tests run, truncated).
    confidence : probabilities from resampling, None where there was none.
    """

    graph: CausalGraph
    scores: np.ndarray
    report: Mapping[str, Any] = field(default_factory=dict)
    confidence: Confidence | None = None


@dataclass(frozen=True, eq=False)
class Discovery:
    """A finished discovery: graph, scores, certificate of the prior, report, and what it cost.

    Attributes
    ----------
    graph : over all columns of the input, in their order, with provenance.
    scores : float[N, N, L + 1] as in :class:`Learned`; rows and columns of constant variables are NaN.
    certificate : the verdict on every clause of the prior.
    report : facts about data and fit: constant columns, missing share, what the algorithm said.
    seconds : wall-clock time of the algorithm.
    confidence : probabilities of adjacencies and directions over all columns, None without resampling.
    core : with a preset, the few edges of the graph that survive every doubt, over the same nodes; None without.
    candidates : with a preset, every pair that may be an edge, best first.
    verdict : with a preset, whether the telemetry can tell anything: ``can tell``, ``can tell, with care: …`` or
        ``cannot tell: …``; empty without.
    """

    graph: CausalGraph
    scores: np.ndarray
    certificate: Certificate
    report: Mapping[str, Any]
    seconds: float
    confidence: Confidence | None = None
    core: CausalGraph | None = None
    candidates: tuple[Candidate, ...] = ()
    verdict: str = ""
