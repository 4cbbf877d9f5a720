"""The bridge to causal-learn: its calls, its matrix convention, and its ways of failing, in one place.

causal-learn writes an edge i → j as ``graph[j, i] = 1`` and ``graph[i, j] = -1``; -1 in both cells is undirected, 1 in
both bidirected. Nothing outside this module speaks that language.
"""

from __future__ import annotations

import logging
from typing import Any

import networkx as nx
import numpy as np

from causaldisc.algorithms._bridges.quiet import quiet
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CONFLICT, DIRECTED, UNDIRECTED

logger = logging.getLogger(__name__)

# Below this share of the largest eigenvalue the correlation matrix counts as singular.
_SINGULAR = 1e-12


def run_pc(values: np.ndarray, alpha: float, allowed: np.ndarray, max_conditions: int | None) -> np.ndarray:
    """Run causal-learn's PC (Fisher z, stable) and return int8[N, N] cell codes.

    Parameters
    ----------
    values : float[T, N], complete, with linearly independent columns (see :func:`usable`).
    allowed : bool[N, N], ``[i, j]`` = i → j may be; passed on as forbidden edges.
    """
    if values.shape[1] == 1:
        return np.zeros((1, 1), dtype=np.int8)
    with quiet(logger, "causal-learn"):
        from causallearn.search.ConstraintBased import PC

        search: Any = PC.pc
        graph = search(
            values,
            alpha,
            "fisherz",
            stable=True,
            background_knowledge=_knowledge(allowed),
            show_progress=False,
            node_names=[str(k) for k in range(values.shape[1])],
            max_k=max_conditions,
        )
    return codes_of(graph.G.graph)


def run_ges(values: np.ndarray) -> np.ndarray:
    """Run causal-learn's GES (BIC) and return int8[N, N] cell codes; values as for :func:`run_pc`."""
    if values.shape[1] == 1:
        return np.zeros((1, 1), dtype=np.int8)
    with quiet(logger, "causal-learn"):
        from causallearn.search.ScoreBased.GES import ges

        record = ges(values, "local_score_BIC")
    return codes_of(record["G"].graph)


def usable(values: np.ndarray, names: tuple[str, ...], algorithm: str) -> np.ndarray:
    """Return float[T, N] of standardised columns.

    Raises
    ------
    InputError : missing values, fewer than 4 rows, or columns that depend linearly on each other (as they must with no
        more rows than columns).
    """
    missing = np.isnan(values).any(axis=0)
    if missing.any():
        raise InputError(
            f"telemetry must have no missing value for {algorithm}, got some in column {names[int(np.argmax(missing))]!r}; "
            "valid: pc takes missing values"
        )
    if len(values) < 4:
        raise InputError(f"telemetry must have at least 4 rows for {algorithm}, got {len(values)}")
    centred = values - values.mean(axis=0)
    centred = centred / np.abs(centred).max(axis=0)
    scaled = centred / centred.std(axis=0)
    eigenvalues, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    if eigenvalues[0] < _SINGULAR * eigenvalues[-1]:
        involved = [names[k] for k in np.argsort(-np.abs(vectors[:, 0]), kind="stable")[:2]]
        raise InputError(
            f"telemetry must have linearly independent columns for {algorithm}, got {len(values)} rows and {len(names)} columns "
            f"of which {' and '.join(map(repr, involved))} depend on others; valid: pc takes such columns"
        )
    return scaled


def codes_of(matrix: np.ndarray) -> np.ndarray:
    """Translate causal-learn's matrix into int8[N, N] cell codes, ``[i, j]`` = i → j.

    A bidirected edge, and an edge on a directed cycle (its PC makes both), contradicts the data's other verdicts: it
    becomes a conflict. Raises ValueError for any other marks.

    >>> codes_of(np.array([[0, -1], [1, 0]])).tolist()
    [[0, 1], [0, 0]]
    """
    marks = np.asarray(matrix)
    directed = (marks.T == 1) & (marks == -1)
    undirected = (marks == -1) & (marks.T == -1)
    conflict = (marks == 1) & (marks.T == 1)
    if ((marks != 0) & ~(directed | directed.T | undirected | conflict)).any():
        raise ValueError("causal-learn's marks must be (1, -1), (-1, -1) or (1, 1)")
    for group in nx.strongly_connected_components(nx.from_numpy_array(directed, create_using=nx.DiGraph)):
        inside = np.zeros(len(marks), dtype=bool)
        inside[list(group)] = True
        cyclic = directed & np.outer(inside, inside)
        conflict, directed = conflict | cyclic | cyclic.T, directed & ~cyclic
    return (DIRECTED * directed + UNDIRECTED * undirected + CONFLICT * conflict).astype(np.int8)


def matrix_of(codes: np.ndarray) -> np.ndarray:
    """Translate cell codes into causal-learn's matrix, the inverse of :func:`codes_of`.

    >>> matrix_of(np.array([[0, 1], [0, 0]])).tolist()
    [[0, -1], [1, 0]]
    """
    cells = np.asarray(codes)
    into = (cells.T == DIRECTED) | (cells == CONFLICT)
    out = (cells == DIRECTED) | (cells == UNDIRECTED)
    return into.astype(int) - out.astype(int)


def scores_of(codes: np.ndarray, values: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Rank ordered pairs, float[N, N, 1]: directed above undirected above absent, ties by abs(correlation); NaN if excluded."""
    level = np.select([codes == DIRECTED, codes > DIRECTED], [2.0, 1.0], 0.0)
    strength = np.abs(np.atleast_2d(np.corrcoef(values, rowvar=False)))
    return np.where(allowed, level + np.minimum(strength, 1.0), np.nan)[:, :, None]


def _knowledge(allowed: np.ndarray) -> Any:
    """BackgroundKnowledge that forbids what is not allowed, or None when everything is.

    Its own look-up walks through all clauses at every question, which takes hours with the N² clauses of a call graph; the
    answer is put in its place.
    """
    if (allowed | np.eye(len(allowed), dtype=bool)).all():
        return None
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    knowledge: Any = BackgroundKnowledge()
    knowledge.is_forbidden = lambda cause, effect: not allowed[int(cause.get_name()), int(effect.get_name())]
    return knowledge
