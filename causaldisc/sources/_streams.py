"""Random streams and noise: the seed of a system and of each of its runs are apart."""

from __future__ import annotations

import zlib

import numpy as np

from causaldisc.core.errors import InputError

NOISES = ("gaussian", "uniform", "laplace", "exponential", "student", "heavy")


def stream(seed: int, *labels: str | int) -> np.random.Generator:
    """Return the generator of one purpose: same seed and labels, same numbers; other labels, independent ones.

    >>> a, b = stream(0, "mesh", "noise", 1), stream(0, "mesh", "noise", 2)
    >>> a.random() == stream(0, "mesh", "noise", 1).random(), a.random() == b.random()
    (True, False)
    """
    return np.random.default_rng([seed, *(zlib.crc32(str(label).encode()) for label in labels)])


def check_seed(seed: object) -> int:
    """Return the seed as an int; raises InputError unless it is a whole number >= 0."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed must be a whole number >= 0, got {seed!r}")
    return int(seed)


def draw_noise(kind: str, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw independent noise of mean 0 and variance 1.

    ``student`` has 5 degrees of freedom, ``heavy`` is Student's with 3, the fewest whole number with a variance, whose fourth
    moment is infinite; ``exponential`` is shifted to mean 0.

    >>> bool(abs(draw_noise("laplace", stream(0), (20_000,)).std() - 1) < 0.05)
    True
    """
    if kind == "gaussian":
        return rng.standard_normal(shape)
    if kind == "uniform":
        return rng.uniform(-np.sqrt(3), np.sqrt(3), shape)
    if kind == "laplace":
        return rng.laplace(0.0, np.sqrt(0.5), shape)
    if kind == "exponential":
        return rng.standard_exponential(shape) - 1.0
    if kind == "student":
        return rng.standard_t(5, shape) * np.sqrt(3 / 5)
    if kind == "heavy":
        return rng.standard_t(3, shape) * np.sqrt(1 / 3)
    raise InputError(f"noise must be a known distribution, got {kind!r}; valid: {', '.join(NOISES)}")
