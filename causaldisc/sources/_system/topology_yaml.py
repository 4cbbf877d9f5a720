"""A topology as YAML, to be written by hand and to be read back as the same topology.

::

    version: 1
    name: shop
    rate: 40                                   # users' requests per second, daily mean
    entries: {frontend/home: 0.6, frontend/checkout: 0.4}
    hosts: {node-1: 8}                         # cores
    defaults: {policy: {timeout_ms: 1000}, service: {host: node-1}}
    services:
      frontend:
        replicas: 2
        operations:
          home: {work_ms: 4, calls: [[catalog/list, {to: ads/get, required: false}], currency/convert]}
          checkout: {work_ms: 6, calls: [cart/get, {to: email/send, waits: false}]}
      …
    policies: {frontend->cart: {connections: 32, retries: 2}}

``calls`` lists stages, one after the other: each is a call, or a list of calls that go out together. A call is
``service/operation``, or a mapping with ``to`` and fields of :class:`Call`. ``defaults`` stand wherever a service or a policy
says nothing; all other fields are those of the classes in :mod:`causaldisc.sources._system.topology`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from causaldisc.core.errors import InputError
from causaldisc.core.files import plain, read_text, write_text
from causaldisc.core.plain_yaml import load_yaml
from causaldisc.sources._system.bounds import BOUNDS, shown
from causaldisc.sources._system.checks import near, validate
from causaldisc.sources._system.topology import Call, Operation, Policy, Service, Topology

MAX_BYTES = 2 * 2**20  # a random mesh of 1000 services takes 0.6 MiB; the parser needs some 25 s and 350 MiB for each MiB of junk
_KEYS = ("version", "name", "rate", "entries", "hosts", "defaults", "services", "policies")
_EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")  # a number to everybody but YAML 1.1, which wants 1.0e+3
_MINE = {Service: {"name", "operations"}, Operation: {"name", "calls"}, Call: {"service", "operation", "stage"}, Policy: set()}


def load_topology(source: str | Path) -> Topology:
    """Read and check a topology: from a file, or from text (a ``str`` of more than one line is taken for text).

    Raises
    ------
    InputError : not YAML, an unknown or missing key, or anything that :func:`validate` refuses; one line, beginning with the
        file's name.
    """
    if isinstance(source, str) and "\n" in source:
        where, text = "topology", source
        if len(text) > MAX_BYTES:
            raise InputError(f"topology: must be at most {MAX_BYTES} characters, got {len(text)}")
    else:
        where, text = str(source), read_text(source, limit=MAX_BYTES)
    data = load_yaml(text, where)
    try:
        topology = _topology(data)
        validate(topology)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return topology


def dump_topology(topology: Topology, path: str | Path | None = None) -> str:
    """Return a valid topology as YAML, and write it if a path is given; defaults are left out.

    >>> print(dump_topology(Topology("t", (Service("a", (Operation("x", 5.0),)),), {("a", "x"): 1.0}, rate=10.0)))
    version: 1
    name: t
    rate: 10.0
    entries: {a/x: 1.0}
    services:
      a:
        operations:
          x: {work_ms: 5.0}
    <BLANKLINE>
    """
    import yaml

    validate(topology)
    data: dict[str, Any] = {"version": 1, "name": topology.name, "rate": topology.rate}
    data["entries"] = {"/".join(key): share for key, share in topology.entries.items()}
    data["hosts"] = dict(topology.hosts)
    data["defaults"] = {"policy": _changed(topology.policy, Policy())} if topology.policy != Policy() else {}
    data["services"] = {s.name: _service_data(s) for s in topology.services}
    data["policies"] = {"->".join(key): _changed(p, topology.policy) for key, p in topology.policies.items()}
    whole = {key: value for key, value in data.items() if value != {}}
    text = yaml.safe_dump(plain(whole), sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
    if path is not None:
        write_text(path, text)
    return text


def _topology(data: Any) -> Topology:
    top = _mapping(data, "a topology", _KEYS)
    for key in ("name", "rate", "entries", "services"):
        if key not in top:
            raise InputError(f"{key} must be given")
    if top.get("version", 1) != 1:
        raise InputError(f"version must be 1, got {shown(top['version'])}")
    defaults = _mapping(top.get("defaults", {}), "defaults", ("policy", "service"))
    usual = Policy(**_values(defaults.get("policy", {}), Policy, "defaults.policy"))
    shared = _values(defaults.get("service", {}), Service, "defaults.service")
    services = _mapping(top["services"], "services")
    return Topology(
        name=top["name"],
        services=tuple(_service(name, value, shared, f"services.{name}") for name, value in services.items()),
        entries={_pair(key, "/", "entries"): _number(share) for key, share in _mapping(top["entries"], "entries").items()},
        rate=_number(top["rate"]),
        hosts=_mapping(top.get("hosts", {}), "hosts"),
        policies={
            _pair(key, "->", "policies"): replace(usual, **_values(value, Policy, f"policies.{key}"))
            for key, value in _mapping(top.get("policies", {}), "policies").items()
        },
        policy=usual,
    )


def _service(name: str, data: Any, shared: Mapping[str, Any], where: str) -> Service:
    values = dict(_mapping(data, where, _names(Service, "operations")))
    operations = _mapping(values.pop("operations", {}), f"{where}.operations")
    return Service(
        name=name,
        operations=tuple(_operation(key, value, f"{where}.operations.{key}") for key, value in operations.items()),
        **{**shared, **_values(values, Service, where)},
    )


def _operation(name: str, data: Any, where: str) -> Operation:
    values = dict(_mapping(data, where, _names(Operation, "calls")))
    stages = values.pop("calls", [])
    if not isinstance(stages, list):
        raise InputError(f"{where}.calls must be a list of stages, got {shown(stages)}")
    if "work_ms" not in values:
        raise InputError(f"{where}.work_ms must be given")
    calls = [
        _call(call, stage, f"{where}.calls[{stage}]")
        for stage, together in enumerate(stages)
        for call in (together if isinstance(together, list) else [together])
    ]
    return Operation(name=name, calls=tuple(calls), **_values(values, Operation, where))


def _call(data: Any, stage: int, where: str) -> Call:
    values = dict(_mapping({"to": data} if isinstance(data, str) else data, where, _names(Call, "to")))
    if "to" not in values:
        raise InputError(f"{where}.to must be given")
    service, operation = _pair(values.pop("to"), "/", where)
    return Call(service=service, operation=operation, stage=stage, **_values(values, Call, where))


def _pair(text: Any, between: str, where: str) -> tuple[str, str]:
    parts = text.split(between) if isinstance(text, str) else []
    if len(parts) != 2 or not all(parts):
        form = "service/operation" if between == "/" else "caller->callee"
        raise InputError(f"{where} must be given as {form}, got {shown(text)}")
    return parts[0], parts[1]


def _mapping(value: Any, where: str, valid: tuple[str, ...] | None = None) -> dict[str, Any]:
    """A mapping with text keys, all of them valid."""
    if not isinstance(value, dict):
        raise InputError(f"{where} must be a mapping, got {shown(value)}")
    for key in value:
        if not isinstance(key, str):
            raise InputError(f"{where} must have text as keys, got {shown(key)} (put it in quotes)")
        if valid is not None and key not in valid:
            raise InputError(f"{where}: unknown key {shown(key)}; {near(key, valid)}")
    return value


def _names(cls: Any, *also: str) -> tuple[str, ...]:
    """Keys that stand for fields of a class, and others."""
    return (*also, *(f.name for f in fields(cls) if f.name not in _MINE[cls]))


def _values(data: Any, cls: Any, where: str) -> dict[str, Any]:
    """Fields of a class, numbers as numbers; what they may be is checked with the whole topology."""
    known = _mapping(data, where, _names(cls))
    return {key: _number(value) if key in BOUNDS[cls] else value for key, value in known.items()}


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and len(value) < 40 and _EXPONENT.fullmatch(value) else value


def _changed(part: Any, usual: Any) -> dict[str, Any]:
    """The fields in which a part differs from another of its class."""
    names = [f.name for f in fields(part) if f.name not in _MINE[type(part)]]
    return {name: getattr(part, name) for name in names if getattr(part, name) != getattr(usual, name)}


def _service_data(service: Service) -> dict[str, Any]:
    return {
        **_changed(service, Service("", ())),
        "operations": {o.name: _operation_data(o) for o in service.operations},
    }


def _operation_data(operation: Operation) -> dict[str, Any]:
    stages: list[list[Any]] = [[] for _ in range(1 + max((c.stage for c in operation.calls), default=-1))]
    for call in operation.calls:
        more = _changed(call, Call("", ""))
        to = f"{call.service}/{call.operation}"
        stages[call.stage].append({"to": to, **more} if more else to)
    data = {"work_ms": operation.work_ms, **_changed(operation, Operation("", operation.work_ms))}
    return {**data, "calls": [s[0] if len(s) == 1 else s for s in stages]} if stages else data
