"""The doctor on habits: what kinds the series are of, what is hidden behind them, and whether they can tell anything."""

from __future__ import annotations

from collections.abc import Sequence

from causaldisc.core.telemetry import Telemetry
from causaldisc.habits import Habit, Load, hidden_load, recognise, treat, verdict
from causaldisc.runner.finding import Finding

_HEAVY = 10.0


def habits_of(telemetry: Telemetry) -> tuple[Finding, ...]:
    """Return findings about the habits of N variables, of which some vary, and what the telemetry preset makes of them.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> total = np.cumsum(rng.poisson(9.0, (200, 2)), axis=0)
    >>> [f.value for f in habits_of(Telemetry(total, ["a:requests_total", "b:requests_total"])) if f.topic == "counters"]
    [['a:requests_total', 'b:requests_total']]
    """
    habits = recognise(telemetry)
    treated = treat(telemetry, habits).telemetry
    return (*_kinds(habits), _load(hidden_load(treated)), _verdict(verdict(treated, habits)))


def _kinds(habits: Sequence[Habit]) -> list[Finding]:
    preset = "`discover --preset telemetry` does it."
    looks = (
        ("counters", [h for h in habits if h.kind == "counter"], f"Kept as levels: take rates first. {preset}"),
        ("sleeping series", [h for h in habits if h.kind == "sleeping"], f"Most steps unchanged: take flags. {preset}"),
        ("slow exporters", [h for h in habits if h.cadence > 1], f"Values repeat between scrapes: take each once. {preset}"),
        ("alternating scrapes", [h for h in habits if h.alternating], f"Every other scrape differs: take pair means. {preset}"),
        ("wandering levels", [h for h in habits if h.wandering], f"Levels drift beyond return: take steps. {preset}"),
        ("heavy tails", [h for h in habits if h.kurtosis > _HEAVY], f"A few values decide: take ranks. {preset}"),
    )
    none = "None found."
    return [
        Finding(topic, [h.name for h in those], "note" if those else "ok", text if those else none)
        for topic, those, text in looks
    ]


def _load(load: Load) -> Finding:
    if load.proxy is None:
        return Finding("common load", "not looked for", "note", "Fewer than five columns vary.")
    text = f"{load.dependent_share:.0%} of the pairs, first factor {load.factor_share:.0%}, best seen in {load.proxy}"
    if load.present:
        meaning = (
            "Most pairs depend on each other after own pasts: one load is behind them, hidden or not; edges may be its shadow."
        )
        return Finding("common load", text, "warning", meaning)
    return Finding("common load", text, "ok", "No one load is behind most pairs.")


def _verdict(said: str) -> Finding:
    if said.startswith("cannot tell"):
        return Finding("what it can tell", said, "note", "A graph found here would be no more than noise.")
    meaning = "Some pairs depend on each other beyond chance, after their own pasts."
    return Finding("what it can tell", said, "note" if ":" in said else "ok", meaning)
