"""Telemetry files: what is read, what survives a round trip, and how what is wrong is named."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from causaldisc.core import csv_table, telemetry_file
from causaldisc.core.errors import InputError
from causaldisc.core.intervention import Intervention
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.telemetry_file import read_table, read_telemetry, write_csv, write_parquet
from causaldisc.core.variables import Variable

WRITERS = ((write_parquet, "t.parquet"), (write_csv, "t.csv"))


def rich_telemetry() -> Telemetry:
    """Two environments, missing values, odd names, units, roles, a window."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(7, 4)) * 10.0 ** rng.integers(-300, 300, size=(7, 4))
    values[2, 1] = values[0, 3] = np.nan
    variables = [
        Variable.of("AWS::SSM:latency_p95", unit="s"),
        Variable.of('a "quoted", b\nline:x', role="saturation"),
        Variable.of(" blanks , größe/é:cpu "),
        Variable("plain", "some", "thing", "other", "1/s"),
    ]
    times = [1.7e9, 1.7e9 + 0.1, 1.7e9 + 15, 1.7e9 + 30, 1.6e9, 1.6e9 + 1, 1.6e9 + 2]
    window = Intervention("some", "set", 0.1 + 0.2, 1.0, 2.5, variable="plain")
    return Telemetry(values, variables, times, [4, 4, 4, 4, 1, 1, 1], [window, Intervention("x", "kill")], "utc")


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_round_trip_keeps_every_bit_and_every_fact(tmp_path, write, name):
    telemetry = rich_telemetry()
    write(telemetry, tmp_path / name)
    back = read_telemetry(tmp_path / name)
    assert back.sha256 == telemetry.sha256
    assert back.variables == telemetry.variables
    assert back.windows == telemetry.windows
    assert back.clock == telemetry.clock
    assert back.environments.tolist() == telemetry.environments.tolist()


@pytest.mark.parametrize(("write", "name"), WRITERS)
@settings(max_examples=25, deadline=None)
@given(
    cells=st.lists(
        st.tuples(st.floats(allow_infinity=False), st.floats(allow_infinity=False, allow_nan=False)), min_size=2, max_size=6
    ),
    names=st.lists(
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1).filter(
            lambda s: s.strip() and s.strip() != "time"
        ),
        min_size=2,
        max_size=2,
        unique=True,
    ),
)
@example(cells=[(0.0, 1.0), (-0.0, 5e-324)], names=["a\x85", "b\u2028c"])
def test_round_trip_of_any_number_and_name(tmp_path_factory, write, name, cells, names):
    if all(a != a for a, _ in cells):
        cells = [(0.0, cells[0][1]), *cells[1:]]
    telemetry = Telemetry(cells, names)
    path = tmp_path_factory.mktemp("t") / name
    write(telemetry, path)
    back = read_telemetry(path)
    assert back.names == telemetry.names
    assert back.sha256 == telemetry.sha256


def test_missing_values_are_null_for_other_readers(tmp_path):
    write_parquet(Telemetry([[1.0], [np.nan]], ["a"]), tmp_path / "t.parquet")
    assert pq.read_table(tmp_path / "t.parquet")["a"].null_count == 1
    assert pd.read_parquet(tmp_path / "t.parquet")["a"].isna().tolist() == [False, True]


def test_a_written_csv_is_read_by_pandas_as_it_is(tmp_path):
    telemetry = rich_telemetry()
    write_csv(telemetry, tmp_path / "t.csv")
    frame = pd.read_csv(tmp_path / "t.csv", index_col=0, float_precision="round_trip")
    assert list(frame.columns) == list(telemetry.names)
    assert np.array_equal(frame.to_numpy(), telemetry.values, equal_nan=True)


def test_iso_times_blank_cells_and_words_for_missing(tmp_path):
    (tmp_path / "t.csv").write_text(
        "\ufefftime, a, b\n2024-01-01T00:00:00Z,1,NaN\n2024-01-01T00:00:15+00:00,,2e3\n\n", encoding="utf-8"
    )
    read = read_telemetry(tmp_path / "t.csv")
    assert (read.names, read.clock, read.step_seconds, read.times[0]) == (("a", "b"), "utc", 15.0, 1704067200.0)
    assert np.isnan(read.values).tolist() == [[False, True], [True, False]]


def test_meta_yaml_beside_a_csv(tmp_path):
    (tmp_path / "t.csv").write_text("time,cart:load,x\n0,1,2\n15,2,1\n")
    (tmp_path / "t.meta.yaml").write_text(
        "variables: {'cart:load': {role: cpu, unit: cores}}\nwindows: [{target: cart, kind: kill, start: 1, stop: 9}]\n"
    )
    read = read_telemetry(tmp_path / "t.csv")
    assert (read.variables[0].role, read.variables[0].unit, read.variables[1].role) == ("cpu", "cores", "other")
    assert read.windows == (Intervention("cart", "kill", start=1, stop=9),)


PETSHOP = """microservice,A_AWS::SSM,A_AWS::SSM,b/c
metric,latency,requests,availability
statistic,p95,Sum,Average
unix_timestamp,,,
1692608400.0,0.25,,100.0
1692608700.0,0.5,3.0,
"""


def test_petshop_header(tmp_path):
    (tmp_path / "m.csv").write_text(PETSHOP)
    read = read_telemetry(tmp_path / "m.csv")
    assert read.names == ("A_AWS::SSM:latency_p95", "A_AWS::SSM:requests_Sum", "b/c:availability_Average")
    assert [v.service for v in read.variables] == ["A_AWS::SSM", "A_AWS::SSM", "b/c"]
    assert [v.role for v in read.variables] == ["latency", "traffic", "errors"]
    assert (read.clock, read.step_seconds) == ("utc", 300.0)
    frame = pd.read_csv(tmp_path / "m.csv", header=[0, 1, 2], index_col=0)
    assert np.array_equal(frame.to_numpy(), read.values, equal_nan=True)


BAD_CSV = {
    "": "must not be empty",
    "\n\n": "must hold a header",
    "time\n0\n1\n": "at least one column besides time",
    "time,a\n": "at least 2 rows below the header, got 0",
    "time,a\n0,1\n": "at least 2 rows below the header, got 1",
    "a,b\n1,2\n2,3\n": "first column must be 'time' .* got 'a'",
    "time;a\n1;2\n": "separate cells by commas",
    "time,a,a\n0,1,2\n1,2,3\n": "column names must be unique, got 'a' twice",
    "time,time\n0,1\n1,2\n": "column names must be unique, got 'time' twice",
    "time,a,\n0,1,2\n1,2,3\n": "column 2 must have a name",
    "time,a\n0,1\n1\n": "row 1 must have 2 cells like the header, got 1",
    "time,a\n0,1\n1,2,3\n": "row 1 must have 2 cells like the header, got 3",
    "time,a\n0,1\n1,high\n": "column 'a' must be numeric, got 'high' at row 1",
    "time,a\n0,1_0\n1,2\n": "column 'a' must be numeric, got '1_0' at row 0",
    "time,a\n0,1\n1,inf\n": "column 'a' must be finite",
    "time,a\n0,\n1,\n": "column 'a' must hold at least one value",
    "time,a\n0,1\n0,2\n": "times must increase .* repeated time 0 at row 1",
    "time,a\n1,1\n0,2\n": "times must increase .* unsorted time 0 at row 1",
    "time,a\n0,1\n,2\n": "time must have no empty cell, got one at row 1",
    "time,a\nnoon,1\nlater,2\n": "time must be ISO 8601 or seconds, got 'noon'",
    "time,a\n1692608400000,1\n1692608415000,2\n": "looks like milliseconds",
    'time,a\n0,"1\n1,2\n': "must be comma-separated values",
    "time,a\n0,1\x00\n1,2\n": "NUL byte",
    "microservice,a\nmetric,x\nfoo,y\n1,2\n": "header rows must be service, metric, statistic",
    "microservice,a,b\nmetric,x,y\nstatistic,z\n1,2,3\n": "equally long",
    "microservice,a,a\nmetric,x,x\nstatistic,p,p\n1,2,3\n2,3,4\n": "got 'a:x_p' twice",
}


@pytest.mark.parametrize("body", BAD_CSV)
def test_a_bad_csv_is_refused_by_name(tmp_path, body):
    (tmp_path / "bad.csv").write_text(body)
    with pytest.raises(InputError, match=BAD_CSV[body]) as caught:
        read_telemetry(tmp_path / "bad.csv")
    assert str(caught.value).startswith(str(tmp_path / "bad.csv"))
    assert "\n" not in str(caught.value)


BAD_META = {
    "[1, 2]": "metadata must be a mapping",
    "colour: red": "unknown metadata field 'colour'",
    "version: 7": "version 1",
    "variables: {b: {role: cpu}}": "unknown variable 'b'",
    "variables: {a: {role: cpuu}}": "role of 'a' must be a known role",
    "variables: {a: {size: big}}": "variables.a.size must be text under",
    "variables: [a]": "variables must map",
    "variables: {1: {role: cpu}}": "variables must map",
    "clock: gps": "clock must be",
    "windows: [{kind: kill}]": "must have target and kind",
    "windows: [{target: [a], kind: kill}]": "windows must be a list of interventions",
    "environments: [[0, 5]]": "must cover its 2 rows, got 5",
    "environments: [[0, 99999999999]]": "must be a list of",
    "{": "must be YAML",
}


@pytest.mark.parametrize("meta", BAD_META)
def test_bad_metadata_are_refused_by_name(tmp_path, meta):
    (tmp_path / "t.csv").write_text("time,a\n0,1\n1,2\n")
    (tmp_path / "t.meta.yaml").write_text(meta)
    with pytest.raises(InputError, match=BAD_META[meta]) as caught:
        read_telemetry(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_telemetry(tmp_path):
    (tmp_path / "junk.csv").write_bytes(bytes(range(128, 256)) * 9)
    (tmp_path / "junk.parquet").write_bytes(b"PAR1" + bytes(range(256)))
    for path, words in (
        ("none.csv", "no such file"),
        (".", "got a directory"),
        ("junk.csv", "UTF-8"),
        ("junk.parquet", "whole Parquet"),
    ):
        with pytest.raises(InputError, match=words):
            read_telemetry(tmp_path / path)


def test_a_cut_or_flipped_parquet_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    write_parquet(Telemetry(np.random.default_rng(0).normal(size=(500, 3)), ["a", "b", "c"]), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="whole Parquet"):
        read_telemetry(path)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    path.write_bytes(flipped)
    with pytest.raises(InputError, match="whole Parquet"):
        read_telemetry(path)


BAD_PARQUET = (
    ({"a": [1.0, 2.0]}, "first column must be 'time'"),
    ({"time": [0.0, 1.0]}, "at least one column besides time"),
    ({"time": [0.0, 1.0], "a": ["x", "y"]}, "column 'a' must be numeric, got type string"),
    ({"time": [0.0, 1.0], "a": [[1], [2]]}, "column 'a' must be numeric, got type list"),
    ({"time": [0.0, None], "a": [1, 2]}, "time must have no empty cell"),
    ({"time": [0.0], "a": [1]}, "at least 2 rows"),
    ({"time": [0.0, 1.0], "a": [None, None]}, "column 'a' must hold at least one value"),
)


@pytest.mark.parametrize(("columns", "words"), BAD_PARQUET)
def test_a_bad_parquet_is_refused_by_name(tmp_path, columns, words):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=words):
        read_telemetry(tmp_path / "t.parquet")


def test_parquet_of_pandas_with_a_time_index_and_whole_numbers(tmp_path):
    index = pd.date_range("2024-01-01", periods=3, freq="15s", tz="UTC", name="time")
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [True, False, True]}, index=index)
    frame.to_parquet(tmp_path / "t.parquet")
    read = read_telemetry(tmp_path / "t.parquet")
    assert (read.names, read.clock, read.step_seconds) == (("a", "b"), "utc", 15.0)
    assert read.missing[:, 0].tolist() == [False, True, False]


def test_bad_parquet_metadata(tmp_path):
    table = pa.table({"time": [0.0, 1.0], "a": [1.0, 2.0]})
    for body, words in ((b"{", "must be JSON"), (b'{"clock": "gps"}', "clock must be"), (b'"x"', "must be a mapping")):
        pq.write_table(table.replace_schema_metadata({b"causaldisc": body}), tmp_path / "t.parquet")
        with pytest.raises(InputError, match=words):
            read_telemetry(tmp_path / "t.parquet")


def test_limits(tmp_path, monkeypatch):
    telemetry = Telemetry(np.random.default_rng(0).normal(size=(50, 3)), ["a", "b", "c"])
    write_csv(telemetry, tmp_path / "t.csv")
    write_parquet(telemetry, tmp_path / "t.parquet")
    monkeypatch.setattr(csv_table, "MAX_CELLS", 100)
    monkeypatch.setattr(telemetry_file, "MAX_CELLS", 100)
    for name in ("t.csv", "t.parquet"):
        with pytest.raises(InputError, match="at most 100 cells"):
            read_telemetry(tmp_path / name)
    monkeypatch.setattr(telemetry_file, "MAX_FILE_BYTES", 10)
    with pytest.raises(InputError, match="at most 10 bytes"):
        read_telemetry(tmp_path / "t.csv")


def test_a_table_may_have_empty_columns(tmp_path):
    with (tmp_path / "t.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["time", "a", "b"], [0, 1, ""], [1, 2, ""]])
    table, dropped = read_table(tmp_path / "t.csv").without_empty()
    assert (table.telemetry("t").names, dropped) == (("a",), ("b",))


def test_time_is_no_name_for_a_variable(tmp_path):
    for write, name in WRITERS:
        with pytest.raises(InputError, match="named 'time'"):
            write(Telemetry([[1.0], [2.0]], ["time"]), Path(tmp_path / name))


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200) | st.text(alphabet='time,a"\n0123.-e:T \r\t#', max_size=60).map(lambda s: ("time,a\n" + s).encode())
)
def test_any_bytes_are_telemetry_or_a_named_error(tmp_path_factory, body):
    path = tmp_path_factory.mktemp("bytes") / "x"
    path.write_bytes(body)
    try:
        assert read_telemetry(path).shape[0] >= 2
    except InputError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error).replace(repr(body), "")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_to_a_parquet_is_noticed_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / "t.parquet"
    write_parquet(rich_telemetry(), path)
    body = bytearray(path.read_bytes())
    body[data.draw(st.integers(4, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(body)
    try:
        read_telemetry(path)
    except InputError as error:
        assert str(path) in str(error)
