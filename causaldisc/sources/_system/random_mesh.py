"""A random system: its calls, so that every service gets traffic, and its services, so that their use is ordinary.

Calls are drawn from the entry downwards, each service's share of the traffic with them; work, cores, threads, time-outs and
hosts follow from the traffic, as those of a real system do.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.sources._system.bounds import RATE, check_number
from causaldisc.sources._system.random_graph import CallGraph, draw_call_graph
from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology
from causaldisc.sources._system.traffic import connection_use, thread_use, usual_ms, utilisation

_VERBS = ("get", "list", "search", "create", "update", "sync", "render", "check")
_PAGES = ("home", "browse", "checkout")
_LEAST_VISITS = 0.25  # of a service by one user's request, so that its work can be of an ordinary length
_WIDE = 7.0  # threads and connections, in multiples of those in use at the mean rate

Key = tuple[int, int]  # number of a service and of its operation


def draw_mesh(
    n_services: int,
    rng: np.random.Generator,
    asynchronous: float = 0.12,
    *,
    rate: float | None = None,
    load: float = 0.35,
    depth: int | None = None,
    fan_out: int = 8,
    shared: float = 0.45,
    name: str = "mesh",
) -> Topology:
    """Draw a layered acyclic system of 2 to 1000 services with one entry service, ``frontend``, that reaches all of them.

    ``asynchronous`` is the share of (caller, callee) pairs that leave messages; ``rate`` the users' requests per second (12 to
    30 if not given); ``load`` the mean use of the services' cores, each within ±40 % of it; ``depth`` the layers below the
    entry; ``fan_out`` the most services that one calls; ``shared`` the mean number of callers beyond the main one.

    Raises
    ------
    InputError : a parameter out of its range, or too small a ``fan_out`` for the ``depth``.

    >>> mesh = draw_mesh(8, np.random.default_rng(0))
    >>> mesh.services[0].name, len(mesh.services), sum(mesh.entries.values())
    ('frontend', 8, 1.0)
    """
    for what, value, low, high in (
        ("n_services", n_services, 2, 1000),
        ("asynchronous", asynchronous, 0, 1),
        ("load", load, 0.01, 0.65),
        ("fan_out", fan_out, 1, 1000),
        ("shared", shared, 0, 10),
    ):
        if not low <= value <= high:
            raise InputError(f"{what} must be in {low:g}..{high:g}, got {value!r}")
    users = float(rng.uniform(12.0, 30.0)) if rate is None else rate
    check_number(users, RATE, "rate")
    depth = min(n_services - 1, max(1, round(0.9 * math.log2(n_services) + 0.4))) if depth is None else depth
    graph = draw_call_graph(n_services, rng, depth, fan_out, shared)
    operations = [_operation_names(k, rng) for k in range(n_services)]
    shares = rng.dirichlet(np.full(len(operations[0]), 4.0)).round(3)
    shares[0] += 1.0 - shares.sum()
    entries = {(graph.names[0], o): float(s) for o, s in zip(operations[0], shares, strict=True)}
    calls, seen = _draw_calls(graph, operations, shares, asynchronous, rng)
    services = tuple(_service(k, graph, operations[k], calls, seen[k] * users, load, rng) for k in range(n_services))
    bare = Topology(name, services, entries, users)
    return _widen(_place(replace(bare, policies={edge: _policy(rng) for edge in bare.edges}), rng), rng)


def _operation_names(k: int, rng: np.random.Generator) -> list[str]:
    """Names of 1 to 3 operations."""
    count = int(rng.integers(1, 4))
    return list(_PAGES[:count]) if k == 0 else [_VERBS[v] for v in rng.permutation(len(_VERBS))[:count]]


def _draw_calls(
    graph: CallGraph, operations: list[list[str]], shares: np.ndarray, asynchronous: float, rng: np.random.Generator
) -> tuple[dict[Key, list[Call]], list[np.ndarray]]:
    """Draw all calls, without stages yet, and the mean requests at each operation for one user's request."""
    calls: dict[Key, list[Call]] = {(k, o): [] for k, names in enumerate(operations) for o in range(len(names))}
    seen = [np.zeros(len(names)) for names in operations]
    seen[0][:] = shares
    for callee in sorted(range(1, len(operations)), key=lambda k: graph.layers[k]):
        pairs = _pairs(graph.callers[callee], len(operations[callee]), seen, rng)
        traffic = np.array([seen[caller][operation] for (caller, operation), _ in pairs])
        hits = np.where(rng.random(len(pairs)) < 0.15, rng.uniform(0.2, 0.6, len(pairs)), 0.0).round(2)
        wanted = float(np.exp(rng.uniform(np.log(0.35), np.log(1.5))))  # visits for one user's request
        weight = rng.uniform(0.5, 1.5, len(pairs))
        made = np.minimum(weight * wanted / float(weight @ traffic), 1.0 - hits)
        probability = np.clip(made / (1.0 - hits), 0.02, 1.0).round(3)
        late = {caller: bool(rng.random() < asynchronous) for caller in graph.callers[callee]}
        needed = rng.random(len(pairs)) < 0.75
        for k, (key, target) in enumerate(pairs):
            waits = not late[key[0]]
            call = Call(
                graph.names[callee],
                operations[callee][target],
                probability=float(probability[k]),
                hit=float(hits[k]),
                waits=waits,
                required=waits and bool(needed[k]),
            )
            calls[key].append(call)
            seen[callee][target] += traffic[k] * probability[k] * (1.0 - hits[k])
    return calls, seen


def _pairs(callers: tuple[int, ...], targets: int, seen: list[np.ndarray], rng: np.random.Generator) -> list[tuple[Key, int]]:
    """(caller's operation, callee's operation) of each call: every caller calls, every operation is called.

    The main caller calls from more of its operations where the first ones see too little traffic.
    """
    found: list[tuple[Key, int]] = []
    for k in range(max(targets, len(callers))):
        caller = callers[k % len(callers)]
        share = seen[caller] / seen[caller].sum()
        found.append(((caller, int(rng.choice(len(share), p=share))), k % targets))
    main = callers[0]
    others = [((main, o), t) for t in range(targets) for o in range(len(seen[main])) if ((main, o), t) not in found]
    for k in rng.permutation(len(others)):
        if sum(seen[c][o] for (c, o), _ in found) >= 1.5 * _LEAST_VISITS:
            break
        found.append(others[k])
    return found


def _staged(calls: list[Call], rng: np.random.Generator) -> tuple[Call, ...]:
    """Put calls into a random order of stages: about three, however many calls there are."""
    new = rng.random(len(calls)) < min(0.5, 2.0 / max(1, len(calls)))
    stage = np.cumsum(new) - (new[0] if len(calls) else 0)
    return tuple(replace(calls[c], stage=int(s)) for c, s in zip(rng.permutation(len(calls)), stage, strict=True))


def _service(
    k: int,
    graph: CallGraph,
    names: list[str],
    calls: dict[Key, list[Call]],
    rates: np.ndarray,
    load: float,
    rng: np.random.Generator,
) -> Service:
    """Size one service for its operations' rates, float[operations] per second."""
    use = load * float(rng.uniform(0.65, 1.35))
    most = max(1.0, 0.04 * float(rates.sum()) / use)  # cores beyond which a request would work for more than 40 ms
    cores = int(rng.choice([c for c in (1, 2, 4) if c <= most]))
    replicas = int(rng.integers(1, 1 + min(3, int(most // cores))))
    weight = rng.uniform(0.6, 1.6, len(names))
    work = 1000.0 * use * cores * replicas * weight / float(weight @ rates)
    store = not any(calls[k, o] for o in range(len(names))) and bool(rng.random() < 0.6)  # a database, say
    writes = np.where(rng.random(len(names)) < 0.6, rng.uniform(0.05, 0.35, len(names)), 0.0).round(2) if store else work * 0
    operations = tuple(
        Operation(
            n, round(float(work[o]), 3), _staged(calls[k, o], rng), round(float(rng.uniform(0.5, 0.9)), 2), float(writes[o])
        )
        for o, n in enumerate(names)
    )
    return Service(
        graph.names[k],
        operations,
        cores=cores,
        queue=int(rng.choice([128, 256, 512])),
        replicas=replicas,
        max_replicas=replicas + 2 if rng.random() < 0.15 else None,
        floor=round(float(rng.uniform(0.2, 0.5)), 2),
        errors=round(float(np.exp(rng.uniform(np.log(1e-4), np.log(1e-3)))), 6),
        memory=round(float(rng.uniform(0.25, 0.5)), 2),
        locks=int(rng.integers(1, 5)) if writes.any() else 0,
        gc_s=round(float(rng.uniform(20.0, 90.0)), 1) if rng.random() < 0.3 else 0.0,
        gc_pause_ms=round(float(rng.uniform(20.0, 80.0)), 1),
        disk=store,
    )


def _policy(rng: np.random.Generator) -> Policy:
    return Policy(
        retries=int(rng.integers(0, 2)),
        breaker=0.5 if rng.random() < 0.7 else None,
        network_ms=round(float(np.exp(rng.uniform(np.log(0.3), np.log(1.5)))), 2),
    )


def _place(topology: Topology, rng: np.random.Generator) -> Topology:
    """Put about three services on each host, which has fewer cores than they have together."""
    count = max(1, round(len(topology.services) / 3))
    order = rng.permutation(len(topology.services))
    use = utilisation(topology)
    hosts, of = {}, {}
    for h in range(count):
        name = f"node-{h + 1}"
        members = [topology.services[k] for k in order[h::count]]
        busy = sum(use[s.name] * s.cores * s.replicas for s in members)
        hosts[name] = max(max(s.cores for s in members), math.ceil(busy / float(rng.uniform(0.4, 0.6))))
        of |= {s.name: name for s in members}
    return replace(topology, hosts=hosts, services=tuple(replace(s, host=of[s.name]) for s in topology.services))


def _widen(topology: Topology, rng: np.random.Generator) -> Topology:
    """Give threads, connections and time-outs with the room that a sound system has at its mean rate."""
    usual, busy, open_ = usual_ms(topology), thread_use(topology), connection_use(topology)
    services = []
    for s in topology.services:
        threads = max(32, _power_of_2(_WIDE * busy[s.name] * (s.threads or 1)))
        services.append(replace(s, threads=threads, memory_per_thread=round(float(rng.uniform(0.2, 0.5)) / threads, 6)))
    policies = {}
    for edge, policy in topology.policies.items():
        slowest = max(usual[edge[1], o.name] for s in topology.services if s.name == edge[1] for o in s.operations)
        patience = float(rng.uniform(20.0, 30.0)) * (slowest + policy.network_ms)
        wide = max(32, _power_of_2(_WIDE * open_[edge] * (policy.connections or 1)))
        policies[edge] = replace(policy, timeout_ms=float(math.ceil(max(1000.0, patience))), connections=wide)
    return replace(topology, services=tuple(services), policies=policies)


def _power_of_2(least: float) -> int:
    return 2 ** max(0, math.ceil(math.log2(max(least, 1e-9))))
