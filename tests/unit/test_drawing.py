"""The picture of a graph against the truth."""

import struct
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.drawing import FALSE, HIT, MISSED, NONE, OPEN, REVERSED, compare, graph_against_truth

NAMES = ["a", "b", "c", "d", "e"]


def test_every_pair_gets_its_verdict():
    truth = CausalGraph(NAMES[::-1], [Edge("a", "b"), Edge("b", "c"), Edge("c", "d"), Edge("d", "e"), Edge("a", "e")])
    found = CausalGraph(
        NAMES,
        [Edge("a", "b"), Edge("c", "b"), Edge("c", "d", target_mark="tail"), Edge("a", "c"), Edge("b", "e", target_mark="tail")],
        kind="cpdag",
    )
    expected = np.full((5, 5), NONE)
    expected[0, 1] = HIT
    expected[2, 1] = REVERSED  # and b → c is not also missed
    expected[2, 3], expected[3, 2] = HIT, OPEN
    expected[0, 2] = FALSE
    expected[1, 4] = expected[4, 1] = FALSE
    expected[3, 4] = expected[0, 4] = MISSED
    assert compare(found, truth).tolist() == expected.tolist()


def test_both_ways_at_different_lags_are_two_claims():
    truth = CausalGraph(NAMES, [Edge("a", "b", 1)], kind="lagged", max_lag=1)
    found = CausalGraph(NAMES, [Edge("a", "b", 1), Edge("b", "a", 1), Edge("c", "c", 1)], kind="lagged", max_lag=1)
    codes = compare(found, truth)
    assert (codes[0, 1], codes[1, 0], codes[2, 2]) == (HIT, FALSE, NONE)


@given(st.lists(st.booleans(), min_size=20, max_size=20), st.lists(st.booleans(), min_size=20, max_size=20))
def test_hits_and_misses_add_up(found, real):
    def build(cells):
        pairs = [(i, j) for i in NAMES for j in NAMES if i != j]
        return CausalGraph(NAMES, [Edge(*p) for p, there in zip(pairs, cells, strict=True) if there], "summary")

    graph, truth = build(found), build(real)
    codes = compare(graph, truth)
    count = {code: int((codes == code).sum()) for code in (HIT, FALSE, REVERSED, MISSED, OPEN)}
    assert count[HIT] + count[FALSE] + count[REVERSED] == len(graph.edges) and count[OPEN] == 0
    assert count[HIT] + count[MISSED] + count[REVERSED] == len(truth.edges)


def test_the_picture_is_a_png_that_is_the_same_each_time():
    rng = np.random.default_rng(0)
    names = [f"service-{k}:{metric}" for k in range(5) for metric in ("requests", "latency")]
    codes = np.triu(rng.random((10, 10)) < 0.3, 1).astype(int)
    graph = CausalGraph.from_codes(names, codes, kind="dag")
    truth = CausalGraph.from_codes(names, np.triu(rng.random((10, 10)) < 0.3, 1).astype(int), kind="dag")
    first = graph_against_truth(graph, truth, "a title")
    assert first == graph_against_truth(graph, truth, "a title")
    assert first[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", first[16:24])
    assert 800 < width < 2600 and 500 < height < 1400
    assert first != graph_against_truth(graph, graph, "a title")
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_odd_graphs_are_drawn_too():
    for graph in (CausalGraph(["a"]), CausalGraph([]), CausalGraph([f"s{k}" for k in range(90)], [Edge("s0", "s1")])):
        assert graph_against_truth(graph)[1:4] == b"PNG"
        assert graph_against_truth(graph, graph)[1:4] == b"PNG"
