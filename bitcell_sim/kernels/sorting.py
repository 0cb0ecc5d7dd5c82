"""A stable order of whole numbers: one merge sort, small to compile, quick on what is sorted in long runs already."""

from __future__ import annotations

import numpy as np

from bitcell_sim.kernels.arrays import Ints
from bitcell_sim.kernels.compiling import njit, part

_RUN = 16  # sorted by insertion before runs are merged


@part
def _merge(keys: Ints, source: Ints, target: Ints, start: int, middle: int, end: int) -> None:
    """Merge two neighbouring sorted runs of `source` into `target`; of equals the left one goes first."""
    left, right = start, middle
    if middle == end or keys[source[middle - 1]] <= keys[source[middle]]:
        for place in range(start, end):
            target[place] = source[place]
        return
    for place in range(start, end):
        if left < middle and (right == end or keys[source[left]] <= keys[source[right]]):
            target[place] = source[left]
            left += 1
        else:
            target[place] = source[right]
            right += 1


@part
def _insert(keys: Ints, order: Ints, start: int, end: int) -> None:
    """Sort a short run in place, each position into those before it."""
    for place in range(start + 1, end):
        moved = order[place]
        key = keys[moved]
        gap = place
        while gap > start and keys[order[gap - 1]] > key:
            order[gap] = order[gap - 1]
            gap -= 1
        order[gap] = moved


@njit
def stable_order(keys: Ints) -> Ints:
    """Positions of `keys` in ascending order; equal keys keep theirs.

    Parameters
    ----------
    keys : ndarray of int64, shape (n,)
        What to sort by.

    Returns
    -------
    ndarray of int64, shape (n,)
        As ``numpy.argsort(keys, kind="stable")``.
    """
    n = keys.shape[0]
    order = np.arange(n)
    spare = np.empty_like(order)
    for start in range(0, n, _RUN):
        _insert(keys, order, start, min(start + _RUN, n))
    width = _RUN
    while width < n:
        for start in range(0, n, 2 * width):
            _merge(keys, order, spare, start, min(start + width, n), min(start + 2 * width, n))
        order, spare = spare, order
        width *= 2
    return order
