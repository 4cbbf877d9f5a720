"""Trials: settings read off a baseline run, runs of the system under do(), and the record of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.intervention import Intervention
from causaldisc.core.plugins import System
from causaldisc.core.telemetry import Telemetry
from causaldisc.validation._effects import Effect, effect


class Trials:
    """Runs trials on a system and keeps the record.

    The first run is a baseline without interventions: the settings of a cause are quantiles of its column, held variables
    stay at their median, and effects are measured in standard deviations of the affected column. Every run has its own
    number, hence its own noise; the held-out trials of a data set are never looked at.

    Parameters
    ----------
    system : the system to experiment on.
    names : the graph's variables, which the system must have.
    quantiles : settings of a cause, increasing; equal ones count once.
    repeats : runs a setting.
    warmup : share of each run's rows left out at its start, where the setting has not had its effect yet.
    first_run : number of the baseline run.
    """

    def __init__(
        self, system: System, names: Sequence[str], quantiles: Sequence[float], repeats: int, warmup: float, first_run: int
    ) -> None:
        """Run the baseline."""
        self.system, self.repeats, self.warmup = system, repeats, warmup
        self.next_run = first_run
        self.record: list[dict[str, Any]] = []
        runs: list[dict[str, Any]] = []
        baseline = self._run([], runs)
        self.record.append({"target": None, "effects": [], "held": {}, "settings": [], "runs": runs})
        self.variables = {v.name: v for v in baseline.variables}
        for name in names:
            if name not in self.variables:
                hint = did_you_mean(name, self.variables)
                raise InputError(
                    f"graph must have variables of the system, got {name!r}; {hint if len(hint) < 300 else hint[:300] + ' …'}"
                )
        rows = self._settled(baseline)
        self.settings = {n: np.unique(np.nanquantile(rows[n], quantiles)).tolist() for n in names}
        self.medians = {n: float(np.nanmedian(rows[n])) for n in names}
        self.scales = {n: float(np.nanstd(rows[n])) for n in names}

    def can_set(self, name: str) -> bool:
        """Whether the variable took at least two settings in the baseline."""
        return len(self.settings[name]) > 1

    def run(self, target: str, effects: Sequence[str], held: Sequence[str], delta: float) -> dict[str, Effect]:
        """Set the target to each of its settings while others are held at their medians; return the effect on each variable."""
        levels = {name: self.medians[name] for name in held}
        runs: list[dict[str, Any]] = []
        rows = [
            [self._settled(self._run(self._do({target: value, **levels}), runs)) for _ in range(self.repeats)]
            for value in self.settings[target]
        ]
        self.record.append(
            {"target": target, "effects": list(effects), "held": levels, "settings": self.settings[target], "runs": runs}
        )
        return {j: effect([[r[j] for r in setting] for setting in rows], self._scale(j, rows), delta) for j in effects}

    def _do(self, values: Mapping[str, float]) -> list[Intervention]:
        return [Intervention(self.variables[n].service, "set", float(value), variable=n) for n, value in values.items()]

    def _run(self, interventions: Sequence[Intervention], runs: list[dict[str, Any]]) -> Telemetry:
        telemetry = self.system.trial(interventions, self.next_run)
        runs.append({"run": self.next_run, "interventions": [i.to_dict() for i in interventions]})
        self.next_run += 1
        return telemetry

    def _settled(self, telemetry: Telemetry) -> dict[str, np.ndarray]:
        start = int(np.ceil(self.warmup * telemetry.shape[0]))
        return {name: telemetry.values[start:, k] for k, name in enumerate(telemetry.names)}

    def _scale(self, name: str, rows: list[list[dict[str, np.ndarray]]]) -> float:
        """The baseline's standard deviation; of a variable that only moves when others are set, that of the trial."""
        if self.scales[name] > 0:
            return self.scales[name]
        pooled = float(np.nanstd(np.concatenate([r[name] for setting in rows for r in setting])))
        return pooled if pooled > 0 else 1.0
