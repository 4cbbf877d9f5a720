"""Ranks in place of values: correlations that neither heavy tails nor skewness move."""

from __future__ import annotations

import numpy as np


def normal_scores(values: np.ndarray, environments: np.ndarray | None = None) -> np.ndarray:
    """Return the normal scores of each column: the standard normal quantiles of ``rank / (rows + 1)`` (van der Waerden 1952).

    Correlations of these are those of a Gaussian copula, whatever the margins ("nonparanormal": Liu, Lafferty & Wasserman
    2009, JMLR 10; PC with them: Harris & Drton 2013, JMLR 14). Equal values share the average of their ranks, and the scores
    of a column are the same for every increasing change of its scale.

    Parameters
    ----------
    values : float[T, M], NaN where missing.
    environments : int[T], each ranked by itself, so that shifts and changes of scale between them are gone; None = all as one.

    Returns
    -------
    float[T, M], NaN where values are.

    >>> normal_scores(np.array([[1.0], [1e9], [5.0]])).round(3).ravel().tolist()
    [-0.674, 0.674, 0.0]
    """
    from scipy.special import ndtri

    labels = np.zeros(len(values), np.int64) if environments is None else np.asarray(environments)
    scores = np.full(values.shape, np.nan)
    for label in np.unique(labels):
        block = np.flatnonzero(labels == label)
        for column in range(values.shape[1]):
            mine = values[block, column]
            there = ~np.isnan(mine)
            scores[block[there], column] = ndtri(average_ranks(mine[there]) / (there.sum() + 1.0))
    return scores


def average_ranks(x: np.ndarray) -> np.ndarray:
    """Return ranks from 1 of float[T]; equal values share the average of theirs.

    >>> average_ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - 0.5 * (counts - 1.0))[place]
