"""The doctor: every figure of the audit on data where it is known, and an environment that is looked at, not changed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from causaldisc.core.telemetry import Telemetry
from causaldisc.runner.doctor import doctor
from causaldisc.runner.doctor_audit import effective_rows, lag_one


def finding(telemetry: Telemetry, topic: str):
    return next(f for f in doctor(telemetry).telemetry if f.topic == topic)


def noise(rows: int = 500, columns: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns))


NAMES = ("a:cpu", "b:latency", "c:load")


def test_clean_data_raise_no_warning():
    found = doctor(Telemetry(noise(), NAMES)).telemetry
    assert [f.topic for f in found if f.level == "warning"] == []
    assert all(f.meaning.endswith(".") for f in found)


def test_steps():
    assert finding(Telemetry(noise(), NAMES), "step").level == "ok"
    times = np.arange(500.0) * 15
    times[300:] += 60
    odd = finding(Telemetry(noise(), NAMES, times), "step")
    assert (odd.level, odd.value) == ("note", "median 15 s, 0.2% of the steps differ")
    jitter = Telemetry(noise(), NAMES, np.arange(500) * 15 + np.random.default_rng(1).uniform(0, 5, 500))
    assert finding(jitter, "step").level == "warning"


def test_missing_constant_and_unknown_columns():
    values = noise()
    values[:300, 1] = np.nan
    values[:, 2] = 4.0
    telemetry = Telemetry(values, ["a:cpu", "b:latency", "c:widgets"])
    missing = finding(telemetry, "missing values")
    assert (missing.level, missing.value) == ("warning", "20.0%, most in b:latency (60.0%)")
    assert finding(telemetry, "constant columns").value == ["c:widgets"]
    assert finding(telemetry, "unknown roles").value == ["c:widgets"]


def test_duplicates_and_rank():
    x = noise(columns=2)
    copied = Telemetry(np.column_stack([x, -3 * x[:, 0] + 7]), NAMES)
    assert finding(copied, "near-duplicates").value == ["a:cpu = c:load"]
    summed = Telemetry(np.column_stack([x, x.sum(axis=1)]), NAMES)
    assert finding(summed, "near-duplicates").value == []
    assert finding(summed, "rank of the correlations").value.startswith("2 of 3")
    assert finding(summed, "rank of the correlations").level == "warning"
    assert finding(Telemetry(noise(), NAMES), "rank of the correlations").level == "ok"


def autoregressive(rho: float, rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    values = np.zeros((rows, columns))
    values[0] = rng.normal(size=columns) / np.sqrt(1 - rho**2)
    for t in range(1, rows):
        values[t] = rho * values[t - 1] + rng.normal(size=columns)
    return values


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_lag_one_autocorrelation(rho):
    values = autoregressive(rho, 6000, 3, np.random.default_rng(2))
    values[np.random.default_rng(3).random(values.shape) < 0.2] = np.nan
    assert lag_one(Telemetry(values, NAMES)) == pytest.approx([rho] * 3, abs=0.05)


def test_lag_one_does_not_reach_across_environments():
    values = np.concatenate([noise(300), noise(300, seed=1) + 50])
    apart = Telemetry(values, NAMES, np.r_[0:300, 0:300], np.repeat([0, 1], 300))
    assert np.abs(lag_one(apart)).max() < 0.15
    assert lag_one(Telemetry(values, NAMES)).min() > 0.9


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_effective_rows_is_the_variance_of_a_correlation(rho):
    """Over many pairs of unrelated series the correlation has variance 1 / n_eff."""
    rng = np.random.default_rng(5)
    pairs = np.array([np.corrcoef(autoregressive(rho, 400, 2, rng).T)[0, 1] for _ in range(300)])
    assert 1 / pairs.var() == pytest.approx(float(effective_rows(400, rho, rho)), rel=0.3)


def test_drift():
    values = noise()
    values[:, 1] += np.linspace(0, 2, 500)
    drift = finding(Telemetry(values, NAMES), "drifting means")
    assert (drift.level, drift.value) == ("warning", ["b:latency"])
    wandering = Telemetry(autoregressive(0.95, 500, 3, np.random.default_rng(6)), NAMES)
    assert finding(wandering, "drifting means").value == []  # persistence alone is no drift


def test_awkward_data():
    for values in (np.ones((5, 2)), [[0.0, 1.0], [1.0, np.nan]], np.full((3, 1), 2.0)):
        checkup = doctor(Telemetry(values, [f"x{k}" for k in range(np.shape(values)[1])]))
        json.dumps(checkup.to_dict())
        assert checkup.text()


def test_report_and_text():
    checkup = doctor()
    assert checkup.to_dict()["telemetry"] is None
    topics = {f.topic for f in checkup.environment}
    assert {"Python", "packages", "kernel cache", "processors", "memory", "MLflow store"} <= topics
    assert len(checkup.text().splitlines()) == 1 + len(checkup.environment)
    json.dumps(checkup.to_dict())


def test_store_is_found_and_a_tracking_address_is_not_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "none" in next(f.value for f in doctor().environment if f.topic == "MLflow store")
    (tmp_path / "mlflow.db").write_bytes(b"x" * 2**20)
    assert "1.0 MiB" in next(f.value for f in doctor().environment if f.topic == "MLflow store")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://user:secret@host/path")
    assert "secret" not in doctor().text()


def test_nothing_heavy_is_imported():
    heavy = "torch", "mlflow", "tigramite", "causallearn", "pandas", "numba"
    look = "from causaldisc.runner.doctor import doctor; doctor().text()"
    code = f"import sys; {look}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
