"""Compilation of kernels, cached on disk for as long as no kernel changes.

numba checks the file of a function before it uses the machine code it kept, but not the files of what that function calls,
whose code is part of it: after a change in one file, kernels in another would run the old code on new arrays. Here the whole
folder counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function without Python objects, with numpy's rules for division, and keep the machine code on disk.

    ``options`` are those of ``numba.njit``.

    >>> @kernel
    ... def double(x):
    ...     return 2 * x
    >>> double(21)
    42
    """
    if function is None:
        return partial(kernel, **options)
    compiler: Any = njit
    # Nothing here is called from C, and making it callable from there takes as long as compiling a small function.
    dispatcher = compiler(error_model="numpy", no_cfunc_wrapper=True, **options)(function)
    ours = Path(function.__code__.co_filename).parent == Path(__file__).parent
    if ours and dispatcher is not function:  # NUMBA_DISABLE_JIT gives the function back
        dispatcher.enable_caching()
        kept = dispatcher._cache._cache_file
        # Compared before the index is read, which would fail on a type that no longer exists.
        kept._version = (kept._version, _folder_stamp())
        kept.save = partial(_save, kept)
    return dispatcher


def _save(kept: Any, key: tuple[Any, ...], data: Any) -> None:
    """Keep machine code in a file named after its signature.

    numba numbers the files, so that two processes that each compile another signature for the first time write to the same
    one, and later ones run the code of the wrong signature.
    """
    index = kept._load_index()
    stem = kept._index_name.removesuffix(".nbi")
    index[key] = f"{stem}.{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.nbc"
    kept._save_index(index)
    kept._save_data(index[key], data)


@cache
def _folder_stamp() -> str:
    """Hash of the source of all kernels."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
