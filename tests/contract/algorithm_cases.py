"""What the algorithm contract runs on: small telemetry, priors clause by clause, and judges that share no code with core."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

import causaldisc as cd
from causaldisc.core.discovery import Discovery
from causaldisc.core.errors import PriorError
from causaldisc.core.plugins import algorithms

NAMES = algorithms.names()
VARIABLES = ("shop:traffic", "shop:latency", "cart:traffic", "cart:cpu", "cart:latency", "db:latency")
CALLS = (("shop", "cart"), ("cart", "db"))
# Less work than the defaults, by the name of a parameter, wherever an algorithm has it.
CHEAP = {"steps": 25, "restarts": 1, "bootstrap": 2}
MANY_LAGS = 2


def fields_of(name: str) -> dict[str, dataclasses.Field]:
    return {f.name: f for f in dataclasses.fields(algorithms.get(name)) if f.init}


def settings(name: str, lag: int | None = None) -> dict[str, object]:
    """Cheap parameters of an algorithm, at a lag where it has the choice."""
    fields = fields_of(name)
    cheap: dict[str, object] = {k: v for k, v in CHEAP.items() if k in fields}
    return cheap if lag is None or "max_lag" not in fields else {**cheap, "max_lag": lag}


def lags_of(name: str) -> list[int]:
    """The lags that an algorithm is tried at: none and several, or its only one."""
    fields = fields_of(name)
    if "max_lag" not in fields:
        return [algorithms.get(name).max_lag]
    low = fields["max_lag"].metadata.get("low") or 0
    return sorted({low, max(low, MANY_LAGS)})


CASES = [(name, lag) for name in NAMES for lag in lags_of(name)]


@functools.cache
def telemetry(seed: int = 0, rows: int = 150) -> cd.Telemetry:
    """A small system along the calls: traffic goes down, latency comes back, partly a step later."""
    rng = np.random.default_rng(seed)
    e = rng.normal(size=(rows + 1, 6))
    x = np.zeros_like(e)
    for t in range(1, rows + 1):
        x[t, 0] = 0.5 * x[t - 1, 0] + e[t, 0]
        x[t, 2] = 0.9 * x[t, 0] + 0.5 * e[t, 2]
        x[t, 3] = np.tanh(x[t, 2]) + 0.4 * e[t, 3]
        x[t, 5] = 0.4 * x[t - 1, 5] + e[t, 5]
        x[t, 4] = 0.8 * x[t, 3] + 0.8 * x[t, 5] + 0.5 * e[t, 4]
        x[t, 1] = 0.9 * x[t - 1, 4] + 0.5 * e[t, 1]
    return cd.Telemetry(x[1:], VARIABLES)


@functools.cache
def needs_calls(name: str) -> bool:
    """Whether an algorithm refuses a prior that names no calls; it must then say so."""
    lag = lags_of(name)[0]
    try:
        cd.discover(telemetry(rows=40), name, **settings(name, lag))
    except PriorError as error:
        assert "calls" in str(error), error
        return True
    return False


def with_calls(name: str, **clauses: object) -> cd.ExpertPrior:
    """A prior of these clauses, and of a call graph where the algorithm cannot do without."""
    if needs_calls(name):
        clauses.setdefault("calls", CALLS)
    return cd.ExpertPrior(**clauses)  # type: ignore[arg-type]


@functools.cache
def base(name: str, lag: int) -> Discovery:
    """The plain run that most checks look at. An algorithm that cannot do it fails all of them."""
    return cd.discover(telemetry(), name, prior=with_calls(name), seed=1, **settings(name, lag))


# -- judges ----------------------------------------------------------------------------------------------------------


def arrows(graph: cd.CausalGraph) -> set[tuple[str, str, int]]:
    """Every cause → effect that an edge may stand for: an arrowhead that is in no conflict says that its end is no cause."""
    found = set()
    for e in graph.edges:
        if e.conflict or e.source_mark != "arrow":
            found.add((e.source, e.target, e.lag))
        if e.conflict or e.target_mark != "arrow":
            found.add((e.target, e.source, e.lag))
    return found


def directed(graph: cd.CausalGraph) -> set[tuple[str, str, int]]:
    """The edges that say cause → effect and nothing else."""
    return {(e.source, e.target, e.lag) for e in graph.edges if (e.source_mark, e.target_mark) == ("tail", "arrow")}


def shape_of(graph: cd.CausalGraph, names: dict[str, str]) -> set[tuple]:
    """The edges under other names, alike whichever end of a symmetric edge comes first."""
    edges = set()
    for e in graph.edges:
        ends = [(names[e.source], e.source_mark), (names[e.target], e.target_mark)]
        symmetric = e.lag == 0 and e.source_mark == e.target_mark
        edges.add((tuple(sorted(ends) if symmetric else ends), e.lag, e.conflict))
    return edges


def has_cycle(graph: cd.CausalGraph) -> bool:
    """Whether the directed lag-0 edges go round."""
    place = {name: k for k, name in enumerate(graph.names)}
    matrix = np.zeros((len(place),) * 2)
    for a, b, lag in directed(graph):
        if lag == 0:
            matrix[place[a], place[b]] = 1.0
    return bool(np.trace(np.linalg.matrix_power(np.eye(len(place)) + matrix, max(len(place), 1))) > len(place) + 0.5)


def breaches(graph: cd.CausalGraph, prior: cd.ExpertPrior) -> list[str]:
    """What a graph does against clauses on plain variable names, in words; globs and calls have judges of their own."""
    said = []
    for c in prior.required:
        low, high = c.lag or (0, graph.max_lag)
        if not any(a == c.source and b == c.target and low <= lag <= high for a, b, lag in directed(graph)):
            said.append(f"required {c.source} -> {c.target} is missing")
    tier = {name: k for k, names in enumerate(prior.tiers) for name in names}
    for a, b, lag in arrows(graph):
        edge = f"{a} -> {b} at lag {lag}"
        said += [
            f"forbidden {edge}"
            for c in prior.forbidden
            if (c.source, c.target) == (a, b) and (c.lag is None or c.lag[0] <= lag <= c.lag[1])
        ]
        if tier.get(a, -1) > tier.get(b, len(tier)):
            said.append(f"against tiers {edge}")
        if b in prior.roots:
            said.append(f"into a root {edge}")
        if a in prior.leaves:
            said.append(f"out of a leaf {edge}")
        if prior.max_lag is not None and lag > prior.max_lag:
            said.append(f"beyond max_lag {edge}")
    return said
