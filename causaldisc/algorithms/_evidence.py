"""From a test's name, as an algorithm's parameter gives it, to the tests: what searches for separating sets share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from causaldisc.core.errors import InputError
from causaldisc.core.telemetry import Telemetry

if TYPE_CHECKING:
    from causaldisc.kernels.pc import Evidence
    from causaldisc.kernels.weighing import Weighing

# What the parameters ``test``, ``missing`` and ``autocorrelation`` may be, and how they are told.
TESTS = ("auto", "fisher_z", "rank", "chi2", "g2", "mixed", "gcm", "rcot", "knn")
TEST_TEXT = (
    "test of independence: linear (fisher_z), on normal scores (rank), of tables (chi2, g2), of discrete columns beside "
    "continuous ones (mixed), of residuals of splines (gcm), nonlinear (rcot; knn: a handful of columns); auto = chi2 where "
    "all that varies is discrete and there are no lags, else fisher_z"
)
MISSING_TEXT = (
    "missing values in fisher_z and rank: correlations over the rows of each pair, or of all columns of a test (testwise)"
)
SERIAL_TEXT = "count effective rows, by the autocorrelations of what each test leaves (fisher_z, rank, gcm)"


@dataclass(frozen=True)
class Choice:
    """How an algorithm was told to test.

    Attributes
    ----------
    algorithm : its name, for messages.
    test : one of ``TESTS``.
    missing : ``pairs`` or ``testwise``.
    autocorrelation : whether effective rows are counted.
    """

    algorithm: str
    test: str
    missing: str = "pairs"
    autocorrelation: bool = False

    def weigh(self, telemetry: Telemetry, order: np.ndarray, max_lag: int, alpha: float) -> Weighing:
        """Prepare the tests on windows of the telemetry, with the variables in an order; call the result for its evidence.

        Raises
        ------
        InputError : effective rows for a test that counts none, or by test-wise deletion; tables of columns of many values.

        >>> telemetry = Telemetry(np.random.default_rng(0).normal(size=(99, 2)), ["a", "b"])
        >>> weighing = Choice("pc", "rank").weigh(telemetry, np.arange(2), 1, 0.05)
        >>> weighing.test, weighing().n.shape, float(weighing().n[0, 1])
        ('rank', (4, 4), 98.0)
        """
        from causaldisc.kernels.moments import lagged, lagged_rows
        from causaldisc.kernels.weighing import Weighing, transformed

        values, environments = telemetry.values, telemetry.environments
        test = self._named(telemetry, max_lag)
        self._check(test, telemetry)
        foreign = None
        if test == "knn":
            from causaldisc.algorithms._bridges.nearest import Nearest

            foreign = Nearest.build
        labels = environments[lagged_rows(environments, max_lag)]
        windows = lagged(transformed(test, values, environments), environments, max_lag, order)
        testwise = self.missing == "testwise"
        return Weighing(test, windows, labels, max_lag + 1, alpha, testwise, self.autocorrelation, foreign)

    def _named(self, telemetry: Telemetry, max_lag: int) -> str:
        """Return the name of the test that is meant."""
        if self.test != "auto":
            return self.test
        from causaldisc.kernels.levels import discrete

        return "chi2" if max_lag == 0 and discrete(telemetry.values) else "fisher_z"

    def _check(self, test: str, telemetry: Telemetry) -> None:
        from causaldisc.kernels.weighing import SERIAL

        if self.autocorrelation and test not in SERIAL:
            raise InputError(
                f"{self.algorithm}.autocorrelation must be false with test={test}, got true; valid tests: {', '.join(SERIAL)}"
            )
        if self.autocorrelation and self.missing == "testwise" and test != "gcm":
            raise InputError(
                f"{self.algorithm}.missing must be pairs with autocorrelation=true and test={test}, got testwise; "
                "valid: missing=pairs, or test=gcm"
            )
        if test in ("chi2", "g2"):
            _check_levels(self.algorithm, telemetry.values, telemetry.names)


def rate_alike(scores: np.ndarray, twins: list[list[int]]) -> None:
    """Rate near-duplicates alike in scores [N, N, …], whichever of them has the edge, in place; not among themselves.

    >>> scores = np.array([[0.0, 1.0, 5.0], [2.0, 0.0, 3.0], [4.0, 6.0, 0.0]])
    >>> rate_alike(scores, [[0, 1]])
    >>> scores.tolist()
    [[0.0, 1.0, 5.0], [2.0, 0.0, 5.0], [6.0, 6.0, 0.0]]
    """
    for members in twins:
        among = np.array(scores[np.ix_(members, members)])
        scores[members] = scores[members].max(axis=0)
        scores[:, members] = scores[:, members].max(axis=1, keepdims=True)
        scores[np.ix_(members, members)] = among


def facts_of(evidence: Evidence, names: Sequence[str], rows: np.ndarray) -> dict[str, Any]:
    """Return what a report says of the evidence, JSON-ready; ``rows`` are those behind the pairs that may be tested."""
    return {
        "effective_sample_size": {"min": float(rows.min()), "median": float(np.median(rows))} if rows.size else {},
        "untestable_pairs": int(np.count_nonzero(rows == 0)),
        "rank": evidence.rank,
        "dependent_columns": [names[k] for k in evidence.dependent],
        "duplicates": [[names[i] for i in members] for members in evidence.groups.sets],
        "correlation_repair": evidence.repair,
    }


def _check_levels(algorithm: str, values: np.ndarray, names: Sequence[str]) -> None:
    """Raise InputError for columns that no contingency table is made of."""
    from causaldisc.kernels.levels import MAX_LEVELS, count_levels

    levels = count_levels(values)
    worst = int(np.argmax(levels))
    if levels[worst] > MAX_LEVELS:
        raise InputError(
            f"{algorithm}.test must be fisher_z for columns of many values, got {levels[worst]} of {names[worst]}; "
            f"valid for chi2 and g2: at most {MAX_LEVELS} a column"
        )
