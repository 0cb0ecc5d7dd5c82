"""The main path: build the deployment, let it run, hand over what happened.

:class:`Simulation` reads as a table of contents: network, transactions, nodes, load balancers, faults; then
:meth:`Simulation.run` and the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Literal

import numpy as np
import simpy

from bitcell_sim.chain.ballots import Ballots
from bitcell_sim.chain.block import Block
from bitcell_sim.chain.connections import Connections
from bitcell_sim.chain.contest import Arena
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.chain.miners import Miners
from bitcell_sim.chain.node import Node
from bitcell_sim.chain.trust import Ledger
from bitcell_sim.chain.workload import Clients
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.collecting import young_garbage_only
from bitcell_sim.engine.events import MessageRecord, SampleRecord
from bitcell_sim.engine.outcome import Outcome, settle
from bitcell_sim.engine.plane import KernelPlane, Shared
from bitcell_sim.engine.provers import Provers
from bitcell_sim.engine.recorder import Recorder
from bitcell_sim.faults.injector import Injector
from bitcell_sim.hosts.machine import Machine, Priority
from bitcell_sim.kernels.transactions import UP, Nodes
from bitcell_sim.network.clock import Clock
from bitcell_sim.network.latency import build_paths
from bitcell_sim.network.link import healthy_links
from bitcell_sim.network.topology import settled_peers
from bitcell_sim.network.transport import Transport
from bitcell_sim.operations.load_balancer import LoadBalancing, new_balancers
from bitcell_sim.units import seconds_to_ns

BYTES_PER_GB = 10**9
SAMPLE_INTERVAL_S = 15.0  # the seed's scrape interval
START_AFTER_S = 0.1  # room for usual clock offsets before the first round

Director = Callable[["Simulation"], None]
Progress = Callable[[float], None]


class Simulation:
    """One run of one scenario with one seed.

    Parameters
    ----------
    scenario : Scenario
        What runs.
    seed : int
        All chance of the run is a function of it.
    plane : {"kernel", "plain"}
        Who makes the transactions: the kernels, or one SimPy process a message (for comparison; slow).
    sample_interval_s : float
        Seconds between two samples of every node.

    Attributes
    ----------
    env, mesh, plane, injector, balancing, connections, shared
        The parts, for who wants to watch or to decide on faults while it runs.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int = 1,
        plane: Literal["kernel", "plain"] = "kernel",
        sample_interval_s: float = SAMPLE_INTERVAL_S,
    ) -> None:
        self.scenario = scenario
        self.seed = seed
        self.env = Clock()
        self.duration_ns = seconds_to_ns(scenario.duration_s)
        deployment = scenario.deployment
        regions = [region.name for region in deployment.region]
        farms = [f"{region}.farm" for region in regions] if deployment.prover_farm.machines else []
        self.record = Recorder([node.id for node in deployment.node], regions, farms)
        self.shared = shared = self._build_network()
        self.plane = self._build_plane(plane, shared)
        self._build_chain(shared)
        self._build_operations(shared)
        self._sample_ns = seconds_to_ns(sample_interval_s)

    @young_garbage_only()
    def run(self, *, director: Director | None = None, progress: Progress | None = None) -> Outcome:
        """Run to the end.

        Parameters
        ----------
        director : callable, optional
            Called with the simulation before it starts; may add SimPy processes that decide on faults on the way.
        progress : callable, optional
            Called now and then with the share that is done.

        Returns
        -------
        Outcome
            What happened; its books balance.
        """
        self.injector.schedule(self.scenario.fault)
        self.balancing.notice()
        self.env.process(self._sample())
        if director is not None:
            director(self)
        earliest = min(node.clock_offset_ns for node in self.mesh.nodes)
        first_ns = max(seconds_to_ns(START_AFTER_S), -earliest)
        for node in self.mesh.nodes:
            node.start(first_ns + node.clock_offset_ns)
        for step in range(1, 21):
            self.env.run_until(self.duration_ns * step // 20)
            if progress is not None:
                progress(step / 20)
        self.plane.advance(self.duration_ns)
        self._count_messages()
        self._provers.close()
        return settle(self.scenario, self.seed, self.mesh, self.plane, self.record, self.duration_ns)

    def _build_network(self) -> Shared:
        deployment, wire = self.scenario.deployment, self.scenario.protocol.wire
        paths = build_paths(
            deployment,
            self.scenario.latency,
            seed=self.seed,
            horizon_ns=self.duration_ns,
            retransmissions_max=wire.retransmissions_max,
        )
        endpoints = len(deployment.node) + len(deployment.region)
        uplink, loss = deployment.hardware.uplink_mbit_per_s, self.scenario.latency.jitter.loss_probability
        self._healthy = healthy_links(endpoints, uplink, loss)
        n = len(deployment.node)
        peers = np.zeros((n, n), np.uint8) if self.scenario.protocol.quirks.no_peers else settled_peers(deployment)
        nodes = Nodes(np.full(n, UP, np.uint8), np.zeros(n, np.int64), peers)
        return Shared(paths, healthy_links(endpoints, uplink, loss), nodes, new_balancers(deployment))

    def _build_plane(self, plane: str, shared: Shared) -> KernelPlane | Any:
        clients = Clients(self.scenario.workload, self.scenario.deployment, seed=self.seed)
        if plane == "plain":
            from bitcell_sim.engine.plain import PlainPlane

            return PlainPlane(self.scenario, shared, clients, env=self.env, seed=self.seed)
        return KernelPlane(self.scenario, shared, clients, seed=self.seed)

    def _build_chain(self, shared: Shared) -> None:
        deployment, protocol = self.scenario.deployment, self.scenario.protocol
        nobody = np.zeros(0, np.int64)
        genesis = Block(-1, 0, 0, -1, None, 0, nobody, 0, 0, 0, 0)
        transport = Transport(
            self.env,
            shared.paths,
            shared.links,
            lambda node: shared.nodes.state.item(node) == UP,
            protocol.wire,
            seed=self.seed,
            before_turn=lambda: self.plane.advance(int(self.env.now)),
        )
        names = [node.id for node in deployment.node]
        miners = Miners(self.scenario.miner, names, seed=self.seed, same_gliders=protocol.quirks.same_gliders)
        self.mesh = Mesh(
            env=self.env,
            deployment=deployment,
            protocol=protocol,
            state=shared.nodes,
            transport=transport,
            plane=self.plane,
            arena=Arena(self.record, miners.glider, seed=self.seed, quirks=protocol.quirks),
            miners=miners,
            ledger=Ledger(protocol.trust, len(deployment.node)),
            record=self.record,
            seed=self.seed,
            genesis=genesis,
            ballots=Ballots([node.stake for node in deployment.node]),
        )
        self._provers = Provers(self.scenario, self.mesh)
        hardware = deployment.hardware
        for index in range(len(deployment.node)):
            machine = Machine(self.env, hardware.cores, round(hardware.memory_gb * BYTES_PER_GB))
            self.mesh.nodes.append(Node(self.mesh, index, machine, self._provers.of_node(index, machine)))

    def _build_operations(self, shared: Shared) -> None:
        deployment = self.scenario.deployment
        self.balancing = LoadBalancing(
            self.env,
            deployment,
            shared.balancers,
            shared.nodes,
            shared.links,
            shared.paths,
            lambda: self.plane.advance(self.mesh.now),
            self.record,
            seed=self.seed,
        )
        wanted = shared.nodes.peers.copy()
        self.connections = Connections(self.mesh, wanted, shared.links.cut, self._connected)
        self.injector = Injector(
            self.mesh,
            shared.links,
            self._healthy,
            self.connections,
            self.balancing,
            self.scenario.workload,
            self.duration_ns,
        )

    def _connected(self, node: int, peer: int) -> None:
        self.mesh.nodes[node].on_connected(peer)

    def _sample(self) -> Generator[simpy.Event, Any, None]:
        """Look at every node at fixed intervals."""
        while True:
            for node in self.mesh.nodes:
                self.record(self._look_at(node))
            yield self.env.timeout(self._sample_ns)

    def _look_at(self, node: Node) -> SampleRecord:
        machine = node.machine
        return SampleRecord(
            at_ns=self.mesh.now,
            node=node.index,
            up=int(self.mesh.is_up(node.index)),
            height=node.head.height,
            final_height=node.final.height,
            peers=len(self.mesh.peers(node.index)),
            pending_count=self.plane.pending(node.index, self.mesh.now),
            proof_queue_count=node.proofs.open_count if node.proofs else 0,
            battle_core_s=machine.busy_core_s(Priority.BATTLE),
            validation_core_s=machine.busy_core_s(Priority.VALIDATION),
            proof_core_s=sum(each.busy_core_s(Priority.PROOF) for each in (machine, *machine.devices)),
            memory_used_bytes=sum(each.memory_used_bytes for each in (machine, *machine.devices)),
        )

    def _count_messages(self) -> None:
        for (kind, source, target), (count, size) in sorted(self.mesh.transport.traffic().items()):
            self.record(MessageRecord(kind.value, source, target, count, size))


def simulate_once(
    scenario: Scenario,
    *,
    seed: int = 1,
    plane: Literal["kernel", "plain"] = "kernel",
    director: Director | None = None,
    progress: Progress | None = None,
    sample_interval_s: float = SAMPLE_INTERVAL_S,
) -> Outcome:
    """Build and run a scenario; see :class:`Simulation`."""
    simulation = Simulation(scenario, seed=seed, plane=plane, sample_interval_s=sample_interval_s)
    return simulation.run(director=director, progress=progress)
