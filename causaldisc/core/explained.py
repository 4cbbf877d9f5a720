"""Explained fractions: how much of each variable all the others determine, linearly."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

_NULL = 1e-10  # eigenvalues below this share of the largest are rounding
_LEAK = 1e-6  # share of a variable in those directions from which on the others determine it


def explained_by_others(R: np.ndarray) -> np.ndarray:
    """Return R² of the regression of each variable on all others, from their correlations.

    It is ``1 - 1 / (R⁻¹)ᵢᵢ``. Where R is singular, a variable that the others determine has exactly 1 and the rest have
    their limit by the pseudo-inverse.

    Parameters
    ----------
    R : float[N, N], positive semi-definite, unit diagonal; rows and columns of a constant variable are 0 but for the diagonal.

    Returns
    -------
    float[N] in 0..1.

    >>> explained_by_others(np.array([[1.0, 0.6], [0.6, 1.0]])).round(6).tolist()
    [0.36, 0.36]
    >>> explained_by_others(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])).tolist()
    [1.0, 1.0, 0.0]
    """
    if len(R) < 2:
        return np.zeros(len(R))
    with suppress(np.linalg.LinAlgError):  # raised by a matrix of lower rank, which is what the rest is for
        factor = np.linalg.cholesky(R)
        if np.square(np.diag(factor)).min() > 1e-7:
            from scipy.linalg import solve_triangular

            inverse = solve_triangular(factor, np.eye(len(R)), lower=True, check_finite=False)
            return np.clip(1.0 - 1.0 / np.square(inverse).sum(axis=0), 0.0, 1.0)
    eigenvalues, vectors = np.linalg.eigh(R)
    null = eigenvalues < _NULL * eigenvalues[-1]
    squares = np.square(vectors)
    precision = squares[:, ~null] @ (1.0 / eigenvalues[~null])
    alone = 1.0 - 1.0 / np.maximum(precision, 1.0)
    return np.where(squares[:, null].sum(axis=1) > _LEAK, 1.0, np.clip(alone, 0.0, 1.0))
