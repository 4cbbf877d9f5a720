"""One cell of an experiment, from its configuration to its outcome. A failure is a value, not an exception."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from causaldisc.core.certificate import certify
from causaldisc.core.constraints import Constraints
from causaldisc.core.dataset import Dataset
from causaldisc.core.discovery import Discovery
from causaldisc.core.errors import CausaldiscError
from causaldisc.core.files import plain
from causaldisc.core.graph import CausalGraph
from causaldisc.core.graph_json import to_json
from causaldisc.core.outcome import Outcome
from causaldisc.core.plugins import System, sources
from causaldisc.core.prior import ExpertPrior
from causaldisc.runner.children import LostTemplateError, Template
from causaldisc.runner.config import prior_of
from causaldisc.runner.exchange import Answer, Task
from causaldisc.runner.isolate import Limits, discover_isolated
from causaldisc.runner.pipeline import versions
from causaldisc.runner.provenance import git_commit
from causaldisc.runner.scoring import metrics_of
from causaldisc.runner.store import content_of, key_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Run:
    """An outcome with the objects behind it, for whoever wants more than the record; None where the run did not get there."""

    outcome: Outcome
    graph: CausalGraph | None = None
    dataset: Dataset | None = None


class Identity(NamedTuple):
    """What a run is known by: the content address of its cell, and the commit that was checked out."""

    key: str
    commit: str

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Identity:
        """Work it out, for the working directory."""
        return cls(key_of(config), git_commit())


def run(config: Mapping[str, Any], template: Template | None = None, identity: Identity | None = None) -> Run:
    """Run one cell: data, discovery in a process of its own, check of the prior, interventions, scores.

    Parameters
    ----------
    config : a canonical configuration (see :func:`causaldisc.runner.config.resolve`).
    template : what the discovery is forked from; None = one of its own.
    identity : None = worked out here, which takes a while.
    """
    key, commit = identity or Identity.of(config)
    start = Outcome(
        key=key,
        status="crashed",
        config=plain(content_of(config)),
        versions=versions(),
        git_commit=commit,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    try:
        return _run(config, start, template)
    except LostTemplateError:  # no outcome: the run was cut off, and may be begun again
        raise
    except CausaldiscError as error:
        return Run(replace(start, status="invalid_input", error=str(error)))
    except Exception as error:  # a third party's source or metric may raise anything; the sweep goes on
        logger.debug("cell %s failed outside of its algorithm", start.key, exc_info=True)
        return Run(replace(start, status="crashed", error=f"{type(error).__name__}: {error}"))


def _run(config: Mapping[str, Any], start: Outcome, template: Template | None) -> Run:
    system = sources.build(*_plugin(config["source"])).system(config["seed"])
    dataset = system.dataset()
    prior = prior_of(config, dataset.prior)
    start = replace(start, data_sha256=dataset.telemetry.sha256)
    answer = _discover(config, dataset, prior, template)
    start = replace(start, cpu_seconds=answer.cpu_seconds, peak_memory_mb=answer.peak_memory_mb)
    if answer.discovery is None:
        return Run(replace(start, status=answer.status, error=answer.error), dataset=dataset)
    found = _checked(answer.discovery, dataset, prior)
    outcome = replace(
        start,
        graph=to_json(found.graph),
        certificate=plain(found.certificate.to_dict()),
        report=plain(dict(found.report)),
        seconds=found.seconds,
    )
    if not found.certificate.ok:
        broken = found.certificate.violations[0]
        error = f"prior clause {broken.clause}: {broken.why}"
        return Run(replace(outcome, status="prior_violated", error=error), found.graph, dataset)
    graph = _validated(config, found.graph, system)
    trials = tuple(plain(graph.provenance.get("validation", {}).get("trials", ())))
    metrics = metrics_of(graph, dataset, found.scores)
    outcome = replace(outcome, status="ok", graph=to_json(graph), trials=trials, metrics=metrics)
    return Run(outcome, graph, dataset)


def _discover(config: Mapping[str, Any], dataset: Dataset, prior: ExpertPrior, template: Template | None) -> Answer:
    name, parameters = _plugin(config["algorithm"])
    task = Task(dataset.telemetry, prior, name, parameters, _seed_of_discovery(config["seed"]), config["preset"])
    return discover_isolated(task, Limits(config["timeout_s"], config["memory_mb"]), template)


def _seed_of_discovery(seed: int) -> int:
    """Return a seed for the algorithm that is not the one from which its data, and their truth, were made."""
    return int.from_bytes(hashlib.sha256(f"discovery {seed}".encode()).digest()[:4], "big")


def _checked(found: Discovery, dataset: Dataset, prior: ExpertPrior) -> Discovery:
    """Certify the graph anew, out of reach of the algorithm that made it."""
    if found.graph.names != dataset.telemetry.names:
        raise TypeError("the algorithm's process returned a graph over other variables than those of the telemetry")
    constraints = Constraints.of(prior, dataset.telemetry.variables, found.graph.max_lag)
    return replace(found, certificate=certify(found.graph, constraints, found.report.get("beliefs")))


def _validated(config: Mapping[str, Any], graph: CausalGraph, system: System) -> CausalGraph:
    """Run the interventions that the configuration asks for."""
    name, parameters = _plugin(config["validation"])
    if name == "none":
        return graph
    from causaldisc.validation._validate import validate

    return validate(graph, system, config["seed"], **parameters)


def _plugin(node: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return str(node["name"]), {k: v for k, v in node.items() if k != "name"}
