"""What every metric keeps, whoever wrote it; third-party metrics are picked up by themselves."""

import math
import time

import numpy as np
import pytest

from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.parameters import values_of
from causaldisc.core.plugins import metrics

NAMES = ["a", "b", "c"]
DAG = CausalGraph(NAMES, [Edge("a", "b"), Edge("b", "c")])
LAGGED = CausalGraph(NAMES, [Edge("a", "b", 1), Edge("b", "a", 2), Edge("b", "c"), Edge("a", "a", 1)], "lagged", 2)
GRAPHS = {
    "empty": CausalGraph(NAMES),
    "dag": DAG,
    "reversed": CausalGraph(NAMES, [Edge("b", "a"), Edge("c", "b")]),
    "complete_dag": CausalGraph(NAMES, [Edge("a", "b"), Edge("a", "c"), Edge("b", "c")]),
    "complete": CausalGraph(NAMES, [Edge(x, y) for x in NAMES for y in NAMES if x != y], "summary"),
    "two_cycle": CausalGraph(NAMES, [Edge("a", "b"), Edge("b", "a")], "summary"),
    "three_cycle": CausalGraph(NAMES, [Edge("a", "b"), Edge("b", "c"), Edge("c", "a")], "summary"),
    "cpdag": CausalGraph(NAMES, [Edge("a", "b", target_mark="tail"), Edge("b", "c", target_mark="tail")], "cpdag"),
    "no_cpdag": CausalGraph(NAMES, [Edge("a", "b"), Edge("b", "c", target_mark="tail")], "mpdag"),
    "conflict": CausalGraph(NAMES, [Edge("a", "b", source_mark="arrow", conflict=True)], "cpdag"),
    "bidirected": CausalGraph(NAMES, [Edge("a", "b", source_mark="arrow")], "pag"),
    "circles": CausalGraph(NAMES, [Edge("a", "b", 0, "circle", "circle"), Edge("b", "c", 0, "circle", "arrow")], "pag"),
    "cyclic_pag": CausalGraph(NAMES, [Edge("a", "b"), Edge("b", "c"), Edge("c", "a")], "pag"),
    "lagged_cyclic": LAGGED,
    "lagged_open": CausalGraph(NAMES, [Edge("a", "b", 1), Edge("b", "a", 1), Edge("b", "c", target_mark="tail")], "lagged", 1),
    "lagged_mixed": CausalGraph(NAMES, [Edge("a", "b", 1), Edge("a", "b", 0, target_mark="tail")], "lagged", 1),
    "lagged_hidden": CausalGraph(NAMES, [Edge("a", "b", 1, source_mark="arrow"), Edge("b", "a", 1)], "pag", 1),
}
# Third-party keys have their own meaning; what is asserted of values below is asserted of ours.
KNOWN = {key for name in metrics.names() if metrics.origin(name) == "causaldisc" for key in metrics.get(name).keys}
PERFECT = {"shd": 0.0, "sid": 0.0, "ancestor_aid": 0.0, "oset_aid": 0.0}


@pytest.fixture(params=metrics.names())
def metric(request):
    return metrics.build(request.param)


def check(metric, graph, truth, scores=None):
    values = metric(graph, truth, scores)
    assert set(values) >= set(metric.keys)
    assert all(isinstance(values[k], float) and not math.isinf(values[k]) for k in metric.keys), values
    return values


def test_there_are_metrics():
    assert len(metrics.names()) >= 10


def test_keys_are_unique_over_all_plugins():
    keys = [key for name in metrics.names() for key in metrics.get(name).keys]
    assert len(keys) == len(set(keys))


def test_named_and_described(metric):
    assert metric.name in metrics.names() and metric.summary and metric.keys
    assert isinstance(values_of(metric), dict)


@pytest.mark.parametrize("found", GRAPHS)
def test_never_raises_and_never_panics(metric, found, capfd):
    for truth in GRAPHS.values():
        check(metric, GRAPHS[found], truth)
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err == ""


@pytest.mark.parametrize(
    "scores", [np.full((3, 3, 2), np.nan), np.zeros((3, 3, 1)), np.full((3, 3, 1), -np.inf), np.ones((3, 3, 3))]
)
def test_takes_any_scores(metric, scores):
    check(metric, DAG, DAG, scores)


@pytest.mark.parametrize("nodes", [[], ["a"]])
def test_nothing_to_compare_is_undefined_not_zero(metric, nodes):
    values = check(metric, CausalGraph(nodes), CausalGraph(nodes))
    zero_by_definition = {"shd", "n_edges"}
    assert all(math.isnan(values[k]) or k in zero_by_definition or k not in KNOWN for k in metric.keys), values


def test_single_node_with_a_self_loop(metric):
    check(metric, CausalGraph(["a"], [Edge("a", "a", 1)], "lagged", 1), CausalGraph(["a"]))


@pytest.mark.parametrize("truth", [DAG, LAGGED])
def test_self_comparison_is_perfect(metric, truth):
    values = check(metric, truth, truth)
    for key in metric.keys:
        if key in PERFECT:
            assert values[key] == PERFECT[key]
        elif key.endswith(("_precision", "_recall", "_f1")) or key in ("orientation_accuracy", "auroc", "auprc"):
            assert values[key] == 1.0, key
        elif key in ("precision_lift", "directed_f1_z"):
            assert values[key] > 1.0, key


def test_what_an_empty_truth_leaves_undefined(metric):
    values = check(metric, DAG, GRAPHS["empty"])
    for key in {"skeleton_recall", "directed_recall", "lagged_recall", "auroc", "auprc", "precision_lift", "directed_f1_z"} & set(
        metric.keys
    ):
        assert math.isnan(values[key]), key


def test_inputs_are_left_alone(metric):
    scores = np.random.default_rng(0).random((3, 3, 3))
    before = scores.copy()
    check(metric, LAGGED, LAGGED, scores)
    assert np.array_equal(scores, before)


def _random_lagged(n, max_lag, degree, seed):
    rng = np.random.default_rng(seed)
    codes = (rng.random((n, n, max_lag + 1)) < degree / n).astype(np.int8)
    codes[:, :, 0] = np.triu(codes[:, :, 0], k=1)
    return CausalGraph.from_codes([f"x{k}" for k in range(n)], codes, kind="lagged")


def test_a_hundred_nodes_in_reasonable_time(metric):
    truth, found = _random_lagged(100, 2, 1.0, 0), _random_lagged(100, 2, 2.0, 1)
    dense = CausalGraph.from_codes(truth.names, np.triu(np.ones((100, 100), dtype=np.int8), k=1), kind="dag")
    started = time.process_time()
    check(metric, found, truth, np.random.default_rng(2).random((100, 100, 3)))
    check(metric, dense, truth)
    assert time.process_time() - started < 30
