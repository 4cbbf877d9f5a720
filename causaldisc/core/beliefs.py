"""Beliefs read against variables: which edges each speaks of, and the log-odds that all of them give an edge.

A belief of probability p says ``log(p / (1 - p))`` about cause → effect. What several say of one edge is put together so that
saying a thing twice does not make it truer: of one origin only the strongest word for the edge and the strongest against it
count, and what different origins say adds up, as the log-odds of independent witnesses do (Genest & Zidek 1986, "Combining
probability distributions", Statistical Science 1). Beliefs that do not say where they come from count as one origin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from causaldisc.core.errors import PriorError
from causaldisc.core.graph import CONFLICT, DIRECTED, UNDIRECTED
from causaldisc.core.prior import EdgeClause, ExpertPrior
from causaldisc.core.rules import is_glob, matching
from causaldisc.core.variables import Variable


@dataclass(frozen=True, eq=False)
class Belief:
    """One belief read against N variables.

    Attributes
    ----------
    clause : as it was given.
    sources, targets : int[K], the pairs of variables that it speaks of.
    window : inclusive, the lags that it speaks of, within those of the search; empty (low > high) where it has none of them.
    """

    clause: EdgeClause
    sources: np.ndarray
    targets: np.ndarray
    window: tuple[int, int]

    @property
    def text(self) -> str:
        """``source -> target``, with the lags where they are given."""
        lag = self.clause.lag
        return f"{self.clause.source} -> {self.clause.target}" + ("" if lag is None else f" at lag {lag[0]}..{lag[1]}")

    @property
    def logit(self) -> float:
        """Log-odds, exactly 0 for a probability of 0.5."""
        p = float(self.clause.probability or 0.0)
        return math.log(p / (1.0 - p))

    @property
    def vacuous(self) -> str:
        """Why it can say nothing of this search, or the empty string."""
        if not len(self.sources):
            return "matches no pair of variables"
        return "" if self.window[0] <= self.window[1] else "its lags are not among those of the search"

    def cells(self, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (sources, targets, lags) of all edges that it speaks of and that bool[N, N, L + 1] allows."""
        lags = np.arange(self.window[0], self.window[1] + 1)
        pair, place = np.nonzero(allowed[self.sources, self.targets][:, lags])
        return self.sources[pair], self.targets[pair], lags[place]

    def among(self, place: Mapping[int, int]) -> Belief:
        """Return the same belief with variables renumbered as a mapping says; pairs of others are left out."""
        ends = zip(self.sources.tolist(), self.targets.tolist(), strict=True)
        kept = [(place[i], place[j]) for i, j in ends if i in place and j in place]
        sources, targets = np.array(kept, dtype=int).reshape(-1, 2).T
        return Belief(self.clause, sources, targets, self.window)


def beliefs_of(prior: ExpertPrior, variables: Sequence[Variable], max_lag: int) -> tuple[Belief, ...]:
    """Read every belief of a prior against variables, for a search up to a lag; in the order of the prior.

    A glob speaks of every pair that it matches, but of no variable's edge to itself; only a plain name for both ends does.

    Raises
    ------
    PriorError : a name that no variable bears, or a belief without a probability.

    >>> prior = ExpertPrior(beliefs=[{"source": "*", "target": "b", "probability": 0.8}])
    >>> beliefs_of(prior, [*map(Variable.of, "ab")], 0)[0].sources.tolist()
    [0]
    """
    nodes = tuple(variables)
    return tuple(_belief(clause, f"beliefs[{k}]", nodes, max_lag) for k, clause in enumerate(prior.beliefs))


def _belief(clause: EdgeClause, where: str, nodes: tuple[Variable, ...], max_lag: int) -> Belief:
    if clause.probability is None or not 0.0 < clause.probability < 1.0:
        raise PriorError(f"{where}.probability must be strictly between 0 and 1, got {clause.probability!r}")
    ends = np.meshgrid(*(np.array(matching(p, nodes, where), dtype=int) for p in (clause.source, clause.target)), indexing="ij")
    sources, targets = (end.ravel() for end in ends)
    itself = sources == targets
    if is_glob(clause.source) or is_glob(clause.target):
        sources, targets, itself = sources[~itself], targets[~itself], itself[:0]
    low, high = clause.lag or (0, max_lag)
    return Belief(clause, sources, targets, (max(low, 1) if itself.size and itself.all() else low, min(high, max_lag)))


def logits(beliefs: Sequence[Belief], allowed: np.ndarray, association: np.ndarray | None = None) -> np.ndarray:
    """Return float[N, N, L + 1], the log-odds that beliefs give each edge; 0 where nothing is believed.

    A belief for an edge says that it is there at some lag of its window: it goes to the lag of strongest association. A
    belief against one goes to every lag. Edges that cannot exist are not spoken of.

    Parameters
    ----------
    allowed : bool[N, N, L + 1], edges that may exist.
    association : float[N, N, L + 1], larger = stronger; NaN counts as none. None: the first lag allowed.

    >>> twice = [{"source": "a", "target": "b", "probability": 0.8, "from": origin} for origin in ("x", "x", "y")]
    >>> read = beliefs_of(ExpertPrior(beliefs=twice), [*map(Variable.of, "ab")], 0)
    >>> np.exp(logits(read, ~np.eye(2, dtype=bool)[:, :, None])).round(6)[:, :, 0].tolist()
    [[1.0, 16.0], [1.0, 1.0]]
    """
    total = np.zeros(allowed.shape)
    for origin in dict.fromkeys(b.clause.origin for b in beliefs):
        for_, against = np.zeros(allowed.shape), np.zeros(allowed.shape)
        for belief in beliefs:
            if belief.clause.origin != origin or belief.vacuous:
                continue
            cells = belief.cells(allowed)
            if belief.logit > 0:
                cells = _strongest(*cells, association)
                for_[cells] = np.maximum(for_[cells], belief.logit)
            else:
                against[cells] = np.minimum(against[cells], belief.logit)
        total += for_ + against
    return total


def _strongest(
    i: np.ndarray, j: np.ndarray, lags: np.ndarray, association: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep one lag of every pair, that of the strongest association, the first of equals; lags of a pair stand together."""
    strength = np.zeros(len(lags)) if association is None else np.nan_to_num(np.abs(association[i, j, lags]), nan=-1.0)
    order = np.lexsort((lags, -strength, j, i))
    i, j, lags = i[order], j[order], lags[order]
    first = np.ones(len(i), dtype=bool)
    first[1:] = (i[1:] != i[:-1]) | (j[1:] != j[:-1])
    return i[first], j[first], lags[first]


def state_of(belief: Belief, codes: np.ndarray) -> list[str]:
    """Say of every pair of a belief how a graph has it within the belief's lags.

    Parameters
    ----------
    codes : int[N, N, L + 1] of cell codes (:meth:`causaldisc.core.graph.CausalGraph.codes`).

    Returns
    -------
    One of ``directed``, ``undirected``, ``conflict``, ``reversed`` and ``absent`` a pair.

    >>> read = beliefs_of(ExpertPrior(beliefs=[{"source": "a", "target": "b", "probability": 0.8}]), [*map(Variable.of, "ab")], 0)
    >>> state_of(read[0], np.array([[0, 0], [1, 0]])[:, :, None])
    ['reversed']
    """
    low, high = belief.window
    there = codes[belief.sources, belief.targets, low : high + 1]
    back = (codes[belief.targets, belief.sources, :1] == DIRECTED).any(axis=1) & (low == 0) & (belief.sources != belief.targets)
    found = np.where(back, "reversed", "absent").astype(object)
    for code, name in ((CONFLICT, "conflict"), (UNDIRECTED, "undirected"), (DIRECTED, "directed")):
        found[(there == code).any(axis=1)] = name
    return found.tolist()


def summary_of(belief: Belief, codes: np.ndarray) -> str:
    """Say in a word how a graph has the edge of a belief, or of how many of its pairs.

    >>> prior = ExpertPrior(beliefs=[{"source": "a", "target": "*", "probability": 0.8}])
    >>> read = beliefs_of(prior, [*map(Variable.of, "abc")], 0)
    >>> summary_of(read[0], np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]])[:, :, None])
    '1 of 2 directed'
    """
    states = state_of(belief, codes)
    return states[0] if len(states) == 1 else f"{states.count('directed')} of {len(states)} directed"


def verdict(belief: Belief, codes: np.ndarray, allowed: np.ndarray, told: Mapping[str, Any]) -> tuple[str, str]:
    """Return what became of a belief, ``kept`` or ``overridden``, and why, in plain words.

    A belief for an edge is kept where the graph has the edge, directed so; one against an edge where it has none directed so.

    Parameters
    ----------
    told : what the search told of it (its entry in ``report["beliefs"]``).
    """
    if belief.vacuous:
        return "kept", belief.vacuous
    if belief.logit == 0.0:
        return "kept", "a probability of 0.5 says nothing"
    states = state_of(belief, codes)
    shown = states.count("directed")
    if belief.logit < 0:
        return ("overridden", f"the data show it{_test(told)}") if shown else ("kept", _credit(told))
    if shown == len(states):
        return "kept", _credit(told)
    if not len(belief.cells(allowed)[0]):
        return "overridden", "the hard clauses forbid it"
    if len(states) > 1:
        return "overridden", f"found for {shown} of {len(states)} pairs"
    why = {
        "undirected": "the edge is there, but this direction fits no graph that the data allow",
        "conflict": "the edge is there, but the data contradict each other about its direction",
        "reversed": "the data direct it the other way",
        "absent": f"the data do not show it{_test(told)}",
    }
    return "overridden", why[states[0]]


def _test(told: Mapping[str, Any]) -> str:
    p = told.get("p_value")
    return "" if p is None else f" (p = {p:.3g})"


def _credit(told: Mapping[str, Any]) -> str:
    """Whether it was the belief that did it, where the search was run without it."""
    without = told.get("edge_without")
    if without is None:
        return ""
    left_out = "this belief" if told.get("left_out") == "this" else "any belief"
    return f"the same without {left_out}" if told.get("edge") == without else f"without {left_out}: {without}"
