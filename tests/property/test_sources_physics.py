"""The simulators' physics against their declared truth: what is moved, what is not, and how far."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.core.graph import CausalGraph
from causaldisc.core.intervention import Intervention
from causaldisc.sources._equations import Effect, solve
from causaldisc.sources._mesh_equations import waiting
from causaldisc.sources._mesh_faults import FAULTS
from causaldisc.sources._simulated import SimulatedSystem
from causaldisc.sources.mesh import Mesh, MeshSystem
from causaldisc.sources.sem import Sem
from causaldisc.sources.var import Var, spectral_radius

SEEDS = st.integers(0, 10_000)
SYSTEMS = st.sampled_from(
    [
        Mesh(n_services=5, duration_s=900, trials=0),
        Mesh(n_services=6, duration_s=900, trials=0, memory=True, asynchronous=0.4, missing=0.1),
        *(Sem(n_variables=8, n_samples=60, mechanism=m) for m in ("linear", "tanh", "quadratic", "mlp")),
        *(Var(n_variables=6, n_samples=60, mechanism=m) for m in ("linear", "tanh", "quadratic")),
    ]
)


def moved_by(system: SimulatedSystem, plan: Intervention, run: int) -> tuple[set[str], np.ndarray]:
    """Names of the variables of which any bit differs between the run with and the one without, and the rows."""
    free, treated = system.trial([], run), system.trial([plan], run)
    differs = (free.values != treated.values) & ~free.missing
    assert np.array_equal(free.missing, treated.missing)
    return {n for n, d in zip(free.names, differs.any(axis=0), strict=True) if d}, np.flatnonzero(differs.any(axis=1))


def with_descendants(truth: CausalGraph, names: set[str]) -> set[str]:
    graph = nx.DiGraph(truth.to_networkx())
    return names.union(*(nx.descendants(graph, n) for n in names))


@given(SYSTEMS, SEEDS, st.integers(0, 10_000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_set_moves_exactly_the_variable_and_its_descendants(source: Any, seed: int, pick: int, up: bool) -> None:
    system = source.system(seed)
    free = system.trial([], 1)
    k = pick % len(free.names)
    variable, level = free.variables[k], free.values[:, k]
    value = float(np.nanmean(level) + (0.7 if up else -0.4) * np.nanstd(level))
    start, stop = 20 * system.step_s, 50 * system.step_s
    plan = Intervention(variable.service, "set", max(value, 0.0) if source.name == "mesh" else value, start, stop, variable.name)
    names, rows = moved_by(system, plan, 1)
    assert names == with_descendants(system.truth, {variable.name})
    assert rows.min() >= 20 and (rows.min() == 20 or source.missing)  # a lost cell shows nothing


@given(SEEDS, st.sampled_from(sorted(FAULTS)), st.integers(0, 4), st.floats(0.2, 0.6))
@settings(max_examples=50, deadline=None)
def test_faults_move_exactly_what_hangs_on_what_they_touch(seed: int, kind: str, pick: int, magnitude: float) -> None:
    system = Mesh(n_services=5, duration_s=900, trials=0, memory=True).system(seed)
    target = system.topology.services[pick].name
    touched = {f"{target}:{metric}" for metric in FAULTS[kind].touches(magnitude)}
    names, rows = moved_by(system, Intervention(target, kind, magnitude, 300, 600), 0)
    assert names == with_descendants(system.truth, touched)
    assert 20 <= rows.min() <= 21


def equations_moved(system: MeshSystem, noise: np.ndarray, base: np.ndarray, source: int, lag: int, at: int) -> set[int]:
    """The variables whose value at row ``at`` reads ``source`` at ``at - lag``, everything else held at its usual course."""
    names = [e.variable.name for e in system.equations]
    rows = len(noise)
    none = Effect.none(rows)
    held = {name: Effect(none.gain, none.offset, base[:, k].copy()) for k, name in enumerate(names)}
    held[names[source]].held[at - lag] *= 0.9
    found = set()
    for k, name in enumerate(names):
        if k == source and lag == 0:
            continue
        usual = held[name].held[at]
        held[name].held[at] = np.nan
        found |= {k} if solve(system.equations, noise, held)[at, k] != base[at, k] else set()
        held[name].held[at] = usual
    return found


def test_truth_is_what_the_equations_read() -> None:
    """Each variable is moved alone at one time, all others held: exactly the declared children at that lag answer."""
    lags_seen = set()
    for seed in (1, 2):
        system = Mesh(n_services=4, duration_s=900, trials=0, memory=True, asynchronous=0.5).system(seed)
        noise = np.random.default_rng(seed).standard_normal((60 + system.n_rows, len(system.equations)))
        base = solve(system.equations, noise, {})
        names = [e.variable.name for e in system.equations]
        declared = {(e.source, e.target, e.lag) for e in system.truth.edges}
        lags_seen |= {e.lag for e in system.truth.edges if e.source != e.target}
        read = {
            (names[source], names[k], lag)
            for source in range(len(names))
            for lag in range(4)
            for k in equations_moved(system, noise, base, source, lag, at=40)
        }
        assert read == declared
    assert lags_seen == {0, 1, 2}


@given(st.floats(0.01, 0.96), st.floats(0.01, 0.96), st.sampled_from([1.0, 2.0, 4.0]))
def test_waiting_rises_with_use_and_falls_with_workers(u: float, v: float, workers: float) -> None:
    low, high = sorted((u, v))
    assert 0 <= waiting(np.array(low), workers) <= waiting(np.array(high), workers)
    assert waiting(np.array(u), workers + 1) <= waiting(np.array(u), workers)


def test_waiting_of_one_worker_is_that_of_the_m_m_1_queue() -> None:
    use = np.array([0.0, 0.2, 0.5, 0.8])
    assert np.allclose(waiting(use, 1.0), use / (1 - use))
    assert waiting(np.array(5.0), 1.0) == waiting(np.array(0.97), 1.0)  # clamped, never infinite


@pytest.mark.parametrize("seed", range(3))
def test_latency_and_errors_rise_with_load(seed: int) -> None:
    def means(load: float) -> dict[str, float]:
        telemetry = Mesh(load=load, trials=0).system(seed).dataset().telemetry
        return dict(zip(telemetry.names, telemetry.values.mean(axis=0), strict=True))

    quiet, usual, busy = means(0.6), means(1.0), means(1.6)
    for name in quiet:
        if not name.endswith(":memory"):
            assert quiet[name] < usual[name] < busy[name], name


@pytest.mark.parametrize("seed", range(4))
def test_errors_and_latency_travel_to_the_callers_that_wait(seed: int) -> None:
    system = Mesh(trials=0).system(seed)
    leaf = next(s.name for s in reversed(system.topology.services) if any(c.waits for c in system.topology.callers_of(s.name)))
    for kind, metric in (("error", "errors"), ("latency", "latency")):
        free = system.trial([], 0)
        treated = system.trial([Intervention(leaf, kind, 0.5, 1800, 3600)], 0)
        inside = (free.times >= 1800 + 300) & (free.times < 3600)
        rise = dict(zip(free.names, (treated.values - free.values)[inside].mean(axis=0), strict=True))
        for call in system.topology.callers_of(leaf):
            gain = rise[f"{call.caller}:{metric}"]
            assert (
                gain > 0.05 * call.exposed * min(1, call.per_request) * (1 if metric == "errors" else 100) if call.waits else True
            )
        callees = [c.callee for c in system.topology.calls_of(leaf)]
        assert all(rise[f"{name}:{metric}"] == 0 for name in callees)
        assert rise[f"{leaf}:requests"] == 0


def test_a_killed_service_fails_and_sends_nothing_on() -> None:
    system = Mesh(trials=0, asynchronous=0.0).system(0)
    middle = next(s.name for s in system.topology.services[1:] if system.topology.calls_of(s.name))
    telemetry = system.trial([Intervention(middle, "kill", 1.0, 1800, 3600)], 0)
    inside = (telemetry.times >= 1800 + 300) & (telemetry.times < 3600)
    seen = dict(zip(telemetry.names, telemetry.values[inside].T, strict=True))
    assert (seen[f"{middle}:requests"] == 0).all() and (seen[f"{middle}:errors"] > 0.9).all()
    only = [c.callee for c in system.topology.calls_of(middle) if len(system.topology.callers_of(c.callee)) == 1]
    assert all((seen[f"{name}:requests"] == 0).all() for name in only)


def test_scrape_noise_does_not_feed_back() -> None:
    quiet, loud = (Mesh(scrape_noise=noise, trials=0).system(0) for noise in (0.0, 0.3))
    rng = np.random.default_rng
    assert np.array_equal(quiet.states((), rng(5)), loud.states((), rng(5)))
    ratio = np.log(loud.trial([], 0).values / quiet.trial([], 0).values)
    assert 0.25 < ratio[:, [v.role == "latency" for v in loud.truth.variables]].std() < 0.35


@pytest.mark.parametrize("seed", range(6))
def test_mesh_is_realistic(seed: int) -> None:
    data = Mesh(trials=0).system(seed).dataset()
    values = dict(zip(data.telemetry.names, data.telemetry.values.T, strict=True))
    assert 0.2 < data.notes["mean_cpu"] < 0.6
    assert 0.25 < data.notes["var_sortability"] < 0.75
    assert np.mean(values["frontend:errors"]) < 0.1
    for name, column in values.items():
        if name.endswith(":cpu") or name.endswith(":errors"):
            assert column.min() >= 0 and column.max() <= 1
        if name.endswith(":latency"):
            assert 3 < np.median(column) < 2000  # ms
    assert data.call_graph is not None
    assert nx.is_directed_acyclic_graph(data.call_graph)
    assert nx.descendants(data.call_graph, "frontend") == set(data.call_graph) - {"frontend"}
    assert list(data.call_graph.predecessors("frontend")) == []
    services = data.services
    traffic = {(e.source, e.target) for e in services["traffic"].edges}
    assert traffic == set(data.call_graph.edges)
    waits = {(b, a) for a, b, w in data.call_graph.edges(data="waits") if w}
    assert {(e.source, e.target) for e in services["latency"].edges} == waits
    assert {(e.source, e.target) for e in services["errors"].edges} == waits


@given(
    SEEDS,
    st.integers(1, 12),
    st.floats(0, 6),
    st.integers(1, 4),
    st.floats(0, 1),
    st.floats(0, 0.9),
    st.sampled_from(["linear", "tanh"]),
)
@settings(max_examples=30, deadline=None)
def test_var_is_stationary(seed: int, n: int, degree: float, lags: int, share: float, own: float, mechanism: str) -> None:
    source = Var(n, 50, lags, degree, mechanism, contemporaneous=share, autocorrelation=own, trials=0)
    system = source.system(seed)
    assert spectral_radius(system.own, system.weights) <= 0.9 + 1e-9
    assert np.abs(system.dataset().telemetry.values).max() < 15
    own_links = {e.source for e in system.truth.edges if e.source == e.target and e.lag == 1}
    assert own_links == (set(system.truth.names) if own > 0 else set())


def test_var_weights_regress_back() -> None:
    system = Var(n_variables=6, n_samples=40_000, degree=3, standardise=False, trials=0).system(3)
    x = system.dataset().telemetry.values
    lags = 3
    for j in range(6):
        read = [(int(i), int(lag)) for lag, i in zip(*np.nonzero(system.weights[:, :, j]), strict=True)] + [(j, 1)]
        design = np.column_stack([x[lags - lag : len(x) - lag, i] for i, lag in read])
        found = np.linalg.lstsq(design, x[lags:, j], rcond=None)[0]
        true = [system.weights[lag, i, j] for i, lag in read[:-1]] + [system.own[j]]
        assert np.allclose(found, true, atol=0.03)


def test_sem_weights_regress_back_in_the_units_of_the_data() -> None:
    data = Sem(n_variables=8, n_samples=40_000, degree=3, noise="laplace", trials=0).system(1).dataset()
    assert data.truth is not None
    x = data.telemetry.values
    assert np.allclose(x.mean(axis=0), 0, atol=0.1) and np.allclose(x.std(axis=0), 1, atol=0.1)
    for name in data.truth.names:
        edges = [e for e in data.truth.edges if e.target == name]
        found = np.linalg.lstsq(x[:, [data.truth.index[e.source] for e in edges]], x[:, data.truth.index[name]], rcond=None)[0]
        assert np.allclose(found, [e.strength for e in edges], atol=0.03)


@pytest.mark.parametrize("mechanism", ["tanh", "quadratic", "mlp"])
def test_bent_sem_edges_carry_information(mechanism: str) -> None:
    """The residual of each child around its parents (nearest neighbours among one parent's values) is smaller than the child."""
    data = Sem(n_variables=6, n_samples=4000, degree=1.5, mechanism=mechanism, trials=0).system(2).dataset()
    assert data.truth is not None and data.truth.edges
    x = data.telemetry.values
    single = [e for e in data.truth.edges if sum(f.target == e.target for f in data.truth.edges) == 1]
    assert single
    for edge in single:
        order = np.argsort(x[:, data.truth.index[edge.source]])
        child = x[order, data.truth.index[edge.target]]
        local = child.reshape(100, -1).mean(axis=1)  # mean within bins of the parent
        assert local.var() > 3 * child.var() / 40


def test_random_graphs_have_the_degree_asked_for() -> None:
    sem = [len(Sem(n_variables=20, n_samples=10, degree=3, trials=0).system(s).truth.edges) for s in range(60)]
    assert abs(np.mean(sem) - 30) < 4 * np.std(sem) / np.sqrt(60)
    counts = []
    for seed in range(60):
        truth = Var(n_variables=20, n_samples=10, degree=3, standardise=False, trials=0).system(seed).truth
        links = [e for e in truth.edges if e.source != e.target]
        counts.append((len(links), sum(e.lag == 0 for e in links)))
    links, instant = np.array(counts).T
    assert abs(links.mean() - 30) < 4 * links.std() / np.sqrt(60)
    assert abs(instant.mean() - 0.3 * 30) < 4 * instant.std() / np.sqrt(60)
