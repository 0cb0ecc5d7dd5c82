"""Votes in the simulated mesh that break the rules, come late, or weigh unequally."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
import simpy

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.finality import Vote, VoteKind
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import NodeFault, Scenario
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.engine.simulation import Simulation, simulate_once

QUICK = load_scenario(
    "rc3",
    sets=[
        "workload.rate_tps=1",
        "duration_s=40",
        "protocol.battle.engine=sparse",
        "protocol.round.commit_s=1",
        "protocol.round.reveal_s=1",
        "protocol.round.pause_s=1",
        "protocol.round.block_timeout_s=4",
        "protocol.proof.mode=off",
    ],
)
NODES = [node.id for node in QUICK.deployment.node]
OFFENDER = 3


def contradict(kind: VoteKind, height: int, after_ms: float, targets: list[int]) -> Callable[[Simulation], None]:
    """Director: some time after the block of a height is built, the offender votes for another of that height."""

    def watch(mesh: Mesh) -> Generator[simpy.Event, Any, None]:
        while not any(block.height == height for block in mesh.blocks):
            yield mesh.env.timeout(1_000_000)
        yield mesh.env.timeout(round(after_ms * 1e6))
        parent = next(block.parent for block in mesh.blocks if block.height == height)
        assert isinstance(parent, Block)
        other = mesh.build(height, 999, OFFENDER, parent, 1)
        mesh.nodes[OFFENDER].voter._send(Vote(kind, height, 0, other, OFFENDER), targets)

    def direct(simulation: Simulation) -> None:
        simulation.env.process(watch(simulation.mesh))

    return direct


def evidence(outcome: Outcome) -> list[tuple[str, str, int, int, str]]:
    table = outcome.tables["evidence"]
    columns = ["node", "offender", "height", "vote_round", "kind"]
    return sorted(table[columns].itertuples(index=False, name=None))


@pytest.mark.parametrize("kind", list(VoteKind))
@pytest.mark.parametrize("after_ms", [0.0, 60.0, 2000.0], ids=["before the true vote", "meanwhile", "once final"])
def test_who_holds_both_votes_has_the_evidence_and_passes_it_on_once(kind: VoteKind, after_ms: float) -> None:
    targets = [0, 1, 4, 6]
    outcome = simulate_once(QUICK, seed=2, director=contradict(kind, 4, after_ms, targets))
    assert outcome.violations == []
    accused = NODES[OFFENDER]
    everyone = [node for node in NODES if node != accused]
    assert evidence(outcome) == sorted((node, accused, 4, 0, kind.name.lower()) for node in everyone)
    first = outcome.tables["evidence"].sort_values("at_ms")["node"].iloc[0]
    assert first in [NODES[node] for node in targets]
    blocks = outcome.tables["blocks"]
    assert blocks.loc[blocks["attempt"] == 999, "state"].tolist() == ["orphaned"]
    assert (blocks[blocks["height"] == 4]["state"] == "final").sum() == 1


def test_evidence_needs_both_votes_at_one_node() -> None:
    """A vote on a height that nobody remembers accuses nobody, and neither does one that nothing contradicts."""
    forgotten = simulate_once(QUICK, seed=2, director=contradict(VoteKind.PREVOTE, 2, 20_000.0, [0, 1]))
    assert len(forgotten.tables["blocks"]["height"].unique()) > 7
    assert evidence(forgotten) == []
    assert evidence(simulate_once(QUICK, seed=2)) == []


def always(simulation: Simulation) -> None:
    """Director: whatever the offender votes, it votes for another block of the same height too, to everyone."""
    mesh = simulation.mesh
    offender = mesh.nodes[OFFENDER].voter
    cast = offender._cast
    others: dict[int, Block] = {}

    def cast_twice(vote: Vote) -> None:
        cast(vote)
        if vote.height not in others:
            assert vote.block.parent is not None
            others[vote.height] = mesh.build(vote.height, 999, OFFENDER, vote.block.parent, 1)
        second = Vote(vote.kind, vote.height, vote.round, others[vote.height], OFFENDER)
        offender._send(second, mesh.peers(OFFENDER), again=1)

    offender._cast = cast_twice  # type: ignore[method-assign]


@pytest.mark.parametrize("timeout_s", [10.0, 0.13], ids=["first rounds", "later rounds too"])
def test_one_of_seven_who_always_votes_twice_stops_nothing_and_is_accused_by_all(timeout_s: float) -> None:
    finality = QUICK.protocol.finality.model_copy(update={"timeout_s": timeout_s, "timeout_step_s": 0.05})
    scenario = QUICK.model_copy(update={"protocol": QUICK.protocol.model_copy(update={"finality": finality})})
    outcome = simulate_once(scenario, seed=2, director=always)
    assert outcome.violations == []
    votes, table = outcome.tables["votes"], outcome.tables["evidence"]
    assert table["offender"].unique().tolist() == [NODES[OFFENDER]]
    assert not table.duplicated(["node", "height", "vote_round", "kind"]).any()
    cast = votes[(votes["node"] == NODES[OFFENDER]) & (votes["at_ms"] < 35_000)]
    cases = table.groupby(["height", "vote_round", "kind"])["node"].nunique()
    assert all(cases[one.height, one.vote_round, one.kind] == 6 for one in cast.itertuples())
    assert (cast["vote_round"].max() > 0) == (timeout_s < 1)
    blocks = outcome.tables["blocks"]
    honest = simulate_once(scenario, seed=2).tables["blocks"]
    assert (blocks["state"] == "final").sum() >= (honest["state"] == "final").sum() - 1 >= 8


def test_who_comes_back_joins_the_round_of_the_others_and_completes_the_quorum() -> None:
    """Four of seven raise round after round; the fifth's votes decide in the round that it finds them in."""
    lost = [NodeFault(kind="process-crash", node=NODES[node], start_s=9.0, duration_s=60.0) for node in (0, 3)]
    late = NodeFault(kind="process-crash", node=NODES[5], start_s=9.0, duration_s=30.0)
    sets = ["protocol.finality.timeout_s=2", "protocol.finality.timeout_step_s=1"]
    rules = load_scenario("rc3", sets=sets).protocol.finality
    protocol = QUICK.protocol.model_copy(update={"finality": rules})
    scenario = QUICK.model_copy(update={"protocol": protocol, "duration_s": 60.0, "fault": (*lost, late)})
    outcome = simulate_once(scenario, seed=1)
    assert outcome.violations == []
    assert evidence(outcome) == []
    stages = outcome.tables["recoveries"]
    back_ms = float(stages[(stages["node"] == NODES[5]) & (stages["stage"] == "synced")]["at_ms"].iloc[0])
    finals, votes = outcome.tables["finals"], outcome.tables["votes"]
    assert finals[(finals["at_ms"] > 11_000) & (finals["at_ms"] < back_ms)].empty
    first = finals[(finals["at_ms"] >= back_ms) & (finals["node"] == NODES[1])].iloc[0]
    assert first["vote_round"] >= 2
    assert first["at_ms"] < back_ms + 12_000
    own = votes[(votes["node"] == NODES[5]) & (votes["at_ms"] >= back_ms)].iloc[0]
    others = votes[(votes["height"] == own["height"]) & (votes["at_ms"] < own["at_ms"]) & (votes["kind"] == "prevote")]
    assert own["vote_round"] == others["vote_round"].max() >= 2


def weighted(stakes: list[int]) -> Scenario:
    nodes = [
        node.model_copy(update={"stake": stake}) for node, stake in zip(QUICK.deployment.node, stakes, strict=True)
    ]
    deployment = QUICK.deployment.model_copy(update={"node": tuple(nodes)})
    lost = [NodeFault(kind="host-loss", node=NODES[node], start_s=7.0, duration_s=1e4) for node in (3, 4, 5, 6)]
    return QUICK.model_copy(update={"deployment": deployment, "fault": tuple(lost)})


@pytest.mark.parametrize(("left", "goes_on"), [(467, True), (466, False)])
def test_three_nodes_finalise_alone_if_they_hold_more_than_two_thirds(left: int, goes_on: bool) -> None:
    """Of a stake of 700 the first three nodes hold `left`; the other four are lost at 7 s."""
    outcome = simulate_once(weighted([left - 2, 1, 1, 100, 100, 32, 468 - left]), seed=1)
    finals = outcome.tables["finals"]
    assert (len(finals[finals["at_ms"] > 12_000]) > 10) == goes_on
