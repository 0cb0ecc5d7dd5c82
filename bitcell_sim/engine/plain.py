"""The transaction plane once more, slow and obvious: one SimPy process a message, sets for pools, Python's sort.

It makes what ``engine.plane`` makes with kernels, from the same draws, and is never on the default path: the tests in
``tests/differential`` demand that both agree to the nanosecond. Nothing is known ahead here and nothing is worked off
in batches. A request's hop, a retry, a copy of a transaction from one node to another: each is a process that sleeps
until its arrival and then looks at what it finds there.

Notes
-----
What the control plane does at a moment comes before what messages do at it. Among messages of one moment the order is
that of :class:`Step`, then of the transactions, then of source and target; it never depends on who was started first.
"""

from __future__ import annotations

import copy
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy

from bitcell_sim.chain.workload import Arrivals, Clients, gas_and_bytes
from bitcell_sim.engine.plain_messages import NOBODY, Moment, Step, Transaction
from bitcell_sim.engine.plane import Shared, plane_keys, rate_limit_ns
from bitcell_sim.kernels import paths_plain
from bitcell_sim.kernels.mempool import COLLIDED, NEVER, POOLED, Book, new_book
from bitcell_sim.kernels.mempool_plain import PlainPool
from bitcell_sim.kernels.rate_limit_plain import PlainLimiter
from bitcell_sim.kernels.world import DOWN, ERROR, HANGING, NO_SERVER, OK, REJECTED, SILENT, TIMED_OUT, UP
from bitcell_sim.network.clock import Clock
from bitcell_sim.units import NS_PER_S, ms_to_ns, seconds_to_ns

if TYPE_CHECKING:
    from bitcell_sim.config.schema import Scenario
    from bitcell_sim.kernels.arrays import Ints

Steps = Generator[simpy.Event, Any, None]
_PREVIEW_NS = NS_PER_S  # how far ahead the feeder looks; the run does not depend on it


class PlainPlane:
    """The maker of the transaction plane to compare with.

    Parameters
    ----------
    scenario : Scenario
        Settings.
    shared : Shared
        Network and nodes; changed by the control plane.
    clients : Clients
        Where the transactions come from.
    env : Clock
        The control plane's clock: both planes' events stand in its queue.
    seed : int
        Seed of the run.
    """

    def __init__(self, scenario: Scenario, shared: Shared, clients: Clients, *, env: Clock, seed: int) -> None:
        balancer, wire = scenario.deployment.load_balancer, scenario.protocol.wire
        self._env, self._clients, self._block = env, clients, scenario.protocol.block
        self._paths, self._links = shared.paths, shared.links
        self._nodes, self._balancers = shared.nodes, shared.balancers
        self._retries, self._redispatch = balancer.retries, balancer.redispatch
        self._pause_ns = seconds_to_ns(min(balancer.retry_pause_s, balancer.connect_timeout_s))
        self._connect_timeout_ns = seconds_to_ns(balancer.connect_timeout_s)
        self._server_timeout_ns = seconds_to_ns(balancer.server_timeout_s)
        self._limiter = PlainLimiter(*rate_limit_ns(balancer))
        self._client_timeout_ns = seconds_to_ns(scenario.workload.client_timeout_s)
        self._security = scenario.deployment.security
        self._security_ns = ms_to_ns(self._security.handshake_ms + self._security.authentication_ms)
        self._access_ns = ms_to_ns(scenario.workload.access_delay_ms)
        self._check_ns = ms_to_ns(scenario.protocol.costs.transaction_check_ms)
        self._overhead_bytes = wire.overhead_bytes
        self._answer_bytes = wire.announce_bytes + wire.overhead_bytes
        _, self._rpc_key, self._answer_key, self._gossip_key = plane_keys(seed)
        self._node_count = len(scenario.deployment.node)
        self._transactions: list[Transaction] = []
        self._price, self._gas = list[int](), list[int]()
        capacity, keyed = scenario.protocol.mempool.capacity, scenario.protocol.quirks.price_second_key
        self._pools = [PlainPool(capacity, self._price, keyed) for _ in range(self._node_count)]
        self._sent_bytes, self._received_bytes = [0] * self._node_count, [0] * self._node_count
        self.accepted_count = 0
        self._feeder = env.process(self._feed())

    @property
    def _now(self) -> int:
        return int(self._env.now)

    # ------------------------------------------------------------------------------------- interface

    @property
    def rows(self) -> int:
        """Transactions submitted so far."""
        return len(self._transactions)

    @property
    def book(self) -> Book:
        """All transactions so far, as arrays; a copy."""
        book = new_book(self.rows, self._node_count)
        book.price[:], book.gas[:] = self._price, self._gas
        for tx in self._transactions:
            row = tx.row
            book.draw_id[row], book.submit_ns[row], book.region[row] = tx.draw_id, tx.submit_ns, tx.region
            book.size_bytes[row], book.balancer[row], book.server[row] = tx.size_bytes, tx.balancer, tx.server
            book.attempt[row], book.origin[row], book.request[row] = tx.attempt, tx.origin, tx.request
            book.sent_ns[row], book.accepted_ns[row] = tx.sent_ns, tx.accepted_ns
            book.answered_ns[row] = tx.answered_ns
            book.last_ns[row] = max(tx.arrival_ns.values(), default=-1)
            for node, at_ns in tx.arrival_ns.items():
                book.arrival_ns[row, node], book.parent[row, node] = at_ns, tx.parent[node]
        for node, pool in enumerate(self._pools):
            book.pool[sorted(pool.pending), node] = POOLED
            book.pool[sorted(pool.collided), node] = COLLIDED
            book.included[sorted(pool.included), node] = 1
        return book

    @property
    def flood_bytes(self) -> tuple[Ints, Ints]:
        """Bytes that each node has sent and received for transactions."""
        return np.array(self._sent_bytes, np.int64), np.array(self._received_bytes, np.int64)

    def advance(self, now_ns: int) -> None:
        """Nothing to work off: the clock has seen to everything due before now."""
        assert now_ns == self._now, "one clock for both planes"

    def freeze(self, now_ns: int) -> None:
        """Nothing to turn into messages: every copy has been one from the start."""
        self.advance(now_ns)

    def set_rate(self, rate_tps: float, now_ns: int) -> None:
        """Change the offered load; the feeder looks ahead again from here."""
        self._clients.take(now_ns)
        self._clients.set_rate(rate_tps, now_ns)
        self._feeder.interrupt()

    def select(self, node: int, now_ns: int) -> Ints:
        """Rows for a block of this node, in the block's order."""
        limits = self._block
        chosen = self._pools[node].select(self._gas, limits.max_transactions, limits.gas_limit)
        return np.array(chosen, np.int64)

    def include(self, node: int, rows: Ints, now_ns: int) -> None:
        """The node adopts a block with these rows."""
        self._pools[node].include(rows.tolist())

    def restore(self, node: int, rows: Ints, now_ns: int) -> None:
        """The node leaves a block with these rows."""
        self._pools[node].restore(rows.tolist())

    def crash(self, node: int, now_ns: int) -> None:
        """The node's process dies with its pool and with its memory of what it has received."""
        self._pools[node].forget()

    def boot(self, node: int, now_ns: int) -> None:
        """The node's process starts; it was empty since the crash, for a node that is down receives nothing."""
        assert not self._pools[node].received

    def pending(self, node: int, now_ns: int) -> int:
        """Transactions in a node's pool."""
        return len(self._pools[node].pending)

    def block_size(self, rows: Ints) -> tuple[int, int]:
        """Gas and bytes of these rows."""
        chosen = rows.tolist()
        return sum(self._gas[row] for row in chosen), sum(self._transactions[row].size_bytes for row in chosen)

    # --------------------------------------------------------------------------------------- clients

    def _feed(self) -> Steps:
        """Submit what the clients send, when they send it.

        The clients themselves are only asked up to now; what comes next is read from a copy of them, which is thrown
        away when the rate changes.
        """
        while True:
            try:
                end_ns = self._now + _PREVIEW_NS
                arrivals = copy.deepcopy(self._clients).take(end_ns)
                gas, size_bytes = gas_and_bytes(arrivals, self._block)
                for i, at_ns in enumerate(arrivals.submit_ns.tolist()):
                    yield Moment(self._env, at_ns, Step.SUBMIT, self.rows)
                    self._submit(arrivals, i, int(gas[i]), int(size_bytes[i]))
                yield Moment(self._env, end_ns, Step.SUBMIT, self.rows)
                self._clients.take(end_ns)
            except simpy.Interrupt:
                continue

    def _submit(self, arrivals: Arrivals, i: int, gas: int, size_bytes: int) -> None:
        row = len(self._transactions)
        region = int(arrivals.region[i])
        tx = Transaction(row, int(arrivals.draw_id[i]), self._now, region, size_bytes)
        self._transactions.append(tx)
        self._price.append(int(arrivals.price[i]))
        self._gas.append(gas)
        self._env.process(self._request(tx))

    def _request(self, tx: Transaction) -> Steps:
        """Hop from the client to the balancer its region is pointed at; without one the client waits in vain."""
        tx.balancer = int(self._balancers.route[tx.region])
        if tx.balancer == NOBODY:
            self._give_up(tx)
            return
        way_ns = self._access_ns + self._between_regions_ns(tx.region, self._home(tx))
        at_ns = self._now + way_ns * (1 + 2 * self._security.client_round_trips)
        yield Moment(self._env, at_ns, Step.AT_BALANCER, tx.row)
        if self._limiter.lets_through(tx.balancer, self._now):
            self._send_to(tx, self._take_turn(tx))
        else:
            self._answer(tx, REJECTED, self._now)

    def _home(self, tx: Transaction) -> int:
        """Region of the balancer that has the request."""
        return int(self._balancers.home[tx.balancer])

    def _between_regions_ns(self, source: int, target: int) -> int:
        """One way between two regions' endpoints in the middle of the day, nanoseconds; nothing within one."""
        if source == target:
            return 0
        return int(self._paths.base_ns[self._node_count + source, self._node_count + target]) // 2

    # ------------------------------------------------------------------------------------- balancers

    def _next_server(self, balancer: int, start: int) -> int:
        """First server in the ring from `start` on that the balancer takes for up."""
        ring = [(start + step) % self._node_count for step in range(self._node_count)]
        return next((server for server in ring if self._balancers.in_use[balancer, server]), NOBODY)

    def _take_turn(self, tx: Transaction) -> int:
        """Server whose turn it is; the one that has just failed only if there is no other."""
        server = self._next_server(tx.balancer, int(self._balancers.turn[tx.balancer]))
        if server == tx.server:
            server = self._next_server(tx.balancer, tx.server + 1)
        if server != NOBODY:
            self._balancers.turn[tx.balancer] = (server + 1) % self._node_count
        return server

    def _send_to(self, tx: Transaction, server: int) -> None:
        """Try a server, unless there is none or the client has given up."""
        if server == NOBODY:
            self._answer(tx, NO_SERVER, self._now)
        elif self._now > tx.submit_ns + self._client_timeout_ns:
            self._give_up(tx)
        else:
            tx.attempt += tx.server != NOBODY
            tx.server = server
            self._env.process(self._try_server(tx))

    def _try_server(self, tx: Transaction) -> Steps:
        """Hop from the balancer to the server it has chosen, and what the server makes of it."""
        endpoint, server = self._node_count + self._home(tx), tx.server
        tx.sent_ns = now = self._now
        timeout_ns = now + self._connect_timeout_ns
        if self._links.cut[endpoint, server]:
            self._env.process(self._try_again(tx, timeout_ns))
            return
        size = tx.size_bytes + self._overhead_bytes
        at_ns = self._small_message_ns(self._rpc_key, tx, endpoint, server, size)
        at_ns += self._security.server_round_trips * int(self._paths.base_ns[endpoint, server]) + self._security_ns
        yield Moment(self._env, at_ns, Step.AT_SERVER, tx.row)
        state = int(self._nodes.state[server])
        back_ns = NEVER
        if state not in (SILENT, HANGING) and not self._links.cut[server, endpoint]:
            back_ns = self._small_message_ns(self._answer_key, tx, server, endpoint, self._answer_bytes)
        if state == UP:
            self._serve(tx, server, back_ns)
        elif state == SILENT:
            self._env.process(self._try_again(tx, max(timeout_ns, at_ns)))
        elif state == DOWN:
            again_ns = back_ns + (self._pause_ns if self._pauses(tx) else 0)
            self._env.process(self._try_again(tx, max(min(again_ns, timeout_ns), at_ns)))
        else:
            self._answer(tx, ERROR, min(back_ns, now + self._server_timeout_ns))

    def _pauses(self, tx: Transaction) -> bool:
        """Whether the balancer waits a moment after a refusal: not if it may choose among two servers or more."""
        may_choose = self._redispatch and int(self._balancers.in_use[tx.balancer].sum()) > 1
        return tx.attempt < self._retries and not may_choose

    def _try_again(self, tx: Transaction, at_ns: int) -> Steps:
        """Pause of the balancer before the next try, which may go to the next server."""
        yield Moment(self._env, at_ns, Step.TRY_AGAIN, tx.row)
        if tx.attempt >= self._retries:
            self._answer(tx, NO_SERVER, self._now)
            return
        self._send_to(tx, self._take_turn(tx) if self._redispatch else tx.server)

    def _serve(self, tx: Transaction, node: int, back_ns: int) -> None:
        """Take the request into the pool and pass it on to the peers, or reject it."""
        if not self._pools[node].admit(tx.row, self._now):
            self._answer(tx, REJECTED, back_ns)
            return
        tx.origin, tx.accepted_ns = node, self._now
        self.accepted_count += 1
        self._keep(tx, node, NOBODY)
        self._answer(tx, OK, back_ns)

    def _answer(self, tx: Transaction, told: int, at_balancer_ns: int) -> None:
        """Note what the client will hear and when; nothing can change it once the balancer has it."""
        heard_ns = at_balancer_ns + self._access_ns + self._between_regions_ns(self._home(tx), tx.region)
        if heard_ns > tx.submit_ns + self._client_timeout_ns:
            self._give_up(tx)
        else:
            tx.request, tx.answered_ns = told, heard_ns

    def _give_up(self, tx: Transaction) -> None:
        tx.request, tx.answered_ns = TIMED_OUT, tx.submit_ns + self._client_timeout_ns

    def _small_message_ns(self, key: int, tx: Transaction, source: int, target: int, size: int) -> int:
        """Arrival of a message that leaves now and waits for nobody, nanoseconds."""
        now = self._now
        wire_ns = paths_plain.transmission_ns(size, int(self._links.uplink_bit_per_s[source]))
        way = (key, tx.draw_id, tx.attempt, source, target, now, size, self._paths, self._links)
        return now + wire_ns + paths_plain.one_way_ns(*way)

    def _keep(self, tx: Transaction, node: int, source: int) -> None:
        """A node has a transaction for the first time: it tells every peer but the one it has it from."""
        tx.arrival_ns[node] = self._pools[node].received[tx.row] = self._now
        tx.parent[node] = source
        for peer in range(self._node_count):
            if self._nodes.peers[node, peer] and peer != source:
                self._env.process(self._copy(tx, node, peer))

    def _copy(self, tx: Transaction, source: int, target: int) -> Steps:
        """One copy from a node to a peer: checked, put on the wire, under way, and looked at where it arrives."""
        now = self._now
        size = tx.size_bytes + self._overhead_bytes
        self._sent_bytes[source] += size
        self._received_bytes[target] += size
        assert not self._links.cut[source, target], "a connection over a path that is cut"
        ready_ns = now + self._check_ns
        if self._links.queueing[0]:
            leaves_ns = paths_plain.take_uplink(self._links, source, ready_ns, size)
        else:
            leaves_ns = ready_ns + paths_plain.transmission_ns(size, int(self._links.uplink_bit_per_s[source]))
        way = (self._gossip_key, tx.draw_id, 0, source, target, now, size, self._paths, self._links)
        yield Moment(self._env, leaves_ns + paths_plain.one_way_ns(*way), Step.RECEIVE, tx.row, source, target)
        if self._nodes.state[target] == UP and tx.row not in self._pools[target].received:
            self._pools[target].admit(tx.row, self._now)
            self._keep(tx, target, source)
