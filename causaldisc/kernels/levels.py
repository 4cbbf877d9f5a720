"""How many values columns have, and whether they are discrete."""

from __future__ import annotations

import numpy as np

# So that a level and a missing value fit in a byte.
MAX_LEVELS = 255
# What is taken for discrete unasked: few levels, each with rows enough for tables of it to be filled.
_FEW_LEVELS, _ROWS_A_LEVEL = 10, 10


def count_levels(values: np.ndarray) -> np.ndarray:
    """Return int[M]: the different values of each column of float[T, M], missing ones (NaN) left out.

    >>> count_levels(np.array([[0.0, 1.0], [np.nan, 1.0], [2.0, 1.0]])).tolist()
    [2, 1]
    """
    ordered = np.sort(values, axis=0)
    fresh = (ordered[1:] > ordered[:-1]).sum(axis=0)
    return fresh + (~np.isnan(ordered[:1])).sum(axis=0)


def discrete(values: np.ndarray) -> bool:
    """Whether float[T, M] looks like discrete data: every column that varies has few whole numbers for values.

    At most 10, each in 10 rows on average; missing values (NaN) do not count. False where nothing varies.

    >>> rng = np.random.default_rng(0)
    >>> dice, noise = rng.integers(1, 7, size=(100, 2)).astype(float), rng.normal(size=(100, 1))
    >>> discrete(dice), discrete(np.hstack([dice, noise])), discrete(dice[:50])
    (True, False, False)
    """
    first, last = values[:1], values[-1:]
    if ((first != np.floor(first)) & (first < np.inf) & (np.abs(last - first) > 0)).any():
        return False  # a broken number in a column that varies, the common case: at once
    varies = count_levels(values) > 1
    return bool(varies.any() and discrete_columns(values)[varies].all())


def discrete_columns(values: np.ndarray) -> np.ndarray:
    """Return bool[M]: the columns of float[T, M] that vary and have few whole numbers for values, as :func:`discrete` says.

    >>> rng = np.random.default_rng(0)
    >>> discrete_columns(np.column_stack([rng.integers(0, 3, size=90), rng.normal(size=90), np.ones(90)])).tolist()
    [True, False, False]
    """
    levels, rows = count_levels(values), (~np.isnan(values)).sum(axis=0)
    whole = ((values == np.floor(values)) | np.isnan(values)).all(axis=0)
    fits = whole & np.isfinite(np.where(np.isnan(values), 0.0, values)).all(axis=0)
    return fits & (levels > 1) & (levels <= _FEW_LEVELS) & (rows >= _ROWS_A_LEVEL * levels)
