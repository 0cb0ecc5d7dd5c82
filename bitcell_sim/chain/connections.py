"""Connections between nodes: dialled at start and found again after a fault.

A connection breaks when one of its ends crashes or its path is cut. A node that starts dials everyone it knew at once;
a node that misses peers looks for them every discovery interval, at a moment of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.kernels.arrays import Flags
from bitcell_sim.network.transport import Kind
from bitcell_sim.random_streams import Stream
from bitcell_sim.units import seconds_to_ns

HANDSHAKE_ROUND_TRIPS = 2  # one for TCP, one for the encrypted channel


class Connections:
    """Keeps the peers of all nodes.

    Parameters
    ----------
    mesh : Mesh
        The nodes.
    wanted : ndarray of uint8, shape (nodes, nodes)
        Who should be whose peer once discovery has settled.
    cut : ndarray of uint8, shape (endpoints, endpoints)
        Paths that are cut now.
    on_connect : callable
        Called with both ends when a connection stands.
    """

    def __init__(self, mesh: Mesh, wanted: Flags, cut: Flags, on_connect: Callable[[int, int], None]) -> None:
        self._mesh = mesh
        self._wanted = wanted
        self._cut = cut
        self._on_connect = on_connect
        self._interval_ns = seconds_to_ns(mesh.deployment.recovery.discovery_interval_s)
        phase = Stream.of(mesh.seed, "chain.discovery")
        self._phase_ns = [int(phase.uniform(node) * self._interval_ns) for node in range(len(wanted))]
        self._looking = [False] * len(wanted)
        self._dialling: set[tuple[int, int]] = set()

    def break_lost(self) -> None:
        """Drop every connection whose end is down or whose path is cut; the survivors begin to look again.

        The transaction plane has been frozen by the caller, who is about to change the network or has just done so.
        """
        peers = self._mesh.state.peers
        for one in range(len(peers)):
            for other in self._mesh.peers(one):
                if not self._possible(one, other):
                    peers[one, other] = peers[other, one] = 0
        for node in range(len(peers)):
            self._look(node)

    def dial_all(self, node: int) -> None:
        """A node that has just started dials everyone it knew; who knows nobody has nobody to catch up with."""
        if not self._wanted[node].any():
            self._mesh.nodes[node].caught_up()
        for other in range(len(self._wanted)):
            self._dial(node, other)
        self._look(node)

    def _possible(self, one: int, other: int) -> bool:
        broken = self._cut[one, other] or self._cut[other, one]
        return not broken and self._mesh.is_up(one) and self._mesh.is_up(other)

    def _missing(self, node: int) -> list[int]:
        wanted, peers = self._wanted[node], self._mesh.state.peers[node]
        return [other for other in range(len(wanted)) if wanted[other] and not peers[other]]

    def _look(self, node: int) -> None:
        """Come back at the node's next discovery if it misses anyone."""
        if self._looking[node] or not self._mesh.is_up(node) or not self._missing(node):
            return
        self._looking[node] = True
        now, phase = self._mesh.now, self._phase_ns[node]
        at_ns = phase + ((now - phase) // self._interval_ns + 1) * self._interval_ns
        self._mesh.env.call_at(at_ns, self._discover, node)

    def _discover(self, node: int) -> None:
        self._looking[node] = False
        if self._mesh.is_up(node):
            for other in self._missing(node):
                self._dial(node, other)
            self._look(node)

    def _dial(self, node: int, other: int) -> None:
        pair = (min(node, other), max(node, other))
        if not self._wanted[node, other] or self._mesh.state.peers[node, other] or pair in self._dialling:
            return
        if not self._possible(node, other):
            return
        self._dialling.add(pair)
        at_ns = self._mesh.now
        size = self._mesh.protocol.wire.announce_bytes
        for way in range(2 * HANDSHAKE_ROUND_TRIPS):
            source, target = (node, other) if way % 2 == 0 else (other, node)
            name = 2 * HANDSHAKE_ROUND_TRIPS * self._mesh.now + way
            at_ns += self._mesh.transport.arrivals_ns(Kind.DIAL, source, [target], name, size)[0] - self._mesh.now
        self._mesh.env.call_at(at_ns, self._connect, pair)

    def _connect(self, pair: tuple[int, int]) -> None:
        self._dialling.discard(pair)
        one, other = pair
        if not self._possible(one, other) or self._mesh.state.peers[one, other]:
            return
        self._mesh.plane.freeze(self._mesh.now)
        self._mesh.state.peers[one, other] = self._mesh.state.peers[other, one] = 1
        self._on_connect(one, other)
        self._on_connect(other, one)
