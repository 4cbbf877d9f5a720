"""Every algorithm, found by discovery, keeps what the protocol promises; nothing here is skipped for any of them."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from algorithm_cases import (
    CALLS,
    CASES,
    NAMES,
    VARIABLES,
    arrows,
    base,
    breaches,
    directed,
    fields_of,
    has_cycle,
    lags_of,
    settings,
    shape_of,
    telemetry,
    with_calls,
)

import causaldisc as cd
from causaldisc.core.certificate import certify
from causaldisc.core.constraints import Constraints
from causaldisc.core.discovery import Discovery
from causaldisc.core.errors import InputError, PriorError, PriorUnsupportedError
from causaldisc.core.graph import GRAPH_KINDS
from causaldisc.core.graph_json import to_json
from causaldisc.core.parameters import values_of
from causaldisc.core.plugins import Algorithm, algorithms

CONFIGS = Path(__file__).parents[2] / "configs" / "algorithm"
OURS = [name for name in NAMES if algorithms.origin(name) == "causaldisc"]
# The project's own algorithms that always obey; what they promise beyond the protocol is asserted of them alone.
STURDY = [name for name in ("pc", "ges", "pcmci", "pcmci_plus", "gnn") if name in NAMES]


def sound(found: Discovery, names: list[str]) -> None:
    """A graph over all columns in their order, acyclic at lag 0, and scores of the right shape."""
    assert found.graph.names == tuple(names) and not has_cycle(found.graph)
    n = len(names)
    assert found.scores.shape == (n, n, found.graph.max_lag + 1) and not np.isinf(found.scores).any()
    assert all(0 <= e.lag <= found.graph.max_lag and (e.lag or e.source != e.target) for e in found.graph.edges)
    assert found.certificate.ok


def attempt(frame: pd.DataFrame, name: str, lag: int, **clauses: object) -> Discovery | None:
    """Run on awkward data: a sound answer, or (None) an error of one line that says what is wrong."""
    try:
        found = cd.discover(frame, name, prior=with_calls(name, **clauses), seed=1, **settings(name, lag))
    except InputError as error:
        assert len(str(error)) > 20 and "\n" not in str(error)
        return None
    sound(found, list(frame.columns))
    return found


def frame_of(values: np.ndarray, names: tuple[str, ...] = VARIABLES) -> pd.DataFrame:
    return pd.DataFrame(np.asarray(values, dtype=float), columns=list(names[: np.shape(values)[1]]))


# -- the class -------------------------------------------------------------------------------------------------------


def test_the_controls_and_the_first_algorithms_are_found() -> None:
    assert {"call_graph", "complete", "correlation", "empty", "gnn", "pc", "random", "tournament"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_class_is_a_frozen_dataclass_named_like_its_module(name: str) -> None:
    cls = algorithms.get(name)
    assert issubclass(cls, Algorithm) and cls.name == name and cls.summary and "\n" not in cls.summary
    with pytest.raises(dataclasses.FrozenInstanceError):
        cls().anything = 1  # type: ignore[attr-defined]
    assert all(f.metadata.get("help") for f in fields_of(name).values()), "every parameter needs a help text"


@pytest.mark.parametrize("name", NAMES)
def test_unknown_parameter_is_refused_with_the_nearest_name(name: str) -> None:
    near = next(iter(fields_of(name)), None)
    with pytest.raises(InputError, match=f"did you mean {near}" if near else "valid:"):
        cd.discover(telemetry(), name, **{f"{near or 'alpha'}x": 1})


@pytest.mark.parametrize("name", OURS)
def test_configuration_equals_the_defaults(name: str) -> None:
    path, want = CONFIGS / f"{name}.yaml", {"name": name, **values_of(algorithms.get(name)())}
    assert path.exists(), f"missing {path.relative_to(CONFIGS.parents[1])}; it must hold: {want}"
    got = yaml.safe_load(path.read_text(encoding="utf-8"))
    lists = {k: list(v) if isinstance(v, tuple) else v for k, v in want.items()}
    missing, extra = sorted(set(lists) - set(got)), sorted(set(got) - set(lists))
    other = {k: f"{got[k]!r} instead of {lists[k]!r}" for k in set(lists) & set(got) if got[k] != lists[k]}
    assert not (missing or extra or other), f"{path.name}: missing {missing}, unknown {extra}, different {other}"


def test_every_configuration_has_its_algorithm() -> None:
    assert sorted(p.stem for p in CONFIGS.glob("*.yaml")) == OURS


# -- the plain run ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_graph_of_the_declared_kind(name: str, lag: int) -> None:
    found, kind = base(name, lag), algorithms.build(name, settings(name, lag)).kind
    sound(found, list(VARIABLES))
    # A CPDAG found under a prior is an MPDAG.
    assert kind in GRAPH_KINDS and found.graph.kind in ({kind, "mpdag"} if kind == "cpdag" else {kind})
    assert found.graph.max_lag == lag and (lag == 0 or found.graph.kind == "lagged")
    assert found.graph.provenance["algorithm"] == name and json.dumps(dict(found.report))


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_scores_are_finite_where_allowed_and_nan_elsewhere(name: str, lag: int) -> None:
    names, prior = list(VARIABLES), with_calls(name)
    allowed = Constraints.of(prior, names, lag).allowed
    assert np.array_equal(np.isfinite(base(name, lag).scores), allowed)
    if "forbidden" in algorithms.get(name).clauses:
        prior = with_calls(name, forbidden=[(VARIABLES[1], VARIABLES[4]), (VARIABLES[0], VARIABLES[2])])
        found = cd.discover(telemetry(), name, prior=prior, **settings(name, lag))
        assert np.array_equal(np.isfinite(found.scores), Constraints.of(prior, names, lag).allowed)


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_same_seed_same_bits(name: str, lag: int) -> None:
    first = base(name, lag)
    again = cd.discover(telemetry(), name, prior=with_calls(name), seed=1, **settings(name, lag))
    assert json.dumps(to_json(first.graph)) == json.dumps(to_json(again.graph))
    assert first.scores.tobytes() == again.scores.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_input_stays_and_stdout_stays_silent(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    frame = frame_of(np.array(telemetry().values))
    frame.iloc[3, 2] = np.nan
    kept = frame.copy(deep=True)
    np.random.seed(7)
    state = np.random.get_state()[1].tobytes()  # type: ignore[union-attr]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        attempt(frame, name, lags_of(name)[-1])
    pd.testing.assert_frame_equal(frame, kept)
    assert capfd.readouterr().out == ""
    if not name.startswith(("causallearn_", "tigramite_")):
        assert np.random.get_state()[1].tobytes() == state  # type: ignore[union-attr]


@pytest.mark.parametrize(("name", "lag"), [case for case in CASES if algorithms.get(case[0]).equivariant])
def test_permuting_and_renaming_columns_changes_names_alone(name: str, lag: int) -> None:
    order = np.random.default_rng(3).permutation(len(VARIABLES))
    prior, first = with_calls(name), base(name, lag)
    names = VARIABLES if prior.calls else tuple(f"v{k}" for k in range(len(VARIABLES)))
    moved = cd.Telemetry(telemetry().values[:, order], [names[k] for k in order])
    other = cd.discover(moved, name, prior=prior, seed=1, **settings(name, lag))
    back = dict(zip(names, VARIABLES, strict=True))
    same = {v: v for v in VARIABLES}
    assert shape_of(other.graph, back) == shape_of(first.graph, same)
    np.testing.assert_allclose(other.scores, first.scores[np.ix_(order, order)], rtol=1e-6, atol=1e-9)


# -- the prior -------------------------------------------------------------------------------------------------------

A, B, C, D, E, F = VARIABLES
CLAUSES: dict[str, dict] = {
    # Along and against the data, and one between variables that have nothing to do with each other.
    "required": {"required": [(A, C), (E, D), (F, E)]},
    "forbidden": {"forbidden": [(A, C), (D, E), (E, D), {"source": E, "target": B, "lag": 1}]},
    "tiers": {"tiers": [[F], [E], [D, C]]},
    "roots": {"roots": [D, E]},
    "leaves": {"leaves": [A, E]},
    "max_lag": {"max_lag": 1},
    "calls": {"calls": CALLS},
}
TOGETHER = {
    "required": [(A, C), {"source": E, "target": B, "lag": [0, 1]}],
    "forbidden": [(D, E), (C, B)],
    "tiers": [[A, C], [D], [E, B]],
    "roots": [A],
    "leaves": [B],
    "max_lag": 1,
}


def obeyed(name: str, lag: int, clauses: dict, data: cd.Telemetry) -> None:
    """Run under a prior: every clause that the algorithm promises is kept, one that it does not is refused by name."""
    prior = cd.ExpertPrior(**clauses)
    unable = set(prior.clause_kinds) - algorithms.get(name).clauses
    limits = Constraints.of(prior, data.names, lag)
    if unable:
        with pytest.raises(PriorUnsupportedError, match=name):
            cd.discover(data, name, prior=prior, **settings(name, lag))
        return
    found = cd.discover(data, name, prior=prior, seed=2, **settings(name, lag))
    assert breaches(found.graph, prior) == [] and not has_cycle(found.graph)
    again = certify(found.graph, limits)
    assert again.to_dict() == found.certificate.to_dict() and again.ok
    assert {v.status for v in found.certificate if v.kind in clauses} <= {"kept"}
    assert np.array_equal(np.isfinite(found.scores), limits.allowed)
    if prior.calls:
        assert all(call_allows(a, b, at) for a, b, at in arrows(found.graph))


def call_allows(a: str, b: str, lag: int) -> bool:
    """The call rules for the six variables, written out anew."""
    (s, m), (t, k) = a.split(":"), b.split(":")
    if s == t:
        return lag > 0 or (m, k) in {("traffic", "latency"), ("traffic", "cpu"), ("cpu", "latency")}
    return ((s, t) in CALLS and m == k == "traffic") or ((t, s) in CALLS and m == k == "latency")


@pytest.mark.parametrize("kind", CLAUSES)
@pytest.mark.parametrize(("name", "lag"), CASES)
def test_every_clause_is_obeyed_or_refused(name: str, lag: int, kind: str) -> None:
    clauses = dict(CLAUSES[kind])
    if with_calls(name).calls and kind != "calls":
        # Under the call rules only some of these edges may be asked for.
        clauses["calls"] = CALLS
        if kind == "required":
            clauses["required"] = [(A, C), (F, E)]
    obeyed(name, lag, clauses, telemetry())


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_clauses_are_obeyed_together(name: str, lag: int) -> None:
    obeyed(name, lag, {**TOGETHER, **({"calls": CALLS} if with_calls(name).calls else {})}, telemetry())


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_random_priors_are_obeyed(name: str, lag: int) -> None:
    """Priors drawn at random over strongly dependent data; those that contradict themselves are drawn anew."""
    rng, tried = np.random.default_rng([len(name), lag]), 0
    data = telemetry(rows=60)
    while tried < 6:
        clauses = random_clauses(rng, lag)
        try:
            Constraints.of(cd.ExpertPrior(**clauses), data.names, lag)
        except PriorError:
            continue
        tried += 1
        if with_calls(name).calls:
            clauses = {"forbidden": clauses["forbidden"], "calls": CALLS}
        obeyed(name, lag, clauses, data)


def random_clauses(rng: np.random.Generator, lag: int) -> dict:
    def edges(count: int) -> list[dict]:
        drawn = []
        for _ in range(count):
            a, b = rng.choice(VARIABLES, 2, replace=False)
            low = int(rng.integers(lag + 1))
            window = None if rng.random() < 0.5 else [low, int(rng.integers(low, lag + 1))]
            drawn.append({"source": str(a), "target": str(b), "lag": window})
        return drawn

    names = [str(v) for v in rng.permutation(VARIABLES)]
    clauses: dict = {"required": edges(int(rng.integers(0, 6))), "forbidden": edges(int(rng.integers(1, 8)))}
    if rng.random() < 0.4:
        clauses["tiers"] = [names[:2], names[2:4]]
    if rng.random() < 0.3:
        clauses["roots"] = [names[0]]
    if rng.random() < 0.3:
        clauses["leaves"] = [names[5]]
    return clauses


@pytest.mark.parametrize("name", NAMES)
def test_certificate_names_what_a_graph_breaks(name: str) -> None:
    """The certificate of a run is about its graph: turned against the same graph, the clauses are found violated."""
    lag = lags_of(name)[-1]
    graph = base(name, lag).graph
    wrong = sorted({(a, b) for a, b, _ in arrows(graph) if a != b})[:3]
    missing = [
        (a, b) for a in VARIABLES for b in VARIABLES if a < b and not any({a, b} == {e.source, e.target} for e in graph.edges)
    ]
    for clauses in ({"forbidden": wrong}, {"required": missing[:1]}):
        limits = Constraints.of(cd.ExpertPrior(**clauses), VARIABLES, lag)
        assert {v.status for v in certify(graph, limits)} <= {"violated"}


# -- awkward data ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_constant_column_stays_isolated(name: str, lag: int) -> None:
    values = np.array(telemetry().values)
    values[:, 3] = 4.2
    found = attempt(frame_of(values), name, lag)
    assert found is not None, "a constant column is set aside before the algorithm runs: no reason to refuse"
    assert found.report["constant_columns"] == [VARIABLES[3]]
    assert all(VARIABLES[3] not in (e.source, e.target) for e in found.graph.edges)
    assert np.isnan(found.scores[3]).all() and np.isnan(found.scores[:, 3]).all()


@pytest.mark.parametrize(("name", "lag"), [case for case in CASES if "required" in algorithms.get(case[0]).clauses])
def test_required_edges_through_a_constant_column(name: str, lag: int) -> None:
    values = np.array(telemetry().values)
    values[:, 3] = 4.2
    chain = [(C, D), (D, E)] if with_calls(name).calls else [(E, D), (D, F)]
    found = attempt(frame_of(values), name, lag, required=chain)
    assert found is not None and set(chain) <= {(a, b) for a, b, _ in directed(found.graph)}


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_missing_values(name: str, lag: int) -> None:
    values = np.array(telemetry().values)
    values[np.random.default_rng(0).random(values.shape) < 0.1] = np.nan
    assert attempt(frame_of(values), name, lag) is not None or name not in STURDY


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_duplicate_column(name: str, lag: int) -> None:
    values = np.column_stack([telemetry().values, telemetry().values[:, 0]])
    found = attempt(frame_of(values, (*VARIABLES, "shop:requests")), name, lag)
    assert found is not None or name not in STURDY


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_fewer_rows_than_columns(name: str, lag: int) -> None:
    values = np.random.default_rng(0).normal(size=(20, 24))
    names = tuple(f"shop:m{k}" for k in range(24))
    found = attempt(frame_of(values, names), name, lag)
    assert found is not None or name not in STURDY


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_one_column(name: str, lag: int) -> None:
    found = attempt(frame_of(telemetry().values[:, :1]), name, lag)
    if found is not None:
        assert all(e.lag > 0 for e in found.graph.edges)
    assert found is not None or name not in STURDY


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_all_columns_constant(name: str, lag: int) -> None:
    found = attempt(frame_of(np.ones((30, 3))), name, lag)
    assert found is not None and found.graph.edges == ()


@pytest.mark.parametrize("rows", [2, 3, 6])
@pytest.mark.parametrize(("name", "lag"), CASES)
def test_hardly_any_rows(name: str, lag: int, rows: int) -> None:
    found = attempt(frame_of(telemetry().values[:rows]), name, lag)
    assert found is None or found.certificate.ok


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_and_no_columns_are_refused(name: str) -> None:
    for empty in (frame_of(np.empty((0, 3))), pd.DataFrame(index=range(5))):
        with pytest.raises(InputError):
            cd.discover(empty, name)


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_scale_and_offset(name: str, lag: int) -> None:
    """Bytes and seconds side by side: units may not break a run."""
    values = np.array(telemetry().values) * np.array([1e9, 1e-9, 1.0, 1e3, 1e-3, 1.0]) + np.array([1e10, 0, 5, 0, 1, -3])
    found = attempt(frame_of(values), name, lag)
    assert found is not None


@pytest.mark.parametrize(("name", "lag"), CASES)
def test_environments(name: str, lag: int) -> None:
    parts = [frame_of(telemetry(seed).values + 5 * seed) for seed in (0, 1)]
    try:
        found = cd.discover(parts, name, prior=with_calls(name), **settings(name, lag))
    except InputError as error:
        assert name not in STURDY and "\n" not in str(error)
        return
    sound(found, list(VARIABLES))


@pytest.mark.parametrize("name", [n for n in NAMES if "deadline_s" in fields_of(n)])
def test_deadline_cuts_the_run_and_keeps_the_prior(name: str) -> None:
    clauses = {"required": [(E, D), (F, E)], "forbidden": [(A, C)], "leaves": [B]}
    prior = cd.ExpertPrior(**{kind: of for kind, of in clauses.items() if kind in algorithms.get(name).clauses})
    assert len(prior.clause_kinds) > 1
    found = cd.discover(telemetry(), name, prior=prior, deadline_s=0.0)
    assert found.report["truncated"] is True and breaches(found.graph, prior) == [] and found.certificate.ok
    assert cd.discover(telemetry(), name, prior=prior, deadline_s=600.0, **settings(name)).report["truncated"] is False


@pytest.mark.parametrize("name", [n for n in NAMES if "device" in fields_of(n)])
def test_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"device.*valid: .*cpu"):
        cd.discover(telemetry(), name, device="abacus", **settings(name))
