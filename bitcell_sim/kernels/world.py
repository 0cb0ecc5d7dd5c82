"""What the kernels of the transaction plane read and write: nodes, balancers, settings, and the codes of events."""

from __future__ import annotations

from typing import NamedTuple

from bitcell_sim.kernels.arrays import Flags, Ints, Ints32, Keys
from bitcell_sim.kernels.compiling import part
from bitcell_sim.kernels.event_heap import EventHeap
from bitcell_sim.kernels.mempool import Book, Pools
from bitcell_sim.kernels.paths import LinkState, Paths

AT_BALANCER, AT_SERVER, TRY_AGAIN, RECEIPT, MESSAGE = range(5)
OPEN, OK, REJECTED, NO_SERVER, TIMED_OUT, ERROR = range(6)  # what the client was told
PATH, SINGLE = 1, 2  # modes of a transaction
DOWN, UP, SILENT, HANGING, FAILING = range(5)  # states of a node
KEY_CLIENT, KEY_RPC, KEY_ANSWER, KEY_GOSSIP = range(4)
(
    RETRIES,
    PAUSE_NS,
    CONNECT_TIMEOUT_NS,
    SERVER_TIMEOUT_NS,
    REDISPATCH,
    CLIENT_TIMEOUT_NS,
    ACCESS_NS,
    OVERHEAD_BYTES,
    ANSWER_BYTES,
    CHECK_NS,
    HORIZON_NS,
    LIMIT_GAP_NS,
    LIMIT_BURST_NS,
    CLIENT_TRIPS,
    SERVER_TRIPS,
    SECURITY_NS,
) = range(16)
NEXT_ROW, OPEN_FIRST, OPEN_END = range(3)
TX_SHIFT, SOURCE_SHIFT, KIND_SHIFT = 20, 10, 58
TX_MASK, INDEX_MASK = (1 << 38) - 1, 1023


class Nodes(NamedTuple):
    """State of the nodes, in place.

    Parameters
    ----------
    state : ndarray of uint8, shape (nodes,)
        DOWN refuses connections, UP answers, SILENT gives no sign, HANGING accepts and never answers, FAILING answers
        everything with HTTP 500.
    boot_ns : ndarray of int64, shape (nodes,)
        Start of the running process; what arrived before is forgotten.
    peers : ndarray of uint8, shape (nodes, nodes)
        1 where a connection stands.
    """

    state: Flags
    boot_ns: Ints
    peers: Flags


class Balancers(NamedTuple):
    """State of the load balancers' back-ends, in place; one back-end a balancer, or one a region (a row each).

    Parameters
    ----------
    in_use : ndarray of uint8, shape (balancers, nodes)
        1 where requests may be sent.
    route : ndarray of int32, shape (regions,)
        Row that a region's clients use; -1 for none.
    home : ndarray of int32, shape (balancers,)
        Region that the balancer stands in.
    turn : ndarray of int64, shape (balancers,)
        Server whose turn is next.
    due_ns : ndarray of int64, shape (balancers,)
        When the next request is due at the limited rate; requests ahead of it by more than the burst are refused.
    """

    in_use: Flags
    route: Ints32
    home: Ints32
    turn: Ints
    due_ns: Ints


class World(NamedTuple):
    """Everything the kernels read and write.

    Parameters
    ----------
    book, pools, nodes, balancers, paths, links, heap
        See their types.
    settings : ndarray of int64, shape (13,)
        RETRIES .. LIMIT_BURST_NS above.
    keys : ndarray of uint64, shape (4,)
        Streams of draws.
    marks : ndarray of int64, shape (3,)
        Next row to submit; first and end of the accepted transactions that may still be in flight.
    passed_bytes : ndarray of int64, shape (nodes, nodes + 1)
        Bytes of transactions that each node has passed on to its peers, by whom it had them from (and who therefore did
        not get them back); the last column is its own clients.
    settled : ndarray of uint8, shape (nodes,)
        Room for the flood's own notes.
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
    passed_bytes: Ints
    settled: Flags


@part
def event_code(kind: int, tx: int, source: int, node: int) -> int:
    """What happens, to which transaction and where, in one number; it also decides between equal times."""
    return (kind << KIND_SHIFT) | (tx << TX_SHIFT) | (source << SOURCE_SHIFT) | node
