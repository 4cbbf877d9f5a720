"""From the name of a test of conditional independence to what it works on: the one place that knows them all.

What a test takes from all rows is taken once, so that a search on resampled rows treats columns as the search on all did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from causaldisc.kernels.duplicates import Groups
from causaldisc.kernels.moments import pairwise_correlation, repair
from causaldisc.kernels.pc import Evidence, _alike
from causaldisc.kernels.separation import Tests

# The tests by name: linear, linear on normal scores, of tables, of both discrete and continuous columns, of residuals of
# splines, of random features.
TESTS = ("fisher_z", "rank", "chi2", "g2", "mixed", "gcm", "rcot")
# Those that can count effective rows.
SERIAL = ("fisher_z", "rank", "gcm")
# Draws the features of the nonlinear test, once and for all: nothing of a search is random.
_SEED = 20190306


def transformed(test: str, values: np.ndarray, environments: np.ndarray | None) -> np.ndarray:
    """Return float[T, N] of values as a test wants them, before lagged copies are made: normal scores for ``rank``.

    ``environments`` int[T] are ranked each by itself; None = all as one.

    >>> transformed("rank", np.array([[1.0], [9.0], [2.0]]), None).round(2).ravel().tolist()
    [-0.67, 0.67, 0.0]
    """
    if test != "rank":
        return values
    from causaldisc.kernels.ranks import normal_scores

    return normal_scores(values, environments)


@dataclass(frozen=True, eq=False)
class Weighing:
    """A test on the windows of telemetry, to be made on all of them or on some.

    Attributes
    ----------
    test : one of ``TESTS``, or any other name where ``foreign`` is given.
    windows : float[T', N * lags], NaN where missing, of values as :func:`transformed` gives them; column ``lag * N + i``.
    labels : int[T'], environments.
    lags : largest lag and 1.
    alpha : level of the tests.
    testwise : whether every linear test uses all rows that it can, instead of those of pairs; no resample does.
    autocorrelation : whether a test in ``SERIAL`` counts effective rows; linear ones then use the rows of pairs.
    foreign : makes tests of another kind, of windows, labels and a level.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_cauchy(size=500)
    >>> values = np.column_stack([x, np.cbrt(x) + 0.3 * rng.normal(size=500)])
    >>> labels = np.zeros(500, int)
    >>> weighing = Weighing("rank", transformed("rank", values, labels), labels, 1, 0.01)
    >>> round(float(weighing().R[0, 1]), 2)
    0.96
    """

    test: str
    windows: np.ndarray
    labels: np.ndarray
    lags: int
    alpha: float
    testwise: bool = False
    autocorrelation: bool = False
    foreign: Callable[[np.ndarray, np.ndarray, float], Tests] | None = None

    def __call__(self, rows: np.ndarray | None = None) -> Evidence:
        """Weigh all windows, or int[K] of them, which may come more than once."""
        some, labels = (self.windows, self.labels) if rows is None else (self.windows[rows], self.labels[rows])
        given = self.lags, self.alpha
        if self.foreign is not None:
            return _general(some, labels, self.lags, self.foreign(some, labels, self.alpha))
        if self.test in ("chi2", "g2"):
            return Evidence.tables(some, labels, *given, self.test == "g2")
        if self.test == "mixed":
            return self._mixed(rows, labels)
        if self.test == "rcot":
            from causaldisc.kernels.rcot import RCoT

            return _general(some, labels, self.lags, RCoT.build(some, labels, self.alpha, np.random.default_rng(_SEED)))
        if self.test == "gcm":
            from causaldisc.kernels.gcm import GCM

            return _general(some, labels, self.lags, GCM.build(some, labels, self.alpha, self.autocorrelation))
        if self.autocorrelation:
            return self._serial(some, labels)
        if self.testwise and rows is None and bool(np.isnan(some).any()):
            return Evidence.testwise(some, labels, *given)
        return Evidence.fisher(np.array(some) if rows is None else some, labels, *given)

    def _mixed(self, rows: np.ndarray | None, labels: np.ndarray) -> Evidence:
        from causaldisc.kernels.mixed import Mixed

        embedding = self._embedding
        tests = Mixed.build(embedding.values if rows is None else embedding.values[rows], embedding.starts, labels, self.alpha)
        variables = self.windows.shape[1] // self.lags
        sizes, strength = np.diff(tests.starts), tests.marginal(variables)[1]
        np.fill_diagonal(strength, 1.0)
        # Blocks of different sizes do not both tell each other.
        groups = _alike(np.where(sizes[:variables, None] == sizes, strength, 0.0), tests.n, variables)
        return Evidence(strength, tests.n, groups, tests.of(groups.kept_columns(self.lags)), 0.0)

    @cached_property
    def _embedding(self) -> Any:
        from causaldisc.kernels.levels import discrete_columns
        from causaldisc.kernels.mixed import embed

        variables = self.windows.shape[1] // self.lags
        # A variable and its lagged copies are of one kind.
        return embed(self.windows, np.tile(discrete_columns(self.windows[:, :variables]), self.lags))

    def _serial(self, some: np.ndarray, labels: np.ndarray) -> Evidence:
        """Correlations of some windows, with the memory of all: resampled rows have lost part of theirs."""
        from causaldisc.kernels.serial import Serial

        R, n = pairwise_correlation(some, labels)
        groups = _alike(R, n, some.shape[1] // self.lags)
        R, change = repair(R)
        memory, rows = self._memory
        tests = Serial.of_memory(R, n, memory, rows, self.alpha)
        return Evidence(R, tests.sizes, groups, tests.of(groups.kept_columns(self.lags)), change)

    @cached_property
    def _memory(self) -> Any:
        from causaldisc.kernels.serial import remember

        return remember(self.windows, self.labels)


def _general(windows: np.ndarray, labels: np.ndarray, lags: int, tests: Any) -> Evidence:
    """Evidence of tests that work on rows; correlations of normal scores stand for association."""
    from causaldisc.kernels.ranks import normal_scores

    R, n = pairwise_correlation(normal_scores(windows, labels), labels)
    # Equal ranks mean that each tells the other.
    groups: Groups = _alike(R, n, windows.shape[1] // lags)
    return Evidence(R, n, groups, tests.of(groups.kept_columns(lags)), 0.0)
