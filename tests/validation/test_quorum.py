"""Five of seven: which living nodes finalise in the simulated mesh, against the binomial and the years' kernel."""

from __future__ import annotations

import itertools
from functools import cache

import pytest
from scipy import stats

from bitcell_sim.analysis.availability_mesh import Component, Mesh
from bitcell_sim.analysis.availability_theory import steady_availability
from bitcell_sim.analysis.estimates import mean_interval
from bitcell_sim.analysis.outages import simulate_outages
from bitcell_sim.chain.finality import quorum_stake
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import NodeFault, Partition, RegionLoss
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.random_streams import stream_key

# The rules of rc3 on short rounds, so that a minute holds a score of heights.
QUICK = load_scenario(
    "rc3",
    sets=[
        "workload.rate_tps=1",
        "protocol.battle.engine=sparse",
        "protocol.round.commit_s=1",
        "protocol.round.reveal_s=1",
        "protocol.round.pause_s=1",
        "protocol.round.block_timeout_s=4",
        "protocol.proof.mode=off",
    ],
)
NODES = [node.id for node in QUICK.deployment.node]
REGIONS = [region.name for region in QUICK.deployment.region]
LOST_AT_S, SETTLED_AT_S = 7.0, 20.0
LONG_S = 10_000.0


def run(*faults: NodeFault | RegionLoss | Partition, duration_s: float = 45.0) -> Outcome:
    outcome = simulate_once(QUICK.model_copy(update={"duration_s": duration_s, "fault": faults}), seed=3)
    assert outcome.violations == []
    return outcome


def final_count(outcome: Outcome, from_s: float, to_s: float = LONG_S) -> int:
    """Blocks that some node saw final in a span."""
    finals = outcome.tables["finals"]
    seen = finals[(finals["at_ms"] >= from_s * 1000) & (finals["at_ms"] < to_s * 1000)]
    return int(seen["block"].nunique())


@cache
def finalises(live: frozenset[int]) -> bool:
    """Whether these nodes make blocks final once all others are silent."""
    lost = [node for number, node in enumerate(NODES) if number not in live]
    faults = [NodeFault(kind="host-loss", node=node, start_s=LOST_AT_S, duration_s=LONG_S) for node in lost]
    return final_count(run(*faults), SETTLED_AT_S) > 0


def sets_of(size: int) -> list[frozenset[int]]:
    return [frozenset(live) for live in itertools.combinations(range(7), size)]


def test_a_quorum_is_five_of_seven_equal_nodes() -> None:
    stakes = [node.stake for node in QUICK.deployment.node]
    assert quorum_stake(stakes) == 467
    assert [len(set(map(finalises, sets_of(size)))) for size in (7, 6, 5, 4)] == [1, 1, 1, 1]
    assert [finalises(sets_of(size)[0]) for size in (7, 6, 5, 4)] == [True, True, True, False]


@pytest.mark.parametrize("up", [0.5, 0.9, 0.99])
def test_availability_of_the_simulated_rule_is_the_binomial_s(up: float) -> None:
    simulated = sum(
        up**size * (1 - up) ** (7 - size) for size in (4, 5, 6, 7) for live in sets_of(size) if finalises(live)
    )
    assert simulated == pytest.approx(float(stats.binom(7, up).sf(4)), rel=1e-12)
    repair_h, mtbf_h = 1.0, up / (1 - up)
    parts = tuple(Component(0, node, (node,), mtbf_h, repair_h * 3600.0, 0.0) for node in range(7))
    mesh = Mesh(parts, (100,) * 7, quorum_stake([100] * 7), (tuple(range(7)),))
    assert steady_availability(mesh) == pytest.approx(simulated, rel=1e-9)
    keys = [stream_key(seed, "test.quorum") for seed in range(100)]
    interval = mean_interval([simulate_outages(mesh, key, 4000.0 * mtbf_h).down_share for key in keys])
    assert interval.ci_low is not None
    assert interval.ci_high is not None
    assert interval.ci_low < 1 - simulated < interval.ci_high


@pytest.mark.parametrize("region", REGIONS)
def test_the_loss_of_any_one_region_leaves_a_quorum(region: str) -> None:
    outcome = run(RegionLoss(kind="region-loss", region=region, start_s=LOST_AT_S, duration_s=LONG_S))
    assert final_count(outcome, SETTLED_AT_S) >= 5


@pytest.mark.parametrize("region", ["us-east", "us-west", "eu-central"])
def test_a_region_and_singapore_are_too_many(region: str) -> None:
    faults = [
        RegionLoss(kind="region-loss", region=lost, start_s=LOST_AT_S, duration_s=33.0)
        for lost in (region, "ap-southeast")
    ]
    outcome = run(*faults, duration_s=160.0)
    assert final_count(outcome, 12.0, LOST_AT_S + 33.0) == 0
    assert final_count(outcome, LOST_AT_S + 33.0) >= 10


@pytest.mark.parametrize("minority", [("eu-central", "ap-southeast"), ("us-east", "ap-southeast")])
def test_three_against_four_stalls_both_sides_and_heals(minority: tuple[str, ...]) -> None:
    majority = tuple(region for region in REGIONS if region not in minority)
    start_s, length_s = 10.0, 40.0
    split = Partition(kind="partition", groups=(minority, majority), start_s=start_s, duration_s=length_s)
    outcome = run(split, duration_s=150.0)
    assert final_count(outcome, 0.0, start_s) >= 2
    assert final_count(outcome, start_s + 2.0, start_s + length_s) == 0
    blocks = outcome.tables["blocks"]
    during = blocks[(blocks["built_ms"] > 20_000) & (blocks["built_ms"] < 50_000)]
    assert during["height"].duplicated().any()  # both sides go on building
    assert (during["state"] == "orphaned").any()
    assert final_count(outcome, start_s + length_s) >= 20
    # What the side that won had built is final too: no height is left out.
    final = blocks[blocks["state"] == "final"]["height"].tolist()
    assert final == list(range(1, len(final) + 1))


def test_five_against_two_goes_on_and_the_two_catch_up() -> None:
    split = Partition(kind="partition", groups=(("us-east",), tuple(REGIONS[1:])), start_s=10.0, duration_s=40.0)
    outcome = run(split, duration_s=120.0)
    assert final_count(outcome, 12.0, 50.0) >= 8
    finals = outcome.tables["finals"]
    assert (finals.groupby("node", observed=True)["block"].nunique().to_numpy() >= 25).all()
