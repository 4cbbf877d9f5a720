"""What must hold of PC and GES on any telemetry and under any prior that does not contradict itself."""

from __future__ import annotations

import numpy as np
import pytest
from awkward_tasks import tasks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causaldisc.core.errors import InputError
from causaldisc.core.telemetry import Telemetry
from causaldisc.runner.pipeline import discover

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


FEW = {"bootstrap": 2}  # resamples, for the sake of time
CASES = [("pc", {"alpha": 0.05, **FEW}), ("pc", {"alpha": 0.05, "missing": "testwise", **FEW}), ("ges", FEW)]
each_search = pytest.mark.parametrize(("algorithm", "settings"), CASES, ids=["pc", "pc-testwise", "ges"])


def run(telemetry, algorithm, settings, prior, max_lag):
    try:
        return discover(telemetry, algorithm, prior=prior, max_lag=max_lag, **settings)
    except InputError:
        return None


@each_search
@SETTINGS
@given(task=tasks())
def test_sound_answer_that_obeys_the_prior(algorithm, settings, task):
    telemetry, prior, max_lag = task
    found = run(telemetry, algorithm, settings, prior, max_lag)
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


@each_search
@SETTINGS
@given(task=tasks(duplicates=False), random=st.randoms(use_true_random=False))
def test_the_order_of_columns_changes_nothing_at_all(algorithm, settings, task, random):
    telemetry, prior, max_lag = task
    order = list(range(len(telemetry.names)))
    random.shuffle(order)
    one, other = (run(data, algorithm, settings, prior, max_lag) for data in (telemetry, telemetry.select(order)))
    if one is None or other is None:
        assert one is other
        return
    assert np.array_equal(other.scores, one.scores[np.ix_(order, order)], equal_nan=True)
    assert (other.graph.codes() == one.graph.codes()[np.ix_(order, order)]).all()


@each_search
@pytest.mark.parametrize("max_lag", [0, 2])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_present_edges_outrank_absent_ones(algorithm, settings, max_lag, missing):
    rng = np.random.default_rng(5)
    values = rng.normal(size=(400, 8)) @ (np.eye(8) + np.triu(rng.random((8, 8)) < 0.3, 1))
    values[rng.random(values.shape) < missing] = np.nan
    found = discover(Telemetry(values, [f"x{k}" for k in range(8)]), algorithm, max_lag=max_lag, **settings)
    codes = found.graph.codes()
    rated = np.isfinite(found.scores)
    assert found.scores[rated & (codes != 0)].min() > found.scores[rated & (codes == 0)].max()
    assert (codes == 1).any()
