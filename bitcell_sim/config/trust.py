"""Whom the chain trusts: what counts as evidence, how trust follows from it, and what it costs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bitcell_sim.config.base import Count, NonNegative, Positive, PositiveCount, Probability, Section


class EvidenceWeights(Section):
    """What one event adds to a miner's positive or negative evidence."""

    good_block: Positive = Field(description="Positive: its block is on the chain.")
    honest_participation: Positive = Field(description="Positive: it revealed in time for the tournament.")
    missed_commitment: Positive = Field(description="Negative: it was eligible and did not commit.")
    missed_reveal: Positive = Field(description="Negative: it committed and did not reveal in time.")
    invalid_block: Positive = Field(description="Negative: it signed a block that breaks the rules.")
    invalid_tournament: Positive = Field(description="Negative: it announced a tournament that was not so.")
    proof_failure: Positive = Field(description="Negative: a proof of its does not verify.")
    equivocation: Positive = Field(description="Negative: it signed two votes that exclude each other.")


class Penalty(Section):
    """What one event costs beside trust."""

    slash_ratio: Probability = Field(default=0.0, description="Share of the stake that is left to it which is slashed.")
    ban_epochs: Count = Field(default=0, description="Epochs for which it is banned.")
    banned_for_ever: bool = Field(default=False, description="Whether it is banned for good.")


class Penalties(Section):
    """Penalty of a kind of event, by whether the trust after it is below `killed_below`."""

    alive: Penalty = Field(description="Trust is not below it.")
    killed: Penalty = Field(description="Trust is below it.")


class Slashing(Section):
    """Penalties of the negative events."""

    missed_commitment: Penalties = Field(description="It was eligible and did not commit.")
    missed_reveal: Penalties = Field(description="It committed and did not reveal in time.")
    invalid_block: Penalties = Field(description="It signed a block that breaks the rules.")
    invalid_tournament: Penalties = Field(description="It announced a tournament that was not so.")
    proof_failure: Penalties = Field(description="A proof of its does not verify.")
    equivocation: Penalties = Field(description="It signed two votes that exclude each other.")


class SuggestedBan(Section):
    """Epochs of ban by trust alone: upstream's second table, which contradicts the first and is only reported."""

    warning_epochs: Count = Field(description="Trust below `eligible_min`.")
    killed_epochs: Count = Field(description="Trust below `killed_below`.")


class Trust(Section):
    """Evidence-based subjective logic: T = r / (r + s + K) + alpha K / (r + s + K)."""

    enforced: bool = Field(description="Whether only trusted miners that are not banned may enter tournaments.")
    prior_weight: Positive = Field(description="K: how much evidence weighs as much as knowing nothing.")
    base_rate: Probability = Field(description="alpha: trust in a miner about whom nothing is known.")
    eligible_min: Probability = Field(description="T_MIN: least trust with which a miner may enter a tournament.")
    killed_below: Probability = Field(description="T_KILL: below it penalties are harder.")
    epoch_blocks: PositiveCount = Field(description="Blocks of an epoch.")
    positive_kept_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Share of the positive evidence that outlasts an epoch."
    )
    negative_kept_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        description="Share of the negative evidence that outlasts an epoch."
    )
    genesis_positive: NonNegative = Field(description="r of every miner at the start.")
    genesis_negative: NonNegative = Field(description="s of every miner at the start.")
    absence_needs_quorum: bool = Field(
        description="Whether a block may hold it against miners that they were missing only if more than two thirds of "
        "those that might enter were there."
    )
    history_events: PositiveCount = Field(description="Latest events of a miner that can be looked up.")
    interaction_min: NonNegative = Field(
        description="Mean interaction (MII) over a miner's battles above which it counts as one more good block."
    )
    diversity_min: NonNegative = Field(
        description="Mean diversity (TED, bits) over a miner's battles above which it counts as one more good block."
    )
    weight: EvidenceWeights = Field(description="What events weigh.")
    slashing: Slashing = Field(description="What negative events cost beside trust.")
    suggested_ban: SuggestedBan = Field(description="Bans by trust alone, reported and not applied.")
