"""A 4-ary heap of (time, code) pairs in two arrays: the pending events of a kernel.

Equal times leave in the order of their codes, so the order in which events were pushed never shows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bitcell_sim.kernels.arrays import Ints


class EventHeap(NamedTuple):
    """Pending events.

    Parameters
    ----------
    times_ns : ndarray of int64, shape (capacity,)
        When each is due.
    codes : ndarray of int64, shape (capacity,)
        What it is.
    size : ndarray of int64, shape (1,)
        How many there are.
    """

    times_ns: Ints
    codes: Ints
    size: Ints


def new_heap(capacity: int) -> EventHeap:
    """Empty heap with room for `capacity` events."""
    return EventHeap(np.zeros(capacity, np.int64), np.zeros(capacity, np.int64), np.zeros(1, np.int64))


@njit(cache=True)
def push(heap: EventHeap, time_ns: int, code: int) -> None:
    """Add an event; the caller sees to it that there is room."""
    times = heap.times_ns
    codes = heap.codes
    place = heap.size[0]
    heap.size[0] = place + 1
    while place > 0:
        parent = (place - 1) >> 2
        if times[parent] < time_ns or (times[parent] == time_ns and codes[parent] <= code):
            break
        times[place] = times[parent]
        codes[place] = codes[parent]
        place = parent
    times[place] = time_ns
    codes[place] = code


@njit(cache=True)
def pop(heap: EventHeap) -> tuple[int, int]:
    """Remove the earliest event and return its (time, code)."""
    times = heap.times_ns
    codes = heap.codes
    first_time = times[0]
    first_code = codes[0]
    last = heap.size[0] - 1
    heap.size[0] = last
    time_ns = times[last]
    code = codes[last]
    place = 0
    while True:
        child = 4 * place + 1
        if child >= last:
            break
        best = child
        for other in range(child + 1, min(child + 4, last)):
            if times[other] < times[best] or (times[other] == times[best] and codes[other] < codes[best]):
                best = other
        if time_ns < times[best] or (time_ns == times[best] and code <= codes[best]):
            break
        times[place] = times[best]
        codes[place] = codes[best]
        place = best
    times[place] = time_ns
    codes[place] = code
    return first_time, first_code
