"""The transaction plane as a kernel: requests through the balancers, admission, and the flood over the peers.

Between two control events nothing but transactions moves, so everything due before the next control event is worked
off in one call of :func:`advance`, in the order of time, from one heap. While the links are still, a transaction's
first receipts are shortest paths and are known the moment it is accepted (mode PATH); they are taken in when the pools
are next looked at, or as events where a pool may become full and the order decides. Before a control event changes
anything, :func:`freeze` turns what is in flight into single messages (mode SINGLE) that keep the delay they were sent
with; from then on each is decided by the links when it is sent and by the node when it arrives. Where uplinks are
loaded (`links.queueing`) every transaction travels message by message and waits its turn.
``engine/plain.py`` does the same with one SimPy process a message, and the two must agree to the nanosecond.
"""

from __future__ import annotations

from bitcell_sim.kernels.compiling import kernel
from bitcell_sim.kernels.event_heap import pop
from bitcell_sim.kernels.flood import is_full, put_in_order, receive, take_arrived, take_known, thaw
from bitcell_sim.kernels.mempool import (
    ACCEPTED_ROW,
    LAST_NS,
    MODE,
    NEVER,
    QUEUED,
    SUBMIT_NS,
)
from bitcell_sim.kernels.requests import at_balancer, at_server, submit
from bitcell_sim.kernels.world import (
    AT_SERVER,
    DOWN,
    ERROR,
    FAILING,
    HANGING,
    HORIZON_NS,
    INDEX_MASK,
    KIND_SHIFT,
    MESSAGE,
    NEXT_ROW,
    NO_SERVER,
    OK,
    OPEN,
    OPEN_END,
    OPEN_FIRST,
    PATH,
    RECEIPT,
    REJECTED,
    SILENT,
    SOURCE_SHIFT,
    TIMED_OUT,
    TRY_AGAIN,
    TX_MASK,
    TX_SHIFT,
    UP,
    Balancers,
    Nodes,
    World,
)

__all__ = [
    "DONE",
    "DOWN",
    "ERROR",
    "FAILING",
    "HANGING",
    "HEAP_FULL",
    "NO_SERVER",
    "OK",
    "OPEN",
    "REJECTED",
    "SILENT",
    "TIMED_OUT",
    "UP",
    "Balancers",
    "Nodes",
    "World",
    "advance",
    "freeze",
]

DONE, HEAP_FULL = 0, 1


@kernel
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
    columns, codes, heap = world.book.columns, world.book.codes, world.heap
    balancers, settings, base_ns = world.balancers, world.settings, world.paths.base_ns
    nodes = world.nodes.state.shape[0]
    room = heap.events.shape[0] - nodes * (world.pools.coming.shape[1] + 1) - 2
    if heap.size[0] < room:
        for node in range(nodes):
            if is_full(world, node):
                put_in_order(world, node, 0)
    while heap.size[0] < room:
        row = world.marks[NEXT_ROW]
        due = columns[SUBMIT_NS, row] if row < rows else NEVER
        now = heap.events[0, 0] if heap.size[0] > 0 else NEVER
        if min(due, now) >= until_ns:
            for node in range(nodes):
                take_arrived(world, node, until_ns)
            return DONE
        if due <= now:
            world.marks[NEXT_ROW] += 1
            submit(columns, codes, balancers.route, balancers.home, settings, base_ns, nodes, heap, row)
            continue
        code = heap.events[0, 1]
        kind, tx, node = code >> KIND_SHIFT, (code >> TX_SHIFT) & TX_MASK, code & INDEX_MASK
        pop(heap)
        if kind == RECEIPT:
            world.pools.counts[QUEUED, node] -= 1
            if codes[MODE, tx] == PATH:
                take_known(world, tx, node)
        elif kind == AT_SERVER:
            at_server(world, tx, now)
        elif kind == MESSAGE:
            receive(world, tx, (code >> SOURCE_SHIFT) & INDEX_MASK, node, now)
        else:
            at_balancer(world, tx, now, kind == TRY_AGAIN)
    return HEAP_FULL


@kernel
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
    columns, codes, marks = world.book.columns, world.book.codes, world.marks
    nodes = world.nodes.state.shape[0]
    while marks[OPEN_FIRST] < marks[OPEN_END]:
        tx = codes[ACCEPTED_ROW, marks[OPEN_FIRST]]
        if world.heap.size[0] + nodes * nodes > world.heap.events.shape[0]:
            return HEAP_FULL
        if codes[MODE, tx] == PATH and columns[LAST_NS, tx] + world.settings[HORIZON_NS] >= now_ns:
            thaw(world, tx, now_ns)
        marks[OPEN_FIRST] += 1
    return DONE
