"""Validate: spend a budget of interventions on a graph's claims and mark its edges."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from causaldisc.core.discovery import Discovery
from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.graph import CausalGraph
from causaldisc.core.plugins import Planner, System, planners, sources
from causaldisc.validation._campaign import HOLDS, Campaign
from causaldisc.validation._claims import mark
from causaldisc.validation._trials import Trials


def validate(
    graph: CausalGraph | Discovery,
    source: str | System,
    seed: int = 0,
    budget: int = 10,
    planner: str | Planner = "coverage",
    alpha: float = 0.05,
    *,
    delta: float = 0.2,
    hold: str = "parents",
    repeats: int = 1,
    quantiles: Sequence[float] = (0.05, 0.5, 0.95),
    warmup: float = 0.2,
    **parameters: Any,
) -> CausalGraph:
    """Run interventions on a system and mark each edge of a graph ``confirmed``, ``refuted`` or ``untested``.

    One trial sets one variable i to each of its ``quantiles``, one run of the system a setting (times ``repeats``), and looks at
    the mean of variables j that the graph claims i to cause. The edge is

    - confirmed when j moves: two settings differ, false discovery rate at most ``alpha`` over all claims tested;
    - refuted when j is shown not to move: every difference between settings lies within ±``delta`` standard deviations of j
      (two one-sided tests), false discovery rate again at most ``alpha``. A refuted edge stays in the graph, marked;
    - untested otherwise: no trial was spent on it, or the trial was too weak to tell.

    An edge that leaves its direction open is tested from both ends, and directed when one direction is confirmed and the
    other refuted. Tests speak of means and of a pair, not of its lags: edges of a pair at several lags share their state.

    By itself do(i) shows the total effect. To see the direct one, other variables are held at their medians meanwhile:

    - ``parents``: those that the graph lets cause j. Effects that are held for each other take a trial each. An indirect
      effect is still confirmed when the graph lacks the way that it takes.
    - ``all``: every other variable, hence one effect a trial: about twice the trials, and no trust in the graph needed.
    - ``none``: nothing; edges are then ancestral claims. So they are in a PAG, for which nothing is ever held.

    Parameters
    ----------
    graph : the graph to validate, or a Discovery. Edges that are decided already are kept and not tested again.
    source : name of a source, built with ``parameters`` and ``seed``; or a System.
    budget : number of trials, >= 1; fewer are run when nothing is left to test.
    planner : chooses what to set next: a name (see ``causaldisc list planners``) or a Planner.
    alpha : false discovery rate of the confirmed edges, and of the refuted ones.
    delta : smallest effect that matters, in standard deviations of the affected variable.
    hold : what is held meanwhile, see above.
    repeats : runs a setting; more runs make weak trials stronger.
    quantiles : two or more settings of a variable; three tell an effect that rises and falls from none.
    warmup : share of each run's rows left out at its start.

    Returns
    -------
    CausalGraph : the graph with marked edges; ``provenance["validation"]`` holds every intervention and every test.

    Raises
    ------
    InputError : a bad value, an unknown source, planner or variable, or a source that cannot be experimented on.
    """
    graph = graph.graph if isinstance(graph, Discovery) else graph
    _check(seed, budget, alpha, delta, repeats, quantiles, warmup)
    if hold not in HOLDS:
        raise InputError(f"hold must be a known choice, got {hold!r}; {did_you_mean(str(hold), HOLDS)}")
    chooser = planners.build(planner) if isinstance(planner, str) else planner
    system = _system(source, seed, parameters)
    earlier = graph.provenance.get("validation")
    trials = Trials(system, graph.names, quantiles, repeats, warmup, _next_run(earlier))
    campaign = Campaign(graph, trials, alpha, delta, "none" if graph.kind == "pag" else hold)
    campaign.spend(budget, chooser, np.random.default_rng([int(seed), zlib.crc32(b"validate")]))
    record = {
        "source": source if isinstance(source, str) else type(source).__name__,
        **{"parameters": parameters, "seed": int(seed), "planner": chooser.name, "budget": budget},
        **{"alpha": alpha, "delta": delta, "hold": campaign.hold, "repeats": repeats},
        **{"quantiles": list(quantiles), "warmup": warmup},
        **{"trials": trials.record, "tests": campaign.tests()},
        **({"earlier": earlier} if earlier else {}),
    }
    marked = mark(graph, campaign.verdicts())
    return marked.replace(provenance={**graph.provenance, "validation": record})


def _system(source: str | System, seed: int, parameters: dict[str, Any]) -> System:
    if isinstance(source, str):
        return sources.build(source, parameters).system(seed)
    if not isinstance(source, System):
        raise InputError(f"source must be the name of a source or a System, got {type(source).__name__}")
    if parameters:
        raise InputError(f"parameters must be given with a source's name, got {', '.join(parameters)} beside a System")
    return source


def _next_run(earlier: Any) -> int:
    """The first run number that an earlier validation of the same graph has not used."""
    used = [run["run"] for trial in (earlier or {}).get("trials", ()) for run in trial["runs"]]
    return max(used, default=-1) + 1


def _check(seed: int, budget: int, alpha: float, delta: float, repeats: int, quantiles: Sequence[float], warmup: float) -> None:
    for name, count, low in (("seed", seed, 0), ("budget", budget, 1), ("repeats", repeats, 1)):
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < low:
            raise InputError(f"{name} must be a whole number >= {low}, got {count!r}")
    for name, value, high in (("alpha", alpha, 1.0), ("delta", delta, math.inf)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < high:
            raise InputError(
                f"{name} must be a number {'> 0' if math.isinf(high) else 'strictly between 0 and 1'}, got {value!r}"
            )
    if isinstance(warmup, bool) or not isinstance(warmup, int | float) or not 0 <= warmup < 1:
        raise InputError(f"warmup must be a share of the run, 0 <= warmup < 1, got {warmup!r}")
    levels = list(quantiles)
    if len(levels) < 2 or levels != sorted(set(levels)) or not all(0 <= q <= 1 for q in levels):
        raise InputError(f"quantiles must be two or more increasing numbers in 0..1, got {quantiles!r}")
