"""Events as ``kubectl get events -o json`` gives them: pods killed, out of memory and started, replicas scaled, deployments.

Fields: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ (core/v1)
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.core.intervention import Intervention
from causaldisc.sources._system.signals.epoch import rfc3339

if TYPE_CHECKING:
    from causaldisc.sources._system.run import Run

NAMESPACE = "default"
_BACK_OFF_S = (10.0, 20.0, 40.0, 80.0, 160.0, 300.0)  # the kubelet's, the last for ever


@dataclass(frozen=True, slots=True)
class _Event:
    """One event, or several of a kind; seconds since the first row."""

    kind: str
    name: str
    reason: str
    message: str
    component: str
    first: float
    last: float
    count: int = 1
    warning: bool = False


def events(run: Run) -> bytes:
    """Write what the cluster would have told of a run, sorted by time; times are to the second of control.

    ``Killing`` when a fault stops a pod, ``BackOff`` while it cannot come back, ``OOMKilling`` when memory is full, ``Started``
    when it answers; ``SuccessfulRescale`` and ``ScalingReplicaSet`` when the autoscaler acts; ``ScalingReplicaSet`` of a new
    revision for deployments and their undoing, those included that the telemetry does not label.
    """
    found = [e for s in range(len(run.topology.services)) for e in _of_service(run, s)]
    found.sort(key=lambda e: (e.first, e.last))
    items = [_item(event, k) for k, event in enumerate(found)]
    text = ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)
    return f'{{"apiVersion":"v1","kind":"List","items":[\n{text}\n]}}\n'.encode()


def _of_service(run: Run, s: int) -> Iterator[_Event]:
    """All events of one service; a change seen between two snapshots was made right after the first."""
    from causaldisc.kernels import requests_world as x

    name, counters = run.topology.services[s].name, run.counters
    up, restarts = counters.table[:, s, x.S_REPLICAS].astype(int), counters.table[:, s, x.S_RESTARTS].astype(int)
    end = run.rows * run.step_s
    kills = [i for i in run.interventions if i.kind == "kill" and i.target == name]
    held = [i for i in run.interventions if i.kind == "set" and i.variable == f"{name}:replicas"]
    known = up[0]  # replicas that there are, whether or not they answer
    for j in np.flatnonzero((np.diff(up) != 0) | (np.diff(restarts) > 0)).tolist():
        at, before, after = j * counters.every_s, int(up[j]), int(up[j + 1])
        if at >= end:
            break
        if restarts[j + 1] > restarts[j] or (after < before and _within(kills, at)):
            killed = any(math.ceil(i.start) <= math.ceil(at) < i.stop for i in kills)
            for pod in range(after, before):
                yield _stopped(run, s, pod, at, killed)
            if killed:
                yield from _back_off(run, s, range(after, before), at, min(i.stop for i in kills if i.start <= at < i.stop), end)
        elif after < before:
            known = after
            yield from _scaled(run, name, before, after, at, at, by_hand=bool(_within(held, at)))
        else:
            if after > known:
                asked = at - float(run.world["settings"][x.STARTUP_S])
                by_hand = bool(_within(held, at))
                yield from _scaled(run, name, known, after, at if by_hand else asked, at, by_hand=by_hand)
                known = after
            for pod in range(before, after):
                yield _Event("Pod", f"{name}-{pod}", "Started", f"Started container {name}", "kubelet", at, at)
    for deployment in [*run.interventions, *run.deployments]:
        if deployment.kind == "bad_deployment" and deployment.target == name:
            yield from _deployed(name, int(up[0]), deployment, run.control_s, end)


def _within(windows: list[Intervention], at: float) -> list[Intervention]:
    return [i for i in windows if i.start <= at <= i.stop]


def _stopped(run: Run, s: int, pod: int, at: float, killed: bool) -> _Event:
    service = run.topology.services[s]
    name = f"{service.name}-{pod}"
    if killed:
        return _Event("Pod", name, "Killing", f"Stopping container {service.name}", "kubelet", at, at)
    message = f"Memory cgroup out of memory: killed container {service.name}"
    return _Event("Pod", name, "OOMKilling", message, "kubelet", at, at, warning=True)


def _back_off(run: Run, s: int, pods: range, start: float, stop: float, end: float) -> Iterator[_Event]:
    """One event a pod for all the times that its container was not started again, ever longer apart."""
    times, at = [], start
    while (at := at + _BACK_OFF_S[min(len(times), len(_BACK_OFF_S) - 1)]) < min(stop, end):
        times.append(at)
    name = run.topology.services[s].name
    for pod in pods if times else ():
        message = f"Back-off restarting failed container {name} in pod {name}-{pod}"
        yield _Event("Pod", f"{name}-{pod}", "BackOff", message, "kubelet", times[0], times[-1], len(times), warning=True)


def _scaled(run: Run, name: str, before: int, after: int, asked: float, at: float, *, by_hand: bool) -> Iterator[_Event]:
    """The autoscaler's decision and what the deployment made of it; a pod that is taken away is stopped at once."""
    if asked < 0:  # decided before the first row
        asked = 0.0
    if not by_hand:
        reason = "cpu resource utilization (percentage of request) above target" if after > before else "All metrics below target"
        message = f"New size: {after}; reason: {reason}"
        yield _Event("HorizontalPodAutoscaler", name, "SuccessfulRescale", message, "horizontal-pod-autoscaler", asked, asked)
    way = "up" if after > before else "down"
    message = f"Scaled {way} replica set {name} to {after} from {before}"
    yield _Event("Deployment", name, "ScalingReplicaSet", message, "deployment-controller", asked, asked)
    for pod in range(after, before):
        yield _Event("Pod", f"{name}-{pod}", "Killing", f"Stopping container {name}", "kubelet", at, at)


def _deployed(name: str, replicas: int, deployment: Intervention, control_s: float, end: float) -> Iterator[_Event]:
    """A new revision, and the return to the old one when its window ends within the run."""
    for moment, revision in ((deployment.start, "next"), (deployment.stop, "previous")):
        at = math.ceil(moment / control_s - 1e-9) * control_s if math.isfinite(moment) else math.inf
        if at < end:
            message = f"Scaled up replica set {name}-{revision} to {replicas} from 0"
            yield _Event("Deployment", name, "ScalingReplicaSet", message, "deployment-controller", at, at)


def _item(event: _Event, number: int) -> dict[str, Any]:
    first, last = rfc3339(event.first), rfc3339(event.last)
    api = {"Pod": "v1", "Deployment": "apps/v1"}.get(event.kind, "autoscaling/v2")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{event.name}.{number:016x}", "namespace": NAMESPACE, "creationTimestamp": first},
        "involvedObject": {"apiVersion": api, "kind": event.kind, "namespace": NAMESPACE, "name": event.name},
        "reason": event.reason,
        "message": event.message,
        "source": {"component": event.component},
        "reportingComponent": event.component,
        "firstTimestamp": first,
        "lastTimestamp": last,
        "eventTime": None,
        "count": event.count,
        "type": "Warning" if event.warning else "Normal",
    }
