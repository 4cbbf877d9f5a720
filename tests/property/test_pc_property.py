"""What must hold of PC on any telemetry and under any prior that does not contradict itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causaldisc.core.errors import PriorError
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.runner.pipeline import discover

SETTINGS = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
ROLES = ("requests", "cpu", "latency", "errors", "value")


def telemetry_of(rng, duplicates=True):
    """Walks, mixtures and copies; short or long, with holes, in one or two environments."""
    columns, rows = int(rng.integers(1, 9)), int(rng.choice([5, 8, 15, 40, 200, 500]))
    values = rng.normal(size=(rows, columns))
    if rng.random() < 0.4:
        values = values.cumsum(axis=0)
    if rng.random() < 0.7:
        values = values @ (rng.normal(size=(columns, columns)) * (rng.random((columns, columns)) < 0.4) + np.eye(columns))
    if duplicates and columns > 2 and rng.random() < 0.5:
        values[:, 0], values[:, 1] = values[:, 2] * -2.0, values[:, 2] + rng.choice([0.0, 1e-9])
    if columns > 3 and rng.random() < 0.3:
        values[:, 3] = values[:, :3].sum(axis=1)
    values = values * 10.0 ** rng.integers(-9, 12, columns)
    values[rng.random(values.shape) < rng.choice([0.0, 0.2])] = np.nan
    values[0, np.isnan(values).all(axis=0)] = 1.0
    names = [f"{'abc'[int(rng.integers(3))]}{k}:{ROLES[int(rng.integers(5))]}" for k in range(columns)]
    environments = np.repeat([0, 1], [rows // 2, rows - rows // 2]) if rng.random() < 0.4 else None
    return Telemetry(values, names, environments=environments)


def prior_of(rng, names):
    """Any clauses over the names; some contradict themselves."""

    def clauses(most):
        ends = rng.choice(names, size=(int(rng.integers(most + 1)), 2))
        lags = [None, 0, [0, 1], [1, 2]]
        return [{"source": str(a), "target": str(b), "lag": lags[int(rng.integers(4))]} for a, b in ends if a != b]

    def few(what, chance):
        return [str(x) for x in rng.choice(what, size=1)] if rng.random() < chance else []

    services, cut = [name.split(":")[0] for name in names], int(rng.integers(len(names) + 1))
    return ExpertPrior(
        required=clauses(2),
        forbidden=clauses(8),
        tiers=[names[:cut], names[cut:]] if rng.random() < 0.3 else [],
        roots=few(names, 0.2),
        leaves=few(names, 0.2),
        calls=[tuple(map(str, rng.choice(services, size=2))) for _ in range(6)] if rng.random() < 0.3 else [],
        max_lag=1 if rng.random() < 0.2 else None,
    )


def tasks(duplicates=True):
    """A telemetry, a prior (none in a third of all cases) and a largest lag."""

    def task(seed):
        rng = np.random.default_rng(seed)
        telemetry = telemetry_of(rng, duplicates)
        prior = prior_of(rng, list(telemetry.names)) if rng.random() < 0.67 else ExpertPrior()
        return telemetry, prior, int(rng.integers(3))

    return st.integers(0, 2**32).map(task)


def run(telemetry, prior, max_lag):
    try:
        return discover(telemetry, "pc", prior=prior, max_lag=max_lag, alpha=0.05)
    except PriorError:
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
