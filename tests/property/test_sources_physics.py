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
from causaldisc.sources._simulated import SimulatedSystem
from causaldisc.sources.sem import Sem
from causaldisc.sources.var import Var, spectral_radius

SEEDS = st.integers(0, 10_000)
SYSTEMS = st.sampled_from(
    [
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
    plan = Intervention(variable.service, "set", value, start, stop, variable.name)
    names, rows = moved_by(system, plan, 1)
    assert names == with_descendants(system.truth, {variable.name})
    assert rows.min() >= 20 and (rows.min() == 20 or source.missing)  # a lost cell shows nothing


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
