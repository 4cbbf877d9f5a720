"""How often the two ways that ask data speak, and how often rightly, on pairs made for it.

    python experiments/orientation/levels.py --runs 400

prints Markdown: pairs x → y of linear effects whose noises are autoregressions of their own, by what is special about them. "any
lead" is the test of delays without its last condition, that the lead be longer than a row.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.signal import lfilter

from causaldisc.kernels.lead import lead
from causaldisc.kernels.nongaussian import compare
from causaldisc.kernels.whitening import whitened
from causaldisc.sources._streams import draw_noise

SHAPE_Z, RATIO_Z = 3.023, 2.576


def echo(noise: str, rng: np.random.Generator, n: int, weight: float) -> np.ndarray:
    """An autoregression of variance 1."""
    series = lfilter([1.0], [1.0, -weight], draw_noise(noise, rng, (n + 200,)))[200:]
    return series / series.std()


def shapes(noise: str, n: int, weight: float, runs: int) -> tuple[int, int]:
    """How many pairs were told apart, and how many rightly."""
    rng, told, right = np.random.default_rng(0), 0, 0
    for _ in range(runs):
        x = echo(noise, rng, n, weight)
        y = rng.uniform(0.4, 1.5) * x + echo(noise, rng, n, weight)
        verdict = compare(*whitened(x, y, [slice(0, n)])[0])
        sure = verdict.shape > SHAPE_Z and abs(verdict.z) > RATIO_Z
        told, right = told + sure, right + (sure and verdict.z > 0)
    return told, right


def pair(case: str, noise: str, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two series of one kind, the cause first."""
    a, b = rng.uniform(0.0, 0.95, 2)
    if case == "scraped 0.7 rows apart":  # x is seen later, so that it knows first: whichever is the cause
        fine = np.convolve(lfilter([1.0], [1.0, -0.95], draw_noise(noise, rng, (10 * n + 100,))), np.ones(10) / 10, "same")
        x, y = fine[7::10][:n], fine[0::10][:n]
        return x / x.std() + 0.5 * echo("gaussian", rng, n, b), y / y.std() + 0.5 * echo("gaussian", rng, n, b)
    delay = {"one row late": 1, "two rows late": 2, "three rows late": 3}.get(case, 0)
    x, e = echo(noise, rng, n + delay, a), echo(noise, rng, n, b)
    y = x[: len(x) - delay] + e * rng.uniform(0.5, 1.5)
    if case == "an effect that fades slowly":
        y = lfilter([1.0], [1.0, -0.6 * b], y)
    seen = x[delay:]
    return (seen + rng.uniform(0.3, 1.0) * rng.normal(size=n), y) if case == "cause measured with error" else (seen, y)


CASES = (
    "no delay",
    "cause measured with error",
    "scraped 0.7 rows apart",
    "an effect that fades slowly",
    "one row late",
    "two rows late",
    "three rows late",
)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    runs = parser.parse_args().runs
    print("| noise | rows | echo | told | right, of these |\n|---|---|---|---|---|")
    for noise in ("gaussian", "uniform", "exponential", "laplace", "student", "heavy"):
        for n, weight in ((100, 0.0), (300, 0.0), (1000, 0.0), (1000, 0.9)):
            told, right = shapes(noise, n, weight, runs)
            print(f"| {noise} | {n} | {weight} | {told}/{runs} | {right}/{told} |")
    print("\n| pairs | rows | noise | lag: x, y leads | any lead: x, y leads |\n|---|---|---|---|---|")
    for case in CASES:
        for n, noise in ((240, "gaussian"), (1000, "gaussian"), (1000, "heavy")):
            cells = []
            for beyond in (1, 0):
                rng = np.random.default_rng(0)
                found = [lead(*pair(case, noise, rng, n), [slice(0, n)], beyond).first for _ in range(runs)]
                cells.append(f"{found.count(1)}, {found.count(-1)} of {runs}")
            print(f"| {case} | {n} | {noise} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
