"""``causaldisc list``: what is installed, third-party plug-ins included."""

from __future__ import annotations

import argparse
from typing import Any

from causaldisc.cli.common import add_json, emit, table

HELP = "list algorithms, sources, metrics, exporters, datasets, rca methods or planners"
KINDS = ("algorithms", "sources", "metrics", "exporters", "datasets", "rca", "planners")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("kind", nargs="?", choices=KINDS, help="one kind (default: all)")
    parser.add_argument("--parameters", action="store_true", help="show the parameters of each, with defaults and meaning")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print one table a kind."""
    found = {kind: _entries(kind) for kind in ([args.kind] if args.kind else KINDS)}
    blocks = [_block(kind, entries, args.parameters) for kind, entries in found.items()]
    emit(found, args.json, "\n\n".join(blocks))
    return 0


def _entries(kind: str) -> list[dict[str, Any]]:
    from causaldisc.core import plugins
    from causaldisc.core.parameters import describe

    registry: Any = getattr(plugins, {"rca": "rankers", "datasets": "sources"}.get(kind, kind))
    entries = []
    for name in registry.names():
        plugin = registry.get(name)
        if kind == "datasets" and not plugin.real:
            continue
        entry = {"name": name, "summary": plugin.summary, "from": registry.origin(name)}
        if kind == "metrics":
            entry["keys"] = list(plugin.keys)
        if hasattr(plugin, "__dataclass_fields__"):
            entry["parameters"] = describe(plugin)
        entries.append(entry)
    return entries


def _block(kind: str, entries: list[dict[str, Any]], with_parameters: bool) -> str:
    rows = []
    for entry in entries:
        summary = entry["summary"] + (f" [{', '.join(entry['keys'])}]" if "keys" in entry else "")
        rows.append([entry["name"], entry["from"], summary])
        if with_parameters:
            rows += [["", "", f"  {p['name']}={p['default']} ({p['type']}): {p['help']}"] for p in entry.get("parameters", [])]
    return table([kind, "from", "summary"], rows)
