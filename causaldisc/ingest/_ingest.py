"""Ingest: files of the field → one telemetry and one prior, with a report of what became of every input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causaldisc.core.errors import InputError
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.core.telemetry_file import TelemetryTable
from causaldisc.ingest._join import join
from causaldisc.ingest._reader import CallGraph, InputFile, reader_of


@dataclass(frozen=True, eq=False)
class IngestResult:
    """What came of the inputs.

    Attributes
    ----------
    telemetry : all telemetry joined, or None when no input held any.
    prior : the call graph as the clause ``calls``, or None when no input held one. Services without telemetry are kept in it.
    report : JSON-ready: ``inputs`` (path, format, size), ``joined`` (alone, environments, side by side), ``empty_columns`` that
        were dropped, ``services_without_telemetry``, ``services_without_calls``, ``self_calls`` left out.
    """

    telemetry: Telemetry | None
    prior: ExpertPrior | None
    report: Mapping[str, Any]


def ingest(inputs: Sequence[str | Path]) -> IngestResult:
    r"""Read telemetry and call graphs of any known format, told apart by content.

    Read today: telemetry CSV and Parquet, PetShop's CSV, and call graphs as matrix CSV, edge-list CSV, node-link JSON, and
    Jaeger or Zipkin dependencies. Several telemetry inputs that share columns become environments; with no column in common
    they are joined side by side on time. Several call graphs are united. A column without any value is dropped and reported.

    Raises
    ------
    InputError : no input, one of an unknown format, a broken one, or inputs that do not fit together.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     metrics, calls = Path(folder) / "metrics.csv", Path(folder) / "calls.csv"
    ...     _ = metrics.write_text("time,cart:cpu,web:cpu\n0,1,2\n15,2,1\n"), calls.write_text("caller,callee\nweb,cart\n")
    ...     result = ingest([metrics, calls])
    >>> result.telemetry.shape, result.prior.calls
    ((2, 2), (('web', 'cart'),))
    """
    if isinstance(inputs, str | Path):
        inputs = [inputs]
    if not inputs:
        raise InputError("inputs must be at least one file, got none")
    tables: list[tuple[str, TelemetryTable]] = []
    graphs: list[CallGraph] = []
    entries = []
    for path in inputs:
        file = InputFile.of(path)
        reader = reader_of(file)
        found = reader.read(file)
        entries.append({"path": str(path), "format": reader.name, **_size(found)})
        if isinstance(found, CallGraph):
            graphs.append(found)
        else:
            tables.append((str(path), found))
    telemetry, facts = _telemetry(tables)
    prior = ExpertPrior(calls=list(dict.fromkeys(c for g in graphs for c in g.calls))) if graphs else None
    return IngestResult(telemetry, prior, {"inputs": entries, **facts, **_service_facts(telemetry, graphs)})


def _size(found: TelemetryTable | CallGraph) -> dict[str, int]:
    if isinstance(found, CallGraph):
        return {"services": len(found.services), "calls": len(found.calls)}
    return {"rows": len(found.times), "columns": len(found.variables)}


def _telemetry(tables: list[tuple[str, TelemetryTable]]) -> tuple[Telemetry | None, dict[str, Any]]:
    if not tables:
        return None, {}
    joined, how = join(tables)
    kept, dropped = joined.without_empty()
    where = tables[0][0] if len(tables) == 1 else "inputs joined"
    return kept.telemetry(where), {"joined": how, "empty_columns": list(dropped)}


def _service_facts(telemetry: Telemetry | None, graphs: list[CallGraph]) -> dict[str, Any]:
    if telemetry is None or not graphs:
        return {"self_calls": sum(g.self_calls for g in graphs)} if graphs else {}
    called = dict.fromkeys(s for g in graphs for s in g.services)
    measured = dict.fromkeys(v.service for v in telemetry.variables)
    return {
        "services_without_telemetry": [s for s in called if s not in measured],
        "services_without_calls": [s for s in measured if s not in called],
        "self_calls": sum(g.self_calls for g in graphs),
    }
