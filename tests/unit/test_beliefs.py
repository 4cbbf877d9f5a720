"""Beliefs: how they are read, what they do to the four searches, and what is told of each."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Discovery
from causaldisc.core.errors import PriorError
from causaldisc.core.graph import CONFLICT, DIRECTED, UNDIRECTED
from causaldisc.core.plugins import algorithms
from causaldisc.kernels.belief_directions import direct, direct_class
from causaldisc.kernels.beliefs import adjacency
from causaldisc.metrics.directed import Directed

SEARCHES = {"pc": "sem", "ges": "sem", "pcmci": "var", "pcmci_plus": "var"}


def belief(source: str, target: str, p: float, **fields: Any) -> dict[str, Any]:
    return {"source": source, "target": target, "probability": p, **fields}


def limits(beliefs: list[dict], names: str = "abc", max_lag: int = 0, **clauses: Any) -> Constraints:
    return Constraints.of(cd.ExpertPrior(beliefs=beliefs, **clauses), list(names), max_lag)


@functools.cache
def data(source: str, rows: int, seed: int = 0, size: int = 10) -> Any:
    lag: dict[str, Any] = {"max_lag": 1} if source == "var" else {}
    return cd.simulate(source, seed=seed, n_variables=size, n_samples=rows, trials=0, **lag)


def found(name: str, told: Any, beliefs: list[dict] | None = None, **clauses: Any) -> Discovery:
    lag: dict[str, Any] = {"max_lag": 1} if SEARCHES[name] == "var" else {}
    prior = cd.ExpertPrior(beliefs=beliefs or [], **clauses)
    return cd.discover(told.telemetry, name, prior=prior, bootstrap=0, **lag)


def logit(p: float) -> float:
    return math.log(p / (1 - p))


# -- reading ---------------------------------------------------------------------------------------------------------


def test_log_odds_of_cells() -> None:
    said = limits([belief("a", "b", 0.9), belief("c", "a", 0.2)]).belief_logits()[:, :, 0]
    expected = np.zeros((3, 3))
    expected[0, 1], expected[2, 0] = logit(0.9), logit(0.2)
    assert np.allclose(said, expected)


def test_saying_it_twice_is_no_more_and_other_origins_add_up() -> None:
    def at(*beliefs: dict) -> float:
        return limits(list(beliefs)).belief_logits()[0, 1, 0]

    nine = belief("a", "b", 0.9, **{"from": "traces"})
    assert at(nine, nine) == at(nine)
    assert at(nine, belief("a", "b", 0.6, **{"from": "traces"})) == at(nine)
    assert at(nine, belief("a", "b", 0.5, **{"from": "traces"})) == at(nine)
    assert at(nine, belief("a", "b", 0.8, **{"from": "runbook"})) == pytest.approx(logit(0.9) + logit(0.8))
    assert at(nine, belief("a", "b", 0.1, **{"from": "runbook"})) == pytest.approx(0.0)
    assert at(nine, belief("a", "b", 0.3, **{"from": "traces"})) == pytest.approx(logit(0.9) + logit(0.3))


def test_window_of_lags() -> None:
    association = np.zeros((2, 2, 4))
    association[0, 1] = [0.1, 0.3, 0.2, 0.9]
    some = limits([belief("a", "b", 0.9, lag=[0, 2])], "ab", 3).belief_logits(association)
    assert np.flatnonzero(some).tolist() == [np.ravel_multi_index((0, 1, 1), (2, 2, 4))]
    none = limits([belief("a", "b", 0.1, lag=[1, 2])], "ab", 3).belief_logits(association)
    assert np.argwhere(none < 0).tolist() == [[0, 1, 1], [0, 1, 2]]
    beyond = limits([belief("a", "b", 0.9, lag=[5, 6])], "ab", 3)
    assert not beyond.belief_logits(association).any() and "lags" in beyond.beliefs[0].vacuous


def test_globs_leave_out_a_variable_itself_and_names_do_not() -> None:
    assert np.count_nonzero(limits([belief("*", "a", 0.9)], max_lag=1).belief_logits()) == 2
    own = limits([belief("a", "a", 0.9)], max_lag=2).belief_logits()
    assert np.argwhere(own).tolist() == [[0, 0, 1]]


def test_what_cannot_be_is_not_spoken_of() -> None:
    said = limits([belief("a", "b", 0.9), belief("b", "c", 0.9)], forbidden=[("a", "b")])
    assert np.argwhere(said.belief_logits()).tolist() == [[1, 2, 0]]


def test_restricting_keeps_beliefs_about_what_is_left() -> None:
    whole = limits([belief("a", "c", 0.9), belief("b", "c", 0.2)])
    part = whole.restrict([2, 0])
    assert np.argwhere(part.belief_logits()).tolist() == [[1, 0, 0]] and len(part.beliefs) == 2
    assert not whole.without_beliefs([0]).belief_logits()[0].any()
    assert not whole.without_beliefs().belief_logits().any()


@pytest.mark.parametrize("clause", [belief("zz", "a", 0.9), belief("a", "aa", 0.1)])
def test_unknown_variable(clause: dict) -> None:
    with pytest.raises(PriorError, match=r"beliefs\[0\]: unknown variable"):
        limits([clause])


def test_adjacency_is_as_likely_as_its_likelier_direction() -> None:
    def of(*beliefs: dict, **clauses: Any) -> float:
        read = limits(list(beliefs), **clauses)
        said = adjacency(read.belief_logits(), read.allowed)
        assert np.array_equal(said[:, :, 0], said[:, :, 0].T)
        return said[0, 1, 0]

    assert of(belief("a", "b", 0.9)) == pytest.approx(logit(0.9))
    assert of(belief("a", "b", 0.1)) == 0.0
    assert of(belief("a", "b", 0.1), belief("b", "a", 0.3)) == pytest.approx(logit(0.3))
    assert of(belief("a", "b", 0.1), forbidden=[("b", "a")]) == pytest.approx(logit(0.1))


# -- directions ------------------------------------------------------------------------------------------------------


def test_strongest_first_and_what_follows() -> None:
    line = np.array([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]], dtype=bool)
    said = np.zeros((4, 4))
    said[0, 1], said[3, 2] = 2.0, 1.0  # together they would make a collider
    marks, turned = direct_class(line, said - said.T, np.ones((4, 4), np.uint8))
    assert np.argwhere(marks).tolist() == [[0, 1], [1, 2], [2, 3]] and (turned == marks).all()


def test_a_conflict_is_settled_and_an_arrow_stays() -> None:
    codes = np.array([[0, CONFLICT, 0], [CONFLICT, 0, DIRECTED], [0, 0, 0]], dtype=np.int8)
    said = np.array([[0, 1, 0], [-1, 0, -3], [0, 3, 0]], dtype=float)
    settled, turned = direct(codes, said, lambda now: now, lambda now: now < 0)
    assert settled.tolist() == [[0, DIRECTED, 0], [0, 0, DIRECTED], [0, 0, 0]] and np.argwhere(turned).tolist() == [[0, 1]]


def test_no_cycle() -> None:
    codes = np.array([[0, DIRECTED, UNDIRECTED], [0, 0, DIRECTED], [UNDIRECTED, 0, 0]], dtype=np.int8)
    said = np.array([[0, 0, -5], [0, 0, 0], [5, 0, 0]], dtype=float)
    assert (direct(codes, said, lambda now: now, lambda now: now < 0)[0] == codes).all()


# -- the four searches -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "source"), SEARCHES.items())
def test_one_half_changes_nothing_to_the_last_bit(name: str, source: str) -> None:
    told = data(source, 150)
    names = told.telemetry.names
    half = [belief(a, b, 0.5, **{"from": a}) for a in names[:6] for b in names[3:] if a != b] + [belief("*", names[0], 0.5)]
    plain, moved = found(name, told), found(name, told, half)
    assert moved.graph.edges == plain.graph.edges and moved.graph.kind == plain.graph.kind
    assert np.array_equal(moved.scores, plain.scores, equal_nan=True)


@pytest.mark.parametrize(("name", "source"), SEARCHES.items())
def test_true_beliefs_raise_recall(name: str, source: str) -> None:
    gained = []
    for seed in range(4):
        told = data(source, 100, seed)
        true = sorted({(e.source, e.target) for e in told.truth.edges if e.source != e.target})
        key = "directed_recall"
        before = Directed()(found(name, told).graph, told.truth, None)[key]
        for some in (true[::2], true[1::2]):
            after = found(name, told, [belief(a, b, 0.99, **{"from": "an expert"}) for a, b in some])
            gained.append(Directed()(after.graph, told.truth, None)[key] - before)
    assert np.mean(gained) > 0.03 and min(gained) > -0.15


@pytest.mark.parametrize(("name", "source"), SEARCHES.items())
def test_a_wrong_belief_costs_little_at_many_rows(name: str, source: str) -> None:
    """Absent edges, and true ones reversed: directed F1 lost per belief, as a share of what it was."""
    lost: dict[str, list[float]] = {"absent": [], "reversed": []}
    for seed in range(4):
        told = data(source, 5000, seed, 12)
        true = {(e.source, e.target) for e in told.truth.edges if e.source != e.target}
        rng = np.random.default_rng(seed)
        pairs = [(a, b) for a in told.telemetry.names for b in told.telemetry.names if a != b]
        absent = [p for p in pairs if p not in true and p[::-1] not in true]
        cases = {"absent": absent, "reversed": [p for p in pairs if p[::-1] in true and p not in true]}
        before = Directed()(found(name, told).graph, told.truth, None)["directed_f1"]
        for kind, some in cases.items():
            for k in rng.permutation(len(some))[:5]:
                cause, effect = some[k]
                after = found(name, told, [belief(cause, effect, 0.99)])
                lost[kind].append(1 - Directed()(after.graph, told.truth, None)["directed_f1"] / before)
    assert np.mean([*lost["absent"], *lost["reversed"]]) < 0.02


@pytest.mark.parametrize("name", ["pc", "ges"])
def test_rows_outvote_wrong_beliefs(name: str) -> None:
    """The share of false adjacencies believed that stand falls as rows grow, and with many rows it is that without beliefs."""
    stand = []
    for rows in (50, 20_000):
        told = data("sem", rows, 1, 12)
        near = {frozenset((e.source, e.target)) for e in told.truth.edges}
        pairs = [(a, b) for a in told.telemetry.names for b in told.telemetry.names if a < b]
        wrong = [p for p in pairs if frozenset(p) not in near]
        held = [
            any({e.source, e.target} == set(p) for e in found(name, told, [belief(*p, 0.99)]).graph.edges) for p in wrong[::2]
        ]
        stand.append(np.mean(held))
    assert stand[1] < 0.1 and stand[0] > stand[1] + 0.1


def test_disbelief_takes_a_weak_edge_and_not_a_strong_one() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(size=400)
    telemetry = cd.Telemetry(np.column_stack([a, a + rng.normal(size=400), 0.16 * a + rng.normal(size=400)]), ["a", "b", "c"])
    doubts = [belief(x, y, 0.02) for x, y in (("a", "b"), ("b", "a"), ("a", "c"), ("c", "a"))]
    for name in ("pc", "ges"):
        kept = cd.discover(telemetry, name, prior=cd.ExpertPrior(beliefs=doubts), bootstrap=0)
        assert [{e.source, e.target} for e in cd.discover(telemetry, name, bootstrap=0).graph.edges] == [{"a", "b"}, {"a", "c"}]
        assert [{e.source, e.target} for e in kept.graph.edges] == [{"a", "b"}]


def test_tables_know_beliefs() -> None:
    rng = np.random.default_rng(3)
    a = rng.integers(0, 3, 300)
    b = np.where(rng.random(300) < 0.19, a, rng.integers(0, 3, 300))
    telemetry = cd.Telemetry(np.column_stack([a, b]).astype(float), ["a", "b"])
    plain = cd.discover(telemetry, "pc", bootstrap=0, alpha=0.001)
    moved = cd.discover(telemetry, "pc", bootstrap=0, alpha=0.001, prior=cd.ExpertPrior(beliefs=[belief("b", "a", 0.95)]))
    assert plain.report["test"] == "chi2" and not plain.graph.edges
    assert [(e.source, e.target, e.evidence) for e in moved.graph.edges] == [("b", "a", ("belief",))]


@pytest.mark.parametrize(("name", "source"), SEARCHES.items())
def test_hard_clauses_come_first(name: str, source: str) -> None:
    told = data(source, 150)
    names = told.telemetry.names
    forbidden, required = [(names[0], "*")], [(names[1], names[2])]
    beliefs = [belief(names[0], names[3], 0.99), belief(names[2], names[1], 0.99), belief(names[1], names[2], 0.01)]
    kept = found(name, told, beliefs, forbidden=forbidden, required=required)
    assert kept.certificate.ok
    status = [(v.status, v.why) for v in kept.certificate if v.kind == "beliefs"]
    assert status[0] == ("overridden", "the hard clauses forbid it") and status[2][0] == "overridden"


def test_missing_values_and_near_duplicates() -> None:
    told = data("sem", 200)
    values = np.array(told.telemetry.values)
    values[::7, 1] = np.nan
    doubled = cd.Telemetry(np.column_stack([values, values[:, 0]]), [*told.telemetry.names, "twin"])
    true = [belief(e.source, e.target, 0.99) for e in told.truth.edges]
    for name in ("pc", "ges"):
        moved = cd.discover(doubled, name, prior=cd.ExpertPrior(beliefs=[*true, belief("twin", "*", 0.6)]), bootstrap=0)
        assert moved.certificate.ok and len(moved.report["beliefs"]) == len(true) + 1
        recall = Directed()(moved.graph, told.truth.replace(variables=[*told.truth.variables, "twin"]), None)["directed_recall"]
        assert recall > 0.7


# -- what is told ----------------------------------------------------------------------------------------------------


def weak_chain() -> cd.Telemetry:
    rng = np.random.default_rng(14)
    a = rng.normal(size=120)
    b = a + 0.7 * rng.normal(size=120)
    return cd.Telemetry(np.column_stack([a, b, 0.12 * b + rng.normal(size=120)]), ["a", "b", "c"])


@pytest.mark.parametrize("name", ["pc", "ges", "pcmci_plus"])
def test_evidence_and_account(name: str) -> None:
    lag: dict[str, Any] = {"max_lag": 1} if name == "pcmci_plus" else {}
    prior = cd.ExpertPrior(beliefs=[belief("a", "b", 0.9), belief("b", "c", 0.99), belief("c", "a", 0.8)])
    moved = cd.discover(weak_chain(), name, prior=prior, bootstrap=0, **lag)
    edges = {(e.source, e.target): e for e in moved.graph.edges if e.lag == 0}
    assert edges["a", "b"].evidence == ("data", "belief") and edges["b", "c"].evidence == ("belief",)
    first, second, third = moved.report["beliefs"]
    assert first["edge"] == "directed" and first["in_graph_without"] and first["z2"] > first["plain_bar"]
    assert second["in_graph"] and not second["in_graph_without"] and second["edges_moved"] >= 1
    assert second["bar"] < second["z2"] < second["plain_bar"] and second["p_value"] > 0.01
    assert not third["in_graph"] and third["left_out"] == "this"
    verdicts = {v.clause: v for v in moved.certificate}
    assert verdicts["b -> c"].status == "kept" and verdicts["b -> c"].why == "without this belief: absent"
    assert verdicts["c -> a"].status == "overridden" and "do not show it (p = " in verdicts["c -> a"].why


def test_many_beliefs_are_left_out_together() -> None:
    told = data("sem", 100)
    names = told.telemetry.names
    many = [belief(a, b, 0.6) for a in names for b in names if a != b][:51]
    entries = found("pc", told, many).report["beliefs"]
    assert {e["left_out"] for e in entries} == {"all"} and len({e["edges_moved"] for e in entries}) == 1


def test_constant_columns_and_empty_globs() -> None:
    values = np.column_stack([weak_chain().values, np.ones(120)])
    telemetry = cd.Telemetry(values, ["a", "b", "c", "flat"])
    prior = cd.ExpertPrior(beliefs=[belief("flat", "a", 0.9), belief("zz*", "a", 0.9), belief("a", "*", 0.7)])
    moved = cd.discover(telemetry, "pc", prior=prior, bootstrap=0)
    flat, none, several = moved.certificate
    assert flat.status == "overridden" and (none.status, none.why) == ("kept", "matches no pair of variables")
    assert several.why.startswith("found for") and several.status == "overridden"
    assert not any("flat" in (e.source, e.target) for e in moved.graph.edges)


@pytest.mark.parametrize("name", algorithms.names())
def test_who_uses_beliefs_says_so(name: str) -> None:
    plugin = algorithms.get(name)
    if not plugin.uses_beliefs:
        return
    moved = cd.discover(weak_chain(), name, prior=cd.ExpertPrior(beliefs=[belief("a", "b", 0.9)]))
    assert len(moved.report["beliefs"]) == 1 and "not used" not in "".join(v.why for v in moved.certificate)


@pytest.mark.parametrize("name", ["empty", "correlation"])
def test_who_does_not_use_beliefs_says_so_too(name: str) -> None:
    moved = cd.discover(weak_chain(), name, prior=cd.ExpertPrior(beliefs=[belief("a", "b", 0.9)]))
    (verdict,) = moved.certificate
    assert verdict.status == "overridden" and verdict.why.startswith("not used") and "beliefs" not in moved.report
