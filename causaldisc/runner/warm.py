"""Compile the kernels into the cache on disk, so that no user waits for a compiler: ``python -m causaldisc.runner.warm``."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from causaldisc.core.intervention import Intervention
from causaldisc.core.prior import ExpertPrior
from causaldisc.core.telemetry import Telemetry
from causaldisc.runner.pipeline import discover
from causaldisc.sources._simulate import simulate

# The algorithms that stand on kernels of our own, each with the settings that take different paths through them.
SETTINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("pc", {"max_lag": 0}),
    ("pc", {"max_lag": 1}),
    ("ges", {"max_lag": 0}),
    ("ges", {"max_lag": 1}),
    ("pcmci", {"max_lag": 1}),
    ("pcmci_plus", {"max_lag": 1}),
    ("fci", {}),
    ("gies", {}),
)
ALL = tuple(dict.fromkeys(name for name, _ in SETTINGS))


def warm(names: Iterable[str] = ALL) -> float:
    """Run each of some algorithms once on a small chain of variables and return the seconds that took."""
    started = time.perf_counter()
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 5))
    for child in range(1, 5):
        values[:, child] += values[:, child - 1]
    fault = Intervention("x2", "unknown", start=100, stop=150)
    telemetry = Telemetry(values, [f"x{k}" for k in range(5)], windows=[fault])
    # A direction that is ruled out takes the orientation rules through every path.
    prior = ExpertPrior(roots=["x0"])
    chosen = set(names)
    for name, parameters in SETTINGS:
        if name not in chosen:
            continue
        discover(telemetry, name, prior=prior, **parameters)
    return time.perf_counter() - started


def warm_simulator() -> float:
    """Run a small request-level system once and return the seconds that took."""
    started = time.perf_counter()
    simulate("mesh", n_services=2, duration_s=300, trials=0)
    return time.perf_counter() - started


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger(__name__).info("kernels ready in %.1f s", warm() + warm_simulator())
