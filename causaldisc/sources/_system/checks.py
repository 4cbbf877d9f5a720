"""Checks: whether a topology can be run at all; every complaint is one line that names the field."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.sources._system.bounds import ENTRY_SHARE, HOST_CORES, RATE, check_fields, check_number, shown
from causaldisc.sources._system.topology import Operation, Policy, Service, Topology
from causaldisc.sources._system.traffic import (
    connection_use,
    host_use,
    service_visits,
    thread_use,
    usual_ms,
    utilisation,
    visits,
    waiting_order,
)

__all__ = [
    "connection_use",
    "host_use",
    "overloads",
    "service_visits",
    "thread_use",
    "usual_ms",
    "utilisation",
    "validate",
    "visits",
    "waiting_order",
]

MAX_SERVICES = 5_000
MAX_OPERATIONS = 20_000
MAX_CALLS = 100_000
MAX_REPLICAS = 20_000
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9])?")

log = logging.getLogger(__name__)


def validate(topology: Topology) -> list[str]:
    """Check a topology and return the services that it overloads although their queues are bounded (see :func:`overloads`).

    A service that no entry reaches is allowed (it idles, as spare ones do) and named in a warning of the log.

    Raises
    ------
    InputError : a field out of its range; a name that is malformed, used twice, or of nothing; calls of the own service,
        calls that wait for each other in a circle, or that never die out; a system that is too large, or unstable.

    >>> validate(Topology("t", (Service("a", (Operation("x", 5.0),)),), {("a", "x"): 1.0}, rate=10.0))
    []
    """
    if not isinstance(topology, Topology):
        raise InputError(f"topology must be a Topology, got {type(topology).__name__}")
    if not isinstance(topology.name, str) or not 0 < len(topology.name) <= 100 or not topology.name.isprintable():
        raise InputError(f"name must be 1 to 100 printable characters, got {shown(topology.name)}")
    check_number(topology.rate, RATE, "rate")
    _check_size(topology)
    _check_hosts(topology.hosts)
    _unique((s.name for s in topology.services), "services", "service")
    for service in topology.services:
        _check_service(service, topology)
    _check_calls(topology)
    _check_entries(topology)
    _check_policies(topology)
    waiting_order(topology)
    found = overloads(topology)
    idle = [name for name, seen in service_visits(topology).items() if seen == 0]
    if idle:
        log.warning("no entry reaches %d of %d services: %s", len(idle), len(topology.services), ", ".join(idle[:5]))
    return found


def overloads(topology: Topology) -> list[str]:
    """Return the services whose mean load, or whose host's, is 1 or more although scaled out, and whose queues are bounded.

    Raises
    ------
    InputError : such a service with ``threads`` or ``queue`` null, where nothing bounds what waits.
    """
    load, hosts = utilisation(topology, scaled_out=True), host_use(topology)
    found = []
    for service in topology.services:
        shared = hosts[service.host] if service.host is not None else 0.0
        if max(load[service.name], shared) < 1:
            continue
        for name in ("threads", "queue"):
            if getattr(service, name) is None:
                what = "the service" if load[service.name] >= 1 else f"its host {service.host}"
                value = load[service.name] if load[service.name] >= 1 else shared
                raise InputError(
                    f"services.{service.name}.{name} must be a number where the offered load is 1 or more, "
                    f"got null and {value:.3g} of {what}"
                )
        found.append(service.name)
    return found


def near(name: Any, valid: Iterable[str]) -> str:
    """``did_you_mean`` that stays one readable line however many names are valid."""
    text = did_you_mean(str(name)[:200], valid)
    return text if len(text) <= 200 else f"{text[:200]} …"


def _check_size(topology: Topology) -> None:
    operations = [o for s in topology.services for o in s.operations]
    for what, number, most in (
        ("services", len(topology.services), MAX_SERVICES),
        ("operations", len(operations), MAX_OPERATIONS),
        ("calls", sum(len(o.calls) for o in operations), MAX_CALLS),
        ("hosts", len(topology.hosts), MAX_SERVICES),
    ):
        if number > most:
            raise InputError(f"{what} must be at most {most}, got {number}")
    if not topology.services:
        raise InputError("services must hold at least one service, got none")


def _check_hosts(hosts: Mapping[str, int]) -> None:
    for host, cores in hosts.items():
        _check_name(host, "hosts")
        check_number(cores, HOST_CORES, f"hosts.{host}")


def _check_service(service: Service, topology: Topology) -> None:
    """Check all of a service but what its calls name."""
    where = f"services.{service.name}"
    check_fields(service, where)
    if service.max_replicas is not None and service.max_replicas < service.replicas:
        raise InputError(f"{where}.max_replicas must be at least replicas={service.replicas}, got {service.max_replicas}")
    if 0 < service.gc_s * 1000 <= service.gc_pause_ms:
        raise InputError(f"{where}.gc_pause_ms must be below gc_s={service.gc_s:g} s, got {service.gc_pause_ms:g} ms")
    if service.host is not None and not (isinstance(service.host, str) and service.host in topology.hosts):
        raise InputError(f"{where}.host must be one of hosts, got {shown(service.host)}; {near(service.host, topology.hosts)}")
    if not service.operations:
        raise InputError(f"{where}.operations must hold at least one operation, got none")
    _unique((o.name for o in service.operations), f"{where}.operations", "operation")
    for operation in service.operations:
        inside = f"{where}.operations.{operation.name}"
        check_fields(operation, inside)
        if operation.writes and not service.locks:
            raise InputError(f"{inside}.writes must be 0 where {where}.locks is 0, got {operation.writes:g}")
        _check_stages(operation, inside)


def _check_stages(operation: Operation, where: str) -> None:
    last = 0
    for k, call in enumerate(operation.calls):
        check_fields(call, f"{where}.calls[{k}]")
        if call.stage < last:
            raise InputError(f"{where}.calls[{k}].stage must not be below that of the call before, got {call.stage} after {last}")
        last = call.stage


def _check_calls(topology: Topology) -> None:
    if sum(max(s.replicas, s.max_replicas or 0) for s in topology.services) > MAX_REPLICAS:
        raise InputError(f"services must have at most {MAX_REPLICAS} replicas together, scaled out")
    named = {s.name: {o.name for o in s.operations} for s in topology.services}
    for service in topology.services:
        for operation in service.operations:
            for k, call in enumerate(operation.calls):
                where = f"services.{service.name}.operations.{operation.name}.calls[{k}]"
                _check_target(call.service, call.operation, named, where)
                if call.service == service.name:
                    raise InputError(f"{where} must call another service (its own work is work_ms), got {call.service}")


def _check_entries(topology: Topology) -> None:
    named = {s.name: {o.name for o in s.operations} for s in topology.services}
    for key, share in topology.entries.items():
        if not isinstance(key, tuple) or len(key) != 2:
            raise InputError(f"entries must be keyed by (service, operation), got {shown(key)}")
        _check_target(key[0], key[1], named, "entries")
        check_number(share, ENTRY_SHARE, f"entries.{key[0]}/{key[1]}")
    if not sum(topology.entries.values()) > 0:
        raise InputError(f"entries must have shares with a sum > 0, got {sum(topology.entries.values()):g}")


def _check_target(service: Any, operation: Any, named: Mapping[str, set[str]], where: str) -> None:
    if not isinstance(service, str) or service not in named:
        raise InputError(f"{where} must name a service, got {shown(service)}; {near(service, named)}")
    if not isinstance(operation, str) or operation not in named[service]:
        raise InputError(
            f"{where} must name an operation of {service}, got {shown(operation)}; {near(operation, named[service])}"
        )


def _check_policies(topology: Topology) -> None:
    check_fields(_policy(topology.policy, "policy"), "policy")
    edges = set(topology.edges)
    names = {f"{caller}->{callee}" for caller, callee in edges}
    for key, policy in topology.policies.items():
        if not isinstance(key, tuple) or key not in edges:
            text = "->".join(map(str, key)) if isinstance(key, tuple) else key
            raise InputError(
                f"policies must be keyed by a caller and a service that it calls, got {shown(text)}; {near(text, names)}"
            )
        where = f"policies.{key[0]}->{key[1]}"
        check_fields(_policy(policy, where), where)


def _policy(value: Any, where: str) -> Policy:
    if not isinstance(value, Policy):
        raise InputError(f"{where} must be a Policy, got {shown(value)}")
    return value


def _unique(names: Iterable[str], where: str, what: str) -> None:
    seen: set[str] = set()
    for name in names:
        _check_name(name, where)
        if name in seen:
            raise InputError(f"{where} must name each {what} once, got {name} twice")
        seen.add(name)


def _check_name(name: Any, where: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"{where} must be named by 1 to 80 letters, digits and . _ - (none of these at an end), got {shown(name)}"
        )
