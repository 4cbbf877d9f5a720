"""The event loop of requests against queueing theory, within simultaneous bounds, and its books in every run."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from queue_theory import BATCHES, CASES, Estimate, measured
from scipy import stats

COVERAGE = 0.99
# Half of what may go wrong is for the cells, half for all of them taken together.
CELLS = sum(len(case.measures) for case in CASES)
WIDEST = float(stats.t.isf((1 - COVERAGE) / 2 / CELLS / 2, BATCHES - 1))


@cache
def estimates(k: int) -> list[Estimate]:
    """Case k is run with seed k."""
    return measured(CASES[k], seed=k)


@pytest.mark.parametrize("k", range(len(CASES)), ids=[case.name for case in CASES])
def test_averages_are_those_of_theory(k):
    for found in estimates(k):
        assert abs(found.z) < WIDEST, f"{found.name}: {found.value:.6g} ± {found.error:.2g}, exact {found.exact:.6g}"
        assert found.error <= 0.035 * found.exact, f"{found.name}: too short a run, error {found.error / found.exact:.1%}"


def test_all_cells_together_are_neither_high_nor_low_nor_too_far_off(capsys):
    cells = [found for k in range(len(CASES)) for found in estimates(k)]
    z = np.array([found.z for found in cells])
    worst = cells[int(np.argmax(np.abs(z)))]
    signs = stats.binomtest(int((z > 0).sum()), len(z)).pvalue
    # Cells of one run go together, so that their squares do not add up like independent ones: runs are counted, by their worst.
    runs = np.array([max(abs(found.z) for found in estimates(k)) for k in range(len(CASES))])
    shares = [2 * stats.t.sf(r, BATCHES - 1) * len(CASES[k].measures) for k, r in enumerate(runs)]
    beyond = sum(share < 0.05 for share in shares)
    with capsys.disabled():
        print(
            f"\n{len(z)} averages of {len(CASES)} queues: worst |z| {abs(worst.z):.2f} ({worst.name}), allowed {WIDEST:.2f}; "
            f"mean z {z.mean():+.2f}, {(z > 0).mean():.0%} above theory; "
            f"median standard error {np.median([f.error / f.exact for f in cells]):.1%}, largest "
            f"{max(f.error / f.exact for f in cells):.1%}"
        )
    assert signs > (1 - COVERAGE) / 4
    assert stats.binom.sf(beyond - 1, len(CASES), 0.05) > (1 - COVERAGE) / 4
    assert math.isfinite(z.sum())
