"""Writing an export: the file, and beside it what maps names back and says how the graph was collapsed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from causaldisc.core.directed import Directed
from causaldisc.core.files import plain, write_bytes
from causaldisc.core.graph import CausalGraph


def write_export(path: Path, content: str | bytes, *, names: Mapping[str, str] | None = None, meta: Any = None) -> list[Path]:
    """Write an export, whole or not at all, and return its paths, the main file first.

    Parameters
    ----------
    path : the main file; it comes last, so that where it stands its companions stand too.
    content : text (UTF-8) or bytes.
    names : name in the file → name in the graph, written to ``FILE.names.json``.
    meta : how the graph was collapsed, written to ``FILE.meta.json``.
    """
    beside = {".names.json": dict(names) if names is not None else None, ".meta.json": meta}
    files = {
        path.with_name(path.name + ending): (json.dumps(plain(data), indent=1, ensure_ascii=False) + "\n").encode()
        for ending, data in beside.items()
        if data is not None
    }
    files[path] = content.encode() if isinstance(content, str) else content
    made: list[Path] = []
    try:
        for target, data in files.items():
            fresh = not target.exists()
            write_bytes(target, data)
            if fresh:
                made.append(target)
    except Exception:
        for target in made:
            target.unlink(missing_ok=True)
        raise
    return list(reversed(files))


def meta_of(graph: CausalGraph, exporter: str, directed: Directed | None = None, **facts: Any) -> dict[str, Any]:
    """Return what ``FILE.meta.json`` says: what was exported, the rules applied, and every edge left out."""
    return {
        "exporter": exporter,
        "kind": graph.kind,
        "max_lag": graph.max_lag,
        "step_seconds": graph.step_seconds,
        "provenance": dict(graph.provenance),
        **(directed.to_dict() if directed else {}),
        **facts,
    }
