"""The flood of a transaction over the peers: known ahead while nothing changes, else message by message."""

from __future__ import annotations

from bitcell_sim.kernels.compiling import part
from bitcell_sim.kernels.event_heap import push
from bitcell_sim.kernels.mempool import (
    COMING,
    DRAW_ID,
    HELD,
    LAST_NS,
    MODE,
    NEVER,
    PARENT,
    QUEUED,
    SIZE_BYTES,
    admit,
)
from bitcell_sim.kernels.paths import delay_ns, message_bits, one_way_ns, transmission_ns
from bitcell_sim.kernels.world import (
    CHECK_NS,
    KEY_GOSSIP,
    MESSAGE,
    OVERHEAD_BYTES,
    PATH,
    RECEIPT,
    SINGLE,
    UP,
    World,
    event_code,
)


@part
def flood(world: World, tx: int, origin: int) -> None:
    """Find the first receipts at all nodes while nothing changes: Dijkstra, drawing only delays that can still matter.

    Of two copies that arrive at once, the one from the lower node counts.
    """
    columns, codes, arrival_ns, marks = world.book
    links, nodes, paths = world.links, world.nodes, world.paths
    key, name = world.keys[KEY_GOSSIP], columns[DRAW_ID, tx]
    size = codes[SIZE_BYTES, tx] + world.settings[OVERHEAD_BYTES]
    count = nodes.state.shape[0]
    for node in range(count):
        world.settled[node] = nodes.state[node] != UP
    node, dwell, dwell_end, uplink, wire = origin, 0, 0, 0, 0
    while node >= 0:
        at = arrival_ns[tx, node]
        columns[LAST_NS, tx] = at
        world.settled[node] = 1
        if at >= dwell_end:  # divisions are slow, and few nodes differ in these
            dwell = min(at // paths.dwell_ns, paths.slow_ns.shape[0] - 1)
            dwell_end = (at // paths.dwell_ns + 1) * paths.dwell_ns
        if links.uplink_bit_per_s[node] != uplink:
            uplink = links.uplink_bit_per_s[node]
            wire = transmission_ns(size, uplink)
        leaves = at + world.settings[CHECK_NS] + wire
        nearest, nearest_ns = -1, NEVER
        for peer in range(count):
            if world.settled[peer]:
                continue
            reached = arrival_ns[tx, peer]
            if nodes.peers[node, peer]:
                standing = paths.base_ns[node, peer] + paths.slow_ns[dwell, node, peer]
                added = links.added_ns[node, peer]
                if leaves + standing // 2 + added <= reached:
                    bits = message_bits(key, name, 0, node, peer)
                    at_peer = leaves + delay_ns(bits, standing, added, links.loss[node, peer], size, paths.jitter)
                    if at_peer < reached or (at_peer == reached and node < marks[PARENT, tx, peer]):
                        reached = at_peer
                        arrival_ns[tx, peer] = at_peer
                        marks[PARENT, tx, peer] = node
            if reached < nearest_ns:
                nearest, nearest_ns = peer, reached
        node = nearest


@part
def order_matters(world: World, node: int) -> bool:
    """Whether who comes first matters: a pool that may have no room for all that is on its way, or has one a key."""
    counts, pools = world.pools.counts, world.pools
    full = counts[HELD, node] + counts[COMING, node] + counts[QUEUED, node] >= pools.capacity
    return bool(full or pools.holders.shape[1] > 0)


@part
def take_known(world: World, tx: int, node: int) -> None:
    """A node receives what was known ahead."""
    parent, size = world.book.marks[PARENT, tx, node], world.book.codes[SIZE_BYTES, tx]
    world.passed_bytes[node, parent] += size + world.settings[OVERHEAD_BYTES]
    admit(world.book, world.pools, tx, node, world.book.arrival_ns[tx, node])


@part
def take_arrived(world: World, node: int, until_ns: int) -> None:
    """A node receives what has come before a moment of what comes in no order."""
    counts, coming = world.pools.counts, world.pools.coming
    left = 0
    for i in range(counts[COMING, node]):
        tx = coming[node, i]
        if world.book.codes[MODE, tx] != PATH:
            continue  # thawed: it comes message by message
        if world.book.arrival_ns[tx, node] < until_ns:
            take_known(world, tx, node)
        else:
            coming[node, left] = tx
            left += 1
    counts[COMING, node] = left


@part
def put_in_order(world: World, node: int, now: int) -> None:
    """What is on its way to a pool becomes events, for who comes first matters from now on."""
    take_arrived(world, node, now)
    counts = world.pools.counts
    for i in range(counts[COMING, node]):
        tx = world.pools.coming[node, i]
        push(world.heap, world.book.arrival_ns[tx, node], event_code(RECEIPT, tx, 0, node))
    counts[QUEUED, node] += counts[COMING, node]
    counts[COMING, node] = 0


@part
def await_receipts(world: World, tx: int, origin: int, now: int) -> None:
    """Keep the receipts that are known ahead until they happen."""
    counts, coming = world.pools.counts, world.pools.coming
    for node in range(world.nodes.state.shape[0]):
        at = world.book.arrival_ns[tx, node]
        if node == origin or at >= NEVER:
            continue
        in_order = order_matters(world, node)
        if in_order:
            put_in_order(world, node, now)
        elif counts[COMING, node] == coming.shape[1]:
            take_arrived(world, node, now)
        if in_order or counts[COMING, node] == coming.shape[1]:
            push(world.heap, at, event_code(RECEIPT, tx, 0, node))
            counts[QUEUED, node] += 1
        else:
            coming[node, counts[COMING, node]] = tx
            counts[COMING, node] += 1


@part
def take(world: World, tx: int, node: int, now: int) -> bool:
    """A node takes a transaction into its pool, after all that has come before; a full pool refuses it."""
    if order_matters(world, node):
        put_in_order(world, node, now)
    return bool(admit(world.book, world.pools, tx, node, now))


@part
def forward(world: World, tx: int, node: int, parent: int, now: int) -> None:
    """A node passes a transaction on to every peer but the one it has it from, message by message."""
    links = world.links
    name = world.book.columns[DRAW_ID, tx]
    size = world.book.codes[SIZE_BYTES, tx] + world.settings[OVERHEAD_BYTES]
    wire = transmission_ns(size, links.uplink_bit_per_s[node])
    ready = now + world.settings[CHECK_NS]
    for peer in range(world.nodes.state.shape[0]):
        if not world.nodes.peers[node, peer] or peer == parent:
            continue
        leaves = ready + wire
        if links.queueing[0]:
            leaves = max(ready, links.uplink_free_ns[node]) + wire
            links.uplink_free_ns[node] = leaves
        travel = one_way_ns(world.keys[KEY_GOSSIP], name, 0, node, peer, now, size, world.paths, links)
        push(world.heap, leaves + travel, event_code(MESSAGE, tx, node, peer))
    world.passed_bytes[node, parent] += size


@part
def receive(world: World, tx: int, source: int, node: int, now: int) -> None:
    """A single message arrives: the first one that a node receives is kept and passed on."""
    arrival_ns = world.book.arrival_ns
    if world.nodes.state[node] != UP or world.nodes.boot_ns[node] <= arrival_ns[tx, node] < NEVER:
        return
    arrival_ns[tx, node] = now
    world.book.marks[PARENT, tx, node] = source
    take(world, tx, node, now)
    forward(world, tx, node, source, now)


@part
def thaw(world: World, tx: int, now: int) -> None:
    """Turn what is in flight of a transaction into single messages that keep the delays they were sent with."""
    columns, codes, arrival_ns, marks = world.book
    links = world.links
    size = codes[SIZE_BYTES, tx] + world.settings[OVERHEAD_BYTES]
    count = world.nodes.state.shape[0]
    for node in range(count):
        at = arrival_ns[tx, node]
        if at >= now:
            continue
        leaves = at + world.settings[CHECK_NS] + transmission_ns(size, links.uplink_bit_per_s[node])
        for peer in range(count):
            if not world.nodes.peers[node, peer] or peer == marks[PARENT, tx, node]:
                continue
            reached = leaves + one_way_ns(
                world.keys[KEY_GOSSIP], columns[DRAW_ID, tx], 0, node, peer, at, size, world.paths, links
            )
            if reached >= now:
                push(world.heap, reached, event_code(MESSAGE, tx, node, peer))
    for node in range(count):
        if arrival_ns[tx, node] >= now:
            arrival_ns[tx, node] = NEVER
    codes[MODE, tx] = SINGLE
