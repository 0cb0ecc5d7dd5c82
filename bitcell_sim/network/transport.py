"""Messages of the control plane: votes, blocks, reveals, requests; each an event at its arrival.

A message pays propagation, transmission and loss recovery; a bulk one waits for its turn on the sender's uplink and for
its stream's windows. Link state counts when it is sent; a node that is not up when it arrives does not get it.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bitcell_sim.config.schema import Wire
from bitcell_sim.kernels import paths as kernel
from bitcell_sim.kernels.compiling import entry
from bitcell_sim.network.clock import Clock, Handler
from bitcell_sim.random_streams import stream_key

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Ints


class Kind(enum.StrEnum):
    """What a message carries."""

    COMMIT = "commit"
    REVEAL = "reveal"
    BLOCK = "block"
    WITNESS = "witness"
    PROOF = "proof"
    ANNOUNCE = "announce"
    REQUEST = "request"
    DOWNLOAD = "download"
    VOTE = "vote"
    STATUS = "status"
    DIAL = "dial"

    __hash__ = str.__hash__  # the enumeration's own is not in C, and messages are counted by kind


@lru_cache(maxsize=1024)
def _indices(nodes: tuple[int, ...]) -> tuple[Ints, Ints]:
    """Nodes as the kernels take them, and room for a number of each."""
    return np.array(nodes, np.int64), np.empty(len(nodes), np.int64)


class Transport:
    """Sends between nodes.

    Parameters
    ----------
    env : Clock
        Clock and event queue, whole nanoseconds.
    paths, links : Paths, LinkState
        Round trips, and what faults do to them.
    is_up : callable
        Whether a node gets what arrives now.
    wire : Wire
        Sizes and limits.
    seed : int
        Seed of the run.
    before_turn : callable, optional
        Called before a message takes its turn on an uplink that small messages wait for too: the transactions up to now
        have theirs first.
    """

    def __init__(
        self,
        env: Clock,
        paths: kernel.Paths,
        links: kernel.LinkState,
        is_up: Callable[[int], bool],
        wire: Wire,
        *,
        seed: int,
        before_turn: Callable[[], None] | None = None,
    ) -> None:
        self._env = env
        self._paths = paths
        self._links = links
        self._is_up = is_up
        self._before_turn = before_turn
        self._wire = wire
        self._keys = {kind: np.uint64(stream_key(seed, f"transport.{kind.value}")) for kind in Kind}
        some = _indices((0,))
        key = next(iter(self._keys.values()))
        self._broadcast_ns = entry(kernel.broadcast_ns, key, 0, 0, 0, 0, 0, some[0], paths, links, some[1])
        self._bulk_ns = entry(kernel.bulk_ns, key, 0, 0, 0, 0, 0, 0, 0, paths, links)
        self._sent: Counter[tuple[Kind, int, tuple[int, ...], int]] = Counter()  # kind, source, targets, bytes

    def traffic(self) -> dict[tuple[Kind, int, int], tuple[int, int]]:
        """Messages and their bytes so far, by kind, source and target."""
        totals: dict[tuple[Kind, int, int], tuple[int, int]] = {}
        for (kind, source, targets, size), count in self._sent.items():
            for target in targets:
                messages, total = totals.get((kind, source, target), (0, 0))
                totals[kind, source, target] = (messages + count, total + count * size)
        return totals

    def notify(self, kind: Kind, source: int, targets: Sequence[int], name: int, size_bytes: int) -> None:
        """Send a small message that nobody waits for: it is counted, and takes its turn on a loaded uplink."""
        if self._links.queueing[0]:
            self.arrivals_ns(kind, source, targets, name, size_bytes)
        else:
            self._sent[kind, source, tuple(targets), size_bytes + self._wire.overhead_bytes] += 1

    def arrivals_ns(
        self, kind: Kind, source: int, targets: Sequence[int], name: int, size_bytes: int, again: int = 0
    ) -> list[int]:
        """Arrival of a small message at each target, nanoseconds; -1 where the path is cut.

        Parameters
        ----------
        kind : Kind
            What it carries.
        source, targets : int, sequence of int
            Nodes.
        name : int
            Names the draw among the messages of this kind and pair.
        size_bytes : int
            Without the overhead of framing and encryption.
        again : int
            Tells a repetition of the same message apart.
        """
        arrivals: list[int] = self.copies_ns(kind, source, targets, name, size_bytes, again)[1].tolist()
        return arrivals

    def copies_ns(
        self, kind: Kind, source: int, targets: Sequence[int], name: int, size_bytes: int, again: int = 0
    ) -> tuple[Ints, Ints]:
        """Targets and arrivals of a small message as arrays, as :meth:`arrivals_ns`; they hold until the next call."""
        size = size_bytes + self._wire.overhead_bytes
        targets = tuple(targets)
        where, arrivals = _indices(targets)
        if targets:
            self._sent[kind, source, targets, size] += 1
            self._let_transactions_first()
            key, now = self._keys[kind], int(self._env.now)
            self._broadcast_ns(key, name, again, source, now, size, where, self._paths, self._links, arrivals)
        return where, arrivals

    def broadcast(
        self,
        kind: Kind,
        source: int,
        targets: Sequence[int],
        name: int,
        size_bytes: int,
        handler: Handler,
        *what: Any,
        again: int = 0,
    ) -> None:
        """Send a small message; `handler(target, *what)` is called where it arrives."""
        arrivals = self.arrivals_ns(kind, source, targets, name, size_bytes, again)
        for target, at_ns in zip(targets, arrivals, strict=True):
            if at_ns >= 0:
                self._env.call_at(at_ns, self._deliver, target, handler, what)

    def send(
        self, kind: Kind, source: int, target: int, name: int, size_bytes: int, handler: Handler, *what: Any
    ) -> None:
        """Send one message, small or bulk by its size."""
        at_ns = self.arrival_ns(kind, source, target, name, size_bytes)
        if at_ns >= 0:
            self._env.call_at(at_ns, self._deliver, target, handler, what)

    def arrival_ns(self, kind: Kind, source: int, target: int, name: int, size_bytes: int) -> int:
        """Arrival of one message, small or bulk by its size, nanoseconds; -1 where the path is cut.

        Endpoints that are no nodes (of a region) can be asked for too; who is there when it arrives is not looked at.
        """
        if size_bytes < self._wire.bulk_bytes:
            return self.arrivals_ns(kind, source, (target,), name, size_bytes)[0]
        size = size_bytes + self._wire.overhead_bytes
        self._sent[kind, source, (target,), size] += 1
        if self._links.cut[source, target]:
            return -1
        self._let_transactions_first()
        key, now, window = self._keys[kind], int(self._env.now), self._wire.window_bytes
        return int(self._bulk_ns(key, name, 0, source, target, now, size, window, self._paths, self._links))

    def _let_transactions_first(self) -> None:
        if self._before_turn is not None and self._links.queueing[0]:
            self._before_turn()

    def _deliver(self, target: int, handler: Handler, what: tuple[Any, ...]) -> None:
        if self._is_up(target):
            handler(target, *what)
