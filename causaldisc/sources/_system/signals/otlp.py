"""Traces as OTLP/JSON: the encoding of ``ExportTraceServiceRequest`` that OpenTelemetry's specification gives.

Ids are hexadecimal, 64-bit integers strings, enumerations numbers: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from causaldisc.sources._system.signals.epoch import unix_ns
from causaldisc.sources._system.signals.spans import Spans

_SERVER, _CONSUMER = 2, 5
_STATUS = ('{"code":1}', '{"code":2,"message":"failed"}')


def traces(spans: Spans) -> bytes:
    """Write traces: a resource for each pod, with its spans in the order of their answers.

    A span lasts from the sending of a call to its answer, as the latency metric does, so the way there is in it. Its kind is
    SERVER, or CONSUMER for a message whose sender does not wait. Resource attributes: ``service.name``, ``k8s.pod.name``,
    ``k8s.node.name`` and ``host.name`` (the last two for services that have a host); span attributes: ``attempt`` and ``host``.
    """
    out = io.BytesIO()
    out.write(b'{"resourceSpans":[')
    starts, ends, parents = unix_ns(spans.sent), unix_ns(spans.ended), spans.parents()
    heads = [_head(spans, k) for k in range(len(spans.operations))]
    places = np.column_stack([spans.service, spans.pod])
    for n, (service, pod) in enumerate(np.unique(places, axis=0).tolist()):
        out.write(b"," if n else b"")
        host = spans.topology.services[service].host
        resource = json.dumps(_resource(spans.services[service], pod, host), separators=(",", ":"))
        out.write(f'\n{{"resource":{resource},"scopeSpans":[{{"scope":{{"name":"causaldisc"}},"spans":['.encode())
        tail = "" if host is None else f',{{"key":"host","value":{{"stringValue":{json.dumps(host)}}}}}'
        lines = []
        for k in np.flatnonzero((spans.service == service) & (spans.pod == pod)).tolist():
            parent = f'"parentSpanId":"{int(spans.parent[k]):016x}",' if parents[k] >= 0 else ""
            kind = _SERVER if spans.waits[k] else _CONSUMER
            lines.append(
                f'{{"traceId":"{spans.trace_id(k)}","spanId":"{int(spans.own[k]):016x}",{parent}'
                f'{heads[spans.operation[k]]},"kind":{kind},"startTimeUnixNano":"{starts[k]}","endTimeUnixNano":"{ends[k]}",'
                f'"attributes":[{{"key":"attempt","value":{{"intValue":"{spans.attempt[k]}"}}}}{tail}],'
                f'"status":{_STATUS[int(spans.failed[k])]}}}'
            )
        out.write(("\n" + ",\n".join(lines)).encode())
        out.write(b"]}]}")
    out.write(b"]}\n")
    return out.getvalue()


def _head(spans: Spans, operation: int) -> str:
    return f'"name":{json.dumps(spans.operations[operation][1])}'


def _resource(service: str, pod: int, host: str | None) -> dict[str, Any]:
    facts = {"service.name": service}
    if pod >= 0:
        facts["k8s.pod.name"] = f"{service}-{pod}"
    if host is not None:
        facts |= {"k8s.node.name": host, "host.name": host}
    return {"attributes": [{"key": key, "value": {"stringValue": value}} for key, value in facts.items()]}
