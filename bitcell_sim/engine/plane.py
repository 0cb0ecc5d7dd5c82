"""The transaction plane by kernels: a batch of transactions between two control events in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.chain.workload import Clients, gas_and_bytes
from bitcell_sim.kernels import mempool, transactions, world
from bitcell_sim.kernels.compiling import entry
from bitcell_sim.kernels.event_heap import grow_heap, new_heap
from bitcell_sim.kernels.mempool import Book
from bitcell_sim.kernels.paths import transmission_ns
from bitcell_sim.network.latency import longest_message_ns
from bitcell_sim.random_streams import stream_key
from bitcell_sim.units import ms_to_ns, seconds_to_ns

if TYPE_CHECKING:
    from bitcell_sim.config.schema import Block, LoadBalancer, Scenario
    from bitcell_sim.kernels.arrays import Ints
    from bitcell_sim.kernels.paths import LinkState, Paths
    from bitcell_sim.kernels.transactions import Balancers, Nodes

_BATCH_ROWS = 8192  # how many transactions are asked of the clients at once
_SPARE_SHARE = 50  # room beyond the expected number of transactions, as one part in so many
_FIRST_HEAP = 1024  # events, beside the room for what may turn into events at once


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
    """Collect the settings of the requests and the flood (see `kernels.world`)."""
    balancer, wire = scenario.deployment.load_balancer, scenario.protocol.wire
    security = scenario.deployment.security
    return np.array(
        [
            balancer.retries,
            seconds_to_ns(min(balancer.retry_pause_s, balancer.connect_timeout_s)),
            seconds_to_ns(balancer.connect_timeout_s),
            seconds_to_ns(balancer.server_timeout_s),
            int(balancer.redispatch),
            seconds_to_ns(scenario.workload.client_timeout_s),
            ms_to_ns(scenario.workload.access_delay_ms),
            wire.overhead_bytes,
            wire.announce_bytes + wire.overhead_bytes,
            ms_to_ns(scenario.protocol.costs.transaction_check_ms),
            horizon_ns,
            *rate_limit_ns(balancer),
            security.client_round_trips,
            security.server_round_trips,
            ms_to_ns(security.handshake_ms + security.authentication_ms),
        ],
        np.int64,
    )


def rate_limit_ns(balancer: LoadBalancer) -> tuple[int, int]:
    """Gap between two requests at the limited rate and how far ahead of it they may be, nanoseconds; 0 for no limit."""
    if balancer.rate_limit_per_s is None:
        return 0, 0
    gap_ns = max(1, seconds_to_ns(1.0 / balancer.rate_limit_per_s))
    return gap_ns, (balancer.rate_limit_burst - 1) * gap_ns


def plane_keys(seed: int) -> tuple[int, int, int, int]:
    """Keys of the planes' draws, in the order of `kernels.world`."""
    names = ("plane.client", "plane.rpc", "plane.answer", "plane.gossip")
    return tuple(stream_key(seed, name) for name in names)  # type: ignore[return-value]


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
        expected = int(clients.rate_tps * scenario.duration_s)
        self._taken_rows = 0
        self._taken_ns = self._worked_ns = 0
        self._sent_bytes, self._received_bytes = np.zeros(n, np.int64), np.zeros(n, np.int64)
        protocol = scenario.protocol
        keyed = protocol.quirks.price_second_key
        self._world = transactions.World(
            book=mempool.new_book(expected + expected // _SPARE_SHARE + 2 * _BATCH_ROWS, n),
            pools=mempool.new_pools(n, protocol.mempool.capacity, price_second_key=keyed),
            nodes=shared.nodes,
            balancers=shared.balancers,
            paths=shared.paths,
            links=shared.links,
            heap=new_heap(_FIRST_HEAP + n * (mempool.COMING_ROOM + 1)),
            settings=plane_settings(scenario, 0),
            keys=np.array(plane_keys(seed), np.uint64),
            marks=np.zeros(3, np.int64),
            passed_bytes=np.zeros((n, n + 1), np.int64),
            settled=np.zeros(n, np.uint8),
        )
        book, pools, rows = self._world.book, self._world.pools, np.zeros(0, np.int64)
        self._advance = entry(transactions.advance, self._world, 0, 0)
        self._include = entry(mempool.include, book.marks, pools, 0, rows)

    @property
    def rows(self) -> int:
        """Transactions submitted so far."""
        return int(self._world.marks[world.NEXT_ROW])

    @property
    def book(self) -> Book:
        """All transactions so far, and rows for later ones."""
        return self._world.book

    @property
    def accepted_count(self) -> int:
        """Transactions accepted so far."""
        return int(self._world.marks[world.OPEN_END])

    @property
    def flood_bytes(self) -> tuple[Ints, Ints]:
        """Bytes that each node has sent and received for transactions."""
        self._book_traffic()
        return self._sent_bytes, self._received_bytes

    def advance(self, now_ns: int) -> None:
        """Work off everything due before a moment."""
        if now_ns <= self._worked_ns:
            return
        self._worked_ns = now_ns
        self._take(now_ns)
        while self._advance(self._world, now_ns, self._taken_rows) == transactions.HEAP_FULL:
            self._world = self._world._replace(heap=grow_heap(self._world.heap))

    def freeze(self, now_ns: int) -> None:
        """Advance, and turn what is in flight into single messages."""
        self.advance(now_ns)
        self._book_traffic()
        self._world.settings[world.HORIZON_NS] = self._longest_copy_ns()
        while transactions.freeze(self._world, now_ns) == transactions.HEAP_FULL:
            self._world = self._world._replace(heap=grow_heap(self._world.heap))

    def set_rate(self, rate_tps: float, now_ns: int) -> None:
        """Change the offered load; what was taken ahead is withdrawn and taken again."""
        self.advance(now_ns)
        self._clients.set_rate(rate_tps, now_ns)
        self._taken_rows, self._taken_ns = self.rows, now_ns

    def select(self, node: int, now_ns: int) -> Ints:
        """Rows for a block of this node, in the block's order."""
        self.advance(now_ns)
        limits = self._block
        return mempool.select(self._world.book, self._world.pools, node, limits.max_transactions, limits.gas_limit)

    def include(self, node: int, rows: Ints, now_ns: int) -> None:
        """The node adopts a block with these rows."""
        self.advance(now_ns)
        self._include(self._world.book.marks, self._world.pools, node, rows)

    def restore(self, node: int, rows: Ints, now_ns: int) -> None:
        """The node leaves a block with these rows."""
        self.advance(now_ns)
        boot_ns = int(self._world.nodes.boot_ns[node])
        mempool.restore(self._world.book, self._world.pools, node, rows, boot_ns, now_ns)

    def crash(self, node: int, now_ns: int) -> None:
        """The node's process dies with its pool."""
        mempool.forget(self._world.book.marks, self._world.pools, node)

    def boot(self, node: int, now_ns: int) -> None:
        """The node's process starts: what arrived before `boot_ns` is not held."""

    def pending(self, node: int, now_ns: int) -> int:
        """Transactions in a node's pool."""
        self.advance(now_ns)
        return int(self._world.pools.counts[mempool.HELD, node])

    def block_size(self, rows: Ints) -> tuple[int, int]:
        """Gas and bytes of these rows."""
        book = self._world.book
        return int(book.gas[rows].sum()), int(book.size_bytes[rows].sum())

    def _take(self, until_ns: int) -> None:
        """Write into the book what the clients send before a moment, and a good deal of what they send later."""
        if until_ns <= self._taken_ns:
            return
        rate_tps = self._clients.rate_tps
        ahead_ns = seconds_to_ns(_BATCH_ROWS / rate_tps) if rate_tps > 0.0 else 0
        self._taken_ns = max(until_ns, self._taken_ns + ahead_ns)
        arrivals = self._clients.take(self._taken_ns)
        first, end = self._taken_rows, self._taken_rows + len(arrivals.submit_ns)
        rows = self._world.book.columns.shape[1]
        if end > rows:
            self._world = self._world._replace(book=mempool.grow_book(self._world.book, max(end, 2 * rows)))
        book = self._world.book
        book.draw_id[first:end] = arrivals.draw_id
        book.submit_ns[first:end] = arrivals.submit_ns
        book.region[first:end] = arrivals.region
        book.price[first:end] = arrivals.price
        book.gas[first:end], book.size_bytes[first:end] = gas_and_bytes(arrivals, self._block)
        self._taken_rows = end

    def _book_traffic(self) -> None:
        """Turn what each node has passed on into copies to its peers of now: all but the one it had it from."""
        passed, peers = self._world.passed_bytes, self._world.nodes.peers.astype(np.int64)
        copies = peers * (passed.sum(axis=1, keepdims=True) - passed[:, :-1])
        self._sent_bytes += copies.sum(axis=1)
        self._received_bytes += copies.sum(axis=0)
        passed[:] = 0

    def _longest_copy_ns(self) -> int:
        """Upper bound of a copy's time from receipt to receipt, nanoseconds: check, transmission, the longest way."""
        paths, links, settings = self._shared.paths, self._shared.links, self._world.settings
        size = int(self.book.size_bytes[: self.rows].max(initial=0)) + int(settings[world.OVERHEAD_BYTES])
        wire_ns = transmission_ns(size, int(links.uplink_bit_per_s.min()))
        return int(settings[world.CHECK_NS]) + wire_ns + longest_message_ns(paths, links)
