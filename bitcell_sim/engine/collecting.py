"""Python's garbage collector during a run: it looks only at what the run itself has made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def young_garbage_only() -> Iterator[None]:
    """Set aside everything that exists already, as libraries and earlier results do, until the block or function ends.

    A run makes many small records that stay, and each full collection would walk through the libraries' objects again.
    Where something is set aside already, by a block around this one, that block ends it.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
