"""The transaction plane as a kernel: requests through the balancers, admission, and the flood over the peers.

Between two control events nothing but transactions moves, so everything due before the next control event is worked off
in one call of :func:`advance`, in the order of time, from one heap. While the links are still, a transaction's first
receipts are shortest paths and are known the moment it is accepted (mode 1: one event a node). Before a control event
changes anything, :func:`freeze` turns what is in flight into single messages (mode 2) that keep the delay they were sent
with; from then on each is decided by the links when it is sent and by the node when it arrives. Where uplinks are loaded
(`links.queueing`) every transaction travels message by message and waits its turn. ``engine/plain.py`` does the same with
one SimPy process a message, and the two must agree to the nanosecond.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bitcell_sim.kernels.arrays import Flags, Ints, Ints32, Keys
from bitcell_sim.kernels.event_heap import EventHeap, pop, push
from bitcell_sim.kernels.mempool import NEVER, Book, Pools, admit
from bitcell_sim.kernels.paths import LinkState, Paths, one_way_ns, standing_ns, transmission_ns

AT_BALANCER, AT_SERVER, TRY_AGAIN, RECEIPT, MESSAGE = range(5)
OPEN, OK, REJECTED, NO_SERVER, TIMED_OUT = range(5)  # what the client was told
PATH, SINGLE = 1, 2  # modes of a transaction
DOWN, UP, SILENT = range(3)  # states of a node
KEY_CLIENT, KEY_RPC, KEY_ANSWER, KEY_GOSSIP = range(4)
(
    RETRIES,
    PAUSE_NS,
    CONNECT_TIMEOUT_NS,
    REDISPATCH,
    CLIENT_TIMEOUT_NS,
    ACCESS_NS,
    OVERHEAD_BYTES,
    ANSWER_BYTES,
    CHECK_NS,
    HORIZON_NS,
) = range(10)
NEXT_ROW, OPEN_FIRST, OPEN_END = range(3)
DONE, HEAP_FULL = 0, 1
_TX_SHIFT, _A_SHIFT, _KIND_SHIFT, _INDEX_MASK = 20, 10, 58, 1023
_TX_MASK = (1 << 38) - 1


class Nodes(NamedTuple):
    """State of the nodes, in place.

    Parameters
    ----------
    state : ndarray of uint8, shape (nodes,)
        DOWN refuses connections, UP answers, SILENT does not answer at all.
    boot_ns : ndarray of int64, shape (nodes,)
        Start of the running process; what arrived before is forgotten.
    peers : ndarray of uint8, shape (nodes, nodes)
        1 where a connection stands.
    """

    state: Flags
    boot_ns: Ints
    peers: Flags


class Balancers(NamedTuple):
    """State of the load balancers, in place.

    Parameters
    ----------
    in_use : ndarray of uint8, shape (balancers, nodes)
        1 where the balancer takes the server for up.
    route : ndarray of int32, shape (regions,)
        Balancer that a region's clients use; -1 for none.
    home : ndarray of int32, shape (balancers,)
        Region it stands in.
    turn : ndarray of int64, shape (balancers,)
        Server whose turn is next.
    """

    in_use: Flags
    route: Ints32
    home: Ints32
    turn: Ints


class World(NamedTuple):
    """Everything the kernel reads and writes.

    Parameters
    ----------
    book, pools, nodes, balancers, paths, links, heap
        See their types.
    settings : ndarray of int64, shape (10,)
        RETRIES .. HORIZON_NS above.
    keys : ndarray of uint64, shape (4,)
        Streams of draws.
    marks : ndarray of int64, shape (3,)
        Next row to submit; first and end of the accepted transactions that may still be in flight.
    open_rows : ndarray of int32, shape (rows,)
        Rows in the order of acceptance.
    sent_bytes, received_bytes : ndarray of int64, shape (nodes,)
        Traffic of the flood.
    """

    book: Book
    pools: Pools
    nodes: Nodes
    balancers: Balancers
    paths: Paths
    links: LinkState
    heap: EventHeap
    settings: Ints
    keys: Keys
    marks: Ints
    open_rows: Ints32
    sent_bytes: Ints
    received_bytes: Ints
    settled: Flags


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _code(kind: int, tx: int, a: int, b: int) -> int:
    return (np.int64(kind) << _KIND_SHIFT) | (np.int64(tx) << _TX_SHIFT) | (np.int64(a) << _A_SHIFT) | np.int64(b)


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _small_ns(world: World, key: int, tx: int, sequence: int, source: int, target: int, now_ns: int, size: int) -> int:
    """Arrival of a small message that does not queue, nanoseconds."""
    travel = one_way_ns(
        world.keys[key], world.book.draw_id[tx], sequence, source, target, now_ns, size, world.paths, world.links
    )
    return now_ns + transmission_ns(size, world.links.uplink_bit_per_s[source]) + travel


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _submit(world: World, tx: int) -> None:
    """The client sends: to the balancer that its region is pointed at."""
    book = world.book
    now = book.submit_ns[tx]
    region = book.region[tx]
    balancer = world.balancers.route[region]
    nodes = world.nodes.state.shape[0]
    if balancer < 0:
        book.request[tx] = TIMED_OUT
        book.answered_ns[tx] = now + world.settings[CLIENT_TIMEOUT_NS]
        return
    book.balancer[tx] = balancer
    at = now + world.settings[ACCESS_NS]
    home = world.balancers.home[balancer]
    if home != region:
        at += world.paths.base_ns[nodes + region, nodes + home] // 2
    push(world.heap, at, _code(AT_BALANCER, tx, 0, 0))


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _next_server(world: World, balancer: int, start: int) -> int:
    """First server from `start` on, round robin, that the balancer takes for up; -1 for none."""
    nodes = world.nodes.state.shape[0]
    for step in range(nodes):
        server = (start + step) % nodes
        if world.balancers.in_use[balancer, server]:
            return server
    return -1


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _way_back_ns(world: World, tx: int) -> int:
    """From the balancer to the client, nanoseconds."""
    nodes = world.nodes.state.shape[0]
    home = world.balancers.home[world.book.balancer[tx]]
    region = world.book.region[tx]
    way = world.settings[ACCESS_NS]
    if home != region:
        way += world.paths.base_ns[nodes + home, nodes + region] // 2
    return way


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _answer(world: World, tx: int, told: int, at_balancer_ns: int) -> None:
    """The client hears, unless it has given up."""
    book = world.book
    heard = at_balancer_ns + _way_back_ns(world, tx)
    given_up = book.submit_ns[tx] + world.settings[CLIENT_TIMEOUT_NS]
    if heard <= given_up:
        book.request[tx] = told
        book.answered_ns[tx] = heard
    else:
        book.request[tx] = TIMED_OUT
        book.answered_ns[tx] = given_up


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _try_server(world: World, tx: int, now: int) -> None:
    """The balancer sends the request to the server it has chosen."""
    book = world.book
    if now - book.submit_ns[tx] > world.settings[CLIENT_TIMEOUT_NS]:
        _answer(world, tx, TIMED_OUT, now)
        return
    endpoint = world.nodes.state.shape[0] + world.balancers.home[book.balancer[tx]]
    server = book.server[tx]
    book.sent_ns[tx] = now
    if world.links.cut[endpoint, server]:
        push(world.heap, now + world.settings[CONNECT_TIMEOUT_NS], _code(TRY_AGAIN, tx, 0, 0))
        return
    size = book.size_bytes[tx] + world.settings[OVERHEAD_BYTES]
    at = _small_ns(world, KEY_RPC, tx, book.attempt[tx], endpoint, server, now, size)
    push(world.heap, at, _code(AT_SERVER, tx, 0, 0))


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _at_balancer(world: World, tx: int, now: int) -> None:
    balancer = world.book.balancer[tx]
    server = _next_server(world, balancer, world.balancers.turn[balancer])
    if server < 0:
        _answer(world, tx, NO_SERVER, now)
        return
    world.balancers.turn[balancer] = (server + 1) % world.nodes.state.shape[0]
    world.book.server[tx] = server
    _try_server(world, tx, now)


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _try_again(world: World, tx: int, now: int) -> None:
    book = world.book
    book.attempt[tx] += 1
    if book.attempt[tx] > world.settings[RETRIES]:
        _answer(world, tx, NO_SERVER, now)
        return
    if world.settings[REDISPATCH]:
        server = _next_server(world, book.balancer[tx], book.server[tx] + 1)
        if server >= 0:
            book.server[tx] = server
    _try_server(world, tx, now)


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _at_server(world: World, tx: int, now: int) -> None:
    """The request reaches the node: accepted and flooded, rejected, refused, or not answered."""
    book = world.book
    server = book.server[tx]
    endpoint = world.nodes.state.shape[0] + world.balancers.home[book.balancer[tx]]
    if world.nodes.state[server] == SILENT:
        again = max(book.sent_ns[tx] + world.settings[CONNECT_TIMEOUT_NS], now)
        push(world.heap, again, _code(TRY_AGAIN, tx, 0, 0))
        return
    back = _small_ns(
        world, KEY_ANSWER, tx, book.attempt[tx], server, endpoint, now, world.settings[ANSWER_BYTES]
    )
    if world.links.cut[server, endpoint]:
        back = NEVER
    if world.nodes.state[server] == DOWN:
        again = min(back + world.settings[PAUSE_NS], book.sent_ns[tx] + world.settings[CONNECT_TIMEOUT_NS])
        push(world.heap, max(again, now), _code(TRY_AGAIN, tx, 0, 0))
        return
    if not admit(world.book, world.pools, tx, server):
        _answer(world, tx, REJECTED, back)
        return
    book.origin[tx] = server
    book.accepted_ns[tx] = now
    book.last_ns[tx] = now
    book.arrival_ns[tx, server] = now
    world.open_rows[world.marks[OPEN_END]] = tx
    world.marks[OPEN_END] += 1
    if world.links.queueing[0]:
        book.mode[tx] = SINGLE
        _forward(world, tx, server, -1, now)
    else:
        book.mode[tx] = PATH
        _flood(world, tx, server, now)
        _count_forward(world, tx, server, -1)
    _answer(world, tx, OK, back)


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _count_forward(world: World, tx: int, node: int, parent: int) -> None:
    size = world.book.size_bytes[tx] + world.settings[OVERHEAD_BYTES]
    for peer in range(world.nodes.state.shape[0]):
        if world.nodes.peers[node, peer] and peer != parent:
            world.sent_bytes[node] += size
            world.received_bytes[peer] += size


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _forward(world: World, tx: int, node: int, parent: int, now: int) -> None:
    """A node passes a transaction on to every peer but the one it has it from, message by message."""
    links = world.links
    size = world.book.size_bytes[tx] + world.settings[OVERHEAD_BYTES]
    wire = transmission_ns(size, links.uplink_bit_per_s[node])
    ready = now + world.settings[CHECK_NS]
    for peer in range(world.nodes.state.shape[0]):
        if not world.nodes.peers[node, peer] or peer == parent:
            continue
        leaves = ready + wire
        if links.queueing[0]:
            leaves = max(ready, links.uplink_free_ns[node]) + wire
            links.uplink_free_ns[node] = leaves
        travel = one_way_ns(
            world.keys[KEY_GOSSIP], world.book.draw_id[tx], 0, node, peer, now, size, world.paths, links
        )
        push(world.heap, leaves + travel, _code(MESSAGE, tx, node, peer))
    _count_forward(world, tx, node, parent)


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _flood(world: World, tx: int, origin: int, now: int) -> None:
    """First receipts at all nodes while nothing changes: Dijkstra, drawing only delays that can still matter."""
    book = world.book
    links = world.links
    nodes = world.nodes.state.shape[0]
    arrival = book.arrival_ns[tx]
    settled = world.settled
    for node in range(nodes):
        settled[node] = 0
    size = book.size_bytes[tx] + world.settings[OVERHEAD_BYTES]
    for _ in range(nodes):
        node = -1
        for other in range(nodes):
            if not settled[other] and arrival[other] < NEVER and (node < 0 or arrival[other] < arrival[node]):
                node = other
        if node < 0:
            break
        settled[node] = 1
        at = arrival[node]
        leaves = at + world.settings[CHECK_NS] + transmission_ns(size, links.uplink_bit_per_s[node])
        for peer in range(nodes):
            if settled[peer] or not world.nodes.peers[node, peer] or world.nodes.state[peer] != UP:
                continue
            least = leaves + standing_ns(world.paths, node, peer, at) // 2 + links.added_ns[node, peer]
            if least > arrival[peer]:
                continue
            reached = leaves + one_way_ns(
                world.keys[KEY_GOSSIP], book.draw_id[tx], 0, node, peer, at, size, world.paths, links
            )
            if reached < arrival[peer] or (reached == arrival[peer] and node < book.parent[tx, peer]):
                arrival[peer] = reached
                book.parent[tx, peer] = node
    for node in range(nodes):
        if node != origin and arrival[node] < NEVER:
            push(world.heap, arrival[node], _code(RECEIPT, tx, 0, node))
            book.last_ns[tx] = max(book.last_ns[tx], arrival[node])


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _message(world: World, tx: int, source: int, node: int, now: int) -> None:
    """A single message arrives: the first one that a node receives is kept and passed on."""
    book = world.book
    if world.nodes.state[node] != UP or world.nodes.boot_ns[node] <= book.arrival_ns[tx, node] < NEVER:
        return
    book.arrival_ns[tx, node] = now
    book.parent[tx, node] = source
    admit(book, world.pools, tx, node)
    _forward(world, tx, node, source, now)


@njit(cache=True, _nrt=False)
def advance(world: World, until_ns: int, rows: int) -> int:
    """Work off everything due before a moment.

    Parameters
    ----------
    world : World
        Changed in place.
    until_ns : int64
        The next control event.
    rows : int
        Rows of the book that hold a transaction.

    Returns
    -------
    int
        DONE, or HEAP_FULL: give the heap more room and call again.
    """
    book = world.book
    heap = world.heap
    nodes = world.nodes.state.shape[0]
    room = heap.times_ns.shape[0] - nodes - 2
    while True:
        if heap.size[0] >= room:
            return HEAP_FULL
        row = world.marks[NEXT_ROW]
        due = book.submit_ns[row] if row < rows else NEVER
        if heap.size[0] > 0 and heap.times_ns[0] < due:
            if heap.times_ns[0] >= until_ns:
                return DONE
            now, code = pop(heap)
            tx = (code >> _TX_SHIFT) & _TX_MASK
            kind = code >> _KIND_SHIFT
            node = code & _INDEX_MASK
            if kind == RECEIPT:
                if book.mode[tx] == PATH:
                    admit(book, world.pools, tx, node)
                    _count_forward(world, tx, node, book.parent[tx, node])
            elif kind == AT_BALANCER:
                _at_balancer(world, tx, now)
            elif kind == AT_SERVER:
                _at_server(world, tx, now)
            elif kind == MESSAGE:
                _message(world, tx, (code >> _A_SHIFT) & _INDEX_MASK, node, now)
            else:
                _try_again(world, tx, now)
        else:
            if due >= until_ns:
                return DONE
            world.marks[NEXT_ROW] += 1
            _submit(world, row)


@njit(cache=True, _nrt=False)
def freeze(world: World, now_ns: int) -> int:
    """Turn what is in flight into single messages, before links, peers or nodes change.

    Parameters
    ----------
    world : World
        Changed in place; :func:`advance` has been called up to `now_ns`.
    now_ns : int64
        When the change happens.

    Returns
    -------
    int
        DONE, or HEAP_FULL: give the heap more room and call again.
    """
    book = world.book
    nodes = world.nodes.state.shape[0]
    horizon = world.settings[HORIZON_NS]
    while world.marks[OPEN_FIRST] < world.marks[OPEN_END]:
        tx = world.open_rows[world.marks[OPEN_FIRST]]
        if world.heap.size[0] + nodes * nodes > world.heap.times_ns.shape[0]:
            return HEAP_FULL
        if book.mode[tx] == PATH and book.last_ns[tx] + horizon >= now_ns:
            _freeze_one(world, tx, now_ns)
        world.marks[OPEN_FIRST] += 1
    return DONE


@njit(cache=True, forceinline=True, no_cpython_wrapper=True, _nrt=False)
def _freeze_one(world: World, tx: int, now: int) -> None:
    book = world.book
    links = world.links
    size = book.size_bytes[tx] + world.settings[OVERHEAD_BYTES]
    nodes = world.nodes.state.shape[0]
    for node in range(nodes):
        at = book.arrival_ns[tx, node]
        if at >= now:
            continue
        leaves = at + world.settings[CHECK_NS] + transmission_ns(size, links.uplink_bit_per_s[node])
        for peer in range(nodes):
            if not world.nodes.peers[node, peer] or peer == book.parent[tx, node]:
                continue
            reached = leaves + one_way_ns(
                world.keys[KEY_GOSSIP], book.draw_id[tx], 0, node, peer, at, size, world.paths, links
            )
            if reached >= now:
                push(world.heap, reached, _code(MESSAGE, tx, node, peer))
    for node in range(nodes):
        if book.arrival_ns[tx, node] >= now:
            book.arrival_ns[tx, node] = NEVER
    book.mode[tx] = SINGLE
