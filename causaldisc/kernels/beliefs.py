"""What a belief is worth against data: the bar that the statistic of a pair must exceed, moved by log-odds.

Every test and every score is read on one scale, the squared statistic z² of one degree of freedom. Without beliefs a pair
stays where z² exceeds a plain bar b0: the squared critical value of a test, or log n for a parent under BIC. The evidence in
z² is ``G(z²)`` with ``G(s) = s / 2 + log(1 + s)``, the logarithm, up to a constant, of the Bayes factor of a moment prior, whose
density vanishes where there is no effect (Johnson & Rossell 2010, "On the use of non-local prior densities in Bayesian
hypothesis tests", JRSSB 72, 143-170). A belief of probability p says ``λ = log(p / (1 - p))`` on the same scale, so:

- The *anchored* bar b solves ``G(b) = G(b0) - λ``: the belief pays for that much of the evidence that the plain bar asks for.
- The *Bayes* bar for n rows solves ``G(b) = 1.5 log(1 + n τ²) - λ``: there the posterior odds of an effect are even. It rises
  with n, since a real effect of size τ would by then have shown itself.
- A belief for a pair (λ > 0) has the bar ``min(b0, max(anchored, Bayes))``. It never asks for more than the data alone must
  show, and the more rows there are the less it helps: a wrong one loses its vote.
- A belief against a pair (λ < 0) has the anchored bar, above b0; z² of a real effect grows with n and passes any such bar.

So λ = 0 leaves the plain bar as it is, to the last bit; the bar falls with λ, and is continuous in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

# Size of a standardised effect that is worth finding: the scale τ of the moment prior.
EFFECT = 0.3


def evidence(square: np.ndarray | float) -> np.ndarray:
    """Return ``G(s) = s / 2 + log(1 + s)`` of squared statistics, log-odds up to a constant.

    >>> evidence(np.array([0.0, 4.0])).round(3).tolist()
    [0.0, 3.609]
    """
    s = np.asarray(square, dtype=float)
    return 0.5 * s + np.log1p(s)


def square_of(worth: np.ndarray | float) -> np.ndarray:
    """Return the squared statistic of some evidence, the inverse of :func:`evidence`; 0 where that is not positive.

    >>> square_of(evidence(6.63)).round(9).item(), square_of(-2.0).item()
    (6.63, 0.0)
    """
    from scipy.special import wrightomega

    # With u = 1 + s: u / 2 + log(u / 2) = G + 1/2 - log 2, and Wright's omega solves w + log w = that.
    w = wrightomega(np.asarray(worth, dtype=float) + 0.5 - math.log(2.0))
    return np.maximum(2.0 * w - 1.0, 0.0)


def bars(plain: np.ndarray | float, logits: np.ndarray, rows: np.ndarray | float) -> np.ndarray:
    """Return the bar of each pair, in squared statistics: what z² must exceed for the pair to stay.

    Parameters
    ----------
    plain : bar without beliefs, >= 0; infinite where nothing can pass it.
    logits : log-odds of the beliefs, of any shape; 0 = nothing believed.
    rows : (effective) sample size behind each pair.

    >>> bars(6.63, np.array([-2.2, 0.0, 2.2, 4.6]), 200).round(2).tolist()
    [10.25, 6.63, 3.35, 0.58]
    >>> bars(6.63, np.array([4.6]), np.array([100, 2000, 50000])).round(2).tolist()
    [0.58, 3.42, 6.63]
    """
    logits, plain = np.asarray(logits, dtype=float), np.asarray(plain, dtype=float)
    with np.errstate(invalid="ignore"):
        anchored = np.where(np.isinf(plain), np.inf, square_of(evidence(plain) - logits))
    bayes = square_of(1.5 * np.log1p(np.asarray(rows, dtype=float) * EFFECT**2) - logits)
    moved = np.where(logits > 0, np.minimum(plain, np.maximum(anchored, bayes)), np.maximum(plain, anchored))
    return np.where(logits == 0, plain, moved)


def log_p_of(square: np.ndarray | float) -> np.ndarray:
    """Return the natural logarithm of the two-sided p value of squared statistics.

    >>> np.exp(log_p_of(np.array([0.0, 3.841458820694124]))).round(9).tolist()
    [1.0, 0.05]
    """
    from scipy.special import log_ndtr

    return np.minimum(log_ndtr(-np.sqrt(square)) + math.log(2.0), 0.0)


def square_at(log_p: np.ndarray | float) -> np.ndarray:
    """Return the squared statistic of a natural logarithm of a two-sided p value, the inverse of :func:`log_p_of`.

    >>> square_at(np.log(0.05)).round(6).item(), square_at(0.0).item()
    (3.841459, 0.0)
    """
    from scipy.special import ndtri_exp

    return np.maximum(-ndtri_exp(np.asarray(log_p, dtype=float) - math.log(2.0)), 0.0) ** 2


def bonus(price: float, logits: np.ndarray, rows: float) -> np.ndarray:
    """Return what beliefs add to the score of an edge, where an edge has to gain ``price`` in log-likelihood to stay.

    A gain in log-likelihood of a linear-Gaussian model is z² / 2, so the bar that the price sets is twice it.

    >>> bonus(3.0, np.array([0.0, 2.2, -2.2]), 400).round(2).tolist()
    [0.0, 1.28, -1.79]
    """
    return np.where(logits == 0, 0.0, price - 0.5 * bars(2.0 * price, logits, rows))


def adjacency(logits: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return float[N, N, L + 1], what beliefs about arrows say of adjacencies: the same in both cells at lag 0.

    A pair at lag 0 is as likely adjacent as the likelier of the directions that it may have; one of which nothing is said
    counts as even. So to doubt one direction is not yet to doubt the adjacency, unless the other one is forbidden.

    Parameters
    ----------
    logits : float[N, N, L + 1], ``[i, j, lag]`` about i(t - lag) → j(t); 0 = nothing believed.
    allowed : bool[N, N, L + 1], edges that may exist.

    >>> doubt = np.array([[0.0, -3.0], [0.0, 0.0]])[:, :, None]
    >>> free = ~np.eye(2, dtype=bool)[:, :, None]
    >>> adjacency(doubt, free)[0, 1, 0], adjacency(doubt, np.triu(np.ones((2, 2), bool), 1)[:, :, None])[1, 0, 0]
    (np.float64(0.0), np.float64(-3.0))
    """
    said = np.where(allowed, logits, 0.0)
    now = np.where(allowed[:, :, 0], logits[:, :, 0], -np.inf)
    either = np.maximum(now, now.T)
    said[:, :, 0] = np.where(np.isneginf(either), 0.0, either)
    return said


def coarse(rows: np.ndarray) -> np.ndarray:
    """Round sample sizes to two digits, so that pairs of much the same one share a bar, and their tests a call.

    >>> coarse(np.array([0.0, 98.6, 1234.0])).tolist()
    [0.0, 99.0, 1200.0]
    """
    rows = np.asarray(rows, dtype=float)
    digits = np.power(10.0, np.floor(np.log10(np.maximum(rows, 1.0))) - 1.0)
    return np.round(rows / digits) * digits


def critical_values(log_p: Callable[[np.ndarray], np.ndarray], plain: float, logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the largest statistic of independence of each pair, for tests whose statistic is on a scale of its own.

    Parameters
    ----------
    log_p : natural logarithm of the p values of statistics, falling.
    plain : the largest statistic of independence without beliefs; pairs of which nothing is believed keep it as it is.
    logits, rows : of one shape: log-odds of the beliefs, and the rows behind each pair.

    >>> critical_values(lambda z: log_p_of(z**2), 2.5758, np.array([0.0, 2.2, -2.2]), np.full(3, 200.0)).round(2).tolist()
    [2.58, 1.83, 3.2]
    """
    critical, said = np.full(logits.shape, float(plain)), np.nonzero(logits)
    if len(said[0]) and np.isfinite(plain):
        kinds, place = np.unique(np.stack([logits[said], coarse(rows[said])]), axis=1, return_inverse=True)
        moved = bars(square_at(log_p(np.array([plain]))[0]), *kinds)
        critical[said] = _inverse(log_p, log_p_of(moved))[place.ravel()]
    return critical


def _inverse(log_p: Callable[[np.ndarray], np.ndarray], wanted: np.ndarray) -> np.ndarray:
    """Return the statistics >= 0 whose ``log_p`` is ``wanted``, by halving an interval."""
    low, high = np.zeros(len(wanted)), np.ones(len(wanted))
    for _ in range(60):
        high = np.where(log_p(high) > wanted, 2.0 * high, high)
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = log_p(middle) > wanted
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(wanted >= 0.0, 0.0, high)
