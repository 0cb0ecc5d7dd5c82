"""When a block becomes final, against arithmetic on the matrix; and one final chain under any faults."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Fault, LinkFault, NodeFault, Partition
from bitcell_sim.engine.simulation import Simulation, simulate_once

QUICK = (
    "protocol.battle.engine=sparse",
    "protocol.round.commit_s=1",
    "protocol.round.reveal_s=1",
    "protocol.round.pause_s=1",
    "protocol.round.block_timeout_s=4",
    "protocol.proof.mode=off",
)
QUORUM = 5


def fifth(times: np.ndarray) -> np.ndarray:
    """When a node has five of what arrives at it at these times, one column a node."""
    return np.sort(times, axis=0)[QUORUM - 1]


def test_finality_is_three_one_way_trips_to_the_fifth_of_seven() -> None:
    """On a matrix without jitter every step is arithmetic: block out and check, prevotes, precommits."""
    scenario = load_scenario("rc3", latency="seed-expected", sets=["duration_s=60", "workload.rate_tps=3", *QUICK])
    outcome = simulate_once(scenario, seed=1)
    wire, costs = scenario.protocol.wire, scenario.protocol.costs
    names = [node.id for node in scenario.deployment.node]
    way_ms = np.zeros((7, 7))
    measured = {(link.source, link.target): link.rtt_ms for link in scenario.latency.link}
    for i, one in enumerate(scenario.deployment.node):
        for j, other in enumerate(scenario.deployment.node):
            if i != j:
                inside = scenario.latency.intra_region.cross_zone_rtt_ms
                way_ms[i, j] = (inside if one.region == other.region else measured[one.region, other.region]) / 2
    bit_per_ms = scenario.deployment.hardware.uplink_mbit_per_s * 1e3
    vote_ms = (wire.vote_bytes + wire.overhead_bytes) * 8 / bit_per_ms + way_ms
    np.fill_diagonal(vote_ms, 0.0)
    blocks = outcome.tables["blocks"]
    seen = outcome.tables["finals"].pivot_table(index="block", columns="node", values="at_ms", observed=True)[names]
    compared = 0
    for block in blocks[blocks["state"] == "final"].itertuples():
        builder = names.index(block.builder)
        out_ms = (block.size_bytes + wire.overhead_bytes) * 8 / bit_per_ms + way_ms[builder]
        check_ms = (costs.block_check_ms + costs.transaction_check_ms * block.transaction_count) / 4
        prevote = block.built_ms + np.where(np.arange(7) == builder, 0.0, out_ms + check_ms)
        precommit = np.maximum(fifth(prevote[:, None] + vote_ms), prevote)
        final = np.maximum(fifth(precommit[:, None] + vote_ms), prevote)
        if not np.isnan(seen.loc[block.block]).any():
            assert seen.loc[block.block].to_numpy() == pytest.approx(final, abs=2e-5)
            assert block.quorum_final_ms == pytest.approx(np.sort(final)[QUORUM - 1], abs=2e-5)
            compared += 1
    assert compared >= 15


@pytest.mark.parametrize("timeout_s", [4.0, 8.0])
def test_a_round_that_cannot_end_rises_after_its_timeout_and_each_lasts_longer(timeout_s: float) -> None:
    sets = ["duration_s=120", "workload.rate_tps=1", f"protocol.finality.timeout_s={timeout_s}", *QUICK]
    scenario = load_scenario("rc3", sets=[*sets, "protocol.finality.timeout_step_s=3"])
    west = ("us-west", "eu-central", "ap-southeast")
    split = Partition(kind="partition", groups=(("us-east", "ap-southeast"), west[:2]), start_s=30.0, duration_s=80.0)
    outcome = simulate_once(scenario.model_copy(update={"fault": (split,)}), seed=1)
    votes = outcome.tables["votes"]
    stalled = votes[(votes["kind"] == "prevote") & (votes["node"] == "us-west-1") & (votes["at_ms"] < 110_000)]
    risen = stalled[stalled["height"] == stalled["height"].max()].sort_values("vote_round")
    expected = [timeout_s + 3.0 * number for number in range(len(risen) - 1)]
    assert len(expected) >= 3
    assert np.diff(risen["at_ms"]) / 1000 == pytest.approx(expected, abs=1e-6)


# --------------------------------------------------------------------------------- any faults, one chain

FUZZED = load_scenario(
    "rc3",
    sets=[
        "duration_s=400",
        "workload.rate_tps=1",
        "protocol.finality.timeout_s=2",
        "protocol.finality.timeout_step_s=1",
        "deployment.recovery.discovery_interval_s=3",
        "deployment.recovery.restart_median_s=3",
        *QUICK,
    ],
)
NODES = [node.id for node in FUZZED.deployment.node]
REGIONS = [region.name for region in FUZZED.deployment.region]


def script(seed: int) -> tuple[Fault, ...]:
    """Up to a dozen crashes, splits and delays of seconds, all over by 240 s."""
    chance = random.Random(seed)
    faults: list[Fault] = []
    for _ in range(chance.randint(3, 12)):
        start_s, duration_s = chance.uniform(5, 200), chance.uniform(0.5, 40)
        times = {"start_s": start_s, "duration_s": duration_s}
        kind = chance.choice(["crash", "split", "split", "slow node", "slow path", "one way"])
        if kind == "crash":
            faults.append(NodeFault(kind="process-crash", node=chance.choice(NODES), **times))
        elif kind in ("split", "one way"):
            order = NODES[:]
            chance.shuffle(order)
            cut = chance.randint(1, 3)
            groups = (tuple(order[:cut]), tuple(order[cut:]))
            faults.append(Partition(kind="partition", groups=groups, one_way=kind == "one way", **times))
        elif kind == "slow node":
            node = chance.choice(NODES)
            faults.append(LinkFault(kind="latency", target=node, added_ms=chance.uniform(100, 6000), **times))
        else:
            one, other = chance.sample(REGIONS, 2)
            added_ms = chance.uniform(100, 6000)
            faults.append(LinkFault(kind="latency", between=(one, other), added_ms=added_ms, **times))
    return tuple(faults)


# With votes on several heights at once 6, 45 and 47 made two blocks of one height final; with votes in order but rounds
# that went on above a shorter chain 6 and 37 came to a stop, and 22 while waiting orphans were not asked for.
@pytest.mark.parametrize("seed", [6, 22, 37, 45, 47, *range(100, 104)])
def test_one_final_chain_and_progress_whatever_happened(seed: int) -> None:
    simulation = Simulation(FUZZED.model_copy(update={"fault": script(seed)}), seed=seed)
    outcome = simulation.run()
    assert outcome.violations == []
    final = [node.final.height for node in simulation.mesh.nodes]
    head = [node.head.height for node in simulation.mesh.nodes]
    assert max(head) - min(final) <= 3
    assert min(final) >= 60  # 160 s without faults alone hold more than 40
    seen = outcome.tables["finals"].groupby("block", observed=True)["node"].nunique()
    assert (seen.iloc[:-3] == 7).all()
