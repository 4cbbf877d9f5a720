"""Projection: from the reads of states to a graph over the metrics that are observed. The model page works it out.

1. Time. A scrape interval is one step. What happens within a fraction of it is at lag 0, what takes longer has its lag in steps.
   Reads at lag 0 that go round in a circle are feedback: in each circle those that run against the life of a request (on its way
   down from the users: traffic, threads, locks, cores, connections; then up again: latency, errors) are written at lag 1.
2. Hidden states. A directed path whose inner states are all hidden becomes one edge, its lag the sum; two observed states that
   such paths reach from one hidden state with a randomness of its own have a hidden common cause: two arrows.
3. Metrics. Each metric stands for its state; two metrics of one state have that state as their common cause.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from causaldisc.sources._system.mechanisms import Read, State
from causaldisc.sources._system.topology import Topology

Arrow = tuple[State, State, int]

# States with draws of their own; the others are functions of what they read.
NOISY = frozenset(("users", "neighbours", "work", "traffic", "errors", "latency"))
_DOWN = (
    "memory",
    "restarts",
    "warm",
    "replicas",
    "load",
    "slow",
    "work",
    "traffic",
    "threads",
    "locks",
    "cpu",
    "cores",
    "breaker",
    "pool",
)


def seen_from_outside(topology: Topology, reads: Iterable[Read]) -> list[Read]:
    """Say of work what its metric says: what is brought to the cores is the CPU time used, and the line before them is its doing.

    In the loop a request's work is one number, which is spent on a core and counted as CPU time. On the scale of a scrape,
    the line depends on how much work there is: it reads the CPU time, and of the traffic only which requests bring the work.
    (do() on the CPU means just that: work then waits as at that use.) Each request's work is drawn once and takes both CPU
    time and time: a hidden common cause of the two.
    """
    found = []
    for read in reads:
        brings = read.source.role == "traffic" and read.target == State("cores", read.source.of)
        found.append(replace(read, kind="which") if brings else read)
    for service in topology.services:
        name = service.name
        found.append(Read(State("cpu", name), State("cores", name), "what"))
        if service.floor < 1.0:
            found += [Read(State("work", name), State(role, name), "what") for role in ("cpu", "latency")]
    return found


def timed(topology: Topology, reads: Iterable[Read], delay_s: Callable[[Read], float], step_s: float) -> list[Arrow]:
    """Give every read its lag in steps: that of its delay, and 1 for feedback.

    ``delay_s`` tells the seconds that a read takes beyond the moment.
    """
    arrows = sorted({(r.source, r.target, _steps(delay_s(r), step_s)) for r in reads})
    circle = _circles([(a, b) for a, b, lag in arrows if lag == 0])
    rank = _ranks(topology)
    found = set()
    for a, b, lag in arrows:
        inside = lag == 0 and circle.get(a, -1) == circle.get(b, -2)
        found.add((a, b, 1 if inside and rank(a) >= rank(b) else lag))
    return sorted(found)


def project(arrows: Sequence[Arrow], observed: Iterable[State], max_lag: int) -> tuple[set[Arrow], set[Arrow]]:
    """Marginalise hidden states: (directed, confounded) among the observed ones, lags up to ``max_lag`` steps.

    A confounded pair (a, b, lag) says that a hidden state drives ``a`` that many steps before ``b``; at lag 0 it is told once,
    with a < b. The latent projection of T. S. Verma and J. Pearl, "Equivalence and synthesis of causal models", UAI 1990, on a
    graph that repeats itself in time.

    >>> a, h, b = State("traffic", "a"), State("cores", "a"), State("latency", "a")
    >>> project([(a, h, 0), (h, b, 1)], [a, b], 2)
    ({(State(role='traffic', of='a'), State(role='latency', of='a'), 1)}, set())
    """
    seen = set(observed)
    after: Mapping[State, list[tuple[State, int]]] = defaultdict(list)
    for a, b, lag in arrows:
        after[a].append((b, lag))
    reach = {state: _reached(state, after, seen, max_lag) for state in {a for a, _, _ in arrows}}
    directed = {(a, b, lag) for a in seen for b, lag in reach.get(a, ()) if (a, lag) != (b, 0)}
    confounded = set()
    for hidden in reach:
        if hidden in seen or hidden.role not in NOISY:
            continue
        for a, first in reach[hidden]:
            for b, second in reach[hidden]:
                lag = second - first
                if a != b and (lag > 0 or (lag == 0 and a < b)):
                    confounded.add((a, b, lag))
    return directed, confounded


def over_columns(
    arrows: Sequence[Arrow], states_of: Mapping[str, State], max_lag: int
) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, int]]]:
    """Project on columns, of which each shows a state: (directed, confounded) pairs of their names, with lags.

    Two columns of one state share its edges, and have it as their common cause. A pair that is directed is not confounded beside.
    """
    columns: dict[State, list[str]] = {}
    for name, state in states_of.items():
        columns.setdefault(state, []).append(name)
    directed, confounded = project(arrows, columns, max_lag)
    edges = [(a, b, lag) for s, t, lag in directed for a in columns[s] for b in columns[t]]
    taken = {*edges, *((b, a, 0) for a, b, lag in edges if lag == 0)}
    hidden = [(a, b, lag) for s, t, lag in confounded for a in columns[s] for b in columns[t]]
    hidden += [(a, b, 0) for names in columns.values() for k, a in enumerate(names) for b in names[k + 1 :]]
    return edges, [pair for pair in hidden if pair not in taken]


def _reached(
    start: State, after: Mapping[State, list[tuple[State, int]]], seen: set[State], max_lag: int
) -> set[tuple[State, int]]:
    """Observed states at the ends of paths through hidden ones, with the paths' lags."""
    found, visited, todo = set(), {(start, 0)}, [(start, 0)]
    while todo:
        state, lag = todo.pop()
        for target, more in after.get(state, ()):
            place = (target, lag + more)
            if place[1] > max_lag or place in visited:
                continue
            visited.add(place)
            if target in seen:
                found.add(place)
            else:
                todo.append(place)
    return found


def _steps(delay_s: float, step_s: float) -> int:
    return round(delay_s / step_s)


def _circles(edges: list[tuple[State, State]]) -> dict[State, int]:
    """State → number of its strongly connected component, those of one state left out."""
    import networkx as nx

    graph = nx.DiGraph(edges)
    groups = (group for group in nx.strongly_connected_components(graph) if len(group) > 1)
    return {state: k for k, group in enumerate(sorted(groups, key=min)) for state in group}


def _ranks(topology: Topology) -> Callable[[State], tuple[int, int, int, str]]:
    """When a state comes in the life of a request: first down the calls, then up."""
    depth = _depths(topology)

    def rank(state: State) -> tuple[int, int, int, str]:
        service = state.of.partition("->")[0]
        level = depth.get(service, -1)
        if state.role in ("latency", "errors"):
            return (1, -level, 0 if state.role == "latency" else 1, state.of)
        return (0, level, _DOWN.index(state.role) if state.role in _DOWN else -1, state.of)

    return rank


def _depths(topology: Topology) -> dict[str, int]:
    """Service → the length of the longest way to it from an entry, circles of services counted once."""
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(s.name for s in topology.services)
    graph.add_edges_from(topology.edges)
    whole = nx.condensation(graph)
    depth: dict[int, int] = {}
    for node in nx.topological_sort(whole):
        depth[node] = max((depth[p] + len(whole.nodes[p]["members"]) for p in whole.predecessors(node)), default=0)
    place = {}
    for node in whole:
        for k, member in enumerate(sorted(whole.nodes[node]["members"], key=topology.index.__getitem__)):
            place[member] = depth[node] + k
    return place
