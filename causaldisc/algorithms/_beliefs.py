"""What beliefs did to a search: the evidence of edges, what the data say of each belief, and the graph without it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from causaldisc.core.arrays import cells
from causaldisc.core.beliefs import Belief, state_of, summary_of
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Learned
from causaldisc.core.graph import CausalGraph

# The search is made again without each belief up to so many of them, and so many seconds in all; else once without any.
ONE_BY_ONE, PATIENCE_SECONDS = 50, 10.0
Evidence = dict[tuple[int, int, int], tuple[str, ...]]


def with_beliefs(evidence: Evidence, owed: np.ndarray, turned: np.ndarray) -> Evidence:
    """Return the evidence of edges, other than the data alone, with that of beliefs; those the prior requires stay as they are.

    Parameters
    ----------
    owed : bool[N, N, L + 1], edges that the data alone would not keep: ``belief`` stands for ``data``.
    turned : bool[N, N], edges of lag 0 whose direction beliefs gave.

    >>> with_beliefs({}, np.zeros((2, 2, 1), dtype=bool), np.array([[0, 1], [0, 0]], dtype=bool))
    {(0, 1, 0): ('data', 'belief')}
    """
    told = dict(evidence)
    moved = np.array(owed)
    moved[:, :, 0] |= turned
    for i, j, lag in zip(*(axis.tolist() for axis in cells(moved)), strict=True):
        before = told.get((i, j, lag), ("data",))
        if before != ("prior",):
            first = () if owed[i, j, lag] else ("data",)
            told[i, j, lag] = (*first, "belief", *(kind for kind in before if kind not in ("data", "belief")))
    return told


def account(
    constraints: Constraints, square: np.ndarray, plain: float, logits: np.ndarray, rows: np.ndarray | float
) -> list[dict[str, Any]]:
    """Tell of every belief what the data say: JSON-ready, one entry each, in the order of the prior.

    Of a belief about several edges it is the one of strongest evidence: the squared statistic ``z2`` of the last word on it and
    its p value, and the squared statistics that it must exceed with all beliefs (``bar``) and without any (``plain_bar``).

    Parameters
    ----------
    square : float[N, N, L + 1], squared statistics of one degree of freedom.
    plain : the bar without beliefs.
    logits, rows : float[N, N, L + 1]: what all beliefs say of adjacencies, and the rows behind them.
    """
    from causaldisc.kernels.beliefs import bars, log_p_of

    entries = []
    rows = np.broadcast_to(np.asarray(rows, dtype=float), square.shape)
    for belief in constraints.beliefs:
        entry = {**belief.clause.to_dict(), "pairs": len(belief.sources)}
        places = belief.cells(constraints.allowed)
        if len(places[0]):
            # Of a window of lags the one that the belief was looked for at.
            best = int(np.lexsort((np.nan_to_num(square[places], nan=-1.0), logits[places] != 0))[-1])
            at = tuple(int(axis[best]) for axis in places)
            z2, bar = float(square[at]), float(bars(plain, logits[at], rows[at]))
            entry |= {"z2": z2, "p_value": float(np.exp(log_p_of(z2)))}
            entry |= {name: value if np.isfinite(value) else None for name, value in (("bar", bar), ("plain_bar", float(plain)))}
        entries.append(entry)
    return entries


def weighed(
    learned: Learned, constraints: Constraints, again: Callable[[Constraints], CausalGraph], cost: float, end: float
) -> Learned:
    """Return what was learned with ``report["beliefs"]`` telling how much each belief moved it.

    Each entry of :func:`account` gains ``in_graph`` and ``edge``: whether some pair has the edge (directed so, or open), and how
    the graph has it, in words; ``in_graph_without`` and ``edge_without``, the same of a search without the belief; ``left_out``,
    which beliefs that search went without (``this``, or ``all`` where there are many or a search takes long); and
    ``edges_moved``, at how many pairs and lags the two graphs differ.

    Parameters
    ----------
    again : makes the search under other constraints.
    cost : seconds that a search takes, roughly, from counts alone.
    end : no search begins after ``time.monotonic()`` is past it.
    """
    entries = [dict(entry) for entry in learned.report.get("beliefs", ())]
    each = len(entries) <= ONE_BY_ONE and len(entries) * cost <= PATIENCE_SECONDS
    graph, codes, together = learned.graph, learned.graph.codes(), None
    for k, (entry, belief) in enumerate(zip(entries, constraints.beliefs, strict=True)):
        entry |= {"in_graph": _shown(belief, codes), "edge": summary_of(belief, codes)}
        if belief.vacuous or belief.logit == 0.0:
            other = graph
        elif time.monotonic() > end:
            continue
        elif each:
            other = again(constraints.without_beliefs([k]))
        else:
            other = together = together or again(constraints.without_beliefs())
        without = other.codes()
        entry |= {"in_graph_without": _shown(belief, without), "edge_without": summary_of(belief, without)}
        entry |= {"left_out": "this" if each or other is graph else "all", "edges_moved": _differing(codes, without)}
    return replace(learned, report={**learned.report, "beliefs": entries})


def _shown(belief: Belief, codes: np.ndarray) -> bool:
    return any(state not in ("absent", "reversed") for state in state_of(belief, codes))


def _differing(one: np.ndarray, other: np.ndarray) -> int:
    """Count the pairs and lags at which two graphs differ, those of lag 0 once."""
    change = one != other
    change[:, :, 0] = np.triu(change[:, :, 0] | change[:, :, 0].T)
    return int(change.sum())
