"""Finality by upstream's ways: without locks, with votes that add up over rounds, or with both.

Upstream's gadget counts votes and nothing else: it names no block to vote for, holds no lock, and keeps its count by
block hash alone, so that votes of different rounds add up and two blocks of one height can both be final. Rounds,
time-outs and who votes when are here as in :mod:`bitcell_sim.chain.finality`; only the two ways differ, each by itself.

References
----------
BitCell, crates/bitcell-consensus/src/finality.rs:273-321, 362-370, commit 116dda5.
"""

from __future__ import annotations

from collections.abc import Sequence

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.finality import HeightVoting, Reaction, Vote, VoteKind


class UpstreamVoting(HeightVoting):
    """Votes of one height as one node sees them.

    Parameters
    ----------
    me, height, stakes
        As for :class:`HeightVoting`.
    locking : bool
        Whether a majority of prevotes binds the node. Without, it prevotes the heaviest block it holds in every round.
    summed : bool
        Whether votes add up over rounds. A node then precommits a block in the round in which it sees the majority,
        and in later ones as long as it prevotes it. It goes on counting when a block is final: another one can become
        final beside it.
    """

    def __init__(self, me: int, height: int, stakes: Sequence[int], *, locking: bool, summed: bool) -> None:
        super().__init__(me, height, stakes)
        self._locking = locking
        self._summed = summed
        # Where votes are summed: blocks with a majority of prevotes, and the round in which it was seen.
        self._prevoted: dict[Block, int] = {}
        self._decided: set[Block] = set()

    def on_vote(self, vote: Vote) -> Reaction:
        """Count another node's vote."""
        if self.final is not None:
            return self.on_late_vote(vote)
        tally = self._tally(vote.round, vote.kind)
        if not tally.add(vote.voter, vote.block, self._stakes[vote.voter]):
            return self._compare(tally, vote)
        reaction = Reaction()
        if vote.round > self.round >= 0 and self._stake_in(vote.round) >= self._third:
            self._enter(vote.round, reaction)
        self._review(reaction)
        return reaction

    def on_late_vote(self, vote: Vote) -> Reaction:
        """Take a vote on a height that is over; where votes add up, it can still make another block final."""
        tally = self._tally(vote.round, vote.kind)
        if not tally.add(vote.voter, vote.block, self._stakes[vote.voter]):
            return self._compare(tally, vote)
        reaction = Reaction()
        if self._summed:
            self._decide(reaction)
        return reaction

    def _review(self, reaction: Reaction) -> None:
        """Look for majorities: they lock, precommit and make final."""
        for number, block in self._prevote_majorities() if self.round >= 0 else ():
            if self._locking and self.lock_round < number <= self.round:
                self.lock, self.lock_round = block, number
                reaction.locked = block
            if self._calls_for_precommit(number, block):
                self._vote(VoteKind.PRECOMMIT, block, reaction)
        self._decide(reaction)

    def _decide(self, reaction: Reaction) -> None:
        """Look for a block that has become final: the first of the height has to be here, a later one is only noted."""
        for number, block in self._precommit_majorities():
            known = self.final is not None or block in self.blocks
            if known and block not in self._decided:
                self._decided.add(block)
                reaction.final, self.final_round = block, number
                self.final = self.final or block
                return

    def _calls_for_precommit(self, number: int, block: Block) -> bool:
        if self._locking and self.lock is not block:
            return False
        own = self._cast.get((self.round, VoteKind.PREVOTE))
        again = self._summed and own is not None and own.block is block
        return again or number == self.round

    def _prevote_majorities(self) -> list[tuple[int, Block]]:
        """Blocks that a majority has prevoted, each with the round of its majority."""
        if not self._summed:
            found = [(number, self._majority(number, VoteKind.PREVOTE)) for number in self._rounds]
            return [(number, block) for number, block in found if block is not None]
        for block in self.blocks:
            if block not in self._prevoted and self._stake_behind(block, VoteKind.PREVOTE) >= self._quorum:
                self._prevoted[block] = self.round
        return [(number, block) for block, number in self._prevoted.items()]

    def _precommit_majorities(self) -> list[tuple[int, Block]]:
        """Blocks that a majority has precommitted, each with the round of its majority."""
        if not self._summed:
            found = [(number, self._majority(number, VoteKind.PRECOMMIT)) for number in self._rounds]
            return [(number, block) for number, block in found if block is not None][:1]
        tallies = [tally for (_, kind), tally in self._tallies.items() if kind is VoteKind.PRECOMMIT]
        voted = dict.fromkeys(block for tally in tallies for block in tally.stake)
        return [(self.round, block) for block in voted if self._stake_behind(block, VoteKind.PRECOMMIT) >= self._quorum]

    def _stake_behind(self, block: Block, kind: VoteKind) -> int:
        """Stake of all who have voted for a block in any round; who did twice counts once."""
        tallies = [tally for (_, of), tally in self._tallies.items() if of is kind]
        voters = {voter for tally in tallies for voter, voted in tally.voted.items() if voted is block}
        return sum(self._stakes[voter] for voter in voters)
