"""Traffic: what a topology does on average, from linear equations and without a run.

All of it is for a system in which nothing fails or queues: no retries, no refusals, no time-outs, no waiting for a core.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.sources._system.topology import Operation, Topology

Key = tuple[str, str]

MAX_VISITS = 20_000  # requests in the whole system for one user's request; the largest random mesh causes some 1,600
MAX_KNOT = 200  # operations that asynchronous calls may tie into one cycle


def visits(topology: Topology) -> dict[Key, float]:
    """Mean requests at each (service, operation) for one user's request.

    They solve ``v = e + Mᵀ v`` with ``e`` the entries' shares and ``M[a, b]`` the mean calls of ``b`` by one request of ``a``
    (probability × what the cache misses), as in any open network of queues (Jackson 1957).

    Raises
    ------
    InputError : calls that go round in a cycle and do not die out (the spectral radius of ``M`` is 1 or more), or more than
        ``MAX_VISITS`` in all.
    """
    arrows = _arrows(topology)
    total = sum(topology.entries.values())
    flow = dict.fromkeys(arrows, 0.0)
    for key, share in topology.entries.items():
        flow[key] += share / total
    for knot in _knots(arrows):
        if len(knot) > 1 or knot[0] in arrows[knot[0]]:
            _settle(knot, arrows, flow)
        inside = set(knot)
        for caller in knot:
            for callee, mean in arrows[caller].items():
                if callee not in inside:
                    flow[callee] += flow[caller] * mean
    found = sum(flow.values())
    if not found <= MAX_VISITS:
        raise InputError(f"calls must cause at most {MAX_VISITS} requests for one user's request, got {found:.3g}")
    return flow


def service_visits(topology: Topology) -> dict[str, float]:
    """Mean requests at each service for one user's request."""
    return _by_service(topology, visits(topology))


def utilisation(topology: Topology, scaled_out: bool = False) -> dict[str, float]:
    """Offered load ρ of each service's cores at the mean rate: 1 or more cannot be served for long.

    ``scaled_out`` counts the replicas that it may scale to. Pauses of the garbage collector and other services on its host
    (see :func:`host_use`) are not counted.
    """
    found = {}
    for service, work in zip(topology.services, _cores_used(topology).values(), strict=True):
        replicas = max(service.replicas, service.max_replicas or 0) if scaled_out else service.replicas
        found[service.name] = work / (replicas * service.cores)
    return found


def host_use(topology: Topology) -> dict[str, float]:
    """Offered load of each host's cores at the mean rate."""
    used = dict.fromkeys(topology.hosts, 0.0)
    for service, cores in zip(topology.services, _cores_used(topology).values(), strict=True):
        if service.host is not None:
            used[service.host] += cores
    return {host: used[host] / cores for host, cores in topology.hosts.items()}


def usual_ms(topology: Topology) -> dict[Key, float]:
    """Mean milliseconds from start to answer of each operation while nothing queues.

    Own work, and for each stage the largest of its calls' means (network and answer, times how often the call is made): a
    little less than the mean of the largest.

    Raises
    ------
    InputError : operations that wait for each other in a circle, with the circle.
    """
    found: dict[Key, float] = {}
    operations = operations_of(topology)
    for key in reversed(waiting_order(topology)):
        stages: dict[int, float] = defaultdict(float)
        for call in operations[key].calls:
            if call.waits:
                answer = topology.policy_of(key[0], call.service).network_ms + found[call.service, call.operation]
                stages[call.stage] = max(stages[call.stage], call.probability * (1 - call.hit) * answer)
        found[key] = operations[key].work_ms + sum(stages.values())
    return found


def thread_use(topology: Topology) -> dict[str, float]:
    """Share of each service's threads in use at the mean rate while nothing queues (Little's law); 0 where unbounded."""
    usual, seen = usual_ms(topology), visits(topology)
    busy = _by_service(topology, {key: topology.rate * seen[key] * usual[key] / 1000 for key in seen})
    return {s.name: busy[s.name] / (s.replicas * s.threads) if s.threads else 0.0 for s in topology.services}


def connection_use(topology: Topology) -> dict[Key, float]:
    """Share of each (caller, callee)'s connections in use at the mean rate while nothing queues; 0 where unbounded."""
    usual, seen = usual_ms(topology), visits(topology)
    found = dict.fromkeys(topology.edges, 0.0)
    for key, operation in operations_of(topology).items():
        for call in operation.calls:
            policy = topology.policy_of(key[0], call.service)
            if call.waits and policy.connections:
                answer = policy.network_ms + usual[call.service, call.operation]
                rate = topology.rate * seen[key] * call.probability * (1 - call.hit)
                found[key[0], call.service] += rate * answer / 1000 / policy.connections
    return found


def operations_of(topology: Topology) -> dict[Key, Operation]:
    """All operations by (service, operation)."""
    return {(s.name, o.name): o for s in topology.services for o in s.operations}


def waiting_order(topology: Topology) -> list[Key]:
    """Operations, callers before those that they wait for; raises InputError naming a circle."""
    import networkx as nx

    graph: nx.DiGraph[Key] = nx.DiGraph()
    graph.add_nodes_from(operations_of(topology))
    graph.add_edges_from(
        (key, (c.service, c.operation)) for key, o in operations_of(topology).items() for c in o.calls if c.waits
    )
    try:
        return list(nx.topological_sort(graph))
    except nx.NetworkXUnfeasible as error:
        raise InputError(f"calls must not wait for each other in a circle, got {circle(graph)}") from error


def circle(graph: Any) -> str:
    """Some cycle of a graph of operations, as ``a/x → b/y → a/x``; a long one is cut in the middle."""
    import networkx as nx

    steps = ["/".join(edge[0]) for edge in nx.find_cycle(graph)]
    steps.append(steps[0])
    return " → ".join(steps if len(steps) <= 9 else [*steps[:4], "…", *steps[-4:]])


def _arrows(topology: Topology) -> dict[Key, dict[Key, float]]:
    """Mean calls of one operation by one request of another."""
    arrows: dict[Key, dict[Key, float]] = {}
    for key, operation in operations_of(topology).items():
        mean: dict[Key, float] = defaultdict(float)
        for call in operation.calls:
            mean[call.service, call.operation] += call.probability * (1 - call.hit)
        arrows[key] = dict(mean)
    return arrows


def _knots(arrows: dict[Key, dict[Key, float]]) -> list[list[Key]]:
    """Groups of operations that call each other in a circle, callers before callees; most hold one operation."""
    import networkx as nx

    graph = nx.DiGraph((a, b) for a, callees in arrows.items() for b in callees)
    graph.add_nodes_from(arrows)
    knots = nx.condensation(graph)
    return [sorted(knots.nodes[k]["members"]) for k in nx.topological_sort(knots)]


def _settle(knot: list[Key], arrows: dict[Key, dict[Key, float]], flow: dict[Key, float]) -> None:
    """Replace what flows into a knot by what flows in it, in place."""
    import networkx as nx

    if len(knot) > MAX_KNOT:
        raise InputError(f"calls must tie at most {MAX_KNOT} operations into a cycle, got {len(knot)}")
    number = {key: k for k, key in enumerate(knot)}
    mean = np.zeros((len(knot), len(knot)))
    for caller in knot:
        for callee, value in arrows[caller].items():
            if callee in number:
                mean[number[caller], number[callee]] = value
    radius = float(np.abs(np.linalg.eigvals(mean)).max())
    if not radius < 1 - 1e-9:
        cycle = circle(nx.DiGraph((knot[i], knot[j]) for i, j in np.argwhere(mean > 0)))
        raise InputError(f"calls in a circle must die out (spectral radius < 1), got {radius:.3g} at {cycle}")
    settled = np.linalg.solve(np.eye(len(knot)) - mean.T, np.array([flow[key] for key in knot]))
    flow.update(zip(knot, settled.tolist(), strict=True))


def _by_service(topology: Topology, values: dict[Key, float]) -> dict[str, float]:
    return {s.name: sum(values[s.name, o.name] for o in s.operations) for s in topology.services}


def _cores_used(topology: Topology) -> dict[str, float]:
    """Cores that each service's own work keeps busy at the mean rate."""
    seen = visits(topology)
    work = {key: seen[key] * o.work_ms for key, o in operations_of(topology).items()}
    return {name: topology.rate * value / 1000 for name, value in _by_service(topology, work).items()}
