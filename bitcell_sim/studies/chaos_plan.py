"""Which run answers which chaos test: a variant, short or long, at a moment drawn over a round."""

from __future__ import annotations

from dataclasses import dataclass

from bitcell_sim.analysis.chaos import Window
from bitcell_sim.config.schema import ChaosTest, ChaosVariant, RegionLoss, Scenario
from bitcell_sim.random_streams import Stream
from bitcell_sim.studies.plan import LOSS_LEAD_S, round_s

SHORT, LONG = "short", "long"
LENGTHS = (SHORT, LONG)
WATCHED = 2.0  # how long what follows is watched, as a factor on the limit: what is not over by then counts as that


@dataclass(frozen=True)
class Trial:
    """One run of a chaos test.

    Parameters
    ----------
    scenario : Scenario
        What is run.
    window : Window
        When the fault holds; of miners that misbehave, from when they may begin to.
    offender, first_height : str or None, int
        Who misbehaves, and from which height on.
    """

    scenario: Scenario
    window: Window
    offender: str | None = None
    first_height: int = 0


def possible(scenario: Scenario, test: ChaosTest) -> list[ChaosVariant]:
    """Variants of a test whose nodes and regions the deployment has."""
    deployment = scenario.deployment
    known = {node.id for node in deployment.node} | {region.name for region in deployment.region}
    return [variant for variant in test.variant if _named(variant) <= known]


def _named(variant: ChaosVariant) -> set[str]:
    names: set[str] = set()
    for entry in (*variant.fault, *variant.miner):
        names |= {name for key in ("node", "region", "target") if (name := getattr(entry, key, None)) is not None}
        names |= {*(getattr(entry, "between", None) or ())}
        names |= {name for group in getattr(entry, "groups", None) or () for name in group}
    return names


def lengths(test: ChaosTest) -> tuple[str, ...]:
    """Short and long; long alone where miners misbehave, which they do until they are found out."""
    return LENGTHS if all(variant.fault for variant in test.variant) else (LONG,)


def plan_trial(scenario: Scenario, test: ChaosTest, length: str, seed: int, limit_s: float) -> Trial:
    """The run of a test.

    Parameters
    ----------
    scenario : Scenario
        The deployment.
    test : ChaosTest
        Its variants are taken in turn, by the seed.
    length : str
        ``short`` or ``long``.
    seed : int
        Seed of the run.
    limit_s : float
        Limit of the test, seconds; decides how long what follows is watched.
    """
    variants = possible(scenario, test)
    variant = variants[seed % len(variants)]
    place = [entry.name for entry in scenario.chaos.test].index(test.name)
    spread = Stream.of(seed, "studies.chaos").uniform(place, LENGTHS.index(length))
    start_s = round_s(scenario) * (max(1, scenario.warmup_blocks) + spread) + LOSS_LEAD_S
    longer = {"duration_s": scenario.chaos.sustained_s} if length == LONG else {}
    faults = tuple(fault.model_copy(update=longer | {"start_s": start_s + fault.start_s}) for fault in variant.fault)
    spans = [(fault.start_s, fault.start_s + (fault.duration_s or 0.0)) for fault in faults]
    end_s = max((end for _, end in spans), default=start_s + scenario.chaos.sustained_s)
    from_end = test.counted_from == "end"
    window = Window(
        variant=variant.title,
        start_s=start_s,
        end_s=end_s,
        until_s=end_s + WATCHED * limit_s,
        service_s=end_s if from_end else start_s,
        nodes_s=end_s if from_end or (length == LONG and bool(faults)) else start_s,
        lost_regions=tuple(fault.region for fault in faults if isinstance(fault, RegionLoss)),
    )
    run = scenario.model_copy(
        update={"duration_s": window.until_s, "fault": faults, "miner": (*scenario.miner, *variant.miner)}
    )
    offender = variant.miner[0] if variant.miner else None
    return Trial(run, window, offender.node if offender else None, offender.first_height if offender else 0)
