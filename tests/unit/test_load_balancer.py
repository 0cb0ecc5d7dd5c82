"""Health checks, their timing against what a real HAProxy 2.6 did, and clients that DNS moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.kernels.paths import Paths
from bitcell_sim.kernels.transactions import DOWN, SILENT, UP, Nodes
from bitcell_sim.network.clock import Clock
from bitcell_sim.network.link import healthy_links
from bitcell_sim.operations.load_balancer import BalancerRecord, HealthCheck, LoadBalancing, homes, new_balancers

S = 10**9
INTER_S = 5.0
RTT_NS = 2 * 10**6


class Front:
    """Four balancers in front of seven nodes, all 2 ms away, without a chain behind them."""

    def __init__(self, seed: int = 1, *sets: str) -> None:
        deployment = load_scenario("rc3", sets=list(sets)).deployment
        ends = len(deployment.node) + len(deployment.region)
        self.env = Clock()
        base_ns = np.full((ends, ends), RTT_NS, np.int64)
        base_ns[7:, 7:] += np.arange(4)[None, :] * 1000  # the nearest region is the one with the lower number
        paths = Paths(base_ns, np.zeros((1, ends, ends), np.int64), 10**12, np.zeros(6))
        self.nodes = Nodes(np.full(7, UP, np.uint8), np.zeros(7, np.int64), np.ones((7, 7), np.uint8))
        self.links = healthy_links(ends, 1000.0, 0.0)
        self.balancers = new_balancers(deployment)
        self.records: list[BalancerRecord] = []
        self.worked_off_ns: list[int] = []
        self.balancing = LoadBalancing(
            self.env,
            deployment,
            self.balancers,
            self.nodes,
            self.links,
            paths,
            lambda: self.worked_off_ns.append(int(self.env.now)),
            self.records.append,
            seed=seed,
        )

    def at(self, moment_s: float, change: Callable[[], None]) -> None:
        """Change something, and say so, at a moment."""

        def act() -> None:
            change()
            self.balancing.notice()

        self.env.call_at(int(moment_s * S), act)

    def set_state(self, node: int, state: int) -> Callable[[], None]:
        return lambda: self.nodes.state.__setitem__(node, state)

    def run(self, until_s: float) -> None:
        self.balancing.notice()
        self.env.run(until=int(until_s * S))

    def since(self, moment_s: float, up: int) -> np.ndarray:
        """Seconds from a moment to each balancer's change of its view."""
        return np.array([record.at_ns / S - moment_s for record in self.records if record.up == up])


# ------------------------------------------------------------------------------------------ fall and rise


def test_three_failures_in_a_row_take_out_and_two_successes_bring_back() -> None:
    check = HealthCheck(fall=3, rise=2)
    results = [False, False, True, False, False, False, True, False, True, True]
    assert [check.result(passed) for passed in results] == [False] * 5 + [True] + [False] * 3 + [True]
    assert check.up
    assert check.steady


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.booleans(), max_size=60))
def test_the_state_is_that_of_the_last_long_enough_streak(fall: int, rise: int, results: list[bool]) -> None:
    check, up, streak = HealthCheck(fall, rise), True, 0
    for passed in results:
        streak = 0 if passed == up else streak + 1
        changed = streak == (fall if up else rise)
        if changed:
            up, streak = not up, 0
        assert check.result(passed) is changed
        assert check.up is up


# ------------------------------------------------------------------------------------------------- timing


def delays_s(state: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds to DOWN after a death and to UP after the return, over phases and moments."""
    down, up = [], []
    for seed in range(25):
        death_s, back_s = 20.0 + seed * 0.731, 70.0 + seed * 0.417
        front = Front(seed)
        front.at(death_s, front.set_state(seed % 7, state))
        front.at(back_s, front.set_state(seed % 7, UP))
        front.run(120.0)
        assert len(front.records) == 8
        down += front.since(death_s, 0).tolist()
        up += front.since(back_s, 1).tolist()
    return np.array(down), np.array(up)


def test_a_refusing_server_is_down_after_two_intervals_and_a_uniform_rest() -> None:
    """A real one: DOWN after 10.5 / 12.7 / 14.8 s, UP after 5.5 / 7.7 / 9.8 s (minimum, median, maximum)."""
    down, up = delays_s(DOWN)
    rtt_s = RTT_NS / S
    assert (down - 2 * INTER_S).min() > 0
    assert (down - 2 * INTER_S).max() < INTER_S + rtt_s
    assert (up - INTER_S).min() > 0
    assert (up - INTER_S).max() < INTER_S + rtt_s
    assert stats.kstest((down - 2 * INTER_S) / INTER_S, "uniform").pvalue > 0.01
    assert stats.kstest((up - INTER_S) / INTER_S, "uniform").pvalue > 0.01
    assert np.median(down) == pytest.approx(12.7, abs=0.6)
    assert np.median(up) == pytest.approx(7.7, abs=0.6)


def test_a_silent_server_costs_the_check_timeout_on_top() -> None:
    down, up = delays_s(SILENT)
    rest = down - 2 * INTER_S - 5.0
    assert rest.min() > -0.01
    assert rest.max() < INTER_S + 0.01
    # A check that was under way at the return still times out.
    assert (up > INTER_S).all()
    assert (up < 2 * INTER_S + 0.01).all()


def test_inter_fall_and_rise_are_those_of_the_configuration() -> None:
    sets = [
        f"deployment.load_balancer.{key}" for key in ("check_interval_s=2", "check_timeout_s=1", "fall=5", "rise=1")
    ]
    front = Front(3, *sets)
    front.at(10.0, front.set_state(0, DOWN))
    front.at(40.0, front.set_state(0, UP))
    front.run(60.0)
    down, up = front.since(10.0, 0), front.since(40.0, 1)
    assert ((down > 8.0) & (down < 10.01)).all()
    assert ((up > 0.0) & (up < 2.01)).all()


def test_a_death_shorter_than_the_checks_see_is_not_noticed() -> None:
    front = Front()
    front.at(10.0, front.set_state(2, DOWN))
    front.at(19.0, front.set_state(2, UP))
    front.run(60.0)
    assert front.records == []
    assert front.balancers.in_use.all()


def test_a_cut_path_takes_a_server_from_one_balancer_alone_and_a_slow_one_too() -> None:
    front = Front()

    def cut() -> None:
        front.links.cut[7, 4] = 1
        front.links.added_ns[8, 5] = front.links.added_ns[5, 8] = 3 * S  # 6 s there and back, above the timeout

    front.at(10.0, cut)
    front.run(60.0)
    assert np.argwhere(front.balancers.in_use == 0).tolist() == [[0, 4], [1, 5]]
    assert not front.balancing.serves(4)
    assert front.balancing.serves(3)


def test_a_health_path_that_no_node_serves_takes_all_servers_out() -> None:
    """Upstream checks /health on the RPC ports, which answer it with 404: every server goes down, clients get 503."""
    front = Front(1, "deployment.load_balancer.health_port=rpc")
    front.run(30.0)
    assert not front.balancers.in_use.any()
    assert all(record.at_ns <= 15 * S + RTT_NS for record in front.records)


def test_transactions_are_worked_off_before_a_view_changes() -> None:
    front = Front()
    front.at(10.0, front.set_state(0, DOWN))
    front.run(40.0)
    assert front.worked_off_ns == [record.at_ns for record in front.records]


def test_a_healthy_front_costs_no_events() -> None:
    front = Front()
    front.run(3600.0)
    assert front.records == []
    front.at(4000.0, front.set_state(0, DOWN))
    front.env.run(until=8000 * S)
    assert len(front.records) == 4


# ---------------------------------------------------------------------------------------------------- DNS


def routes(front: Front) -> list[int]:
    return front.balancers.route.tolist()


def test_clients_of_a_lost_region_wait_for_dns_and_go_to_the_nearest_balancer() -> None:
    front = Front()
    front.balancing.lose_region(2)
    assert routes(front) == [0, 1, -1, 3]
    front.run(29.9)
    assert routes(front) == [0, 1, -1, 3]
    front.env.run(until=int(30.1 * S))
    assert routes(front) == [0, 1, 0, 3]
    front.balancing.restore_region(2)
    assert routes(front) == [0, 1, 2, 3]


def test_clients_that_were_moved_are_moved_again() -> None:
    front = Front()
    front.balancing.lose_region(2)
    front.run(31.0)
    front.balancing.lose_region(0)
    assert routes(front) == [-1, 1, -1, 3]
    front.env.run(until=62 * S)
    assert routes(front) == [1, 1, 1, 3]
    front.balancing.restore_region(0)
    assert routes(front) == [0, 1, 1, 3]
    front.balancing.restore_region(2)
    assert routes(front) == [0, 1, 2, 3]


def test_a_region_back_before_dns_moved_anyone_and_lost_again_waits_anew() -> None:
    front = Front()
    front.balancing.lose_region(2)
    front.run(10.0)
    front.balancing.restore_region(2)
    assert routes(front) == [0, 1, 2, 3]
    front.env.run(until=20 * S)
    front.balancing.lose_region(2)
    front.env.run(until=31 * S)
    assert routes(front) == [0, 1, -1, 3]
    front.env.run(until=51 * S)
    assert routes(front) == [0, 1, 0, 3]


def test_without_any_balancer_clients_have_nowhere_to_go() -> None:
    front = Front(1, "deployment.load_balancer.placement=us-east")
    assert homes(load_scenario("rc3", sets=["deployment.load_balancer.placement=us-east"]).deployment) == [0]
    assert routes(front) == [0, 0, 0, 0]
    front.balancing.lose_region(1)
    assert routes(front) == [0, 0, 0, 0]  # no balancer stood there
    front.balancing.lose_region(0)
    front.run(60.0)
    assert routes(front) == [-1, -1, -1, -1]
    front.balancing.restore_region(0)
    assert routes(front) == [0, 0, 0, 0]
