"""Trust and dishonest miners in the mesh: what they do shows on the chain, and the chain shuts them out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pandas as pd
import pytest

from bitcell_sim.chain.ideal_chain import ideal_chain
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.engine.simulation import simulate_once

QUICK = (
    "protocol.battle.engine=sparse",
    "protocol.proof.mode=off",
    "protocol.round.commit_s=2.0",
    "protocol.round.reveal_s=2.0",
    "protocol.round.pause_s=1.0",
    "workload.rate_tps=1.0",
    "duration_s=400.0",
)
NODE = "eu-central-1"
GRIEFER = f"{{node = '{NODE}', behaviour = 'flaky-griefer', missed_reveal_probability = %s, first_height = 4}}"


def scenario(*miners: str, more: tuple[str, ...] = ()) -> Scenario:
    return load_scenario("rc3", sets=[*QUICK, f"miner=[{', '.join(miners)}]", *more])


@cache
def run(*miners: str, more: tuple[str, ...] = (), seed: int = 1) -> Outcome:
    outcome = simulate_once(scenario(*miners, more=more), seed=seed)
    assert outcome.violations == []
    return outcome


def of(outcome: Outcome, node: str = NODE) -> pd.DataFrame:
    """A miner's rows of the trust table, by height."""
    trust = outcome.tables["trust"]
    return trust[trust["node"] == node].set_index("height")


def first(outcome: Outcome, evidence: str) -> int:
    """Lowest height whose block holds evidence of a kind against the miner."""
    rows = of(outcome)
    return int(rows.index[rows["evidence"].str.contains(evidence)][0])


def region_of(node: object) -> str:
    return str(node).rpartition("-")[0]


def final(outcome: Outcome) -> pd.DataFrame:
    blocks = outcome.tables["blocks"]
    return blocks[blocks["state"] == "final"].set_index("height")


def fighters(outcome: Outcome) -> Iterator[tuple[int, set[str]]]:
    """Who fought at each height."""
    for height, battles in outcome.tables["battles"].groupby("height"):
        yield int(str(height)), {*battles["miner_a"], *battles["miner_b"]}


# ------------------------------------------------------------------------------------------------ honest and griefing


@pytest.mark.parametrize("miners", [(), (GRIEFER % 0.5,), (GRIEFER % 1.0,)])
def test_the_mesh_makes_the_chain_that_a_perfect_network_would(miners: tuple[str, ...]) -> None:
    outcome = run(*miners)
    blocks, trust = final(outcome), outcome.tables["trust"]
    nodes = list(trust["node"].cat.categories)
    ideal = list(ideal_chain(scenario(*miners), int(blocks.index.max()), seed=1))
    assert [nodes[block.builder] for block, _, _ in ideal] == blocks["builder"].tolist()
    for block, _, state in ideal:
        rows = trust[trust["height"] == block.height]
        assert rows["positive"].tolist() == [standing.positive for standing in state.standings]
        assert rows["negative"].tolist() == [standing.negative for standing in state.standings]


def test_honest_miners_stay_eligible_and_hold_only_good_evidence() -> None:
    trust = run().tables["trust"]
    assert set(trust["status"]) == {"eligible"}
    assert trust["negative"].max() == 0.0
    later = trust[trust["height"] > 0]
    assert later["evidence"].str.contains("honest_participation").all()
    assert (later.groupby("height")["evidence"].apply(lambda texts: texts.str.count("good_block").sum()) >= 1).all()


def test_a_griefer_is_out_after_a_missed_reveal_and_fights_no_more() -> None:
    outcome = run(GRIEFER % 1.0)
    assert first(outcome, "missed_reveal") == 4
    rows = of(outcome)
    assert (rows.loc[3, "status"], rows.loc[4, "status"], rows.loc[4, "negative"]) == ("eligible", "warning", 4.0)
    assert (rows.loc[5:, "evidence"] == "").all()
    for height, who in fighters(outcome):
        assert (NODE in who) == (height < 4)


def test_without_trust_a_griefer_is_always_expected_again() -> None:
    outcome = run(GRIEFER % 1.0, more=("protocol.trust.enforced=false",))
    rows = of(outcome)
    missed = rows.loc[4:, "evidence"]
    assert (missed == "missed_reveal").all()
    assert rows["status"].iloc[-1] == "killed"
    assert rows["ban_end_height"].iloc[-1] > rows.index.max()


def test_who_keeps_back_blocks_costs_an_attempt_each_time_and_no_trust() -> None:
    outcome = run(GRIEFER % "0.0, withheld_block_probability = 1.0")
    blocks, rounds = outcome.tables["blocks"], outcome.tables["rounds"]
    assert NODE not in set(blocks[blocks["height"] >= 4]["builder"])
    won = rounds[(rounds["winner"] == NODE) & (rounds["node"] == NODE) & (rounds["height"] >= 4)]
    assert len(won) > 0
    last = int(final(outcome).index.max())
    for height, attempt in zip(won["height"], won["attempt"], strict=True):
        if height <= last:
            assert final(outcome).loc[height, "attempt"] > attempt
    assert of(outcome)["negative"].max() == 0.0


# --------------------------------------------------------------------------------------------- outages of honest nodes


@pytest.mark.parametrize(("phase_s", "evidence"), [(1.0, "missed_reveal"), (3.0, "honest_participation")])
def test_a_crash_before_the_reveal_is_a_missed_one_and_after_it_none(phase_s: float, evidence: str) -> None:
    """The crash falls into the round of height 5, which begins when its node has the block of height 4."""
    start_s = float(run().tables["rounds"].query("node == @NODE and height == 5")["start_ms"].iloc[0]) / 1000.0
    crash = f"fault=[{{kind = 'process-crash', node = '{NODE}', start_s = {start_s + phase_s}}}]"
    outcome = run(more=(crash,))
    rows = of(outcome)
    assert rows.loc[5, "evidence"].split()[-1] == evidence
    after = [text for text in rows.loc[6:, "evidence"] if text]
    if evidence == "missed_reveal":
        assert after == []
    else:
        assert after[0] == "missed_commitment"


@pytest.mark.parametrize("needs_quorum", [True, False])
def test_a_split_is_held_against_nobody_unless_few_may_judge(needs_quorum: bool) -> None:
    """Neither side has five of seven. If that were enough, the chain that prevails would shut out the other side."""
    sides = (["eu-central", "ap-southeast"], ["us-east", "us-west"])
    split = f"fault=[{{kind='partition', groups={[*sides]}, start_s=50.0, duration_s=40.0}}]"
    outcome = run(more=(split, f"protocol.trust.absence_needs_quorum={str(needs_quorum).lower()}"))
    blocks = final(outcome)
    few = blocks[blocks["miner_count"] < 5]
    (prevails,) = [side for side in sides if {region_of(name) for name in few["builder"]} <= set(side)]
    trust = outcome.tables["trust"]
    missed = trust[trust["height"].isin(few.index) & trust["evidence"].str.contains("missed")]
    blamed = {region_of(node) for node in missed["node"]}
    assert blamed == (set() if needs_quorum else {*sides[0], *sides[1]} - set(prevails))
    last = trust[trust["height"] == trust["height"].max()].set_index("node")["status"]
    left = (last == "eligible").sum()
    assert left >= 6 if needs_quorum else left == sum(region_of(node) in prevails for node in last.index)


# -------------------------------------------------------------------------------------------------------- equivocation


def equivocator(node: str, first_height: int) -> str:
    return (
        f"{{node = '{node}', behaviour = 'equivocator', equivocation_probability = 1.0, first_height = {first_height}}}"
    )


def test_two_votes_told_to_two_halves_meet_and_ban_for_ever() -> None:
    outcome = run(equivocator(NODE, 4))
    evidence = outcome.tables["evidence"]
    assert set(evidence["offender"]) == {NODE}
    holders = evidence[evidence["height"] == 4]
    assert set(holders["node"]) == set(evidence["node"].cat.categories) - {NODE}
    height = first(outcome, "equivocation")
    assert height in (5, 6)
    rows = of(outcome)
    assert rows["evidence"].str.count("equivocation").sum() == 1
    assert (rows.loc[height, "negative"], rows.loc[height, "stake"]) == (20.0, 0.0)
    assert rows.loc[height, "ban_end_height"] == 2**53
    for at, who in fighters(outcome):
        assert (NODE in who) == (at <= height)


def test_votes_meet_when_those_who_held_one_have_asked_in_vain_for_its_block() -> None:
    """Nobody has the block of the second vote: it is missed after the dial time-out, and notes are compared."""
    outcome = run(equivocator(NODE, 4))
    wait_ms = outcome.scenario.deployment.recovery.dial_timeout_s * 1000.0
    built_ms = final(outcome).loc[4, "built_ms"]
    seen_ms = outcome.tables["evidence"].query("height == 4")["at_ms"]
    assert wait_ms < seen_ms.min() - built_ms < seen_ms.max() - built_ms < wait_ms + 1000.0
    assert len(outcome.tables["blocks"]) == len(final(outcome)), "the block of the second votes is nowhere"


def test_a_winner_that_makes_two_blocks_costs_a_round_of_votes_and_is_banned() -> None:
    honest = final(run())
    height = int(honest.index[honest["builder"] == NODE][1])
    outcome = run(equivocator(NODE, height))
    twins = outcome.tables["blocks"].query("height == @height")
    assert list(twins["builder"]) == [NODE, NODE]
    assert sorted(twins["state"]) == ["final", "orphaned"]
    votes = outcome.tables["votes"]
    assert votes[votes["vote_round"] > 0]["height"].unique().tolist() == [height]
    timeout_ms = outcome.scenario.protocol.finality.timeout_s * 1000.0
    delay_ms = final(outcome).loc[height, "quorum_final_ms"] - final(outcome).loc[height, "built_ms"]
    assert timeout_ms < delay_ms < timeout_ms + 2000.0
    assert NODE not in set(final(outcome).loc[height + 3 :, "builder"])
    assert of(outcome)["ban_end_height"].iloc[-1] == 2**53


def test_without_trust_it_goes_on() -> None:
    outcome = run(equivocator(NODE, 4), more=("protocol.trust.enforced=false",))
    blocks = outcome.tables["blocks"].query("builder == @NODE and height >= 4")
    assert (blocks.groupby("height").size() == 2).all()
    assert len(blocks) > 2
    assert of(outcome)["stake"].iloc[-1] == 0.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_equivocators_of_seven_and_a_crash_break_nothing(seed: int) -> None:
    crash = "fault=[{kind = 'process-crash', node = 'us-west-1', start_s = 30.0, duration_s = 40.0}]"
    outcome = run(equivocator(NODE, 2), equivocator("us-east-2", 2), more=(crash,), seed=seed)
    assert set(outcome.tables["evidence"]["offender"]) == {NODE, "us-east-2"}
    last_s = outcome.tables["finals"]["at_ms"].max() / 1000.0
    assert last_s > outcome.simulated_s - 30.0, "blocks go on becoming final"


def test_the_same_seed_gives_the_same_run() -> None:
    mix = load_scenario("miner-mix", sets=[*QUICK, "duration_s=120.0"])
    assert simulate_once(mix, seed=5).trace_digest == simulate_once(mix, seed=5).trace_digest
