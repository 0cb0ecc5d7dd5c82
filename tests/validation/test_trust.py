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
EQUIVOCATOR = f"{{node = '{NODE}', behaviour = 'equivocator', equivocation_probability = 1.0, first_height = 4}}"


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


def test_evidence_of_the_losing_side_of_a_split_is_gone() -> None:
    """The side whose chain prevails holds the other for missing, and nobody of its own."""
    sides = (["eu-central", "ap-southeast"], ["us-east", "us-west"])
    split = f"fault=[{{kind='partition', groups={[*sides]}, start_s=50.0, duration_s=40.0}}]"
    outcome = run(more=(split,))
    blocks, trust = outcome.tables["blocks"], outcome.tables["trust"]
    during = blocks[blocks["built_ms"].between(51_000.0, 89_000.0) & (blocks["miner_count"] < 7)]
    builders = {
        state: {region_of(name) for name in during[during["state"] == state]["builder"]}
        for state in ("final", "orphaned")
    }
    losing = next(side for side in sides if builders["orphaned"] <= set(side))
    assert not builders["final"] & set(losing)
    last = trust[trust["height"] == trust["height"].max()].set_index("node")["negative"]
    assert {region_of(node) for node, negative in last.items() if negative > 0} == set(losing)
