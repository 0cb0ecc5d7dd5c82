"""Which runs answer which target: a scenario, lengthened, loaded or broken as the target's definition says."""

from __future__ import annotations

from dataclasses import dataclass

from bitcell_sim.config.schema import Fault, NodeFault, RegionLoss, Scenario
from bitcell_sim.hosts.machine import core_rate
from bitcell_sim.random_streams import Stream

OVERLOAD = 1.5  # offered load of the throughput run, as a factor on the limit
CRASH_SPACING_S = 90.0  # beyond the limit of 60 s; what is not over by then counts as that long
CRASH_TURNS = 3
LOSS_S = 240.0  # twice the limit: what is not over by then counts as that long
LOSS_SETTLE_S = 150.0
LOSS_LEAD_S = 60.0  # what a loss is compared with


@dataclass(frozen=True)
class Size:
    """How much evidence to gather.

    Parameters
    ----------
    replications : int
        Runs of each kind.
    blocks : int
        Blocks of a steady run, beyond the warm-up.
    losses : int
        Losses of each region in one run.
    ping_repeats : int
        Repeats of ten pings, each in a new dwell.
    years : int
        Simulated years of availability per replication.
    trials : int
        Runs of each variant and length of a chaos test; a 95th percentile has an upper bound from 72 on.
    alert_runs : int
        Runs of each fault that monitoring is judged by, and as many without a fault; none leaves the rows
        unknown.
    """

    replications: int
    blocks: int
    losses: int
    ping_repeats: int
    years: int
    trials: int = 73
    alert_runs: int = 1


QUICK = Size(replications=11, blocks=12, losses=7, ping_repeats=400, years=400)
FULL = Size(replications=20, blocks=20, losses=8, ping_repeats=2000, years=1000)


def round_s(scenario: Scenario) -> float:
    """Seconds of one round when all nodes reveal, without the network's part."""
    timing, battle = scenario.protocol.round, scenario.protocol.battle
    engine = battle.engines[battle.engine]
    battles = len(scenario.deployment.node) - 1
    battle_s = battles * engine.core_s / core_rate(scenario.deployment.hardware.cores, engine.serial_fraction)
    own = timing.commit_s + timing.reveal_s + timing.pause_s + battle_s
    interval = timing.block_interval_s
    return own if interval == 0 else -(-own // interval) * interval


def steady(scenario: Scenario, blocks: int) -> Scenario:
    """The scenario's own load, long enough for some blocks and for their transactions to become final."""
    length = round_s(scenario) * (scenario.warmup_blocks + blocks + 1) + 240.0
    return scenario.model_copy(update={"duration_s": length, "fault": ()})


def loaded(scenario: Scenario, rate_tps: float, blocks: int) -> Scenario:
    """A given offered load."""
    length = round_s(scenario) * (scenario.warmup_blocks + blocks + 2)
    workload = scenario.workload.model_copy(update={"rate_tps": rate_tps})
    return scenario.model_copy(update={"duration_s": max(length, 120.0), "fault": (), "workload": workload})


def crashes(scenario: Scenario, seed: int) -> Scenario:
    """Every node's process crashes some times, in turn, at a moment uniform over the round."""
    lead, length = _lead_s(scenario), round_s(scenario)
    phase = Stream.of(seed, "studies.crash")
    faults: list[Fault] = []
    start = lead
    for turn in range(CRASH_TURNS):
        for index, node in enumerate(scenario.deployment.node):
            at = start + phase.uniform(index, turn) * length
            faults.append(NodeFault(kind="process-crash", node=node.id, start_s=at))
            start += CRASH_SPACING_S + length
    return scenario.model_copy(update={"duration_s": start + CRASH_SPACING_S, "fault": tuple(faults)})


def region_losses(scenario: Scenario, seed: int, losses: int) -> Scenario:
    """Every region is lost some times, in turn, at a moment uniform over the round."""
    start, length = _lead_s(scenario), round_s(scenario)
    phase = Stream.of(seed, "studies.region-loss")
    faults: list[Fault] = []
    for turn in range(losses):
        for index, region in enumerate(scenario.deployment.region):
            at = start + LOSS_LEAD_S + phase.uniform(index, turn) * length
            faults.append(RegionLoss(kind="region-loss", region=region.name, start_s=at, duration_s=LOSS_S))
            start += LOSS_LEAD_S + length + LOSS_S + LOSS_SETTLE_S
    return scenario.model_copy(update={"duration_s": start, "fault": tuple(faults)})


def _lead_s(scenario: Scenario) -> float:
    return round_s(scenario) * max(1, scenario.warmup_blocks)
