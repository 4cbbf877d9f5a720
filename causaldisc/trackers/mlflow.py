"""MLflow: every outcome as a run in a local store; a sweep as a parent run whose children they are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from causaldisc.core.outcome import Outcome
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Tracker

if TYPE_CHECKING:
    from mlflow import MlflowClient

_KEY, _STARTED = "causaldisc.key", "causaldisc.started"
_COSTS = ("seconds", "cpu_seconds", "peak_memory_mb")
_MOST_PARAMS = 100
_LONGEST = 500
# Long, and told clause by clause in the certificate.
_LEFT_OUT = ("prior.clauses",)


@dataclass(frozen=True)
class Mlflow(Tracker):
    """Mirrors outcomes into an MLflow store; the store of outcomes stays the record.

    A run holds the flattened configuration as parameters, the metrics (undefined ones as NaN), what it cost, tags for status,
    key, data, seed, commit and versions, and as artifacts ``graph.json``, ``certificate.json`` and, where one was drawn, the
    picture of the graph. It ends FINISHED when the outcome is ok, else FAILED. A sweep's parent has no metrics of its own.

    MLflow is imported when the first outcome comes, with its usage reports switched off.
    """

    uri: str = parameter("sqlite:///mlflow.db", "MLflow tracking store")
    artifacts: str = parameter("mlartifacts", "folder of artifacts of a local store, for a new MLflow experiment")
    experiment: str = parameter("causaldisc", "name of the MLflow experiment")
    outcomes: str = parameter("outcomes", "the store of outcomes, for the pictures that lie in it")
    name: ClassVar[str] = "mlflow"
    summary: ClassVar[str] = "MLflow runs in a local SQLite store"

    def log(self, outcomes: Sequence[Outcome], sweep: str | None) -> None:
        """Mirror the outcomes that are not there yet.

        With ``sweep``, and something new in it, all of them become children of one new parent run, which is named after it.
        """
        client = self._client()
        experiment = self._experiment_id(client)
        held = self._held(client, experiment, outcomes)
        new = [o for o in outcomes if (o.key, o.started) not in held]
        if sweep is None or not new:
            for outcome in new:
                self._log_one(client, experiment, outcome, {})
            return
        parent = client.create_run(experiment, run_name=sweep[:_LONGEST], tags=_sweep_tags(outcomes)).info.run_id
        fine = False
        try:
            for outcome in outcomes:
                self._log_one(client, experiment, outcome, {"mlflow.parentRunId": parent})
            fine = all(o.status in ("ok", "skipped") for o in outcomes)
        finally:
            client.set_terminated(parent, "FINISHED" if fine else "FAILED")

    @staticmethod
    def _held(client: MlflowClient, experiment: str, outcomes: Sequence[Outcome]) -> set[tuple[str, str]]:
        """Key and start of the outcomes that are mirrored already; for one outcome only it is looked for."""
        wanted = f"tags.`{_KEY}` = '{outcomes[0].key}'" if len(outcomes) == 1 else ""
        found: set[tuple[str, str]] = set()
        token = None
        while True:
            page = client.search_runs([experiment], wanted, max_results=1000, page_token=token)
            found |= {(run.data.tags.get(_KEY, ""), run.data.tags.get(_STARTED, "")) for run in page}
            token = page.token
            if not token:
                return found

    def _client(self) -> MlflowClient:
        # Before the import: MLflow reads these once. Its own log lines would stand among our results.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri)

    def _experiment_id(self, client: MlflowClient) -> str:
        known = client.get_experiment_by_name(self.experiment)
        if known is not None:
            return known.experiment_id
        # A tracking server keeps artifacts where it was told to.
        served = self.uri.startswith(("http:", "https:"))
        folder = None if served else Path(self.artifacts).absolute().as_uri()
        return client.create_experiment(self.experiment, artifact_location=folder)

    def _log_one(self, client: MlflowClient, experiment: str, outcome: Outcome, tags: dict[str, str]) -> None:
        from mlflow.entities import Metric, Param

        start = round(datetime.fromisoformat(outcome.started).timestamp() * 1000) if outcome.started else None
        run = client.create_run(experiment, start, {**_tags(outcome), **tags}, run_name=_run_name(outcome)).info.run_id
        ended = None if start is None else start + round(1000 * (outcome.seconds or 0))
        try:
            metrics = [Metric(name, value, ended or 0, 0) for name, value in _metrics(outcome)]
            params = [Param(name, value) for name, value in _params(outcome.config)]
            client.log_batch(run, metrics=metrics)
            for first in range(0, len(params), _MOST_PARAMS):
                client.log_batch(run, params=params[first : first + _MOST_PARAMS])
            for name, content in (("graph.json", outcome.graph), ("certificate.json", outcome.certificate)):
                if content is not None:
                    client.log_dict(run, dict(content), name)
            picture = Path(self.outcomes) / outcome.key / "graph.png"
            if picture.is_file():
                client.log_artifact(run, str(picture))
        finally:
            client.set_terminated(run, "FINISHED" if outcome.is_ok else "FAILED", ended)


def _run_name(outcome: Outcome) -> str:
    algorithm, source = (outcome.config.get(part, {}).get("name", "?") for part in ("algorithm", "source"))
    return f"{algorithm} on {source}, seed {outcome.config.get('seed', '?')}"


def _tags(outcome: Outcome) -> dict[str, str]:
    tags = {
        _KEY: outcome.key,
        _STARTED: outcome.started,
        "status": outcome.status,
        "error": outcome.error[:_LONGEST],
        "data_sha256": outcome.data_sha256,
        "seed": str(outcome.config.get("seed", "")),
        "mlflow.source.name": "causaldisc run",
        "mlflow.source.git.commit": outcome.git_commit,
        **{f"version.{package}": version for package, version in outcome.versions.items()},
    }
    return {name: value for name, value in tags.items() if value}


def _sweep_tags(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {"causaldisc.cells": str(len(outcomes)), "mlflow.source.name": "causaldisc run -m"}


def _metrics(outcome: Outcome) -> Iterator[tuple[str, float]]:
    yield from outcome.metrics.items()
    for name in _COSTS:
        value = getattr(outcome, name)
        if value is not None:
            yield name, float(value)


def _params(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        name = f"{prefix}{key}"
        if name in _LEFT_OUT:
            continue
        if isinstance(value, Mapping):
            yield from _params(value, f"{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            yield name, text[:_LONGEST]
