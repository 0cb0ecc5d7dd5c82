"""Prometheus scrapes its targets over the simulated network: when, how long each takes, and whether it works."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bitcell_sim.kernels.arrays import Flags, Ints
from bitcell_sim.kernels.paths import LinkState, Paths, pings_ns, standing_ns
from bitcell_sim.kernels.transactions import DOWN, UP
from bitcell_sim.random_streams import Stream, stream_key


class Way(NamedTuple):
    """The path from a Prometheus to a target.

    Parameters
    ----------
    source, target : int
        Endpoints.
    paths : Paths
        Round trips.
    links_at_ns : ndarray of int64, shape (changes,)
        From when each state of the links holds.
    links : list of LinkState
        States of the links.
    """

    source: int
    target: int
    paths: Paths
    links_at_ns: Ints
    links: list[LinkState]


class Scrapes(NamedTuple):
    """All scrapes of one target by one Prometheus.

    Parameters
    ----------
    at_ns : ndarray of int64, shape (n,)
        When each begins.
    duration_ns : ndarray of int64, shape (n,)
        How long it takes.
    worked : ndarray of bool, shape (n,)
        Whether it got its answer in time.
    """

    at_ns: Ints
    duration_ns: Ints
    worked: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def scrape_times(seed: int, prometheus: int, target: int, interval_ns: int, end_ns: int) -> Ints:
    """When a Prometheus scrapes a target: each at a phase of its own, as the real one spreads them."""
    phase = int(Stream.of(seed, "operations.scrape").uniform(prometheus, target) * interval_ns)
    return np.arange(phase, end_ns, interval_ns, dtype=np.int64)


def scrape(seed: int, number: int, way: Way, at_ns: Ints, state: Flags, *, render_ns: int, timeout_ns: int) -> Scrapes:
    """Let a Prometheus scrape a target.

    Parameters
    ----------
    seed, number : int
        Seed of the run; which pair of Prometheus and target, which names the draws.
    way : Way
        Path between them.
    at_ns : ndarray of int64, shape (n,)
        When.
    state : ndarray of uint8, shape (n,)
        State of the target's process then: up, down (connections are refused) or silent.
    render_ns, timeout_ns : int
        Nanoseconds to render the page, and that a scrape may take.

    Notes
    -----
    A connection and a request are two round trips; who is silent or cut off is given up after the timeout.
    """
    connected, lost = round_trips_ns(stream_key(seed, "operations.scrape.connect", number), way, at_ns)
    answered, _ = round_trips_ns(stream_key(seed, "operations.scrape.request", number), way, at_ns)
    duration = connected + answered + render_ns
    refused = (state == DOWN) & ~lost & (connected <= timeout_ns)
    worked = (state == UP) & ~lost & (duration <= timeout_ns)
    duration = np.where(refused, connected, np.where(worked, duration, timeout_ns))
    return Scrapes(at_ns, duration, worked)


def round_trips_ns(key: int, way: Way, at_ns: Ints) -> tuple[Ints, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Round trips on a stream at given moments, nanoseconds, and whether the path was cut then.

    Notes
    -----
    A lost packet costs a round trip and is sent again, as everywhere in this model.
    """
    epoch = np.clip(np.searchsorted(way.links_at_ns, at_ns, side="right") - 1, 0, None)
    total = np.zeros(len(at_ns), np.int64)
    cut = np.zeros(len(at_ns), np.bool_)
    for number in np.unique(epoch):
        here = epoch == number
        links = way.links[number]
        if links.cut[way.source, way.target] or links.cut[way.target, way.source]:
            cut |= here
            continue
        total[here] = _recovered_ns(key, way, at_ns, links)[here]
    return total, cut


def _recovered_ns(key: int, way: Way, at_ns: Ints, links: LinkState) -> Ints:
    """Round trips under one state of the links, lost packets sent again."""
    added = int(links.added_ns[way.source, way.target] + links.added_ns[way.target, way.source])
    total = np.zeros(len(at_ns), np.int64)
    waiting = np.ones(len(at_ns), np.bool_)
    limit = int(way.paths.jitter[-1])
    for attempt in range(limit + 1):
        draws = pings_ns(np.uint64(stream_key(key, "try", attempt)), way.source, way.target, at_ns, way.paths, links)
        arrived = waiting & (draws >= 0)
        total[arrived] += draws[arrived]
        waiting &= draws < 0
        if not waiting.any():
            break
        for place in np.flatnonzero(waiting):
            total[place] += standing_ns(way.paths, way.source, way.target, int(at_ns[place])) + added
    return total
