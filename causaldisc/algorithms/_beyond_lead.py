"""What delays tell of directions at lag 0: the cause comes first, where it does so by more than a row.

Both ends of an edge are freed of their known causes, rows before and after included, so that what these hand on to both at
different times makes no lead; then :mod:`causaldisc.kernels.lead` judges the two. It is silent where the delay is no more than
a row, since exporters are scraped out of step by up to as much: there an earlier change may as well be the effect.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from causaldisc.algorithms._beyond import Wish
from causaldisc.algorithms._beyond_shape import _centred, _without, stretches
from causaldisc.algorithms._open_edges import Marks
from causaldisc.core.graph import DIRECTED
from causaldisc.core.telemetry import Telemetry

_ROWS_A_CAUSE = 5


def wishes(codes: np.ndarray, marks: Marks, telemetry: Telemetry, rows: int = 1) -> Iterator[Wish]:
    """Yield the direction of every open edge with a demonstrable delay.

    Parameters
    ----------
    codes : int8[N, N, L + 1], in which past causes stand; ``marks`` has those of lag 0.
    rows : 1 for leads of more than a row, 0 for any.
    """
    from causaldisc.kernels.lead import lead

    causes = (codes[:, :, 1:] > 0).any(axis=2) | (marks.codes == DIRECTED)
    for i, j in np.argwhere(np.triu(marks.open)).tolist():
        others = [int(k) for k in np.flatnonzero(causes[:, i] | causes[:, j]) if k not in (i, j)]
        series, blocks = _freed(telemetry, i, j, others)
        if series is None:
            continue
        found = lead(series[:, 0], series[:, 1], blocks, rows)
        if found.first:
            yield Wish(*((i, j) if found.first > 0 else (j, i)), "lag", abs(found.z))


def _freed(telemetry: Telemetry, i: int, j: int, others: list[int]) -> tuple[np.ndarray | None, list[slice]]:
    """Two series without what others make of them up to ``MAX_LEAD`` rows before or after, and their unbroken stretches."""
    from causaldisc.kernels.lead import MAX_LEAD
    from causaldisc.kernels.moments import lagged, lagged_rows

    values, environments = telemetry.values, telemetry.environments
    reach = MAX_LEAD if others else 0
    rows = lagged_rows(environments, 2 * reach)
    window = lagged(values[:, [i, j, *others]], environments, 2 * reach)
    width = 2 + len(others)
    ends = [reach * width, reach * width + 1]
    around = [lag * width + 2 + k for lag in range(2 * reach + 1) for k in range(len(others))]
    block = window[:, [*ends, *around]]
    there = ~np.isnan(block).any(axis=1)
    if there.sum() < max(10 * MAX_LEAD, _ROWS_A_CAUSE * block.shape[1]):
        return None, []
    labels = environments[rows][there]
    series = _without(_centred(block[there], labels))
    return series, stretches(rows[there], labels)
