"""Users: how many requests a second they make, by the time of day and in bursts; and what unseen neighbours take of hosts."""

from __future__ import annotations

import numpy as np


def user_rates(
    rate: float,
    times: np.ndarray,
    *,
    day_s: float,
    phase: float,
    daily: float,
    bursts: float,
    burst_s: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the users' requests per second at each of some equally spaced times, float[K].

    ``daily`` is the swing of the daily cycle as a share of the mean; ``bursts`` the relative standard deviation of what comes on
    top, a log-normal process of mean 1 that forgets within ``burst_s`` seconds.

    >>> calm = {"day_s": 3600, "phase": 0, "daily": 0, "bursts": 0, "burst_s": 60}
    >>> user_rates(20.0, np.arange(3.0), **calm, rng=np.random.default_rng(0)).tolist()
    [20.0, 20.0, 20.0]
    """
    cycle = 1.0 + daily * np.sin(2.0 * np.pi * (times / day_s + phase))
    spread = np.sqrt(np.log1p(bursts**2))
    return rate * cycle * np.exp(spread * wandering(len(times), _step(times), burst_s, rng) - spread**2 / 2.0)


def neighbour_load(share: float, times: np.ndarray, memory_s: float, hosts: int, rng: np.random.Generator) -> np.ndarray:
    """Return what neighbours take of each host's cores, float[H, K]: ``share`` on average, between nothing and all, in waves."""
    waves = [wandering(len(times), _step(times), memory_s, rng) for _ in range(hosts)]
    return np.array([np.clip(share * (1.0 + 0.7 * wave), 0.0, 1.0) for wave in waves]).reshape(hosts, len(times))


def wandering(count: int, step_s: float, memory_s: float, rng: np.random.Generator) -> np.ndarray:
    """A stationary Gaussian process of mean 0 and variance 1 whose correlation falls to 1/e within ``memory_s``, float[K]."""
    from scipy.signal import lfilter

    keep = float(np.exp(-step_s / memory_s))
    noise = rng.standard_normal(count)
    noise[0] /= np.sqrt(1.0 - keep**2)
    return np.sqrt(1.0 - keep**2) * np.asarray(lfilter([1.0], [1.0, -keep], noise))


def _step(times: np.ndarray) -> float:
    return float(times[1] - times[0]) if len(times) > 1 else 1.0
