"""Faults begin and end: each change composes the state of the network anew from the faults that hold then.

Nothing is undone step by step, so faults that overlap heal exactly, in any order.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import simpy

from bitcell_sim.chain.connections import Connections
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.config import schema
from bitcell_sim.kernels.mempool import NEVER
from bitcell_sim.kernels.paths import LinkState
from bitcell_sim.kernels.transactions import DOWN, SILENT, UP
from bitcell_sim.network.link import BITS_PER_MBIT, restore, small_traffic_share
from bitcell_sim.operations.load_balancer import LoadBalancing
from bitcell_sim.random_streams import Stream
from bitcell_sim.units import ms_to_ns, seconds_to_ns

RESTART = "restart"  # cause of being down: the machine is back, the process not yet


class FaultRecord(NamedTuple):
    """A fault of the run: `end_ns` is the end of the run where it had no end."""

    kind: str
    target: str
    start_ns: int
    end_ns: int
    detail: str


def describe(fault: schema.Fault) -> tuple[str, str]:
    """Target and strength of a fault, for people.

    Returns
    -------
    target, detail : str
        Such as ``("us-east|eu-central", "+500 ms one way")``.
    """
    if isinstance(fault, schema.NodeFault):
        return fault.node, ""
    if isinstance(fault, schema.RegionLoss):
        return fault.region, ""
    if isinstance(fault, schema.Partition):
        return "|".join("+".join(group) for group in fault.groups), "one way" if fault.one_way else ""
    if isinstance(fault, schema.LinkFault):
        target = "|".join(fault.between) if fault.between else str(fault.target)
        return target, f"+{fault.added_ms:g} ms one way" if fault.kind == "latency" else f"{fault.probability:.2%} lost"
    if isinstance(fault, schema.BandwidthFault):
        return fault.target, f"{fault.uplink_mbit_per_s:g} Mbit/s"
    if isinstance(fault, schema.HostFault):
        return fault.target, f"{fault.factor:.0%} left"
    return "clients", f"load x {fault.factor:g}"


class Injector:
    """Brings the faults of a scenario about.

    Parameters
    ----------
    mesh : Mesh
        Nodes, transactions, clock.
    links, healthy : LinkState
        Links as they are, and as they are without faults.
    connections : Connections
        Peers.
    balancing : LoadBalancing
        Load balancers.
    workload, duration_ns : Workload, int
        Offered load without faults; length of the run, nanoseconds.
    """

    def __init__(
        self,
        mesh: Mesh,
        links: LinkState,
        healthy: LinkState,
        connections: Connections,
        balancing: LoadBalancing,
        workload: schema.Workload,
        duration_ns: int,
    ) -> None:
        self._mesh = mesh
        self._links = links
        self._healthy = healthy
        self._connections = connections
        self._balancing = balancing
        self._workload = workload
        self._duration_ns = duration_ns
        self._active: list[schema.Fault] = []
        self._causes: list[set[str]] = [set() for _ in mesh.deployment.node]
        self._rate_tps = workload.rate_tps
        self._limits = [(1.0, 1.0)] * len(mesh.deployment.node)
        self._draws = Stream.of(mesh.seed, "faults.repair")
        self._region = {region.name: i for i, region in enumerate(mesh.deployment.region)}
        self._apply_queueing()

    def schedule(self, faults: tuple[schema.Fault, ...]) -> None:
        """Have all faults of a scenario happen."""
        for number, fault in enumerate(faults):
            self._mesh.env.process(self._run(number, fault))

    def inject(self, fault: schema.Fault, number: int) -> None:
        """Have one more fault happen from now on, its start counted from now; decided while the run goes on."""
        self._mesh.env.process(self._run(number, fault))

    def _run(self, number: int, fault: schema.Fault) -> Generator[simpy.Event, Any, None]:
        yield self._mesh.env.timeout(seconds_to_ns(fault.start_s))
        start = self._mesh.now
        length = self._length_ns(number, fault)
        target, detail = describe(fault)
        end = min(start + length, self._duration_ns)
        self._mesh.record(FaultRecord(fault.kind, target, start, end, detail))
        self._begin(number, fault)
        if length < NEVER:
            yield self._mesh.env.timeout(length)
            self._end(number, fault)

    def _length_ns(self, number: int, fault: schema.Fault) -> int:
        if fault.duration_s is not None:
            return seconds_to_ns(fault.duration_s)
        if not isinstance(fault, schema.NodeFault):
            return NEVER
        times = self._mesh.deployment.recovery
        if fault.kind == "process-crash":
            median, sigma = times.restart_median_s, times.restart_sigma
        else:
            median, sigma = times.host_repair_median_s, times.host_repair_sigma
        return seconds_to_ns(self._draws.lognormal(median, sigma, self._node(fault.node), number))

    def _begin(self, number: int, fault: schema.Fault) -> None:
        self._mesh.plane.freeze(self._mesh.now)
        self._active.append(fault)
        for node in self._nodes_lost_by(fault):
            self._take_down(node, f"{fault.kind} {number}")
        if isinstance(fault, schema.RegionLoss):
            self._balancing.lose_region(self._region[fault.region])
        self._compose()

    def _end(self, number: int, fault: schema.Fault) -> None:
        self._mesh.plane.freeze(self._mesh.now)
        self._active.remove(fault)
        self._compose()
        for node in self._nodes_lost_by(fault):
            self._bring_back(number, node, f"{fault.kind} {number}", fault.kind == "process-crash")
        if isinstance(fault, schema.RegionLoss) and not self._is_lost(fault.region):
            self._balancing.restore_region(self._region[fault.region])

    def _is_lost(self, region: str) -> bool:
        return any(isinstance(fault, schema.RegionLoss) and fault.region == region for fault in self._active)

    # ---------------------------------------------------------------------------------------- nodes

    def _node(self, name: str) -> int:
        return next(i for i, node in enumerate(self._mesh.deployment.node) if node.id == name)

    def _nodes_lost_by(self, fault: schema.Fault) -> list[int]:
        if isinstance(fault, schema.NodeFault):
            return [self._node(fault.node)]
        if isinstance(fault, schema.RegionLoss):
            return [i for i, node in enumerate(self._mesh.deployment.node) if node.region == fault.region]
        return []

    def _take_down(self, node: int, cause: str) -> None:
        first = not self._causes[node]
        self._causes[node].add(cause)
        if first:
            self._mesh.nodes[node].voter.take_arrived()
        self._set_state(node)
        if first:
            self._mesh.nodes[node].stage("crash")
            self._mesh.nodes[node].crash()

    def _bring_back(self, number: int, node: int, cause: str, process_only: bool) -> None:
        """End a cause of being down; a machine that comes back still has to start its process."""
        causes = self._causes[node]
        causes.discard(cause)
        if process_only or any(not other.startswith(RESTART) for other in causes):
            self._boot_if_free(node)
            return
        causes.add(f"{RESTART} {number}")
        self._set_state(node)
        self._refresh()
        times = self._mesh.deployment.recovery
        restart_s = self._draws.lognormal(times.restart_median_s, times.restart_sigma, node, number, 1)
        self._mesh.env.call_at(self._mesh.now + seconds_to_ns(restart_s), self._restart, node, number)

    def _restart(self, node: int, number: int) -> None:
        self._causes[node].discard(f"{RESTART} {number}")
        self._mesh.plane.freeze(self._mesh.now)
        self._boot_if_free(node)

    def _boot_if_free(self, node: int) -> None:
        if self._causes[node] or self._mesh.is_up(node):
            self._set_state(node)
            self._refresh()
            return
        self._mesh.state.boot_ns[node] = self._mesh.now
        self._set_state(node)
        self._mesh.nodes[node].reboot()
        self._connections.dial_all(node)
        self._refresh()

    def _set_state(self, node: int) -> None:
        causes = self._causes[node]
        state = UP
        if causes:
            silent = any(not cause.startswith(("process-crash", RESTART)) for cause in causes)
            state = SILENT if silent else DOWN
            self._mesh.state.boot_ns[node] = NEVER
        self._mesh.state.state[node] = state

    # ---------------------------------------------------------------------------------------- links

    def _compose(self) -> None:
        """State of links, machines and load from the faults that hold now."""
        restore(self._links, self._healthy)
        limits = [(1.0, 1.0)] * len(self._limits)
        rate = self._workload.rate_tps
        for fault in self._active:
            if isinstance(fault, schema.Partition):
                self._cut(fault)
            elif isinstance(fault, schema.LinkFault):
                self._worsen(fault)
            elif isinstance(fault, schema.BandwidthFault):
                limit = round(fault.uplink_mbit_per_s * BITS_PER_MBIT)
                for endpoint in self._endpoints(fault.target):
                    self._links.uplink_bit_per_s[endpoint] = min(limit, self._links.uplink_bit_per_s[endpoint])
            elif isinstance(fault, schema.HostFault):
                for node in (n for n in self._endpoints(fault.target) if n < len(limits)):
                    cpu, memory = limits[node]
                    cpu = cpu * fault.factor if fault.kind == "cpu" else cpu
                    limits[node] = (cpu, memory * fault.factor if fault.kind == "memory" else memory)
            elif isinstance(fault, schema.LoadSurge):
                rate *= fault.factor
        self._apply_limits(limits)
        if rate != self._rate_tps:
            self._mesh.plane.set_rate(rate, self._mesh.now)
            self._rate_tps = rate
        self._apply_queueing()
        self._refresh()

    def _refresh(self) -> None:
        """Connections and health checks follow what nodes and links are now."""
        self._connections.break_lost()
        self._balancing.notice()

    def _apply_limits(self, limits: list[tuple[float, float]]) -> None:
        for node, (before, after) in enumerate(zip(self._limits, limits, strict=True)):
            if before != after:
                self._mesh.nodes[node].machine.scale(cpu_factor=after[0], memory_factor=after[1])
        self._limits = limits

    def _apply_queueing(self) -> None:
        """Small messages queue while the flood is configured to take more of an uplink than the limit."""
        wire = self._mesh.protocol.wire
        size = self._mesh.protocol.block.transaction_bytes + self._workload.data_bytes_mean + wire.overhead_bytes
        slowest = int(self._links.uplink_bit_per_s.min())
        peers = len(self._mesh.deployment.node) - 1
        share = small_traffic_share(self._rate_tps, size, peers, slowest)
        self._links.queueing[0] = int(share >= wire.small_share_max)

    def _endpoints(self, name: str) -> list[int]:
        """Endpoints of a region (its nodes and its balancer), or of one node."""
        deployment = self._mesh.deployment
        if name not in self._region:
            return [self._node(name)]
        nodes = [i for i, node in enumerate(deployment.node) if node.region == name]
        return [*nodes, len(deployment.node) + self._region[name]]

    def _cut(self, fault: schema.Partition) -> None:
        groups = [[end for name in group for end in self._endpoints(name)] for group in fault.groups]
        for i, group in enumerate(groups):
            for j, other in enumerate(groups):
                if i == j or (fault.one_way and i != 0):
                    continue
                for source in group:
                    self._links.cut[source, other] = 1

    def _worsen(self, fault: schema.LinkFault) -> None:
        everywhere = list(range(self._links.cut.shape[0]))
        if fault.between:
            sides = (self._endpoints(fault.between[0]), self._endpoints(fault.between[1]))
        else:
            ends = self._endpoints(str(fault.target))
            sides = (ends, [end for end in everywhere if end not in ends])
        added_ns = ms_to_ns(fault.added_ms)
        for sources, targets in (sides, sides[::-1]):
            for source in sources:
                self._links.added_ns[source, targets] += added_ns
                kept = 1.0 - self._links.loss[source, targets]
                self._links.loss[source, targets] = 1.0 - kept * (1.0 - fault.probability)
