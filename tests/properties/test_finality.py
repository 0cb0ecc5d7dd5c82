"""Random orders, drops, repeats, time-outs: honest nodes that lock never make two blocks final; then they converge."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.finality import HeightVoting, Reaction, Vote, VoteKind, quorum_stake

NOBODY = np.zeros(0, np.int64)
GENESIS = Block(-1, 0, 0, -1, None, 0, NOBODY, 0, 0, 0, 0)
BLOCKS = [Block(i, 1, 0, i, GENESIS, i, NOBODY, 0, 0, 7, 1000 * work) for i, work in enumerate((3, 6, 6))]


class Cluster:
    """Nodes of one height and what is under way between them: (target, block or vote)."""

    def __init__(self, stakes: list[int], kind: type[HeightVoting] = HeightVoting) -> None:
        self.nodes = [kind(me, 1, stakes) for me in range(len(stakes))]
        for node in self.nodes:
            node.begin(GENESIS)
        self.flying: list[tuple[int, Block | Vote]] = []
        self.timers: list[tuple[int, int]] = []
        self.votes: dict[tuple[int, VoteKind, int], Block] = {}

    def react(self, me: int, reaction: Reaction) -> None:
        if reaction.timer_round is not None:
            self.timers.append((me, reaction.timer_round))
        for vote in reaction.votes:
            key = (me, vote.kind, vote.round)
            assert key not in self.votes, "a node votes once a round and kind"
            self.votes[key] = vote.block
            self.flying += [(target, vote) for target in range(len(self.nodes)) if target != me]

    def deliver(self, target: int, what: Block | Vote) -> None:
        node = self.nodes[target]
        self.react(target, node.on_block(what) if isinstance(what, Block) else node.on_vote(what))

    def finals(self) -> set[Block]:
        return {node.final for node in self.nodes if node.final is not None}

    def check(self) -> None:
        assert len(self.finals()) <= 1, "two final blocks of one height"

    def gossip(self) -> None:
        """Everyone passes on all it knows, again and again, with time-outs in step: what a healed network does."""
        for _ in range(12):
            for source in self.nodes:
                for target in range(len(self.nodes)):
                    for what in [*source.blocks, *source.known_votes()]:
                        self.deliver(target, what)
            self.flying.clear()
            self.check()
            for me, node in enumerate(self.nodes):
                self.react(me, node.on_timeout(node.round))
            for target, what in self.flying:
                self.deliver(target, what)
            self.flying.clear()


def play(cluster: Cluster, data: st.DataObject, steps: int) -> None:
    for _ in range(steps):
        choices = ["block", "time-out"] + ["deliver"] * 6 + ["drop", "repeat"]
        action = data.draw(st.sampled_from(choices))
        if action == "block":
            cluster.deliver(data.draw(st.integers(0, len(cluster.nodes) - 1)), data.draw(st.sampled_from(BLOCKS)))
        elif action == "time-out" and cluster.timers:
            me, number = cluster.timers[data.draw(st.integers(0, len(cluster.timers) - 1))]
            cluster.react(me, cluster.nodes[me].on_timeout(number))
        elif cluster.flying:
            place = data.draw(st.integers(0, len(cluster.flying) - 1))
            target, what = cluster.flying[place] if action == "repeat" else cluster.flying.pop(place)
            if action != "drop":
                cluster.deliver(target, what)
        cluster.check()


STAKES = st.one_of(st.just([100] * 7), st.just([100] * 4), st.lists(st.integers(1, 300), min_size=4, max_size=7))


@settings(max_examples=150)
@given(st.data(), STAKES)
def test_no_order_and_no_loss_makes_two_blocks_final(data: st.DataObject, stakes: list[int]) -> None:
    cluster = Cluster(stakes)
    play(cluster, data, steps=80)
    event(f"final before the healing: {len(cluster.finals())}")


@settings(max_examples=60)
@given(st.data(), STAKES)
def test_once_everything_arrives_all_agree_on_one_block(data: st.DataObject, stakes: list[int]) -> None:
    cluster = Cluster(stakes)
    play(cluster, data, steps=60)
    before = cluster.finals()
    for target in range(len(stakes)):
        for block in BLOCKS:
            cluster.deliver(target, block)
    cluster.gossip()
    assert all(node.final is not None for node in cluster.nodes), "no progress with everyone there"
    assert before <= cluster.finals()
    cluster.check()


@settings(max_examples=60)
@given(st.data())
def test_a_final_block_has_the_precommits_of_a_quorum_in_one_round(data: st.DataObject) -> None:
    cluster = Cluster([100] * 4)
    play(cluster, data, steps=120)
    for final in cluster.finals():
        rounds: Counter[int] = Counter()
        for (_, kind, number), block in cluster.votes.items():
            if kind is VoteKind.PRECOMMIT and block is final:
                rounds[number] += 100
        assert max(rounds.values()) >= quorum_stake([100] * 4)


@settings(max_examples=100)
@given(st.data())
def test_a_precommit_follows_a_majority_of_prevotes_of_its_round(data: st.DataObject) -> None:
    cluster = Cluster([100] * 4)
    play(cluster, data, steps=100)
    for (_, kind, number), block in cluster.votes.items():
        if kind is VoteKind.PRECOMMIT:
            cast = cluster.votes.items()
            behind = sum(100 for (_, k, r), b in cast if k is VoteKind.PREVOTE and r == number and b is block)
            assert behind >= quorum_stake([100] * 4)


class Forgetful(HeightVoting):
    """Upstream's re-votes: no lock, always the heaviest block."""

    def _choice(self) -> Block | None:
        self.lock = None
        return super()._choice()


@pytest.mark.parametrize(("kind", "finals"), [(HeightVoting, {0}), (Forgetful, {0, 1})])
def test_it_is_the_lock_that_keeps_a_second_block_from_becoming_final(
    kind: type[HeightVoting], finals: set[int]
) -> None:
    """Three of four precommit block 0, one node alone sees it; then a heavier block reaches the others."""
    cluster = Cluster([100] * 4, kind)
    for node in range(4):
        cluster.deliver(node, BLOCKS[0])
    hidden = []
    while cluster.flying:
        target, what = cluster.flying.pop(0)
        if target != 0 and isinstance(what, Vote) and what.kind is VoteKind.PRECOMMIT:
            hidden.append((target, what))
        else:
            cluster.deliver(target, what)
    assert cluster.nodes[0].final is BLOCKS[0]
    assert len(hidden) == 9
    for node in (1, 2, 3):
        cluster.deliver(node, BLOCKS[1])
        cluster.react(node, cluster.nodes[node].on_timeout(0))
    while cluster.flying:
        cluster.deliver(*cluster.flying.pop(0))
    assert {block.index for block in cluster.finals()} == finals
