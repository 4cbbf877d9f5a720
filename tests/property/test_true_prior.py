"""What a prior is for: clauses drawn from the truth make graphs no worse on average, whatever the algorithm."""

from __future__ import annotations

import numpy as np
import pytest

import causaldisc as cd
from causaldisc.core.prior import ExpertPrior

SYSTEMS = {
    "sem": {"n_variables": 10, "n_samples": 200, "degree": 3, "trials": 0},
    "var": {"n_variables": 6, "n_samples": 200, "trials": 0},
}


def drawn_from(truth, rng, share):
    """Required edges with their lags, and forbidden pairs, each with a chance of ``share``."""
    names = [v.name for v in truth.variables]
    required = [{"source": e.source, "target": e.target, "lag": e.lag} for e in truth.edges if rng.random() < share]
    linked = {(e.source, e.target) for e in truth.edges}
    absent = [(a, b) for a in names for b in names if a != b and (a, b) not in linked]
    return ExpertPrior(required=required, forbidden=[pair for pair in absent if rng.random() < share])


@pytest.mark.parametrize(("algorithm", "source"), [("pc", "sem"), ("ges", "sem"), ("pcmci", "var"), ("pcmci_plus", "var")])
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_true_prior_does_not_lower_the_mean_of_directed_f1(algorithm, source, share):
    gains = []
    for seed in range(25):
        data = cd.simulate(source, seed=seed, **SYSTEMS[source])
        prior = drawn_from(data.truth, np.random.default_rng(seed), share)
        scored = [
            cd.score(cd.discover(data.telemetry, algorithm, prior=p, bootstrap=0), data.truth)["directed_f1"]
            for p in (None, prior)
        ]
        gains.append(scored[1] - scored[0])
    assert np.mean(gains) > 0
