"""FCI on data: hidden common causes, priors, parameters; and graphs with the marks of a PAG through the rest of the house."""

import numpy as np
import pandas as pd
import pytest

import causaldisc as cd
from causaldisc.core.certificate import certify
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import InputError, PriorUnsupportedError
from causaldisc.core.graph import BIDIRECTED, CIRCLE_ARROW, CIRCLE_TAIL, CIRCLES, CausalGraph, Edge
from causaldisc.drawing import OPEN, REVERSED, compare, graph_against_truth
from causaldisc.metrics._weights import lagged_weights, summary_weights

NAMES = ["a", "b", "c", "d", "e", "f"]
SIGN = {"tail": "-", "arrow": ">", "circle": "o"}


def hidden(rows=600, seed=0):
    """a → b ↔ c ← d, e → f: b and c have a hidden cause in common."""
    rng = np.random.default_rng(seed)
    e, h = rng.normal(size=(rows, 6)), rng.normal(size=rows)
    x = np.array(e)
    x[:, 1] = 0.9 * x[:, 0] + h + 0.5 * e[:, 1]
    x[:, 2] = 0.9 * x[:, 3] + h + 0.5 * e[:, 2]
    x[:, 5] = 0.9 * x[:, 4] + 0.5 * e[:, 5]
    return pd.DataFrame(x, columns=NAMES)


def noisy(seed, columns=8, rows=120):
    """Variables that depend on a few hidden ones and on each other: tests on them contradict each other now and then."""
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.normal(size=(columns, columns)) * (rng.random((columns, columns)) < 0.35), 1)
    noise = rng.normal(size=(rows, 3)) @ (rng.normal(size=(3, columns)) * (rng.random((3, columns)) < 0.4))
    x = (noise + rng.normal(size=(rows, columns))) @ np.linalg.inv(np.eye(columns) - weights)
    return pd.DataFrame(x, columns=[f"x{k}" for k in range(columns)])


def shown(graph):
    """Edges as text, ``a o> b``."""
    return {f"{e.source} {SIGN[e.source_mark]}{SIGN[e.target_mark]} {e.target}" for e in graph.edges}


def fci(data, **parameters):
    return cd.discover(data, "fci", **{"bootstrap": 0, **parameters})


def test_a_hidden_common_cause_has_two_arrowheads():
    found = fci(hidden())
    assert found.graph.kind == "pag" and shown(found.graph) == {"a o> b", "b >> c", "d o> c", "e oo f"}
    assert found.report["possible_dsep_removed"] == 0 and found.report["truncated"] is False
    scores = found.scores[:, :, 0]
    # Above -log10(alpha) stands what may be a cause; below it what an arrowhead denies, and what is not adjacent.
    assert min(scores[0, 1], scores[4, 5], scores[5, 4]) > 2 > max(scores[1, 0], scores[1, 2], scores[2, 1], scores[0, 3])


def test_tiers_give_arrowheads_and_no_more():
    found = fci(hidden(), prior=cd.ExpertPrior(tiers=[["e", "a"], ["b", "c", "f"]]))
    assert shown(found.graph) == {"a o> b", "b >> c", "d o> c", "e o> f"}
    assert found.certificate.ok and np.isnan(found.scores[5, 4, 0]) and np.isfinite(found.scores[4, 5, 0])
    evidence = {(e.source, e.target): e.evidence for e in found.graph.edges}
    assert evidence["e", "f"] == ("data", "prior") and evidence["d", "c"] == ("data",)


def test_variables_that_the_prior_forbids_both_ways_may_have_a_hidden_cause():
    found = fci(hidden(), prior=cd.ExpertPrior(roots=["e", "f"]))
    assert "e >> f" in shown(found.graph) and found.certificate.ok
    assert shown(fci(hidden(), prior=cd.ExpertPrior(leaves=["f"])).graph) & {"e o> f"}


def test_required_edges_are_there_and_directed():
    prior = cd.ExpertPrior(required=[("f", "e"), ("a", "d")])
    found = fci(hidden(), prior=prior)
    assert {"f -> e", "a -> d"} <= shown(found.graph) and found.certificate.ok
    assert {e.evidence for e in found.graph.edges if e.source in "fa" and e.target in "ed"} == {("prior",)}


@pytest.mark.parametrize("clauses", [{"forbidden": [("a", "b")]}, {"calls": [("s", "t")]}])
def test_clauses_about_direct_effects_are_refused(clauses):
    with pytest.raises(PriorUnsupportedError, match="fci"):
        fci(hidden(), prior=cd.ExpertPrior(**clauses))


def test_required_edges_against_the_order_of_time_are_refused():
    prior = cd.ExpertPrior(tiers=[["a"], ["b"]], required=[("b", "c"), ("c", "a")])
    with pytest.raises(PriorUnsupportedError, match="from b to a contradict the tiers"):
        fci(hidden(), prior=prior)


@pytest.mark.parametrize("seed", range(12))
def test_every_prior_is_obeyed_whatever_the_data_say(seed):
    data, rng = noisy(seed), np.random.default_rng([8, seed])
    names = [str(n) for n in rng.permutation(list(data.columns))]
    required = [(names[i], names[j]) for i, j in ((0, 3), (1, 4), (3, 5)) if rng.random() < 0.6]
    prior = cd.ExpertPrior(tiers=[names[:3], names[3:6]], roots=names[:1], leaves=names[6:7], required=required)
    found = fci(data, prior=prior, alpha=0.1)
    assert found.certificate.ok
    tier = {name: k // 3 for k, name in enumerate(names[:6])}
    marks = {(e.source, e.target): e.source_mark for e in found.graph.edges}
    marks |= {(e.target, e.source): e.target_mark for e in found.graph.edges}
    for (cause, effect), at_cause in marks.items():
        if tier.get(cause, 0) > tier.get(effect, 9) or effect == names[0] or cause == names[6]:
            assert at_cause == "arrow"
    assert all(marks[i, j] == "tail" and marks[j, i] == "arrow" for i, j in required)


@pytest.mark.parametrize("seed", range(6))
def test_permuting_columns_permutes_the_result_bit_for_bit(seed):
    data = noisy(seed, 12, 200)
    order = np.random.default_rng(seed).permutation(12)
    first, other = fci(data, alpha=0.05), fci(data.iloc[:, order], alpha=0.05)
    assert (other.graph.codes()[:, :, 0] == first.graph.codes()[:, :, 0][np.ix_(order, order)]).all()
    assert other.scores.tobytes() == first.scores[np.ix_(order, order)].tobytes()
    assert first.report["tests_per_level"] == other.report["tests_per_level"]


def test_possible_dsep_removes_what_neighbours_do_not_and_bounds_leave_it():
    """a and c are apart given b, d and e, and e is beside neither: Spirtes, Glymour & Scheines (2000), section 6.7."""
    rng = np.random.default_rng(3)
    weights, names = np.zeros((8, 8)), list("abcde")
    for i, j in ((1, 2), (3, 1), (3, 4), (4, 0), (5, 0), (5, 1), (6, 2), (6, 4), (7, 0), (7, 1)):
        weights[i, j] = rng.uniform(0.6, 0.9)
    x = rng.normal(size=(20000, 8)) @ np.linalg.inv(np.eye(8) - weights)
    data = pd.DataFrame(x[:, :5], columns=names)
    found = fci(data)
    assert found.report["possible_dsep_removed"] == 1 and found.report["possible_dsep_tests"] > 0
    pairs = [{e.source, e.target} for e in found.graph.edges]
    assert len(pairs) == 6 and {"a", "c"} not in pairs
    for bound in ({"max_path": 1}, {"max_conditions": 2}):
        short = fci(data, **bound)
        assert short.report["possible_dsep_removed"] == 0 and len(short.graph.edges) == 7
    late = fci(data, deadline_s=0.0)
    assert late.report["truncated"] is True and len(late.graph.edges) >= 7


def test_the_conservative_rule_leaves_more_open():
    open_ = {
        rule: sum(fci(noisy(seed), alpha=0.1, colliders=rule).report["ambiguous_triples"] for seed in range(8))
        for rule in ("majority", "conservative")
    }
    assert open_["conservative"] > open_["majority"]
    with pytest.raises(InputError, match="colliders"):
        fci(hidden(), colliders="most")


def test_discrete_columns_gaps_environments_and_duplicates():
    rng = np.random.default_rng(0)
    a, c = rng.integers(0, 2, 800), rng.integers(0, 2, 800)
    b = np.where(rng.random(800) < 0.1, 1 - (a ^ c), a ^ c | a)
    found = fci(pd.DataFrame({"a": a, "b": b, "c": c}, dtype=float))
    assert found.report["test"] == "chi2" and shown(found.graph) == {"a o> b", "c o> b"}
    gappy = hidden()
    gappy = gappy.mask(rng.random(gappy.shape) < 0.1)
    assert shown(fci(gappy, missing="testwise").graph) >= {"b >> c"}
    assert shown(fci([hidden(), hidden(seed=1) + 5.0]).graph) == shown(fci(hidden()).graph)
    twin = hidden().assign(g=lambda x: -3 * x["a"] + 1)
    found = fci(twin)
    assert {frozenset(group) for group in found.report["duplicates"]} == {frozenset("ag")}
    assert any({e.source, e.target} == {"a", "g"} for e in found.graph.edges)


def test_selected_rows_leave_two_tails():
    """Four independent causes, rows kept where any two in the round are alike: a square without colliders."""
    rng = np.random.default_rng(1)
    precision = np.eye(4) + 0.35 * np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]])
    data = pd.DataFrame(rng.multivariate_normal(np.zeros(4), np.linalg.inv(precision), 2000), columns=list("abcd"))
    assert {mark for e in fci(data).graph.edges for mark in (e.source_mark, e.target_mark)} == {"circle"}
    found = fci(data, selection_bias=True).graph
    assert len(found.edges) == 4 and all(e.is_undirected for e in found.edges)


def test_confidence_of_adjacencies_and_of_directions_where_there_are_any():
    found = cd.discover(hidden(300), "fci", bootstrap=20, prior=cd.ExpertPrior(required=[("e", "f")]))
    edges = {(e.source, e.target): e for e in found.graph.edges}
    assert all(0.0 <= e.confidence <= 1.0 for e in edges.values()) and edges["b", "c"].confidence > 0.9
    assert edges["e", "f"].orientation_confidence == 1.0 and edges["b", "c"].orientation_confidence is None


# -- marks elsewhere -------------------------------------------------------------------------------------------------

PAG = CausalGraph(
    NAMES,
    [
        Edge("a", "b"),
        Edge("b", "c", source_mark="circle"),
        Edge("c", "d", source_mark="arrow"),
        Edge("d", "e", source_mark="circle", target_mark="circle"),
        Edge("e", "f", source_mark="circle", target_mark="tail"),
        Edge("a", "f", source_mark="arrow", target_mark="circle"),
        Edge("a", "c", target_mark="tail"),
    ],
    "pag",
)


def test_directions_by_marks():
    assert [len(e.directions) for e in PAG.edges] == [1, 1, 2, 2, 2, 1, 2]
    assert [len(e.causal_directions) for e in PAG.edges] == [1, 1, 0, 2, 2, 1, 2]
    assert PAG.edges[5].directions == (("f", "a"),)
    assert len(Edge("a", "b", source_mark="arrow", conflict=True).causal_directions) == 2
    cells = {tuple(cell) for cell in np.argwhere(PAG.adjacency()).tolist()}
    assert cells == {(0, 1), (1, 2), (2, 3), (3, 2), (3, 4), (4, 3), (4, 5), (5, 4), (5, 0), (0, 2), (2, 0)}
    assert PAG.summary() is PAG


def test_codes_and_back():
    codes = PAG.codes()[:, :, 0]
    assert (codes[1, 2], codes[2, 1], codes[2, 3], codes[3, 2]) == (CIRCLE_ARROW, 0, BIDIRECTED, BIDIRECTED)
    assert (codes[3, 4], codes[4, 5], codes[5, 4], codes[5, 0]) == (CIRCLES, CIRCLE_TAIL, 0, CIRCLE_ARROW)
    again = CausalGraph.from_codes(NAMES, codes, kind="pag")
    assert (again.codes() == PAG.codes()).all()
    ends = {frozenset([(e.source, e.source_mark), (e.target, e.target_mark)]) for e in PAG.edges}
    assert {frozenset([(e.source, e.source_mark), (e.target, e.target_mark)]) for e in again.edges} == ends
    with pytest.raises(InputError, match="symmetric"):
        CausalGraph.from_codes(["a", "b"], np.array([[0, CIRCLES], [0, 0]]), kind="pag")


def test_files_and_networkx_keep_every_mark(tmp_path):
    PAG.save(tmp_path / "g.json")
    assert CausalGraph.load(tmp_path / "g.json") == PAG
    marks = {(a, b): (d["source_mark"], d["target_mark"]) for a, b, d in PAG.to_networkx().edges(data=True)}
    assert marks == {(e.source, e.target): (e.source_mark, e.target_mark) for e in PAG.edges}


def test_half_a_hit_for_an_edge_that_leaves_one_direction_open():
    truth = CausalGraph(["a", "b"], [Edge("a", "b")])
    joined = CausalGraph(["a", "b"], [Edge("a", "b", source_mark="arrow")], "pag")
    open_ = CausalGraph(["a", "b"], [Edge("a", "b", source_mark="circle")], "pag")
    assert summary_weights(open_).tolist() == [[0, 0.5], [0, 0]] == lagged_weights(open_, 0)[:, :, 0].tolist()
    right, wrong = cd.score(open_, truth), cd.score(open_, CausalGraph(["a", "b"], [Edge("b", "a")]))
    assert (right["directed_precision"], right["directed_recall"], right["skeleton_f1"]) == (1.0, 0.5, 1.0)
    assert (wrong["directed_precision"], wrong["directed_f1"], wrong["shd"]) == (0.0, 0.0, 1.0)
    assert right["orientation_accuracy"] > cd.score(joined, truth)["orientation_accuracy"] - 1e-12 > wrong["orientation_accuracy"]
    assert cd.score(joined, joined)["directed_f1"] == 1.0 and np.isnan(right["sid"])


def test_certificate_reads_marks():
    limits = Constraints.of(cd.ExpertPrior(forbidden=[("b", "a")]), ["a", "b"], 0)
    for marks, ok in (
        (("circle", "arrow"), True),
        (("arrow", "arrow"), True),
        (("circle", "circle"), False),
        (("arrow", "circle"), False),
        (("tail", "tail"), False),
    ):
        edge = Edge("a", "b", source_mark=marks[0], target_mark=marks[1])
        assert certify(CausalGraph(["a", "b"], [edge], "pag"), limits).ok is ok
    clash = Edge("a", "b", source_mark="arrow", conflict=True)
    assert not certify(CausalGraph(["a", "b"], [clash], "pag"), limits).ok
    needed = Constraints.of(cd.ExpertPrior(required=[("a", "b")]), ["a", "b"], 0)
    assert not certify(CausalGraph(["a", "b"], [Edge("a", "b", source_mark="circle")], "pag"), needed).ok


def test_picture_of_marks():
    truth = CausalGraph(NAMES, [Edge("a", "b"), Edge("c", "b"), Edge("d", "e"), Edge("f", "a")], "pag")
    codes = compare(PAG, truth)
    assert codes[1, 2] == REVERSED and codes[2, 1] == 0 and codes[4, 3] == OPEN
    assert graph_against_truth(PAG, truth)[1:4] == graph_against_truth(PAG)[1:4] == b"PNG"


@pytest.mark.parametrize(
    "to", ["causallearn-npy", "tigramite-npy", "tetrad-txt", "dot", "mermaid", "cypher", "graphml", "dowhy-gml"]
)
def test_exports_keep_marks_or_leave_open_edges_out(tmp_path, to):
    path = cd.export(PAG, to, tmp_path / "g")[0]
    if to == "causallearn-npy":
        m = np.load(path)
        assert (m[0, 1], m[1, 0], m[1, 2], m[2, 1]) == (-1, 1, 2, 1) and (m[2, 3], m[3, 2], m[3, 4], m[4, 3]) == (1, 1, 2, 2)
    elif to == "tigramite-npy":
        m = np.load(path)[:, :, 0]
        assert (m[0, 1], m[1, 2], m[2, 1], m[2, 3], m[3, 4], m[0, 2]) == ("-->", "o->", "<-o", "<->", "o-o", "---")
    elif to == "tetrad-txt":
        assert {"a --> b", "b o-> c", "c <-> d", "d o-o e", "e o-- f", "a <-o f", "a --- c"} <= {
            line.partition(". ")[2] for line in path.read_text().splitlines()
        }
    elif to == "dowhy-gml":
        assert path.read_text().count("source") == 1  # a → b alone: two tails tell of selection, and direct nothing
    else:
        assert all(word in path.read_text() for word in {"mermaid": ["o--o", "<-->"], "dot": ["odot"]}.get(to, ["circle"]))
