"""What is added to an equivalence class: no cycle, no new collider, never against the prior; silence where nothing tells."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.algorithms._as_dag import as_dag
from causaldisc.algorithms._beyond import beyond
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CONFLICT, DIRECTED, UNDIRECTED, CausalGraph, acyclic
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.acyclic_order import best_order
from causaldisc.kernels.consequences import turn

NAMES = ["a:requests", "a:cpu", "a:latency", "b:requests", "b:cpu", "b:latency"]


def random_dag(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
    order = rng.permutation(n)
    dag = np.zeros((n, n), dtype=bool)
    dag[np.ix_(order, order)] = np.triu(rng.random((n, n)) < share, 1)
    return dag


def colliders(arrows: np.ndarray, beside: np.ndarray | None = None) -> set[tuple[int, int, int]]:
    """The unshielded colliders, as (cause, cause, effect); ``beside`` are adjacencies that the arrows do not show."""
    joined = arrows | arrows.T if beside is None else beside
    return {
        (i, j, k)
        for k in range(len(arrows))
        for i, j in itertools.combinations(np.flatnonzero(arrows[:, k]).tolist(), 2)
        if not joined[i, j]
    }


def members(dag: np.ndarray) -> list[np.ndarray]:
    """Every DAG of the class, by trying all orders of the nodes."""
    skeleton, found = dag | dag.T, {}
    for order in itertools.permutations(range(len(dag))):
        place = np.argsort(order)
        other = skeleton & (place[:, None] < place)
        found[other.tobytes()] = other
    return [other for other in found.values() if colliders(other) == colliders(dag)]


def cpdag(dag: np.ndarray) -> np.ndarray:
    """Codes of the class: a direction that all members share stays."""
    every = members(dag)
    always, ever = np.logical_and.reduce(every), np.logical_or.reduce(every)
    return np.where(always, DIRECTED, np.where(ever, UNDIRECTED, 0)).astype(np.int8)


def graph_of(codes: np.ndarray, names: list[str] | None = None, kind: str = "cpdag") -> CausalGraph:
    return CausalGraph.from_codes(names or [f"x{k}" for k in range(len(codes))], codes, kind=kind)


def arrows_of(graph: CausalGraph) -> np.ndarray:
    return graph.codes()[:, :, 0] == DIRECTED


def some_telemetry(rng: np.random.Generator, names: list[str], rows: int = 60) -> Telemetry:
    return Telemetry(rng.normal(size=(rows, len(names))), names)


systems = st.tuples(st.integers(0, 10_000), st.integers(2, 5), st.sampled_from([0.3, 0.5, 0.8]))


# -- consequences ----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(systems)
def test_an_edge_turned_brings_along_exactly_what_all_members_with_it_share(system: tuple[int, int, float]) -> None:
    seed, n, share = system
    rng = np.random.default_rng(seed)
    dag = random_dag(rng, n, share)
    codes = cpdag(dag)
    open_ = np.argwhere(np.triu(codes == UNDIRECTED)).tolist()
    if not open_:
        return
    i, j = open_[rng.integers(len(open_))]
    heads = codes == DIRECTED
    everything, nothing = np.ones((n, n), dtype=bool), np.zeros((n, n), dtype=bool)
    those = [m for m in members(dag) if m[i, j]]
    result = codes.copy()
    assert turn(result, i, j, everything, nothing, heads, True) is not None
    assert ((result == DIRECTED) == np.logical_and.reduce(those)).all()


def test_what_would_collide_or_close_a_cycle_or_is_not_allowed_is_refused_whole() -> None:
    everything, nothing = np.ones((3, 3), dtype=bool), np.zeros((3, 3), dtype=bool)
    collider = np.array([[0, 1, 0], [0, 0, 2], [0, 2, 0]], np.int8)
    before = collider.copy()
    assert turn(collider, 2, 1, everything, nothing, before == 1, True) is None and (collider == before).all()
    assert turn(collider, 2, 1, everything, nothing, before == 1, False) == [(2, 1)]
    cycle = np.array([[0, 1, 2], [0, 0, 1], [2, 0, 0]], np.int8)
    assert turn(cycle, 2, 0, everything, nothing, nothing, True) is None
    chain = np.array([[0, 2, 0], [2, 0, 2], [0, 2, 0]], np.int8)
    barred = everything.copy()
    barred[1, 2] = False
    assert turn(chain, 0, 1, barred, nothing, nothing, True) is None and (chain == UNDIRECTED).sum() == 4
    late = nothing.copy()
    late[0, 1] = True
    assert turn(chain, 0, 1, everything, late, nothing, True) is None


def test_a_conflict_may_be_settled_towards_the_collider_that_it_was() -> None:
    codes = np.array([[0, 1, 0], [0, 0, 3], [0, 3, 0]], np.int8)
    heads = (codes == DIRECTED) | (codes == CONFLICT)
    assert turn(codes, 2, 1, np.ones((3, 3), bool), np.zeros((3, 3), bool), heads, True) == [(2, 1)]


# -- roles and calls -------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.3, 0.6]), st.booleans())
def test_roles_keep_the_class_the_prior_and_the_directions_there_were(seed: int, share: float, judged: bool) -> None:
    rng = np.random.default_rng(seed)
    codes = cpdag(random_dag(rng, 6, share))
    graph = graph_of(codes, NAMES)
    limits = [(NAMES[i], NAMES[j]) for i, j in np.argwhere(codes == UNDIRECTED).tolist() if rng.random() < 0.2 and i < j]
    constraints = Constraints.of(ExpertPrior(forbidden=limits, calls=[("a", "b")], call_rules="open"), NAMES, 0)
    free = Constraints.of(ExpertPrior(forbidden=limits), NAMES, 0)
    merged = Constraints(free.variables, 0, free.allowed, free.rules, constraints.prior)
    found = beyond(graph, some_telemetry(rng, NAMES), merged, "roles", judged=judged)
    arrows = arrows_of(found)
    assert acyclic(arrows) and (arrows >= (codes == DIRECTED)).all()
    assert ((found.codes()[:, :, 0] > 0) | (found.codes()[:, :, 0].T > 0)).tolist() == ((codes > 0) | (codes.T > 0)).tolist()
    fresh = arrows & (codes != DIRECTED)
    assert merged.allowed[:, :, 0][fresh].all()
    if judged:
        beside = (codes > 0) | (codes.T > 0)
        assert colliders(arrows, beside) == colliders(codes == DIRECTED, beside)
    for edge in found.edges:
        i, j = found.index[edge.source], found.index[edge.target]
        assert edge.evidence == (("data",) if not fresh[i, j] else ("data", edge.evidence[-1]))
        assert not fresh[i, j] or edge.evidence[-1] in ("roles", "calls")


def test_each_role_comes_after_those_before_it_and_equals_stay_side_by_side() -> None:
    metrics = ("requests", "queue", "cpu", "memory", "latency", "errors", "colour")
    names = [f"s:{metric}" for metric in metrics]
    rng = np.random.default_rng(0)
    for a, b in itertools.combinations(names, 2):
        pair = [b, a]
        found = beyond(
            graph_of(np.array([[0, 2], [2, 0]]), pair), some_telemetry(rng, pair), Constraints.of(ExpertPrior(), pair, 0), "roles"
        )
        (edge,) = found.edges
        open_ = "s:colour" in pair or {a, b} == {"s:cpu", "s:memory"}
        assert edge.is_undirected if open_ else (edge.source, edge.target, edge.evidence) == (a, b, ("data", "roles"))


@pytest.mark.parametrize(
    ("cause", "effect", "told"),
    [
        ("front:requests", "cart:requests", "calls"),
        ("front:requests", "redis:cpu", "calls"),
        ("redis:latency", "front:latency", "calls"),
        ("cart:cpu", "front:errors", "calls"),
        ("host:cpu", "cart:latency", "roles"),
    ],
)
def test_calls_bring_traffic_down_and_answers_up(cause: str, effect: str, told: str) -> None:
    names = [effect, cause]
    prior = ExpertPrior(calls=[("front", "cart"), ("cart", "redis")], co_located=[["host", "cart"]], call_rules="open")
    graph = graph_of(np.array([[0, 2], [2, 0]]), names)
    open_prior = Constraints.of(ExpertPrior(), names, 0)
    constraints = Constraints(open_prior.variables, 0, open_prior.allowed, (), prior)
    (edge,) = beyond(graph, some_telemetry(np.random.default_rng(0), names), constraints, "roles").edges
    assert (edge.source, edge.target, edge.evidence) == (cause, effect, ("data", told))
    without = Constraints.of(ExpertPrior(), names, 0)
    (edge,) = beyond(graph, some_telemetry(np.random.default_rng(0), names), without, "roles").edges
    assert edge.is_undirected


def test_two_wishes_that_exclude_each_other_are_both_left_open() -> None:
    names = ["a:requests", "a:cpu", "b:cpu", "b:requests"]  # a path that both ends want to point at its middle
    path = np.zeros((4, 4), np.int8)
    for i, j in ((0, 1), (1, 2), (2, 3)):
        path[i, j] = path[j, i] = UNDIRECTED
    telemetry = some_telemetry(np.random.default_rng(0), names)
    constraints = Constraints.of(ExpertPrior(), names, 0)
    assert beyond(graph_of(path, names), telemetry, constraints, "roles").edges == graph_of(path, names).edges
    found = beyond(graph_of(path, names), telemetry, constraints, "roles", judged=False)
    assert {(e.source, e.target) for e in found.edges if e.is_directed} == {(names[0], names[1]), (names[3], names[2])}


def test_consequences_bear_the_name_of_what_they_follow_from() -> None:
    names = ["a:requests", "a:cpu", "z"]
    chain = np.array([[0, 2, 0], [2, 0, 2], [0, 2, 0]], np.int8)
    found = beyond(
        graph_of(chain, names), some_telemetry(np.random.default_rng(0), names), Constraints.of(ExpertPrior(), names, 0), "roles"
    )
    assert [(e.source, e.target, e.evidence) for e in found.edges] == [
        ("a:requests", "a:cpu", ("data", "roles")),
        ("a:cpu", "z", ("data", "roles")),
    ]
    assert found.kind == "mpdag"


def test_an_unknown_way_is_refused_and_the_class_is_left_alone() -> None:
    graph = graph_of(np.array([[0, 2], [2, 0]]))
    telemetry = some_telemetry(np.random.default_rng(0), ["x0", "x1"])
    constraints = Constraints.of(ExpertPrior(), ["x0", "x1"], 0)
    assert beyond(graph, telemetry, constraints, "class") is graph
    with pytest.raises(InputError, match="orient must be"):
        beyond(graph, telemetry, constraints, "role")


# -- a DAG on request ------------------------------------------------------------------------------------------------


def worth(order: tuple[int, ...], gain: np.ndarray, open_: np.ndarray, soft: np.ndarray, apart: np.ndarray) -> float:
    total = 0.0
    for at, j in enumerate(order):
        causes = [i for i in order[:at] if open_[i, j]]
        total += sum(gain[i, j] for i in causes)
        total -= 1.5 * sum(bool(apart[a, b] and (soft[a, j] or soft[b, j])) for a, b in itertools.combinations(causes, 2))
    return total


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_the_best_order_is_the_best_of_all_orders(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    gain = rng.normal(size=(n, n))
    open_, soft, apart = (np.triu(rng.random((n, n)) < 0.6, 1) for _ in range(3))
    open_, soft, apart = open_ | open_.T, (soft | soft.T) & (open_ | open_.T), apart | apart.T
    before = random_dag(rng, n, 0.2)
    order, value, exact = best_order(gain, open_, before, soft, apart, 1.5)
    valid = (p for p in itertools.permutations(range(n)) if all(p.index(i) < p.index(j) for i, j in np.argwhere(before)))
    best = max(worth(p, gain, open_, soft, apart) for p in valid)
    assert exact and value == pytest.approx(best)
    assert worth(tuple(order.tolist()), gain, open_, soft, apart) == pytest.approx(best)


@settings(max_examples=50, deadline=None)
@given(systems)
def test_the_dag_is_the_member_of_the_class_with_the_largest_scores(system: tuple[int, int, float]) -> None:
    seed, n, share = system
    rng = np.random.default_rng(seed)
    dag = random_dag(rng, n, share)
    graph, scores = graph_of(cpdag(dag)), rng.normal(size=(n, n, 1))
    names = list(graph.names)
    telemetry, constraints = some_telemetry(rng, names), Constraints.of(ExpertPrior(), names, 0)
    found, report = as_dag(graph, scores, telemetry, constraints)
    assert found.kind == "dag" and report == {"as_dag": "exact", "as_dag_new_colliders": 0, "as_dag_left_out": []}
    best = max(float(scores[:, :, 0][member].sum()) for member in members(dag))
    assert any((arrows_of(found) == member).all() for member in members(dag))
    assert float(scores[:, :, 0][arrows_of(found)].sum()) == pytest.approx(best)
    likely = rng.uniform(0.01, 0.99, size=(n, n, 1))
    found, _ = as_dag(graph, scores, telemetry, constraints, orientation=likely)
    best = max(float(np.log(likely[:, :, 0][member]).sum()) for member in members(dag))
    assert float(np.log(likely[:, :, 0][arrows_of(found)]).sum()) == pytest.approx(best)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_any_skeleton_becomes_its_likeliest_acyclic_orientation_where_no_collider_was_looked_for(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    skeleton = np.triu(rng.random((n, n)) < 0.6, 1)
    codes = np.where(skeleton | skeleton.T, rng.choice([UNDIRECTED, CONFLICT]), 0).astype(np.int8)
    graph, scores = graph_of(codes), rng.normal(size=(n, n, 1))
    names = list(graph.names)
    edges = np.argwhere(skeleton).tolist()
    barred = [(names[i], names[j]) for i, j in edges if rng.random() < 0.15 and i < j]
    constraints = Constraints.of(ExpertPrior(forbidden=barred), names, 0)
    found, report = as_dag(graph, scores, some_telemetry(rng, names), constraints, judged=False)
    best = -np.inf
    for flips in itertools.product((False, True), repeat=len(edges)):
        other = np.zeros((n, n), dtype=bool)
        for (i, j), flip in zip(edges, flips, strict=True):
            other[(j, i) if flip else (i, j)] = True
        if acyclic(other) and constraints.allowed[:, :, 0][other].all():
            best = max(best, float(scores[:, :, 0][other].sum()))
    assert report["as_dag"] == "exact" and not report["as_dag_left_out"]
    assert len(found.edges) == len(edges) and constraints.allowed[:, :, 0][arrows_of(found)].all()
    assert float(scores[:, :, 0][arrows_of(found)].sum()) == pytest.approx(best)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.integers(19, 32))
def test_large_pieces_become_members_too_and_say_that_they_are_heuristic(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    parents = [int(rng.integers(k)) for k in range(1, n)]
    codes = np.zeros((n, n), np.int8)
    for child, parent in enumerate(parents, 1):
        codes[child, parent] = codes[parent, child] = UNDIRECTED
    names = [f"x{k}" for k in range(n)]
    scores = rng.normal(size=(n, n, 1))
    telemetry, constraints = some_telemetry(rng, names), Constraints.of(ExpertPrior(), names, 0)
    found, report = as_dag(graph_of(codes), scores, telemetry, constraints)
    assert report == {"as_dag": "heuristic", "as_dag_new_colliders": 0, "as_dag_left_out": []}
    assert found.is_acyclic() and len(found.edges) == n - 1 and not colliders(arrows_of(found))


@settings(max_examples=25, deadline=None)
@given(systems, st.sampled_from(["roles", "as_dag"]))
def test_where_columns_stand_plays_no_part(system: tuple[int, int, float], what: str) -> None:
    seed, n, share = system
    rng = np.random.default_rng(seed)
    codes, names = cpdag(random_dag(rng, n, share)), NAMES[:n]
    telemetry, scores, order = some_telemetry(rng, names), np.zeros((n, n, 1)), rng.permutation(n)

    def run(columns: np.ndarray) -> set[tuple[str, str, str]]:
        some = [names[k] for k in columns]
        graph, constraints = graph_of(codes[np.ix_(columns, columns)], some), Constraints.of(ExpertPrior(), some, 0)
        data = telemetry.select(columns)
        result = beyond(graph, data, constraints, what) if what == "roles" else as_dag(graph, scores, data, constraints)[0]
        return {(e.source, e.target, "→") if e.is_directed else (*sorted((e.source, e.target)), "—") for e in result.edges}

    assert run(np.arange(n)) == run(order)


def test_directed_edges_of_lags_stay_and_their_colliders_are_minded() -> None:
    codes = np.zeros((2, 2, 2), np.int8)
    codes[0, 1, 0] = codes[1, 0, 0] = UNDIRECTED
    codes[1, 1, 1] = DIRECTED  # x1 hangs on its own past, which is not adjacent to x0: so x1 → x0
    graph = CausalGraph.from_codes(["x0", "x1"], codes, kind="lagged")
    scores = np.zeros((2, 2, 2))
    scores[0, 1, 0] = 9.0
    telemetry, constraints = (
        some_telemetry(np.random.default_rng(0), ["x0", "x1"]),
        Constraints.of(ExpertPrior(), ["x0", "x1"], 1),
    )
    found, report = as_dag(graph, scores, telemetry, constraints)
    assert found.kind == "lagged" and report["as_dag_new_colliders"] == 0
    assert [(e.source, e.target, e.lag) for e in found.edges] == [("x1", "x0", 0), ("x1", "x1", 1)]
    free, report = as_dag(graph, scores, telemetry, constraints, judged=False)
    assert [(e.source, e.target, e.lag) for e in free.edges] == [("x0", "x1", 0), ("x1", "x1", 1)]
