"""The votes of one height, fed by hand: quorums, locks, rounds, what is passed on."""

from __future__ import annotations

import numpy as np
import pytest

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.finality import HeightVoting, Reaction, Vote, VoteKind, quorum_stake

NOBODY = np.zeros(0, np.int64)
GENESIS = Block(-1, 0, 0, -1, None, 0, NOBODY, 0, 0, 0, 0)
EQUAL = [100] * 7


def block(index: int, work: int = 6000, parent: Block = GENESIS) -> Block:
    return Block(index, parent.height + 1, 0, index % 7, parent, 1000 + index, NOBODY, 0, 0, 7, parent.work + work)


LIGHT, HEAVY = block(1, 5000), block(2, 6000)


def voting(me: int = 0, stakes: list[int] = EQUAL, *blocks: Block, begin: bool = True) -> HeightVoting:
    voting = HeightVoting(me, 1, stakes)
    if begin:
        voting.begin(GENESIS)
    for one in blocks:
        voting.on_block(one)
    return voting


def feed(at: HeightVoting, kind: VoteKind, round_number: int, of: Block, voters: list[int]) -> Reaction:
    """Give it votes one by one; what the last one made it do."""
    reaction = Reaction()
    for voter in voters:
        reaction = at.on_vote(Vote(kind, at.height, round_number, of, voter))
    return reaction


def cast(reaction: Reaction) -> list[tuple[str, int, int]]:
    return [(vote.kind.name, vote.round, vote.block.index) for vote in reaction.votes]


@pytest.mark.parametrize(
    ("stakes", "least"),
    [([100] * 7, 467), ([1] * 3, 3), ([1] * 4, 3), ([1] * 6, 5), ([1] * 7, 5), ([5, 1, 1], 5), ([100], 67)],
)
def test_quorum_is_strictly_more_than_two_thirds(stakes: list[int], least: int) -> None:
    assert quorum_stake(stakes) == least
    assert 3 * least > 2 * sum(stakes) >= 3 * (least - 1)


def test_a_block_brings_a_prevote_and_a_timer_at_once() -> None:
    reaction = voting().on_block(LIGHT)
    assert cast(reaction) == [("PREVOTE", 0, 1)]
    assert reaction.timer_round == 0
    assert reaction.final is None


def test_a_block_twice_or_a_second_one_changes_no_vote_of_the_round() -> None:
    at = voting(0, EQUAL, LIGHT)
    assert cast(at.on_block(LIGHT)) == []
    assert cast(at.on_block(HEAVY)) == []
    assert at.blocks == [LIGHT, HEAVY]


def test_five_prevotes_bring_the_lock_and_a_precommit_four_do_not() -> None:
    at = voting(0, EQUAL, LIGHT)
    assert cast(feed(at, VoteKind.PREVOTE, 0, LIGHT, [1, 2, 3])) == []
    assert at.lock is None
    reaction = feed(at, VoteKind.PREVOTE, 0, LIGHT, [4])
    assert cast(reaction) == [("PRECOMMIT", 0, 1)]
    assert (at.lock, at.lock_round, reaction.locked) == (LIGHT, 0, LIGHT)


def test_five_precommits_make_final_and_end_the_height() -> None:
    at = voting(0, EQUAL, LIGHT)
    assert feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [1, 2, 3, 4]).final is None
    assert feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [5]).final is LIGHT
    assert feed(at, VoteKind.PREVOTE, 0, LIGHT, [1, 2, 3, 4]).votes == []
    assert cast(at.on_timeout(0)) == []
    assert cast(at.on_block(HEAVY)) == []


def test_the_own_vote_can_complete_a_quorum() -> None:
    at = HeightVoting(0, 1, EQUAL)
    at.begin(GENESIS)
    feed(at, VoteKind.PREVOTE, 0, LIGHT, [1, 2, 3, 4])
    feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [1, 2, 3, 4])
    reaction = at.on_block(LIGHT)
    assert cast(reaction) == [("PREVOTE", 0, 1), ("PRECOMMIT", 0, 1)]
    assert reaction.final is LIGHT


def test_votes_of_different_rounds_do_not_add_up() -> None:
    at = voting(0, EQUAL, LIGHT)
    feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [1, 2])
    assert feed(at, VoteKind.PRECOMMIT, 1, LIGHT, [3, 4, 5, 6]).final is None


def test_a_second_vote_of_one_node_counts_for_nothing() -> None:
    at = voting(0, EQUAL, LIGHT, HEAVY)
    for _ in range(5):
        feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [1])
        feed(at, VoteKind.PRECOMMIT, 0, HEAVY, [1])
    assert at.final is None
    assert [(vote.voter, vote.block) for vote in at.known_votes() if vote.kind is VoteKind.PRECOMMIT] == [(1, LIGHT)]


def accuse(at: HeightVoting, kind: VoteKind, round_number: int, of: Block, voter: int) -> list[tuple[str, int, int]]:
    """Whom a vote brings evidence against."""
    found = at.on_vote(Vote(kind, at.height, round_number, of, voter)).equivocation
    return [] if found is None else [(found.kind.name, found.round, found.voter)]


@pytest.mark.parametrize("kind", list(VoteKind))
def test_two_blocks_in_one_round_and_kind_are_equivocation(kind: VoteKind) -> None:
    at = voting(0, EQUAL, LIGHT, HEAVY)
    assert accuse(at, kind, 0, LIGHT, 3) == []
    assert accuse(at, kind, 0, LIGHT, 3) == []  # a repetition
    assert accuse(at, kind, 0, HEAVY, 3) == [(kind.name, 0, 3)]
    assert accuse(at, kind, 0, HEAVY, 3) == []  # known by now
    assert accuse(at, kind, 1, LIGHT, 3) == []
    assert accuse(at, kind, 1, HEAVY, 3) == [(kind.name, 1, 3)]
    assert [(vote.round, vote.block) for vote in at.known_votes() if vote.voter == 3] == [(0, LIGHT), (1, LIGHT)]


def test_another_round_kind_or_voter_is_no_equivocation() -> None:
    at = voting(0, EQUAL, LIGHT, HEAVY)
    assert accuse(at, VoteKind.PREVOTE, 0, LIGHT, 3) == []
    assert accuse(at, VoteKind.PREVOTE, 1, HEAVY, 3) == []
    assert accuse(at, VoteKind.PRECOMMIT, 0, HEAVY, 3) == []
    assert accuse(at, VoteKind.PREVOTE, 0, HEAVY, 4) == []


def test_the_second_vote_does_not_complete_a_quorum_the_first_does() -> None:
    at = voting(0, EQUAL, LIGHT, HEAVY)
    feed(at, VoteKind.PRECOMMIT, 0, HEAVY, [1, 2, 3, 4])
    assert accuse(at, VoteKind.PRECOMMIT, 0, LIGHT, 5) == []
    assert accuse(at, VoteKind.PRECOMMIT, 0, HEAVY, 5) == [("PRECOMMIT", 0, 5)]
    assert at.final is None
    assert feed(at, VoteKind.PRECOMMIT, 0, HEAVY, [6]).final is HEAVY


def test_a_contradiction_that_comes_after_the_end_is_evidence_too() -> None:
    at = voting(0, EQUAL, LIGHT, HEAVY)
    feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [1, 2, 3, 4, 5])
    assert at.final is LIGHT
    assert accuse(at, VoteKind.PRECOMMIT, 0, HEAVY, 5) == [("PRECOMMIT", 0, 5)]  # the first one counted
    assert accuse(at, VoteKind.PRECOMMIT, 0, HEAVY, 6) == []
    assert accuse(at, VoteKind.PRECOMMIT, 0, LIGHT, 6) == [("PRECOMMIT", 0, 6)]  # both are late
    assert (at.final, at.final_round) == (LIGHT, 0)


def test_a_height_that_ended_otherwise_takes_late_votes_and_does_not_move() -> None:
    """A block above it made it final: no quorum is counted and no round joined any more."""
    at = voting(0, EQUAL, LIGHT, HEAVY)
    for voter in (1, 2, 3, 4, 5):
        for kind in VoteKind:
            reaction = at.on_late_vote(Vote(kind, 1, 2, LIGHT, voter))
            assert (cast(reaction), reaction.final, reaction.timer_round) == ([], None, None)
    assert (at.round, at.lock, at.final) == (0, None, None)
    assert at.on_late_vote(Vote(VoteKind.PREVOTE, 1, 2, HEAVY, 1)).equivocation is not None


def test_the_round_that_decided_may_be_behind_the_node_s_own() -> None:
    at = voting(0, EQUAL, LIGHT)
    feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [1, 2, 3, 4])
    at.on_timeout(0)
    assert feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [5]).final is LIGHT
    assert (at.round, at.final_round) == (1, 0)


def test_without_a_lock_the_heaviest_block_is_prevoted_in_the_next_round() -> None:
    at = voting(0, EQUAL, LIGHT)
    at.on_block(HEAVY)
    reaction = at.on_timeout(0)
    assert cast(reaction) == [("PREVOTE", 1, 2)]
    assert reaction.timer_round == 1


def test_a_lock_is_prevoted_although_a_heavier_block_is_there() -> None:
    at = voting(0, EQUAL, LIGHT)
    feed(at, VoteKind.PREVOTE, 0, LIGHT, [1, 2, 3, 4])
    at.on_block(HEAVY)
    assert cast(at.on_timeout(0)) == [("PREVOTE", 1, 1)]


def test_a_lock_gives_way_only_to_a_majority_of_a_later_round() -> None:
    at = voting(0, EQUAL, LIGHT, HEAVY)
    feed(at, VoteKind.PREVOTE, 1, LIGHT, [1, 2, 3])  # more than a third: it joins round 1 and prevotes there
    feed(at, VoteKind.PREVOTE, 1, LIGHT, [4, 5])
    assert (at.lock, at.lock_round) == (LIGHT, 1)
    feed(at, VoteKind.PREVOTE, 0, HEAVY, [1, 2, 3, 4, 5])  # earlier
    assert at.lock is LIGHT
    at.on_timeout(1)
    reaction = feed(at, VoteKind.PREVOTE, 2, HEAVY, [1, 2, 3, 4, 5])
    assert (at.lock, at.lock_round, reaction.locked) == (HEAVY, 2, HEAVY)
    assert cast(reaction) == [("PRECOMMIT", 2, 2)]


def test_a_majority_of_a_past_round_locks_but_is_not_precommitted_any_more() -> None:
    at = voting(0, EQUAL, LIGHT)
    at.on_timeout(0)
    reaction = feed(at, VoteKind.PREVOTE, 0, LIGHT, [1, 2, 3, 4])
    assert (at.lock, at.lock_round) == (LIGHT, 0)
    assert cast(reaction) == []


def test_a_majority_for_a_block_not_seen_waits_for_it() -> None:
    at = voting(0, EQUAL, LIGHT)
    assert feed(at, VoteKind.PRECOMMIT, 0, HEAVY, [1, 2, 3, 4, 5]).final is None
    assert at.on_block(HEAVY).final is HEAVY


def test_more_than_a_third_in_a_later_round_takes_a_node_along() -> None:
    at = voting(0, EQUAL, LIGHT)
    assert feed(at, VoteKind.PREVOTE, 3, LIGHT, [1, 2]).timer_round is None
    reaction = feed(at, VoteKind.PRECOMMIT, 3, LIGHT, [3])  # of either kind
    assert reaction.timer_round == 3
    assert cast(reaction) == [("PREVOTE", 3, 1)]


def test_who_joins_late_starts_in_the_round_of_the_others() -> None:
    at = voting()
    feed(at, VoteKind.PREVOTE, 2, LIGHT, [1, 2, 3])
    assert cast(at.on_block(LIGHT)) == [("PREVOTE", 2, 1)]


def test_an_old_timer_changes_nothing() -> None:
    at = voting(0, EQUAL, LIGHT)
    at.on_timeout(0)
    assert at.round == 1
    assert cast(at.on_timeout(0)) == []
    assert at.round == 1


def test_nothing_is_voted_before_the_height_below_is_final() -> None:
    at = voting(0, EQUAL, begin=False)
    assert at.on_block(LIGHT).votes == []
    feed(at, VoteKind.PREVOTE, 0, LIGHT, [1, 2, 3, 4, 5])
    assert (at.round, at.lock) == (-1, None)
    assert cast(at.begin(GENESIS)) == [("PREVOTE", 0, 1), ("PRECOMMIT", 0, 1)]
    assert at.begin(GENESIS).votes == []


def test_a_quorum_of_others_makes_final_even_before_it_begins() -> None:
    at = voting(0, EQUAL, LIGHT, begin=False)
    assert feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [1, 2, 3, 4, 5]).final is LIGHT


def test_blocks_that_stand_on_another_parent_are_dropped_when_it_begins() -> None:
    below, beside = block(10), block(11)
    at = HeightVoting(0, 2, EQUAL)
    for parent in (beside, below):
        at.on_block(block(20 + parent.index, parent=parent))
    assert cast(at.begin(below)) == [("PREVOTE", 0, 30)]
    assert [one.index for one in at.blocks] == [30]


def test_stake_counts_and_not_heads() -> None:
    stakes = [400, 50, 50, 50, 50, 50, 50]  # 467 of 700
    at = voting(1, stakes, LIGHT)
    feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [2, 3, 4, 5, 6])
    assert at.final is None
    assert feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [0]).final is LIGHT


def test_known_votes_are_the_own_and_those_of_others() -> None:
    at = voting(0, EQUAL, LIGHT)
    feed(at, VoteKind.PREVOTE, 0, LIGHT, [1, 2, 3, 4])
    known = [(vote.kind.name, vote.round, vote.voter) for vote in at.known_votes()]
    assert known == [("PREVOTE", 0, voter) for voter in (0, 1, 2, 3, 4)] + [("PRECOMMIT", 0, 0)]


def test_a_vote_that_one_node_alone_has_seen_reaches_the_others_by_it() -> None:
    """Node 0 alone saw the fifth prevote, whose voter is gone: passing votes on lets the others follow the lock."""
    nodes = [voting(me, EQUAL, LIGHT, HEAVY) for me in range(5)]
    feed(nodes[0], VoteKind.PREVOTE, 0, LIGHT, [1, 2, 3, 6])
    assert nodes[0].lock is LIGHT
    for other in nodes[1:]:
        for vote in nodes[0].known_votes():
            other.on_vote(vote)
    assert [node.lock for node in nodes[1:4]] == [LIGHT] * 3
