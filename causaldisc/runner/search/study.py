"""A study: Optuna proposes the parameters of one setting, in order, and is told what became of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from causaldisc.core.errors import InputError, MissingExtraError
from causaldisc.core.outcome import Outcome
from causaldisc.core.searchable import Options, Span
from causaldisc.runner.compose import Cell
from causaldisc.runner.search.setting import Setting

# The sampler looks about before it models what it saw; as these trials depend on no result, they are proposed at once.
FIRST_TRIALS = 10
# Four significant digits: nobody means more, and they can be read, typed and reported.
_DIGITS = 4


@dataclass(frozen=True, eq=False)
class Trial:
    """Parameters and how they did: ``value`` is the mean of the metric over the tuning seeds, None when the trial failed."""

    parameters: dict[str, Any]
    cells: tuple[Cell, ...]
    value: float | None = None
    error: str = ""


class Study:
    """The trials of one setting; the same setting gets the same trials, wherever and in how many goes they are run.

    Trees of Parzen estimators (Bergstra et al. 2011), the first trial being the defaults.
    """

    def __init__(self, setting: Setting) -> None:
        """Begin with no trial."""
        optuna = load_optuna()
        self.setting = setting
        self.trials: list[Trial] = []
        self.unfinished = ""
        self._failed = optuna.trial.TrialState.PRUNED
        self._asked: list[Any] = []
        sampler = optuna.samplers.TPESampler(n_startup_trials=FIRST_TRIALS, seed=setting.sampler_seed)
        self._study = optuna.create_study(sampler=sampler, direction=setting.options.direction)
        self._distributions = {name: _distribution(where) for name, where in setting.space.items()}
        self._study.enqueue_trial(setting.defaults)

    @property
    def budget(self) -> int:
        """How many trials it is to have; none where there is nothing to search."""
        return self.setting.options.budget if self.setting.space else 0

    def ask(self) -> list[Trial]:
        """Propose the next trials, each with its cells; none when it is done, or cannot go on."""
        if self.unfinished or len(self.trials) >= self.budget:
            return []
        self._asked = [self._study.ask(self._distributions) for _ in range(1 if self.trials else min(FIRST_TRIALS, self.budget))]
        return [self._trial(asked.params) for asked in self._asked]

    def tell(self, trials: Sequence[Trial], outcomes: Sequence[Sequence[Outcome | None]]) -> None:
        """Note what became of the trials that were proposed last; one with an outcome missing is where the study stops."""
        for asked, trial, found in zip(self._asked, trials, outcomes, strict=True):
            known = [outcome for outcome in found if outcome is not None]
            if len(known) < len(found):
                self.unfinished = f"{len(self.trials)} of {self.budget} trials are known"
                return
            value, error = _value(known, self.setting.options.metric)
            self._study.tell(asked, value, state=self._failed if value is None else None)
            self.trials.append(Trial(trial.parameters, trial.cells, value, error))

    @property
    def best(self) -> Trial | None:
        """The best trial, the earliest of equals; None when there is none that did not fail."""
        good = [trial for trial in self.trials if trial.value is not None]
        sign = 1.0 if self.setting.options.direction == "maximize" else -1.0
        return max(good, key=lambda trial: sign * (trial.value or 0.0), default=None)

    @property
    def chosen(self) -> dict[str, Any]:
        """The parameters to score: the best, or the defaults when every trial failed."""
        return self.setting.defaults if self.best is None else self.best.parameters

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells to score, with the parameters that were chosen."""
        return tuple(self.setting.tuned(cell, self.chosen) for cell in self.setting.cells)

    def _trial(self, proposed: dict[str, Any]) -> Trial:
        default = not self.trials and proposed == self.setting.defaults
        parameters = proposed if default else {k: _short(v) for k, v in proposed.items()}
        first = self.setting.cells[0]
        return Trial(parameters, tuple(self.setting.tuned(first, parameters, seed) for seed in self.setting.options.seeds))


def load_optuna() -> Any:
    """Import Optuna, and have it keep quiet."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("search=optuna needs the package optuna; valid: pip install 'causaldisc[search]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _distribution(where: Span | Options) -> Any:
    kinds = load_optuna().distributions
    if isinstance(where, Options):
        return kinds.CategoricalDistribution(where.values)
    kind = kinds.IntDistribution if where.whole else kinds.FloatDistribution
    return kind(where.low, where.high, log=where.log)


def _short(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _value(outcomes: Sequence[Outcome], metric: str) -> tuple[float | None, str]:
    """The mean of the metric, or None and why there is none: a mean over some of the seeds compares with no other."""
    for outcome in outcomes:
        seed = outcome.config["seed"]
        if not outcome.is_ok:
            return None, f"seed {seed}: {outcome.status}: {outcome.error}"
        if math.isnan(outcome.metrics.get(metric, math.nan)):
            return None, f"seed {seed}: {metric} is undefined"
    if len({outcome.data_sha256 for outcome in outcomes}) < len(outcomes):
        source = outcomes[0].config["source"]["name"]
        raise InputError(
            f"search needs a source with other data for every seed, got {source}, which has the same for two of them"
        )
    return math.fsum(outcome.metrics[metric] for outcome in outcomes) / len(outcomes), ""
