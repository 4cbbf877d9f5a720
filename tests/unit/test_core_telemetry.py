import numpy as np
import pandas as pd
import pytest

from causaldisc.core.errors import InputError
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.variables import Variable, guess_role, split_name


def test_names_split_at_the_last_colon_and_roles_are_guessed():
    assert split_name("AWS::SSM:latency_p95") == ("AWS::SSM", "latency_p95")
    assert split_name("a::b") == ("a::b", "value")
    assert split_name("plain") == ("plain", "value")
    roles = {
        "requests_Sum": "traffic",
        "availability_Average": "errors",
        "latency_p95": "latency",
        "cpu": "cpu",
        "mem_rss": "memory",
        "queueLength": "saturation",
        "error_rate": "errors",
        "request_duration": "latency",
        "value": "other",
    }
    assert {m: guess_role(m) for m in roles} == roles


def test_arrays_are_frozen_copies():
    values = np.arange(6.0).reshape(3, 2)
    telemetry = Telemetry(values, ["a", "b"])
    values[0, 0] = 99
    assert telemetry.values[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        telemetry.values[0, 0] = 1.0
    with pytest.raises(AttributeError):
        telemetry.clock = "utc"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": [[1.0]], "variables": ["a"]}, "at least 2 rows, got 1"),
        ({"values": np.empty((0, 1)), "variables": ["a"]}, "at least 2 rows, got 0"),
        ({"values": np.empty((3, 0)), "variables": []}, "at least one column"),
        ({"values": [[1, 2], [3, 4]], "variables": ["a", "a"]}, "'a' twice"),
        ({"values": [[1, np.nan], [3, np.nan]], "variables": ["a", "b"]}, "column 'b' must hold at least one value"),
        ({"values": [[1], [np.inf]], "variables": ["a"]}, "column 'a' must be finite"),
        ({"values": [[1], [2]], "variables": ["a"], "times": [5, 5]}, "repeated time 5 at row 1"),
        ({"values": [[1], [2]], "variables": ["a"], "times": [5, 4]}, "unsorted time 4 at row 1"),
        ({"values": [[1], [2]], "variables": [""]}, "non-empty string"),
        ({"values": [[1], [2]], "variables": ["a", "b"]}, "got 2 names for 1 columns"),
        ({"values": [1, 2], "variables": ["a"]}, "two dimensions"),
        ({"values": [["x"], ["y"]], "variables": ["a"]}, "values must be numbers"),
        ({"values": [[1], [2], [3]], "variables": ["a"], "environments": [0, 1, 0]}, "one block each"),
    ],
)
def test_bad_telemetry_is_refused_in_one_line(arguments, message):
    with pytest.raises(InputError) as caught:
        Telemetry(**arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_environments_may_start_their_clocks_anew():
    part = Telemetry([[1.0, 2.0], [2.0, 1.0]], ["a", "b"])
    other = Telemetry([[9.0, 5.0], [8.0, 6.0]], ["b", "a"])
    both = Telemetry.concat([part, other])
    assert both.environments.tolist() == [0, 0, 1, 1]
    assert both.values[2].tolist() == [5.0, 9.0], "columns are aligned by name"
    with pytest.raises(InputError, match="same variables"):
        Telemetry.concat([part, Telemetry([[1.0], [2.0]], ["a"])])


def test_pandas_round_trip_and_times():
    frame = pd.DataFrame({"time": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:15Z"], "a:cpu": [1, 2], "b:latency": ["3.5", ""]})
    telemetry = Telemetry.from_pandas(frame)
    assert telemetry.clock == "utc"
    assert telemetry.step_seconds == 15
    assert telemetry.missing.tolist() == [[False, False], [False, True]]
    again = Telemetry.from_pandas(telemetry.to_pandas())
    assert np.array_equal(again.values, telemetry.values, equal_nan=True)
    assert np.array_equal(again.times, telemetry.times)
    assert telemetry.sha256 == again.sha256


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": ["1", "up", "3"]}), "column 'a' must be numeric, got 'up' at row 1"),
        (pd.DataFrame({"time": [1.0, None], "a": [1, 2]}), "time must have no empty cell"),
        (pd.DataFrame({"time": ["yesterday", "today"], "a": [1, 2]}), "time must be ISO 8601 or seconds"),
    ],
)
def test_bad_frames_are_refused(frame, message):
    with pytest.raises(InputError, match=message):
        Telemetry.from_pandas(frame)


def test_a_role_can_be_set():
    assert Variable.of("a:b", role="latency").role == "latency"
    with pytest.raises(InputError, match="did you mean latency"):
        Variable.of("a:b", role="latencies")
