"""Votes of one height by upstream's ways, fed by hand: no lock, sums over rounds, a second final block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.finality import HeightVoting, Reaction, Vote, VoteKind
from bitcell_sim.chain.finality_upstream import UpstreamVoting

NOBODY = np.zeros(0, np.int64)
GENESIS = Block(-1, 0, 0, -1, None, 0, NOBODY, 0, 0, 0, 0)
EQUAL = [100] * 7
LIGHT, HEAVY = (Block(i, 1, 0, i, GENESIS, i, NOBODY, 0, 0, 7, 1000 * i) for i in (1, 2))
FOUR, FIVE = [1, 2, 3, 4], [1, 2, 3, 4, 5]


def voting(*blocks: Block, locking: bool = False, summed: bool = True) -> UpstreamVoting:
    at = UpstreamVoting(0, 1, EQUAL, locking=locking, summed=summed)
    at.begin(GENESIS)
    for block in blocks:
        at.on_block(block)
    return at


def feed(at: HeightVoting, kind: VoteKind, round_number: int, of: Block, voters: list[int]) -> Reaction:
    reaction = Reaction()
    for voter in voters:
        reaction = at.on_vote(Vote(kind, 1, round_number, of, voter))
    return reaction


def cast(reaction: Reaction) -> list[tuple[str, int, int]]:
    return [(vote.kind.name, vote.round, vote.block.index) for vote in reaction.votes]


# -------------------------------------------------------------------------------------------- without locks


def test_a_majority_is_precommitted_and_binds_nobody() -> None:
    at = voting(LIGHT, summed=False)
    assert cast(feed(at, VoteKind.PREVOTE, 0, LIGHT, FOUR)) == [("PRECOMMIT", 0, 1)]
    assert at.lock is None
    at.on_block(HEAVY)
    assert cast(at.on_timeout(0)) == [("PREVOTE", 1, 2)]
    assert cast(feed(at, VoteKind.PREVOTE, 1, HEAVY, FOUR)) == [("PRECOMMIT", 1, 2)]


def test_with_the_lock_the_same_node_stays() -> None:
    at = voting(LIGHT, locking=True)
    feed(at, VoteKind.PREVOTE, 0, LIGHT, FOUR)
    at.on_block(HEAVY)
    assert cast(at.on_timeout(0))[0] == ("PREVOTE", 1, 1)


def test_without_sums_each_round_needs_its_own_majority() -> None:
    at = voting(LIGHT, summed=False)
    feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [1, 2])
    assert feed(at, VoteKind.PRECOMMIT, 1, LIGHT, [3, 4, 5, 6]).final is None
    at = voting(LIGHT, summed=False)
    assert cast(feed(at, VoteKind.PREVOTE, 0, LIGHT, [1, 2])) == []
    at.on_timeout(0)
    assert cast(feed(at, VoteKind.PREVOTE, 1, LIGHT, [3, 4])) == []


# --------------------------------------------------------------------------------------- sums over rounds


def test_prevotes_of_different_rounds_add_up() -> None:
    at = voting(LIGHT)
    feed(at, VoteKind.PREVOTE, 0, LIGHT, [1, 2])
    at.on_timeout(0)
    assert cast(feed(at, VoteKind.PREVOTE, 1, LIGHT, [3, 4])) == [("PRECOMMIT", 1, 1)]


def test_precommits_of_different_rounds_add_up_without_any_prevote() -> None:
    at = voting(LIGHT)
    assert feed(at, VoteKind.PRECOMMIT, 0, LIGHT, [1, 2]).final is None
    assert feed(at, VoteKind.PRECOMMIT, 3, LIGHT, [3, 4, 5]).final is LIGHT


def test_who_votes_for_a_block_in_two_rounds_counts_once() -> None:
    at = voting(LIGHT)
    for number in range(4):
        assert feed(at, VoteKind.PRECOMMIT, number, LIGHT, FOUR).final is None


def test_a_majority_is_precommitted_again_in_later_rounds_as_long_as_the_node_prevotes_it() -> None:
    at = voting(LIGHT)
    feed(at, VoteKind.PREVOTE, 0, LIGHT, FOUR)
    assert cast(at.on_timeout(0)) == [("PREVOTE", 1, 1), ("PRECOMMIT", 1, 1)]
    at.on_block(HEAVY)
    assert cast(at.on_timeout(1)) == [("PREVOTE", 2, 2)]


def test_a_lock_moves_to_a_majority_that_adds_up_in_a_later_round() -> None:
    at = voting(LIGHT, HEAVY, locking=True)
    feed(at, VoteKind.PREVOTE, 0, LIGHT, FIVE)
    assert at.lock is LIGHT
    at.on_timeout(0)
    reaction = feed(at, VoteKind.PREVOTE, 0, HEAVY, FIVE)  # second votes of a round: equivocation, none counts
    assert (at.lock, reaction.votes) == (LIGHT, [])
    late = [Vote(VoteKind.PREVOTE, 1, 1 + voter // 2, HEAVY, voter) for voter in FIVE]  # one to two a round
    reactions = [at.on_vote(vote) for vote in late]
    assert (at.lock, reactions[-1].locked) == (HEAVY, HEAVY)


def test_five_for_one_block_and_then_five_for_another_make_both_final_without_equivocation() -> None:
    at = voting(LIGHT)
    assert feed(at, VoteKind.PRECOMMIT, 0, LIGHT, FIVE).final is LIGHT
    assert feed(at, VoteKind.PRECOMMIT, 1, HEAVY, FOUR).final is None
    assert feed(at, VoteKind.PRECOMMIT, 1, HEAVY, [5]).final is HEAVY  # known or not: the count goes by hash
    assert feed(at, VoteKind.PRECOMMIT, 2, HEAVY, FIVE).final is None  # said once
    assert at.final is LIGHT


@pytest.mark.parametrize("locking", [True, False])
def test_without_sums_a_final_height_is_over(locking: bool) -> None:
    at = voting(LIGHT, locking=locking, summed=False)
    feed(at, VoteKind.PRECOMMIT, 0, LIGHT, FIVE)
    assert feed(at, VoteKind.PRECOMMIT, 1, HEAVY, FIVE).final is None


def test_the_first_final_block_has_to_be_there() -> None:
    at = voting(LIGHT)
    assert feed(at, VoteKind.PRECOMMIT, 0, HEAVY, FIVE).final is None
    assert at.on_block(HEAVY).final is HEAVY


def test_nobody_votes_on_a_height_that_is_final() -> None:
    at = voting(LIGHT)
    feed(at, VoteKind.PRECOMMIT, 0, LIGHT, FIVE)
    assert cast(feed(at, VoteKind.PREVOTE, 1, HEAVY, [*FIVE, 6])) == []
    assert cast(at.on_timeout(0)) == []


# ---------------------------------------------------------------------------------------- both ways off

INPUT = st.one_of(
    st.tuples(st.just("block"), st.sampled_from([LIGHT, HEAVY])),
    st.tuples(
        st.just("vote"),
        st.builds(
            Vote,
            st.sampled_from(list(VoteKind)),
            st.just(1),
            st.integers(0, 3),
            st.sampled_from([LIGHT, HEAVY]),
            st.integers(1, 6),
        ),
    ),
    st.tuples(st.just("timeout"), st.integers(0, 3)),
    st.tuples(st.just("begin"), st.just(GENESIS)),
)


@given(st.lists(INPUT, max_size=60))
def test_with_locks_and_without_sums_it_is_the_usual_voting(inputs: list[tuple[str, object]]) -> None:
    usual = HeightVoting(0, 1, EQUAL)
    other = UpstreamVoting(0, 1, EQUAL, locking=True, summed=False)
    for name, what in inputs:
        one, two = (at.begin(what) if name == "begin" else getattr(at, f"on_{name}")(what) for at in (usual, other))
        assert one == two
        assert (usual.round, usual.lock, usual.lock_round, usual.final) == (
            other.round,
            other.lock,
            other.lock_round,
            other.final,
        )
