"""Counter-based random numbers: each draw is a function of a key and a purpose, never of what was drawn before.

A key names one request, one call of it, or one arrival; runs that differ in an intervention therefore share every draw. The
mixing function is the finaliser of SplitMix64: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014.
"""

from __future__ import annotations

import math

import numpy as np

from causaldisc.kernels.inner import inner

GOLD = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_UNIT = 1.0 / (1 << 53)


@inner(forceinline=True, _nrt=False)
def mix(z):
    """Scramble 64 bits so that each bit of the result depends on each of the argument."""
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@inner(forceinline=True, _nrt=False)
def child(key, number):
    """Key of the ``number``-th thing that belongs to the thing of a key; ``number`` is a whole number >= 0."""
    return mix(key ^ (np.uint64(number + 1) * GOLD))


@inner(forceinline=True, _nrt=False)
def uniform(key, purpose):
    """A number in [0, 1) for one purpose (a whole number) of one key."""
    return float(mix(key + np.uint64(purpose) * GOLD) >> _S11) * _UNIT


@inner(forceinline=True, _nrt=False)
def exponential(key, purpose):
    """A number > 0 with mean 1 and an exponential distribution, for one purpose of one key."""
    return -math.log(1.0 - uniform(key, purpose))
