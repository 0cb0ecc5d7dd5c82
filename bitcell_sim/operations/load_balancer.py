"""Load balancers in front of the nodes: round robin, health checks with fall and rise, and DNS that leaves a dead one.

Each balancer checks every server at a fixed interval with a phase of its own. A server that fails `fall` checks in a
row is taken out, one that passes `rise` in a row is taken back. While checks can only confirm what the balancer holds
of a server, they are not simulated until something near it changes; their phase stays.

References
----------
HAProxy 2.6 configuration manual, `check`, `inter`, `fall`, `rise`, `timeout check`, `retries`, `option redispatch`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import numpy as np
import simpy

from bitcell_sim.config.schema import Deployment
from bitcell_sim.kernels.paths import LinkState, Paths, standing_ns
from bitcell_sim.kernels.transactions import DOWN, SILENT, UP, Balancers, Nodes
from bitcell_sim.network.clock import Clock
from bitcell_sim.random_streams import Stream
from bitcell_sim.units import seconds_to_ns

PER_REGION = "per-region"
SERVED_HEALTH_PATH, SERVED_HEALTH_PORT = "/health", "metrics"  # what a node answers with 200; anything else is a 404


class BalancerRecord(NamedTuple):
    """The balancer of a region takes a server out (up = 0) or back (up = 1)."""

    balancer: int
    node: int
    up: int
    at_ns: int


class HealthCheck:
    """Fall and rise of one server.

    Parameters
    ----------
    fall, rise : int
        Failures in a row that take it out, successes in a row that take it back.
    """

    def __init__(self, fall: int, rise: int) -> None:
        self._fall = fall
        self._rise = rise
        self.up = True
        self._streak = 0  # results in a row that speak against the present state

    def result(self, passed: bool) -> bool:
        """Count one check; True if the server has just been taken out or back."""
        if passed == self.up:
            self._streak = 0
            return False
        self._streak += 1
        if self._streak < (self._fall if self.up else self._rise):
            return False
        self.up = passed
        self._streak = 0
        return True

    @property
    def steady(self) -> bool:
        """Whether no result speaks against the present state."""
        return self._streak == 0


def homes(deployment: Deployment) -> list[int]:
    """Region index of every balancer."""
    names = [region.name for region in deployment.region]
    placement = deployment.load_balancer.placement
    return list(range(len(names))) if placement == PER_REGION else [names.index(placement)]


def new_balancers(deployment: Deployment) -> Balancers:
    """Balancers that take every server for up; clients use their own region's, or the only one."""
    home = np.array(homes(deployment), np.int32)
    regions = len(deployment.region)
    route = np.arange(regions, dtype=np.int32) if len(home) == regions else np.zeros(regions, np.int32)
    view = np.ones((len(home), len(deployment.node)), np.uint8)
    return Balancers(view, route, home, np.zeros(len(home), np.int64))


class LoadBalancing:
    """Keeps the balancers' views and the clients' routes.

    Parameters
    ----------
    env : Clock
        Clock and event queue.
    deployment : Deployment
        Settings and places.
    balancers, nodes, links, paths
        Shared state of the network.
    before_change : callable
        Called before a view or a route changes: the transactions up to now are worked off.
    record : callable
        Takes a :class:`BalancerRecord`.
    seed : int
        Seed of the run.
    """

    def __init__(
        self,
        env: Clock,
        deployment: Deployment,
        balancers: Balancers,
        nodes: Nodes,
        links: LinkState,
        paths: Paths,
        before_change: Callable[[], None],
        record: Callable[[BalancerRecord], None],
        *,
        seed: int,
    ) -> None:
        self._env = env
        self._settings = deployment.load_balancer
        self._balancers = balancers
        self._nodes = nodes
        self._links = links
        self._paths = paths
        self._before_change = before_change
        self._record = record
        count = len(deployment.node)
        self._endpoint = [count + int(home) for home in balancers.home]
        self._usual_route = balancers.route.copy()
        served = (SERVED_HEALTH_PATH, SERVED_HEALTH_PORT)
        self._health_served = (self._settings.health_path, self._settings.health_port) == served
        self._lost_regions: set[int] = set()
        self._moves = [0] * len(balancers.route)  # losses so far of what each region's clients used
        self._checks = [
            [HealthCheck(self._settings.fall, self._settings.rise) for _ in range(count)] for _ in balancers.home
        ]
        self._watching = np.zeros(balancers.in_use.shape, np.bool_)
        self._interval_ns = seconds_to_ns(self._settings.check_interval_s)
        self._timeout_ns = seconds_to_ns(self._settings.check_timeout_s)
        phase = Stream.of(seed, "operations.check")
        self._phase_ns = [
            [int(phase.uniform(balancer, node) * self._interval_ns) for node in range(count)]
            for balancer in range(len(balancers.home))
        ]

    def notice(self) -> None:
        """Nodes or links have changed: resume the checks whose result may differ now."""
        for balancer in range(len(self._endpoint)):
            for node in range(self._nodes.state.shape[0]):
                if not self._watching[balancer, node] and not self._quiet(balancer, node):
                    self._watching[balancer, node] = True
                    self._env.process(self._watch(balancer, node))

    def lose_region(self, region: int) -> None:
        """A region is gone with its balancer; its clients find another one when DNS has moved them."""
        self._lost_regions.add(region)
        gone = [b for b, home in enumerate(self._balancers.home) if home == region]
        for client in range(len(self._balancers.route)):
            if self._balancers.route[client] in gone:
                self._set_route(client, -1)
                self._moves[client] += 1
                after = seconds_to_ns(self._settings.dns_failover_s)
                self._env.call_at(int(self._env.now) + after, self._move_clients, client, self._moves[client])

    def restore_region(self, region: int) -> None:
        """A region is back: its clients return to its balancer."""
        self._lost_regions.discard(region)
        for client, usual in enumerate(self._usual_route):
            if self._balancers.home[usual] == region:
                self._set_route(client, int(usual))
        self.notice()

    def serves(self, node: int) -> bool:
        """Whether every balancer that lives takes the server for up."""
        alive = [b for b, home in enumerate(self._balancers.home) if int(home) not in self._lost_regions]
        return all(self._balancers.in_use[balancer, node] for balancer in alive)

    def _quiet(self, balancer: int, node: int) -> bool:
        """Whether the next check can only confirm what the balancer holds of the server."""
        check = self._checks[balancer][node]
        return check.steady and check.up == self._would_pass(self._endpoint[balancer], node)

    def _would_pass(self, endpoint: int, node: int) -> bool:
        reachable = not self._cut(endpoint, node) and 2 * self._way_ns(endpoint, node) < self._timeout_ns
        return bool(self._health_served and reachable and self._nodes.state[node] == UP)

    def _way_ns(self, endpoint: int, node: int) -> int:
        """One way of a check's packets now, nanoseconds."""
        standing = int(standing_ns(self._paths, endpoint, node, int(self._env.now)))
        return standing // 2 + int(self._links.added_ns[endpoint, node])

    def _cut(self, endpoint: int, node: int) -> bool:
        return bool(self._links.cut[endpoint, node] or self._links.cut[node, endpoint])

    def _watch(self, balancer: int, node: int) -> Generator[simpy.Event, Any, None]:
        """Check one server until no check can change anything."""
        phase = self._phase_ns[balancer][node]
        while True:
            now = self._env.now
            yield self._env.timeout(phase - now + ((now - phase) // self._interval_ns + 1) * self._interval_ns)
            passed = yield from self._check(self._endpoint[balancer], node)
            if self._checks[balancer][node].result(passed):
                self._before_change()
                self._balancers.in_use[balancer, node] = int(passed)
                home = int(self._balancers.home[balancer])
                self._record(BalancerRecord(home, node, int(passed), int(self._env.now)))
            if self._quiet(balancer, node):
                self._watching[balancer, node] = False
                return

    def _check(self, endpoint: int, node: int) -> Generator[simpy.Event, Any, bool]:
        """One check: passed, refused after a round trip, or timed out."""
        started = int(self._env.now)
        there = self._way_ns(endpoint, node)
        state = SILENT
        if not self._cut(endpoint, node) and 2 * there < self._timeout_ns:
            yield self._env.timeout(there)
            state = int(self._nodes.state[node])
        if state == SILENT or self._cut(endpoint, node):
            # The next check begins when this one has timed out, so it is given up just before.
            yield self._env.timeout(started + self._timeout_ns - 1 - self._env.now)
            return False
        yield self._env.timeout(there)
        return state != DOWN and self._health_served

    def _set_route(self, client: int, balancer: int) -> None:
        self._before_change()
        self._balancers.route[client] = balancer

    def _move_clients(self, client: int, move: int) -> None:
        """DNS answers with the nearest balancer that lives, unless the usual one is back or was lost once more."""
        if self._balancers.route[client] >= 0 or move != self._moves[client]:
            return
        nodes = self._nodes.state.shape[0]
        alive = [b for b, home in enumerate(self._balancers.home) if int(home) not in self._lost_regions]
        if alive:
            nearest = min(alive, key=lambda b: int(self._paths.base_ns[nodes + client, self._endpoint[b]]))
            self._set_route(client, nearest)
