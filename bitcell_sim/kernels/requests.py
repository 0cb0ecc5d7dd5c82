"""A client's request: to the balancer its region is pointed at, to a server, perhaps again, and back."""

from __future__ import annotations

import numpy as np

from bitcell_sim.kernels.arrays import Flags, Ints, Ints32
from bitcell_sim.kernels.compiling import part
from bitcell_sim.kernels.event_heap import EventHeap, push
from bitcell_sim.kernels.flood import await_receipts, flood, forward, take
from bitcell_sim.kernels.mempool import (
    ACCEPTED_NS,
    ACCEPTED_ROW,
    ANSWERED_NS,
    ATTEMPT,
    BALANCER,
    DRAW_ID,
    LAST_NS,
    MODE,
    NEVER,
    ORIGIN,
    REGION,
    REQUEST,
    SENT_NS,
    SERVER,
    SIZE_BYTES,
    SUBMIT_NS,
)
from bitcell_sim.kernels.paths import LinkState, Paths, one_way_ns, transmission_ns
from bitcell_sim.kernels.rate_limit import within_rate
from bitcell_sim.kernels.world import (
    ACCESS_NS,
    ANSWER_BYTES,
    AT_BALANCER,
    AT_SERVER,
    CLIENT_TIMEOUT_NS,
    CLIENT_TRIPS,
    CONNECT_TIMEOUT_NS,
    ERROR,
    FAILING,
    HANGING,
    KEY_ANSWER,
    KEY_RPC,
    LIMIT_BURST_NS,
    LIMIT_GAP_NS,
    NO_SERVER,
    OK,
    OPEN_END,
    OVERHEAD_BYTES,
    PATH,
    PAUSE_NS,
    REDISPATCH,
    REJECTED,
    RETRIES,
    SECURITY_NS,
    SERVER_TIMEOUT_NS,
    SERVER_TRIPS,
    SILENT,
    SINGLE,
    TIMED_OUT,
    TRY_AGAIN,
    UP,
    World,
    event_code,
)


@part
def access_ns(settings: Ints, base_ns: Ints, nodes: int, source: int, target: int) -> int:
    """One way between a client's region and a balancer's, nanoseconds: the clients' own access and the way between."""
    way: int = settings[ACCESS_NS]
    if source != target:
        way += base_ns[nodes + source, nodes + target] // 2
    return way


@part
def submit(
    columns: Ints,
    codes: Ints32,
    route: Ints32,
    home: Ints32,
    settings: Ints,
    base_ns: Ints,
    nodes: int,
    heap: EventHeap,
    tx: int,
) -> None:
    """The client sends: to the balancer that its region is pointed at; without one it waits in vain."""
    now, region = columns[SUBMIT_NS, tx], codes[REGION, tx]
    balancer = route[region]
    if balancer < 0:
        codes[REQUEST, tx] = TIMED_OUT
        columns[ANSWERED_NS, tx] = now + settings[CLIENT_TIMEOUT_NS]
        return
    codes[BALANCER, tx] = balancer
    way = access_ns(settings, base_ns, nodes, region, home[balancer])
    at = now + way + 2 * way * settings[CLIENT_TRIPS]
    push(heap, at, event_code(AT_BALANCER, tx, 0, 0))


@part
def next_server(in_use: Flags, balancer: int, start: int) -> int:
    """First server from `start` on, round robin, that the balancer takes for up; -1 for none."""
    nodes = in_use.shape[1]
    for step in range(nodes):
        server: int = (start + step) % nodes
        if in_use[balancer, server]:
            return server
    return -1


@part
def other_server(in_use: Flags, balancer: int, start: int, failed: int) -> int:
    """First server from `start` on that the balancer takes for up; the one that has `failed` comes last."""
    found: int = next_server(in_use, balancer, start)
    if found == failed:
        found = next_server(in_use, balancer, failed + 1)
    return found


@part
def answer(
    columns: Ints, codes: Ints32, home: Ints32, settings: Ints, base_ns: Ints, nodes: int, tx: int, told: int, at: int
) -> None:
    """The client hears what the balancer knows at a moment, unless it has given up."""
    given_up = columns[SUBMIT_NS, tx] + settings[CLIENT_TIMEOUT_NS]
    heard = at + access_ns(settings, base_ns, nodes, home[codes[BALANCER, tx]], codes[REGION, tx])
    if heard > given_up:
        heard, told = given_up, TIMED_OUT
    codes[REQUEST, tx] = told
    columns[ANSWERED_NS, tx] = heard


@part
def small_ns(
    key: np.uint64,
    name: int,
    attempt: int,
    source: int,
    target: int,
    now: int,
    size: int,
    paths: Paths,
    links: LinkState,
) -> int:
    """Arrival of a message that does not queue, nanoseconds."""
    travel = one_way_ns(key, name, attempt, source, target, now, size, paths, links)
    return now + transmission_ns(size, links.uplink_bit_per_s[source]) + travel


@part
def at_balancer(world: World, tx: int, now: int, failed: bool) -> None:
    """The balancer chooses a server, the first time or after a try that `failed`, and sends the request to it."""
    columns, codes, settings = world.book.columns, world.book.codes, world.settings
    balancers, links = world.balancers, world.links
    nodes = world.nodes.state.shape[0]
    balancer, server = codes[BALANCER, tx], codes[SERVER, tx]
    told = -1
    gap, burst = settings[LIMIT_GAP_NS], settings[LIMIT_BURST_NS]
    if not failed and not within_rate(balancers.due_ns, balancer, now, gap, burst):
        told = REJECTED
    elif failed and codes[ATTEMPT, tx] >= settings[RETRIES]:
        told = NO_SERVER
    elif not failed or settings[REDISPATCH]:
        server = other_server(balancers.in_use, balancer, balancers.turn[balancer], server)
        if server < 0:
            told = NO_SERVER
        else:
            balancers.turn[balancer] = (server + 1) % nodes
    if told < 0 and now - columns[SUBMIT_NS, tx] > settings[CLIENT_TIMEOUT_NS]:
        told = TIMED_OUT
    if told >= 0:
        answer(columns, codes, balancers.home, settings, world.paths.base_ns, nodes, tx, told, now)
        return
    if failed:
        codes[ATTEMPT, tx] += 1
    codes[SERVER, tx] = server
    columns[SENT_NS, tx] = now
    endpoint = nodes + balancers.home[balancer]
    if links.cut[endpoint, server]:
        push(world.heap, now + settings[CONNECT_TIMEOUT_NS], event_code(TRY_AGAIN, tx, 0, 0))
        return
    size = codes[SIZE_BYTES, tx] + settings[OVERHEAD_BYTES]
    name, attempt = columns[DRAW_ID, tx], codes[ATTEMPT, tx]
    at = small_ns(world.keys[KEY_RPC], name, attempt, endpoint, server, now, size, world.paths, links)
    at += settings[SERVER_TRIPS] * world.paths.base_ns[endpoint, server] + settings[SECURITY_NS]
    push(world.heap, at, event_code(AT_SERVER, tx, 0, 0))


@part
def pause_ns(in_use: Flags, settings: Ints, balancer: int, attempt: int) -> int:
    """Pause of the balancer after a refusal, nanoseconds: none before another of two servers and more."""
    if attempt >= settings[RETRIES]:
        return 0
    count = 0
    for server in range(in_use.shape[1]):
        count += in_use[balancer, server]
    pause: int = settings[PAUSE_NS]
    return 0 if settings[REDISPATCH] and count > 1 else pause


@part
def not_served(world: World, tx: int, now: int, back: int) -> None:
    """The node refuses the request, gives no sign, never answers or answers HTTP 500 (at the balancer at `back`)."""
    columns, codes, settings = world.book.columns, world.book.codes, world.settings
    balancer, nodes = codes[BALANCER, tx], world.nodes.state.shape[0]
    state = world.nodes.state[codes[SERVER, tx]]
    if state in (HANGING, FAILING):
        at = min(back, columns[SENT_NS, tx] + settings[SERVER_TIMEOUT_NS])
        answer(columns, codes, world.balancers.home, settings, world.paths.base_ns, nodes, tx, ERROR, at)
        return
    again = columns[SENT_NS, tx] + settings[CONNECT_TIMEOUT_NS]
    if state != SILENT:
        again = min(again, back + pause_ns(world.balancers.in_use, settings, balancer, codes[ATTEMPT, tx]))
    push(world.heap, max(again, now), event_code(TRY_AGAIN, tx, 0, 0))


@part
def at_server(world: World, tx: int, now: int) -> None:
    """The request reaches the node: accepted and flooded, rejected, or not served at all."""
    columns, codes, settings, links = world.book.columns, world.book.codes, world.settings, world.links
    nodes = world.nodes.state.shape[0]
    server = codes[SERVER, tx]
    state = world.nodes.state[server]
    endpoint = nodes + world.balancers.home[codes[BALANCER, tx]]
    back = NEVER
    if state not in (SILENT, HANGING) and not links.cut[server, endpoint]:
        name, attempt, size = columns[DRAW_ID, tx], codes[ATTEMPT, tx], settings[ANSWER_BYTES]
        back = small_ns(world.keys[KEY_ANSWER], name, attempt, server, endpoint, now, size, world.paths, links)
    if state != UP:
        not_served(world, tx, now, back)
        return
    told = REJECTED
    if take(world, tx, server, now):
        told = OK
        accept(world, tx, server, now)
    answer(columns, codes, world.balancers.home, settings, world.paths.base_ns, nodes, tx, told, back)


@part
def accept(world: World, tx: int, server: int, now: int) -> None:
    """A node has taken a transaction into its pool: it passes it on."""
    columns, codes = world.book.columns, world.book.codes
    codes[ORIGIN, tx] = server
    columns[ACCEPTED_NS, tx] = now
    columns[LAST_NS, tx] = now
    world.book.arrival_ns[tx, server] = now
    codes[ACCEPTED_ROW, world.marks[OPEN_END]] = tx
    world.marks[OPEN_END] += 1
    if world.links.queueing[0]:
        codes[MODE, tx] = SINGLE
        forward(world, tx, server, -1, now)
    else:
        codes[MODE, tx] = PATH
        flood(world, tx, server)
        await_receipts(world, tx, server, now)
        world.passed_bytes[server, -1] += codes[SIZE_BYTES, tx] + world.settings[OVERHEAD_BYTES]
