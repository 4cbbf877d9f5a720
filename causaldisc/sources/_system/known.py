"""What whoever runs a system knows about it without measuring: who calls whom, what shares a host, where users enter."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from causaldisc.core.prior import ExpertPrior
from causaldisc.sources._system.topology import Topology

if TYPE_CHECKING:
    import networkx as nx

_AFTER = ("cpu", "memory", "saturation", "latency", "errors")  # roles of metrics that requests move, never users


def call_graph(topology: Topology) -> nx.DiGraph:
    """Return the services with an edge from each caller to each callee.

    ``waits`` of an edge: whether the caller waits for any of its calls' answers. Two services may call each other even where
    no two operations do; then the graph has a cycle.

    >>> from causaldisc.sources._system.named_systems import named
    >>> graph = call_graph(named("sock_shop"))
    >>> graph.edges["shipping", "rabbitmq"], sorted(graph.successors("carts"))
    ({'waits': False}, ['carts-db'])
    """
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(s.name for s in topology.services)
    for caller, callee in topology.edges:
        graph.add_edge(caller, callee, waits=False)
    for service in topology.services:
        for operation in service.operations:
            for call in operation.calls:
                graph.edges[service.name, call.service]["waits"] |= call.waits
    return graph


def known_to_expert(topology: Topology) -> ExpertPrior:
    """Return the call graph, the services that share a host, and that users do not look at the servers before they come.

    The last holds of the traffic of the services at which users enter, unless other services call them too.

    >>> from causaldisc.sources._system.named_systems import named
    >>> prior = known_to_expert(named("online_boutique"))
    >>> prior.calls[0], prior.co_located[0], prior.forbidden[0].to_dict()["target"]
    (('cartservice', 'redis-cart'), ('adservice', 'frontend', 'paymentservice'), 'frontend:traffic')
    """
    hosts: dict[str, list[str]] = defaultdict(list)
    for service in topology.services:
        if service.host is not None:
            hosts[service.host].append(service.name)
    called = {callee for _, callee in topology.edges}
    entries = sorted({service for (service, _), share in topology.entries.items() if share > 0} - called)
    return ExpertPrior(
        forbidden=[
            {"source": f"*:{role}", "target": f"{entry}:traffic", "from": "traffic at the entry is exogenous"}
            for entry in entries
            for role in _AFTER
        ],
        calls=sorted(topology.edges),
        co_located=sorted(sorted(group) for group in hosts.values() if len(group) > 1),
    )
