"""The member of a Markov equivalence class that rows of several regimes fit best.

Rows of one regime tell the class, interventions tell members of it apart, and single turns can stop short of the best one.
The undirected parts of a CPDAG are oriented independently of each other, and the orientations of a part without a new
v-structure are the orders of its nodes in which the earlier neighbours of every node are all joined (Andersson, Madigan &
Perlman 1997), so the best is found over sets of nodes that come first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from causaldisc.kernels.ges_moves import POSSIBLE, REQUIRED
from causaldisc.kernels.gies_moves import Task
from causaldisc.kernels.mpdag import complete, extend, link
from causaldisc.kernels.regimes import local_score

# Parts are left as they are where they can be ordered in more ways than this.
MAX_STATES = 20_000

Choose = Callable[[int, tuple[int, ...]], tuple[float, tuple[int, ...]]]


def best_member(task: Task, targets: int, dag: np.ndarray) -> np.ndarray:
    """Return the best DAG, bool[M, M], of the class of a DAG among the variables, with the best contexts of every variable.

    Parameters
    ----------
    task : scores and knowledge; ``dag`` obeys the knowledge, and so does the result.
    targets : N; the first N nodes may have parents.
    dag : bool[M, M]; its contexts do not matter.
    """
    first = task.first_context
    plain = np.array(dag[:first, :first], dtype=np.uint8)
    choose, best = _chooser(task), np.zeros(dag.shape, dtype=bool)
    best[:first, :first] = plain
    anything = np.full((first, first), POSSIBLE)
    anything[:, targets:] = 0
    marks = completed(plain, anything)
    line = (marks & marks.T).astype(bool)
    for part in _parts(line):
        parents = _best_orientation(part, marks.astype(bool), line, task.knowledge, choose)
        for node, above in parents.items():
            best[part, node] = False
            best[list(above), node] = True
    for node in range(targets):
        _, contexts = choose(node, tuple(np.flatnonzero(best[:first, node]).tolist()))
        best[list(contexts), node] = True
    return best


def completed(dag: np.ndarray, knowledge: np.ndarray) -> np.ndarray:
    """Return uint8[M, M], the completed graph of a DAG under knowledge that it obeys.

    >>> completed(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]]), np.ones((3, 3))).tolist()
    [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    """
    m = len(dag)
    near, degree, order = np.zeros((m, m), np.int64), np.zeros(m, np.int64), np.empty(m, np.int64)
    for i, j in np.argwhere(dag).tolist():
        link(near, degree, i, j)
    marks, same = np.zeros((m, m), np.uint8), np.array(dag, np.uint8)
    extend(np.array(dag, np.uint8), near, degree, same, order)
    complete(same, order, near, degree, np.array(knowledge, np.uint8), marks)
    return marks


def directed_without(dag: np.ndarray, knowledge: np.ndarray) -> np.ndarray:
    """Return bool[M, M], the edges of a DAG that observation and knowledge direct without any intervention."""
    marks = completed(dag, knowledge).astype(bool)
    return marks & ~marks.T


def _parts(line: np.ndarray) -> list[list[int]]:
    """Return the connected parts of undirected edges that have more than one node."""
    left, parts = set(np.flatnonzero(line.any(axis=0)).tolist()), []
    while left:
        part, agenda = set(), [min(left)]
        while agenda:
            node = agenda.pop()
            if node not in part:
                part.add(node)
                agenda += np.flatnonzero(line[node]).tolist()
        left -= part
        parts.append(sorted(part))
    return parts


def _best_orientation(
    part: list[int], marks: np.ndarray, line: np.ndarray, knowledge: np.ndarray, choose: Choose
) -> dict[int, tuple[int, ...]]:
    """Return the parents within the part and outside it of every node of a part in its best orientation; {} if out of reach."""
    outside = {v: np.flatnonzero(marks[:, v] & ~line[:, v]).tolist() for v in part}
    near = {v: {w for w in part if line[v, w]} for v in part}
    # Sets of nodes that come first: (score, the node placed last, the set before it).
    level: dict[frozenset[int], float] = {frozenset(): 0.0}
    last: dict[frozenset[int], int] = {}
    for size in range(len(part)):
        wider: dict[frozenset[int], float] = {}
        for done, total in level.items():
            for v in part:
                earlier = near[v] & done
                # One part has one source.
                if v in done or bool(earlier) != (size > 0) or not _fits(v, earlier, near[v] - earlier, near, knowledge):
                    continue
                after = done | {v}
                value = total + choose(v, (*sorted(earlier | set(outside[v])),))[0]
                if value > wider.get(after, -np.inf):
                    wider[after], last[after] = value, v
        level = wider
        if len(last) > MAX_STATES or not level:
            return {}
    parents, done = {}, frozenset(part)
    while done:
        v = last[done]
        done = done - {v}
        parents[v] = (*sorted((near[v] & done) | set(outside[v])),)
    return parents


def _fits(v: int, earlier: set[int], later: set[int], near: dict[int, set[int]], knowledge: np.ndarray) -> bool:
    """Whether a node may have these neighbours above it and those below: no v-structure, nothing against what is known."""
    joined = all(b in near[a] for a in earlier for b in earlier if a < b)
    open_ways = all(knowledge[a, v] for a in earlier) and all(knowledge[v, b] for b in later)
    return joined and open_ways and not any(knowledge[v, a] == REQUIRED for a in earlier)


def _chooser(task: Task) -> Choose:
    """Return the function (variable, causes) → (score, contexts): those required, and others added while that gains."""
    found: dict[tuple[int, tuple[int, ...]], tuple[float, tuple[int, ...]]] = {}
    first = task.first_context
    contexts = np.arange(first, len(task.knowledge))

    def choose(node: int, causes: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
        if (node, causes) not in found:
            chosen = contexts[task.knowledge[first:, node] == REQUIRED].tolist()
            free = contexts[task.knowledge[first:, node] == POSSIBLE].tolist()

            def worth(extra: list[int]) -> float:
                parents = np.array([*causes, *chosen, *extra], dtype=np.int64)
                bonus = float(task.bonus[parents, node].sum())
                return local_score(node, parents, task.regimes, task.price, task.thinnest) + bonus

            best = worth([])
            while free:
                value, context = max((worth([c]), c) for c in free)
                if value <= best:
                    break
                best = value
                chosen.append(context)
                free.remove(context)
            found[node, causes] = best, tuple(chosen)
        return found[node, causes]

    return choose
