"""Which bucket of a histogram a number falls into, found without a search.

The first bits of a positive number, its exponent and two of its fraction, part the numbers into bins, four an octave. Where each
holds one bound at most, the bin tells the bucket but for one comparison; a search costs a seventh of the event loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from causaldisc.kernels.inner import inner

_SHIFT = 50  # bits of the fraction that a bin leaves open


@intrinsic
def _whole(typing_context, number):
    """The 64 bits of a float, as a whole number."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), code


_bits: Any = _whole  # called from kernels, without the context


def bins_of(bounds: np.ndarray) -> np.ndarray:
    """Return int64[1 + bins]: the number of the first bin, then for each bin how many bounds lie below it.

    Parameters
    ----------
    bounds : float[B], positive and rising; no bin may hold two.

    >>> bins_of(np.array([1.0, 2.0]))[1:].tolist()
    [0, 0, 1, 1, 1, 1, 2]
    """
    where = bounds.view(np.int64) >> _SHIFT
    if len(np.unique(where)) < len(bounds):
        raise ValueError("bounds must be further apart than the bins, got two in one")
    first = int(where[0]) - 1
    starts = (np.arange(first, int(where[-1]) + 2, dtype=np.int64) << _SHIFT).view(np.float64)
    return np.array([first, *np.searchsorted(bounds, starts, side="left")], np.int64)


@inner(forceinline=True, _nrt=False)
def bucket_of(number, bounds, bins, count):
    """How many bounds lie below a number >= 0; ``bounds`` ends with infinity, ``count`` is the length of ``bins``."""
    k = min(max((_bits(number) >> _SHIFT) - bins[0], 0), count - 2)
    start = bins[k + 1]
    return start + (bounds[start] < number)
