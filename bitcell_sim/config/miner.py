"""Who mines how: the populations of a scenario."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bitcell_sim.config.base import Name, PositiveCount, Probability, Section, Some


class MinerBase(Section):
    """Whom an entry is about."""

    node: Name | None = Field(default=None, description="The node; or give share_ratio.")
    share_ratio: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="Share of all nodes, rounded, from the end of the deployment's list and without those that other "
        "entries take; or give node.",
    )
    first_height: PositiveCount = Field(default=1, description="Height from which on it behaves so; honest before.")


class PlainMiner(MinerBase):
    """A miner that always reveals, in its own way.

    honest: a pattern at random; tie-farmer: what the tie rules reward; chaos-spammer: the heaviest ship at full energy;
    energy-maximiser: a pattern at random at full energy.
    """

    behaviour: Literal["honest", "tie-farmer", "chaos-spammer", "energy-maximiser"] = Field(
        description="How it chooses."
    )


class FlakyGriefer(MinerBase):
    """A miner that commits and does not reveal, or wins and keeps its block; else honest."""

    behaviour: Literal["flaky-griefer"] = Field(description="How it behaves.")
    missed_reveal_probability: Probability = Field(description="Probability that it does not reveal, each attempt.")
    withheld_block_probability: Probability = Field(
        default=0.0, description="Probability that it wins and makes no block, each attempt."
    )


class Equivocator(MinerBase):
    """A miner that tells one half of its peers one thing and the other half another; else honest."""

    behaviour: Literal["equivocator"] = Field(description="How it behaves.")
    equivocation_probability: Probability = Field(
        description="Probability that it votes two ways, and makes two blocks if it has won, each height."
    )


class BestReveal(MinerBase):
    """A miner that plays sampled tournaments against honest miners beforehand, and reveals what won most."""

    behaviour: Literal["best-reveal"] = Field(description="How it behaves.")
    bracket_count: PositiveCount = Field(description="Tournaments sampled for each candidate.")
    energies: Some[Annotated[int, Field(ge=0, le=255)]] = Field(description="Energies tried with each pattern.")
    positions: Some[Annotated[int, Field(ge=0, le=1023)]] = Field(
        description="Positions (x = y) tried with each pattern."
    )


Miner = Annotated[PlainMiner | FlakyGriefer | Equivocator | BestReveal, Field(discriminator="behaviour")]

BEHAVIOURS = {
    "honest": "a pattern at random, with its default energy",
    "tie-farmer": "a standard glider of energy 1: what the tie rules reward",
    "chaos-spammer": "the heaviest ship at full energy",
    "energy-maximiser": "a pattern at random, at full energy",
    "flaky-griefer": "commits and does not reveal, or wins and makes no block",
    "equivocator": "tells half of its peers one thing, half another",
    "best-reveal": "what won most in sampled tournaments against honest miners",
}
