"""Draws of the twin: the random numbers of ``causaldisc.kernels.bits`` with Python's whole numbers."""

from __future__ import annotations

import math

_GOLD = 0x9E3779B97F4A7C15
_64_BITS = (1 << 64) - 1


class Draw:
    """What a number is drawn for."""

    GAP, ENTRY, TRACE, MAKE, HIT, REPLICA, WORK, NETWORK, ERROR, LOCK, WRITE, BACKOFF, WAIT, CHANCE, LOSS = range(15)
    OUTAGE, PAUSE = 16, 17


def mix(z: int) -> int:
    """Scramble 64 bits.

    >>> hex(mix(1))
    '0x5692161d100b05e5'
    """
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return z ^ (z >> 31)


def child(key: int, number: int) -> int:
    """Key of the ``number``-th thing that belongs to the thing of a key."""
    return mix(key ^ ((number + 1) * _GOLD & _64_BITS))


def uniform(key: int, purpose: int) -> float:
    """A number in [0, 1) for one purpose of one key."""
    return (mix((key + purpose * _GOLD) & _64_BITS) >> 11) * 2.0**-53


def exponential(key: int, purpose: int) -> float:
    """A number > 0 with mean 1 and an exponential distribution."""
    return -math.log(1.0 - uniform(key, purpose))
