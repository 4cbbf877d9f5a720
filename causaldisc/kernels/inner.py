"""Inner parts of kernels: compiled into those that use them, and not to be called from Python.

Making a small function callable from Python or C takes as long as compiling it, so an inner part does without; nor is it kept on
disk by itself, since the kernels that hold it are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from numba import njit


def inner(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function for use in kernels alone, with numpy's rules for division.

    ``options`` are those of ``numba.njit``.
    """
    if function is None:
        return partial(inner, **options)
    compiler: Any = njit
    return compiler(function, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)
