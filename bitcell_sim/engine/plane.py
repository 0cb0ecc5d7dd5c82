"""The transaction plane by kernels: a batch of transactions between two control events in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.chain.workload import Clients, gas_and_bytes
from bitcell_sim.kernels import mempool, transactions
from bitcell_sim.kernels.event_heap import EventHeap, new_heap
from bitcell_sim.kernels.mempool import NEVER, Book, Pools
from bitcell_sim.kernels.paths import transmission_ns
from bitcell_sim.network.latency import longest_message_ns
from bitcell_sim.random_streams import stream_key
from bitcell_sim.units import ms_to_ns, seconds_to_ns

if TYPE_CHECKING:
    from bitcell_sim.config.schema import Block, Scenario
    from bitcell_sim.kernels.arrays import Ints
    from bitcell_sim.kernels.paths import LinkState, Paths
    from bitcell_sim.kernels.transactions import Balancers, Nodes

_FIRST_ROWS = 4096
_FIRST_HEAP = 1024


@dataclass
class Shared:
    """What the planes and the control plane look at together: arrays that change in place.

    Parameters
    ----------
    paths, links, nodes, balancers
        See `kernels.paths` and `kernels.transactions`.
    """

    paths: Paths
    links: LinkState
    nodes: Nodes
    balancers: Balancers


def plane_settings(scenario: Scenario, horizon_ns: int) -> Ints:
    """Settings of the requests and the flood, as both planes read them (see `kernels.transactions`)."""
    balancer, wire = scenario.deployment.load_balancer, scenario.protocol.wire
    return np.array(
        [
            balancer.retries,
            seconds_to_ns(balancer.retry_pause_s),
            seconds_to_ns(balancer.connect_timeout_s),
            int(balancer.redispatch),
            seconds_to_ns(scenario.workload.client_timeout_s),
            ms_to_ns(scenario.workload.access_delay_ms),
            wire.overhead_bytes,
            wire.announce_bytes + wire.overhead_bytes,
            ms_to_ns(scenario.protocol.costs.transaction_check_ms),
            horizon_ns,
        ],
        np.int64,
    )


def plane_keys(seed: int) -> tuple[int, int, int, int]:
    """Keys of the planes' draws, in the order of `kernels.transactions`."""
    names = ("plane.client", "plane.rpc", "plane.answer", "plane.gossip")
    return tuple(stream_key(seed, name) for name in names)  # type: ignore[return-value]


def new_book(rows: int, nodes: int) -> Book:
    """Book with room for `rows` transactions."""
    ids = {name: np.zeros(rows, np.int64) for name in ("draw_id", "submit_ns", "price", "gas", "size_bytes")}
    small = {name: np.full(rows, -1, np.int32) for name in ("region", "balancer", "server", "attempt", "origin")}
    times = {name: np.full(rows, -1, np.int64) for name in ("sent_ns", "accepted_ns", "answered_ns", "last_ns")}
    flags = {name: np.zeros(rows, np.uint8) for name in ("request", "mode")}
    return Book(
        **ids,
        **small,
        **times,
        **flags,
        arrival_ns=np.full((rows, nodes), NEVER, np.int64),
        parent=np.full((rows, nodes), -1, np.int16),
        pool=np.zeros((rows, nodes), np.uint8),
        included=np.zeros((rows, nodes), np.uint8),
    )


def grow_book(book: Book, rows: int) -> Book:
    """Book with more room; what it holds stays."""
    larger = new_book(rows, book.arrival_ns.shape[1])
    for old, new in zip(book, larger, strict=True):
        new[: len(old)] = old
    return larger


class KernelPlane:
    """The default maker of the transaction plane.

    Parameters
    ----------
    scenario : Scenario
        Settings.
    shared : Shared
        Network and nodes; changed by the control plane between calls.
    clients : Clients
        Where the transactions come from.
    seed : int
        Seed of the run.
    """

    def __init__(self, scenario: Scenario, shared: Shared, clients: Clients, *, seed: int) -> None:
        self._block: Block = scenario.protocol.block
        self._clients = clients
        self._shared = shared
        n = len(scenario.deployment.node)
        capacity = scenario.protocol.mempool.capacity
        room = 4 * capacity + 16
        self.rows = 0
        self._settings = plane_settings(scenario, 0)
        self._world = transactions.World(
            book=new_book(_FIRST_ROWS, n),
            pools=Pools(np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros((n, room), np.int32), capacity),
            nodes=shared.nodes,
            balancers=shared.balancers,
            paths=shared.paths,
            links=shared.links,
            heap=new_heap(_FIRST_HEAP),
            settings=self._settings,
            keys=np.array(plane_keys(seed), np.uint64),
            marks=np.zeros(3, np.int64),
            open_rows=np.zeros(_FIRST_ROWS, np.int32),
            sent_bytes=np.zeros(n, np.int64),
            received_bytes=np.zeros(n, np.int64),
            settled=np.zeros(n, np.uint8),
        )

    @property
    def book(self) -> Book:
        """All transactions so far."""
        return self._world.book

    @property
    def accepted_count(self) -> int:
        """Transactions accepted so far."""
        return int(self._world.marks[transactions.OPEN_END])

    @property
    def flood_bytes(self) -> tuple[Ints, Ints]:
        """Bytes that each node has sent and received for transactions."""
        return self._world.sent_bytes, self._world.received_bytes

    def advance(self, now_ns: int) -> None:
        """Work off everything due before a moment."""
        self._take(now_ns)
        while transactions.advance(self._world, now_ns, self.rows) == transactions.HEAP_FULL:
            self._grow_heap()

    def freeze(self, now_ns: int) -> None:
        """Advance, and turn what is in flight into single messages."""
        self.advance(now_ns)
        self._settings[transactions.HORIZON_NS] = self._longest_copy_ns()
        while transactions.freeze(self._world, now_ns) == transactions.HEAP_FULL:
            self._grow_heap()

    def set_rate(self, rate_tps: float, now_ns: int) -> None:
        """Change the offered load."""
        self._take(now_ns)
        self._clients.set_rate(rate_tps, now_ns)

    def select(self, node: int, now_ns: int) -> Ints:
        """Rows for a block of this node, in the block's order."""
        self.advance(now_ns)
        limits = self._block
        return mempool.select(self._world.book, self._world.pools, node, limits.max_transactions, limits.gas_limit)

    def include(self, node: int, rows: Ints, now_ns: int) -> None:
        """The node adopts a block with these rows."""
        self.advance(now_ns)
        mempool.include(self._world.book, self._world.pools, node, rows)

    def restore(self, node: int, rows: Ints, now_ns: int) -> None:
        """The node leaves a block with these rows."""
        self.advance(now_ns)
        boot_ns = int(self._world.nodes.boot_ns[node])
        mempool.restore(self._world.book, self._world.pools, node, rows, boot_ns, now_ns)

    def crash(self, node: int, now_ns: int) -> None:
        """The node's process dies with its pool."""
        mempool.forget(self._world.book, self._world.pools, node)

    def boot(self, node: int, now_ns: int) -> None:
        """The node's process starts: what arrived before `boot_ns` is not held."""

    def pending(self, node: int, now_ns: int) -> int:
        """Transactions in a node's pool."""
        self.advance(now_ns)
        return int(self._world.pools.size[node])

    def block_size(self, rows: Ints) -> tuple[int, int]:
        """Gas and bytes of these rows."""
        book = self._world.book
        return int(book.gas[rows].sum()), int(book.size_bytes[rows].sum())

    def _take(self, until_ns: int) -> None:
        arrivals = self._clients.take(until_ns)
        count = len(arrivals.submit_ns)
        if count == 0:
            return
        first, end = self.rows, self.rows + count
        if end > len(self._world.book.submit_ns):
            rows = max(end, 2 * len(self._world.book.submit_ns))
            open_rows = np.zeros(rows, np.int32)
            open_rows[: len(self._world.open_rows)] = self._world.open_rows
            self._world = self._world._replace(book=grow_book(self._world.book, rows), open_rows=open_rows)
        book = self._world.book
        book.draw_id[first:end] = arrivals.draw_id
        book.submit_ns[first:end] = arrivals.submit_ns
        book.region[first:end] = arrivals.region
        book.price[first:end] = arrivals.price
        book.gas[first:end], book.size_bytes[first:end] = gas_and_bytes(arrivals, self._block)
        book.attempt[first:end] = 0
        self.rows = end

    def _longest_copy_ns(self) -> int:
        """Upper bound of a copy's time from receipt to receipt, nanoseconds: check, transmission, the longest way."""
        paths, links = self._shared.paths, self._shared.links
        size = int(self._world.book.size_bytes[: self.rows].max(initial=0))
        size += int(self._settings[transactions.OVERHEAD_BYTES])
        wire_ns = transmission_ns(size, int(links.uplink_bit_per_s.min()))
        return int(self._settings[transactions.CHECK_NS]) + wire_ns + longest_message_ns(paths, links)

    def _grow_heap(self) -> None:
        old = self._world.heap
        larger = EventHeap(np.zeros(2 * len(old.times_ns), np.int64), np.zeros(2 * len(old.codes), np.int64), old.size)
        larger.times_ns[: len(old.times_ns)] = old.times_ns
        larger.codes[: len(old.codes)] = old.codes
        self._world = self._world._replace(heap=larger)
