"""What all nodes of a chain share: the clock, the network, the transaction plane, the tournaments, the blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bitcell_sim.chain.ballots import Ballots
from bitcell_sim.chain.block import Block, own_work, wire_bytes
from bitcell_sim.chain.contest import Arena
from bitcell_sim.chain.mempool import TransactionPlane
from bitcell_sim.chain.miners import Miners
from bitcell_sim.chain.trust import Event, Ledger
from bitcell_sim.config import schema
from bitcell_sim.kernels.transactions import UP, Nodes
from bitcell_sim.network.clock import Clock
from bitcell_sim.network.transport import Transport

if TYPE_CHECKING:
    import numpy as np

    from bitcell_sim.chain.node import Node

Record = Callable[[Any], None]


@lru_cache(maxsize=4096)
def _places(flags: bytes) -> tuple[int, ...]:
    """Where flags are set; peers are asked for much more often than they change."""
    return tuple(place for place, flag in enumerate(flags) if flag)


@dataclass
class Mesh:
    """The nodes and what they share; built by the engine.

    Parameters
    ----------
    env : Clock
        Clock and event queue.
    deployment, protocol : Deployment, Protocol
        Who there is, and the rules.
    state : Nodes
        Up or down, boot times, connections; the arrays that the transaction plane sees.
    transport : Transport
        Messages between nodes.
    plane : TransactionPlane
        Transactions.
    arena : Arena
        Tournaments.
    miners : Miners
        What each miner does.
    ledger : Ledger
        Whom the chain trusts.
    record : callable
        Takes any record.
    seed : int
        Seed of the run.
    genesis : Block
        Height 0.
    ballots : Ballots
        Votes under way.
    """

    env: Clock
    deployment: schema.Deployment
    protocol: schema.Protocol
    state: Nodes
    transport: Transport
    plane: TransactionPlane
    arena: Arena
    miners: Miners
    ledger: Ledger
    record: Record
    seed: int
    genesis: Block
    ballots: Ballots
    nodes: list[Node] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    @property
    def now(self) -> int:
        """Nanoseconds since the start."""
        return self.env.now_ns

    def is_up(self, node: int) -> bool:
        """Whether a node's process runs and can be reached."""
        return bool(self.state.state[node] == UP)

    def peers(self, node: int) -> tuple[int, ...]:
        """Nodes that this one has a connection to."""
        return _places(self.state.peers[node].tobytes())

    def build(
        self,
        height: int,
        attempt: int,
        builder: int,
        parent: Block,
        miner_count: int,
        evidence: tuple[Event, ...] = (),
        *,
        twin: bool = False,
    ) -> Block:
        """Make a block of what its builder's pool holds; a twin is another of the same place, without transactions."""
        rows: np.ndarray[Any, np.dtype[np.int64]] = self.plane.select(builder, self.now)[: 0 if twin else None]
        gas, transaction_bytes = self.plane.block_size(rows)
        limits = self.protocol.block
        block = Block(
            index=len(self.blocks),
            height=height,
            attempt=attempt,
            builder=builder,
            parent=parent,
            built_ns=self.now + twin,
            rows=rows,
            gas=gas,
            size_bytes=wire_bytes(self.protocol, transaction_bytes, miner_count - 1),
            miner_count=miner_count,
            work=parent.work + own_work(limits, miner_count - 1),
            evidence=evidence,
        )
        self.blocks.append(block)
        return block
