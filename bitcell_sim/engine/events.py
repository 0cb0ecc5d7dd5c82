"""Records that the engine itself makes."""

from __future__ import annotations

from typing import NamedTuple

from bitcell_sim.proving.prover import ProofRecord


class SampleRecord(NamedTuple):
    """One node at one moment: what a monitoring system would read of it."""

    at_ns: int
    node: int
    up: int
    height: int
    final_height: int
    peers: int
    pending_count: int
    proof_queue_count: int
    battle_core_s: float
    validation_core_s: float
    proof_core_s: float
    memory_used_bytes: int


class MessageRecord(NamedTuple):
    """All messages of one kind from one node to another during a run."""

    kind: str
    source: int
    target_node: int
    message_count: int
    message_bytes: int


class ProofOfBlock(NamedTuple):
    """What became of one proof job of a block's builder; -1 for what never happened.

    An aggregate has -1 as its battle, and what a node computes itself has -1 as its farm.
    """

    node: int
    farm: int
    block: int
    battle: int
    queued_ns: int
    received_ns: int
    start_ns: int
    end_ns: int
    outcome: str
    demanded_core_s: float
    demanded_s: float
    memory_bytes: int

    @classmethod
    def of(cls, node: int, farm: int, block: int, battle: int, job: ProofRecord) -> ProofOfBlock:
        """Record of a job that a node asked for, of itself or of its region's farm."""
        return cls(
            node,
            farm,
            block,
            battle,
            job.queued_ns,
            job.received_ns,
            job.start_ns,
            job.end_ns,
            job.outcome.value if job.outcome else "unfinished",
            job.demanded_core_s,
            job.demanded_s,
            job.memory_bytes,
        )
