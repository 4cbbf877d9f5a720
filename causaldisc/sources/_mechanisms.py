"""Additive mechanisms of the random systems: what a parent's value does before it is weighed and summed."""

from __future__ import annotations

import numpy as np

MECHANISMS = ("linear", "tanh", "quadratic", "sine")
_MANY = 8  # parents of which the weights are as drawn


def bend(mechanism: str, values: np.ndarray) -> np.ndarray:
    """Apply a mechanism elementwise; the bent ones are bounded, so that no depth of graph makes values explode.

    ``tanh`` is ``tanh(1.5 x)``; ``quadratic`` is ``x² / (1 + x² / 4) - 0.7``: a parabola near 0 that levels off below 3.3;
    ``sine`` is ``sin(2 x)``, which rises and falls within the usual range of a parent.

    >>> bend("quadratic", np.array([-1.0, 1.0])).tolist() == [0.8 - 0.7] * 2
    True
    """
    if mechanism == "linear":
        return values
    if mechanism == "tanh":
        return np.tanh(1.5 * values)
    if mechanism == "sine":
        return np.sin(2.0 * values)
    squares = values**2
    return squares / (1.0 + squares / 4.0) - 0.7


def signed_weights(rng: np.random.Generator, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
    """Draw weights uniform in ``±[low, high]``, so that no effect is too weak to be found."""
    return rng.uniform(low, high, shape) * rng.choice([-1.0, 1.0], shape)


def temper(weights: np.ndarray) -> np.ndarray:
    """Shrink the weights of float[N, N] (column = child) that go into a child of many parents, as if it had eight.

    So the variance of a dense graph grows slowly along the causal order, where it would double from variable to variable.

    >>> temper(np.ones((32, 1)))[0].tolist(), temper(np.ones((8, 1)))[0].tolist()
    ([0.5], [1.0])
    """
    parents = np.count_nonzero(weights, axis=0)
    return weights * np.sqrt(_MANY / np.maximum(parents, _MANY))
