"""The kernels of links agree with plain Python to the nanosecond: delays, queues, loss recovery, pings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.kernels import paths, paths_plain
from bitcell_sim.kernels.paths import LinkState, Paths
from bitcell_sim.network.latency import build_paths, matrices
from bitcell_sim.random_streams import stream_key

KEY = stream_key(3, "test.paths")
ENDPOINTS = 4
LINKS_DRAWN = st.tuples(st.integers(0, ENDPOINTS - 1), st.integers(0, ENDPOINTS - 1))


@njit
def one_way(
    key: np.uint64,
    message: int,
    again: int,
    source: int,
    target: int,
    at_ns: int,
    size: int,
    way: Paths,
    links: LinkState,
) -> int:
    return paths.one_way_ns(key, message, again, source, target, at_ns, size, way, links)


@njit
def rounds_of(uniform: float, loss: float, packets: int, limit: int) -> int:
    return paths.recovery_rounds(uniform, loss, packets, limit)


@njit
def round_trips(first: int, standing: int, jitter: np.ndarray, out: np.ndarray) -> None:
    for i in range(out.shape[0]):
        out[i] = paths.round_trip_ns(np.uint64((first + i) * 0x1234567 + 99), standing, jitter)


def some_paths(*, spikes: float = 0.2, fast_ns: float = 70_000.0) -> Paths:
    base_ns = np.array(
        [[(i * 7 + j * 3) * 1_000_003 + 5 for j in range(ENDPOINTS)] for i in range(ENDPOINTS)], np.int64
    )
    link = np.arange(ENDPOINTS**2).reshape(ENDPOINTS, ENDPOINTS)
    slow_ns = paths.slow_table(np.uint64(KEY), base_ns / 9.0, link, 3)
    return Paths(base_ns, slow_ns, 10**9, np.array([fast_ns, spikes, 3.1e6, 2.07, 4e8, 15.0]))


def some_links(*, loss: float = 0.2, queueing: bool = False) -> LinkState:
    shape = (ENDPOINTS, ENDPOINTS)
    links = LinkState(
        cut=np.zeros(shape, np.uint8),
        added_ns=np.arange(ENDPOINTS**2, dtype=np.int64).reshape(shape) * 1_000_001,
        loss=np.full(shape, loss),
        uplink_bit_per_s=np.array([1_000_000_000, 300_000, 77_777, 1], np.int64),
        uplink_free_ns=np.array([0, 5_000_000_000, 10, 0], np.int64),
        queueing=np.array([queueing], np.uint8),
    )
    links.cut[0, 2] = links.cut[3, 1] = 1
    return links


@given(LINKS_DRAWN, st.integers(0, 2**40), st.integers(0, 3), st.integers(0, 5 * 10**9), st.integers(1, 20_000))
@pytest.mark.parametrize("loss", [0.0, 1e-5, 0.3, 0.95, 1.0])
def test_one_way(loss: float, ends: tuple[int, int], message: int, again: int, at_ns: int, size: int) -> None:
    way, links = some_paths(), some_links(loss=loss)
    arguments = (message, again, *ends, at_ns, size, way, links)
    assert one_way(np.uint64(KEY), *arguments) == paths_plain.one_way_ns(KEY, *arguments)


@given(st.floats(1e-16, 1.0, exclude_max=True), st.floats(0.0, 1.0), st.integers(1, 40), st.integers(0, 20))
def test_recovery_rounds(uniform: float, loss: float, packets: int, limit: int) -> None:
    found = paths_plain.recovery_rounds(uniform, loss, packets, limit)
    assert rounds_of(uniform, loss, packets, limit) == found
    enough = [k for k in range(limit) if uniform < (1.0 - loss ** (k + 1)) ** packets]
    assert abs(found - min(enough, default=limit)) <= 1  # the closed form, but for a rounding error at a border


@pytest.mark.parametrize("spikes", [0.0, 0.0035, 1.0])
def test_round_trips_of_many_bits(spikes: float) -> None:
    jitter = some_paths(spikes=spikes).jitter
    out = np.empty(20_000, np.int64)
    round_trips(7, 123_456_789, jitter, out)
    expected = [
        paths_plain.round_trip_ns(((7 + i) * 0x1234567 + 99) % 2**64, 123_456_789, jitter) for i in range(20_000)
    ]
    assert out.tolist() == expected
    assert (out >= 123_456_789).all()


@pytest.mark.parametrize("queueing", [False, True])
@given(source=st.integers(0, ENDPOINTS - 1), at_ns=st.integers(0, 8 * 10**9), size=st.integers(1, 3000))
def test_broadcasts_take_their_turns(queueing: bool, source: int, at_ns: int, size: int) -> None:
    way, kernel_links, plain_links = some_paths(), some_links(queueing=queueing), some_links(queueing=queueing)
    targets = [target for target in range(ENDPOINTS) if target != source]
    for message in range(3):
        arguments = (message, 0, source, at_ns + message, size)
        arrivals = np.empty(len(targets), np.int64)
        paths.broadcast_ns(np.uint64(KEY), *arguments, np.array(targets), way, kernel_links, arrivals)
        assert arrivals.tolist() == paths_plain.broadcast_ns(KEY, *arguments, targets, way, plain_links)
        assert kernel_links.uplink_free_ns.tolist() == plain_links.uplink_free_ns.tolist()


@given(
    ends=LINKS_DRAWN, at_ns=st.integers(0, 8 * 10**9), size=st.integers(1, 9_000_000), window=st.integers(1000, 10**6)
)
def test_bulk_messages_queue_and_wait_for_their_windows(
    ends: tuple[int, int], at_ns: int, size: int, window: int
) -> None:
    way, kernel_links, plain_links = some_paths(), some_links(), some_links()
    for message in range(3):
        arguments = (message, 1, *ends, at_ns + message, size, window, way)
        kernel = paths.bulk_ns(np.uint64(KEY), *arguments, kernel_links)
        assert kernel == paths_plain.bulk_ns(KEY, *arguments, plain_links)
        assert kernel_links.uplink_free_ns.tolist() == plain_links.uplink_free_ns.tolist()


@pytest.mark.parametrize("loss", [0.0, 0.4])
def test_pings(loss: float) -> None:
    way, links = some_paths(), some_links(loss=loss)
    at_ns = np.arange(0, 4 * 10**9, 10**7, dtype=np.int64)
    lost = 0
    for source in range(ENDPOINTS):
        for target in range(ENDPOINTS):
            kernel = paths.pings_ns(np.uint64(KEY), source, target, at_ns, way, links).tolist()
            assert kernel == paths_plain.pings_ns(KEY, source, target, at_ns, way, links)
            lost += kernel.count(-1)
    cut = 4 * len(at_ns)  # two directed cuts stop the pings of four directed pairs
    assert lost == cut if loss == 0.0 else lost > cut


@given(st.integers(0, 10**6), st.integers(1, 10**9))
@settings(max_examples=300)
def test_transmission_and_standing(size: int, bit_per_s: int) -> None:
    assert paths.transmission_ns(size, bit_per_s) == paths_plain.transmission_ns(size, bit_per_s)
    way = some_paths()
    for at_ns in (0, 10**9 - 1, 10**9, size * 10_000):
        assert paths.standing_ns(way, 1, 3, at_ns) == paths_plain.standing_ns(way, 1, 3, at_ns)


def test_slow_states_of_the_deployment() -> None:
    scenario = load_scenario("rc3")
    _, scale_ms, link = matrices(scenario.deployment, scenario.latency)
    plain = paths_plain.slow_table(KEY, scale_ms * 1e6, link, 5)
    assert np.array_equal(paths.slow_table(np.uint64(KEY), scale_ms * 1e6, link, 5), plain)
    built = build_paths(scenario.deployment, scenario.latency, seed=3, horizon_ns=10**12, retransmissions_max=15)
    slow = paths_plain.slow_table(stream_key(3, "network.slow"), scale_ms * 1e6, link, len(built.slow_ns))
    assert np.array_equal(built.slow_ns, slow)
