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
from bitcell_sim.config.schema import Protocol, Quirks, Scenario
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.studies.verify import Request, Size, verify

SWITCHES = tuple(Quirks.model_fields)
FATAL = {"no_peers", "signature_mismatch"}  # with these upstream's nodes make no chain
SEVEN = tuple(range(7))


def miners(*, same_gliders: bool) -> Miners:
    return Miners([], [f"node-{number}" for number in SEVEN], seed=1, same_gliders=same_gliders)


def arena(*, same_gliders: bool = False, **switches: bool) -> Arena:
    return Arena(lambda record: None, miners(same_gliders=same_gliders).glider, seed=1, quirks=Quirks(**switches))


def on(protocol: Protocol) -> set[str]:
    return {name for name, value in protocol.quirks.model_dump().items() if value}


# ---------------------------------------------------------------------------------------------- switches


def test_all_are_off_as_designed_and_on_as_built() -> None:
    designed, built, upstream = (load_scenario(name).protocol for name in ("rc3", "rc3-as-built", "rc3-upstream"))
    assert on(designed) == set()
    assert on(built) == set(SWITCHES) - FATAL
    assert on(upstream) == set(SWITCHES)
    assert (designed.proof.mode, built.proof.mode) == ("pipelined", "off")
    assert (designed.trust.enforced, built.trust.enforced) == (True, False)
    assert built.mempool == designed.mempool  # 10,000, and nothing ever leaves it but into a block: the same in both


@pytest.mark.parametrize("name", SWITCHES)
def test_one_alone_can_be_turned(name: str) -> None:
    assert on(load_scenario("rc3", sets=[f"protocol.quirks.{name}=true"]).protocol) == {name}
    assert on(load_scenario("rc3-upstream", sets=[f"protocol.quirks.{name}=false"]).protocol) == set(SWITCHES) - {name}


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
    # What it had seen final it has forgotten, and takes blocks without it; the chain that it fetches is the same one.
    broken = ["finality_reverted", "disagreement"] if lost else []
    assert [found.property for found in outcome.violations] == broken
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


# ------------------------------------------------------------------------------------------ upstream as it is

TEN_MINUTES = "duration_s=600"
WORKS = {
    "peers": "protocol.quirks.no_peers=false",
    "signatures": "protocol.quirks.signature_mismatch=false",
    "health": "deployment.load_balancer.health_port=metrics",
}


@pytest.mark.parametrize("repaired", [(), ("peers",), ("signatures",), ("health",), ("peers", "health")])
def test_no_transaction_becomes_final_as_long_as_one_of_three_things_is_broken(repaired: tuple[str, ...]) -> None:
    tables = simulate_once(load_scenario("rc3-upstream", sets=[TEN_MINUTES, *(WORKS[key] for key in repaired)])).tables
    sent = tables["transactions"]
    assert not (sent["state"] == "final").any()
    no_service = (sent["request"] == "no-server").mean()
    assert no_service < 0.01 if "health" in repaired else no_service > 0.95
    alone = tables["blocks"][tables["blocks"]["miner_count"] == 1]
    assert len(tables["blocks"]) == len(alone)
    assert (len(alone) > 200) == ("signatures" in repaired)  # seven chains of their own, a block each 15 s
    assert len(tables["finals"]) == 0


def test_with_all_three_repaired_it_is_the_chain_as_built() -> None:
    repaired = simulate_once(load_scenario("rc3-upstream", sets=[TEN_MINUTES, *WORKS.values()]))
    assert repaired.trace_digest == simulate_once(load_scenario("rc3-as-built", sets=[TEN_MINUTES])).trace_digest


def test_a_process_without_peers_has_nobody_to_catch_up_with() -> None:
    crash = ["protocol.quirks.no_peers=true", "protocol.battle.engine=sparse"]
    outcome = simulate_once(load_scenario("node-crash", sets=crash))
    stages = outcome.tables["recoveries"].set_index("stage")["at_ms"]
    assert stages["synced"] == stages["process"]
    again = outcome.tables["rounds"]
    assert (again[again["start_ms"] > stages["process"]]["node"] == "us-east-1").any()


@pytest.mark.parametrize("row", ["throughput", "uptime"])
def test_verify_says_what_keeps_upstream_from_making_a_chain(row: str) -> None:
    size = Size(replications=2, blocks=3, losses=1, ping_repeats=1, years=1)
    (found,) = verify(Request("rc3-upstream", size=size, only=row), workers=1)["rows"]
    assert (found["measured"], found["verdict"], found["changes"]) == (0.0, "fail", [])
    assert "nodes dial nobody" in found["why"]
    assert "/health on the rpc port" in found["why"]
    assert ("fails the check of blocks" in found["why"]) == (row == "throughput")


def test_verify_says_what_vanishes_and_that_nothing_is_proved() -> None:
    size = Size(replications=2, blocks=3, losses=1, ping_repeats=1, years=1)
    request = Request("rc3-as-built", size=size, targets_only=True, changes=False)
    rows = {row["id"]: row for row in verify(request, workers=1)["rows"]}
    assert "of the accepted vanish" in rows["finality"]["why"]
    for name in ("proof_time", "proof_backlog", "proof_memory"):
        assert (rows[name]["verdict"], rows[name]["measured"]) == ("unknown", None)
        assert rows[name]["why"] == "the protocol proves nothing (proof.mode is off)"
