"""Intervention windows: which rows they cover, and that they stay over the same moments whatever is done to the rows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causaldisc.algorithms._gnn_panel import _set_from_outside
from causaldisc.core.errors import InputError
from causaldisc.core.intervention import Intervention
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.telemetry_file import read_telemetry, write_csv, write_parquet

KILL = Intervention("cart", "kill", start=2, stop=4)
SET = Intervention("cart", "set", 3.0, 1, 3, "cart:cpu")


def telemetry(rows=6, start=0.0, windows=(KILL,), environments=None, seed=0):
    values = np.random.default_rng(seed).normal(size=(rows, 2))
    return Telemetry(values, ["cart:cpu", "cart:latency"], start + np.arange(rows, dtype=float), environments, windows)


def covered(data):
    """The moments (values of the first column) that every window covers."""
    return [data.values[data.window_rows(w), 0].tolist() for w in data.windows]


def test_a_window_is_half_open_and_counts_from_the_first_time():
    data = telemetry(start=100.0)
    assert data.window_rows(KILL).tolist() == [False, False, True, True, False, False]
    assert data.window_rows(Intervention("cart", "kill")).all()
    fine = Telemetry(np.arange(4.0)[:, None], ["x"], 1.7e9 + 0.1 * np.arange(4), clock="utc")
    assert fine.window_rows(Intervention("x", "kill", start=0.1, stop=0.3)).tolist() == [False, True, True, False]


def test_concat_keeps_the_windows_of_every_part():
    parts = [telemetry(seed=0, windows=(KILL, SET)), telemetry(seed=1, windows=(SET,), start=50.0), telemetry(seed=2, windows=())]
    both = Telemetry.concat(parts)
    assert [(w.kind, w.environment) for w in both.windows] == [("kill", None), ("set", None), ("set", 1)]
    assert covered(both) == [*covered(parts[0]), *covered(parts[1])]
    again = Telemetry.concat([both, parts[1]])
    assert covered(again) == [*covered(both), *covered(parts[1])]
    assert [w.environment for w in again.windows] == [None, None, 1, 3]


def test_labels_that_do_not_ascend_go_with_their_windows():
    inner = Intervention("cart", "kill", start=0, stop=1, environment=3)
    first = telemetry(environments=[7, 7, 7, 3, 3, 3], windows=(Intervention("cart", "kill", start=1, stop=2), inner))
    both = Telemetry.concat([first, first])
    assert covered(both) == covered(first) * 2
    assert covered(first) == [[first.values[1, 0]], [first.values[3, 0]]]


def test_rows_before_a_window_may_go():
    data = telemetry()
    assert covered(data.rows(slice(1, None))) == covered(data)
    assert covered(data.rows(slice(3, None))) == [[data.values[3, 0]]]
    assert data.rows(slice(4, None)).windows == ()
    assert covered(data.rows(np.array([0, 2, 5]))) == [[data.values[2, 0]]]
    two = Telemetry.concat([data, telemetry(seed=1, windows=(SET,))])
    assert covered(two.rows(two.environments == 1)) == [covered(two)[1]]
    assert covered(two.rows(two.environments == 0)) == [covered(two)[0]]
    assert two.select([1]).windows == two.windows
    turned = two.rows(np.array([6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5]))
    assert covered(turned) == covered(two)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_any_selection_keeps_each_window_over_its_own_moments(seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.permutation(3), rng.integers(2, 6, size=3))
    spans = np.sort(rng.integers(0, 7, size=(4, 2)), axis=1)
    spans[:, 1] += 1
    windows = [
        Intervention("cart", "kill", start=float(a), stop=float(b), environment=None if k == 0 else int(rng.choice(labels)))
        for k, (a, b) in enumerate(spans)
    ]
    data = telemetry(len(labels), windows=windows, environments=labels, start=float(rng.normal()))
    kept = np.sort(rng.choice(len(labels), size=int(rng.integers(2, len(labels) + 1)), replace=False))
    fewer = data.rows(kept)
    before = [m for m in ([v for v in moments if v in fewer.values[:, 0]] for moments in covered(data)) if m]
    assert [m for m in covered(fewer) if m] == before


def test_files_give_the_windows_back(tmp_path):
    data = Telemetry.concat([telemetry(windows=(KILL, SET)), telemetry(seed=1, windows=(SET, Intervention("cart", "error")))])
    assert read_telemetry(write_parquet(data, tmp_path / "t.parquet")).windows == data.windows
    assert read_telemetry(write_csv(data, tmp_path / "t.csv")).windows == data.windows
    assert "environment" not in KILL.to_dict()
    assert Intervention.from_dict(data.windows[-1].to_dict()) == data.windows[-1]


def test_windows_belong_to_what_a_telemetry_is():
    plain, other = telemetry(windows=()), telemetry(windows=(SET,))
    assert len({plain.sha256, telemetry().sha256, other.sha256}) == 3
    assert other.sha256 == telemetry(windows=(SET,)).sha256


@pytest.mark.parametrize(("field", "message"), [({"environment": 4}, "got 4; valid: 0"), ({"environment": 1.5}, "whole number")])
def test_a_window_elsewhere_is_refused(field, message):
    with pytest.raises(InputError, match=message):
        telemetry(windows=(dataclasses.replace(KILL, **field),))


def test_a_variable_is_held_in_the_windows_of_all_environments():
    held = _set_from_outside(Telemetry.concat([telemetry(windows=(SET,)), telemetry(seed=1, windows=(SET,))]))
    assert held[:, 0].tolist() == [False, True, True, False, False, False] * 2
    assert not held[:, 1].any()
