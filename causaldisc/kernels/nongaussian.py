"""Which of two variables is the cause, told by the shape of their distributions; with tests that keep Gaussian data silent.

Of x → y with linear effect and independent noise, the cause and the noise are independent, while the effect and what it leaves
of the cause are not, unless both are Gaussian. The difference of the two descriptions in entropy is the likelihood ratio of
the two directions (Hyvärinen & Smith, "Pairwise likelihood ratios for estimation of non-Gaussian structural equation
models", JMLR 14, 2013; the same measure drives DirectLiNGAM: Shimizu et al., JMLR 12, 2011). Entropies are the maximum-entropy
approximations of Hyvärinen (NIPS 1997).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_K1, _K2 = 79.047, 7.4129
# E log cosh u of a standard Gaussian.
GAMMA = 0.3745672075
_GAUSSIAN_ENTROPY = 0.5 * (1.0 + math.log(2.0 * math.pi))


class Verdict(NamedTuple):
    """What two series say of each other.

    Attributes
    ----------
    ratio : mean log-likelihood ratio a row, > 0 for x → y.
    z : the ratio over its standard error.
    shape : largest abs(z) of the tests that a series is Gaussian, over both series and both of their moments.
    """

    ratio: float
    z: float
    shape: float


class _Shape(NamedTuple):
    """Entropy of a series, its influence function row by row, and abs(z) of its two moments against a Gaussian's."""

    entropy: float
    influence: np.ndarray
    z: tuple[float, float]


def compare(x: np.ndarray, y: np.ndarray, starts: np.ndarray | None = None) -> Verdict:
    """Weigh x → y against y → x.

    Parameters
    ----------
    x, y : float[T], what known causes leave of the two variables; centred here.
    starts : bool[T], rows that do not follow the row before them. Standard errors allow for a row's likeness to the one before.

    Returns
    -------
    Verdict : not finite where a series is constant, or the two are the same up to scale.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.exponential(size=2000); y = x + rng.uniform(-2, 2, size=2000)
    >>> verdict = compare(x, y)
    >>> verdict.z > 5, round(verdict.z + compare(y, x).z, 9) == 0
    (True, True)
    """
    x, y = _standard(x), _standard(y)
    rho = float(np.mean(x * y))
    left = 1.0 - rho * rho
    if not left > 1e-10:  # also where one of them is constant: NaN
        return Verdict(math.nan, math.nan, math.nan)
    scale = math.sqrt(left)
    one, other = _shape(x, starts), _shape(y, starts)
    of_y, of_x = _noise((y - rho * x) / scale, x, scale, starts), _noise((x - rho * y) / scale, y, scale, starts)
    ratio = other.entropy + of_x.entropy - one.entropy - of_y.entropy
    influence = other.influence + of_x.influence - one.influence - of_y.influence
    return Verdict(ratio, ratio / error_of_mean(influence, starts), max(*one.z, *other.z))


def error_of_mean(values: np.ndarray, starts: np.ndarray | None = None) -> float:
    """Standard error of the mean of float[T] whose rows are like the row before them (a first-order autoregression).

    >>> round(error_of_mean(np.array([1.0, -1.0] * 50)), 3)
    0.1
    """
    centred = values - values.mean()
    variance = float(np.mean(centred**2))
    follows = np.ones(len(values) - 1, dtype=bool) if starts is None else ~starts[1:]
    if variance <= 0.0 or not follows.any():
        return math.sqrt(variance / len(values))
    echo = float(np.mean((centred[1:] * centred[:-1])[follows])) / variance
    echo = min(max(echo, 0.0), 0.98)
    return math.sqrt(variance * (1.0 + echo) / (1.0 - echo) / len(values))


def entropy(u: np.ndarray) -> float:
    """Entropy of a standardised series by two moments: that of a Gaussian, less what its shape takes from it.

    >>> rng = np.random.default_rng(0)
    >>> entropy(rng.normal(size=9999)) > entropy(np.sqrt(0.5) * rng.laplace(size=9999))
    True
    """
    return _entropy(float(np.mean(_log_cosh(u))), float(np.mean(u * np.exp(-0.5 * u * u))))


def _entropy(even: float, odd: float) -> float:
    return _GAUSSIAN_ENTROPY - _K1 * (even - GAMMA) ** 2 - _K2 * odd**2


def _log_cosh(u: np.ndarray) -> np.ndarray:
    size = np.abs(u)
    return size + np.log1p(np.exp(-2.0 * size)) - math.log(2.0)


def _standard(x: np.ndarray) -> np.ndarray:
    """Bring to mean 0 and variance 1."""
    centred = x - x.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        return centred / np.sqrt(np.mean(centred**2))


def _shape(u: np.ndarray, starts: np.ndarray | None, extra: tuple[np.ndarray, np.ndarray] | None = None) -> _Shape:
    """Entropy of a standardised series and its influence function.

    ``extra`` are the influences that the two moments have besides, through what else was estimated.
    """
    bell, tanh = np.exp(-0.5 * u * u), np.tanh(u)
    even, odd = _log_cosh(u), u * bell
    slope = (1.0 - u * u) * bell
    means = float(even.mean()), float(odd.mean())
    # Centring and scaling by estimates take these parts out of the moments' own variation.
    about = 0.5 * (u * u - 1.0)
    first = even - means[0] - tanh.mean() * u - np.mean(tanh * u) * about
    second = odd - means[1] - slope.mean() * u - np.mean(slope * u) * about
    if extra is not None:
        first, second = first + extra[0], second + extra[1]
    influence = -2.0 * _K1 * (means[0] - GAMMA) * first - 2.0 * _K2 * means[1] * second
    z = abs(means[0] - GAMMA) / error_of_mean(first, starts), abs(means[1]) / error_of_mean(second, starts)
    return _Shape(_entropy(*means), influence, z)


def _noise(u: np.ndarray, cause: np.ndarray, scale: float, starts: np.ndarray | None) -> _Shape:
    """The shape of standardised noise of a regression on a standardised cause, the slope's estimate included."""
    wobble = -cause * u  # of the slope's estimate, in units of the noise: u itself loses it times the cause
    bell, tanh = np.exp(-0.5 * u * u), np.tanh(u)
    parts = np.mean(tanh * cause) * wobble, np.mean((1.0 - u * u) * bell * cause) * wobble
    return _shape(u, starts, parts)
