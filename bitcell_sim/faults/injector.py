"""Faults begin, grow, shrink and end: each change composes the network anew from the faults that hold then.

Nothing is undone step by step, so faults that overlap heal exactly, in any order. A ramp is a stair of equal steps
around the straight line.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import simpy

from bitcell_sim.chain.connections import Connections
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.config import schema
from bitcell_sim.faults.aim import Aim
from bitcell_sim.kernels.mempool import NEVER
from bitcell_sim.kernels.paths import LinkState
from bitcell_sim.kernels.transactions import DOWN, SILENT, UP
from bitcell_sim.network.link import BITS_PER_MBIT, restore, small_traffic_share
from bitcell_sim.operations.load_balancer import LoadBalancing
from bitcell_sim.random_streams import Stream
from bitcell_sim.units import ms_to_ns, seconds_to_ns

if TYPE_CHECKING:
    import numpy.typing as npt

RESTART = "restart"  # cause of being down: the machine is back, the process not yet
RAMP_STEPS = 20


class FaultRecord(NamedTuple):
    """A fault of the run: `end_ns` is the end of the run where it had no end."""

    kind: str
    target: str
    start_ns: int
    end_ns: int
    detail: str


class FaultStepRecord(NamedTuple):
    """A fault has another strength from now on: `fault` is its place among the records of faults."""

    fault: int
    at_ns: int
    strength_ratio: float


@dataclass(eq=False)
class Active:
    """A fault that holds, and how much of it now.

    Parameters
    ----------
    number : int
        Names its draws.
    fault : Fault
        What it is.
    strength : float
        Share of its full strength.
    process : Process or None
        What brings it about.
    """

    number: int
    fault: schema.Fault
    strength: float = 1.0
    process: simpy.Process | None = None


def detail(fault: schema.Fault) -> str:
    """Strength of a fault, for people, such as ``+500 ms one way, ramp 60 s``; empty where it has none."""
    said = []
    if isinstance(fault, schema.LinkFault):
        latency = fault.kind == "latency"
        said.append(f"+{fault.added_ms:g} ms one way" if latency else f"{fault.probability:.2%} lost")
    elif isinstance(fault, schema.BandwidthFault):
        said.append(f"{fault.uplink_mbit_per_s:g} Mbit/s")
    elif isinstance(fault, schema.HostFault):
        said.append(f"{fault.factor:.0%} left")
    elif isinstance(fault, schema.ClockFault):
        said.append(f"{fault.offset_ms:+g} ms")
    elif isinstance(fault, schema.LoadSurge):
        said.append(f"load x {fault.factor:g}")
    elif isinstance(fault, schema.MonitoringLoss):
        said.append(fault.service)
    if isinstance(fault, schema.Partition | schema.LinkFault) and fault.one_way:
        said.append("only what it sends")
    if isinstance(fault, schema.Gradual) and fault.ramp_s > 0:
        said.append(f"ramp {fault.ramp_s:g} s")
    return ", ".join(said)


def ramp(ramp_ns: int, length_ns: int) -> list[tuple[int, float]]:
    """When the strength of a fault changes, nanoseconds from its onset, and to which share of the full one.

    >>> ramp(0, 100), ramp(20, 100)[:2], ramp(20, 100)[-1]
    ([(0, 1.0)], [(0, 0.025), (1, 0.075)], (99, 0.025))
    """
    if ramp_ns == 0:
        return [(0, 1.0)]
    rise = [(ramp_ns * step // RAMP_STEPS, (step + 0.5) / RAMP_STEPS) for step in range(RAMP_STEPS)]
    strengths = [strength for _, strength in rise]
    fall = [(length_ns - ramp_ns + at, s) for (at, _), s in zip(rise, strengths[::-1], strict=True)]
    return list(dict([*rise, (ramp_ns, 1.0), *(fall if length_ns < NEVER else [])]).items())  # one strength a moment


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
        self._aim = Aim(mesh.deployment, seed=mesh.seed)
        self._active: list[Active] = []
        self._record_count = 0
        self._causes: list[set[str]] = [set() for _ in mesh.deployment.node]
        self._rate_tps = workload.rate_tps
        self._limits = [(1.0, 1.0)] * len(mesh.deployment.node)
        self._draws = Stream.of(mesh.seed, "faults.repair")
        self._skew_ns = [0] * len(mesh.deployment.node)
        self._apply_queueing()

    def schedule(self, faults: tuple[schema.Fault, ...]) -> None:
        """Have all faults of a scenario happen."""
        for number, fault in enumerate(faults):
            self.inject(fault, number)

    def inject(self, fault: schema.Fault, number: int) -> None:
        """Have a fault happen, its start counted from now; also decided while the run goes on.

        Parameters
        ----------
        fault : Fault
            What happens.
        number : int
            Names its draws among the faults of the run.
        """
        for part in self._aim.parts(number, fault):
            active = Active(number, part)
            active.process = self._mesh.env.process(self._run(active))

    def end(self, kinds: Collection[str], nodes: Collection[int] | None = None) -> int:
        """End faults now that somebody has removed the cause of.

        Parameters
        ----------
        kinds : collection of str
            Kinds of faults.
        nodes : collection of int, optional
            Of faults that hit nodes, only those that hit one of these.

        Returns
        -------
        int
            How many ended. A fault whose strength changes at this moment, or whose time is over, ends by itself.
        """
        ended = 0
        for active in list(self._active):
            if active.fault.kind not in kinds or (nodes is not None and not self._hits(active, nodes)):
                continue
            if active.process is not None and active.process.is_alive:
                active.process.interrupt("ended")
                ended += 1
        return ended

    def _hits(self, active: Active, nodes: Collection[int]) -> bool:
        """Whether a fault hits one of some nodes; one of links or clients counts for all."""
        if isinstance(active.fault, schema.NodeFault | schema.HostFault | schema.ClockFault | schema.RegionLoss):
            return not set(nodes).isdisjoint(self._aim.nodes(active.number, active.fault))
        return True

    def _run(self, active: Active) -> Generator[simpy.Event, Any, None]:
        fault, env = active.fault, self._mesh.env
        yield env.timeout(seconds_to_ns(fault.start_s))
        start = self._mesh.now
        length = self._length_ns(active.number, fault)
        end = min(start + length, self._duration_ns)
        target = self._aim.name(active.number, fault)
        row, self._record_count = self._record_count, self._record_count + 1
        self._mesh.record(FaultRecord(fault.kind, target, start, end, detail(fault)))
        try:
            yield from self._hold(active, row, start, length)
        except simpy.Interrupt:
            length = 0  # somebody has ended it
        if length < NEVER:
            self._mesh.record(FaultStepRecord(row, self._mesh.now, 0.0))
            self._end(active)

    def _hold(self, active: Active, row: int, start: int, length: int) -> Generator[simpy.Event, Any, None]:
        """Bring a fault to each of its strengths in turn, until its time is over."""
        fault, env = active.fault, self._mesh.env
        ramp_ns = seconds_to_ns(fault.ramp_s) if isinstance(fault, schema.Gradual) else 0
        for at_ns, strength in ramp(ramp_ns, length):
            if at_ns > 0:
                yield env.timeout(start + at_ns - self._mesh.now)
            active.strength = strength
            self._mesh.record(FaultStepRecord(row, self._mesh.now, strength))
            self._mesh.plane.freeze(self._mesh.now)
            if active not in self._active:
                self._begin(active)
            self._compose()
        yield env.timeout(start + length - self._mesh.now) if length < NEVER else env.event()

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
        return seconds_to_ns(self._draws.lognormal(median, sigma, self._aim.nodes(number, fault)[0], number))

    def _begin(self, active: Active) -> None:
        self._active.append(active)
        for node in self._nodes_lost_by(active):
            self._take_down(node, f"{active.fault.kind} {active.number}")
        if isinstance(active.fault, schema.RegionLoss):
            self._balancing.lose_region(self._aim.region(active.fault.region))

    def _end(self, active: Active) -> None:
        fault, number = active.fault, active.number
        self._mesh.plane.freeze(self._mesh.now)
        self._active.remove(active)
        self._compose()
        for node in self._nodes_lost_by(active):
            self._bring_back(number, node, f"{fault.kind} {number}", fault.kind == "process-crash")
        if isinstance(fault, schema.RegionLoss) and not self._is_lost(fault.region):
            self._balancing.restore_region(self._aim.region(fault.region))

    def _is_lost(self, region: str) -> bool:
        losses = [active.fault for active in self._active if isinstance(active.fault, schema.RegionLoss)]
        return any(fault.region == region for fault in losses)

    # ---------------------------------------------------------------------------------------- nodes

    def _nodes_lost_by(self, active: Active) -> list[int]:
        lost = isinstance(active.fault, schema.NodeFault | schema.RegionLoss)
        return self._aim.nodes(active.number, active.fault) if lost else []

    def _take_down(self, node: int, cause: str) -> None:
        first = not self._causes[node]
        self._causes[node].add(cause)
        if first:
            self._mesh.nodes[node].voter.take_arrived()
        self._set_state(node)
        if first:
            self._mesh.nodes[node].way_back.crash()
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
        """State of links, machines, clocks and load from the faults that hold now."""
        restore(self._links, self._healthy)
        limits = [(1.0, 1.0)] * len(self._limits)
        skew_ns = [0] * len(self._skew_ns)
        drained = np.zeros(len(self._limits), np.uint8)
        rate = self._workload.rate_tps
        for active in self._active:
            fault, number, strength = active.fault, active.number, active.strength
            if isinstance(fault, schema.Partition):
                self._links.cut[self._aim.paths(number, fault)] = 1
            elif isinstance(fault, schema.LinkFault):
                self._worsen(fault, self._aim.paths(number, fault), strength)
            elif isinstance(fault, schema.BandwidthFault):
                self._narrow(fault, self._aim.uplinks(number, fault), strength)
            elif isinstance(fault, schema.HostFault):
                factor = 1.0 + (fault.factor - 1.0) * strength
                for node in self._aim.nodes(number, fault):
                    cpu, memory = limits[node]
                    limits[node] = (cpu * factor, memory) if fault.kind == "cpu" else (cpu, memory * factor)
            elif isinstance(fault, schema.ClockFault):
                for node in self._aim.nodes(number, fault):
                    skew_ns[node] += ms_to_ns(fault.offset_ms * strength)
            elif isinstance(fault, schema.Drain):
                drained[self._aim.nodes(number, fault)] = 1
            elif isinstance(fault, schema.LoadSurge):
                rate *= 1.0 + (fault.factor - 1.0) * strength
        self._apply_limits(limits)
        self._apply_skew(skew_ns)
        self._balancing.drain(drained)
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

    def _apply_skew(self, skew_ns: list[int]) -> None:
        for node, before, after in zip(self._mesh.nodes, self._skew_ns, skew_ns, strict=True):
            node.clock_offset_ns += after - before
        self._skew_ns = skew_ns

    def _apply_queueing(self) -> None:
        """Small messages queue while the flood is configured to take more of an uplink than the limit."""
        wire = self._mesh.protocol.wire
        size = self._mesh.protocol.block.transaction_bytes + self._workload.data_bytes_mean + wire.overhead_bytes
        slowest = int(self._links.uplink_bit_per_s.min())
        peers = len(self._mesh.deployment.node) - 1
        share = small_traffic_share(self._rate_tps, size, peers, slowest)
        self._links.queueing[0] = int(share >= wire.small_share_max)

    def _worsen(self, fault: schema.LinkFault, paths: npt.NDArray[np.bool_], strength: float) -> None:
        self._links.added_ns[paths] += ms_to_ns(fault.added_ms * strength)
        kept = (1.0 - self._links.loss[paths]) * (1.0 - fault.probability * strength)
        self._links.loss[paths] = 1.0 - kept

    def _narrow(self, fault: schema.BandwidthFault, uplinks: list[int], strength: float) -> None:
        full = self._healthy.uplink_bit_per_s[uplinks]
        limit = np.rint(full + (fault.uplink_mbit_per_s * BITS_PER_MBIT - full) * strength).astype(np.int64)
        self._links.uplink_bit_per_s[uplinks] = np.minimum(limit, self._links.uplink_bit_per_s[uplinks])
