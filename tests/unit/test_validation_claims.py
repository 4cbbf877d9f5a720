"""What a graph claims, which claims one trial can tell apart, and what answers make of edges of every mark."""

import pytest

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.validation._claims import claims, mark, possible_parents, separable, still_open

AB, BA = ("a", "b"), ("b", "a")
OPEN = {"target_mark": "tail"}


def states(graph, verdicts):
    return [(e.source, e.target, e.is_directed, e.validation) for e in mark(graph, verdicts).edges]


def pair(kind="cpdag", lag=0, **marks):
    return CausalGraph(["a", "b"], [Edge("a", "b", lag, **marks)], kind, lag)


def test_claims_are_pairs_without_lags_loops_or_decided_edges():
    edges = [
        Edge("a", "b", 0),
        Edge("a", "b", 2),
        Edge("b", "b", 1),
        Edge("b", "c", **OPEN),
        Edge("c", "a", 1, source_mark="circle"),
        Edge("a", "c", validation="confirmed"),
    ]
    assert claims(CausalGraph(["a", "b", "c"], edges, "pag", 2)) == [AB, ("b", "c"), ("c", "b"), ("c", "a")]


def test_possible_parents_and_separable_effects():
    # a -> b, a -> c, a -> d, b -> c: b and c need a trial each, since b is held for c.
    graph = CausalGraph(list("abcd"), [Edge("a", "b"), Edge("a", "c"), Edge("a", "d"), Edge("b", "c")])
    assert possible_parents(graph, "c") == {"a", "b"}
    assert separable(graph, ["b", "c", "d"]) == ["b", "d"]
    assert separable(graph, ["c"]) == ["c"]


@pytest.mark.parametrize("verdict", ["confirmed", "refuted", "untested"])
def test_a_directed_edge_takes_its_verdict(verdict):
    found = mark(pair("dag"), {AB: verdict}).edges[0]
    assert found.validation == verdict
    assert found.evidence == (("data",) if verdict == "untested" else ("data", "intervention"))


@pytest.mark.parametrize(
    ("marks", "forward", "backward", "expected"),
    [
        (OPEN, "confirmed", "refuted", ("a", "b", True, "confirmed")),
        (OPEN, "refuted", "confirmed", ("b", "a", True, "confirmed")),
        (OPEN, "confirmed", "untested", ("a", "b", False, "confirmed")),
        (OPEN, "confirmed", "confirmed", ("a", "b", False, "confirmed")),
        (OPEN, "refuted", "refuted", ("a", "b", False, "refuted")),
        (OPEN, "refuted", "untested", ("a", "b", False, "untested")),
        ({"source_mark": "arrow", "conflict": True}, "refuted", "refuted", ("a", "b", False, "refuted")),
        ({"source_mark": "arrow", "conflict": True}, "confirmed", "untested", ("a", "b", False, "confirmed")),
        # A hidden common cause explains why neither moves the other ...
        ({"source_mark": "arrow"}, "refuted", "refuted", ("a", "b", False, "untested")),
        ({"source_mark": "circle"}, "refuted", "refuted", ("a", "b", False, "untested")),
        # ... and an arrowhead at a says that a is no cause of b.
        ({"source_mark": "arrow"}, "confirmed", "untested", ("a", "b", False, "refuted")),
        ({"source_mark": "circle"}, "untested", "confirmed", ("a", "b", False, "refuted")),
        ({"source_mark": "circle"}, "confirmed", "untested", ("a", "b", True, "confirmed")),
        ({"source_mark": "circle"}, "confirmed", "refuted", ("a", "b", True, "confirmed")),
    ],
)
def test_open_edges(marks, forward, backward, expected):
    assert states(pair("pag", **marks), {AB: forward, BA: backward}) == [expected]


def test_time_rules_the_other_direction_of_a_lagged_edge_out():
    assert states(pair("pag", 1, source_mark="circle"), {AB: "confirmed"}) == [("a", "b", True, "confirmed")]


def test_orienting_a_cpdag_makes_it_an_mpdag_and_marking_alone_does_not():
    assert mark(pair(**OPEN), {AB: "confirmed", BA: "refuted"}).kind == "mpdag"
    assert mark(pair(**OPEN), {AB: "confirmed"}).kind == "cpdag"
    assert mark(pair("lagged", 0, **OPEN), {AB: "confirmed", BA: "refuted"}).kind == "lagged"


def test_no_orientation_closes_a_cycle():
    graph = CausalGraph(list("abc"), [Edge("a", "b"), Edge("b", "c"), Edge("a", "c", **OPEN)], "mpdag")
    found = mark(graph, {("c", "a"): "confirmed", ("a", "c"): "refuted"}).edges[2]
    assert found.is_undirected and found.validation == "confirmed"
    assert (found.source, found.target) == ("a", "c")


def test_decided_edges_keep_their_state():
    graph = CausalGraph(["a", "b"], [Edge("a", "b", validation="confirmed")])
    assert mark(graph, {AB: "refuted"}).edges[0].validation == "confirmed"


def test_what_a_planner_sees():
    edges = [Edge("a", "b"), Edge("a", "c"), Edge("a", "d"), Edge("b", "c", **OPEN), Edge("c", "d", **OPEN), Edge("a", "a", 1)]
    graph = CausalGraph(list("abcd"), edges, "lagged", 1)
    verdicts = {AB: "confirmed", ("a", "c"): "untested", ("b", "c"): "refuted", ("c", "d"): "untested", ("d", "c"): "untested"}
    shown = {(e.source, e.target): (e.is_directed, e.validation) for e in still_open(graph, verdicts).edges}
    # a -> c and c - d were tested in vain; of b - c only c -> b is left; a cannot be tested against its own past.
    assert shown == {AB: (True, "confirmed"), ("a", "d"): (True, "untested"), ("c", "b"): (True, "untested")}


def test_a_planner_sees_an_oriented_edge_as_decided():
    shown = still_open(pair(**OPEN), {AB: "refuted", BA: "confirmed"}).edges[0]
    assert (shown.source, shown.target, shown.validation) == ("b", "a", "confirmed")
