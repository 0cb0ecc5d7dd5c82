"""How kernels are compiled: once, kept on disk, and without reference counts where nothing is allocated.

A `kernel` is called from Python; a `part` only from kernels, into which it is inlined. Neither creates arrays, so that
the runtime's reference counts would only cost time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])
_KERNEL: dict[str, Any] = {"cache": True, "_nrt": False}
_PART: dict[str, Any] = {**_KERNEL, "forceinline": True, "no_cpython_wrapper": True}


def kernel(function: _Function) -> _Function:
    """Compile a function that Python calls and that creates no array."""
    compiled: _Function = njit(**_KERNEL)(function)
    return compiled


def part(function: _Function) -> _Function:
    """Compile a function into the kernels that call it; it creates no array and cannot be called from Python."""
    compiled: _Function = njit(**_PART)(function)
    return compiled
