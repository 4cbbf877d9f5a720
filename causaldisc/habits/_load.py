"""Hidden load: is there a common factor behind most of the series, which column stands for it, and how to take it out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from causaldisc.core.errors import InputError, did_you_mean
from causaldisc.core.telemetry import Telemetry
from causaldisc.habits._innovations import after_own_past, lags_for
from causaldisc.kernels.moments import pairwise_correlation, repair

LEVEL = 0.001  # of the test of one pair
MOST = 0.5  # share of pairs that depend on each other from which on a load is behind them
NEARLY = 0.9  # a traffic column that stands for the load nearly as well as the best is taken
LAGS = 2
FEWEST_COLUMNS = 5  # of which a common factor can be told from a few edges
_TRACY_WIDOM_99 = 2.0234
_FEW, _ROUNDS = 150, 500  # columns that are decomposed one by one; rounds of power iteration for more
HOWS = ("proxy", "factor")


@dataclass(frozen=True)
class Load:
    """What is common to the series after their own pasts.

    Attributes
    ----------
    present : whether over half of the pairs depend on each other and the first factor is more than chance.
    dependent_share : share of pairs that depend on each other at level 0.001 (0.001 would by chance).
    factor_share : share of variance of the first common factor.
    chance_share : what that share would be, at most (99 %), were all columns independent.
    proxy : the column that stands best for it, a traffic column if one nearly does; None with fewer than 5 varying columns.
    proxy_share : mean squared correlation of the proxy with the other columns.
    """

    present: bool
    dependent_share: float
    factor_share: float
    chance_share: float
    proxy: str | None
    proxy_share: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping; what is undefined is None."""
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(self).items()}


def hidden_load(telemetry: Telemetry, lags: int = LAGS) -> Load:
    """Look for a load behind most pairs of series, on treated telemetry.

    Dependence is counted between innovations (residuals after ``lags`` rows of own past), at lag 0. The first factor is that
    of their correlations; its chance is the upper percentile of the largest eigenvalue of independent columns (Johnstone
    2001, Annals of Statistics 29, in the place of the simulations of Horn's parallel analysis). A load that acts through
    visible columns looks the same: the finding is about dependence, not about what is hidden.

    >>> rng = np.random.default_rng(0)
    >>> load = hidden_load(Telemetry(rng.normal(size=(300, 6)) + rng.normal(size=(300, 1)), list("abcdef")))
    >>> load.present, hidden_load(Telemetry(rng.normal(size=(300, 6)), list("abcdef"))).present
    (True, False)
    """
    varying = np.flatnonzero(~telemetry.constant)
    if len(varying) < FEWEST_COLUMNS:
        return Load(False, float("nan"), float("nan"), float("nan"), None, float("nan"))
    data = telemetry.select(varying)
    r, p = after_own_past(data, lags_for(data.environments, lags))
    return load_of(data, r[:, :, 0], p[:, :, 0])


def load_of(data: Telemetry, r: np.ndarray, p: np.ndarray) -> Load:
    """Judge the load from correlations and p-values of innovations at lag 0, float[N, N], of columns that all vary."""
    count = len(r)
    pairs = np.triu_indices(count, 1)
    R, _ = repair(r + np.eye(count))
    share = float(np.linalg.eigvalsh(R)[-1] / count)
    chance = largest_eigenvalue(float(np.median((~data.missing).sum(axis=0))), count) / count
    square = (np.square(r).sum(axis=0)) / (count - 1)
    traffic = [k for k in range(count) if data.variables[k].role == "traffic" and square[k] >= NEARLY * square.max()]
    best = max(traffic or range(count), key=lambda k: (square[k], data.names[k]))
    dependent = float((p[pairs] < LEVEL).mean())
    present = dependent > MOST and share > chance
    return Load(present, dependent, share, min(chance, 1.0), data.names[best], float(square[best]))


def largest_eigenvalue(rows: float, columns: int) -> float:
    """99th percentile of the largest eigenvalue of the correlations of independent columns (Johnstone 2001).

    >>> round(largest_eigenvalue(500, 10), 2)
    1.37
    """
    a, b = np.sqrt(max(rows - 1.0, 1.0)), np.sqrt(columns)
    return float(((a + b) ** 2 + _TRACY_WIDOM_99 * (a + b) * (1 / a + 1 / b) ** (1 / 3)) / max(rows, 1.0))


def adjust(telemetry: Telemetry, how: str = "factor", proxy: str | None = None) -> Telemetry:
    """Return telemetry with the load taken out of every column, by regression within environments, at lags 0 and 1.

    Parameters
    ----------
    how : ``proxy``, on the column that stands for the load, which stays as it is; or ``factor``, on the first principal
        component of all other columns, so that none is regressed on itself.
    proxy : the column's name; None = the one that :func:`hidden_load` names.

    The factor of few columns is known with an error that their residuals then share: with a dozen columns or fewer a proxy
    does better. The first row of each environment has no row before it and is cut off. For a search that reckons with hidden
    causes instead of taking them out, use the algorithm ``fci``.

    Raises
    ------
    InputError : an unknown way or column.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(500, 6)) + 2 * rng.normal(size=(500, 1))
    >>> left = np.corrcoef(adjust(Telemetry(x, list("abcdef"))).values.T)
    >>> bool(np.abs(left - np.eye(6)).max() < 0.5)
    True
    """
    if how not in HOWS:
        raise InputError(f"how must be a known way to adjust for a load, got {how!r}; {did_you_mean(str(how), HOWS)}")
    burden = burden_of(telemetry, how, proxy)
    if burden is None:
        return telemetry
    rest = _regressed(telemetry, burden)
    rest[:, telemetry.constant] = telemetry.values[:, telemetry.constant]
    kept = np.concatenate([[False], np.diff(telemetry.environments) == 0])
    empty = np.isnan(rest[kept]).all(axis=0)
    rest[:, empty] = telemetry.values[:, empty]
    left = telemetry.rows(kept)
    return Telemetry(rest[kept], left.variables, left.times, left.environments, left.windows, left.clock)


def burden_of(telemetry: Telemetry, how: str, proxy: str | None = None) -> np.ndarray | None:
    """Return float[T, N], what each column is to be regressed on (NaN: nothing), or None without a load to take out."""
    varying = np.flatnonzero(~telemetry.constant)
    if len(varying) < FEWEST_COLUMNS:
        return None
    burden = np.full(telemetry.shape, np.nan)
    if how == "proxy":
        name = hidden_load(telemetry).proxy if proxy is None else proxy
        if name not in telemetry.names:
            raise InputError(f"proxy must be a column, got {name!r}; {did_you_mean(str(name), telemetry.names)}")
        place = telemetry.names.index(name)
        others = varying[varying != place]
        burden[:, others] = telemetry.values[:, [place]]
        return burden
    data = telemetry.select(varying)
    R, _ = repair(pairwise_correlation(data.values, data.environments)[0])
    burden[:, varying] = _centred(data) @ leading_without(R)
    return burden


def leading_without(R: np.ndarray) -> np.ndarray:
    """Return float[N, N]: column k holds the first principal direction of all columns but k, with 0 at k itself.

    Beyond 150 columns all are found at once, by power iteration from that of all columns: some products in the place of as many
    decompositions.

    >>> R = np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 1.0]])
    >>> np.abs(leading_without(R)).round(3).tolist()
    [[0.0, 0.707, 0.707], [0.707, 0.0, 0.707], [0.707, 0.707, 0.0]]
    """
    if len(R) <= _FEW:
        weights, places = np.zeros(R.shape), np.arange(len(R))
        for k in places:
            others = np.delete(places, k)
            weights[others, k] = np.linalg.eigh(R[np.ix_(others, others)])[1][:, -1]
        return weights
    first = np.linalg.eigh(R)[1][:, -1]
    weights = np.repeat(first[:, None], len(R), axis=1)
    for _ in range(_ROUNDS):
        np.fill_diagonal(weights, 0.0)
        weights /= np.maximum(np.linalg.norm(weights, axis=0), 1e-300)
        after = R @ weights
        np.fill_diagonal(after, 0.0)
        after /= np.maximum(np.linalg.norm(after, axis=0), 1e-300)
        moved, weights = float(np.abs(after - weights).max()), after
        if moved < 1e-10:
            break
    return weights


def _centred(data: Telemetry) -> np.ndarray:
    """Columns centred within environments and of unit variance; 0 where missing."""
    values = np.array(data.values)
    for label in np.unique(data.environments):
        rows = data.environments == label
        with np.errstate(invalid="ignore"):
            values[rows] -= np.nansum(values[rows], axis=0) / np.maximum((~np.isnan(values[rows])).sum(axis=0), 1)
    values = np.nan_to_num(values)
    return values / np.maximum(values.std(axis=0), 1e-300)


def _regressed(telemetry: Telemetry, burden: np.ndarray) -> np.ndarray:
    from causaldisc.habits._innovations import residual

    rest = np.array(telemetry.values)
    before = np.concatenate([np.full((1, burden.shape[1]), np.nan), burden[:-1]])
    before[np.concatenate([[True], np.diff(telemetry.environments) != 0])] = np.nan
    for k in np.flatnonzero(~np.isnan(burden).all(axis=0)):
        rest[:, k] = residual(telemetry.values[:, k], [burden[:, k], before[:, k]], telemetry.environments)
    return rest
