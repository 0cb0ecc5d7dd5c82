"""What the chain leaves behind: one record an event, one table a kind."""

from __future__ import annotations

from typing import NamedTuple


class BattleRecord(NamedTuple):
    """One battle of a tournament that at least one node fought."""

    height: int
    attempt: int
    miner_count: int
    round: int
    match: int
    miner_a: int
    miner_b: int
    winner: int
    decided_by: str
    energy_a: int
    energy_b: int


class RoundRecord(NamedTuple):
    """One node's way through one attempt at a height; -1 where it did not get so far."""

    node: int
    height: int
    attempt: int
    start_ns: int
    reveal_end_ns: int
    battle_end_ns: int
    winner: int
    reveal_count: int


class AdoptionRecord(NamedTuple):
    """A node takes a block as its head."""

    node: int
    block: int
    received_ns: int
    checked_ns: int
    adopted_ns: int


class FinalRecord(NamedTuple):
    """A node sees a block final."""

    node: int
    block: int
    at_ns: int
    vote_round: int


class VoteRecord(NamedTuple):
    """A node casts a vote."""

    node: int
    height: int
    vote_round: int
    kind: str
    block: int
    at_ns: int


class EvidenceRecord(NamedTuple):
    """A node holds two votes of one node for different blocks in one height, round and kind."""

    node: int
    offender: int
    height: int
    vote_round: int
    kind: str
    at_ns: int


class TrustRecord(NamedTuple):
    """What the chain holds of one miner after one final block; height 0 is the start."""

    node: int
    height: int
    block: int
    evidence: str
    positive: float
    negative: float
    trust: float
    status: str
    ban_end_height: int
    suggested_ban_epochs: int
    stake: float
    at_ns: int


class RecoveryRecord(NamedTuple):
    """One stage of a node's way back: crash, process, first-peer, peers, synced, pool, first-vote.

    The last column is what a node calls its sync progress: the height of its head over that of the highest.
    """

    node: int
    stage: str
    at_ns: int
    height: int
    sync_progress_ratio: float
