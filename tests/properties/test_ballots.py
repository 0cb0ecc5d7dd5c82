"""Noting votes and waking nodes at a quorum does what one event a vote does, also where some vote twice."""

from __future__ import annotations

import heapq
import itertools
from typing import Any

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bitcell_sim.chain.ballots import Ballots
from bitcell_sim.chain.block import Block
from bitcell_sim.chain.finality import HeightVoting, Reaction, Vote, VoteKind
from bitcell_sim.kernels.mempool import NEVER

NOBODY = np.zeros(0, np.int64)
GENESIS = Block(-1, 0, 0, -1, None, 0, NOBODY, 0, 0, 0, 0)
BLOCKS = [Block(i, 1, 0, i, GENESIS, i, NOBODY, 0, 0, 7, 1000 * (3 - i)) for i in range(2)]
ME = 0
Cast = tuple[int, int, Vote]  # when, when it arrives, what


def node(stakes: list[int]) -> HeightVoting:
    voting = HeightVoting(ME, 1, stakes)
    voting.begin(GENESIS)
    for block in BLOCKS:
        voting.on_block(block)
    return voting


def note(log: dict[str, Any], at: int, reaction: Reaction) -> None:
    """Keep when it locked what, when what became final, and whom it accused when."""
    if reaction.locked is not None:
        log["locked"] = at, reaction.locked.index
    if reaction.final is not None:
        log["final"] = at, reaction.final.index
    if reaction.equivocation is not None:
        log[f"{reaction.equivocation.voter} {reaction.equivocation.kind.name}"] = at


def one_event_a_vote(stakes: list[int], casts: list[Cast]) -> dict[str, Any]:
    voting, log = node(stakes), dict[str, Any]()
    for _, at, vote in sorted(casts, key=lambda cast: cast[1]):
        note(log, at, voting.on_vote(vote))
    return log


class Woken:
    """The node that is woken when its ballots see a quorum."""

    def __init__(self, stakes: list[int], casts: list[Cast]) -> None:
        self.voting, self.ballots = node(stakes), Ballots(stakes)
        self.log: dict[str, Any] = {}
        self.order = itertools.count()
        self.events: list[tuple[int, int, Any]] = []
        for cast, at, vote in casts:
            self.push(cast, (at, vote))
        self.file(0, ME, Vote(VoteKind.PREVOTE, 1, 0, BLOCKS[0], ME))

    def push(self, at: int, what: Any) -> None:
        heapq.heappush(self.events, (at, next(self.order), what))

    def file(self, now: int, at: int, vote: Vote) -> None:
        arrivals = (np.array([ME]), np.array([at])) if vote.voter != ME else (NOBODY, NOBODY)
        for who, wake in self.ballots.file(vote.kind, vote.block, vote.voter, now, *arrivals):
            if who == ME:
                self.push(wake, (vote.kind, vote.block))
        for block, who, later, _ in self.ballots.first_only(vote.kind, vote.block, vote.voter):
            if who == ME:
                self.push(later, Vote(vote.kind, 1, 0, block, vote.voter))
                if now < self.ballots.quorum_ns(vote.kind, block, ME) < NEVER:
                    self.push(self.ballots.quorum_ns(vote.kind, block, ME), (vote.kind, block))

    def run(self) -> dict[str, Any]:
        while self.events:
            now, _, what = heapq.heappop(self.events)
            if isinstance(what, Vote):
                note(self.log, now, self.voting.accuse(what))
            elif not isinstance(what[0], VoteKind):
                self.file(now, *what)
            elif self.ballots.quorum_ns(*what, ME) == now:
                reaction = self.voting.on_votes(*what, self.ballots.arrived(*what, ME, now))
                note(self.log, now, reaction)
                for vote in reaction.votes:
                    self.file(now, now, vote)
        return self.log


@st.composite
def elections(draw: st.DrawFn) -> tuple[list[int], list[Cast]]:
    """Votes of all others but a few, of both kinds, some twice, all arriving at different moments."""
    stakes = draw(st.one_of(st.just([100] * 7), st.lists(st.integers(1, 300), min_size=4, max_size=8)))
    votes = [
        Vote(kind, 1, 0, BLOCKS[block], voter)
        for voter in range(1, len(stakes))
        for kind in VoteKind
        for block in draw(st.sampled_from([[0], [0], [0], [1], [0, 1], []]))
    ]
    casts = draw(st.lists(st.integers(0, 50), min_size=len(votes), max_size=len(votes)))
    arrivals = draw(st.permutations(range(len(votes))))
    return stakes, [(cast, 51 + at, vote) for cast, at, vote in zip(casts, arrivals, votes, strict=True)]


@settings(max_examples=400)
@given(elections())
def test_both_lock_finalise_and_accuse_at_the_same_moments(election: tuple[list[int], list[Cast]]) -> None:
    stakes, casts = election
    log = one_event_a_vote(stakes, casts)
    assert Woken(stakes, casts).run() == log
    event(f"{'final' if 'final' in log else 'not final'}, accused {sum(' ' in name for name in log)}")


def test_a_vote_taken_back_does_not_hide_the_quorum_that_comes_without_it() -> None:
    """The offender's second vote seems to complete a quorum; the seventh node's completes it truly, a little later."""
    casts = [(0, 10, Vote(VoteKind.PREVOTE, 1, 0, BLOCKS[1], 1)), (1, 50, Vote(VoteKind.PREVOTE, 1, 0, BLOCKS[0], 1))]
    casts += [(2, 20 + voter, Vote(VoteKind.PREVOTE, 1, 0, BLOCKS[0], voter)) for voter in (2, 3, 4)]
    casts += [(3, 60, Vote(VoteKind.PREVOTE, 1, 0, BLOCKS[0], 5))]
    for order in (casts, casts[::-1], casts[1:] + casts[:1]):
        cast = [(i, at, vote) for i, (_, at, vote) in enumerate(order)]
        assert Woken([100] * 7, cast).run() == {"1 PREVOTE": 50, "locked": (60, 0)}
