"""One run in several forms: each tells what the telemetry tells, and what the others tell."""

from __future__ import annotations

import base64
import json
import math
import re
import shutil
import subprocess
from collections import defaultdict
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.core.errors import InputError
from causaldisc.sources._folder import read_folder, write_folder
from causaldisc.sources._simulate import build_system
from causaldisc.sources._system.observe import quantile
from causaldisc.sources._system.signals import EPOCH_S, signals_of
from causaldisc.sources._system.wiring import BOUNDS_S

ALL = ("traces", "openmetrics", "events", "logs")
STEP, ROWS = 15.0, 60
FAULTS = (
    {"target": "delivery", "kind": "kill", "magnitude": 1.0, "start": 300, "stop": 420},
    {"target": "storage", "kind": "memory_leak", "magnitude": 4, "start": 450, "stop": 600},
    {"target": "notify", "kind": "bad_deployment", "magnitude": 1, "start": 400, "stop": 605},
)


@cache
def faulty(**changed: Any) -> cd.Dataset:
    wanted: dict[str, Any] = {"n_services": 6, "duration_s": ROWS * STEP, "step_s": STEP, "trials": 0, "metrics": ("all",)}
    return cd.simulate("mesh", 1, FAULTS, **{**wanted, "signals": ALL, "trace_share": 1.0, "rate": 4.0, **changed})


def spans_of(data: cd.Dataset) -> list[dict[str, Any]]:
    """Every span with its resource, times in seconds since the first row."""
    found = []
    for group in json.loads(data.signals["traces.json"])["resourceSpans"]:
        resource = {a["key"]: a["value"]["stringValue"] for a in group["resource"]["attributes"]}
        for span in group["scopeSpans"][0]["spans"]:
            times = {k: (int(span[f"{k}TimeUnixNano"]) - EPOCH_S * 10**9) / 1e9 for k in ("start", "end")}
            found.append({**span, **times, "resource": resource, "service": resource["service.name"]})
    return found


def series_of(data: cd.Dataset) -> dict[tuple[str, ...], np.ndarray]:
    """(sample, service[, le]) → values by time; checks the form on the way."""
    text = data.signals["metrics.openmetrics"].decode()
    assert text.endswith("\n# EOF\n")
    sample = re.compile(r'(\w+)\{service="([^"]+)"(?:,le="([^"]+)")?\} (\S+) (\d+(?:\.\d{3})?)')
    found: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    families: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            if line.startswith("# TYPE "):
                families.append(line.split()[2])
            continue
        match = sample.fullmatch(line)
        assert match, line
        name, service, le, value, stamp = match.groups()
        assert name.startswith(families[-1])  # samples of a family stand together
        found[(name, service, le) if le else (name, service)].append((float(stamp), float(value)))
    assert len(families) == len(set(families))
    for points in found.values():
        assert [p[0] for p in points] == [EPOCH_S + k * STEP for k in range(ROWS + 1)]
    return {key: np.array([v for _, v in points]) for key, points in found.items()}


def increase(values: np.ndarray, reset: np.ndarray) -> np.ndarray:
    """What a counter grew by from scrape to scrape: after a reset, all that it shows."""
    return np.where(reset | (values[1:] < values[:-1]), values[1:], np.diff(values))


def column(data: cd.Dataset, name: str) -> np.ndarray:
    return data.telemetry.values[:, data.telemetry.names.index(name)]


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("buckets", ["fine", "prometheus"])
def test_rates_of_the_scraped_counters_are_the_telemetry(resets, buckets):
    data = faulty(resets=resets, buckets=buckets, signals=("openmetrics",))
    found = series_of(data)
    services = sorted({v.service for v in data.telemetry.variables})
    for s in services:
        reset = (np.diff(found["restarts_total", s]) > 0) & resets
        grown = {key[0]: increase(v, reset) for key, v in found.items() if key[1] == s and len(key) == 2}
        for name in ("cpu_seconds_total", "cpu_limit_seconds_total", "restarts_total"):  # these a restart does not touch
            grown[name] = np.diff(found[name, s])
        answers = grown["request_duration_seconds_count"]
        les = sorted(float(key[2]) for key in found if key[1] == s and len(key) == 3)
        assert len(les) == (12 if buckets == "prometheus" else 31) and math.isinf(les[-1])
        counts = np.zeros((ROWS, len(BOUNDS_S) + 1))
        below = np.zeros(ROWS)
        for le in les:
            upto = increase(found["request_duration_seconds_bucket", s, "+Inf" if math.isinf(le) else str(le)], reset)
            counts[:, BOUNDS_S.index(le) if le in BOUNDS_S else -1] = upto - below
            below = upto
        assert (counts >= 0).all() and np.array_equal(counts.sum(axis=1), answers)
        with np.errstate(invalid="ignore", divide="ignore"):
            told = {
                "requests": grown["requests_total"] / STEP,
                "latency": 1000 * grown["request_duration_seconds_sum"] / answers,
                "errors": grown["request_errors_total"] / answers,
                "cpu": np.minimum(grown["cpu_seconds_total"] / grown["cpu_limit_seconds_total"], 1),
                "queue": grown["request_queue_seconds_total"] / STEP,
                "pool": grown["thread_busy_seconds_total"] / STEP,
                "restarts": grown["restarts_total"],
                "memory": found["memory_usage_ratio", s][1:],
                "replicas": found["replicas", s][1:],
                "latency_p95": 1000 * quantile(counts, 0.95, buckets),
            }
        for metric, values in told.items():
            np.testing.assert_allclose(column(data, f"{s}:{metric}"), values, rtol=1e-9, atol=1e-9, err_msg=f"{s}:{metric}")
    assert (
        np.diff(found["requests_total", "storage"]).min() < 0
        if resets
        else np.diff(found["requests_total", "storage"]).min() >= 0
    )


def test_traces_of_every_request_are_the_telemetry():
    data = faulty()
    spans = spans_of(data)
    for s in sorted({v.service for v in data.telemetry.variables}):
        mine = [span for span in spans if span["service"] == s]
        row = np.array([int(span["end"] // STEP) for span in mine])
        took = np.array([span["end"] - span["start"] for span in mine])
        failed = np.array([span["status"]["code"] == 2 for span in mine])
        for k in range(3, ROWS - 3):  # whole traces only, so that the first and last moments lack some
            of = row == k
            if not np.isnan(column(data, f"{s}:latency")[k]):
                assert 1000 * took[of].mean() == pytest.approx(column(data, f"{s}:latency")[k], abs=1e-4)
                assert failed[of].mean() == pytest.approx(column(data, f"{s}:errors")[k])
            else:
                assert not of.any()


def test_traces_are_whole_trees_along_the_call_graph():
    data = faulty()
    spans = spans_of(data)
    by_id = {span["spanId"]: span for span in spans}
    assert len(by_id) == len(spans) > 1000
    graph = data.call_graph
    assert graph is not None
    roots = set()
    for span in spans:
        assert re.fullmatch(r"[0-9a-f]{32}", span["traceId"]) and re.fullmatch(r"[0-9a-f]{16}", span["spanId"])
        assert 0 <= span["start"] <= span["end"]
        if "parentSpanId" not in span:
            roots.add(span["traceId"])
            continue
        parent = by_id[span["parentSpanId"]]
        assert parent["traceId"] == span["traceId"] and parent["start"] <= span["start"]
        assert graph.has_edge(parent["service"], span["service"])
        assert (span["kind"] == 2) or not graph.edges[parent["service"], span["service"]]["waits"]
    assert roots == {span["traceId"] for span in spans}
    attempts = {int(a["value"]["intValue"]) for span in spans for a in span["attributes"] if a["key"] == "attempt"}
    assert attempts == {0, 1}  # during the kill, calls were tried again


def test_opentelemetry_reads_the_traces():
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="needs opentelemetry-proto")
    from google.protobuf import json_format

    data = faulty(trace_share=0.2)
    raw = json.loads(data.signals["traces.json"])
    for group in raw["resourceSpans"]:
        for span in group["scopeSpans"][0]["spans"]:  # protobuf's JSON wants base64 where OTLP has hexadecimal
            for key in {"traceId", "spanId", "parentSpanId"} & set(span):
                span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    message = json_format.ParseDict(raw, service.ExportTraceServiceRequest())
    count = sum(len(scope.spans) for group in message.resource_spans for scope in group.scope_spans)
    assert count == len(spans_of(data)) > 100


def test_logs_tell_what_the_traces_show():
    data = faulty()
    spans = {span["spanId"]: span for span in spans_of(data)}
    lines = [json.loads(line) for line in data.signals["logs.jsonl"].decode().splitlines()]
    errors = {line["span_id"] for line in lines if line["level"] == "ERROR"}
    assert errors == {k for k, span in spans.items() if span["status"]["code"] == 2} and len(errors) > 20
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    for line in lines:
        span = spans[line["span_id"]]
        assert line["trace_id"] == span["traceId"] and line["service"] == span["service"]
        assert line["operation"] == span["name"]
        assert line["duration_ms"] == pytest.approx(1000 * (span["end"] - span["start"]), abs=1e-3)
        assert datetime.fromisoformat(line["time"]).timestamp() - EPOCH_S == pytest.approx(span["end"], abs=1e-5)
        assert line["level"] == "ERROR" or ("parentSpanId" not in span and "usually" in line["message"])
    failed = {(line["service"], line["operation"]) for line in lines if line["level"] == "ERROR"}
    blamed = [m for line in lines for m in re.findall(r"(\S+)/(\S+) failed", line["message"])]
    assert blamed and set(blamed) <= failed


def events_of(data: cd.Dataset) -> list[dict[str, Any]]:
    items = json.loads(data.signals["events.json"])["items"]
    for item in items:
        for key in ("firstTimestamp", "lastTimestamp"):
            item[key] = datetime.fromisoformat(item[key]).timestamp() - EPOCH_S
    return items


def test_events_match_the_faults_and_the_telemetry():
    data = faulty()
    items = events_of(data)
    seen = [(i["reason"], i["involvedObject"]["name"], i["firstTimestamp"], i["type"]) for i in items]
    assert [s for s in seen if s[1].startswith("delivery")] == [
        ("Killing", "delivery-0", 300.0, "Normal"),
        ("BackOff", "delivery-0", 310.0, "Warning"),
        ("Started", "delivery-0", 420.0, "Normal"),
    ]
    back_off = next(i for i in items if i["reason"] == "BackOff")
    assert (back_off["count"], back_off["lastTimestamp"]) == (3, 370.0)  # after 10, 30 and 70 s
    assert [(s[0], s[2]) for s in seen if s[1] == "notify"] == [("ScalingReplicaSet", 400.0), ("ScalingReplicaSet", 605.0)]
    restarts = column(data, "storage:restarts")
    oom = [s[2] for s in seen if s[0] == "OOMKilling"]
    assert len(oom) == restarts.sum() > 0 and all(s[1].startswith("storage") for s in seen if s[0] == "OOMKilling")
    assert [int(t // STEP) for t in oom] == np.flatnonzero(restarts).tolist()
    assert all(("Started", "storage-0", t + 10.0, "Normal") in seen for t in oom)
    assert [i["firstTimestamp"] for i in items] == sorted(i["firstTimestamp"] for i in items)
    assert all(0 <= i["firstTimestamp"] <= i["lastTimestamp"] < ROWS * STEP for i in items)


def test_scaling_is_told_as_the_replicas_show_it():
    surge = {"target": "frontend", "kind": "traffic_surge", "magnitude": 3.0, "start": 120, "stop": 400}
    data = cd.simulate(
        "mesh", 12, surge, n_services=6, use=0.4, duration_s=1800, trials=0, metrics=("replicas",), signals=("events",)
    )
    items = events_of(data)
    changes = defaultdict(list)
    for item in items:
        if item["reason"] == "SuccessfulRescale":
            changes[item["involvedObject"]["name"]].append(int(re.findall(r"New size: (\d+)", item["message"])[0]))
    assert changes
    for v in data.telemetry.variables:
        steps = column(data, v.name)
        sizes = changes.get(v.service, [])
        assert set(steps[1:][np.diff(steps) != 0]) <= set(sizes), v.name
        assert not sizes or steps[-1] == sizes[-1]
    ups = [i for i in items if i["reason"] == "ScalingReplicaSet" and "up" in i["message"]]
    started = {(i["involvedObject"]["name"].rpartition("-")[0], i["firstTimestamp"]) for i in items if i["reason"] == "Started"}
    assert ups and all((i["involvedObject"]["name"], i["firstTimestamp"] + 20.0) in started for i in ups)


def test_a_signal_changes_nothing_of_the_run():
    plain = faulty(signals=())
    assert not plain.signals
    np.testing.assert_array_equal(plain.telemetry.values, faulty().telemetry.values)
    assert faulty().signals == cd.simulate(  # the same seed gives the same bytes
        "mesh", 1, FAULTS, n_services=6, duration_s=ROWS * STEP, step_s=STEP, trials=0, metrics=("all",),
        signals=ALL, trace_share=1.0, rate=4.0,
    ).signals  # fmt: skip


def test_too_many_spans_are_said_and_the_rest_stay_whole(caplog, monkeypatch):
    from causaldisc.sources._system import system

    monkeypatch.setattr(system, "MOST_SPANS", 500)
    data = cd.simulate("mesh", 1, n_services=6, duration_s=600, trials=0, signals=("traces",), trace_share=0.1)
    (warning,) = caplog.messages
    made = int(re.findall(r"of (\d+) spans are lost", warning)[0])
    assert made > 500 and "trace_share" in warning
    spans = spans_of(data)
    ids = {span["spanId"] for span in spans}
    assert 0 < len(spans) <= 500 and all(span.get("parentSpanId", span["spanId"]) in ids for span in spans)


@pytest.mark.parametrize(
    ("source", "parameters", "words"),
    [
        ("mesh", {"signals": ("trace",)}, r"mesh\.signals must be .*'trace'; did you mean traces\?"),
        (
            "online_boutique",
            {"signals": ("traces",), "duration_s": 86400},
            r"trace_share must leave at most .* valid: at most 0\.00",
        ),
        (
            "train_ticket",
            {"signals": ("openmetrics",), "duration_s": 86400},
            r"openmetrics must have at most .*buckets=prometheus",
        ),
        ("train_ticket", {"signals": ("events",), "duration_s": 10 * 86400}, r"events must be looked for .*duration_s at most"),
    ],
)
def test_what_would_not_fit_is_refused_before_the_run(source, parameters, words):
    with pytest.raises(InputError, match=words) as refused:
        build_system(source, 0, parameters)
    assert "\n" not in str(refused.value)


def test_unknown_names_are_refused():
    system: Any = build_system("mesh", 0, {"n_services": 3, "duration_s": 600})
    with pytest.raises(InputError, match="did you mean logs"):
        signals_of(system.run([], "x"), ("log",), np.random.default_rng(0))


def test_folder_keeps_signals_and_truths(tmp_path: Path):
    data = faulty()
    place = write_folder(data, tmp_path / "d", source="mesh", seed=1, pictures={"a.png": b"x"})
    again = read_folder(place)
    assert dict(again.signals) == dict(data.signals)
    assert set(again.truths) == set(data.truths) and "structural" in again.truths
    assert all(again.truths[name].edges == truth.edges for name, truth in data.truths.items())
    manifest = json.loads((place / "manifest.json").read_text())
    assert {"signals/traces.json", "truths/structural.json", "pictures/a.png"} <= set(manifest["sha256"])
    write_folder(data, place, source="mesh", seed=1)  # such a folder may be replaced
    (place / "signals" / "logs.jsonl").write_bytes(b"{}")
    with pytest.raises(InputError, match=r"logs\.jsonl: must be as"):
        read_folder(place)


def test_promtool_takes_the_metrics(tmp_path: Path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool (Debian's package prometheus)")
    (tmp_path / "metrics.openmetrics").write_bytes(faulty(resets=True).signals["metrics.openmetrics"])
    words = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "metrics.openmetrics"), str(tmp_path / "tsdb")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "tsdb" / "wal").mkdir(exist_ok=True)  # which a server would make, and dump wants
    dump = subprocess.run([promtool, "tsdb", "dump", str(tmp_path / "tsdb")], capture_output=True, text=True, check=True).stdout
    samples = sum(len(v) for v in series_of(faulty(resets=True)).values())
    assert len([line for line in dump.splitlines() if line.startswith("{")]) == samples
