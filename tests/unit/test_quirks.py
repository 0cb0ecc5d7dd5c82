"""Upstream's ways: each is one switch with a source, and each does by itself what upstream does."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bitcell_sim.chain.battle import Glider, Pattern
from bitcell_sim.chain.contest import Arena
from bitcell_sim.chain.miners import Miners
from bitcell_sim.config import catalog
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Quirks, Scenario
from bitcell_sim.engine.simulation import simulate_once

SWITCHES = tuple(Quirks.model_fields)
SEVEN = tuple(range(7))


def miners(*, same_gliders: bool) -> Miners:
    return Miners([], [f"node-{number}" for number in SEVEN], seed=1, same_gliders=same_gliders)


def arena(*, same_gliders: bool = False, **switches: bool) -> Arena:
    return Arena(lambda record: None, miners(same_gliders=same_gliders).glider, seed=1, quirks=Quirks(**switches))


# ---------------------------------------------------------------------------------------------- switches


def test_all_are_off_as_designed_and_on_as_built() -> None:
    designed, built = (load_scenario(name).protocol for name in ("rc3", "rc3-as-built"))
    assert set(designed.quirks.model_dump().values()) == {False}
    assert set(built.quirks.model_dump().values()) == {True}
    assert (designed.proof.mode, built.proof.mode) == ("pipelined", "off")
    assert (designed.trust.enforced, built.trust.enforced) == (True, False)
    assert built.mempool == designed.mempool  # 10,000, and nothing ever leaves it but into a block: the same in both


@pytest.mark.parametrize("name", SWITCHES)
def test_one_alone_can_be_turned(name: str) -> None:
    on = load_scenario("rc3", sets=[f"protocol.quirks.{name}=true"]).protocol.quirks
    assert {key for key, value in on.model_dump().items() if value} == {name}
    off = load_scenario("rc3-as-built", sets=[f"protocol.quirks.{name}=false"]).protocol.quirks
    assert {key for key, value in off.model_dump().items() if not value} == {name}


@pytest.mark.parametrize("name", SWITCHES)
def test_each_names_its_source(name: str) -> None:
    lines = Path(catalog.path("protocols", "rc3")).read_text(encoding="utf-8").splitlines()
    above = lines[lines.index(f"{name} = false") - 1]
    assert above.startswith("# crates/bitcell-")
    assert ".rs" in above


def test_a_misspelt_one_is_an_error() -> None:
    with pytest.raises(Exception, match="no_locking"):
        load_scenario("rc3", sets=["protocol.quirks.no_lockin=true"])


# -------------------------------------------------------------------------------------------- tournament


def test_the_seed_is_the_hash_of_the_height_whoever_reveals_and_however_often() -> None:
    built = arena(seed_from_height=True)
    for height in (1, 258, 2**40):
        expected = hashlib.sha256(height.to_bytes(8, "little")).digest()
        assert {built.tournament_seed(height, attempt, m) for attempt in (0, 3) for m in (SEVEN, (2, 5))} == {expected}
    designed = arena()
    seeds = {designed.tournament_seed(1, attempt, m) for attempt in (0, 3) for m in (SEVEN, (2, 5))}
    assert len(seeds) == 4


def test_neighbours_in_the_list_fight_without_a_shuffle() -> None:
    assert arena(list_order=True).fight(5, 0, SEVEN).bracket == SEVEN
    assert arena().fight(5, 0, SEVEN).bracket != SEVEN


def test_every_miner_reveals_the_same() -> None:
    same, own = (miners(same_gliders=same) for same in (True, False))
    gliders = {same.glider(height, 0, miner) for height in (1, 9) for miner in SEVEN}
    assert gliders == {Glider(Pattern.STANDARD, energy=100, x=100, y=100)}
    assert len({own.glider(1, 0, miner) for miner in SEVEN}) > 1


def test_of_seven_equal_miners_in_list_order_only_the_first_and_the_fifth_can_win() -> None:
    built = arena(seed_from_height=True, list_order=True, same_gliders=True)
    assert {built.fight(height, 0, SEVEN).winner for height in range(1, 60)} == {0, 4}


def test_as_built_two_nodes_make_all_blocks() -> None:
    scenario = load_scenario("rc3-as-built", sets=["duration_s=900", "workload.rate_tps=1"])
    blocks = simulate_once(scenario).tables["blocks"]
    assert len(blocks) >= 14
    assert set(blocks["builder"]) == {"us-east-1", "eu-central-1"}


# ------------------------------------------------------------------------------------------------ restart


@pytest.mark.parametrize("lost", [False, True])
def test_a_process_that_starts_again_has_its_chain_or_fetches_it_anew(lost: bool) -> None:
    quirk = f"protocol.quirks.chain_in_memory={str(lost).lower()}"
    scenario = load_scenario("node-crash", sets=[quirk, "workload.rate_tps=2", "protocol.battle.engine=sparse"])
    outcome = simulate_once(scenario, seed=1)
    stages = outcome.tables["recoveries"].set_index("stage")["height"]
    assert stages["crash"] > 15
    assert stages["process"] == (0 if lost else stages["crash"])
    assert stages["synced"] >= stages["crash"]
    assert outcome.violations == []
    seen = outcome.tables["finals"].groupby("block", observed=True)["node"].nunique()
    assert (seen.iloc[:-3] == 7).all()


# --------------------------------------------------------------------------------------- double finality

BOTH = ("no_locking", "votes_summed")


def unsafe(scenario: Scenario, *switches: str, seed: int = 1) -> list[str]:
    quirks = scenario.protocol.quirks.model_copy(update={name: name in switches for name in BOTH})
    protocol = scenario.protocol.model_copy(update={"quirks": quirks})
    found = simulate_once(scenario.model_copy(update={"protocol": protocol}), seed=seed).violations
    return [violation.property for violation in found]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_as_built_two_blocks_of_one_height_become_final_and_the_checker_says_so(seed: int) -> None:
    outcome = simulate_once(load_scenario("double-finality"), seed=seed)
    (found,) = outcome.violations
    assert found.property == "double_finality"
    assert found.detail == "height 1: final are block 0 at 7 of 7 nodes and block 1 at 7 of 7 nodes"
    blocks = outcome.tables["blocks"]
    assert blocks[blocks["height"] == 1]["state"].tolist() == ["final", "final"]


@pytest.mark.parametrize("switches", [(), BOTH[:1], BOTH[1:]], ids=lambda switches: " ".join(switches) or "neither")
def test_the_same_faults_are_harmless_without_either_way(switches: tuple[str, ...]) -> None:
    assert unsafe(load_scenario("double-finality"), *switches) == []


@pytest.mark.parametrize("left_out", [0, 1])
def test_it_takes_both_faults(left_out: int) -> None:
    scenario = load_scenario("double-finality")
    faults = tuple(fault for place, fault in enumerate(scenario.fault) if place != left_out)
    assert unsafe(scenario.model_copy(update={"fault": faults}), *BOTH) == []


def test_missing_locks_alone_are_enough() -> None:
    scenario = load_scenario("double-finality-unlocked")
    assert scenario.protocol.quirks.no_locking
    assert not scenario.protocol.quirks.votes_summed
    assert unsafe(scenario, "no_locking") == ["double_finality"]
    assert unsafe(scenario) == []
