"""Greedy equivalence search: the MPDAG of highest BIC that obeys what is known."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np

from causaldisc.kernels.belief_directions import direct_class
from causaldisc.kernels.bic import price_of
from causaldisc.kernels.ges_climb import Climber
from causaldisc.kernels.ges_moves import DELETE, INSERT, POSSIBLE, REQUIRED, TURN, Task
from causaldisc.kernels.mpdag import extend


class Found(NamedTuple):
    """What a search found.

    Attributes
    ----------
    marks : bool[M, M], the MPDAG: ``[i, j]`` and not ``[j, i]`` = i → j, both = i — j.
    dag : bool[M, M], a DAG of its class.
    local : float[N], the BIC of each node in that DAG; their sum is the same in all of the class.
    gains : float[3, M, N], what inserting i → j, deleting it, or turning j → i would still gain at best, paths not looked
        at, with the bonus of an edge; -inf where there is no such move.
    steps : moves made of each kind.
    truncated : whether time ran out.
    turned : bool[M, M], edges of the MPDAG whose direction is owed to ``directions``.
    """

    marks: np.ndarray
    dag: np.ndarray
    local: np.ndarray
    gains: np.ndarray
    steps: tuple[int, int, int]
    truncated: bool
    turned: np.ndarray


def search(
    matrix: np.ndarray,
    n: float,
    *,
    penalty: float = 1.0,
    may: np.ndarray | None = None,
    required: np.ndarray | None = None,
    targets: int | None = None,
    cap: int | None = None,
    seconds: float = math.inf,
    bonus: np.ndarray | None = None,
    directions: np.ndarray | None = None,
) -> Found:
    """Search for the MPDAG of highest BIC (Chickering 2002; turning phase of Hauser & Bühlmann 2012).

    Parameters
    ----------
    matrix : float[M, M], correlations or covariances.
    n : number of rows, > 1.
    penalty : factor on BIC's penalty.
    may : bool[M, M], ``[i, j]`` = i → j is possible; default: everything.
    required : bool[M, M], acyclic: arrows that are there from the beginning and stay.
    targets : N; the first N nodes may have parents, the others are given (lagged copies). Default: all.
    cap : most parents that a move may give a node.
    seconds : time limit.
    bonus : float[M, M], what an edge between two nodes is worth besides what it explains; symmetric among the targets, so that
        all of an equivalence class score the same.
    directions : float[M, M], antisymmetric: by what log-odds an edge that the search leaves undirected points i → j.

    >>> R = np.array([[1.0, 0.0, 0.6], [0.0, 1.0, 0.6], [0.6, 0.6, 1.0]])
    >>> search(R, 1000).marks.astype(int).tolist()
    [[0, 0, 1], [0, 0, 1], [0, 0, 0]]
    """
    m = len(matrix)
    targets = m if targets is None else targets
    task = task_of(matrix, n, penalty, knowledge_of(m, targets, may, required), targets, cap, bonus)
    end = time.monotonic() + seconds
    best = Climber(task, targets, task.knowledge == REQUIRED)
    best.ascend(end)
    if task.informed and not best.truncated:
        other = _from_ignorance(task, targets, end)
        if other is not None and other.local.sum() > best.local.sum() + best.tolerance:
            best = other
    gains = np.stack([best.survey(kind).T for kind in (INSERT, DELETE, TURN)])
    inserted, deleted, turned = best.steps
    late, local = time.monotonic() >= end, best.local - (task.bonus * best.dag)[:, :targets].sum(axis=0)
    marks, owed = best.marks.astype(bool), np.zeros((m, m), bool)
    if directions is not None:
        marks, owed = direct_class(marks, directions, task.knowledge)
        extend(marks.astype(np.uint8), best.near, best.degree, best.dag, best.order)
    return Found(marks, best.dag.astype(bool), local, gains, (inserted, deleted, turned), late, owed)


def _from_ignorance(task: Task, targets: int, end: float) -> Climber | None:
    """Search again without directions, then under the knowledge from there on; None if the class found has no such DAG.

    Knowledge closes ways that the search would go: held to what is true, it can stop below the graph that it finds without.
    """
    free = task.knowledge > 0
    free[:targets, :targets] |= free[:targets, :targets].T
    ignorant = task._replace(knowledge=np.where(free, POSSIBLE, 0).astype(np.uint8), informed=False)
    first = Climber(ignorant, targets, np.zeros_like(free))
    first.ascend(end)
    draft, dag = first.marks * (task.knowledge > 0).astype(np.uint8), np.zeros_like(first.dag)
    kept = bool(((draft | draft.T) == (first.marks | first.marks.T)).all())
    if first.truncated or not kept or not extend(draft, first.near, first.degree, dag, first.order):
        return None
    if ((task.knowledge == REQUIRED) & (dag == 0)).any():
        return None
    second = Climber(task, targets, dag)
    second.ascend(end)
    return second


def task_of(
    matrix: np.ndarray,
    n: float,
    penalty: float,
    knowledge: np.ndarray,
    targets: int,
    cap: int | None = None,
    bonus: np.ndarray | None = None,
) -> Task:
    """Return the task of a search; see :func:`search` and :func:`knowledge_of`."""
    drawn = knowledge[:targets, :targets] > 0
    informed = bool((drawn != drawn.T).any())
    most = len(knowledge) if cap is None else cap
    worth = np.zeros(knowledge.shape) if bonus is None else np.array(bonus, dtype=float, order="C")
    return Task(np.array(matrix, dtype=float, order="C"), knowledge, worth, float(n), price_of(penalty, n), most, informed)


def knowledge_of(m: int, targets: int, may: np.ndarray | None, required: np.ndarray | None) -> np.ndarray:
    """Return uint8[M, M], each arrow impossible (0), ``POSSIBLE`` or ``REQUIRED``; see :func:`search`."""
    possible = np.ones((m, m), bool) if may is None else np.array(may, bool)
    fixed = np.zeros((m, m), bool) if required is None else np.array(required, bool)
    possible[:, targets:] = False
    np.fill_diagonal(possible, False)
    return np.where(fixed, REQUIRED, np.where(possible & ~fixed.T, POSSIBLE, 0)).astype(np.uint8)
