"""How long a packet is under way: base, slow state, fast jitter, rare spike, and rounds of loss recovery.

One round trip of a link is ``base + slow + fast + spike``; a packet takes half of it, plus what faults add. The slow
state is drawn once per link and dwell (a table), the rest once per message. ``paths_plain`` holds the slow twin.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bitcell_sim.kernels.arrays import Flags, Floats, Ints
from bitcell_sim.kernels.compiling import kernel, njit, part
from bitcell_sim.kernels.draws import exponential, hash4, mix64, unit_interval

FAST_SCALE_NS, SPIKE_PROBABILITY, SPIKE_SCALE_NS, SPIKE_ALPHA, SPIKE_MAX_NS, RETRANSMISSIONS_MAX = range(6)
PACKET_BYTES = 1460  # payload of one TCP segment on Ethernet: 1500 - 20 (IPv4) - 20 (TCP)
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_PAIR = 65_536


class Paths(NamedTuple):
    """Round trips of every directed pair of endpoints: what does not change during a run.

    Parameters
    ----------
    base_ns : ndarray of int64, shape (n, n)
        Constant part of the round trip, nanoseconds.
    slow_ns : ndarray of int64, shape (n_dwells, n, n)
        Slow state in each dwell, nanoseconds.
    dwell_ns : int
        Length of a dwell, nanoseconds.
    jitter : ndarray of float64, shape (6,)
        Fast scale (ns), spike probability, scale (ns), tail index, limit (ns), most retransmissions.
    """

    base_ns: Ints
    slow_ns: Ints
    dwell_ns: int
    jitter: Floats


class LinkState(NamedTuple):
    """What faults do to links and machines at this moment; the arrays change in place.

    Parameters
    ----------
    cut : ndarray of uint8, shape (n, n)
        1 where no packet passes.
    added_ns : ndarray of int64, shape (n, n)
        Added one-way delay, nanoseconds.
    loss : ndarray of float64, shape (n, n)
        Probability that a packet is lost.
    uplink_bit_per_s : ndarray of int64, shape (n,)
        Rate of each endpoint's uplink.
    uplink_free_ns : ndarray of int64, shape (n,)
        When the queue of each uplink is empty.
    queueing : ndarray of uint8, shape (1,)
        1 while small messages take their turn on the uplink too.
    """

    cut: Flags
    added_ns: Ints
    loss: Floats
    uplink_bit_per_s: Ints
    uplink_free_ns: Ints
    queueing: Flags


@njit
def slow_table(key: np.uint64, scale_ns: Floats, link: Ints, n_dwells: int) -> Ints:
    """Slow state of every pair in every dwell.

    Parameters
    ----------
    key : uint64
        Key of the stream.
    scale_ns : ndarray of float64, shape (n, n)
        Mean of the exponential slow state, nanoseconds.
    link : ndarray of int64, shape (n, n)
        Index of the link that a pair rides on; pairs of one link share their state.
    n_dwells : int
        How many dwells.

    Returns
    -------
    ndarray of int64, shape (n_dwells, n, n)
        Nanoseconds added to the round trip.
    """
    n = scale_ns.shape[0]
    table = np.zeros((n_dwells, n, n), np.int64)
    for dwell in range(n_dwells):
        for source in range(n):
            for target in range(n):
                scale = scale_ns[source, target]
                if scale > 0.0:
                    table[dwell, source, target] = np.int64(scale * exponential(key, link[source, target], dwell, 0))
    return table


@part
def recovery_rounds(uniform: float, loss: float, packets: int, limit: int) -> int:
    """Round trips spent on recovering lost packets.

    All lost packets of a message are sent again together, so that k rounds are enough with probability
    ``(1 - loss**(k+1))**packets``; `uniform` in (0, 1) picks k, at most `limit`.
    """
    rounds = 0
    survive = loss
    while rounds < limit and uniform >= (1.0 - survive if packets == 1 else math.pow(1.0 - survive, packets)):
        rounds += 1
        survive *= loss
    return rounds


@part
def round_trip_ns(bits: np.uint64, standing_ns: int, jitter: Floats) -> int:
    """Round trip of one packet, nanoseconds: its base and slow state, and what its random bits add."""
    fast = -math.log(unit_interval(bits) * unit_interval(mix64(bits + _GAMMA))) * jitter[FAST_SCALE_NS]
    rtt = standing_ns + int(fast)
    bits2 = mix64(bits + _GAMMA + _GAMMA)
    if unit_interval(bits2) < jitter[SPIKE_PROBABILITY]:
        size = jitter[SPIKE_SCALE_NS] * math.exp(-math.log(unit_interval(mix64(bits2))) / jitter[SPIKE_ALPHA])
        rtt += int(min(size, jitter[SPIKE_MAX_NS]))
    return rtt


@part
def stands_ns(paths: Paths, source: int, target: int, sent_ns: int) -> int:
    """Give what :func:`standing_ns` gives, to other kernels."""
    dwell = min(sent_ns // paths.dwell_ns, paths.slow_ns.shape[0] - 1)
    standing: int = paths.base_ns[source, target] + paths.slow_ns[dwell, source, target]
    return standing


@njit
def standing_ns(paths: Paths, source: int, target: int, sent_ns: int) -> int:
    """Base and slow state of a pair's round trip at a moment, nanoseconds; the last dwell goes on for ever."""
    return stands_ns(paths, source, target, sent_ns)


@njit
def transmission_ns(size_bytes: int, bit_per_s: int) -> int:
    """Time to put a message on the wire, nanoseconds."""
    return size_bytes * 8_000_000_000 // bit_per_s


@part
def delay_ns(bits: np.uint64, standing_ns: int, added_ns: int, loss: float, size_bytes: int, jitter: Floats) -> int:
    """Propagation of one message, nanoseconds, from its random bits and the state of its link.

    Half a round trip, the added delay, and one whole round trip for each round of loss recovery.
    """
    delay = round_trip_ns(bits, standing_ns, jitter) // 2 + added_ns
    if loss > 0.0:
        packets = (size_bytes + PACKET_BYTES - 1) // PACKET_BYTES
        uniform = unit_interval(mix64(bits ^ _GAMMA))
        rounds = recovery_rounds(uniform, loss, packets, int(jitter[RETRANSMISSIONS_MAX]))
        delay += rounds * (standing_ns + 2 * added_ns)
    return delay


@part
def message_bits(key: np.uint64, message: int, sequence: int, source: int, target: int) -> np.uint64:
    """Random bits of one message between two endpoints."""
    return hash4(key, message, source * _PAIR + target, sequence)


@part
def one_way_ns(
    key: np.uint64,
    message: int,
    sequence: int,
    source: int,
    target: int,
    sent_ns: int,
    size_bytes: int,
    paths: Paths,
    links: LinkState,
) -> int:
    """Propagation of one message, nanoseconds, without its transmission and without waiting.

    Parameters
    ----------
    key : uint64
        Key of the kind of message.
    message, sequence : int64
        Which message, and which try of it.
    source, target : int
        Endpoints.
    sent_ns : int64
        When it is sent; decides the slow state.
    size_bytes : int64
        Decides how many packets can be lost.
    paths : Paths
        Round trips.
    links : LinkState
        What faults add.
    """
    bits = message_bits(key, message, sequence, source, target)
    standing = stands_ns(paths, source, target, sent_ns)
    added, loss = links.added_ns[source, target], links.loss[source, target]
    return delay_ns(bits, standing, added, loss, size_bytes, paths.jitter)


@kernel
def broadcast_ns(
    key: np.uint64,
    message: int,
    sequence: int,
    source: int,
    sent_ns: int,
    size_bytes: int,
    targets: Ints,
    paths: Paths,
    links: LinkState,
    arrivals_ns: Ints,
) -> None:
    """Arrival of one small message at each target, nanoseconds, into `arrivals_ns`; -1 where the path is cut.

    Each copy pays its own transmission; it takes its turn on the uplink only while `links.queueing` says so.
    """
    wire = transmission_ns(size_bytes, links.uplink_bit_per_s[source])
    for i in range(targets.shape[0]):
        target = targets[i]
        if links.cut[source, target]:
            arrivals_ns[i] = -1
            continue
        leaves = sent_ns + wire
        if links.queueing[0]:
            leaves = max(sent_ns, links.uplink_free_ns[source]) + wire
            links.uplink_free_ns[source] = leaves
        travel = one_way_ns(key, message, sequence, source, target, sent_ns, size_bytes, paths, links)
        arrivals_ns[i] = leaves + travel


@kernel
def bulk_ns(
    key: np.uint64,
    message: int,
    sequence: int,
    source: int,
    target: int,
    sent_ns: int,
    size_bytes: int,
    window_bytes: int,
    paths: Paths,
    links: LinkState,
) -> int:
    """Arrival of one bulk message, nanoseconds: its turn on the uplink, its windows' round trips, its propagation."""
    start = max(sent_ns, links.uplink_free_ns[source])
    leaves = start + transmission_ns(size_bytes, links.uplink_bit_per_s[source])
    links.uplink_free_ns[source] = leaves
    windows = (size_bytes + window_bytes - 1) // window_bytes
    standing = stands_ns(paths, source, target, sent_ns) + 2 * links.added_ns[source, target]
    travel = one_way_ns(key, message, sequence, source, target, sent_ns, size_bytes, paths, links)
    arrives: int = leaves + (windows - 1) * standing + travel
    return arrives


@njit
def pings_ns(key: np.uint64, source: int, target: int, at_ns: Ints, paths: Paths, links: LinkState) -> Ints:
    """Round trips of pings, nanoseconds; -1 where the path is cut or the packet was lost.

    Parameters
    ----------
    key : uint64
        Key of the stream.
    source, target : int
        Endpoints.
    at_ns : ndarray of int64, shape (n,)
        When each ping leaves; the position in the array names its draw.
    paths : Paths
        Round trips.
    links : LinkState
        What faults add.

    Returns
    -------
    ndarray of int64, shape (n,)
        An echo request is one packet each way: a lost one is not sent again.
    """
    result = np.empty(at_ns.shape[0], np.int64)
    for i in range(at_ns.shape[0]):
        if links.cut[source, target] or links.cut[target, source]:
            result[i] = -1
            continue
        bits = hash4(key, i, source * _PAIR + target, 0)
        arrive = (1.0 - links.loss[source, target]) * (1.0 - links.loss[target, source])
        if unit_interval(mix64(bits ^ _GAMMA)) >= arrive:
            result[i] = -1
            continue
        rtt = round_trip_ns(bits, stands_ns(paths, source, target, at_ns[i]), paths.jitter)
        result[i] = rtt + links.added_ns[source, target] + links.added_ns[target, source]
    return result
