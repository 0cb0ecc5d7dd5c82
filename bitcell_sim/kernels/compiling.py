"""How kernels are compiled: once, kept on disk, and without reference counts where nothing is allocated.

A `kernel` is called from Python; a `part` only from kernels, into which it is inlined. Neither creates arrays, so that
the runtime's reference counts would only cost time. What creates arrays is compiled by `njit`.

Notes
-----
numba keeps compiled code by the file that a function stands in and does not see that a kernel it calls, in another
file, has changed: it would go on with the old one, silently. So the compiled code is kept in a folder named after the
content of all kernel files and numba's version, which a change of any of them leaves behind.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numba.core.config

_Function = TypeVar("_Function", bound=Callable[..., Any])
_KERNEL: dict[str, Any] = {"_nrt": False}
_PART: dict[str, Any] = {**_KERNEL, "forceinline": True, "no_cpython_wrapper": True}
_FOLDER = "bitcell-sim"
_KEPT_S = 30 * 86_400.0


@lru_cache(maxsize=1)
def cache_folder() -> Path:
    """Folder of the compiled code of just these kernels: below ``NUMBA_CACHE_DIR`` if set, else in the user's cache."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _FOLDER
    shared = os.environ.get("NUMBA_CACHE_DIR")
    for home in (Path(shared) / _FOLDER if shared else own, Path(tempfile.gettempdir()) / f"{_FOLDER}-{os.getuid()}"):
        folder = home / f"kernels-{digest.hexdigest()[:16]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _drop_old(home)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}-"))


def _drop_old(home: Path) -> None:
    """Remove the code of other versions that nothing has added to for a month."""
    for folder in home.glob("kernels-*"):
        if time.time() - folder.stat().st_mtime > _KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)


def _compile(function: _Function, options: dict[str, Any]) -> _Function:
    config: Any = numba.core.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder())
    try:
        compiled: _Function = numba.njit(cache=True, **options)(function)
    finally:
        config.CACHE_DIR = before
    return compiled


def njit(function: _Function) -> _Function:
    """Compile a function that Python and kernels may call and that may create arrays."""
    return _compile(function, {})


def kernel(function: _Function) -> _Function:
    """Compile a function that Python calls and that creates no array."""
    return _compile(function, _KERNEL)


def part(function: _Function) -> _Function:
    """Compile a function into the kernels that call it; it creates no array and cannot be called from Python."""
    return _compile(function, _PART)


def entry(function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """Compiled form of a kernel for arguments like these: called with no others, it saves looking at their types.

    That look costs several microseconds a call where tuples of arrays are passed, more than most kernels take.

    Parameters
    ----------
    function : callable
        A kernel.
    *arguments
        What it may be called with: later ones must have the very same types and memory layouts.
    """
    typeof: Any = numba.typeof
    compiled: Callable[..., Any] = cast(Any, function).compile(tuple(typeof(value) for value in arguments))
    return compiled
