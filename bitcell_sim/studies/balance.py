"""One server dies behind a load balancer: when it is taken out and back, and what clients meet until then.

The load balancer and the requests are the mesh's own (``operations.load_balancer``, the kernels of requests); only the
chain behind the servers is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import simpy

from bitcell_sim.chain.workload import Clients
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.plane import KernelPlane, Shared
from bitcell_sim.errors import InputError
from bitcell_sim.kernels.paths import LinkState, Paths
from bitcell_sim.kernels.transactions import OK, REJECTED, UP, Nodes
from bitcell_sim.network.clock import Clock
from bitcell_sim.network.latency import build_paths
from bitcell_sim.network.link import healthy_links
from bitcell_sim.operations.death import DEATHS, Trial, summary
from bitcell_sim.operations.health_check import CheckTimes
from bitcell_sim.operations.load_balancer import (
    PER_REGION,
    REGIONAL,
    BalancerRecord,
    LoadBalancing,
    health_is_served,
    new_balancers,
)
from bitcell_sim.random_streams import Stream, stream_key
from bitcell_sim.units import NS_PER_MS, NS_PER_S, seconds_to_ns

if TYPE_CHECKING:
    from bitcell_sim.engine.plain import PlainPlane

WORKLOAD = "workload=twenty"
LOOPBACK_UPLINK_MBIT_PER_S = 1e9  # a message takes less than a nanosecond
KEPT_S = 100.0  # length that the book of requests is made for at first

Death = Literal["refuse", "hang", "http500"]
Progress = Callable[[str, int, int], None]


def balance(
    *,
    death: Death = "refuse",
    repeat: int = 20,
    latency: str | None = None,
    seed: int = 1,
    sets: Sequence[str] = (),
    real: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """One of a deployment's servers dies behind one load balancer, and comes back.

    Parameters
    ----------
    death : {"refuse", "hang", "http500"}
        It refuses connections; it accepts them and does not answer; it answers everything with an error.
    repeat : int
        Independent deaths, each of a server drawn at random, at a moment uniform over the interval of its checks.
    latency : str, optional
        Latency source between balancer and servers; loopback without it.
    seed : int
        All chance is a function of it.
    sets : sequence of str
        ``key.path=value`` options; the balancer's settings are ``deployment.load_balancer``, the requests ``workload``.
    real : bool
        Ask the real HAProxy on this machine's loopback instead, with the same settings.
    progress : callable, optional
        Called with a title, how many repeats are done, and how many there are.

    Returns
    -------
    dict
        ``down_s`` and ``up_s``: seconds from each death until the server is out of use, and from each return until it
        is back. ``sent``, ``failed``: requests that started between a death and the taking out, over all repeats, and
        those without a good answer. ``slowest_ok_ms``: the longest of the others. ``death``, ``settings``.

    Raises
    ------
    InputError
        If the options make no sense.
    MissingToolError
        If the real HAProxy is asked for and not installed.
    """
    if death not in DEATHS:
        raise InputError(f"--death {death!r} is not known; it is one of {', '.join(DEATHS)}")
    if repeat < 1:
        raise InputError(f"--repeat {repeat}: at least one death")
    if real and latency is not None:
        raise InputError(f"--real with --latency {latency}: the real HAProxy runs on loopback")
    scenario = one_balancer(load_scenario("rc3", sets=[WORKLOAD, *sets], latency=latency))
    if real:
        trials = _real_trials(scenario, death, repeat, seed)
    else:
        trials = []
        for number in range(repeat):
            bench = Bench(scenario, seed=stream_key(seed, "studies.balance", number), loopback=latency is None)
            trials.append(bench.trial(death))
            if progress is not None:
                progress("deaths", number + 1, repeat)
    settings = scenario.deployment.load_balancer.model_dump(mode="json")
    return {"death": death, **summary(trials), "settings": settings}


def one_balancer(scenario: Scenario) -> Scenario:
    """One balancer, in the first region unless the settings say where, and clients in its region."""
    deployment, workload = scenario.deployment, scenario.workload
    placement = deployment.load_balancer.placement
    home = deployment.region[0].name if placement == PER_REGION else placement
    front = deployment.load_balancer.model_copy(update={"placement": home})
    if not health_is_served(front):
        asked = f"{front.health_path} on the {front.health_port} port"
        raise InputError(f"health checks ask {asked}, which is a 404: every server is out of use before one dies")
    changes: dict[str, Any] = {
        "deployment": deployment.model_copy(update={"load_balancer": front}),
        "workload": workload.model_copy(update={"region_weight": {home: 1.0}}),
        "duration_s": KEPT_S,
    }
    return scenario.model_copy(update=changes)


def _real_trials(scenario: Scenario, death: Death, repeat: int, seed: int) -> list[Trial]:
    from bitcell_sim.judges import haproxy

    front, workload = scenario.deployment.load_balancer, scenario.workload
    if front.backends == REGIONAL:
        raise InputError("--real has one back-end of all servers: no regional ones on loopback")
    load = haproxy.Load(workload.rate_tps, workload.client_timeout_s)
    return haproxy.trials(front, load, servers=len(scenario.deployment.node), death=death, repeat=repeat, seed=seed)


class Bench:
    """One load balancer with its clients and servers, and no chain behind them.

    Life cycle: :meth:`trial` once.

    Parameters
    ----------
    scenario : Scenario
        One balancer, its servers, the requests.
    seed : int
        All chance is a function of it.
    loopback : bool
        No time between any two programs; else the scenario's latencies.
    plane : {"kernel", "plain"}
        What carries the requests, as in a simulation.

    Attributes
    ----------
    plane
        Has the book of the requests.
    """

    def __init__(
        self, scenario: Scenario, *, seed: int, loopback: bool, plane: Literal["kernel", "plain"] = "kernel"
    ) -> None:
        if loopback:
            workload = scenario.workload.model_copy(update={"access_delay_ms": 0.0})
            scenario = scenario.model_copy(update={"workload": workload})
        self._scenario = scenario
        self._env = Clock()
        self._draws = Stream.of(seed, "studies.balance.moments")
        self._changes: dict[tuple[int, int], simpy.Event] = {}
        count = len(scenario.deployment.node)
        paths, links = _loopback(scenario) if loopback else _network(scenario, seed)
        self._nodes = Nodes(np.full(count, UP, np.uint8), np.zeros(count, np.int64), np.zeros((count, count), np.uint8))
        shared = Shared(paths, links, self._nodes, new_balancers(scenario.deployment))
        clients = Clients(scenario.workload, scenario.deployment, seed=seed)
        self.plane: KernelPlane | PlainPlane
        if plane == "kernel":
            self.plane = KernelPlane(scenario, shared, clients, seed=seed)
        else:
            from bitcell_sim.engine.plain import PlainPlane

            self.plane = PlainPlane(scenario, shared, clients, env=self._env, seed=seed)
        self._balancing = LoadBalancing(
            self._env,
            scenario.deployment,
            shared.balancers,
            self._nodes,
            links,
            paths,
            lambda: self.plane.advance(self._env.now_ns),
            self._note,
            seed=seed,
        )

    def trial(self, death: Death) -> Trial:
        """Let a server die, wait until it is out of use, let it come back, wait until it is used again.

        Raises
        ------
        InputError
            If the balancer does not take the server for up in the first place.
        """
        front, workload = self._scenario.deployment.load_balancer, self._scenario.workload
        times = CheckTimes.of(front)
        server = self._draws.below(len(self._scenario.deployment.node), 0)
        self._balancing.notice()
        settled_ns = times.interval_ns + times.longest_ns
        death_ns = settled_ns + int(self._draws.uniform(1) * times.interval_ns)
        self._env.run_until(death_ns)
        if not self._balancing.serves(server):
            name = self._scenario.deployment.node[server].id
            raise InputError(f"{name} is out of use before it dies: bitcell-sim validate says why its checks fail")
        self._turn(server, DEATHS[death])
        down_ns = self._await(server, up=0)
        period_ns = times.interval_ns + times.longest_ns
        back_ns = down_ns + seconds_to_ns(workload.client_timeout_s) + int(self._draws.uniform(2) * period_ns)
        self._env.run_until(back_ns)
        self._turn(server, UP)
        up_ns = self._await(server, up=1)
        self._env.run_until(up_ns + seconds_to_ns(workload.client_timeout_s + front.connect_timeout_s))
        self.plane.advance(self._env.now_ns)
        return self._measured(death_ns, down_ns, (up_ns - back_ns) / NS_PER_S)

    def _measured(self, death_ns: int, down_ns: int, up_s: float) -> Trial:
        book, rows = self.plane.book, self.plane.rows
        submit_ns = book.submit_ns[:rows]
        window = (submit_ns >= death_ns) & (submit_ns < down_ns)
        good = window & np.isin(book.request[:rows], (OK, REJECTED))
        took_ms = (book.answered_ns[:rows] - submit_ns)[good] / NS_PER_MS
        return Trial(
            down_s=(down_ns - death_ns) / NS_PER_S,
            up_s=up_s,
            sent_count=int(window.sum()),
            failed_count=int(window.sum() - good.sum()),
            slowest_ok_ms=float(took_ms.max()) if len(took_ms) else None,
        )

    def _turn(self, server: int, state: int) -> None:
        """The server's process changes."""
        self.plane.freeze(self._env.now_ns)
        self._nodes.state[server] = state
        self._balancing.notice()

    def _await(self, server: int, *, up: int) -> int:
        """Go on until the balancer takes the server out or back; when that was, nanoseconds."""
        change = self._changes[server, up] = self._env.event()
        self._env.run(until=change)
        return self._env.now_ns

    def _note(self, record: BalancerRecord) -> None:
        change = self._changes.pop((record.node, record.up), None)
        if change is not None:
            change.succeed()


def _loopback(scenario: Scenario) -> tuple[Paths, LinkState]:
    """No time between any two programs."""
    ends = len(scenario.deployment.node) + len(scenario.deployment.region)
    still = Paths(np.zeros((ends, ends), np.int64), np.zeros((1, ends, ends), np.int64), NS_PER_S, np.zeros(6))
    return still, healthy_links(ends, LOOPBACK_UPLINK_MBIT_PER_S, 0.0)


def _network(scenario: Scenario, seed: int) -> tuple[Paths, LinkState]:
    """Paths and links of the scenario's latency source, in one state."""
    deployment, latency = scenario.deployment, scenario.latency
    limit = scenario.protocol.wire.retransmissions_max
    paths = build_paths(deployment, latency, seed=seed, horizon_ns=seconds_to_ns(KEPT_S), retransmissions_max=limit)
    ends = len(deployment.node) + len(deployment.region)
    return paths, healthy_links(ends, deployment.hardware.uplink_mbit_per_s, latency.jitter.loss_probability)
