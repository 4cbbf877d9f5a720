"""The kinds of data: each draws x, y and z, with y depending on x beyond z by an effect, or not at all where it is 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter


class Kind(NamedTuple):
    """A kind of data, float[T, 3] from ``draw(rng, rows, effect)``.

    ``given`` says whether x and y are tested given z. ``own`` is the test for this kind, and ``shown`` are those beside it:
    names of tests, with ``+`` for effective rows and ``/testwise`` for deletion by test.
    """

    name: str
    draw: Callable[[np.random.Generator, int, float], np.ndarray]
    given: bool
    effect: float
    own: str
    shown: tuple[str, ...] = ("fisher_z",)


def slow(rng: np.random.Generator, rows: int, columns: int = 3, phi: float = 0.9) -> np.ndarray:
    """Independent AR(1) series."""
    return np.asarray(lfilter([1.0], [1.0, -phi], rng.normal(size=(rows + 200, columns)), axis=0))[200:]


def linear(noise: np.ndarray, confounded: bool, effect: float) -> np.ndarray:
    """Draw x and y of their own noise, both driven by z if confounded, y by x with an effect."""
    x, y, z = noise.T
    x = x + z * confounded
    return np.column_stack([x, y + z * confounded + effect * x, z])


def _slow(confounded: bool) -> Callable[[np.random.Generator, int, float], np.ndarray]:
    return lambda rng, rows, effect: linear(slow(rng, rows), confounded, effect)


def _white_around_slow(rng: np.random.Generator, rows: int, effect: float) -> np.ndarray:
    noise = rng.normal(size=(rows, 3))
    noise[:, 2] = slow(rng, rows, 1)[:, 0]
    return linear(noise, True, effect)


def _gaussian(confounded: bool) -> Callable[[np.random.Generator, int, float], np.ndarray]:
    return lambda rng, rows, effect: linear(rng.normal(size=(rows, 3)), confounded, effect)


def _copula(confounded: bool) -> Callable[[np.random.Generator, int, float], np.ndarray]:
    return lambda rng, rows, effect: np.exp(3.0 * linear(rng.normal(size=(rows, 3)), confounded, effect))


def _slow_copula(rng: np.random.Generator, rows: int, effect: float) -> np.ndarray:
    return np.exp(linear(slow(rng, rows), False, effect))


def _student(confounded: bool) -> Callable[[np.random.Generator, int, float], np.ndarray]:
    return lambda rng, rows, effect: linear(rng.standard_t(1.5, size=(rows, 3)), confounded, effect)


def _poisson(rng: np.random.Generator, rows: int, effect: float) -> np.ndarray:
    x = rng.poisson(0.2, size=rows)
    return np.column_stack([x, rng.poisson(0.2 + effect * x), rng.normal(size=rows)]).astype(float)


def _negative_binomial(rng: np.random.Generator, rows: int, effect: float) -> np.ndarray:
    x = rng.negative_binomial(0.15, 0.01, size=rows)
    return np.column_stack([x, rng.negative_binomial(0.15 * (1.0 + effect * (x > 0)), 0.01), rng.normal(size=rows)]).astype(float)


def _confounded_counts(rng: np.random.Generator, rows: int, effect: float) -> np.ndarray:
    z = rng.normal(size=rows)
    x = rng.poisson(np.exp(0.7 * z - 1.0))
    return np.column_stack([x, rng.poisson(np.exp(0.7 * z - 1.0) + effect * x), z]).astype(float)


def _mixed(rng: np.random.Generator, rows: int, effect: float) -> np.ndarray:
    x = rng.integers(0, 3, size=rows)
    return np.column_stack([x, rng.normal(size=rows) + effect * (x == 1), rng.normal(size=rows)]).astype(float)


def _confounded_mixed(rng: np.random.Generator, rows: int, effect: float) -> np.ndarray:
    z = rng.integers(0, 3, size=rows)
    x = (z == 1) + rng.normal(size=rows)
    y = rng.random(rows) < 0.3 + 0.2 * (z == 2) + effect * np.tanh(x - (z == 1))
    return np.column_stack([x, y, z]).astype(float)


def _curved(rng: np.random.Generator, rows: int, effect: float) -> np.ndarray:
    z = rng.normal(size=rows)
    own = rng.normal(size=rows)
    return np.column_stack([np.sin(2.0 * z) + 0.5 * own, z**2 + 0.5 * rng.normal(size=rows) + effect * own**2, z])


def gappy(draw: Callable[[np.random.Generator, int, float], np.ndarray], share: float = 0.2) -> Callable[..., np.ndarray]:
    """The same data with a share of the values missing at random."""

    def with_gaps(rng: np.random.Generator, rows: int, effect: float) -> np.ndarray:
        values = np.array(draw(rng, rows, effect))
        values[rng.random(values.shape) < share] = np.nan
        return values

    return with_gaps


KINDS = (
    Kind("AR(1) 0.9", _slow(False), False, 0.5, "fisher_z+"),
    Kind("AR(1) 0.9, given z", _slow(True), True, 0.5, "fisher_z+"),
    Kind("white about a slow z, given z", _white_around_slow, True, 0.15, "fisher_z+"),
    Kind("AR(1) 0.9, 20 % missing", gappy(_slow(False)), False, 0.5, "fisher_z+"),
    Kind("exp of AR(1) 0.9", _slow_copula, False, 0.5, "rank+", ("fisher_z", "rank", "gcm+")),
    Kind("lognormal³", _copula(False), False, 0.15, "rank"),
    Kind("lognormal³, given z", _copula(True), True, 0.15, "rank", ("fisher_z", "gcm")),
    Kind("Student t, 1.5 df", _student(False), False, 0.1, "rank"),
    Kind("Student t, 1.5 df, linear, given z", _student(True), True, 0.1, "gcm", ("fisher_z", "rank")),
    Kind("Poisson, mean 0.2", _poisson, False, 0.15, "rank"),
    Kind("negative binomial, 50 % zeros", _negative_binomial, False, 1.0, "rank"),
    Kind("Poisson, given z", _confounded_counts, True, 0.15, "gcm", ("fisher_z", "rank")),
    Kind("Gaussian, 20 % missing", gappy(_gaussian(False)), False, 0.15, "fisher_z/testwise"),
    Kind("Gaussian, 20 % missing, given z", gappy(_gaussian(True)), True, 0.2, "fisher_z/testwise"),
    Kind("three levels and Gaussian", _mixed, False, 0.3, "mixed"),
    Kind("Gaussian and two levels, given three", _confounded_mixed, True, 0.1, "mixed"),
    Kind("sine and square of z, given z", _curved, True, 0.3, "rcot", ("fisher_z", "rank", "gcm")),
)
