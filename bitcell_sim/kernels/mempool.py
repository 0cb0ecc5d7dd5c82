"""The pools of pending transactions of all nodes, as arrays: who holds what, and which go into a block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bitcell_sim.kernels.arrays import Ints, Ints16, Ints32
from bitcell_sim.kernels.compiling import kernel, njit, part
from bitcell_sim.kernels.sorting import stable_order
from bitcell_sim.units import NS_PER_S

NEVER = 2**62  # later than any run ends
ABSENT, POOLED, REFUSED, COLLIDED = range(4)
DRAW_ID, SUBMIT_NS, PRICE, SENT_NS, ACCEPTED_NS, ANSWERED_NS, LAST_NS = range(7)
REGION, GAS, SIZE_BYTES, BALANCER, SERVER, ATTEMPT, ORIGIN, REQUEST, MODE, ACCEPTED_ROW = range(10)
PARENT, POOL, INCLUDED = range(3)


class Book(NamedTuple):
    """One row per transaction; unused rows wait for later arrivals.

    Few arrays, because each one that a kernel takes costs time to compile and to call; their parts have names.

    Parameters
    ----------
    columns : ndarray of int64, shape (7, rows)
        DRAW_ID .. LAST_NS above; the properties say what they are.
    codes : ndarray of int32, shape (10, rows)
        REGION .. ACCEPTED_ROW above: small numbers, for memory costs time too.
    arrival_ns : ndarray of int64, shape (rows, nodes)
        First receipt at each node; NEVER where it has not arrived.
    marks : ndarray of int16, shape (3, rows, nodes)
        PARENT, POOL and INCLUDED.
    """

    columns: Ints
    codes: Ints32
    arrival_ns: Ints
    marks: Ints16

    def _column(self, number: int) -> Ints:
        column: Ints = self.columns[number]
        return column

    def _code(self, number: int) -> Ints32:
        code: Ints32 = self.codes[number]
        return code

    def _mark(self, number: int) -> Ints16:
        mark: Ints16 = self.marks[number]
        return mark

    @property
    def draw_id(self) -> Ints:
        """Name of its draws."""
        return self._column(DRAW_ID)

    @property
    def submit_ns(self) -> Ints:
        """When the client sends it, nanoseconds."""
        return self._column(SUBMIT_NS)

    @property
    def region(self) -> Ints32:
        """Region of the client."""
        return self._code(REGION)

    @property
    def price(self) -> Ints:
        """Gas price that the client offers."""
        return self._column(PRICE)

    @property
    def gas(self) -> Ints32:
        """Gas that it uses in a block."""
        return self._code(GAS)

    @property
    def size_bytes(self) -> Ints32:
        """Bytes in a block."""
        return self._code(SIZE_BYTES)

    @property
    def balancer(self) -> Ints32:
        """Balancer that took it; -1 before."""
        return self._code(BALANCER)

    @property
    def server(self) -> Ints32:
        """Server tried last; -1 before."""
        return self._code(SERVER)

    @property
    def attempt(self) -> Ints32:
        """Tries that failed."""
        return self._code(ATTEMPT)

    @property
    def sent_ns(self) -> Ints:
        """Last try, nanoseconds; -1 before."""
        return self._column(SENT_NS)

    @property
    def origin(self) -> Ints32:
        """Node that accepted it; -1 for none."""
        return self._code(ORIGIN)

    @property
    def accepted_ns(self) -> Ints:
        """Acceptance, nanoseconds; -1 where it never happened."""
        return self._column(ACCEPTED_NS)

    @property
    def answered_ns(self) -> Ints:
        """When the client knew, nanoseconds; -1 where it does not yet."""
        return self._column(ANSWERED_NS)

    @property
    def last_ns(self) -> Ints:
        """Latest first receipt of those known ahead, nanoseconds."""
        return self._column(LAST_NS)

    @property
    def request(self) -> Ints32:
        """What the client was told."""
        return self._code(REQUEST)

    @property
    def parent(self) -> Ints16:
        """Whom each node has it from; -1 at the origin."""
        return self._mark(PARENT)

    @property
    def pool(self) -> Ints16:
        """ABSENT, POOLED, REFUSED or COLLIDED at each node."""
        return self._mark(POOL)

    @property
    def included(self) -> Ints16:
        """1 where a node's chain holds it."""
        return self._mark(INCLUDED)


class Pools(NamedTuple):
    """Members of each node's pool, and what is on its way there; members that left are dropped when the list is used.

    Parameters
    ----------
    counts : ndarray of int64, shape (4, nodes)
        HELD: how many a pool holds; LISTED: how many its list names; COMING: how many are on their way in no order;
        QUEUED: how many are on their way as events.
    members : ndarray of int32, shape (nodes, room)
        The lists.
    coming : ndarray of int32, shape (nodes, room)
        On their way in no order: nothing can keep them out of the pool.
    capacity : int
        Most that a pool holds.
    holders : ndarray of int32, shape (nodes, slots)
        Where transactions are keyed by price and second: a hash table of the listed, each as its row + 1; 0 is empty.
        No slots where they are not.
    """

    counts: Ints
    members: Ints32
    coming: Ints32
    capacity: int
    holders: Ints32


HELD, LISTED, COMING, QUEUED = range(4)
COMING_ROOM = 256
MIX_PRICE, MIX_KEY = 0x1E3779B97F4A7C15, 0x2545F4914F6CDD1D  # odd: they spread keys over the slots


def new_book(rows: int, nodes: int) -> Book:
    """Book with room for `rows` transactions."""
    columns, codes = np.zeros((7, rows), np.int64), np.zeros((10, rows), np.int32)
    columns[SENT_NS:] = -1
    for unknown in (BALANCER, SERVER, ORIGIN):
        codes[unknown] = -1
    marks = np.zeros((3, rows, nodes), np.int16)
    marks[PARENT] = -1
    return Book(columns, codes, np.full((rows, nodes), NEVER, np.int64), marks)


def grow_book(book: Book, rows: int) -> Book:
    """Book with more room; what it holds stays."""
    old_rows, nodes = book.arrival_ns.shape
    larger = new_book(rows, nodes)
    larger.columns[:, :old_rows] = book.columns
    larger.codes[:, :old_rows] = book.codes
    larger.arrival_ns[:old_rows] = book.arrival_ns
    larger.marks[:, :old_rows] = book.marks
    return larger


def new_pools(nodes: int, capacity: int, *, price_second_key: bool = False) -> Pools:
    """Empty pools; the lists have room for members that have left, and the hash tables for twice as many."""
    room = 4 * capacity + 16
    slots = 1 << (2 * room).bit_length() if price_second_key else 0
    members, coming, holders = (np.zeros((nodes, width), np.int32) for width in (room, COMING_ROOM, slots))
    return Pools(np.zeros((4, nodes), np.int64), members, coming, capacity, holders)


@part
def taken(book: Book, pools: Pools, tx: int, node: int, at_ns: int) -> bool:
    """Whether the pool holds a transaction of the same price and whole second; if not, this one will be found there."""
    holders, slots = pools.holders, pools.holders.shape[1]
    price, second = book.columns[PRICE, tx], at_ns // NS_PER_S
    slot = (((price * MIX_PRICE + second) * MIX_KEY) >> 32) & (slots - 1)
    while holders[node, slot] > 0:
        other = holders[node, slot] - 1
        same = book.columns[PRICE, other] == price and book.arrival_ns[other, node] // NS_PER_S == second
        if same and book.marks[POOL, other, node] == POOLED:
            return True
        slot = (slot + 1) & (slots - 1)
    holders[node, slot] = tx + 1
    return False


@part
def compact(book: Book, pools: Pools, node: int) -> None:
    """Drop from a node's list what its pool no longer holds; a transaction listed twice stays once."""
    marks, members = book.marks, pools.members
    kept = 0
    for i in range(pools.counts[LISTED, node]):
        tx = members[node, i]
        if marks[POOL, tx, node] == POOLED:
            marks[POOL, tx, node] = ABSENT  # seen: a second entry of the same transaction is dropped
            members[node, kept] = tx
            kept += 1
    for i in range(kept):
        marks[POOL, members[node, i], node] = POOLED
    pools.counts[LISTED, node] = kept
    if pools.holders.shape[1] > 0:
        pools.holders[node] = 0
        for i in range(kept):
            taken(book, pools, members[node, i], node, book.arrival_ns[members[node, i], node])


@part
def admit(book: Book, pools: Pools, tx: int, node: int, at_ns: int) -> bool:
    """Put a transaction that a node received at a moment into its pool; a full pool refuses it.

    Where transactions are keyed by price and second, the second one of a key vanishes and nobody is told.
    """
    marks = book.marks
    if marks[INCLUDED, tx, node]:
        return True
    if pools.counts[HELD, node] >= pools.capacity:
        marks[POOL, tx, node] = REFUSED
        return False
    if pools.counts[LISTED, node] == pools.members.shape[1]:
        compact(book, pools, node)
    if pools.holders.shape[1] > 0 and taken(book, pools, tx, node, at_ns):
        marks[POOL, tx, node] = COLLIDED
        return True
    place = pools.counts[LISTED, node]
    marks[POOL, tx, node] = POOLED
    pools.members[node, place] = tx
    pools.counts[LISTED, node] = place + 1
    pools.counts[HELD, node] += 1
    return True


@kernel
def include(marks: Ints16, pools: Pools, node: int, txs: Ints) -> None:
    """A node adopts a block: its transactions leave the pool, and do not enter it when they arrive later."""
    for i in range(txs.shape[0]):
        tx = txs[i]
        marks[INCLUDED, tx, node] = 1
        if marks[POOL, tx, node] == POOLED:
            pools.counts[HELD, node] -= 1
        marks[POOL, tx, node] = ABSENT


@kernel
def restore(book: Book, pools: Pools, node: int, txs: Ints, boot_ns: int, now_ns: int) -> None:
    """A node leaves a block: those of its transactions that it has received are pending again."""
    for i in range(txs.shape[0]):
        tx = txs[i]
        at_ns = book.arrival_ns[tx, node]
        book.marks[INCLUDED, tx, node] = 0
        if boot_ns <= at_ns < now_ns:
            admit(book, pools, tx, node, at_ns)


@kernel
def forget(marks: Ints16, pools: Pools, node: int) -> None:
    """A node's process dies: its pool was memory."""
    for i in range(pools.counts[LISTED, node]):
        tx = pools.members[node, i]
        if marks[POOL, tx, node] == POOLED:
            marks[POOL, tx, node] = ABSENT
    pools.counts[LISTED, node] = 0
    pools.counts[HELD, node] = 0
    pools.holders[node] = 0


@njit
def select(book: Book, pools: Pools, node: int, count_max: int, gas_max: int) -> Ints:
    """Transactions for a block: highest gas price first, then earliest received, as many as fit.

    Parameters
    ----------
    book, pools : Book, Pools
        All transactions and pools.
    node : int
        The builder.
    count_max, gas_max : int
        Limits of a block; one that exceeds the gas left is passed over.

    Returns
    -------
    ndarray of int64, shape (n,)
        Rows of the book, in the order of the block.
    """
    columns, codes = book.columns, book.codes
    compact(book, pools, node)
    held = pools.members[node, : pools.counts[LISTED, node]].astype(np.int64)
    held = held[stable_order(held)]
    keys = np.empty_like(held)
    for i in range(held.shape[0]):
        keys[i] = book.arrival_ns[held[i], node]
    held = held[stable_order(keys)]
    for i in range(held.shape[0]):
        keys[i] = -columns[PRICE, held[i]]
    chosen = np.empty(min(count_max, held.shape[0]), np.int64)
    count = 0
    gas = 0
    for place in stable_order(keys):
        tx = held[place]
        if count == count_max:
            break
        if gas + codes[GAS, tx] <= gas_max:
            gas += codes[GAS, tx]
            chosen[count] = tx
            count += 1
    return chosen[:count]
