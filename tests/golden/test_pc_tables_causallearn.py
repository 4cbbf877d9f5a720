"""χ² and G² tests, and PC with them, against causal-learn: its p-values, and its recorded output on published networks.

The files in ``pc_chi2`` are the output of causal-learn's PC (chisq, alpha 0.05, stable) on the 10,000 rows of each network,
recorded in its tests (py-why/causal-learn, commit e30895b, tests/TestData, MIT).
"""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.core.telemetry import Telemetry
from causaldisc.kernels.contingency import Contingency
from causaldisc.kernels.separation import Neighbours
from causaldisc.runner.pipeline import discover
from causaldisc.sources._shipped import read_table

RECORDED = Path(__file__).parent / "pc_chi2"


def one_test(tests, x, y, given):
    """The log of the p-value of x and y given exactly these columns, and Cramér's V."""
    pairs = np.array([[x, y]])
    around = Neighbours.of(np.array([[x, z] for z in given], dtype=int).reshape(-1, 2), len(tests.cause))
    results = np.zeros(1, np.int64), np.zeros((0, len(tests.cause)), np.int32), np.array([[np.inf, 0.0]])
    made, _ = tests.judge(around, pairs, (len(given), len(given)), True, results)
    assert made == 1
    return float(tests.log_p(results[2][:, 0])[0]), float(results[2][0, 1])


@pytest.mark.parametrize("likelihood", [False, True])
@pytest.mark.parametrize(("seed", "rows", "most"), [(0, 400, 3), (1, 60, 4), (2, 25, 3), (3, 3000, 6), (4, 12, 5)])
def test_p_values_are_those_of_causallearn(seed, rows, most, likelihood):
    cit = pytest.importorskip("causallearn.utils.cit")
    rng = np.random.default_rng(seed)
    # Few rows over many strata, most of them with levels that do not occur in them, and some with one row.
    values = rng.integers(0, rng.integers(2, most + 1, size=7), size=(rows, 7)) * rng.integers(0, 2, size=(rows, 7))
    values[:, 0] = np.where(rng.random(rows) < 0.6, values[:, 1], values[:, 0])
    theirs = cit.CIT(values, "gsq" if likelihood else "chisq")
    ours = Contingency.build(values.astype(float), np.zeros(rows, int), 0.05, likelihood)
    compared = 0
    for size in range(6):
        for given in combinations(range(2, 7), size):
            p = float(theirs(0, 1, given))
            log_p, strength = one_test(ours, 0, 1, given)
            assert 0.0 <= strength <= 1.0
            if p > 1e-280:
                assert math.isclose(log_p, math.log(p), rel_tol=1e-9, abs_tol=1e-12)
                compared += 1
    assert compared > 25


@pytest.mark.parametrize("name", ["asia", "sachs", "child", "insurance", "alarm"])
def test_skeletons_are_those_recorded(name):
    table, marks = read_table(name, "data.parquet"), np.loadtxt(RECORDED / f"{name}.txt")
    recorded = (marks != 0) | (marks.T != 0)
    found = discover(Telemetry(table.to_numpy(float), list(table.columns)), "pc", alpha=0.05)
    assert found.report["test"] == "chi2"
    codes = found.graph.codes()[:, :, 0]
    assert np.array_equal((codes != 0) | (codes.T != 0), recorded)


def test_the_g_test_finds_nearly_the_same():
    data = cd.simulate("sachs", n_samples=10_000)
    graphs = [discover(data.telemetry, "pc", alpha=0.05, test=test).graph.codes()[:, :, 0] != 0 for test in ("chi2", "g2")]
    skeletons = [graph | graph.T for graph in graphs]
    assert (skeletons[0] != skeletons[1]).sum() // 2 <= 1
