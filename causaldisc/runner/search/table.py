"""What the searches of a sweep found, as rows of a table."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from causaldisc.runner.search.study import Study, Trial


def headline(studies: Sequence[Study]) -> str:
    """Say what was searched, in one line."""
    options = studies[0].setting.options
    seeds = ", ".join(map(str, options.seeds))
    return f"search: {options.budget} trials each, by the mean of {options.metric} over the tuning seeds {seeds}"


def progress(studies: Sequence[Study]) -> str:
    """Say how far the searches are, in one line."""
    done, total = sum(len(s.trials) for s in studies), sum(s.budget for s in studies)
    ended = sum(not s.unfinished for s in studies)
    return f"search: {done} of {total} trials done, {ended} of {len(studies)} searches ended"


def row(study: Study) -> list[Any]:
    """Trials done and failed, the value of the defaults and of the best, and what was chosen; NaN where there is no value."""
    failed = sum(trial.value is None for trial in study.trials)
    values = [_value(study.trials[0] if study.trials else None), _value(study.best)]
    return [str(len(study.trials)), str(failed), *values, _choice(study)]


ROW = ("trials", "failed", "defaults", "best", "chosen")


def _choice(study: Study) -> str:
    if not study.budget:
        return "nothing to search"
    if study.unfinished:
        return f"not yet: {study.unfinished}"
    text = " ".join(f"{name}={_text(value)}" for name, value in study.chosen.items())
    return text if study.best is not None else f"{text} (the defaults: all trials failed)"


def _value(trial: Trial | None) -> float:
    return math.nan if trial is None or trial.value is None else trial.value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
