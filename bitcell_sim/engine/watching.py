"""Looks at every node at fixed intervals while a run goes on: what its metrics are made of afterwards.

A run that nobody watches does none of it, and watching draws nothing, so that it changes no run.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy

from bitcell_sim.chain.trust import State
from bitcell_sim.kernels.paths import LinkState, Paths
from bitcell_sim.units import seconds_to_ns

if TYPE_CHECKING:
    from bitcell_sim.chain.node import Node
    from bitcell_sim.engine.simulation import Simulation
    from bitcell_sim.kernels.arrays import Ints

GAUGES = ("state", "height", "final_height", "peers", "pending", "sync", "active", "banned")
COUNTERS = ("sent_bytes", "received_bytes")
SYNCED = 100


@dataclass
class Watched:
    """What was seen.

    Parameters
    ----------
    at_ns : ndarray of int64, shape (looks,)
        When, nanoseconds.
    seen : dict of str to ndarray of int64, shape (looks, nodes)
        By name: `state` of the process (see `kernels.transactions`), `height`, `final_height`, `peers`, `pending`
        transactions, `sync` in percent, `active` and `banned` miners by its chain, `sent_bytes`, `received_bytes`.
    links_at_ns : ndarray of int64, shape (changes,)
        From when each state of the links was seen.
    links : list of LinkState
        States of the links.
    paths : Paths
        Round trips.
    """

    at_ns: Ints
    seen: dict[str, Ints]
    links_at_ns: Ints
    links: list[LinkState]
    paths: Paths


@dataclass
class Watch:
    """Looks on; give it to :func:`bitcell_sim.engine.simulation.simulate_once` as its director.

    Parameters
    ----------
    interval_s : float
        Seconds between two looks.
    """

    interval_s: float
    _simulation: Simulation | None = None
    _at_ns: list[int] = field(default_factory=list)
    _rows: dict[str, list[list[int]]] = field(default_factory=lambda: {name: [] for name in GAUGES + COUNTERS})
    _links: list[tuple[int, LinkState]] = field(default_factory=list)
    _restarted_at: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __call__(self, simulation: Simulation) -> None:
        """Begin."""
        self._simulation = simulation
        simulation.env.process(self._look_on(simulation))

    def watched(self) -> Watched:
        """Everything seen, once the run is over."""
        assert self._simulation is not None
        return Watched(
            np.array(self._at_ns, np.int64),
            {name: np.array(rows, np.int64) for name, rows in self._rows.items()},
            np.array([at for at, _ in self._links], np.int64),
            [links for _, links in self._links],
            self._simulation.shared.paths,
        )

    def _look_on(self, simulation: Simulation) -> Generator[simpy.Event, Any, None]:
        interval_ns = seconds_to_ns(self.interval_s)
        while True:
            self._at_ns.append(simulation.mesh.now)
            looks = [self._look_at(simulation, node) for node in simulation.mesh.nodes]
            for name, values in zip(GAUGES, zip(*looks, strict=True), strict=True):
                self._rows[name].append(list(values))
            for name, bytes_of in zip(COUNTERS, self._traffic(simulation), strict=True):
                self._rows[name].append(bytes_of)
            self._look_at_links(simulation)
            yield simulation.env.timeout(interval_ns)

    def _look_at(self, simulation: Simulation, node: Node) -> tuple[int, ...]:
        mesh = simulation.mesh
        trust = mesh.ledger.at(node.head)
        return (
            int(mesh.state.state[node.index]),
            node.head.height,
            node.final.height,
            len(mesh.peers(node.index)),
            simulation.plane.pending(node.index, mesh.now),
            self._sync_percent(simulation, node),
            len(trust.eligible),
            banned_count(trust, node.head.height),
        )

    def _sync_percent(self, simulation: Simulation, node: Node) -> int:
        """How much of what a process missed it has, percent; 100 once it has caught up."""
        if node.synced:
            return SYNCED
        boot_ns = int(simulation.mesh.state.boot_ns[node.index])
        known = self._restarted_at.get(node.index)
        if known is None or known[0] != boot_ns:
            known = self._restarted_at[node.index] = (boot_ns, node.head.height)
        goal = max(other.head.height for other in simulation.mesh.nodes)
        missed = goal - known[1]
        return min(SYNCED * (node.head.height - known[1]) // missed, SYNCED - 1) if missed > 0 else 0

    def _traffic(self, simulation: Simulation) -> tuple[list[int], list[int]]:
        """Bytes each node has sent and received so far: messages, and the flood of transactions."""
        count = len(simulation.mesh.nodes)
        sent, received = (bytes_of[:count].tolist() for bytes_of in simulation.plane.flood_bytes)
        for (_, source, target), (_, size) in simulation.mesh.transport.traffic().items():
            if source < count:
                sent[source] += size
            if target < count:
                received[target] += size
        return sent, received

    def _look_at_links(self, simulation: Simulation) -> None:
        links = simulation.shared.links
        last = self._links[-1][1] if self._links else None
        if last is None or not _same(links, last):
            copy = links._replace(cut=links.cut.copy(), added_ns=links.added_ns.copy(), loss=links.loss.copy())
            self._links.append((simulation.mesh.now, copy))


def _same(links: LinkState, other: LinkState) -> bool:
    """Whether packets fare the same, apart from the queues of uplinks."""
    return (
        np.array_equal(links.cut, other.cut)
        and np.array_equal(links.added_ns, other.added_ns)
        and np.array_equal(links.loss, other.loss)
    )


def banned_count(trust: State, height: int) -> int:
    """Miners that are banned on top of a height."""
    return sum(standing.ban_end > height for standing in trust.standings)
