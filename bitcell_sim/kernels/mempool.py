"""The pools of pending transactions of all nodes, as arrays: who holds what, and which go into a block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bitcell_sim.kernels.arrays import Flags, Ints, Ints16, Ints32

NEVER = 2**62  # later than any run ends
ABSENT, POOLED, REFUSED = 0, 1, 2


class Book(NamedTuple):
    """One row per transaction; unused rows wait for later arrivals.

    Parameters
    ----------
    draw_id, submit_ns, price, gas, size_bytes : ndarray of int64, shape (rows,)
        Name of its draws, when the client sends it, gas price, gas, bytes in a block.
    region, balancer, server, attempt, origin : ndarray of int32, shape (rows,)
        The client's region, the balancer that took it, the server tried last, the tries so far, the node that accepted.
    sent_ns, accepted_ns, answered_ns, last_ns : ndarray of int64, shape (rows,)
        Last try, acceptance, the client's answer, last first-receipt; -1 where it never happened.
    request, mode : ndarray of uint8, shape (rows,)
        What the client was told; whether its receipts are known ahead (1) or travel message by message (2).
    arrival_ns : ndarray of int64, shape (rows, nodes)
        First receipt at each node; NEVER where it has not arrived.
    parent : ndarray of int16, shape (rows, nodes)
        Whom each node has it from; -1 at the origin.
    pool, included : ndarray of uint8, shape (rows, nodes)
        Whether a node's pool holds it; whether the node's chain does.
    """

    draw_id: Ints
    submit_ns: Ints
    price: Ints
    gas: Ints
    size_bytes: Ints
    region: Ints32
    balancer: Ints32
    server: Ints32
    attempt: Ints32
    origin: Ints32
    sent_ns: Ints
    accepted_ns: Ints
    answered_ns: Ints
    last_ns: Ints
    request: Flags
    mode: Flags
    arrival_ns: Ints
    parent: Ints16
    pool: Flags
    included: Flags


class Pools(NamedTuple):
    """Members of each node's pool in order of receipt; members that left are dropped when the list is used.

    Parameters
    ----------
    size, listed : ndarray of int64, shape (nodes,)
        How many a pool holds; how many its list names.
    members : ndarray of int32, shape (nodes, room)
        The lists.
    capacity : int
        Most that a pool holds.
    """

    size: Ints
    listed: Ints
    members: Ints32
    capacity: int


@njit(cache=True)
def compact(book: Book, pools: Pools, node: int) -> None:
    """Drop from a node's list what its pool no longer holds; a transaction listed twice stays once."""
    kept = 0
    for i in range(pools.listed[node]):
        tx = pools.members[node, i]
        if book.pool[tx, node] == POOLED:
            book.pool[tx, node] = ABSENT  # seen: a second entry of the same transaction is dropped
            pools.members[node, kept] = tx
            kept += 1
    for i in range(kept):
        book.pool[pools.members[node, i], node] = POOLED
    pools.listed[node] = kept


@njit(cache=True)
def admit(book: Book, pools: Pools, tx: int, node: int) -> bool:
    """Put a transaction into a node's pool; a full pool refuses it."""
    if book.included[tx, node]:
        return True
    if pools.size[node] >= pools.capacity:
        book.pool[tx, node] = REFUSED
        return False
    if pools.listed[node] == pools.members.shape[1]:
        compact(book, pools, node)
    book.pool[tx, node] = POOLED
    pools.members[node, pools.listed[node]] = tx
    pools.listed[node] += 1
    pools.size[node] += 1
    return True


@njit(cache=True)
def include(book: Book, pools: Pools, node: int, txs: Ints) -> None:
    """A node adopts a block: its transactions leave the pool, and do not enter it when they arrive later."""
    for tx in txs:
        book.included[tx, node] = 1
        if book.pool[tx, node] == POOLED:
            pools.size[node] -= 1
        book.pool[tx, node] = ABSENT


@njit(cache=True)
def restore(book: Book, pools: Pools, node: int, txs: Ints, boot_ns: int, now_ns: int) -> None:
    """A node leaves a block: those of its transactions that it has received are pending again."""
    for tx in txs:
        book.included[tx, node] = 0
        if boot_ns <= book.arrival_ns[tx, node] < now_ns:
            admit(book, pools, tx, node)


@njit(cache=True)
def forget(book: Book, pools: Pools, node: int) -> None:
    """A node's process dies: its pool was memory."""
    for i in range(pools.listed[node]):
        tx = pools.members[node, i]
        if book.pool[tx, node] == POOLED:
            book.pool[tx, node] = ABSENT
    pools.listed[node] = 0
    pools.size[node] = 0


@njit(cache=True)
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
    compact(book, pools, node)
    held = pools.members[node, : pools.listed[node]].astype(np.int64)
    held.sort()
    received = np.empty(held.size, np.int64)
    for i in range(held.size):
        received[i] = book.arrival_ns[held[i], node]
    by_time = held[np.argsort(received, kind="mergesort")]
    price = np.empty(held.size, np.int64)
    for i in range(held.size):
        price[i] = -book.price[by_time[i]]
    by_price = by_time[np.argsort(price, kind="mergesort")]
    chosen = np.empty(min(count_max, held.size), np.int64)
    count = 0
    gas = 0
    for tx in by_price:
        if count == count_max:
            break
        if gas + book.gas[tx] <= gas_max:
            gas += book.gas[tx]
            chosen[count] = tx
            count += 1
    return chosen[:count]
