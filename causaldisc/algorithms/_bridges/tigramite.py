"""The bridge to tigramite: its calls, its strings for links, and its ways of failing, in one place.

tigramite writes a graph as strings ``graph[i, j, tau]``: ``-->`` is i(t - tau) → j(t), with ``<--`` in the other cell at lag 0,
``o-o`` undirected and ``x-x`` in conflict. What it may assume comes as a mapping j → (i, -tau) → link, with ``?`` in the middle
of a link that is in question; a link that is left out of it is taken to be absent. Nothing outside this module speaks that
language.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from causaldisc.algorithms._bridges.quiet import quiet
from causaldisc.core.errors import InputError
from causaldisc.core.graph import CONFLICT, DIRECTED, UNDIRECTED

logger = logging.getLogger(__name__)

_MARKS = {"-->": DIRECTED, "o-o": UNDIRECTED, "x-x": CONFLICT}
# Below this a p-value keeps no order of its own: partial correlations go on with it.
_SMALLEST = 1e-300


class Answer(NamedTuple):
    """What tigramite found, arrays [N, N, L + 1]: cell codes, partial correlations, natural logarithms of p-values."""

    codes: np.ndarray
    value: np.ndarray
    log_p: np.ndarray


def run_pcmci(values: np.ndarray, environments: np.ndarray, may: np.ndarray, must: np.ndarray, **settings: Any) -> Answer:
    """Run tigramite's PCMCI with the analytic test of partial correlation.

    Parameters
    ----------
    values : float[T, N], NaN where missing: a test leaves out the samples in which one of its variables is.
    environments : int[T]; several are its multiple data sets, pooled.
    may, must : bool[N, N, L + 1], links that may be, and those that are.
    **settings : arguments of ``run_pcmci``.

    Raises
    ------
    InputError : missing values leave a test without samples.
    """
    return _run("run_pcmci", values, environments, may, must, settings)


def run_pcmci_plus(values: np.ndarray, environments: np.ndarray, may: np.ndarray, must: np.ndarray, **settings: Any) -> Answer:
    """Run tigramite's PCMCI+ in the same way; ``settings`` are arguments of ``run_pcmciplus``."""
    return _run("run_pcmciplus", values, environments, may, must, settings)


def codes_of(graph: np.ndarray) -> np.ndarray:
    """Translate tigramite's strings into int8[N, N, L + 1] cell codes; raises ValueError for a link of another kind.

    >>> codes_of(np.array([["", "-->"], ["<--", ""]])[:, :, None])[:, :, 0].tolist()
    [[0, 1], [0, 0]]
    """
    strings = np.asarray(graph)
    unknown = set(np.unique(strings).tolist()) - {*_MARKS, "<--", ""}
    if unknown:
        raise ValueError(f"tigramite's links must be among {', '.join(_MARKS)} and <--, got {sorted(unknown)}")
    codes = np.zeros(strings.shape, dtype=np.int8)
    for link, code in _MARKS.items():
        codes[strings == link] = code
    return codes


def graph_of(codes: np.ndarray) -> np.ndarray:
    """Translate cell codes into tigramite's strings, the inverse of :func:`codes_of`.

    >>> graph_of(np.array([[0, 1], [0, 0]])[:, :, None])[:, :, 0].tolist()
    [['', '-->'], ['<--', '']]
    """
    cells = np.asarray(codes)
    strings = np.full(cells.shape, "", dtype="<U3")
    for link, code in _MARKS.items():
        strings[cells == code] = link
    strings[:, :, 0][(cells[:, :, 0].T == DIRECTED) & (cells[:, :, 0] == 0)] = "<--"
    return strings


def assumptions(may: np.ndarray, must: np.ndarray) -> dict[int, dict[tuple[int, int], str]] | None:
    """Write a prior as tigramite's ``link_assumptions``; None when it says nothing.

    tigramite refuses one-way links at lag 0 that form a cycle, whether or not they all turn out to exist: those are handed
    over without a direction.

    >>> one_way = np.array([[0, 1], [0, 0]], dtype=bool)[:, :, None]
    >>> assumptions(one_way, np.zeros_like(one_way))
    {0: {(1, 0): '<?-'}, 1: {(0, 0): '-?>'}}
    """
    n, lags = len(may), may.shape[2] - 1
    free = np.ones(may.shape, dtype=bool)
    free[range(n), range(n), 0] = False
    if (may == free).all() and not must.any():
        return None
    directed = _one_way(may[:, :, 0], must[:, :, 0])
    links: dict[int, dict[tuple[int, int], str]] = {j: {} for j in range(n)}
    for j in range(n):
        for i in range(n):
            for lag in range(lags + 1):
                link = _link(may, must, directed, i, j, lag)
                if link:
                    links[j][i, -lag] = link
    return links


def _link(may: np.ndarray, must: np.ndarray, directed: np.ndarray, i: int, j: int, lag: int) -> str:
    if must[i, j, lag]:
        return "-->"
    if lag:
        return "-?>" if may[i, j, lag] else ""
    if must[j, i, 0]:
        return "<--"
    if directed[i, j]:
        return "-?>"
    if directed[j, i]:
        return "<?-"
    return "o?o" if may[i, j, 0] or may[j, i, 0] else ""


def _one_way(may: np.ndarray, must: np.ndarray) -> np.ndarray:
    """Return bool[N, N], the links at lag 0 of which one direction is allowed and that are on no cycle of such links."""
    from scipy.sparse.csgraph import connected_components

    directed = (may & ~may.T) | must
    _, part = connected_components(directed, directed=True, connection="strong")
    return directed & (must | (part[:, None] != part))


def _run(
    method: str, values: np.ndarray, environments: np.ndarray, may: np.ndarray, must: np.ndarray, settings: Mapping[str, Any]
) -> Answer:
    with quiet(logger, "tigramite"):
        from tigramite import data_processing
        from tigramite.independence_tests.parcorr import ParCorr
        from tigramite.pcmci import PCMCI

        scaled, flag = _flagged(values)
        blocks = {int(label): scaled[environments == label] for label in np.unique(environments)}
        data, mode = (blocks, "multiple") if len(blocks) > 1 else (scaled, "single")
        frame = data_processing.DataFrame(data, analysis_mode=mode, missing_flag=flag)
        search: Any = PCMCI(frame, ParCorr(significance="analytic"), verbosity=0)
        try:
            found = getattr(search, method)(link_assumptions=assumptions(may, must), tau_max=may.shape[2] - 1, **settings)
        except ValueError as error:
            if "valid samples" not in str(error) and "length at least" not in str(error):
                raise
            raise InputError(
                f"telemetry must leave samples to every test of tigramite, got too many missing values ({error}); "
                "valid: pcmci and pcmci_plus take such telemetry"
            ) from error
    value, p = np.nan_to_num(found["val_matrix"]), np.nan_to_num(found["p_matrix"], nan=1.0)
    log_p = np.log(np.maximum(p, _SMALLEST)) - np.where(p < _SMALLEST, np.abs(value), 0.0)
    return Answer(codes_of(found["graph"]), value, log_p)


def _flagged(values: np.ndarray) -> tuple[np.ndarray, float | None]:
    """Return standardised columns with a number in place of what is missing, and that number."""
    scaled = values / np.nanmax(np.abs(values), axis=0)
    scaled = (scaled - np.nanmean(scaled, axis=0)) / np.nanstd(scaled, axis=0)
    missing = np.isnan(scaled)
    flag = float(2.0 * np.nanmax(np.abs(scaled)) + 1.0) if missing.any() else None
    return np.where(missing, flag, scaled) if flag is not None else scaled, flag
