"""A random microservice system: who calls whom, how often, and how each service is built."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ENTRY = "frontend"
_WORDS = (
    "account auth billing booking cache cart catalog checkout cms comments config coupon currency customers "
    "delivery discovery docs email events export feed fraud gateway geo identity images inbox inventory invoice "
    "ledger mail media messages metrics notify offers orders payment photos pricing products profile promo queue "
    "quotes rating recommend redis refunds registry reports reviews rewards rules scheduler search session settings "
    "shipping sms stock storage store stream subscription support tags tax tickets timeline tokens tracking "
    "translate users vendors video wallet warehouse webhook wishlist workflow "
)
_POOL = tuple(_WORDS.split())


@dataclass(frozen=True, slots=True)
class Call:
    """One edge of the call graph.

    ``per_request`` calls for each request of the caller; ``lag`` steps until the callee sees them, 0 for a caller that waits,
    more for one that leaves a message (and then feels neither latency nor errors of the callee); ``exposed`` is the share of
    the callee's errors that no fallback hides.
    """

    caller: str
    callee: str
    per_request: float
    lag: int
    exposed: float

    @property
    def waits(self) -> bool:
        """Whether the caller waits for the answer."""
        return self.lag == 0


@dataclass(frozen=True, slots=True)
class Service:
    """How one service is built; rates are per second, times in milliseconds, shares in 0..1."""

    name: str
    rate: float  # requests per second at mean load
    cores: float
    idle_cpu: float
    mean_cpu: float
    deferred: float  # share of the CPU work that is done one step later
    cpu_keep: float
    service_ms: float
    variability: float  # (Ca² + Cs²) / 2 of the queue for CPU: 1 = Poisson arrivals, exponential work
    pool_use: float  # use of the connection pool at mean load; 0 = not bound by a pool
    latency_keep: float
    base_errors: float
    patience: float  # timeout, in multiples of the usual latency
    base_memory: float
    memory_per_load: float


@dataclass(frozen=True, slots=True)
class Topology:
    """Services, entry first and callers before callees, and the calls among them."""

    services: tuple[Service, ...]
    calls: tuple[Call, ...]

    def callers_of(self, name: str) -> tuple[Call, ...]:
        """The calls that a service receives."""
        return tuple(c for c in self.calls if c.callee == name)

    def calls_of(self, name: str) -> tuple[Call, ...]:
        """The calls that a service makes."""
        return tuple(c for c in self.calls if c.caller == name)


def draw_topology(n_services: int, asynchronous: float, rng: np.random.Generator) -> Topology:
    """Draw a layered call graph: acyclic, one entry that reaches every service, a few shared callees.

    >>> found = draw_topology(8, 0.1, np.random.default_rng(0))
    >>> found.services[0].name, len(found.services)
    ('frontend', 8)
    """
    names = [ENTRY, *_names(n_services - 1, rng)]
    calls: list[Call] = []
    for callee, callers in _callers(n_services, rng).items():
        for k, caller in enumerate(callers):
            late = asynchronous > 0 and rng.random() < asynchronous
            lag = int(rng.integers(1, 3)) if late else 0
            calls.append(Call(names[caller], names[callee], _calls_per_request(k, rng), lag, float(rng.uniform(0.4, 0.95))))
    rates = {ENTRY: float(rng.uniform(12.0, 30.0))}
    for name in names[1:]:
        rates[name] = sum(rates[c.caller] * c.per_request for c in calls if c.callee == name)
    return Topology(tuple(_service(name, rates[name], rng) for name in names), tuple(calls))


def _names(count: int, rng: np.random.Generator) -> list[str]:
    """Distinct names; a large system numbers its further instances of a kind."""
    names = [f"{_POOL[k % len(_POOL)]}{'' if k < len(_POOL) else f'-{k // len(_POOL) + 1}'}" for k in range(count)]
    if count <= len(_POOL):
        names = [_POOL[k] for k in rng.choice(len(_POOL), size=count, replace=False)]
    return [names[k] for k in rng.permutation(count)]


def _callers(n: int, rng: np.random.Generator) -> dict[int, list[int]]:
    """Callers of every service but the entry: one in the layer above, drawn by popularity, and at times more from above."""
    depth = min(n - 1, max(1, round(0.9 * np.log2(n) + 0.4)))
    layer = np.zeros(n, dtype=int)
    layer[1:] = np.sort(np.concatenate([np.arange(1, depth + 1), rng.integers(1, depth + 1, size=n - 1 - depth)]))
    fan_out = np.zeros(n)
    callers: dict[int, list[int]] = {}
    for callee in range(1, n):
        above = np.flatnonzero(layer == layer[callee] - 1)
        weight = 1.0 + fan_out[above]
        chosen = [int(rng.choice(above, p=weight / weight.sum()))]
        others = [k for k in np.flatnonzero(layer < layer[callee]).tolist() if k not in chosen]
        more = min(len(others), int(rng.poisson(0.45)))
        chosen += [int(k) for k in rng.choice(others, size=more, replace=False)] if more else []
        fan_out[chosen] += 1
        callers[callee] = chosen
    return callers


def _calls_per_request(k: int, rng: np.random.Generator) -> float:
    """The first caller is the main one."""
    return float(rng.uniform(0.5, 1.2) if k == 0 else rng.uniform(0.2, 0.7))


def _service(name: str, rate: float, rng: np.random.Generator) -> Service:
    return Service(
        name,
        rate,
        cores=float(rng.integers(1, 4)),
        idle_cpu=float(rng.uniform(0.02, 0.06)),
        mean_cpu=float(rng.uniform(0.25, 0.5)),
        deferred=float(rng.uniform(0.2, 0.5) * (rng.random() < 0.3)),
        cpu_keep=float(rng.uniform(0.2, 0.6)),
        service_ms=float(np.exp(rng.uniform(np.log(5.0), np.log(50.0)))),
        variability=float(rng.uniform(1.2, 2.8)),
        pool_use=float(rng.uniform(0.25, 0.5) * (rng.random() < 0.4)),
        latency_keep=float(rng.uniform(0.2, 0.5) * (rng.random() < 0.5)),
        base_errors=float(np.exp(rng.uniform(np.log(1e-4), np.log(1e-3)))),
        patience=float(rng.uniform(6.0, 9.0)),
        base_memory=float(rng.uniform(0.25, 0.5)),
        memory_per_load=float(rng.uniform(0.1, 0.25)),
    )
