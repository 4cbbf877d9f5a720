"""The graph neural network: its parts by hand, and what it finds where the truth is known."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import causaldisc as cd
from causaldisc.algorithms._gnn_fits import BENT, Fit, Fits, negentropy, orthonormal_basis
from causaldisc.algorithms._gnn_network import LaggedMessages, log_det
from causaldisc.algorithms._gnn_panel import Cells, Panel
from causaldisc.algorithms._gnn_search import benjamini_hochberg
from causaldisc.algorithms._gnn_training import Schedule, reproducible, train
from causaldisc.core.constraints import Constraints
from causaldisc.core.errors import InputError

FAST = {"steps": 150, "restarts": 3}


def system(kind: str, seed: int) -> cd.Dataset:
    source, mechanism = kind.split()
    return cd.simulate(source, seed=seed, n_variables=10, n_samples=600, mechanism=mechanism, trials=0)


# -- what it finds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sem linear", "sem tanh", "var linear", "var tanh"])
def test_finds_most_of_a_known_system_and_far_more_than_chance(kind: str) -> None:
    lag = 0 if kind.startswith("sem") else 3
    sets = [system(kind, seed) for seed in range(3)]
    found = [cd.score(cd.discover(d.telemetry, "gnn", seed=1, max_lag=lag, **FAST).graph, d.truth) for d in sets]
    chance = [cd.score(cd.discover(d.telemetry, "random", seed=1, max_lag=lag).graph, d.truth) for d in sets]
    assert np.mean([s["skeleton_f1"] for s in found]) > 0.85
    assert np.mean([s["directed_f1"] for s in found]) > 0.65
    assert min(f["directed_f1"] - c["directed_f1"] for f, c in zip(found, chance, strict=True)) > 0.15


def test_scores_rank_the_edges_of_the_truth_first() -> None:
    data = system("var linear", 1)
    found = cd.discover(data.telemetry, "gnn", **FAST)
    assert cd.score(found.graph, data.truth, found.scores)["auroc"] > 0.9


@pytest.mark.parametrize("lag", [0, 3])
def test_finds_almost_nothing_in_noise(lag: int) -> None:
    edges = 0
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(size=(300, 8))
        edges += len(cd.discover(cd.Telemetry(noise, [f"x{k}" for k in range(8)]), "gnn", max_lag=lag, **FAST).graph.edges)
    assert edges <= 1  # of 5 data sets, at a false discovery rate of 0.01


def test_edges_carry_signed_strength_and_p_value() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    b = np.roll(-0.8 * a, 1) + 0.5 * rng.normal(size=500)
    (edge,) = cd.discover(cd.Telemetry(np.column_stack([a, b]), ["a", "b"]), "gnn", **FAST).graph.edges
    assert (edge.source, edge.target, edge.lag) == ("a", "b", 1)
    assert edge.strength is not None and -1 < edge.strength < -0.7
    assert edge.p_value is not None and edge.p_value < 1e-10


def test_own_past_predicts_even_where_the_prior_forbids_to_report_it() -> None:
    rng = np.random.default_rng(0)
    x = np.zeros((600, 4))
    for t in range(1, 600):
        x[t] = 0.9 * x[t - 1] + rng.normal(size=4)
    data = cd.Telemetry(x, list("abcd"))
    prior = cd.ExpertPrior(forbidden=[(v, v) for v in "abcd"])
    assert cd.discover(data, "gnn", prior=prior, **FAST).graph.edges == ()
    assert {(e.source, e.target) for e in cd.discover(data, "gnn", **FAST).graph.edges} == {(v, v) for v in "abcd"}


def test_missing_values_cost_little() -> None:
    data = system("var linear", 1)
    values = np.array(data.telemetry.values)
    values[np.random.default_rng(0).random(values.shape) < 0.05] = np.nan
    found = cd.discover(cd.Telemetry(values, data.telemetry.names), "gnn", **FAST)
    assert cd.score(found.graph, data.truth)["directed_f1"] > 0.75


def test_rows_in_which_a_variable_is_set_do_not_speak_of_its_causes() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=600)
    b = 0.7 * a + 0.5 * rng.normal(size=600)
    b[300:] = -2 * a[300:]  # somebody sets b by looking at a
    window = cd.Intervention("b", "set", variable="b", start=300, stop=600)
    told = cd.Telemetry(np.column_stack([a, b]), ["a", "b"], windows=[window])
    panel = Panel.of(told, 0, np.random.default_rng(0))
    assert panel.known.sum(axis=1).tolist() == [600, 300]
    prior = cd.ExpertPrior(required=[("a", "b")])
    (edge,) = cd.discover(told, "gnn", max_lag=0, prior=prior, **FAST).graph.edges
    assert edge.strength is not None and edge.strength > 0


# -- manners ---------------------------------------------------------------------------------------------------------


def test_torch_is_left_as_it_was() -> None:
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.use_deterministic_algorithms(False)
    cd.discover(system("sem linear", 0).telemetry, "gnn", max_lag=0, steps=3)
    assert torch.equal(state, torch.get_rng_state()) and torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError), reproducible():
        assert torch.get_num_threads() == 1 and torch.are_deterministic_algorithms_enabled()
        raise RuntimeError
    assert torch.get_num_threads() == threads and not torch.are_deterministic_algorithms_enabled()


def test_nothing_is_written_to_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cd.discover(system("sem linear", 0).telemetry, "gnn", max_lag=0, steps=3)
    assert list(tmp_path.iterdir()) == []


def test_no_progress_bar_away_from_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    cd.discover(system("sem linear", 0).telemetry, "gnn", max_lag=0, steps=3)
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""


def test_a_progress_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    cd.discover(system("sem linear", 0).telemetry, "gnn", max_lag=0, steps=3)
    captured = capsys.readouterr()
    assert captured.out == "" and "gnn" in captured.err


def test_a_deadline_returns_a_graph_in_time() -> None:
    data = system("var linear", 0).telemetry
    started = time.monotonic()
    found = cd.discover(data, "gnn", steps=1_000_000, deadline_s=1.0)
    assert found.report["truncated"] and 0 < found.report["steps"] < 1_000_000 and time.monotonic() - started < 20
    assert not cd.discover(data, "gnn", steps=5, deadline_s=600.0).report["truncated"]


def test_too_few_windows_are_refused_with_what_would_help() -> None:
    short = [cd.Telemetry(np.random.default_rng(k).normal(size=(5, 2)), ["a", "b"]) for k in range(3)]
    with pytest.raises(InputError, match=r"at least 10 windows.*got 6; valid: more rows or a smaller max_lag"):
        cd.discover(short, "gnn", max_lag=3)
    assert cd.discover(short, "gnn", max_lag=0, **FAST).report["windows"] == 15


# -- the parts -------------------------------------------------------------------------------------------------------


def network(seed: int = 0) -> tuple[LaggedMessages, torch.Tensor]:
    open = np.random.default_rng(seed).random((6, 3)) < 0.6
    net = LaggedMessages(open, 3, 5, torch.Generator().manual_seed(seed), torch.device("cpu"))
    return net, net.channels(torch.randn(6, 40, generator=torch.Generator().manual_seed(1)))


def test_messages_one_by_one_and_in_one_product_agree() -> None:
    net, sent = network()
    assert torch.allclose(net(sent, fused=False), net(sent), atol=1e-5)


def test_closed_edges_send_nothing_and_gates_are_the_variance_of_messages() -> None:
    net, sent = network()
    weight = net.edge_weights()
    messages = torch.einsum("skr,nsk->snr", sent, weight)
    assert torch.allclose(net.gates(sent), messages.pow(2).mean(dim=2), atol=1e-6)
    assert (net.gates(sent)[net.mask.T == 0] == 0).all() and (net.gates(sent)[net.mask.T == 1] > 0).all()


def test_training_opens_no_cell_that_the_prior_closed() -> None:
    data = cd.Telemetry(np.random.default_rng(0).normal(size=(100, 3)).cumsum(axis=1), ["a", "b", "c"])
    prior = cd.ExpertPrior(forbidden=[("a", "b")], required=[("c", "b")])
    rng = np.random.default_rng(0)
    panel = Panel.of(data, 1, rng)
    cells = Cells.of(Constraints.of(prior, data.variables, 1), panel)
    trained = train(panel, cells, Schedule(20, 4, 0.03, 0.1, "cpu"), rng, lambda: False)
    assert (trained.gates[~cells.open] == 0).all() and (trained.gates[cells.pinned] > 0).all()
    assert not cells.open[[0, 3], 1].any() and cells.pinned.sum() == 1


@pytest.mark.parametrize("seed", range(10))
def test_log_det_is_zero_for_a_dag_and_positive_for_a_cycle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(6)
    weights = torch.tensor(np.triu(rng.random((6, 6)) * 3, k=1)[np.ix_(order, order)], dtype=torch.float64, requires_grad=True)
    value = log_det(weights)
    assert abs(float(value.detach())) < 1e-9
    value.backward()
    assert weights.grad is not None and torch.isfinite(weights.grad).all()
    cyclic = weights.detach() + weights.detach().T
    assert float(log_det(cyclic)) > 0.01


def chain(rows: int = 300, seed: int = 0) -> tuple[Panel, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    y = 0.8 * a + 0.5 * rng.normal(size=rows)
    values = np.column_stack([a, b, y])
    panel = Panel.of(cd.Telemetry(values, ["a", "b", "y"]), 0, rng)
    channels = np.stack([panel.sources, np.tanh(2 * panel.sources), panel.sources**2], axis=1)
    return panel, orthonormal_basis(channels - channels.mean(axis=2, keepdims=True))


def test_basis_is_orthonormal_with_the_source_first() -> None:
    panel, basis = chain()
    for source, columns in zip(panel.sources, basis, strict=True):
        np.testing.assert_allclose(columns.T @ columns, np.eye(1 + BENT), atol=1e-6)
        assert abs(np.corrcoef(source, columns[:, 0])[0, 1]) > 1 - 1e-9


def test_basis_of_a_source_of_two_values_has_no_bend() -> None:
    flag = np.repeat([-1.0, 1.0], 20)
    basis = orthonormal_basis(np.stack([flag, np.tanh(flag)])[None])
    assert (basis[0, :, 1:] == 0).all()


def test_fit_prefers_the_true_parent_and_says_whether_it_bends() -> None:
    panel, basis = chain()
    fits = Fits(basis, panel, ((), (), (0, 1)))
    by_parents = {p: fits.fit(2, frozenset(p)) for p in [(), (0,), (1,), (0, 1)]}
    assert max(by_parents.values(), key=lambda f: f.score).parents == (0,) and not by_parents[0,].bent
    left = fits.residual(2, by_parents[0,])
    assert abs(np.corrcoef(left, panel.sources[0])[0, 1]) < 1e-3


@pytest.mark.parametrize("shape", ["gaussian", "lognormal"])
def test_test_of_a_parent_is_conservative_and_has_power(shape: str) -> None:
    null, real = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        a, b, e = rng.normal(size=(3, 100)) if shape == "gaussian" else rng.lognormal(size=(3, 100))
        panel = Panel.of(cd.Telemetry(np.column_stack([a, b, a + e]), ["a", "b", "y"]), 0, rng)
        channels = np.stack([panel.sources, np.tanh(2 * panel.sources), panel.sources**2], axis=1)
        fits = Fits(orthonormal_basis(channels - channels.mean(axis=2, keepdims=True)), panel, ((), (), (0, 1)))
        for bent in (False, True):
            p, effect = fits.test(2, Fit(0.0, (0, 1), bent))
            real.append(p[0])
            null.append(p[1])
            assert effect[0] > 0
    assert np.mean(np.array(null) < 0.05) < 0.07 and np.mean(np.array(null) < 0.01) < 0.02
    assert np.median(real) < 1e-3


def test_benjamini_hochberg_agrees_with_scipy() -> None:
    from scipy.stats import false_discovery_control

    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.random(20) ** rng.integers(1, 6)
        level = benjamini_hochberg(p, 20, 0.1)
        assert ((p <= level) == (false_discovery_control(p) <= 0.1)).all()
    assert benjamini_hochberg(np.array([]), 5, 0.1) == -1.0


def test_negentropy_is_unmoved_by_scale_and_large_for_a_burst() -> None:
    x = np.random.default_rng(0).exponential(size=300)
    assert abs(negentropy(x - 1) - negentropy(7 * (x - 1))) < 1e-6
    assert negentropy(x - 1) > 20 and negentropy(np.zeros(10)) == 0.0 and negentropy(np.array([])) == 0.0
