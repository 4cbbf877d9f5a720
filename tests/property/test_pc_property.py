"""What must hold of PC on any telemetry and under any prior that does not contradict itself."""

from __future__ import annotations

import numpy as np
import pytest
from awkward_tasks import tasks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causaldisc.core.errors import InputError
from causaldisc.core.telemetry import Telemetry
from causaldisc.runner.pipeline import discover

SETTINGS = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def run(telemetry, prior, max_lag):
    try:
        return discover(telemetry, "pc", prior=prior, max_lag=max_lag, alpha=0.05)
    except InputError:
        return None


@SETTINGS
@given(tasks())
def test_sound_answer_that_obeys_the_prior(task):
    telemetry, prior, max_lag = task
    found = run(telemetry, prior, max_lag)
    if found is None:
        return
    found.certificate.raise_if_violated()
    assert found.graph.kind == ("lagged" if max_lag else "mpdag" if prior.clause_kinds else "cpdag")
    varying = ~telemetry.constant
    scores = found.scores[np.ix_(varying, varying)]
    own = np.eye(varying.sum(), dtype=bool)
    assert np.isnan(scores[:, :, 0][own]).all()
    assert not np.isinf(scores).any()
    if not prior.clause_kinds:
        assert np.isfinite(scores[:, :, 0][~own]).all() and np.isfinite(scores[:, :, 1:]).all()
    for edge in found.graph.edges:
        for cause, effect in edge.directions:
            i, j = found.graph.index[cause], found.graph.index[effect]
            assert varying[[i, j]].all() <= np.isfinite(found.scores[i, j, edge.lag])


@SETTINGS
@given(tasks(duplicates=False), st.randoms(use_true_random=False))
def test_the_order_of_columns_changes_nothing_at_all(task, random):
    telemetry, prior, max_lag = task
    order = list(range(len(telemetry.names)))
    random.shuffle(order)
    one, other = run(telemetry, prior, max_lag), run(telemetry.select(order), prior, max_lag)
    if one is None or other is None:
        assert one is other
        return
    assert np.array_equal(other.scores, one.scores[np.ix_(order, order)], equal_nan=True)
    assert (other.graph.codes() == one.graph.codes()[np.ix_(order, order)]).all()


@pytest.mark.parametrize("max_lag", [0, 2])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_present_edges_outrank_absent_ones(max_lag, missing):
    rng = np.random.default_rng(5)
    values = rng.normal(size=(400, 8)) @ (np.eye(8) + np.triu(rng.random((8, 8)) < 0.3, 1))
    values[rng.random(values.shape) < missing] = np.nan
    found = discover(Telemetry(values, [f"x{k}" for k in range(8)]), "pc", max_lag=max_lag)
    codes = found.graph.codes()
    rated = np.isfinite(found.scores)
    assert found.scores[rated & (codes != 0)].min() > found.scores[rated & (codes == 0)].max()
    assert (codes == 1).any() and (codes == 2).any()
