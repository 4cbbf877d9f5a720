"""The directed reading of a graph: a consistent extension is Markov equivalent, and a DAG never has a cycle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.core.directed import directed_part, to_dag
from causaldisc.core.graph import DIRECTED, UNDIRECTED, CausalGraph, Edge


def v_structures(dag: np.ndarray) -> set[tuple[int, int, int]]:
    """(a, c, b) with a → c ← b, a and b not adjacent."""
    n = len(dag)
    joined = dag | dag.T
    return {(a, c, b) for c in range(n) for a in range(n) for b in range(a) if dag[a, c] and dag[b, c] and not joined[a, b]}


@st.composite
def dags(draw):
    n = draw(st.integers(1, 7))
    upper = np.array(draw(st.lists(st.booleans(), min_size=n * n, max_size=n * n))).reshape(n, n)
    order = np.array(draw(st.permutations(range(n))))
    return np.triu(upper, 1)[np.ix_(order, order)]


@settings(max_examples=150, deadline=None)
@given(dags())
def test_extension_has_the_same_skeleton_and_v_structures(dag):
    pattern = np.where(dag | dag.T, UNDIRECTED, 0)
    for a, c, b in v_structures(dag):
        for parent in (a, b):
            pattern[parent, c], pattern[c, parent] = DIRECTED, 0
    names = [f"x{k}" for k in range(len(dag))]
    found = directed_part(CausalGraph.from_codes(names, pattern, kind="cpdag"))
    extension = np.array(found.graph.adjacency())
    assert not found.left_out
    assert ((extension | extension.T) == (dag | dag.T)).all()
    assert not (extension & extension.T).any()
    assert v_structures(extension) == v_structures(dag)
    assert found.graph.is_acyclic()


@st.composite
def lagged_graphs(draw):
    n = draw(st.integers(1, 5))
    codes = np.array(draw(st.lists(st.booleans(), min_size=n * n * 3, max_size=n * n * 3))).reshape(n, n, 3).astype(int)
    codes[:, :, 0] = np.triu(codes[:, :, 0], 1)
    strength = np.array(draw(st.lists(st.floats(-1, 1), min_size=n * n * 3, max_size=n * n * 3))).reshape(n, n, 3)
    return CausalGraph.from_codes([f"x{k}" for k in range(n)], codes, kind="lagged", strength=strength)


@settings(max_examples=100, deadline=None)
@given(lagged_graphs())
def test_a_dag_is_a_maximal_acyclic_part_and_accounts_for_every_edge(graph):
    found = to_dag(graph)
    dag = np.array(found.graph.adjacency())
    assert found.graph.is_acyclic()
    assert (dag <= graph.adjacency()).all()
    reach = np.linalg.matrix_power(dag.astype(int) + np.eye(len(dag), dtype=int), max(len(dag), 1)) > 0
    cut = {(e.source, e.target) for e, why in found.left_out if why == "would close a cycle"}
    gone = {(graph.names[i], graph.names[j]) for i, j in zip(*np.nonzero(graph.adjacency() & ~dag), strict=True)}
    assert cut == gone
    assert all(reach[graph.index[target], graph.index[source]] for source, target in cut)


def test_the_more_trusted_edge_stays():
    pair = [Edge("a", "b", 1, confidence=0.9), Edge("b", "a", 1, confidence=0.2, validation="confirmed")]
    found = to_dag(CausalGraph(["a", "b"], pair, "lagged", 1))
    assert [(e.source, e.target) for e in found.graph.edges] == [("b", "a")]
    assert to_dag(CausalGraph(["a", "b"], pair[::-1], "lagged", 1)).graph.edges == found.graph.edges


@pytest.mark.parametrize(
    ("edge", "why"),
    [
        (Edge("a", "b", validation="refuted"), "refuted by an intervention"),
        (Edge("a", "b", source_mark="arrow"), "bidirected"),
        (Edge("a", "b", source_mark="arrow", conflict=True), "conflicting orientations"),
        (Edge("a", "b", source_mark="circle"), "a circle mark"),
        (Edge("a", "a", 1), "an edge of a variable to itself"),
    ],
)
def test_what_is_left_out_is_said(edge, why):
    kind = "pag" if "circle" in (edge.source_mark, edge.target_mark) or edge.source_mark == "arrow" else "lagged"
    found = to_dag(CausalGraph(["a", "b"], [edge], kind, 1))
    assert found.graph.edges == ()
    assert found.left_out == ((edge, why),)
    assert found.to_dict()["left_out"][0]["why"] == why


def test_a_pattern_without_extension_leaves_its_undirected_edges_out():
    square = [Edge(a, b, target_mark="tail") for a, b in (("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"))]
    found = directed_part(CausalGraph(["a", "b", "c", "d"], square, "cpdag"))
    assert found.graph.edges == ()
    assert len(found.left_out) == 4
