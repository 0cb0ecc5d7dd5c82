"""A 4-ary heap of (time, code) pairs: the pending events of a kernel.

Equal times leave in the order of their codes, so the order in which events were pushed never shows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bitcell_sim.kernels.arrays import Ints
from bitcell_sim.kernels.compiling import part


class EventHeap(NamedTuple):
    """Pending events.

    Parameters
    ----------
    events : ndarray of int64, shape (capacity, 2)
        When each is due (nanoseconds), and what it is; the earliest first.
    size : ndarray of int64, shape (1,)
        How many there are.
    """

    events: Ints
    size: Ints


def new_heap(capacity: int) -> EventHeap:
    """Empty heap with room for `capacity` events."""
    return EventHeap(np.zeros((capacity, 2), np.int64), np.zeros(1, np.int64))


def grow_heap(heap: EventHeap) -> EventHeap:
    """Heap with twice the room; its events stay."""
    larger = new_heap(2 * len(heap.events))
    larger.events[: len(heap.events)] = heap.events
    larger.size[:] = heap.size
    return larger


@part
def push(heap: EventHeap, time_ns: int, code: int) -> None:
    """Add an event; the caller sees to it that there is room."""
    events = heap.events
    place = heap.size[0]
    heap.size[0] = place + 1
    while place > 0:
        parent = (place - 1) >> 2
        above = events[parent, 0]
        if above < time_ns or (above == time_ns and events[parent, 1] <= code):
            break
        events[place, 0] = above
        events[place, 1] = events[parent, 1]
        place = parent
    events[place, 0] = time_ns
    events[place, 1] = code


@part
def pop(heap: EventHeap) -> None:
    """Remove the earliest event, which the caller has read from the top."""
    last = heap.size[0] - 1
    heap.size[0] = last
    replace(heap, heap.events[last, 0], heap.events[last, 1])


@part
def replace(heap: EventHeap, time_ns: int, code: int) -> None:
    """Put an event in the place of the earliest one."""
    events = heap.events
    last = heap.size[0]
    place = 0
    while True:
        child = 4 * place + 1
        if child >= last:
            break
        best = child
        for other in range(child + 1, min(child + 4, last)):
            least = events[best, 0]
            if events[other, 0] < least or (events[other, 0] == least and events[other, 1] < events[best, 1]):
                best = other
        if time_ns < events[best, 0] or (time_ns == events[best, 0] and code <= events[best, 1]):
            break
        events[place, 0] = events[best, 0]
        events[place, 1] = events[best, 1]
        place = best
    events[place, 0] = time_ns
    events[place, 1] = code
