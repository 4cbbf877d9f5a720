"""The store: content addresses, and records that survive what may happen to a file."""

import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causaldisc.core.errors import InputError
from causaldisc.core.outcome import Outcome
from causaldisc.runner.compose import Cell
from causaldisc.runner.execution import Summary
from causaldisc.runner.experiment import Result
from causaldisc.runner.report import report
from causaldisc.runner.store import Store, key_of
from causaldisc.runner.verify import differences

CONFIG = {
    "algorithm": {"name": "pc", "alpha": 0.01, "max_lag": 0},
    "source": {"name": "sem", "n_variables": 5},
    "prior": {"name": "file", "path": "a.yaml", "clauses": {"version": 1, "roots": ["x0"]}},
    "validation": {"name": "none"},
    "tracker": {"name": "mlflow"},
    "launcher": {"name": "basic"},
    "seed": 0,
    "timeout_s": None,
    "memory_mb": None,
    "cache": "default",
    "picture": None,
}


def test_the_key_is_the_sha256_of_content_and_version(monkeypatch):
    monkeypatch.setattr("causaldisc.runner.store.code_of", lambda config: {"causaldisc": "1.2.3+abc"})
    config = {"seed": 0, "algorithm": {"name": "pc", "alpha": 0.1}}
    text = '{"algorithm":{"alpha":0.1,"name":"pc"},"code":{"causaldisc":"1.2.3+abc"},"seed":0}'
    assert key_of(config) == hashlib.sha256(text.encode()).hexdigest()
    before = key_of(CONFIG)
    monkeypatch.setattr("causaldisc.runner.store.code_of", lambda config: {"causaldisc": "1.2.3+abd"})
    assert key_of(CONFIG) != before


@pytest.mark.parametrize(
    "beside",
    [
        {"tracker": {"name": "none"}},
        {"launcher": {"name": "joblib", "n_jobs": 4}},
        {"cache": "ignore"},
        {"picture": True},
        {"shard": "1/2"},
    ],
)
def test_how_a_cell_is_run_is_no_part_of_its_key(beside):
    assert key_of({**CONFIG, **beside}) == key_of(CONFIG)
    assert key_of(dict(reversed(CONFIG.items()))) == key_of(CONFIG)
    moved = {**CONFIG["prior"], "path": "elsewhere.yaml"}
    assert key_of({**CONFIG, "prior": moved}) == key_of(CONFIG)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"timeout_s": 5.0},
        {"algorithm": {"name": "pc", "alpha": 0.05, "max_lag": 0}},
        {"source": {"name": "sem", "n_variables": 6}},
        {"prior": {"name": "file", "path": "a.yaml", "clauses": {"version": 1, "roots": ["x1"]}}},
        {"validation": {"name": "do", "budget": 3}},
    ],
)
def test_all_else_is(change):
    assert key_of({**CONFIG, **change}) != key_of(CONFIG)


values = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False), st.text('xy"\u00e9', max_size=3))


@given(st.dictionaries(st.sampled_from("abc"), values), st.dictionaries(st.sampled_from("abc"), values))
def test_keys_tell_parameters_apart(first, second):
    same = first.keys() == second.keys() and all(
        type(first[k]) is type(second[k]) and repr(first[k]) == repr(second[k]) for k in first
    )
    assert (key_of({"algorithm": first}) == key_of({"algorithm": second})) == same


def outcome(key="ab" * 32, status="ok", **fields):
    return Outcome(key, status, {"seed": 0}, metrics={"shd": 3.0, "sid": math.nan, "auroc": 0.1 + 0.2}, **fields)


def test_an_outcome_comes_back_bit_for_bit(tmp_path):
    store, kept = Store(tmp_path), outcome(seconds=0.1, graph={"nodes": []}, trials=({"target": "a"},))
    path = store.save(kept)
    assert path == tmp_path / kept.key / "outcome.json" and [p.name for p in path.parent.iterdir()] == ["outcome.json"]
    back = store.load(kept.key)
    assert back.metrics["auroc"] == 0.1 + 0.2 and math.isnan(back.metrics["sid"])
    assert differences(kept, back) == []
    assert (back.seconds, back.graph, back.trials) == (0.1, {"nodes": []}, ({"target": "a"},))


def test_a_broken_record_counts_as_none(tmp_path, caplog):
    store = Store(tmp_path)
    for key, text in (("a", "{"), ("b", "[]"), ("c", '{"key": "c", "status": "fine", "config": {}}')):
        (tmp_path / key).mkdir()
        (tmp_path / key / "outcome.json").write_text(text)
    store.save(outcome("d"))
    assert [store.load(k) for k in "abcx"] == [None] * 4
    assert [o.key for o in store] == ["d"] and len(caplog.records) >= 3


def test_a_key_is_found_by_its_beginning(tmp_path):
    store = Store(tmp_path)
    for key in ("aa1", "aa2", "b"):
        store.save(outcome(key))
    assert store.find("b").key == "b" and store.find("aa1").key == "aa1"
    for beginning in ("aa", "", "c"):
        with pytest.raises(InputError, match="key must name one outcome"):
            store.find(beginning)


def test_differences_name_what_differs():
    edges = [{"source": "a", "target": "b", "strength": 0.5}]
    graph = {
        "graph": {"kind": "dag", "max_lag": 0, "step_seconds": 1.0, "provenance": {"versions": {"x": "1"}}},
        "nodes": [],
        "edges": edges,
    }
    other = {**graph, "graph": {**graph["graph"], "provenance": {}}, "edges": [dict(edges[0])]}
    a = Outcome("k", "ok", {}, {"shd": 3.0, "sid": math.nan}, graph=graph, seconds=1.0)
    assert differences(a, Outcome("k", "ok", {}, {"shd": 3.0, "sid": math.nan}, graph=other, seconds=2.0)) == []
    other["edges"] = [{**edges[0], "strength": 0.5000000000000001}]
    b = Outcome("k", "ok", {}, {"shd": 3.0, "sid": 1.0}, graph=other)
    assert differences(a, b) == ["metrics.sid: stored nan, now 1.0", "graph.edges: 1 of 1 differ"]
    assert differences(a, Outcome("k", "timeout", {}))[0] == "status: stored 'ok', now 'timeout'"


def cell(algorithm, seed, **parameters):
    return Cell(
        (f"algorithm={algorithm}", f"seed={seed}"), {**CONFIG, "algorithm": {"name": algorithm, **parameters}, "seed": seed}
    )


def result_of(tmp_path, cells, outcomes, multirun):
    store = Store(tmp_path)
    for outcome in outcomes:
        store.save(outcome)
    return Result(tuple(cells), tuple(map(Summary.of, outcomes)), store, multirun)


def test_a_sweep_is_reported_by_row_with_intervals_and_failures_with_their_commands(tmp_path):
    cells = tuple(cell(a, s) for a in ("pc", "ges") for s in (0, 1, 2))
    figures = [0.4, 0.5, 0.6, 0.3, None, None]
    outcomes = tuple(
        Outcome(c.key, "crashed", c.config, error="ValueError: singular")
        if f is None
        else Outcome(c.key, "ok", c.config, {"directed_f1": f, "shd": math.nan})
        for c, f in zip(cells, figures, strict=True)
    )
    result = result_of(tmp_path, cells, outcomes, multirun=True)
    assert result.computed == 6
    lines = report(result).splitlines()
    # mean 0.5, standard deviation 0.1, n = 3: half width = 4.3027 * 0.1 / sqrt(3) = 0.248
    assert lines[0].split() == ["algorithm", "ok", "directed_f1", "shd"]
    assert lines[1].split() == ["pc", "3/3", "0.5", "±", "0.25", "-"]
    assert lines[2].split() == ["ges", "1/3", "0.3", "-"]
    assert "4 ok, 2 crashed" in report(result)
    assert "crashed: ValueError: singular" in report(result) and "causaldisc run algorithm=ges seed=1" in report(result)
    assert result.exit_status == 1 and result.complaint == ""


@pytest.mark.parametrize(
    ("status", "exit_status"), [("ok", 0), ("timeout", 1), ("prior_violated", 1), ("invalid_input", 2), ("skipped", 2)]
)
def test_a_single_run_ends_as_its_outcome_says(tmp_path, status, exit_status):
    one = cell("pc", 0)
    outcome = Outcome(one.key, status, one.config, error="" if status == "ok" else "why")
    result = result_of(tmp_path, [one], [outcome], multirun=False)
    assert result.exit_status == exit_status
    assert result.complaint == ("" if status == "ok" else f"{status}: why")
