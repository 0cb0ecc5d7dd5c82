"""Load balancers in front of the nodes: round robin, health checks with fall and rise, and DNS that leaves a dead one.

Each balancer checks every server, the next time an interval after the last check has ended. A server that fails `fall`
checks in a row is taken out, one that passes `rise` in a row is taken back. While checks can only confirm what the
balancer holds of a server, they are not simulated until something near it changes; their phase goes on.

References
----------
HAProxy 2.6 configuration manual, `check`, `inter`, `fall`, `rise`, `timeout check`, `retries`, `option redispatch`,
`use_backend`, `track`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import numpy as np
import simpy

from bitcell_sim.config.schema import Deployment, LoadBalancer
from bitcell_sim.kernels.arrays import Flags
from bitcell_sim.kernels.paths import LinkState, Paths, standing_ns
from bitcell_sim.kernels.transactions import DOWN, HANGING, SILENT, UP, Balancers, Nodes
from bitcell_sim.network.clock import Clock
from bitcell_sim.operations.health_check import CheckTimes, HealthCheck
from bitcell_sim.random_streams import Stream
from bitcell_sim.units import seconds_to_ns

PER_REGION, REGIONAL = "per-region", "regional"
SERVED_HEALTH_PATH, SERVED_HEALTH_PORT = "/health", "metrics"  # what a node answers with 200; anything else is a 404

Steps = Generator[simpy.Event, Any, Any]


class BalancerRecord(NamedTuple):
    """The balancer of a region takes a server out (up = 0) or back (up = 1)."""

    balancer: int
    node: int
    up: int
    at_ns: int


class BackEnd(NamedTuple):
    """Servers that a balancer may send some requests to.

    Parameters
    ----------
    balancer : int
        Whose.
    home : int
        Region that the balancer stands in.
    preferred : ndarray of uint8, shape (nodes,)
        1 for the servers that are used while any of them is up; all others are used else.
    """

    balancer: int
    home: int
    preferred: Flags

    def in_use(self, up: Flags) -> Flags:
        """Servers that requests go to, of those that are up."""
        preferred: Flags = up & self.preferred
        return preferred if preferred.any() else up


def health_is_served(settings: LoadBalancer) -> bool:
    """Whether nodes answer what the health checks ask; else every check fails, by a 404."""
    return (settings.health_path, settings.health_port) == (SERVED_HEALTH_PATH, SERVED_HEALTH_PORT)


def homes(deployment: Deployment) -> list[int]:
    """Region index of every balancer."""
    names = [region.name for region in deployment.region]
    placement = deployment.load_balancer.placement
    return list(range(len(names))) if placement == PER_REGION else [names.index(placement)]


def back_ends(deployment: Deployment) -> list[BackEnd]:
    """Back-ends of all balancers: one of all servers each, or one for each region's clients."""
    home = homes(deployment)
    if deployment.load_balancer.backends != REGIONAL:
        everyone = np.ones(len(deployment.node), np.uint8)
        return [BackEnd(balancer, region, everyone) for balancer, region in enumerate(home)]
    found = []
    for index, region in enumerate(deployment.region):
        balancer = index if len(home) > 1 else 0
        own = np.array([node.region == region.name for node in deployment.node], np.uint8)
        found.append(BackEnd(balancer, home[balancer], own))
    return found


def new_balancers(deployment: Deployment) -> Balancers:
    """Balancers that take every server for up; clients use their own region's back-end, or the only one."""
    ends = back_ends(deployment)
    regions = len(deployment.region)
    route = np.arange(regions, dtype=np.int32) if len(ends) == regions else np.zeros(regions, np.int32)
    everyone = np.ones(len(deployment.node), np.uint8)
    in_use = np.array([end.in_use(everyone) for end in ends], np.uint8)
    home = np.array([end.home for end in ends], np.int32)
    return Balancers(in_use, route, home, np.zeros(len(ends), np.int64), np.zeros(len(ends), np.int64))


class LoadBalancing:
    """Keeps the balancers' views and the clients' routes.

    Parameters
    ----------
    env : Clock
        Clock and event queue.
    deployment : Deployment
        Settings and places.
    balancers, nodes, links, paths
        Shared state of the network; a row of `balancers` is a back-end.
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
        self._back_ends = back_ends(deployment)
        self._balancers = balancers
        self._nodes = nodes
        self._links = links
        self._paths = paths
        self._before_change = before_change
        self._record = record
        count = len(deployment.node)
        self._home = homes(deployment)
        self._endpoint = [count + home for home in self._home]
        self._usual_route = balancers.route.copy()
        self._health_served = health_is_served(self._settings)
        self._lost_regions: set[int] = set()
        self._moves = [0] * len(balancers.route)  # losses so far of what each region's clients used
        self._checks = [
            [HealthCheck(self._settings.fall, self._settings.rise) for _ in range(count)] for _ in self._home
        ]
        self._up = np.ones((len(self._home), count), np.uint8)
        self._drained = np.zeros(count, np.uint8)
        self._watching = np.zeros(self._up.shape, np.bool_)
        self._times = CheckTimes.of(self._settings)
        phase = Stream.of(seed, "operations.check")
        interval_ns = self._times.interval_ns
        self._next_ns = [
            [int(phase.uniform(balancer, node) * interval_ns) for node in range(count)]
            for balancer in range(len(self._home))
        ]
        self._period_ns = [[interval_ns] * count for _ in self._home]
        self._changed = env.event()

    def notice(self) -> None:
        """Nodes or links have changed: checks that wait look again, and those whose result may differ are resumed."""
        if self._changed.callbacks:
            self._changed.succeed()
            self._changed = self._env.event()
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

    def drain(self, drained: Flags) -> None:
        """Send these nodes no new request, and the others again (the server states `drain` and `ready`).

        Parameters
        ----------
        drained : ndarray of uint8, shape (nodes,)
            1 for the nodes that are to be left alone.
        """
        if not np.array_equal(drained, self._drained):
            self._before_change()
            self._drained = drained
            for balancer in range(len(self._home)):
                self._use(balancer)

    def serves(self, node: int) -> bool:
        """Whether every balancer that lives takes the server for up."""
        return all(self._up[b, node] for b, home in enumerate(self._home) if home not in self._lost_regions)

    def _quiet(self, balancer: int, node: int) -> bool:
        """Whether checks can only confirm what the balancer holds of the server, and take always the same time."""
        check = self._checks[balancer][node]
        would_pass = self._would_pass(self._endpoint[balancer], node)
        return check.steady and check.up == would_pass and self._nodes.state[node] != HANGING

    def _would_pass(self, endpoint: int, node: int) -> bool:
        way_ns = self._way_ns(endpoint, node)
        in_time = 2 * way_ns < self._times.connect_ns and 4 * way_ns < self._times.end_ns(0, 2 * way_ns)
        return bool(self._health_served and in_time and self._met(endpoint, node) == UP)

    def _way_ns(self, endpoint: int, node: int) -> int:
        """One way of a check's packets now, nanoseconds."""
        standing = int(standing_ns(self._paths, endpoint, node, int(self._env.now)))
        return standing // 2 + int(self._links.added_ns[endpoint, node])

    def _met(self, endpoint: int, node: int) -> int:
        """What a packet meets that arrives now: the node's state, or silence where a way is cut."""
        cut = self._links.cut[endpoint, node] or self._links.cut[node, endpoint]
        return SILENT if cut else int(self._nodes.state[node])

    def _watch(self, balancer: int, node: int) -> Steps:
        """Check one server until no check can change anything."""
        next_ns, period_ns = self._next_ns[balancer], self._period_ns[balancer]
        while not self._quiet(balancer, node):
            behind_ns = int(self._env.now) - next_ns[node]
            if behind_ns >= 0:  # the checks that nobody watched
                next_ns[node] += (behind_ns // period_ns[node] + 1) * period_ns[node]
            yield from self._sleep(next_ns[node])
            passed = yield from self._check(self._endpoint[balancer], node)
            period_ns[node] = int(self._env.now) - next_ns[node] + self._times.interval_ns
            next_ns[node] += period_ns[node]
            if self._checks[balancer][node].result(passed):
                self._set_up(balancer, node, passed)
        self._watching[balancer, node] = False

    def _set_up(self, balancer: int, node: int, up: bool) -> None:
        """Take a server out of the balancer's back-ends, or back."""
        self._before_change()
        self._up[balancer, node] = up
        self._use(balancer)
        self._record(BalancerRecord(self._home[balancer], node, int(up), int(self._env.now)))

    def _use(self, balancer: int) -> None:
        """Send requests to the servers that are up and not drained."""
        ready = self._up[balancer] & (1 - self._drained)
        for row, end in enumerate(self._back_ends):
            if end.balancer == balancer:
                self._balancers.in_use[row] = end.in_use(ready)

    def _check(self, endpoint: int, node: int) -> Steps:
        """One check: a connection, a request, an answer; False once it has failed or its time is over."""
        started, way_ns = int(self._env.now), self._way_ns(endpoint, node)
        connected = started + 2 * way_ns
        end = started + self._times.connect_ns
        if connected >= end:
            return (yield from self._fail(end))
        yield from self._sleep(started + way_ns)
        met = self._met(endpoint, node)
        if met == SILENT:
            return (yield from self._fail(end))
        yield from self._sleep(connected)
        if met == DOWN:
            return False
        end = self._times.end_ns(started, connected)
        yield from self._sleep(min(connected + way_ns, end))
        met = self._met(endpoint, node)
        while met == HANGING and self._env.now < end:
            yield self._changed | self._env.timeout(end - self._env.now)
            met = self._met(endpoint, node)
        if met in (SILENT, HANGING) or self._env.now + way_ns >= end:
            return (yield from self._fail(end))
        yield from self._sleep(int(self._env.now) + way_ns)
        return met == UP and self._health_served

    def _sleep(self, until_ns: int) -> Steps:
        yield self._env.timeout(until_ns - self._env.now)

    def _fail(self, at_ns: int) -> Steps:
        """Wait until the check is given up."""
        yield from self._sleep(at_ns)
        return False

    def _set_route(self, client: int, balancer: int) -> None:
        self._before_change()
        self._balancers.route[client] = balancer

    def _move_clients(self, client: int, move: int) -> None:
        """DNS answers with the nearest balancer that lives, unless the usual one is back or was lost once more."""
        if self._balancers.route[client] >= 0 or move != self._moves[client]:
            return
        nodes = self._nodes.state.shape[0]
        alive = [row for row, home in enumerate(self._balancers.home) if int(home) not in self._lost_regions]
        if alive:
            home = self._balancers.home
            self._set_route(
                client, min(alive, key=lambda row: int(self._paths.base_ns[nodes + client, nodes + home[row]]))
            )
