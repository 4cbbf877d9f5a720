"""Call graph as node-link JSON, as ``causaldisc simulate`` and ``networkx.node_link_data`` write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from causaldisc.core.errors import InputError
from causaldisc.ingest._reader import CallGraph, InputFile, Reader, service_name


@dataclass(frozen=True)
class CallGraphJson(Reader):
    """Reads ``{"nodes": [{"id"}], "edges": [{"source", "target"}]}``, source = caller; ``links`` stands for ``edges``, too."""

    name: ClassVar[str] = "call_graph_json"
    summary: ClassVar[str] = "call graph as node-link JSON, source = caller"
    valid: ClassVar[str] = "node-link JSON call graph (nodes with id, edges with source = caller and target = callee)"

    def recognises(self, file: InputFile) -> bool:
        """An object with nodes, and edges or links."""
        data = file.json
        return isinstance(data, Mapping) and "nodes" in data and ("edges" in data or "links" in data)

    def read(self, file: InputFile) -> CallGraph:
        """Read the calls; raises InputError for an undirected graph and for a causal graph."""
        data, where = file.json, str(file.path)
        if isinstance(data.get("graph"), Mapping) and data["graph"].get("format") == "causaldisc-graph":
            raise InputError(f"{where}: must be a call graph of services, got a causal graph of metrics")
        if data.get("directed") is False:
            raise InputError(f'{where}: must be directed from caller to callee, got "directed": false')
        nodes, edges = data["nodes"], data.get("edges", data.get("links"))
        services = [
            service_name(_field(n, "id", f"{where}: nodes[{k}]"), f"{where}: nodes[{k}].id") for k, n in _items(nodes, where)
        ]
        calls = []
        for k, edge in _items(edges, where):
            ends = [
                service_name(_field(edge, end, f"{where}: edges[{k}]"), f"{where}: edges[{k}].{end}")
                for end in ("source", "target")
            ]
            for end in ends:
                if end not in services:
                    raise InputError(f"{where}: edges[{k}] must join known nodes, got unknown {end!r}")
            calls.append((ends[0], ends[1]))
        return CallGraph.of(calls, services)


def _items(value: Any, where: str) -> enumerate[Any]:
    if not isinstance(value, list):
        raise InputError(f"{where}: nodes and edges must be lists, got {type(value).__name__}")
    return enumerate(value)


def _field(entry: Any, key: str, where: str) -> Any:
    if not isinstance(entry, Mapping):
        raise InputError(f"{where} must be an object with {key}, got {type(entry).__name__}")
    return entry.get(key)
