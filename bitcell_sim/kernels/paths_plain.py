"""Slow twin of ``paths``: the same delays in plain Python integers and floats, one message at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.kernels.draws_plain import exponential, hash4, mix64, unit_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bitcell_sim.kernels.arrays import Floats, Ints
    from bitcell_sim.kernels.paths import LinkState, Paths

_GAMMA = 0x9E3779B97F4A7C15
_PAIR = 2**16
_SEGMENT_BYTES = 1460  # payload of one TCP segment on Ethernet: 1500 - 20 (IPv4) - 20 (TCP)


def slow_table(key: int, scale_ns: Floats, link: Ints, n_dwells: int) -> Ints:
    """Slow state of every pair in every dwell, nanoseconds."""
    n = len(scale_ns)
    table = [
        [[_slow_ns(key, float(scale_ns[i, j]), int(link[i, j]), dwell) for j in range(n)] for i in range(n)]
        for dwell in range(n_dwells)
    ]
    return np.array(table, np.int64).reshape(n_dwells, n, n)


def _slow_ns(key: int, scale_ns: float, link: int, dwell: int) -> int:
    return int(scale_ns * exponential(key, link, dwell, 0)) if scale_ns > 0.0 else 0


def recovery_rounds(uniform: float, loss: float, packets: int, limit: int) -> int:
    """Round trips spent on recovering lost packets: the least k with uniform below (1 - loss**(k+1))**packets."""
    survive = loss
    for rounds in range(limit):
        if uniform < math.pow(1.0 - survive, packets):
            return rounds
        survive *= loss
    return limit


def round_trip_ns(bits: int, standing_ns: int, jitter: Floats) -> int:
    """Round trip of one packet, nanoseconds: what stands, a Gamma(2) of fast jitter, and rarely a Pareto spike."""
    fast_scale, spike_probability, spike_scale, spike_alpha, spike_max, _ = jitter.tolist()
    second = mix64(bits + _GAMMA)
    third = mix64(bits + 2 * _GAMMA)
    rtt = standing_ns + int(-math.log(unit_interval(bits) * unit_interval(second)) * fast_scale)
    if unit_interval(third) < spike_probability:
        pareto = math.exp(-math.log(unit_interval(mix64(third))) / spike_alpha)
        rtt += int(min(spike_scale * pareto, spike_max))
    return rtt


def standing_ns(paths: Paths, source: int, target: int, sent_ns: int) -> int:
    """Base and slow state of a pair's round trip at a moment, nanoseconds; the last dwell goes on for ever."""
    dwell = min(sent_ns // int(paths.dwell_ns), len(paths.slow_ns) - 1)
    return int(paths.base_ns[source, target]) + int(paths.slow_ns[dwell, source, target])


def transmission_ns(size_bytes: int, bit_per_s: int) -> int:
    """Time to put a message on the wire, nanoseconds."""
    return int(size_bytes) * 8 * 10**9 // int(bit_per_s)


def message_bits(key: int, message: int, sequence: int, source: int, target: int) -> int:
    """Random bits of one message between two endpoints."""
    return hash4(key, message, source * _PAIR + target, sequence)


def delay_ns(
    bits: int, standing: int, source: int, target: int, size_bytes: int, paths: Paths, links: LinkState
) -> int:
    """Propagation, nanoseconds, of a message with some random bits: half a round trip, added delay, loss recovery."""
    added = int(links.added_ns[source, target])
    delay = round_trip_ns(bits, standing, paths.jitter) // 2 + added
    loss = float(links.loss[source, target])
    if loss > 0.0:
        packets = math.ceil(size_bytes / _SEGMENT_BYTES)
        rounds = recovery_rounds(unit_interval(mix64(bits ^ _GAMMA)), loss, packets, int(paths.jitter[-1]))
        delay += rounds * (standing + 2 * added)
    return delay


def one_way_ns(
    key: int,
    message: int,
    sequence: int,
    source: int,
    target: int,
    sent_ns: int,
    size_bytes: int,
    paths: Paths,
    links: LinkState,
) -> int:
    """Propagation of one message, nanoseconds: half a round trip, added delay, and rounds of loss recovery."""
    bits = message_bits(key, message, sequence, source, target)
    standing = standing_ns(paths, source, target, sent_ns)
    return delay_ns(bits, standing, source, target, size_bytes, paths, links)


def take_uplink(links: LinkState, source: int, ready_ns: int, size_bytes: int) -> int:
    """Wait for the turn on an uplink and put a message on it; when it has left, nanoseconds."""
    start = max(ready_ns, int(links.uplink_free_ns[source]))
    leaves = start + transmission_ns(size_bytes, int(links.uplink_bit_per_s[source]))
    links.uplink_free_ns[source] = leaves
    return leaves


def broadcast_ns(
    key: int,
    message: int,
    sequence: int,
    source: int,
    sent_ns: int,
    size_bytes: int,
    targets: Sequence[int],
    paths: Paths,
    links: LinkState,
) -> list[int]:
    """Arrival of one small message at each target, nanoseconds; -1 where the path is cut."""
    arrivals = []
    for target in targets:
        if links.cut[source, target]:
            arrivals.append(-1)
            continue
        if links.queueing[0]:
            leaves = take_uplink(links, source, sent_ns, size_bytes)
        else:
            leaves = sent_ns + transmission_ns(size_bytes, int(links.uplink_bit_per_s[source]))
        arrivals.append(leaves + one_way_ns(key, message, sequence, source, target, sent_ns, size_bytes, paths, links))
    return arrivals


def bulk_ns(
    key: int,
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
    """Arrival of one bulk message, nanoseconds: its turn on the uplink, its further windows, its propagation."""
    leaves = take_uplink(links, source, sent_ns, size_bytes)
    further_windows = math.ceil(size_bytes / window_bytes) - 1
    rtt = standing_ns(paths, source, target, sent_ns) + 2 * int(links.added_ns[source, target])
    travel = one_way_ns(key, message, sequence, source, target, sent_ns, size_bytes, paths, links)
    return leaves + further_windows * rtt + travel


def pings_ns(key: int, source: int, target: int, at_ns: Ints, paths: Paths, links: LinkState) -> list[int]:
    """Round trips of pings, nanoseconds; -1 where the path is cut or the packet was lost."""
    results = []
    for number, at in enumerate(at_ns.tolist()):
        bits = hash4(key, number, source * _PAIR + target, 0)
        arrive = (1.0 - float(links.loss[source, target])) * (1.0 - float(links.loss[target, source]))
        cut = links.cut[source, target] or links.cut[target, source]
        if cut or unit_interval(mix64(bits ^ _GAMMA)) >= arrive:
            results.append(-1)
            continue
        rtt = round_trip_ns(bits, standing_ns(paths, source, target, at), paths.jitter)
        results.append(rtt + int(links.added_ns[source, target]) + int(links.added_ns[target, source]))
    return results
