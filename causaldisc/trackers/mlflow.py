"""MLflow: every outcome as a run in a local store; a sweep as a parent run whose children they are."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlparse
from urllib.request import url2pathname

from causaldisc.core.outcome import Outcome
from causaldisc.core.parameters import parameter
from causaldisc.core.plugins import Tracker

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_KEY, _STARTED = "causaldisc.key", "causaldisc.started"
_COSTS = ("seconds", "cpu_seconds", "peak_memory_mb")
_MOST_PARAMS = 100
_LONGEST = 500
_LOCK_SECONDS = 10.0
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
        self._refuse_locked()
        client = self._client()
        experiment = self._experiment_id(client)
        held = self._held(client, experiment, outcomes)
        # One at a time: a long sweep is read from its store, and does not fit into memory.
        if sweep is None or all((o.key, o.started) in held for o in outcomes):
            for outcome in outcomes:
                if (outcome.key, outcome.started) not in held:
                    self._log_one(client, experiment, outcome, {})
            return
        parent = client.create_run(experiment, run_name=sweep[:_LONGEST], tags=_sweep_tags(outcomes)).info.run_id
        fine = False
        try:
            failed = 0
            for outcome in outcomes:
                self._log_one(client, experiment, outcome, {"mlflow.parentRunId": parent})
                failed += outcome.status not in ("ok", "skipped")
            fine = not failed
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

        if self.uri.startswith("sqlite:"):
            _be_quick()
        return MlflowClient(tracking_uri=self.uri)

    def _refuse_locked(self) -> None:
        """Ask a local database for a moment alone with it; MLflow would wait for minutes."""
        path = self.uri.removeprefix("sqlite:///")
        if path == self.uri or not Path(path).is_file():
            return
        with closing(sqlite3.connect(path, timeout=_LOCK_SECONDS)) as trial:
            trial.execute("BEGIN IMMEDIATE")
            trial.rollback()

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
        begun = client.create_run(experiment, start, {**_tags(outcome), **tags}, run_name=_run_name(outcome))
        run = begun.info.run_id
        ended = None if start is None else start + round(1000 * (outcome.seconds or 0))
        try:
            metrics = [Metric(name, value, ended or 0, 0) for name, value in _metrics(outcome)]
            params = [Param(name, value) for name, value in _params(outcome.config)]
            for first in range(0, max(len(params), 1), _MOST_PARAMS):
                client.log_batch(run, metrics=metrics if not first else (), params=params[first : first + _MOST_PARAMS])
            self._log_files(client, begun, outcome)
        finally:
            client.set_terminated(run, "FINISHED" if outcome.is_ok else "FAILED", ended)

    def _log_files(self, client: MlflowClient, run: Run, outcome: Outcome) -> None:
        parts = (("graph.json", outcome.graph), ("certificate.json", outcome.certificate))
        files = {name: json.dumps(content, indent=2).encode() for name, content in parts if content is not None}
        picture = Path(self.outcomes) / outcome.key / "graph.png"
        if picture.is_file():
            files[picture.name] = picture.read_bytes()
        folder = _local_folder(run.info.artifact_uri or "")
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)  # which is all that MLflow does with them, some thirty times as fast
            for name, content in files.items():
                (folder / name).write_bytes(content)
            return
        with TemporaryDirectory(prefix="causaldisc-") as temporary:
            for name, content in files.items():
                (Path(temporary) / name).write_bytes(content)
            client.log_artifacts(run.info.run_id, temporary)


def _local_folder(uri: str) -> Path | None:
    parsed = urlparse(uri)
    return Path(url2pathname(parsed.path)) if parsed.scheme == "file" and parsed.netloc in ("", "localhost") else None


@cache
def _be_quick() -> None:
    """Let SQLite not wait for the disk after every write: what a power failure takes, ``tracker sync`` brings back."""
    from sqlalchemy import Engine, event

    def pragma(connection: Any, _: Any) -> None:
        if type(connection).__module__.startswith("sqlite3"):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", pragma)


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
