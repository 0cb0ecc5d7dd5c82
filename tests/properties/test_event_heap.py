"""The event heap gives back what was put in, earliest first, equal times by code, whatever the order of pushing."""

from __future__ import annotations

import heapq

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from bitcell_sim.kernels.event_heap import EventHeap, grow_heap, new_heap, pop, push

EVENT = st.tuples(st.integers(0, 5) | st.integers(0, 2**62), st.integers(0, 3) | st.integers(0, 2**61))
EVENTS = st.lists(EVENT, max_size=200)


@njit
def fill(heap: EventHeap, times_ns: np.ndarray, codes: np.ndarray) -> None:
    for i in range(times_ns.shape[0]):
        push(heap, times_ns[i], codes[i])


@njit
def drain(heap: EventHeap, count: int) -> np.ndarray:
    out = np.empty((count, 2), np.int64)
    for i in range(count):
        out[i] = heap.events[0]
        pop(heap)
    return out


def put(heap: EventHeap, events: list[tuple[int, int]]) -> None:
    pairs = np.array(events, np.int64).reshape(-1, 2)
    fill(heap, pairs[:, 0].copy(), pairs[:, 1].copy())


def taken(heap: EventHeap, count: int) -> list[tuple[int, int]]:
    return [(int(time_ns), int(code)) for time_ns, code in drain(heap, count)]


@given(EVENTS)
def test_what_goes_in_comes_out_sorted(events: list[tuple[int, int]]) -> None:
    heap = new_heap(len(events) + 1)
    put(heap, events)
    assert heap.size[0] == len(events)
    assert taken(heap, len(events)) == sorted(events)
    assert heap.size[0] == 0


@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_pushing_does_not_show(events: list[tuple[int, int]], shuffler: object) -> None:
    shuffled = list(events)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = new_heap(256), new_heap(256)
    put(one, events)
    put(other, shuffled)
    assert taken(one, len(events)) == taken(other, len(events))


@given(st.lists(st.tuples(EVENTS, st.integers(0, 60)), max_size=12))
def test_pushing_and_popping_in_turn_as_heapq_does(rounds: list[tuple[list[tuple[int, int]], int]]) -> None:
    heap: EventHeap = new_heap(1)
    reference: list[tuple[int, int]] = []
    for events, wanted in rounds:
        while len(heap.events) < len(reference) + len(events):
            heap = grow_heap(heap)
        put(heap, events)
        for event in events:
            heapq.heappush(reference, event)
        count = min(wanted, len(reference))
        assert taken(heap, count) == [heapq.heappop(reference) for _ in range(count)]
        assert heap.size[0] == len(reference)


def test_no_entry_is_earlier_than_the_one_above_it() -> None:
    heap = new_heap(1000)
    put(heap, [((i * 7919) % 1009, i) for i in range(1000)])
    entries = [tuple(entry) for entry in heap.events.tolist()]
    assert all(entries[(place - 1) // 4] <= entries[place] for place in range(1, 1000))


def test_growing_keeps_the_events_and_the_old_heap() -> None:
    small = new_heap(4)
    put(small, [(3, 0), (1, 0), (2, 0), (0, 9)])
    large = grow_heap(small)
    assert len(large.events) == 8
    put(large, [(1, 5)])
    assert taken(large, 5) == [(0, 9), (1, 0), (1, 5), (2, 0), (3, 0)]
    assert small.size[0] == 4
