"""The climb of a greedy equivalence search: the best move at a time, until insertions, deletions and turns gain nothing.

Gains stand in a table of all moves, and after a move only the rows around it are computed anew (as in fGES, Ramsey et al.
2017). The table does not look at paths, so its gains are upper bounds: the moves on top are examined exactly, and the best is
made once its bound is its true gain. Every move is made by extending the graph to a DAG, kept only if the score of that DAG
rises, and ends in the completed graph.
"""

from __future__ import annotations

import math
import time

import numpy as np

from causaldisc.kernels.bic import local_scores
from causaldisc.kernels.ges_moves import DELETE, INSERT, TURN, Task, scan
from causaldisc.kernels.mpdag import complete, descendants, extend, link, unlink

# Bounds that are examined at a time.
_BATCH = 8
_UNDO = {INSERT: DELETE, DELETE: INSERT, TURN: TURN}


class Climber:
    """The graph as it grows, with the arrays that the kernels work on.

    Parameters
    ----------
    task : what to search for.
    targets : N; the first N nodes may have parents.
    dag : bool[M, M], where to begin; it obeys the knowledge.

    Attributes
    ----------
    marks, dag : uint8[M, M], the completed graph and a DAG of its class.
    near, degree, order : its neighbour lists, and the nodes of the DAG, children first.
    local : float[N], scores of the nodes in the DAG, with the bonus of their edges.
    steps : moves made of each kind.
    truncated : whether time ran out.
    """

    def __init__(self, task: Task, targets: int, dag: np.ndarray) -> None:
        m = len(task.knowledge)
        self.task, self.given, self.targets = task, tuple(task), targets
        self.steps, self.truncated = [0, 0, 0], False
        # Gains of rounding alone grow with the number of rows.
        self.tolerance = 1e-9 * max(1.0, task.n / 10)
        self.near, self.degree = np.zeros((m, m), np.int64), np.zeros(m, np.int64)
        self.changed = np.zeros(m, bool)
        self.dag = dag.astype(np.uint8)
        for i, j in np.argwhere(self.dag).tolist():
            link(self.near, self.degree, i, j)
        self.marks, self.trial, self.trial_dag = np.zeros((m, m), np.uint8), self.dag.copy(), self.dag.copy()
        self.order, self.trial_order, self.best = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m + 1, np.int64)
        extend(self.trial, self.near, self.degree, self.dag, self.order)
        complete(self.dag, self.order, self.near, self.degree, task.knowledge, self.marks)
        self.local = np.empty(targets)
        self._rescore(self.dag, np.arange(targets), self.local)

    def ascend(self, until: float) -> None:
        """Insert, delete and turn in rounds until a whole round gains nothing, or the clock says ``until``."""
        moved = True
        while moved and not self.truncated:
            made = [self.climb(kind, until=until) for kind in (INSERT, DELETE, TURN)]
            self.steps = [before + more for before, more in zip(self.steps, made, strict=True)]
            moved = any(made)

    def climb(self, kind: int, most: float = math.inf, until: float = math.inf) -> int:
        """Make the best moves of one kind until none gains, ``most`` are made, or the clock says ``until``; return how many."""
        bounds, made = self.survey(kind), 0
        while made < most:
            self.truncated = time.monotonic() >= until
            if self.truncated or not self._make_best(kind, self._open(kind, bounds)):
                break
            made += 1
            self._scan(kind, self._stale(kind), None, bounds)
        return made

    def survey(self, kind: int) -> np.ndarray:
        """Return float[N, M], the bounds ``[y, x]`` of all moves of a kind."""
        bounds = np.empty((self.targets, len(self.degree)))
        self._scan(kind, np.arange(self.targets), None, bounds)
        return bounds

    def _scan(self, kind: int, ys: np.ndarray, xs: np.ndarray | None, gains: np.ndarray) -> None:
        xs = np.full(len(ys), -1) if xs is None else xs
        # numba takes plain tuples in a fraction of the time that named ones cost it.
        scan(kind, ys, xs, self.given, (self.marks, self.near, self.degree), gains, self.best)

    def _open(self, kind: int, bounds: np.ndarray) -> np.ndarray:
        """Return the gains to choose from; an insertion against a path of arrows closes a cycle, whatever C."""
        gains = bounds.copy()
        if kind == INSERT:
            below = np.empty((self.targets, self.targets), bool)
            descendants(self.marks, self.near, self.degree, self.order, below)
            gains[:, : self.targets][below] = -math.inf
        return gains

    def _make_best(self, kind: int, gains: np.ndarray) -> bool:
        """Make the best move; False if none gains.

        The best bounds of several rows are examined at a time, until the best of all is one that has been examined.
        """
        m = len(self.degree)
        top, examined = gains.max(axis=1), set()
        while True:
            ys = np.argsort(-top, kind="stable")[:_BATCH]
            ys = ys[top[ys] > self.tolerance]
            if not len(ys):
                return False
            xs = gains[ys].argmax(axis=1)
            y, x = int(ys[0]), int(xs[0])
            if (y * m + x) not in examined:
                self._scan(kind, ys, xs, gains)
                examined.update((ys * m + xs).tolist())
            else:
                self._scan(kind, ys[:1], xs[:1], gains)  # for its set C
                if self._make(kind, x, y, self.best[1 : self.best[0] + 1].tolist()):
                    return True
                # No such graph, or a gain of rounding alone: on to the next set C.
                gains[y, x] -= 1e-12 * abs(gains[y, x])
                self._scan(kind, ys[:1], xs[:1], gains)
            top[ys] = gains[ys].max(axis=1)

    def _build(self, kind: int, x: int, y: int, members: list[int]) -> bool:
        """Write a DAG of the class that a move leads to, and change the neighbour lists; False where there is none."""
        np.copyto(self.trial, self.marks)
        np.copyto(self.trial_dag, self.dag)
        self._direct(y, set(members), x)
        mates = self.near[x, : self.degree[x]].tolist()
        if kind == TURN:
            self._direct(x, {w for w in mates if self.trial[w, y] and not self.trial[y, w]}, y)
        elif kind == DELETE:
            for w in mates:
                if self.trial[y, w] and not self.trial[w, y]:
                    self.trial[w, x] = 0  # x → y → w in the DAG, so x → w
        self.trial[x, y], self.trial[y, x] = kind != DELETE, 0
        self.trial_dag[x, y] = self.trial_dag[y, x] = 0
        self._relink(kind, x, y)
        found = extend(self.trial, self.near, self.degree, self.trial_dag, self.trial_order)
        if not found:
            self._relink(_UNDO[kind], x, y)
        return found

    def _direct(self, node: int, parents: set[int], partner: int) -> None:
        """Direct every undirected edge of a node in ``trial``, but that to the partner: in from its parents, else out."""
        for w in self.near[node, : self.degree[node]].tolist():
            if w != partner and self.trial[w, node] and self.trial[node, w]:
                self.trial[node, w], self.trial[w, node] = w not in parents, w in parents

    def _relink(self, kind: int, x: int, y: int) -> None:
        if kind == INSERT:
            link(self.near, self.degree, x, y)
        elif kind == DELETE:
            unlink(self.near, self.degree, x, y)

    def _make(self, kind: int, x: int, y: int, members: list[int]) -> bool:
        """Make a move if the score rises."""
        if not self._build(kind, x, y, members):
            return False
        nodes = np.flatnonzero((self.trial_dag != self.dag)[:, : self.targets].any(axis=0))
        local = self.local.copy()
        self._rescore(self.trial_dag, nodes, local)
        if (local - self.local).sum() <= self.tolerance:
            self._relink(_UNDO[kind], x, y)
            return False
        complete(self.trial_dag, self.trial_order, self.near, self.degree, self.task.knowledge, self.trial)
        change = self.trial != self.marks
        self.changed = change.any(axis=0) | change.any(axis=1)
        self.marks, self.trial = self.trial, self.marks
        self.dag, self.trial_dag = self.trial_dag, self.dag
        self.order, self.trial_order = self.trial_order, self.order
        self.local = local
        return True

    def _rescore(self, dag: np.ndarray, nodes: np.ndarray, local: np.ndarray) -> None:
        local_scores(self.task.matrix, self.task.n, self.task.price, dag, nodes, local)
        if self.task.bonus.any():
            local[nodes] += (self.task.bonus * dag)[:, nodes].sum(axis=0)

    def _stale(self, kind: int) -> np.ndarray:
        """Return the nodes y whose gains the last move may have changed."""
        changed, n = np.flatnonzero(self.changed), self.targets
        there, back = self.marks[:n, changed], self.marks[changed, :n].T
        touched = (there | back) if kind == TURN else (there & back)
        return np.flatnonzero(self.changed[:n] | touched.any(axis=1))
