"""The mesh's physics: for every service the equations of its traffic, CPU, latency and errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from causaldisc.core.variables import Variable
from causaldisc.sources._equations import Equation
from causaldisc.sources._mesh_topology import Call, Service, Topology

UNITS = {"requests": "1/s", "cpu": "1", "memory": "1", "latency": "ms", "errors": "1"}
_FULL = 0.97  # utilisation beyond which a queue is no longer in steady state


def waiting(utilisation: np.ndarray, workers: float) -> np.ndarray:
    """Mean wait of a queue in multiples of the service time, float of the shape of ``utilisation`` (0..1, clamped at 0.97).

    Sakasegawa's closed form for many workers; with one worker it is the M/M/1 queue's ``u / (1 - u)``.
    H. Sakasegawa, "An approximation formula L_q ≃ α·ρ^β/(1-ρ)", Annals of the Institute of Statistical Mathematics 29, 1977.

    >>> float(round(waiting(np.array(0.5), 1.0), 12))
    1.0
    """
    u = np.clip(utilisation, 0.0, _FULL)
    return u ** (np.sqrt(2.0 * (workers + 1.0)) - 1.0) / (workers * (1.0 - u))


def mesh_equations(topology: Topology, base: np.ndarray, memory: bool) -> list[Equation]:
    """Return the equations of every service.

    Parameters
    ----------
    base : float[T], what the daily cycle multiplies the entry's mean rate by.
    memory : whether services have a memory metric (which slows them as it fills).
    """
    equations: list[Equation] = []
    usual = _usual_ms(topology)
    for service in topology.services:
        callers = topology.callers_of(service.name)
        calls = tuple(c for c in topology.calls_of(service.name) if c.waits)
        equations.append(_traffic(service, callers, base))
        equations.append(_cpu(service))
        if memory:
            equations.append(_memory(service))
        equations.append(_latency(service, calls, memory))
        equations.append(_errors(service, calls, usual[service.name]))
    return equations


def _usual_ms(topology: Topology) -> dict[str, float]:
    """Every service's rough latency at mean load, on which its callers set their timeouts."""
    usual: dict[str, float] = {}
    for service in reversed(topology.services):  # callees first
        below = sum(c.per_request * usual[c.callee] for c in topology.calls_of(service.name) if c.waits)
        usual[service.name] = service.service_ms * 2.0 + below
    return usual


def _variable(service: Service, metric: str) -> Variable:
    return Variable.of(f"{service.name}:{metric}", unit=UNITS[metric])


def _traffic(service: Service, callers: Sequence[Call], base: np.ndarray) -> Equation:
    variable = _variable(service, "requests")
    if not callers:  # users come and go by the time of day, in bursts that fade

        def arrivals(_: Sequence[np.ndarray], noise: np.ndarray) -> np.ndarray:
            return service.rate * base * np.exp(0.45 * np.clip(noise, -3.5, 3.5) - 0.2)

        return Equation(variable, (), arrivals, keep=0.8)

    def calls(parents: Sequence[np.ndarray], noise: np.ndarray) -> np.ndarray:
        sent = sum(c.per_request * rate for c, rate in zip(callers, parents, strict=True))
        return sent * np.exp(0.12 * noise)

    return Equation(variable, tuple((f"{c.caller}:requests", c.lag) for c in callers), calls)


def _cpu(service: Service) -> Equation:
    traffic = f"{service.name}:requests"
    cost = (service.mean_cpu - service.idle_cpu) / service.rate

    def work(parents: Sequence[np.ndarray], noise: np.ndarray) -> np.ndarray:
        load = parents[0] if len(parents) == 1 else (1.0 - service.deferred) * parents[0] + service.deferred * parents[1]
        return (service.idle_cpu + cost * load) * np.exp(0.1 * noise)

    lags = (0, 1) if service.deferred else (0,)
    return Equation(_variable(service, "cpu"), tuple((traffic, lag) for lag in lags), work, keep=service.cpu_keep, high=1.0)


def _memory(service: Service) -> Equation:
    def working_set(parents: Sequence[np.ndarray], noise: np.ndarray) -> np.ndarray:
        return (service.base_memory + service.memory_per_load * parents[0] / service.rate) * np.exp(0.15 * noise)

    return Equation(_variable(service, "memory"), ((f"{service.name}:requests", 0),), working_set, keep=0.8, high=1.0)


def _latency(service: Service, calls: Sequence[Call], memory: bool) -> Equation:
    """Own work behind the queues for CPU and connections, slowed by garbage collection, and the answers waited for."""
    own = [f"{service.name}:cpu"]
    own += [f"{service.name}:memory"] if memory else []
    own += [f"{service.name}:requests"] if service.pool_use else []

    def answer(parents: Sequence[np.ndarray], noise: np.ndarray) -> np.ndarray:
        mine = 1.0 + service.variability * waiting(parents[0], service.cores)
        if memory:
            mine = mine + parents[1] ** 4
        if service.pool_use:
            mine = mine + 0.7 * waiting(service.pool_use * parents[len(own) - 1] / service.rate, 1.0)
        total = service.service_ms * mine
        for call, latency in zip(calls, parents[len(own) :], strict=True):
            total = total + call.per_request * latency
        return total * np.exp(0.1 * noise)

    parents = (*own, *(f"{c.callee}:latency" for c in calls))
    return Equation(_variable(service, "latency"), tuple((p, 0) for p in parents), answer, keep=service.latency_keep)


def _errors(service: Service, calls: Sequence[Call], usual_ms: float) -> Equation:
    """A request fails by itself, by running into the caller's timeout, or because a call that it needs fails."""

    def failures(parents: Sequence[np.ndarray], noise: np.ndarray) -> np.ndarray:
        late = np.exp(-service.patience * usual_ms / np.maximum(parents[0], 1e-9))
        success = 1.0 - np.clip((service.base_errors + 0.5 * late) * np.exp(0.3 * noise), 0.0, 1.0)
        for call, errors in zip(calls, parents[1:], strict=True):
            success = success * (1.0 - call.exposed * min(1.0, call.per_request) * errors)
        return 1.0 - success

    parents = (f"{service.name}:latency", *(f"{c.callee}:errors" for c in calls))
    return Equation(_variable(service, "errors"), tuple((p, 0) for p in parents), failures, high=1.0)
