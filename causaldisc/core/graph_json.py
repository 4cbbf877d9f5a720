"""The file format ``causaldisc-graph`` version 1: JSON that ``networkx.node_link_graph(data, edges="edges")`` reads as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from causaldisc.core.errors import InputError
from causaldisc.core.files import plain, read_json, write_json
from causaldisc.core.graph import CausalGraph, Edge
from causaldisc.core.variables import Variable

FORMAT = "causaldisc-graph"
VERSION = 1


def to_json(graph: CausalGraph) -> dict[str, Any]:
    """Return the JSON-ready mapping of a graph."""
    return plain(
        {
            "directed": True,
            "multigraph": True,
            "graph": {
                "format": FORMAT,
                "version": VERSION,
                "kind": graph.kind,
                "max_lag": graph.max_lag,
                "step_seconds": graph.step_seconds,
                "provenance": dict(graph.provenance),
            },
            "nodes": [_node(v) for v in graph.variables],
            "edges": [_edge(e) for e in graph.edges],
        }
    )


def from_json(data: Any, where: str = "graph") -> CausalGraph:
    """Build a graph from the JSON mapping; errors begin with ``where``."""
    try:
        return _parse(data)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def save(graph: CausalGraph, path: str | Path) -> None:
    """Write a graph file, whole or not at all."""
    write_json(path, to_json(graph))


def load(path: str | Path) -> CausalGraph:
    """Read a graph file."""
    return from_json(read_json(path), str(path))


def _node(v: Variable) -> dict[str, Any]:
    data = {"id": v.name, "service": v.service, "metric": v.metric, "role": v.role}
    return {**data, "unit": v.unit} if v.unit else data


def _edge(e: Edge) -> dict[str, Any]:
    return {
        "source": e.source,
        "target": e.target,
        "key": e.lag,
        "lag": e.lag,
        "source_mark": e.source_mark,
        "target_mark": e.target_mark,
        "conflict": e.conflict,
        "strength": e.strength,
        "confidence": e.confidence,
        "orientation_confidence": e.orientation_confidence,
        "p_value": e.p_value,
        "evidence": list(e.evidence),
        "validation": e.validation,
    }


def _mapping(data: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise InputError(f"{what} must be an object, got {type(data).__name__}")
    return data


def _entries(data: Mapping[str, Any], key: str) -> list[Any]:
    entries = data.get(key)
    if not isinstance(entries, list):
        raise InputError(f"{key} must be a list, got {type(entries).__name__}")
    return entries


def _parse(data: Any) -> CausalGraph:
    head = _mapping(_mapping(data, "graph file").get("graph"), "field 'graph'")
    if head.get("format") != FORMAT:
        raise InputError(f"graph.format must be {FORMAT!r}, got {head.get('format')!r}")
    version = head.get("version")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise InputError(f"graph.version must be 1..{VERSION}, got {version!r}")
    nodes = [_parse_node(n, k) for k, n in enumerate(_entries(data, "nodes"))]
    edges = [_parse_edge(e, k) for k, e in enumerate(_entries(data, "edges"))]
    step = head.get("step_seconds")
    return CausalGraph(
        nodes,
        edges,
        str(head.get("kind", "dag")),
        head.get("max_lag", 0),
        None if step is None else _number(step, "graph.step_seconds"),
        _mapping(head.get("provenance") or {}, "graph.provenance"),
    )


def _parse_node(data: Any, k: int) -> Variable:
    node = _mapping(data, f"nodes[{k}]")
    if not isinstance(node.get("id"), str):
        raise InputError(f"nodes[{k}].id must be a string, got {node.get('id')!r}")
    guessed = Variable.of(node["id"], role=node.get("role"), unit=str(node.get("unit", "")))
    return Variable(
        node["id"], str(node.get("service", guessed.service)), str(node.get("metric", guessed.metric)), guessed.role, guessed.unit
    )


def _parse_edge(data: Any, k: int) -> Edge:
    edge = _mapping(data, f"edges[{k}]")
    for end in ("source", "target"):
        if not isinstance(edge.get(end), str):
            raise InputError(f"edges[{k}].{end} must be a node id, got {edge.get(end)!r}")
    lag = edge.get("lag", edge.get("key", 0))
    if isinstance(lag, bool) or not isinstance(lag, int):
        raise InputError(f"edges[{k}].lag must be a whole number of steps, got {lag!r}")
    evidence = edge.get("evidence", ["data"])
    if not isinstance(evidence, list) or not all(isinstance(x, str) for x in evidence):
        raise InputError(f"edges[{k}].evidence must be a list of strings, got {evidence!r}")
    numbers = {
        name: None if edge.get(name) is None else _number(edge[name], f"edges[{k}].{name}")
        for name in ("strength", "confidence", "orientation_confidence", "p_value")
    }
    return Edge(
        edge["source"],
        edge["target"],
        lag,
        str(edge.get("source_mark", "tail")),
        str(edge.get("target_mark", "arrow")),
        edge.get("conflict") is True,
        evidence=tuple(evidence),
        validation=str(edge.get("validation", "untested")),
        **numbers,
    )


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{what} must be a number or null, got {value!r}")
    return float(value)
