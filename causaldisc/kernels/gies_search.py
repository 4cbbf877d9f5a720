"""Greedy search over rows of several regimes: the interventional MPDAG of highest BIC, contexts among its nodes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from causaldisc.kernels import ges_search
from causaldisc.kernels.bic import price_of
from causaldisc.kernels.ges_climb import Climber
from causaldisc.kernels.ges_moves import DELETE, INSERT, POSSIBLE, REQUIRED, TURN
from causaldisc.kernels.gies_class import best_member
from causaldisc.kernels.gies_moves import Task, scan
from causaldisc.kernels.regimes import Regimes, local_scores

# Rows that every group of a variable must have for each of its parents.
THINNEST = 5.0


class Found(NamedTuple):
    """What a search found.

    Attributes
    ----------
    marks : bool[M, M], the interventional MPDAG, contexts and all: ``[i, j]`` and not ``[j, i]`` = i → j, both = i — j.
    dag : bool[M, M], a DAG of its class.
    local : float[N], the score of each variable in that DAG; their sum is the same in all of the class.
    gains : float[3, M, N], what inserting i → j, deleting it, or turning j → i would still gain at best, paths not looked
        at, with the bonus of an edge; -inf where there is no such move.
    steps : moves made of each kind.
    truncated : whether time ran out.
    """

    marks: np.ndarray
    dag: np.ndarray
    local: np.ndarray
    gains: np.ndarray
    steps: tuple[int, int, int]
    truncated: bool


class RegimeClimber(Climber):
    """The climb of ``ges_climb``, its scores over the rows of several regimes."""

    task: Task  # pyright: ignore[reportIncompatibleVariableOverride] # has all that the climb itself asks of one

    def __init__(self, task: Task, targets: int, dag: np.ndarray) -> None:
        super().__init__(task, targets, dag)  # pyright: ignore[reportArgumentType]

    def _scan(self, kind: int, ys: np.ndarray, xs: np.ndarray | None, gains: np.ndarray) -> None:
        xs = np.full(len(ys), -1) if xs is None else xs
        scan(kind, ys, xs, self.given, (self.marks, self.near, self.degree), gains, self.best)

    def _rescore(self, dag: np.ndarray, nodes: np.ndarray, local: np.ndarray) -> None:
        local_scores(self.task.regimes, self.task.price, dag, nodes, local)
        local[nodes] += (self.task.bonus * dag)[:, nodes].sum(axis=0)


def search(
    regimes: Regimes,
    knowledge: np.ndarray,
    *,
    penalty: float = 1.0,
    cap: int | None = None,
    seconds: float = math.inf,
    bonus: np.ndarray | None = None,
) -> Found:
    """Search for the interventional MPDAG of highest BIC (GIES: Hauser & Bühlmann 2012), with targets to be learned if any.

    Interventions of known targets have arrows from their context that are required, others such as are possible. An edge
    between two variables of which an intervention acts on one comes out directed by itself: its context is joined to one end
    alone. The search is made twice, from nothing and from the best member of the class that the rows of reference show, and
    the better graph counts.

    Parameters
    ----------
    regimes : sufficient statistics; M nodes: N variables, given nodes (lagged copies), then contexts.
    knowledge : uint8[M, M], each arrow impossible (0), ``POSSIBLE`` or ``REQUIRED``, as of ``ges_search.knowledge_of``.
    penalty : factor on BIC's penalty.
    cap : most parents that a move may give a variable, contexts not counted.
    seconds : time limit.
    bonus : float[M, M] as in ``ges_search.search``.

    >>> rows = np.array([1000.0, 1000.0])  # a → b, and rows in which b was set
    >>> S = np.array([[[1, 0.6, 0], [0.6, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0], [0, 0, 0]]]) * 1000
    >>> both = Regimes(rows, np.zeros((2, 3)), S, np.arange(2), np.zeros(2, int), np.array([-1, 2]), np.uint8([[1, 1], [1, 0]]))
    >>> search(both, np.uint8([[0, 1, 0], [1, 0, 0], [0, 2, 0]])).marks.astype(int).tolist()
    [[0, 1, 0], [0, 0, 0], [0, 1, 0]]
    """
    n, rows = regimes.counts.shape[1], float(regimes.rows.sum())
    drawn = knowledge[:n, :n] > 0
    task = Task(
        tuple(regimes),
        knowledge,
        np.zeros(knowledge.shape) if bonus is None else np.array(bonus, dtype=float, order="C"),
        rows,
        price_of(penalty, rows),
        len(knowledge) if cap is None else cap,
        THINNEST,
        bool((drawn != drawn.T).any()),
    )
    end = time.monotonic() + seconds
    best = RegimeClimber(task, n, knowledge == REQUIRED)
    best.ascend(end)
    for dag in _drafts(task, n, penalty, end) if len(regimes.context) > 1 and not best.truncated else ():
        other = RegimeClimber(task, n, best_member(task, n, dag))
        other.ascend(end)
        best = max(best, other, key=lambda climber: climber.local.sum())
    gains = np.stack([best.survey(kind).T for kind in (INSERT, DELETE, TURN)])
    inserted, deleted, turned = best.steps
    late, local = time.monotonic() >= end, best.local - (task.bonus * best.dag)[:, :n].sum(axis=0)
    return Found(best.marks.astype(bool), best.dag.astype(bool), local, gains, (inserted, deleted, turned), late)


def _drafts(task: Task, n: int, penalty: float, end: float) -> Iterator[np.ndarray]:
    """Give DAGs, bool[M, M], to begin from: what the rows of reference show, or else what a search finds that is told less.

    Interventions may tempt a search away from edges that it needs: greedy search over several regimes is not consistent (Wang,
    Solus, Yang & Uhler 2017), but that over one regime is.
    """
    draft = _by_reference(task, n, penalty, end)
    if draft is not None:
        yield draft
        return
    counts = task.regimes[-1]
    for some in (counts, np.ones_like(counts)):
        draft = _by_free_contexts(task._replace(regimes=(*task.regimes[:-1], some)), n, end)
        if draft is not None:
            yield draft


def _by_reference(task: Task, n: int, penalty: float, end: float) -> np.ndarray | None:
    """Return a DAG of the class that the rows of reference show; None where there are too few, or the time is over."""
    rows, _, scatter, regime, _, context, counts = task.regimes
    base = int(np.argmin(context))
    blocks = regime == base
    size = float(rows[blocks].sum() - blocks.sum() + 1)
    if context[base] >= 0 or size < 2 * THINNEST or not counts[base].all():
        return None
    first = task.first_context
    known = task.knowledge[:first, :first]
    draft = ges_search.search(
        scatter[blocks].sum(axis=0)[:first, :first] / size,
        size,
        penalty=penalty,
        may=known > 0,
        required=known == REQUIRED,
        targets=n,
        cap=min(task.cap, int(size / THINNEST)),
        seconds=end - time.monotonic(),
        bonus=task.bonus[:first, :first],
    )
    dag = np.zeros(task.knowledge.shape, dtype=bool)
    dag[:first, :first] = draft.dag
    return None if draft.truncated else dag


def _by_free_contexts(task: Task, n: int, end: float) -> np.ndarray | None:
    """Return a DAG of a search that has to find out by itself on what every intervention acts; None if the time is over."""
    free, first = task.knowledge.copy(), task.first_context
    free[first:, :n] = POSSIBLE
    climber = RegimeClimber(task._replace(knowledge=free), n, free == REQUIRED)
    climber.ascend(end)
    return None if climber.truncated else climber.dag.astype(bool)
