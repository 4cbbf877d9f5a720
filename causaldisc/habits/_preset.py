"""The preset for telemetry: recognise, treat, choose an algorithm's parameters by written rules, answer twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.graph import CausalGraph
from causaldisc.core.telemetry import Telemetry
from causaldisc.habits._answers import Answers, answers
from causaldisc.habits._innovations import after_own_past, lags_for
from causaldisc.habits._load import FEWEST_COLUMNS, HOWS, Load, adjust, burden_of, load_of
from causaldisc.habits._recognise import Habit, recognise
from causaldisc.habits._treat import treat
from causaldisc.habits._verdict import verdict

PRESETS = ("telemetry", *(f"telemetry-{how}" for how in HOWS))
LAGS = 2  # rows of own past behind verdict, load and core
REMEMBERS = 0.1  # median lag-1 autocorrelation from which on own pasts are conditioned on
LEVEL = 0.01  # of tests, up to ROWS rows; beyond, it falls as that of BIC does
ROWS = 500
CROWDED = 60  # columns under a common load from which on conditioning sets are kept small


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the preset made of telemetry, and what it chose.

    Attributes
    ----------
    telemetry : treated, to be given to the algorithm.
    parameters : of the algorithm, given and chosen.
    chosen : parameter → why, of those that were chosen.
    habits, load, verdict, notes : see the functions of these names.
    p_past, p_load : float[N, N, K + 1], p-values of dependence after own pasts, and with the load taken out (None if absent).
    """

    telemetry: Telemetry
    parameters: Mapping[str, Any]
    chosen: Mapping[str, str]
    habits: tuple[Habit, ...]
    load: Load
    verdict: str
    notes: tuple[str, ...]
    p_past: np.ndarray
    p_load: np.ndarray | None

    def answer(self, graph: CausalGraph, scores: np.ndarray) -> Answers:
        """Grade a graph learned from ``telemetry``."""
        return answers(graph, scores, self.p_past, self.p_load, told=not self.verdict.startswith("cannot tell"))

    def report(self) -> dict[str, Any]:
        """Return JSON-ready facts: ``preset``, ``habits``, ``load``."""
        made = {"parameters": {k: self.parameters[k] for k in self.chosen}, "why": dict(self.chosen), "notes": list(self.notes)}
        return {
            "preset": {"name": "telemetry", "verdict": self.verdict, "rows": self.telemetry.shape[0], **made},
            "habits": [h.to_dict() for h in self.habits],
            "load": self.load.to_dict(),
        }


@dataclass(frozen=True)
class Preset:
    """Rules for telemetry; ``load`` says what is done about a load: ``report`` it, or take it out by ``proxy`` or ``factor``."""

    name: str = "telemetry"
    load: str = "report"

    def __post_init__(self) -> None:
        """Refuse an unknown name or way."""
        if self.name != "telemetry":
            raise InputError(f"preset must be a known preset, got {self.name!r}; {did_you_mean(str(self.name), PRESETS)}")
        if self.load not in ("report", *HOWS):
            raise InputError(f"preset load must be a known way, got {self.load!r}; {did_you_mean(self.load, ('report', *HOWS))}")

    def prepare(self, telemetry: Telemetry, algorithm: type, given: Mapping[str, Any], keep_steps: bool = False) -> Prepared:
        """Recognise, treat, look for a load and choose the algorithm's parameters.

        Parameters
        ----------
        algorithm : its class, of which the fields are the parameters.
        given : parameters that the user set; none of them is overridden.
        keep_steps : whether a row must stay a row, as for a prior that speaks of lags.

        >>> from causaldisc.core.plugins import algorithms
        >>> values = np.random.default_rng(0).normal(size=(300, 3))
        >>> values[:, 1] += values[:, 0]
        >>> ready = Preset().prepare(Telemetry(values, ["a", "b", "c"]), algorithms.get("pc"), {"alpha": 0.05})
        >>> ready.verdict, ready.parameters["alpha"]
        ('can tell', 0.05)
        """
        habits = recognise(telemetry)
        treated = treat(telemetry, habits, grid=not keep_steps)
        data, notes = treated.telemetry, list(treated.notes)
        r, p = _of_varying(data, None)
        load = _load(data, r, p)
        p_load = None
        if load.present:
            p_load = _of_varying(data, burden_of(data, "factor"))[1]
        if self.load != "report" and load.proxy is not None:
            data = adjust(data, self.load, load.proxy if self.load == "proxy" else None)
            notes.append(f"load taken out of every column by {self.load}")
        elif load.present:
            notes.append(
                f"{load.dependent_share:.0%} of the pairs depend on each other after own pasts: a common load, shown best by "
                f"{load.proxy}; valid: preset telemetry-proxy, telemetry-factor, or the algorithm fci"
            )
        parameters, why = choose(habits, load, algorithm, data.shape, given, len(np.unique(data.environments)))
        said = _verdict(data, habits, p)
        return Prepared(data, parameters, why, habits, load, said, tuple(notes), p, p_load)


def preset(name: str | Preset) -> Preset:
    """Return the preset of a name, which may end in what is done about a load; raises InputError for an unknown one.

    >>> preset("telemetry").load, preset("telemetry-factor").load
    ('report', 'factor')
    """
    if isinstance(name, Preset):
        return name
    if name not in PRESETS:
        raise InputError(f"preset must be a known preset, got {name!r}; {did_you_mean(str(name), PRESETS)}")
    return Preset(load=name.partition("-")[2] or "report")


def choose(
    habits: Sequence[Habit],
    load: Load,
    algorithm: type,
    shape: tuple[int, int],
    given: Mapping[str, Any],
    environments: int = 1,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Choose parameters by rule: ``(given and chosen, why of the chosen)``; a parameter that the algorithm lacks is left alone.

    ================  ====================================================================================================
    ``max_lag``       of searches that know lags but use none by default: 1 where series remember (median lag-1
                      autocorrelation of 0.1 or more), so that own pasts are conditioned on
    ``alpha``         0.01 up to 500 rows; beyond, falling as the level of BIC does with the rows, to 1e-4
    ``penalty``       2 (``ges``): BIC twice over
    ``orient``        ``roles``: what the data leave open is directed by the roles of metrics
    ``own_means``     true with several environments
    ``max_conditions``  3 with more than 60 columns and lags under a common load
    ================  ====================================================================================================
    """
    defaults = {f.name: f.default for f in dataclasses.fields(cast(Any, algorithm)) if f.init}
    rows, columns = shape
    memory = [h.autocorrelation for h in habits if not np.isnan(h.autocorrelation)]
    remembers = bool(memory) and float(np.median(memory)) >= REMEMBERS
    rules: dict[str, tuple[Any, str]] = {
        "alpha": (level_for(rows), f"strict for {rows} rows"),
        "penalty": (2.0, "strict: BIC twice over"),
        "orient": ("roles", "what the data leave open is directed by the roles of metrics"),
    }
    if remembers and defaults.get("max_lag") == 0:
        rules["max_lag"] = (1, "series remember: condition on own past")
    if environments > 1:
        rules["own_means"] = (True, "several environments have means of their own")
    lag = given.get("max_lag", rules["max_lag"][0] if "max_lag" in rules else defaults.get("max_lag", 0))
    wide = columns * (lag + 1)
    if load.present and wide > CROWDED:
        rules["max_conditions"] = (3, f"{wide} columns and lags under a common load")
    chosen = {k: v for k, v in rules.items() if k in defaults and k not in given}
    return {**given, **{k: value for k, (value, _) in chosen.items()}}, {k: why for k, (_, why) in chosen.items()}


def level_for(rows: int) -> float:
    """Level of a test: 0.01 up to 500 rows, beyond that of a gain of BIC scaled to meet it there, 1e-4 at the least.

    >>> level_for(300), round(level_for(10_000), 4)
    (0.01, 0.0017)
    """
    from math import erfc, log, sqrt

    if rows <= ROWS:
        return LEVEL
    return float(max(erfc(sqrt(_gain(LEVEL) * log(rows) / log(ROWS) / 2.0)), 1e-4))


def _gain(level: float) -> float:
    """Quantile of chi-squared with one degree of freedom."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(1.0 - level / 2.0) ** 2


def _of_varying(data: Telemetry, burden: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """(r, p) after own pasts, float[N, N, K + 1]; 0 and 1 in the rows and columns of what does not vary."""
    lags = lags_for(data.environments, LAGS)
    varying = np.flatnonzero(~data.constant)
    count = data.shape[1]
    r, p = np.zeros((count, count, lags + 1)), np.ones((count, count, lags + 1))
    if len(varying) > 1:
        own = after_own_past(data.select(varying), lags, None if burden is None else burden[:, varying])
        r[np.ix_(varying, varying)], p[np.ix_(varying, varying)] = own
    return r, p


def _load(data: Telemetry, r: np.ndarray, p: np.ndarray) -> Load:
    varying = np.flatnonzero(~data.constant)
    if len(varying) < FEWEST_COLUMNS:
        return Load(False, float("nan"), float("nan"), float("nan"), None, float("nan"))
    among = np.ix_(varying, varying)
    return load_of(data.select(varying), r[:, :, 0][among], p[:, :, 0][among])


def _verdict(data: Telemetry, habits: Sequence[Habit], p: np.ndarray) -> str:
    varying = np.flatnonzero(~data.constant)
    return verdict(data, habits, p[np.ix_(varying, varying)] if len(varying) > 1 else None)
