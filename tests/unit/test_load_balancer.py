"""Health checks, their timing against what a real HAProxy 2.6 did, back-ends, and clients that DNS moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.kernels.paths import Paths
from bitcell_sim.kernels.transactions import DOWN, FAILING, HANGING, SILENT, UP, Nodes
from bitcell_sim.network.clock import Clock
from bitcell_sim.network.link import healthy_links
from bitcell_sim.operations.health_check import CheckTimes, HealthCheck
from bitcell_sim.operations.load_balancer import BalancerRecord, LoadBalancing, homes, new_balancers

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
    results = [True, False, False, True, False, False, False, True, False, True, True]
    assert [check.result(passed) for passed in results] == [False] * 6 + [True] + [False] * 3 + [True]
    assert check.up
    assert check.steady


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.booleans(), max_size=60))
def test_after_the_first_success_the_state_is_that_of_the_last_long_enough_streak(
    fall: int, rise: int, results: list[bool]
) -> None:
    check, up, streak = HealthCheck(fall, rise), True, 0
    assert not check.result(True)
    for passed in results:
        streak = 0 if passed == up else streak + 1
        changed = streak == (fall if up else rise)
        if changed:
            up, streak = not up, 0
        assert check.result(passed) is changed
        assert check.up is up


def test_a_server_that_was_never_seen_well_is_out_at_its_first_failure() -> None:
    check = HealthCheck(fall=3, rise=2)
    assert check.up
    assert not check.steady
    assert check.result(False)
    assert not check.up
    assert check.steady


def test_how_long_a_check_may_take_follows_the_time_outs() -> None:
    def longest_s(*sets: str) -> float:
        keys = [f"deployment.load_balancer.{key}" for key in sets]
        return CheckTimes.of(load_scenario("rc3", sets=keys).deployment.load_balancer).longest_ns / S

    assert longest_s("check_interval_s=2", "connect_timeout_s=1") == 2.0
    assert longest_s("check_interval_s=2", "connect_timeout_s=1", "check_timeout_s=0.5") == 1.0
    assert longest_s("check_interval_s=2", "connect_timeout_s=3", "check_timeout_s=0.5") == 2.0
    assert longest_s("check_interval_s=2", "connect_timeout_s=1", "check_timeout_s=1.5") == 1.5
    assert longest_s("check_interval_s=2", "connect_timeout_s=1", "check_timeout_s=4") == 4.0


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


@pytest.mark.parametrize(("state", "round_trips"), [(DOWN, 1), (FAILING, 2)])
def test_a_server_that_fails_at_once_is_down_after_two_intervals_and_a_uniform_rest(
    state: int, round_trips: int
) -> None:
    """A real one that refuses: DOWN after 10.5 / 12.7 / 14.8 s, UP after 5.5 / 7.7 / 9.8 s (min, median, max)."""
    down, up = delays_s(state)
    most_s = 3 * round_trips * RTT_NS / S
    assert (down - 2 * INTER_S).min() > 0
    assert (down - 2 * INTER_S).max() < INTER_S + most_s
    assert (up - INTER_S).min() > 0
    assert (up - INTER_S).max() < INTER_S + 4 * RTT_NS / S
    assert stats.kstest((down - 2 * INTER_S) / INTER_S, "uniform").pvalue > 0.01
    assert stats.kstest((up - INTER_S) / INTER_S, "uniform").pvalue > 0.01
    assert np.median(down) == pytest.approx(12.7, abs=0.6)
    assert np.median(up) == pytest.approx(7.7, abs=0.6)


@pytest.mark.parametrize("state", [SILENT, HANGING])
def test_a_server_that_gives_no_answer_costs_a_time_out_at_every_check(state: int) -> None:
    down, _ = delays_s(state)
    rest = down - 2 * INTER_S - 3 * INTER_S  # two pauses, and three checks of an interval each
    assert rest.min() > -0.01
    assert rest.max() < INTER_S + 0.01
    assert stats.kstest(np.clip(rest / INTER_S, 0, 1), "uniform").pvalue > 0.01


def test_a_check_that_hangs_when_its_server_wakes_is_answered() -> None:
    _, up = delays_s(HANGING)
    at_once = up < INTER_S + 0.01
    assert 0.35 < at_once.mean() < 0.65  # half of the time a check is under way
    assert (up >= INTER_S).all()
    assert stats.kstest((up[~at_once] - INTER_S) / INTER_S, "uniform").pvalue > 0.01


def test_a_check_that_met_silence_is_lost() -> None:
    _, up = delays_s(SILENT)
    assert (up > INTER_S).all()
    assert (up < 3 * INTER_S + 0.01).all()  # it runs out, then a pause, a check, a pause, a check
    assert (up > 2 * INTER_S).mean() == pytest.approx(0.5, abs=0.15)


def test_a_hanging_server_that_is_killed_fails_the_check_that_waits() -> None:
    down = []
    for seed in range(10):
        front = Front(seed)
        front.at(20.0, front.set_state(0, HANGING))
        front.at(41.0, front.set_state(0, DOWN))
        front.run(80.0)
        down += front.since(20.0, 0).tolist()
    assert min(down) > 20.0
    assert max(down) < 30.0 - 5.0 + 3 * RTT_NS / S  # never later than had it hung on


def test_a_check_takes_two_round_trips_and_the_next_begins_an_interval_later() -> None:
    front = Front(1, "deployment.load_balancer.fall=1000000")
    front.links.added_ns[:] = 400 * 10**6
    front.at(10.0, front.set_state(0, FAILING))
    starts = watched_starts_s(front, until_s=110.0)
    assert np.diff(starts) == pytest.approx(INTER_S + 2 * (0.8 + RTT_NS / S))


def watched_starts_s(front: Front, until_s: float) -> np.ndarray:
    """When balancer 0 starts its checks of server 0 after the tenth second."""
    starts: list[float] = []
    check = front.balancing._check

    def noted(endpoint: int, node: int):  # type: ignore[no-untyped-def]
        if (endpoint, node) == (7, 0) and front.env.now > 10 * S:
            starts.append(front.env.now / S)
        return check(endpoint, node)

    front.balancing._check = noted  # type: ignore[method-assign]
    front.run(until_s)
    return np.array(starts)


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
    assert all(record.at_ns <= 5 * S + 2 * RTT_NS for record in front.records)  # each at its first check


def test_transactions_are_worked_off_before_a_view_changes() -> None:
    front = Front()
    front.at(10.0, front.set_state(0, DOWN))
    front.run(40.0)
    assert front.worked_off_ns == [record.at_ns for record in front.records]


def test_a_healthy_front_costs_no_events_after_its_first_checks() -> None:
    front = Front()
    front.run(6.0)
    assert front.env.peek() == float("inf")
    front.env.run(until=3600 * S)
    assert front.records == []
    front.at(4000.0, front.set_state(0, DOWN))
    front.env.run(until=8000 * S)
    assert len(front.records) == 4


# ---------------------------------------------------------------------------------------------- back-ends

REGIONAL = "deployment.load_balancer.backends=regional"
OWN = [[1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 1]]


@pytest.mark.parametrize("placement", ["per-region", "us-east"])
def test_regional_back_ends_serve_from_their_region_while_a_server_of_it_is_up(placement: str) -> None:
    front = Front(1, REGIONAL, f"deployment.load_balancer.placement={placement}")
    assert front.balancers.in_use.tolist() == OWN
    assert routes(front) == [0, 1, 2, 3]
    front.at(10.0, front.set_state(2, DOWN))
    front.at(40.0, front.set_state(6, DOWN))
    front.at(80.0, front.set_state(6, UP))
    front.run(39.0)
    assert front.balancers.in_use.tolist() == [OWN[0], [0, 0, 0, 1, 0, 0, 0], OWN[2], OWN[3]]
    front.env.run(until=70 * S)
    assert front.balancers.in_use[3].tolist() == [1, 1, 0, 1, 1, 1, 0]
    front.env.run(until=100 * S)
    assert front.balancers.in_use[3].tolist() == OWN[3]
    balancers = 4 if placement == "per-region" else 1
    assert len(front.records) == 3 * balancers  # the back-ends of one balancer share its checks


def test_a_server_out_of_its_regional_back_end_s_use_still_serves() -> None:
    front = Front(1, REGIONAL)
    assert all(front.balancing.serves(node) for node in range(7))


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
