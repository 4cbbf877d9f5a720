"""From shares of resamples to probabilities: what a calibration looks at, and how it is applied.

The map is a logistic regression fitted on data sets of other families than those it is judged on; its coefficients stand in
``_calibration.json`` beside this module, one set a search, and ``experiments/confidence_calibration`` makes and judges it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PLACE = Path(__file__).with_name("_calibration.json")
# Shares of fewer resamples are too coarse for maps that were fitted on those of 100.
FEWEST = 50
# A pair is plainly dependent where its correlation is so many standard errors from 0.
_PLAIN = 3.3


class Shares(NamedTuple):
    """What resamples say of N variables, float[N, N, L + 1] each; see ``Votes``, of which these are means.

    ``adjacent`` is the share with the adjacency, ``directed`` that with i → j (of all resamples), ``strength`` the mean.
    """

    adjacent: np.ndarray
    directed: np.ndarray
    strength: np.ndarray
    resamples: int


def of_set(values: np.ndarray, shares: Shares, asked: np.ndarray, block: int) -> dict[str, float]:
    """Return what is known of a data set as a whole: sizes, memory, density, stability, dependence and tails.

    Parameters
    ----------
    values : float[T, N], NaN where missing.
    asked : bool[N, N, L + 1], pairs in question, each once.
    block : length of the blocks of rows that were resampled.
    """
    rows, n = values.shape
    share = np.sort(shares.adjacent[asked])  # sums do not depend on where columns stand
    loose = share[share > 0.02]
    centred = values - np.nanmean(values, axis=0)
    centred /= np.maximum(np.nanmax(np.abs(centred), axis=0), 1e-300)  # fourth powers stay within range
    square = np.nanmean(centred**2, axis=0)
    kurtosis = np.nanmean(centred**4, axis=0) / np.maximum(square**2, 1e-300)
    scaled = np.nan_to_num(centred / np.sqrt(np.maximum(square, 1e-300)))
    z = np.abs(scaled.T @ scaled)[np.triu_indices(n, 1)] / np.sqrt(rows)
    return {
        "rows": float(np.log10(rows)),
        "variables": float(np.log10(n)),
        "block": float(np.log10(block)),
        "degree": float(np.log10(0.1 + 2.0 * share.sum() / n)),
        "unsure": float((4.0 * loose * (1.0 - loose)).mean()) if loose.size else 0.0,
        "dependent": float((z > _PLAIN).mean()) if z.size else 0.0,
        "tails": float(np.log10(np.median(kurtosis))),
    }


def of_pairs(shares: Shares, whole: Mapping[str, float]) -> np.ndarray:
    """Return float[N, N, L + 1, F], what the probability of an adjacency is made of."""
    logit = _logit(shares.adjacent, shares.resamples)
    strength = np.log10(0.1 + np.maximum(shares.strength, 0.0))
    sure = (shares.adjacent > 0.98).astype(float)
    return _with_set([logit, strength, sure, logit * strength], [logit, strength], whole)


def of_directions(shares: Shares, whole: Mapping[str, float]) -> np.ndarray:
    """Return float[N, N, F], what the probability of i → j at lag 0 is made of, given that the two are adjacent."""
    total = np.maximum(shares.adjacent[:, :, 0], 1e-9)
    count = shares.adjacent[:, :, 0] * shares.resamples
    for_, against = shares.directed[:, :, 0] / total, shares.directed[:, :, 0].T / total
    this, other = _logit(for_, count), _logit(against, count)
    strength = np.log10(0.1 + np.maximum(shares.strength[:, :, 0], 0.0))
    return _with_set([this, other, this * other, strength], [this, other], {**whole, **_clarity(shares)})


def _clarity(shares: Shares) -> dict[str, float]:
    """How well directions of lag 0 hold over resamples, over all its adjacencies: agreement, and what stays open."""
    adjacent, directed = shares.adjacent[:, :, 0], shares.directed[:, :, 0]
    total = max(_sum(adjacent), 1e-9)
    return {"agreed": _sum(np.abs(directed - directed.T)) / total, "open": 1.0 - 2.0 * _sum(directed) / total}


def _sum(values: np.ndarray) -> float:
    """The sum, whatever the order of the columns."""
    return float(np.sort(values, axis=None).sum())


def _logit(share: np.ndarray, count: Any) -> np.ndarray:
    return np.log((share * count + 0.5) / (count - share * count + 0.5))


def _with_set(own: list[np.ndarray], crossed: list[np.ndarray], whole: Mapping[str, float]) -> np.ndarray:
    """Stack features of cells with those of the set, and some products of both."""
    around = np.array([whole[name] for name in sorted(whole)])
    shape = own[0].shape
    columns = [*own, *(np.full(shape, value) for value in around)]
    columns += [cell * value for cell in crossed for value in around]
    return np.stack(columns, axis=-1)


def calibrated(
    search: str, values: np.ndarray, shares: Shares, asked: np.ndarray, block: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the probabilities of adjacencies float[N, N, L + 1] and of directions at lag 0, float[N, N].

    None where no map was fitted for the search, and with fewer than 50 resamples; directions are NaN where the search says
    nothing of them.

    Parameters
    ----------
    search : its name, ``@0`` without lags or ``@1`` with.
    """
    maps = _maps().get(search)
    if maps is None or shares.resamples < FEWEST:
        return None
    whole = of_set(values, shares, asked, block)
    features = of_pairs(shares, whole)
    adjacent = _apply(maps["now"], features)
    if "past" in maps:
        adjacent[:, :, 1:] = _apply(maps["past"], features[:, :, 1:])
    if "directions" not in maps:
        return adjacent, np.full(adjacent.shape[:2], np.nan)
    directed = _apply(maps["directions"], of_directions(shares, whole))
    return adjacent, directed / np.maximum(directed + directed.T, 1.0)


def _apply(fitted: Mapping[str, Any], features: np.ndarray) -> np.ndarray:
    """Evaluate a logistic regression; features beyond those it was fitted on count as the outermost of them."""
    low, high, centre, scale = (np.array(fitted[key]) for key in ("low", "high", "centre", "scale"))
    weights = np.array(fitted["weights"])
    # Not a product of matrices, whose last bits depend on where a cell stands.
    score = (((np.clip(features, low, high) - centre) / scale) * weights[:-1]).sum(axis=-1) + weights[-1]
    return 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))


@functools.cache
def _maps() -> dict[str, Any]:
    return json.loads(PLACE.read_text(encoding="utf-8")) if PLACE.is_file() else {}
