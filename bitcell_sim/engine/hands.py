"""What a person can see and do in a simulated cluster, by the names that runbooks use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bitcell_sim.chain.records import FinalRecord
from bitcell_sim.config.schema import Partition
from bitcell_sim.errors import InputError
from bitcell_sim.units import NS_PER_S

if TYPE_CHECKING:
    from bitcell_sim.engine.simulation import Simulation

LINKS = ("partition", "latency", "loss", "bandwidth")
# Which faults an action removes the cause of; a lost region comes back when its provider brings it back.
CURES: dict[str, tuple[str, ...]] = {
    "restart": ("process-crash",),
    "restore": ("process-crash",),
    "replace": ("process-crash", "host-loss"),
    "repair-network": LINKS,
    "lift-limits": ("cpu", "memory", "bandwidth"),
    "shed-load": ("load-surge",),
    "set-clock": ("clock-skew",),
}
ISOLATE = "isolate"
ACTIONS = (*CURES, ISOLATE)
_ISOLATION = 10_000  # number of the first isolation among the faults of a run


class SimulatedHands:
    """Readings and actions on one running simulation.

    Parameters
    ----------
    simulation : Simulation
        What is looked at and changed.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._mesh = simulation.mesh
        deployment = simulation.scenario.deployment
        self._ids = [node.id for node in deployment.node]
        cores = deployment.hardware.cores
        self._regions = {
            region.name: [i for i, node in enumerate(deployment.node) if node.region == region.name]
            for region in deployment.region
        }
        self._isolated: set[int] = set()
        self._readings: dict[str, Callable[[list[int]], float]] = {
            "up": lambda nodes: float(min(self._mesh.is_up(node) for node in nodes)),
            "nodes-up": lambda nodes: float(sum(self._mesh.is_up(node) for node in nodes)),
            "peers": lambda nodes: float(min(self._peers(node) for node in nodes)),
            "height-lag": self._height_lag,
            "final-age": self._final_age_s,
            "pending": lambda nodes: float(max(self._pending(node) for node in nodes)),
            "served": lambda nodes: float(sum(simulation.balancing.serves(node) for node in nodes)),
            "cores-left": lambda nodes: min(self._mesh.nodes[node].machine.cores_available for node in nodes) / cores,
            "offenders": lambda nodes: float(len(self._offenders() & set(nodes))),
        }

    @property
    def readings(self) -> tuple[str, ...]:
        """Names of everything that can be read."""
        return tuple(self._readings)

    def read(self, what: str, targets: Sequence[str]) -> float:
        """Look at something now.

        Parameters
        ----------
        what : str
            One of :attr:`readings`.
        targets : sequence of str
            Nodes or regions; all nodes without any.
        """
        if what not in self._readings:
            raise InputError(f"read {what!r}: there is no such reading; there are {', '.join(self._readings)}")
        return float(self._readings[what](self._nodes(targets)))

    def do(self, what: str, targets: Sequence[str]) -> None:
        """Do something now.

        Parameters
        ----------
        what : str
            One of ``ACTIONS``.
        targets : sequence of str
            Nodes or regions; ``isolate`` without any isolates whoever is known to misbehave.
        """
        if what in CURES:
            self._simulation.injector.end(CURES[what], self._nodes(targets) if targets else None)
        elif what == ISOLATE:
            for node in sorted(set(self._nodes(targets)) if targets else self._offenders()):
                self._isolate(node)
        else:
            raise InputError(f"do {what!r}: there is no such action; there are {', '.join(ACTIONS)}")

    def _nodes(self, targets: Sequence[str]) -> list[int]:
        if not targets:
            return list(range(len(self._ids)))
        found: list[int] = []
        for name in targets:
            if name not in self._ids and name not in self._regions:
                raise InputError(f"{name!r} is neither a node nor a region")
            found += [self._ids.index(name)] if name in self._ids else self._regions[name]
        return found

    def _peers(self, node: int) -> int:
        return len(self._mesh.peers(node)) if self._mesh.is_up(node) else 0

    def _pending(self, node: int) -> int:
        self._mesh.plane.advance(self._mesh.now)
        return int(self._mesh.plane.pending(node, self._mesh.now)) if self._mesh.is_up(node) else 0

    def _height_lag(self, nodes: list[int]) -> float:
        highest = max(node.head.height for node in self._mesh.nodes)
        return float(max(highest - self._mesh.nodes[node].head.height for node in nodes))

    def _final_age_s(self, _: list[int]) -> float:
        """Seconds since the last time that a block became final anywhere."""
        seen = self._simulation.record.records(FinalRecord)
        return (self._mesh.now - (seen[-1].at_ns if seen else 0)) / NS_PER_S

    def _offenders(self) -> set[int]:
        """Nodes that another can prove to have voted two ways, and that are not isolated."""
        accused: set[int] = set()
        for node in self._mesh.nodes:
            accused |= node.accused
        return accused - self._isolated

    def _isolate(self, node: int) -> None:
        """Cut a node from all others, for the rest of the run."""
        self._isolated.add(node)
        others = [name for index, name in enumerate(self._ids) if index != node]
        cut = Partition(kind="partition", groups=((self._ids[node],), tuple(others)), start_s=0.0)
        self._simulation.injector.inject(cut, _ISOLATION + node)
