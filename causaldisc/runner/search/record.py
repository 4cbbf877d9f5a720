"""The record of a search: ``search-<digest>.json`` beside the outcomes that were scored with what it chose."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from causaldisc.core.errors import InputError
from causaldisc.core.files import plain, read_json, write_json
from causaldisc.runner.pipeline import versions
from causaldisc.runner.search.study import FIRST_TRIALS, Study


def write_record(study: Study, root: Path) -> Path:
    """Write the record of a finished search; keys of cells that were scored with its choice before stay on it."""
    path = root / f"search-{study.setting.digest}.json"
    record = record_of(study)
    record["scored"] = sorted({*record["scored"], *_scored_before(path)})
    return write_json(path, record)


def record_of(study: Study) -> dict[str, Any]:
    """Return what was searched, tried and chosen, JSON-ready."""
    setting, best = study.setting, study.best
    return {
        "format": "causaldisc-search",
        "version": 1,
        "setting": plain(setting.config),
        "options": plain(vars(setting.options)),
        "sampler": {"name": "TPE", "first_trials": FIRST_TRIALS, "seed": setting.sampler_seed},
        "space": setting.described,
        "trials": [
            {"parameters": t.parameters, "value": t.value, "error": t.error, "cells": [cell.key for cell in t.cells]}
            for t in study.trials
        ],
        "best": None if best is None else study.trials.index(best),
        "chosen": plain(study.chosen),
        "scored": [cell.key for cell in study.cells],
        "versions": {**versions(), "optuna": version("optuna")},
    }


def _scored_before(path: Path) -> list[str]:
    try:
        return list(read_json(path)["scored"]) if path.is_file() else []
    except (InputError, KeyError, TypeError):
        return []
