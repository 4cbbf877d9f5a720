"""Awkward telemetry under arbitrary priors, for the properties that every search must have."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry

ROLES = ("requests", "cpu", "latency", "errors", "value")


def telemetry_of(rng, duplicates):
    """Walks, mixtures, sums and copies; short or long, with holes, in one or two environments."""
    columns, rows = int(rng.integers(1, 9)), int(rng.choice([4, 8, 15, 40, 200, 500]))
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
    """Clauses without regard to the data; some contradict themselves."""

    def clauses(most):
        ends = rng.choice(names, size=(int(rng.integers(most + 1)), 2))
        lags = [None, 0, [0, 1], [1, 2]]
        return [{"source": str(a), "target": str(b), "lag": lags[int(rng.integers(4))]} for a, b in ends if a != b]

    def few(chance):
        return [str(x) for x in rng.choice(names, size=1)] if rng.random() < chance else []

    services, cut = [name.split(":")[0] for name in names], int(rng.integers(len(names) + 1))
    return ExpertPrior(
        required=clauses(3),
        forbidden=clauses(8),
        tiers=[names[:cut], names[cut:]] if rng.random() < 0.3 else [],
        roots=few(0.2),
        leaves=few(0.2),
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
