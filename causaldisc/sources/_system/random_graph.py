"""A random call graph of services: layered, with one entry that reaches every service, and a few shared callees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from causaldisc.core.errors import InputError

ENTRY = "frontend"
_WORDS = (
    "account auth billing booking cache cart catalog checkout cms comments config coupon currency customers "
    "delivery discovery docs email events export feed fraud gateway geo identity images inbox inventory invoice "
    "ledger mail media messages metrics notify offers orders payment photos pricing products profile promo queue "
    "quotes rating recommend redis refunds registry reports reviews rewards rules scheduler search session settings "
    "shipping sms stock storage store stream subscription support tags tax tickets timeline tokens tracking "
    "translate users vendors video wallet warehouse webhook wishlist workflow "
)
_POOL = tuple(_WORDS.split())


@dataclass(frozen=True, slots=True)
class CallGraph:
    """Names, layers (0 is the entry alone) and callers of services; calls go from a lower layer to a higher one.

    ``callers[k]`` lists the services that call service k, the main one first; empty for the entry, service 0.
    """

    names: tuple[str, ...]
    layers: tuple[int, ...]
    callers: tuple[tuple[int, ...], ...]


def draw_call_graph(n: int, rng: np.random.Generator, depth: int, fan_out: int, shared: float) -> CallGraph:
    """Draw a tree by preferential attachment, then more callers for some services.

    ``depth`` layers lie below the entry, all in use; a service calls at most ``fan_out`` others; ``shared`` is the mean number
    of callers of a service beyond its main one, as far as ``fan_out`` leaves room.

    Raises
    ------
    InputError : a tree of that depth and fan-out does not hold n services, or is deeper than they allow.

    >>> graph = draw_call_graph(5, np.random.default_rng(0), depth=2, fan_out=3, shared=0.5)
    >>> graph.names[0], graph.layers[:3], graph.callers[:3]
    ('frontend', (0, 1, 2), ((), (0,), (1, 0, 4)))
    """
    if not 1 <= depth < n:
        raise InputError(f"depth must be in 1..{n - 1} for n_services={n}, got {depth}")
    room, width = 1, 1
    for _ in range(depth):
        width = min(width * fan_out, n)
        room += width
    if room < n:
        raise InputError(f"fan_out must leave room for n_services={n} in depth={depth} layers, got {fan_out} (room for {room})")
    layers, out = np.zeros(n, dtype=int), np.zeros(n, dtype=int)
    callers: list[list[int]] = [[] for _ in range(n)]
    for k in range(1, n):
        if k <= depth:  # a chain first, so that every layer is in use
            chosen = k - 1
        else:
            free = np.flatnonzero((layers[:k] < depth) & (out[:k] < fan_out))
            weight = 1.0 + out[free]
            chosen = int(rng.choice(free, p=weight / weight.sum()))
        layers[k] = layers[chosen] + 1
        out[chosen] += 1
        callers[k].append(chosen)
    for k, more in enumerate(rng.poisson(shared, size=n)):
        others = np.flatnonzero((layers < layers[k]) & (out < fan_out))
        others = others[~np.isin(others, callers[k])]
        chosen_others = rng.choice(others, size=min(len(others), int(more)), replace=False)
        out[chosen_others] += 1
        callers[k] += [int(c) for c in chosen_others]
    names = (ENTRY, *_names(n - 1, rng))
    return CallGraph(names, tuple(layers.tolist()), tuple(tuple(c) for c in callers))


def _names(count: int, rng: np.random.Generator) -> list[str]:
    """Distinct names; a large system numbers its further instances of a kind."""
    names = [f"{_POOL[k % len(_POOL)]}{'' if k < len(_POOL) else f'-{k // len(_POOL) + 1}'}" for k in range(count)]
    if count <= len(_POOL):
        names = [_POOL[k] for k in rng.choice(len(_POOL), size=count, replace=False)]
    return [names[k] for k in rng.permutation(count)]
