"""Configuration of a cell: what Hydra composed, checked by name, type and range, and completed to its canonical form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.parameters import build, parameter, values_of
from causaldisc.core.plugins import algorithms, planners, sources, trackers
from causaldisc.core.prior import ExpertPrior
from causaldisc.habits import PRESETS
from causaldisc.runner.launchers import launchers
from causaldisc.runner.search.options import Optuna

CACHES = ("default", "ignore", "only", "strict")
REGISTRIES = {"algorithm": algorithms, "source": sources, "tracker": trackers, "launcher": launchers}


@dataclass(frozen=True)
class Settings:
    """The fields of a configuration that belong to no group."""

    seed: int = parameter(0, "seed of all randomness", low=0)
    preset: str | None = parameter(None, "rules for telemetry: treat it and choose what is at its default", choices=PRESETS)
    timeout_s: float | None = parameter(None, "wall-clock limit of a discovery, seconds", low=0)
    memory_mb: float | None = parameter(None, "limit of resident memory, MB", low=1)
    cache: str = parameter("default", "what to do with stored outcomes", choices=CACHES)
    shard: str | None = parameter(None, "part of a sweep for this machine, such as 3/16")
    picture: bool | None = parameter(None, "draw the graph; null: for a single run")


@dataclass(frozen=True)
class _Nothing:
    """A choice without parameters."""


@dataclass(frozen=True)
class _PriorFile:
    """A prior from a YAML file."""

    path: str = parameter("", "the YAML file")


@dataclass(frozen=True)
class _Interventions:
    """Validation by interventions on the source."""

    planner: str = parameter("coverage", "how targets are chosen")
    budget: int = parameter(10, "trials", low=1)
    alpha: float = parameter(0.05, "false discovery rate of the verdicts", low=0, high=1)
    delta: float = parameter(0.2, "smallest effect that matters, in standard deviations", low=0)
    hold: str = parameter("parents", "what is held fixed in a trial", choices=("parents", "all", "none"))
    repeats: int = parameter(1, "runs of each setting", low=1)


PRIORS: dict[str, type] = {"none": _Nothing, "source": _Nothing, "file": _PriorFile}
SEARCHES: dict[str, type] = {"none": _Nothing, "optuna": Optuna}
VALIDATIONS: dict[str, type] = {"none": _Nothing, "do": _Interventions}
FIELDS = (*REGISTRIES, "prior", "validation", "search", *Settings.__dataclass_fields__)


def resolve(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the canonical configuration: every parameter present, of the right type and in range.

    Parameters
    ----------
    raw : the composed configuration, as plain mappings. Parameters left out take the plug-in's defaults.

    Raises
    ------
    InputError : a name, parameter or value that is not valid; a key that would have Hydra build an object.

    >>> resolve({"algorithm": {"name": "empty"}, "source": {"name": "sem"}, "prior": {"name": "none"},
    ...          "validation": {"name": "none"}, "tracker": {"name": "none"}, "launcher": {"name": "basic"}})["seed"]
    0
    """
    _refuse_targets(raw, "")
    for key in raw:
        if key not in FIELDS:
            raise InputError(f"unknown field {key!r}; {did_you_mean(str(key), FIELDS)}")
    config = {group: _plugin(group, _chosen(raw, group)) for group in REGISTRIES}
    config["prior"] = _prior(_chosen(raw, "prior"))
    config["validation"] = _validation(_chosen(raw, "validation"))
    config["search"] = _search(_chosen({"search": {"name": "none"}, **raw}, "search"))
    settings = {k: raw[k] for k in Settings.__dataclass_fields__ if k in raw}
    fields = values_of(_build_settings(settings))
    share_of(fields["shard"])
    return {**config, **fields}


def share_of(shard: str | None) -> tuple[int, int] | None:
    """Read ``k/n``: the k-th of n shards.

    >>> share_of("3/16")
    (3, 16)
    """
    if shard is None:
        return None
    number, slash, of = shard.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise InputError(f"shard must be K/N with 1 <= K <= N, such as 3/16, got {shard!r}")
    return int(number), int(of)


def prior_of(config: Mapping[str, Any], shipped: ExpertPrior) -> ExpertPrior:
    """Return the prior that a canonical configuration asks for; ``shipped`` is the one of its source."""
    name = config["prior"]["name"]
    if name == "file":
        return ExpertPrior.from_dict(config["prior"]["clauses"])
    return shipped if name == "source" else ExpertPrior()


def _refuse_targets(node: Any, where: str) -> None:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if str(key) == "_target_":
                raise InputError(f"configuration must not hold _target_, got it at {where or 'the top'}; valid: plug-ins by name")
            _refuse_targets(value, f"{where}.{key}".lstrip("."))
    elif isinstance(node, list | tuple):
        for k, value in enumerate(node):
            _refuse_targets(value, f"{where}[{k}]")


def _chosen(raw: Mapping[str, Any], group: str) -> dict[str, Any]:
    node = raw.get(group)
    if not isinstance(node, Mapping) or not isinstance(node.get("name"), str):
        raise InputError(f"{group} must be chosen, such as {group}=NAME, and have a name, got {node!r}")
    return dict(node)


def _plugin(group: str, node: dict[str, Any]) -> dict[str, Any]:
    name = node.pop("name")
    return {"name": name, **values_of(REGISTRIES[group].build(name, node))}


def _prior(node: dict[str, Any]) -> dict[str, Any]:
    name = node.pop("name")
    if name not in PRIORS:
        raise InputError(f"prior must be a known choice, got {name!r}; {did_you_mean(name, PRIORS)}")
    choice = build(PRIORS[name], node, "prior")
    if isinstance(choice, _PriorFile):
        # What the file says counts, not where it lies: the outcome can be verified without it.
        return {"name": name, "path": choice.path, "clauses": ExpertPrior.load(choice.path).to_dict()}
    return {"name": name}


def _validation(node: dict[str, Any]) -> dict[str, Any]:
    name = node.pop("name")
    if name not in VALIDATIONS:
        raise InputError(f"validation must be a known choice, got {name!r}; {did_you_mean(name, VALIDATIONS)}")
    choice = build(VALIDATIONS[name], node, "validation")
    if isinstance(choice, _Interventions):
        planners.get(choice.planner)
    return {"name": name, **values_of(choice)}


def _search(node: dict[str, Any]) -> dict[str, Any]:
    name = node.pop("name")
    if name not in SEARCHES:
        raise InputError(f"search must be a known choice, got {name!r}; {did_you_mean(name, SEARCHES)}")
    choice = build(SEARCHES[name], node, "search")
    return {"name": name, **values_of(choice.settled() if isinstance(choice, Optuna) else choice)}


def _build_settings(values: dict[str, Any]) -> Settings:
    # Settings have no name of their own to stand before the field: "seed must be …".
    try:
        return build(Settings, values, "settings")
    except InputError as error:
        raise InputError(str(error).replace("settings.", "", 1)) from error
