"""Messages through the real uplinks against queueing theory, and against Lindley's recursion to the nanosecond."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bitcell_sim.analysis.estimates import mean_interval
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Wire
from bitcell_sim.kernels.paths import LinkState, Paths, transmission_ns
from bitcell_sim.network.clock import Clock
from bitcell_sim.network.link import healthy_links
from bitcell_sim.network.transport import Kind, Transport
from bitcell_sim.random_streams import Stream

ENDS = 4
RTT_NS = 80_000_000
MBIT_PER_S = 1000.0
BIT_PER_S = 10**9
MEAN_BYTES = 125_000  # 1 ms of an uplink
COUNT = 40_000
BATCHES = 40
NO_JITTER = [0.0, 0.0, 0.0, 2.0, 0.0, 15.0]

WIRE = load_scenario("rc3").protocol.wire.model_copy(
    update={"overhead_bytes": 0, "bulk_bytes": 1, "window_bytes": 10**9}
)


class Line:
    """Endpoints 80 ms apart without jitter, and the arrival of every message."""

    def __init__(self, wire: Wire = WIRE, loss: float = 0.0) -> None:
        self.env = Clock()
        base_ns = np.full((ENDS, ENDS), RTT_NS, np.int64)
        paths = Paths(base_ns, np.zeros((1, ENDS, ENDS), np.int64), 10**12, np.array(NO_JITTER))
        self.links: LinkState = healthy_links(ENDS, MBIT_PER_S, loss)
        self.transport = Transport(self.env, paths, self.links, lambda _: True, wire, seed=7)
        self.arrived_ns: dict[int, int] = {}

    def note(self, target: int, name: int) -> None:
        self.arrived_ns[name] = int(self.env.now)

    def send_all(self, at_ns: np.ndarray, sizes: np.ndarray, target: Callable[[int], int] = lambda _: 1) -> np.ndarray:
        """Send message i of sizes[i] bytes at at_ns[i] from endpoint 0; when each arrived."""

        def clients() -> Any:
            for name, (at, size) in enumerate(zip(at_ns.tolist(), sizes.tolist(), strict=True)):
                yield self.env.timeout(at - self.env.now)
                self.transport.send(Kind.BLOCK, 0, target(name), name, size, self.note, name)

        self.env.process(clients())
        self.env.run()
        return np.array([self.arrived_ns[name] for name in range(len(sizes))])


def poisson_ns(name: str, mean_gap_ns: float, count: int = COUNT) -> np.ndarray:
    gaps = Stream.of(11, name)
    return np.cumsum([int(mean_gap_ns * gaps.exponential(i)) for i in range(count)])


def lindley_ns(at_ns: np.ndarray, service_ns: np.ndarray) -> np.ndarray:
    """Waiting times of a single server, first come first served: max(0, wait + service - gap)."""
    waits = [0]
    for gap, service in zip(np.diff(at_ns).tolist(), service_ns[:-1].tolist(), strict=True):
        waits.append(max(0, waits[-1] + service - gap))
    return np.array(waits)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("sizes_vary", [True, False], ids=["M-M-1", "M-D-1"])
def test_the_uplink_queues_as_pollaczek_and_khinchine_say(sizes_vary: bool, load: float) -> None:
    draws = Stream.of(11, "test.sizes")
    sizes = np.array([1 + int(MEAN_BYTES * draws.exponential(i)) if sizes_vary else MEAN_BYTES for i in range(COUNT)])
    service_ns = np.array([int(transmission_ns(int(size), BIT_PER_S)) for size in sizes])
    at_ns = poisson_ns(f"test.gaps.{load}", 1e6 / load)
    waits_ns = Line().send_all(at_ns, sizes) - at_ns - service_ns - RTT_NS // 2
    assert np.array_equal(waits_ns, lindley_ns(at_ns, service_ns))

    mean_s, square = 1e6, 2e12 if sizes_vary else 1e12  # service: mean and mean square, of theory
    expected = load / mean_s * square / (2 * (1 - load))
    interval = mean_interval(waits_ns.reshape(BATCHES, -1).mean(axis=1))
    assert interval.ci_low is not None
    assert interval.ci_high is not None
    assert interval.ci_low < expected < interval.ci_high
    assert interval.ci_high - interval.ci_low < 0.35 * expected
    # Poisson arrivals see time averages: a share `load` of them finds the uplink busy.
    assert (waits_ns > 0).mean() == pytest.approx(load, abs=0.02)


def test_the_sojourn_of_m_m_1_is_exponential() -> None:
    draws = Stream.of(12, "test.sizes")
    sizes = np.array([1 + int(MEAN_BYTES * draws.exponential(i)) for i in range(COUNT)])
    at_ns = poisson_ns("test.gaps.half", 2e6)
    sojourn_ns = Line().send_all(at_ns, sizes) - at_ns - RTT_NS // 2
    mean_ns = 1e6 / (1 - 0.5)
    for share in (0.1, 0.5, 0.9, 0.95, 0.99):
        assert np.quantile(sojourn_ns, share) == pytest.approx(-np.log(1 - share) * mean_ns, rel=0.06)


def test_one_uplink_serves_all_targets_in_order_and_each_sender_has_its_own() -> None:
    line = Line()
    sizes = np.full(6, MEAN_BYTES)
    arrived = line.send_all(np.zeros(6, np.int64), sizes, target=lambda name: 1 + name % 3)
    assert (arrived - RTT_NS // 2).tolist() == [1_000_000 * turn for turn in range(1, 7)]
    assert line.links.uplink_free_ns.tolist() == [6_000_000, 0, 0, 0]


def test_a_bulk_message_takes_a_round_trip_for_each_further_window() -> None:
    for size, windows in ((999_999, 1), (1_000_000, 1), (1_000_001, 2), (5_500_000, 6)):
        line = Line(WIRE.model_copy(update={"window_bytes": 1_000_000}))
        (arrived,) = line.send_all(np.zeros(1, np.int64), np.array([size]))
        assert arrived == size * 8 + (windows - 1) * RTT_NS + RTT_NS // 2
        assert line.links.uplink_free_ns[0] == size * 8  # the windows' waits leave the uplink free


def test_half_the_bandwidth_is_twice_the_time_on_the_wire() -> None:
    line = Line()
    line.links.uplink_bit_per_s[0] = BIT_PER_S // 2
    (arrived,) = line.send_all(np.zeros(1, np.int64), np.array([MEAN_BYTES]))
    assert arrived == 2_000_000 + RTT_NS // 2


def test_small_messages_pass_the_queue_until_they_are_many() -> None:
    small = WIRE.model_copy(update={"bulk_bytes": 16_384})
    wire_ns = 1000 * 8
    for queueing in (0, 1):
        line = Line(small)
        line.links.queueing[0] = queueing
        line.links.uplink_free_ns[0] = 5_000_000
        arrived = line.transport.arrivals_ns(Kind.VOTE, 0, [1, 2, 3], 0, 1000)
        turns = [5_000_000 + wire_ns * turn for turn in (1, 2, 3)] if queueing else [wire_ns] * 3
        assert arrived == [turn + RTT_NS // 2 for turn in turns]


@pytest.mark.parametrize(("loss", "packets"), [(0.02, 1), (0.3, 1), (0.05, 20)])
def test_lost_packets_cost_whole_round_trips(loss: float, packets: int) -> None:
    """All lost packets go again together: k rounds are enough with probability (1 - loss^(k+1))^packets."""
    line = Line(WIRE.model_copy(update={"bulk_bytes": 10**9}), loss=loss)
    size, count = 1460 * packets, 20_000
    arrived = [line.transport.arrivals_ns(Kind.VOTE, 0, [1], name, size)[0] for name in range(count)]
    rounds, left = np.divmod(np.array(arrived) - size * 8 - RTT_NS // 2, RTT_NS)
    assert not left.any()
    for k in range(3):
        expected = (1 - loss ** (k + 1)) ** packets
        error = 4 * np.sqrt(expected * (1 - expected) / count)
        assert abs((rounds <= k).mean() - expected) <= error + 1e-12


def test_a_path_that_loses_everything_ends_at_the_limit_and_a_cut_one_never_delivers() -> None:
    line = Line(WIRE.model_copy(update={"bulk_bytes": 10**9}), loss=1.0)
    (arrived,) = line.transport.arrivals_ns(Kind.VOTE, 0, [1], 0, 100)
    assert arrived == 100 * 8 + RTT_NS // 2 + 15 * RTT_NS
    line.links.cut[0, 2] = 1
    assert line.transport.arrivals_ns(Kind.VOTE, 0, [2], 0, 100) == [-1]
