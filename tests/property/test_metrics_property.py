"""The mathematics of the metrics against independent definitions, by brute force on small graphs."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.metrics import score
from causaldisc.metrics._chain import is_chain, is_cpdag, is_dag
from causaldisc.metrics._gadjid import _call
from causaldisc.metrics._weights import summary_weights
from causaldisc.metrics.permutation import overlap_moments
from causaldisc.metrics.ranking import areas


@st.composite
def weight_pairs(draw, largest=5):
    n = draw(st.integers(1, largest))
    cells = st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0]), min_size=n * n, max_size=n * n)
    pair = [np.array(draw(cells)).reshape(n, n) for _ in range(2)]
    for matrix in pair:
        np.fill_diagonal(matrix, 0.0)
    return pair


@st.composite
def dags(draw, n):
    bits = draw(st.lists(st.booleans(), min_size=n * (n - 1) // 2, max_size=n * (n - 1) // 2))
    order = draw(st.permutations(range(n)))
    matrix = np.zeros((n, n), dtype=np.int8)
    for bit, (i, j) in zip(bits, itertools.combinations(order, 2), strict=True):
        matrix[i, j] = bit
    return matrix


@st.composite
def dag_pairs(draw, largest=5):
    n = draw(st.integers(2, largest))
    return draw(dags(n)), draw(dags(n))


@given(weight_pairs())
@settings(max_examples=60, deadline=None)
def test_permutation_moments_are_those_of_all_permutations(pair):
    found, true = pair
    sums = [np.minimum(found[np.ix_(p, p)], true).sum() for p in map(list, itertools.permutations(range(len(true))))]
    mean, variance = overlap_moments(found, true)
    assert float(mean) == pytest.approx(np.mean(sums))
    assert float(variance) == pytest.approx(np.var(sums), abs=1e-12)
    assert (variance == 0) == (len(set(sums)) == 1)


@given(st.lists(st.tuples(st.sampled_from([-np.inf, 0.0, 0.1, 0.2, 0.5, 1.0]), st.booleans()), min_size=2, max_size=30))
@settings(max_examples=60, deadline=None)
def test_areas_agree_with_scikit_learn(items):
    from sklearn.metrics import average_precision_score, roc_auc_score

    ranks, labels = (np.array(column) for column in zip(*items, strict=True))
    auroc, auprc = areas(ranks, labels.astype(float))
    finite = np.where(np.isneginf(ranks), -1.0, ranks)
    if labels.any():
        assert auprc == pytest.approx(average_precision_score(labels, finite))
        if not labels.all():
            assert auroc == pytest.approx(roc_auc_score(labels, finite))
    assert math.isnan(auprc) == (not labels.any())
    assert math.isnan(auroc) == (not labels.any() or labels.all())


# -- adjustment distances by definition --------------------------------------------------------------------------------


def descendants(dag, i):
    reach, frontier = {i}, [i]
    while frontier:
        frontier = [int(k) for v in frontier for k in np.flatnonzero(dag[v]) if k not in reach and not reach.add(int(k))]
    return reach


def paths(dag, i, j, walked=()):
    walked = (*walked, i)
    if i == j:
        yield walked
        return
    for k in np.flatnonzero(dag[i] | dag[:, i]):
        if k not in walked:
            yield from paths(dag, int(k), j, walked)


def blocked(dag, path, given_set):
    for a, b, c in zip(path, path[1:], path[2:], strict=False):
        collider = dag[a, b] and dag[c, b]
        if collider and not (descendants(dag, b) & given_set):
            return True
        if not collider and b in given_set:
            return True
    return False


def adjusts(dag, t, y, z):
    """Whether z is a valid adjustment set for the effect of t on y (Shpitser, VanderWeele & Robins, 2010)."""
    causal = [p for p in paths(dag, t, y) if all(dag[a, b] for a, b in itertools.pairwise(p))]
    forbidden = set().union(*(descendants(dag, v) for p in causal for v in p[1:])) if causal else set()
    rest = [p for p in paths(dag, t, y) if p not in causal]
    return not (z & forbidden) and all(blocked(dag, p, z) for p in rest)


def sid_by_definition(true, found):
    mistakes = 0
    for t, y in itertools.permutations(range(len(true)), 2):
        parents = set(np.flatnonzero(found[:, t]).tolist())
        no_effect = y not in descendants(true, t)
        mistakes += not (no_effect if y in parents else adjusts(true, t, y, parents))
    return mistakes


@given(dag_pairs())
@settings(max_examples=60, deadline=None)
def test_sid_is_the_count_of_wrong_parent_adjustments(pair):
    true, found = pair
    names = [f"x{k}" for k in range(len(true))]
    values = score(CausalGraph.from_codes(names, found, kind="dag"), CausalGraph.from_codes(names, true, kind="dag"))
    assert values["sid"] == sid_by_definition(true, found)
    assert 0 <= values["ancestor_aid"] <= 1 and 0 <= values["oset_aid"] <= 1


def possibly_reaches(codes, start, goal, avoid):
    reach, frontier = {start}, [start]
    while frontier:
        v = frontier.pop()
        for k in map(int, np.flatnonzero(codes[v])):
            if k not in reach and k != avoid:
                reach.add(k)
                frontier.append(k)
    return goal in reach


def ancestor_aid_by_definition(true, found):
    """Henckel, Würtzen & Weichwald (2024): zero if y cannot descend from t; unidentified if a possible path starts open."""
    mistakes = 0
    for t, y in itertools.permutations(range(len(true)), 2):
        starts = [int(v) for v in np.flatnonzero(found[t]) if possibly_reaches(found, int(v), y, t)]
        if not starts:
            mistakes += y in descendants(true, t)
        elif any(found[t, v] == 2 for v in starts):
            mistakes += 1
        else:
            ancestors = {v for v in range(len(found)) if v != t and t in descendants((found == 1).astype(int), v)}
            mistakes += not adjusts(true, t, y, ancestors)
    return mistakes


@st.composite
def pdags(draw, n):
    codes = np.zeros((n, n), dtype=np.int8)
    for i, j in itertools.combinations(range(n), 2):
        state = draw(st.sampled_from(["", "", ">", "<", "-", "-"]))
        codes[i, j] = {"": 0, ">": 1, "<": 0, "-": 2}[state]
        codes[j, i] = {"": 0, ">": 0, "<": 1, "-": 2}[state]
    return codes


@given(dags(4), pdags(4).filter(lambda c: is_chain(c)))
@settings(max_examples=60, deadline=None)
def test_ancestor_aid_of_chain_graphs(true, found):
    assert _call("ancestor_aid", true, found)[1] == ancestor_aid_by_definition(true, found)


def every_pdag(n):
    pairs = list(itertools.combinations(range(n), 2))
    for states in itertools.product(range(4), repeat=len(pairs)):
        codes = np.zeros((n, n), dtype=np.int8)
        for (i, j), state in zip(pairs, states, strict=True):
            codes[i, j], codes[j, i] = ((0, 0), (1, 0), (0, 1), (2, 2))[state]
        yield codes


@pytest.mark.parametrize(("n", "dag_count", "cpdag_count"), [(2, 3, 2), (3, 25, 11), (4, 543, 185)])
def test_graph_classes_have_their_known_sizes(n, dag_count, cpdag_count):
    # OEIS A003024 and A007984 (labelled DAGs, and their Markov equivalence classes).
    graphs = list(every_pdag(n))
    assert sum(is_dag(g) for g in graphs) == dag_count
    assert sum(is_cpdag(g) for g in graphs) == cpdag_count
    assert all(is_chain(g) for g in graphs if is_dag(g) or is_cpdag(g))


# -- invariances -------------------------------------------------------------------------------------------------------


@st.composite
def any_graphs(draw, n=5, max_lag=2):
    """Graphs of any marks, lags, loops and cycles that the noun allows."""
    names = [f"x{k}" for k in range(n)]
    marks = st.sampled_from(["tail", "arrow", "circle"])
    edges, seen = [], set()
    for _ in range(draw(st.integers(0, 8))):
        i, j, lag = draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1)), draw(st.integers(0, max_lag))
        if (i == j and lag == 0) or (i, j, lag) in seen or (lag == 0 and (j, i, 0) in seen):
            continue
        seen.add((i, j, lag))
        source_mark, target_mark = draw(marks), "arrow" if lag else draw(marks)
        conflict = source_mark == target_mark == "arrow" and draw(st.booleans())
        edges.append(Edge(names[i], names[j], lag, source_mark, target_mark, conflict))
    return CausalGraph(names, edges, "pag", max_lag)


def same(a, b):
    return all((math.isnan(a[k]) and math.isnan(b[k])) or a[k] == pytest.approx(b[k], abs=1e-9) for k in a)


@given(any_graphs(), any_graphs(), st.permutations(range(5)))
@settings(max_examples=50, deadline=None)
def test_renaming_and_reordering_both_graphs_changes_nothing(graph, truth, order):
    rename = {f"x{k}": f"y{order[k]}" for k in range(5)}

    def relabel(g):
        edges = [Edge(rename[e.source], rename[e.target], e.lag, e.source_mark, e.target_mark, e.conflict) for e in g.edges]
        return CausalGraph([f"y{k}" for k in range(5)], edges, g.kind, g.max_lag)

    assert same(score(graph, truth), score(relabel(graph), relabel(truth)))


@given(any_graphs())
@settings(max_examples=50, deadline=None)
def test_a_graph_against_itself(graph):
    values = score(graph, graph)
    for key in ("skeleton_f1", "directed_f1", "directed_precision", "lagged_f1", "orientation_accuracy"):
        assert math.isnan(values[key]) or values[key] == 1.0
    assert values["shd"] == 0
    for key in ("sid", "ancestor_aid", "oset_aid"):
        assert math.isnan(values[key]) or values[key] == 0.0
    if all(e.is_directed for e in graph.edges):
        assert math.isnan(values["auroc"]) or values["auroc"] == 1.0


@given(any_graphs(), any_graphs())
@settings(max_examples=50, deadline=None)
def test_ranges_and_identities(graph, truth):
    values = score(graph, truth)
    for key in values:
        if key.endswith(("precision", "recall", "f1")) or key in ("auroc", "auprc", "prevalence", "ancestor_aid", "oset_aid"):
            assert math.isnan(values[key]) or 0 <= values[key] <= 1 + 1e-12
    assert values["n_edges"] == summary_weights(graph).sum()
    p, r, f = (values[f"directed_{k}"] for k in ("precision", "recall", "f1"))
    if not math.isnan(p) and not math.isnan(r):
        assert f == pytest.approx(2 * p * r / (p + r) if p + r else 0.0)
