"""Data sets with a truth from families of their own, on which the calibration is fitted: none of them is a source of the package.

``forest``, ``sinks``, ``pairs``, ``layers`` and ``band`` have independent rows; ``lattice``, ``maps``, ``cascade`` and
``relay`` are series. ``shop`` is a small system of its own drawing that is simulated request by request, since no equation
behaves like a queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import causaldisc as cd


class Sample(NamedTuple):
    """Values float[T, N] and the truth bool[N, N, L + 1], ``[i, j, lag]`` = i(t - lag) → j(t)."""

    values: np.ndarray
    truth: np.ndarray


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    kind = rng.choice(["normal", "laplace", "uniform", "skewed", "t"])
    if kind == "normal":
        return rng.normal(size=shape)
    if kind == "laplace":
        return rng.laplace(size=shape) / np.sqrt(2)
    if kind == "uniform":
        return rng.uniform(-np.sqrt(3), np.sqrt(3), shape)
    if kind == "skewed":
        return rng.gamma(2.0, size=shape) / np.sqrt(2) - np.sqrt(2)
    return rng.standard_t(4, shape) / np.sqrt(2)


def _rows(rng: np.random.Generator) -> int:
    return int(10 ** rng.uniform(2.2, 3.6))


def _run(dag: np.ndarray, rng: np.random.Generator, rows: int, bends: list[Callable], weak: float) -> np.ndarray:
    """Rows of an additive model over an upper triangular DAG, every variable brought to unit variance as it is made."""
    n = len(dag)
    values, noise = np.zeros((rows, n)), _noise(rng, (rows, n))
    for j in range(n):
        parents = np.flatnonzero(dag[:, j])
        signal = np.zeros(rows)
        for i in parents:
            bend = bends[rng.integers(len(bends))]
            signal += rng.choice([-1, 1]) * rng.uniform(weak, 1.0) * bend(values[:, i])
        if len(parents):
            share = rng.uniform(0.3, 0.8)
            signal = (signal - signal.mean()) / signal.std() * np.sqrt(share)
            values[:, j] = signal + noise[:, j] * np.sqrt(1 - share)
        else:
            values[:, j] = noise[:, j]
    return values


def forest(rng: np.random.Generator) -> Sample:
    """Preferential attachment: a few variables drive many; linear."""
    n, rows = int(rng.integers(5, 31)), _rows(rng)
    dag = np.zeros((n, n), bool)
    for j in range(1, n):
        weight = 1.0 + dag[:j].sum(axis=1)
        some = rng.choice(j, size=min(j, int(rng.integers(1, 3))), replace=False, p=weight / weight.sum())
        dag[some, j] = rng.random(len(some)) < 0.85
    return Sample(_run(dag, rng, rows, [lambda x: x], 0.4), dag[:, :, None])


def sinks(rng: np.random.Generator) -> Sample:
    """The mirror of a forest: a few variables gather what many make; linear."""
    n, rows = int(rng.integers(5, 31)), _rows(rng)
    dag = np.zeros((n, n), bool)
    for i in range(n - 2, -1, -1):
        weight = 1.0 + dag[:, i + 1 :].sum(axis=0)
        some = i + 1 + rng.choice(n - 1 - i, size=min(n - 1 - i, int(rng.integers(1, 3))), replace=False, p=weight / weight.sum())
        dag[i, some] = rng.random(len(some)) < 0.85
    return Sample(_run(dag, rng, rows, [lambda x: x], 0.4), dag[:, :, None])


def pairs(rng: np.random.Generator) -> Sample:
    """Independent causes and what they make in twos and threes, with a second storey on top; linear or saturating."""
    causes, effects, upper = (int(k) for k in rng.integers([3, 3, 1], [10, 10, 5]))
    n = causes + effects + upper
    dag = np.zeros((n, n), bool)
    for j in range(causes, n):
        pool = causes if j < causes + effects else causes + effects
        dag[rng.choice(pool, size=int(rng.integers(1, 4)), replace=False), j] = True
    bends = [lambda x: x, lambda x: x, lambda x: np.tanh(1.5 * x)]
    return Sample(_run(dag, rng, _rows(rng), bends, 0.4), dag[:, :, None])


def layers(rng: np.random.Generator) -> Sample:
    """Layers, each reading the one before; half of the relations are bent."""
    widths = rng.integers(2, 6, size=int(rng.integers(2, 6)))
    layer = np.repeat(np.arange(len(widths)), widths)
    dag = (layer[:, None] + 1 == layer[None, :]) & (rng.random((len(layer),) * 2) < rng.uniform(0.25, 0.6))
    bends = [lambda x: x, lambda x: np.where(x > 0, x, 0.3 * x), lambda x: x * np.abs(x), lambda x: np.tanh(2 * x) + 0.3 * x]
    return Sample(_run(dag, rng, _rows(rng), bends, 0.4), dag[:, :, None])


def band(rng: np.random.Generator) -> Sample:
    """Near neighbours of an order drive each other; linear, with some bent by cosine or square."""
    n = int(rng.integers(5, 26))
    gap = np.arange(n)[None, :] - np.arange(n)[:, None]
    dag = (gap > 0) & (gap < 4) & (rng.random((n, n)) < rng.uniform(0.2, 0.5))
    bends = [lambda x: x, lambda x: x, lambda x: x, lambda x: x + 0.4 * x**2]
    return Sample(_run(dag, rng, _rows(rng), bends, 0.3), dag[:, :, None])


def _series(rng: np.random.Generator, truth: np.ndarray, bend: Callable, rows: int, memory: tuple[float, float]) -> np.ndarray:
    """A stable recursion over a truth whose lag 0 is upper triangular."""
    n, _, depth = truth.shape
    weights = np.where(truth, rng.choice([-1.0, 1.0], truth.shape) * rng.uniform(0.25, 0.7, truth.shape), 0.0)
    weights[np.arange(n), np.arange(n), 1] = rng.uniform(*memory, n)
    instant = weights[:, :, 0]
    for j in range(n):  # what comes in of others leaves room for the memory of its own
        total = np.abs(weights[:, j]).sum()
        if total > 0.9:
            weights[:, j] *= 0.9 / total
    noise = _noise(rng, (rows + 100, n))
    values = np.zeros((rows + 100, n))
    for t in range(depth, rows + 100):
        drive = np.sum([bend(values[t - lag]) @ weights[:, :, lag] for lag in range(1, depth)], axis=0)
        for j in range(n):
            values[t, j] = drive[j] + bend(values[t]) @ instant[:, j] + noise[t, j]
    return values[100:]


def lattice(rng: np.random.Generator) -> Sample:
    """Variables on a ring that hear their neighbours, now or a step or two later; linear."""
    n = int(rng.integers(4, 13))
    truth = np.zeros((n, n, 4), bool)
    for j in range(n):
        for i in {(j - 1) % n, (j + int(rng.integers(2, 4))) % n} - {j}:
            if rng.random() < 0.6:
                lag = int(rng.choice([0, 1, 2], p=[0.35, 0.4, 0.25]))
                truth[i, j, max(lag, 1) if i > j else lag] = True
    values = _series(rng, truth, lambda x: x, int(10 ** rng.uniform(2.3, 3.3)), (0.2, 0.8))
    truth[np.arange(n), np.arange(n), 1] = True
    return Sample(values, truth)


def relay(rng: np.random.Generator) -> Sample:
    """Trees along which series hand on what they hear, at once or a step or two later; linear."""
    n = int(rng.integers(4, 13))
    truth = np.zeros((n, n, 4), bool)
    for j in range(1, n):
        truth[int(rng.integers(j)), j, int(rng.choice([0, 1, 2], p=[0.5, 0.3, 0.2]))] = rng.random() < 0.9
    values = _series(rng, truth, lambda x: x, int(10 ** rng.uniform(2.3, 3.3)), (0.1, 0.8))
    truth[np.arange(n), np.arange(n), 1] = True
    return Sample(values, truth)


def maps(rng: np.random.Generator) -> Sample:
    """Random sparse maps that saturate, with memory."""
    n = int(rng.integers(4, 13))
    truth = rng.random((n, n, 4)) < rng.uniform(0.8, 2.0) / n / 4
    truth[:, :, 0] = np.triu(rng.random((n, n)) < rng.uniform(0.3, 1.0) / n, 1)
    truth[np.arange(n), np.arange(n)] = False
    values = _series(rng, truth, np.tanh, int(10 ** rng.uniform(2.3, 3.3)), (0.1, 0.7))
    truth[np.arange(n), np.arange(n), 1] = True
    return Sample(values, truth)


def cascade(rng: np.random.Generator) -> Sample:
    """A tree of stages: load comes down it, waiting goes up, each measured with noise, as in services but by formulas."""
    stages = int(rng.integers(3, 8))
    parent = [-1, *(int(rng.integers(k)) for k in range(1, stages))]
    rows, n = int(10 ** rng.uniform(2.3, 3.0)), 3 * stages
    truth = np.zeros((n, n, 4), bool)
    load, busy, wait = (np.arange(stages) * 3 + k for k in range(3))
    wave = np.zeros(rows)
    for t in range(1, rows):
        wave[t] = 0.9 * wave[t - 1] + rng.normal() * 0.3
    wave += np.sin(np.arange(rows) * 2 * np.pi / rng.uniform(60, 300))
    values = np.zeros((rows, n))
    for k in range(stages):
        above = wave if parent[k] < 0 else values[:, load[parent[k]]]
        values[:, load[k]] = above + rng.uniform(0.1, 0.5) * rng.normal(size=rows)
        values[:, busy[k]] = np.tanh(0.6 * values[:, load[k]]) + rng.uniform(0.05, 0.3) * rng.normal(size=rows)
        truth[load[k], busy[k], 0] = True
        if parent[k] >= 0:
            truth[load[parent[k]], load[k], 0] = True
    for k in reversed(range(stages)):
        own = np.exp(rng.uniform(0.3, 1.0) * values[:, busy[k]]) + rng.uniform(0.1, 0.6) * rng.exponential(size=rows)
        below = [c for c in range(stages) if parent[c] == k]
        values[:, wait[k]] = own + sum((rng.uniform(0.5, 1.0) * values[:, wait[c]] for c in below), np.zeros(rows))
        truth[busy[k], wait[k], 0] = True
        for c in below:
            truth[wait[c], wait[k], 0] = True
    return Sample(values, truth)


def shop(rng: np.random.Generator) -> Sample:
    """A chain or a star of three to five services, request by request, of work and calls drawn at random."""
    import tempfile
    from pathlib import Path

    services, star, rate = int(rng.integers(3, 6)), bool(rng.random() < 0.5), float(rng.uniform(15, 60))
    lines = ["version: 1", "name: drawn", f"rate: {rate:.1f}", "entries: {s0/read: 3, s0/write: 1}"]
    lines += ["hosts: {one: 4, two: 4}", "services:"]
    for k in range(services):
        called = range(1, services) if star and k == 0 else [k + 1] if not star and k + 1 < services else []
        cores, use = int(rng.integers(1, 3)), float(rng.uniform(0.25, 0.6))
        lines += [f"  s{k}:", f"    cores: {cores}", f"    threads: {int(rng.choice([8, 16, 64]))}"]
        lines += [f"    host: {rng.choice(['one', 'two'])}"]
        if rng.random() < 0.3:
            lines += [f"    gc_s: {int(rng.integers(20, 90))}", f"    gc_pause_ms: {int(rng.integers(20, 80))}"]
        lines += ["    operations:"]
        for operation in ("read", "write"):
            some = [f"s{c}/{operation}" for c in called if rng.random() < 0.85]
            some = [f"{{to: {call}, required: false}}" if rng.random() < 0.25 else call for call in some]
            work = 1000.0 * use * cores / rate * rng.uniform(0.6, 1.4)
            lines += [f"      {operation}: {{work_ms: {work:.2f}, calls: [{', '.join(some)}]}}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.yaml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        seconds, seed = int(rng.choice([3600, 7200])), int(rng.integers(2**31))
        data = cd.simulate("topology", seed=seed, file=str(path), trials=0, duration_s=seconds)
    assert data.truth is not None
    return Sample(np.array(data.telemetry.values), data.truth.codes() == 1)


FAMILIES = {f.__name__: f for f in (forest, layers, shop, sinks, lattice, pairs, maps, band, cascade, relay)}
