"""Blocks, and the chains they form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bitcell_sim.config import schema

if TYPE_CHECKING:
    from bitcell_sim.chain.trust import Event
    from bitcell_sim.kernels.arrays import Ints


@dataclass(frozen=True, eq=False)
class Block:
    """One block; `parent` links it to its chain.

    Parameters
    ----------
    index : int
        Order of building, -1 for genesis.
    height, attempt, builder : int
        Which round made it, and whose node.
    parent : Block or None
        None for genesis.
    built_ns : int
        When its builder finished it.
    rows : ndarray of int64, shape (n,)
        Its transactions.
    gas, size_bytes : int
        Gas used, and bytes on the wire.
    miner_count : int
        Miners whose reveals its builder saw; the battles are one fewer.
    work : int
        Cumulative, itself included.
    evidence : tuple of (int, Evidence)
        What it says of the miners.
    """

    index: int
    height: int
    attempt: int
    builder: int
    parent: Block | None
    built_ns: int
    rows: Ints
    gas: int
    size_bytes: int
    miner_count: int
    work: int
    evidence: tuple[Event, ...] = ()
    hash: int = field(init=False)

    def __post_init__(self) -> None:
        above = self.parent.hash if self.parent else 0
        text = f"{above},{self.height},{self.attempt},{self.builder},{self.miner_count},{self.built_ns}"
        digest = hashlib.blake2b(text.encode() + self.rows.tobytes(), digest_size=8).digest()
        object.__setattr__(self, "hash", int.from_bytes(digest, "big"))

    def chain(self, down_to: int = 0) -> Iterator[Block]:
        """The block and its ancestors, newest first, as long as their height is at least `down_to`."""
        block: Block | None = self
        while block is not None and block.height >= down_to:
            yield block
            block = block.parent

    def ancestor(self, height: int) -> Block | None:
        """The block of this chain at a height; None above its tip."""
        if height > self.height:
            return None
        for block in self.chain(height):
            if block.height == height:
                return block
        return None


@dataclass(frozen=True)
class ProofLoad:
    """What proves a block.

    Parameters
    ----------
    count : int
        Battles that are proved.
    messages : int
        Proofs that nodes get: as many, or the one aggregate of them.
    each_bytes : int
        Bytes of each, in a block or on its own.
    each_check_ms : float
        Core-milliseconds to check each.
    """

    count: int
    messages: int
    each_bytes: int
    each_check_ms: float


def proof_load(protocol: schema.Protocol, battle_count: int) -> ProofLoad:
    """Proofs of a block whose tournament had so many battles."""
    proof = protocol.proof
    count = min(battle_count, proof.proofs_per_block or battle_count) if proof.mode != "off" else 0
    way = proof.aggregations.get(proof.aggregation)
    if way is None:
        return ProofLoad(count, count, protocol.block.proof_bytes, protocol.costs.proof_check_ms)
    return ProofLoad(count, min(count, 1), way.proof_bytes, way.check_ms)


def carried_proofs(protocol: schema.Protocol, battle_count: int) -> tuple[int, float]:
    """Bytes and core-milliseconds of the proofs inside a block: none unless it waits for them."""
    if protocol.proof.mode != "inline":
        return 0, 0.0
    load = proof_load(protocol, battle_count)
    return load.messages * load.each_bytes, load.messages * load.each_check_ms


def wire_bytes(protocol: schema.Protocol, transaction_bytes: int, battle_count: int) -> int:
    """Bytes of a block: header, transactions, battles, and the proofs that it carries."""
    limits = protocol.block
    proofs_bytes, _ = carried_proofs(protocol, battle_count)
    return limits.header_bytes + transaction_bytes + battle_count * limits.battle_bytes + proofs_bytes


def check_core_s(protocol: schema.Protocol, transaction_count: int, battle_count: int) -> float:
    """Core-seconds to check a block with the proofs that it carries."""
    costs = protocol.costs
    _, proofs_ms = carried_proofs(protocol, battle_count)
    return (costs.block_check_ms + costs.transaction_check_ms * transaction_count + proofs_ms) / 1000.0


def own_work(block: schema.Block, battle_count: int) -> int:
    """Work that one block adds to its chain."""
    return block.work_per_proof * battle_count
