"""The logarithm of the p-value of a χ² statistic: of the upper regularised incomplete gamma function.

It stays finite where the p-value itself is too small for a float, so that strong links keep their order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from causaldisc.kernels.compiled import kernel
from causaldisc.kernels.inner import inner

_HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)
_CLOSE = 1e-16


@inner
def log_p(statistic: Any, freedom: Any) -> float:
    """Natural logarithm of the probability that χ² with so many degrees of freedom exceeds the statistic.

    Below the mean by the series of the lower function, above it by Lentz's continued fraction (Abramowitz & Stegun 1964,
    6.5.29 and 6.5.31). Both take some sqrt(freedom) steps at worst. 0.0 without a degree of freedom.
    """
    a, x = 0.5 * freedom, 0.5 * statistic
    if freedom < 1.0 or x <= 0.0:
        return 0.0
    front = _log_poisson(a, x)
    if x < a + 1.0:
        term, total, step = 1.0, 1.0, a
        while term > _CLOSE * total:
            step += 1.0
            term *= x / step
            total += term
        return math.log1p(-min(math.exp(front) * total, 1.0))
    b = x + 1.0 - a
    d = 1.0 / b
    c, fraction, k, change = 1e300, d, 0.0, 0.0
    while abs(change - 1.0) > 4.0 * _CLOSE and k < 1e6:
        k += 1.0
        b += 2.0
        d = 1.0 / (b - k * (k - a) * d)
        c = b - k * (k - a) / c
        change = c * d
        fraction *= change
    return front + math.log(a * fraction)


@inner
def _log_poisson(a: Any, x: Any) -> float:
    """x^a exp(-x) / gamma(a + 1), its logarithm, without cancellation where a and x are large and close (Loader 2000)."""
    if a < 16.0:
        return a * math.log(x) - x - math.lgamma(a + 1.0)
    over = (x - a) / a
    square = 1.0 / (a * a)
    stirling = (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0))) / a
    # Near the mean the ratio itself has lost the difference, far below it the difference has lost the ratio.
    share = math.log1p(over) if over > -0.5 else math.log(x / a)
    return a * (share - over) - 0.5 * math.log(a) - _HALF_LOG_TAU - stirling


@kernel
def log_p_values(statistic: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Return :func:`log_p` of flat float arrays.

    >>> float(np.exp(log_p_values(np.array([3.841458820694124]), np.array([1.0])))[0].round(12))
    0.05
    """
    out = np.empty(len(statistic))
    for k in range(len(statistic)):
        out[k] = log_p(statistic[k], freedom[k])
    return out
