"""PC on real telemetry: some 250 metrics that vary, 16 % of cells missing, near-duplicates, and a call graph for a prior."""

from __future__ import annotations

import numpy as np
import pytest

from causaldisc.core.constraints import Constraints
from causaldisc.core.plugins import sources
from causaldisc.runner.pipeline import discover


@pytest.fixture(scope="module")
def petshop():
    return sources.build("petshop", {"latency": "all"}).system(0).dataset()


@pytest.mark.parametrize("max_lag", [0, 1])
def test_call_rules_hold_on_petshop(petshop, max_lag):
    found = discover(petshop.telemetry, "pc", prior=petshop.prior, max_lag=max_lag, bootstrap=0)
    assert petshop.prior.calls and found.certificate.ok
    assert found.seconds < 60
    allowed = Constraints.of(petshop.prior, petshop.telemetry.variables, max_lag).allowed
    codes = found.graph.codes()
    assert ((codes != 0) <= allowed).all()
    assert (codes != 0).sum() > 100
    assert np.isfinite(found.scores[(codes != 0)]).all()


def test_petshop_without_a_prior_is_no_trouble(petshop):
    found = discover(petshop.telemetry, "pc", bootstrap=0)
    assert found.seconds < 30
    assert len(found.report["duplicates"]) >= 4 and found.report["correlation_repair"] > 0
    assert not found.report["truncated"]
