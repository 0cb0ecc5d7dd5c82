"""Chaos tests: what is broken, for how long, and what has to come back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bitcell_sim.config.base import Many, Name, Positive, Probability, Section, Some, Text
from bitcell_sim.config.fault import Fault
from bitcell_sim.config.miner import Miner

Part = Literal["nodes", "clients", "chain"]


class ChaosVariant(Section):
    """One way to break something: faults that hold together, or miners that are not honest."""

    title: Text = Field(description="What is broken, for people; variants of one title are judged together.")
    fault: Many[Fault] = Field(
        default=(), description="Faults; start_s counts from the moment of the test, duration_s is the short length."
    )
    miner: Many[Miner] = Field(default=(), description="Miners that misbehave from their first_height on.")
    no_quorum: bool = Field(
        default=False, description="Whether it leaves no quorum together, so that nothing can become final meanwhile."
    )


class ChaosTest(Section):
    """One test: its variants in turn, and what it asks for. Its limit is the target `chaos.` and its name."""

    name: Annotated[str, Field(pattern=r"^[a-z]+(_[a-z]+)*$", max_length=64)] = Field(description="Name of the test.")
    title: Text = Field(description="Test's title for people.")
    counted_from: Literal["start", "end"] = Field(
        description="Which moment of the fault recovery counts from; a node that was gone for long counts from its end."
    )
    judged: Some[Part] = Field(
        description="What has to be back: nodes (up, connected, caught up), clients (served as before), chain (the "
        "next block final)."
    )
    keeps_final: bool = Field(
        default=False,
        description="Whether blocks have to become final while the long fault holds, where a quorum is left together.",
    )
    final_ratio_min: Probability | None = Field(
        default=None, description="Least share of the offered transactions made final while the long fault holds."
    )
    crash_free: bool = Field(default=False, description="Whether no process may crash.")
    variant: Some[ChaosVariant] = Field(description="Ways to break it, taken in turn; the worst title counts.")


class Chaos(Section):
    """Chaos tests of a deployment."""

    name: Name = Field(description="Name of the tests.")
    title: Text = Field(description="One line for people.")
    sustained_s: Positive = Field(description="Seconds that the long version of every fault holds.")
    test: Some[ChaosTest] = Field(description="Tests, in the order they are told.")
