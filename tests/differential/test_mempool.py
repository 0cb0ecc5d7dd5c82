"""The pools' kernels agree with plain sets and Python's sort, whatever receipts, blocks, forks and crashes come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from bitcell_sim.kernels import mempool
from bitcell_sim.kernels.mempool import COLLIDED, HELD, POOLED, Book, Pools, new_book, new_pools
from bitcell_sim.kernels.mempool_plain import PlainPool
from bitcell_sim.units import NS_PER_S

ROWS, NODE = 40, 1
STEP = st.one_of(
    st.tuples(st.just("receive"), st.integers(0, ROWS - 1)),
    st.tuples(st.just("include"), st.lists(st.integers(0, ROWS - 1), max_size=12, unique=True)),
    st.tuples(st.just("leave"), st.integers(0, 3)),
    st.tuples(st.just("block"), st.integers(0, 9)),
    st.tuples(st.just("crash"), st.just(0)),
)


@njit
def admit(book: Book, pools: Pools, tx: int, node: int, at_ns: int) -> bool:
    return mempool.admit(book, pools, tx, node, at_ns)


class Both:
    """The same pool twice, and the blocks on its node's chain."""

    def __init__(self, capacity: int, *, keyed: bool = False, step_ns: int = 1) -> None:
        self.book: Book = new_book(ROWS, 3)
        self.book.price[:] = np.arange(ROWS) * 7 % 5
        self.book.gas[:] = 1 + np.arange(ROWS) * 3 % 4
        self.pools = new_pools(3, capacity, price_second_key=keyed)
        self.price = self.book.price.tolist()
        self.plain = PlainPool(capacity, self.price, keyed)
        self.step_ns = step_ns
        self.chain: list[list[int]] = []
        self.now = self.boot_ns = 0

    def receive(self, tx: int) -> None:
        self.now += tx % 2 * self.step_ns  # every other one at the same moment as the one before
        if tx in self.plain.received:
            return
        self.book.arrival_ns[tx, NODE] = self.plain.received[tx] = self.now
        assert admit(self.book, self.pools, tx, NODE, self.now) == self.plain.admit(tx, self.now)

    def include(self, txs: list[int]) -> None:
        fresh = [tx for tx in txs if tx not in self.plain.included]
        self.chain.append(fresh)
        mempool.include(self.book.marks, self.pools, NODE, np.array(fresh, np.int64))
        self.plain.include(fresh)

    def leave(self, count: int) -> None:
        for _ in range(min(count, len(self.chain))):
            rows = self.chain.pop()
            mempool.restore(self.book, self.pools, NODE, np.array(rows, np.int64), self.boot_ns, self.now + 1)
            self.plain.restore(rows)

    def block(self, limit: int) -> None:
        assert self.selected(limit, 2 * limit) == self.plain.select(self.book.gas.tolist(), limit, 2 * limit)

    def crash(self, _: int) -> None:
        self.now += 1
        self.boot_ns = self.now
        mempool.forget(self.book.marks, self.pools, NODE)
        self.plain.forget()

    def selected(self, count_max: int, gas_max: int) -> list[int]:
        return mempool.select(self.book, self.pools, NODE, count_max, gas_max).tolist()

    def agree(self) -> bool:
        held = set(np.flatnonzero(self.book.pool[:, NODE] == POOLED).tolist())
        collided = set(np.flatnonzero(self.book.pool[:, NODE] == COLLIDED).tolist())
        included = set(np.flatnonzero(self.book.included[:, NODE]).tolist())
        count, plain = int(self.pools.counts[HELD, NODE]), self.plain
        return (held, collided, included, count) == (
            plain.pending,
            plain.collided,
            plain.included,
            len(plain.pending),
        )


@given(st.integers(1, 15), st.booleans(), st.lists(STEP, max_size=120))
def test_any_course_of_events(capacity: int, keyed: bool, steps: list[tuple[str, object]]) -> None:
    both = Both(capacity, keyed=keyed, step_ns=150_000_000)
    for name, what in steps:
        getattr(both, name)(what)
        assert both.agree(), name
    both.block(ROWS)


def test_the_list_of_members_never_outgrows_its_room() -> None:
    # Entering and leaving again and again: far more entries than the list has room for.
    both = Both(2)
    entered = 0
    for tx in (0, 1, 2):
        both.receive(tx)
    for turn in range(60):
        both.include([[0, 1], [1], [0]][turn % 3])
        both.leave(1)
        entered += 1
        assert both.agree()
        assert both.plain.pending == {0, 1}
    assert entered > both.pools.members.shape[1]


def test_neighbouring_pools_are_left_alone() -> None:
    both = Both(5)
    for tx in range(8):
        both.receive(tx)
    both.include([0, 1])
    assert not both.book.pool[:, [0, 2]].any()
    assert not both.book.included[:, [0, 2]].any()


# Limits of a block, and what it holds of five transactions by price, receipt and row.
ORDERED = [
    (5, 10**9, [3, 1, 2, 4, 0]),
    (2, 10**9, [3, 1]),
    (0, 10**9, []),
    (5, 0, []),
    (5, 7, [3, 2, 0]),  # 1 costs more gas than is left, and 4 again; the rest still fits
]


@pytest.mark.parametrize(("count_max", "gas_max", "expected"), ORDERED)
def test_highest_price_first_then_earliest_received_then_lowest_row(
    count_max: int, gas_max: int, expected: list[int]
) -> None:
    both = Both(10)
    both.book.price[:5] = both.price[:5] = [1, 5, 5, 9, 2]
    both.book.gas[:5] = [2, 6, 1, 4, 3]
    for tx, at_ns in ((4, 10), (1, 20), (2, 20), (0, 5), (3, 99)):
        both.book.arrival_ns[tx, NODE] = both.plain.received[tx] = at_ns
        assert admit(both.book, both.pools, tx, NODE, at_ns)
        both.plain.admit(tx, at_ns)
    assert both.selected(count_max, gas_max) == expected
    assert both.plain.select(both.book.gas.tolist(), count_max, gas_max) == expected


def test_one_price_and_second_has_one_place_whatever_was_there_before() -> None:
    both = Both(2, keyed=True)
    both.book.price[:] = 7
    both.price[:] = [7] * ROWS
    for turn in range(60):  # in and out again: the list, and with it the table of keys, is made anew now and then
        both.receive(turn % 2)  # the first of the two fills the place, the other vanishes
        both.include([0, 1])
        both.leave(1)
        assert both.agree()
        assert (both.plain.pending, both.plain.collided) == ({0}, {1} if turn else set())
    both.include([0])
    assert both.agree()
    both.receive(3)  # the place is free
    both.now = both.now // NS_PER_S * NS_PER_S + NS_PER_S
    both.receive(4)
    assert both.agree()
    assert both.plain.pending == {3, 4}
