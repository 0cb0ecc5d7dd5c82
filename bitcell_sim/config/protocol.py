"""How the chain works: rounds, battles, blocks, finality, wire sizes and processor costs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bitcell_sim.config.base import Count, Name, NonNegative, Positive, PositiveCount, Probability, Section, Text
from bitcell_sim.config.trust import Trust


class Round(Section):
    """The phases of one height on a node's own clock."""

    commit_s: Positive = Field(description="Seconds of the commit phase.")
    reveal_s: Positive = Field(description="Seconds of the reveal phase; later reveals do not count.")
    pause_s: NonNegative = Field(description="Seconds between the last battle and the block.")
    block_timeout_s: Positive = Field(
        description="Seconds a node waits for a block after its own battles and pause; then the height is tried again."
    )
    block_interval_s: NonNegative = Field(
        description="Seconds: a block waits for the next multiple. 0: the node's own timing."
    )


class BattleEngine(Section):
    """How long one battle takes on a node, by Amdahl's law over its cores."""

    core_s: Positive = Field(description="Seconds of one battle on one core.")
    serial_fraction: Probability = Field(description="Share of the battle that more cores do not shorten.")


class Battle(Section):
    """The tournament's battles: rules, and whose engine computes them."""

    steps: PositiveCount = Field(description="Steps of the automaton in one battle.")
    engine: Text = Field(description="Which of `engines` the nodes run.")
    engines: dict[str, BattleEngine] = Field(description="Known engines by name.")


class Block(Section):
    """Limits and sizes of a block."""

    max_transactions: PositiveCount = Field(description="Transactions in one block at most.")
    gas_limit: PositiveCount = Field(description="Gas of all transactions of a block at most.")
    transaction_gas: PositiveCount = Field(description="Gas of a transaction without data.")
    data_byte_gas: Count = Field(description="Gas of one byte of transaction data.")
    header_bytes: PositiveCount = Field(description="Bytes of a block without transactions and proofs.")
    transaction_bytes: PositiveCount = Field(description="Bytes of a transaction without data.")
    battle_bytes: PositiveCount = Field(description="Bytes of one battle's record in a block.")
    proof_bytes: PositiveCount = Field(description="Bytes of one battle proof, in a block or on its own.")
    work_per_proof: PositiveCount = Field(
        description="Work that one battle adds to a block, proved or not, for fork choice."
    )


class Mempool(Section):
    """The pool of pending transactions of one node."""

    capacity: PositiveCount = Field(description="Transactions it holds; a full pool rejects.")


class Finality(Section):
    """Prevote and precommit; more than two thirds of the stake."""

    timeout_s: Positive = Field(description="Seconds after which the first voting round gives way to the next.")
    timeout_step_s: NonNegative = Field(description="Seconds by which each further voting round lasts longer.")


class Wire(Section):
    """Message sizes and how streams behave."""

    vote_bytes: PositiveCount = Field(description="Bytes of a prevote or precommit.")
    commit_bytes: PositiveCount = Field(description="Bytes of a tournament commitment.")
    reveal_bytes: PositiveCount = Field(description="Bytes of a tournament reveal.")
    announce_bytes: PositiveCount = Field(description="Bytes that tell a peer of a block.")
    overhead_bytes: Count = Field(description="Bytes of framing, encryption and headers on each message.")
    bulk_bytes: PositiveCount = Field(
        description="Bytes from which on a message takes its turn on the sender's uplink."
    )
    window_bytes: PositiveCount = Field(description="Bytes a stream sends per round trip.")
    small_share_max: Probability = Field(
        description="Share of an uplink up to which small messages pass the bulk queue; above it all of them queue."
    )
    retransmissions_max: PositiveCount = Field(description="Retransmissions of a packet before the stream breaks.")


class Costs(Section):
    """Processor time of checks, in core-milliseconds."""

    transaction_check_ms: NonNegative = Field(description="Core-milliseconds to check one transaction.")
    proof_check_ms: NonNegative = Field(description="Core-milliseconds to check one battle proof.")
    block_check_ms: NonNegative = Field(description="Core-milliseconds to check a block beside its contents.")


class Aggregation(Section):
    """One proof made of a block's battle proofs, in their place; the builder makes it on its own cores."""

    fixed_core_s: NonNegative = Field(description="Seconds on one core, whatever the number of proofs.")
    per_proof_core_s: NonNegative = Field(description="Seconds on one core for each battle proof that goes in.")
    serial_fraction: Probability = Field(description="Share of it that more cores do not shorten.")
    memory_gb: NonNegative = Field(description="Memory it takes in GB (10^9 bytes); without it, it is killed.")
    proof_bytes: PositiveCount = Field(description="Bytes of the aggregate.")
    check_ms: NonNegative = Field(description="Core-milliseconds to check the aggregate.")


class Proof(Section):
    """What a block's builder proves."""

    mode: Literal["pipelined", "inline", "off"] = Field(
        description="pipelined: the block does not wait, its proofs follow; inline: it waits for them; off: none."
    )
    circuit: Text = Field(description="Circuit of one battle: one of the proof model's.")
    prover: Text = Field(description="Prover of the proof cost model.")
    estimate: Literal["low", "central", "high"] = Field(
        description="End of the cost model's ranges (prover's factor, serial share) that proofs of a run take."
    )
    grid: PositiveCount = Field(description="Side of the proved grid, cells.")
    steps: PositiveCount = Field(description="Steps proved.")
    proofs_per_block: Count = Field(
        description="Battles of a block that are proved, the last of its tournament; 0: all, one fewer than miners."
    )
    slots: PositiveCount = Field(
        description="Proofs a node computes at a time; 1: one after another. A prover on cards has one for each slot."
    )
    aggregation: Text = Field(description="Which of `aggregations` makes one proof of a block's; or none.")
    aggregations: dict[str, Aggregation] = Field(description="Known ways to aggregate by name.")
    missing_after_blocks: PositiveCount = Field(description="Blocks after which an absent proof counts as missing.")


class Quirks(Section):
    """What upstream's code does where its documents say otherwise, or nothing; each switch turns one on alone."""

    no_locking: bool = Field(
        default=False, description="Validators prevote the heaviest block they hold in every round and keep no lock."
    )
    votes_summed: bool = Field(
        default=False, description="Votes for a block add up over rounds, before and after another block is final."
    )
    price_second_key: bool = Field(
        default=False,
        description="A pool keys transactions by gas price and whole second of receipt; a second one vanishes.",
    )
    seed_from_height: bool = Field(default=False, description="The tournament's seed is SHA-256 of the height.")
    list_order: bool = Field(default=False, description="Miners are paired in list order, without a shuffle.")
    same_gliders: bool = Field(default=False, description="Every miner reveals a Standard at (100, 100), energy 100.")
    chain_in_memory: bool = Field(
        default=False, description="A restarted process has lost its chain, its lock and the votes it cast."
    )
    no_peers: bool = Field(default=False, description="Nodes dial nobody, and each has a genesis of its own.")
    signature_mismatch: bool = Field(
        default=False,
        description="A transaction's signature fails the check of blocks: a node that holds one makes none.",
    )


class Protocol(Section):
    """How the chain works."""

    name: Name = Field(description="Name of the profile.")
    title: Text = Field(description="One line for people.")
    round: Round = Field(description="Phases of a height.")
    battle: Battle = Field(description="Battles.")
    block: Block = Field(description="Blocks.")
    mempool: Mempool = Field(description="Pending transactions.")
    finality: Finality = Field(description="Votes.")
    trust: Trust = Field(description="Who may mine.")
    wire: Wire = Field(description="Messages.")
    costs: Costs = Field(description="Processor time of checks.")
    proof: Proof = Field(description="Proofs.")
    quirks: Quirks = Field(default_factory=Quirks, description="Upstream's own ways; all off as designed.")
