"""When a block cannot be undone any more: prevotes and precommits by stake, with locking (Tendermint's rules).

One :class:`HeightVoting` per node and height takes blocks, votes and time-outs and answers with the votes to cast, the
timer to start and the block that is final. It knows nothing of networks and clocks, so it can be tested by itself.

The rules: a height is voted on once the block below it is final, so that votes of two heights cannot contradict each
other. Prevote the lock, else the heaviest valid block of the height. When more than two thirds of the stake have
prevoted one block in the node's current round, lock it and precommit it. A lock gives way only to such a majority for
another block in a later round. When more than two thirds have precommitted one block in one round, it is final. A round
that reaches no end rises to the next after its time-out; a node that sees more than a third of the stake in a later
round joins it. Two votes of one node for different blocks in one height, round and kind are equivocation: the second
counts for nothing, and who holds both has the evidence.

References
----------
Buchman, Kwon, Milosevic: The latest gossip on BFT consensus, arXiv:1807.04938 (2018), Algorithm 1.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.fork_choice import heaviest


class VoteKind(enum.IntEnum):
    """The two votes of a round."""

    PREVOTE = 0
    PRECOMMIT = 1

    __hash__ = int.__hash__  # the enumeration's own is not in C, and votes are counted by kind


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote for one block."""

    kind: VoteKind
    height: int
    round: int
    block: Block
    voter: int


@dataclass(slots=True)
class Tally:
    """Stake behind each block for one kind of vote in one round."""

    voted: dict[int, Block] = field(default_factory=dict)
    stake: dict[Block, int] = field(default_factory=dict)
    total: int = 0

    def add(self, voter: int, block: Block, stake: int) -> bool:
        """Count a vote; a second one of the same voter counts for nothing."""
        if voter in self.voted:
            return False
        self.voted[voter] = block
        self.stake[block] = self.stake.get(block, 0) + stake
        self.total += stake
        return True


@dataclass(slots=True)
class Reaction:
    """What a node has to do after an input."""

    votes: list[Vote] = field(default_factory=list)
    timer_round: int | None = None
    locked: Block | None = None
    final: Block | None = None
    equivocation: Vote | None = None


NOTHING = Reaction()  # what most votes call for


def quorum_stake(stakes: Sequence[int]) -> int:
    """Least stake that is more than two thirds: floor(2 total / 3) + 1.

    >>> quorum_stake([100] * 7)
    467
    """
    return 2 * sum(stakes) // 3 + 1


class HeightVoting:
    """Votes of one height as one node sees them.

    Parameters
    ----------
    me : int
        The node.
    height : int
        The height.
    stakes : sequence of int
        Stake of every node.
    """

    def __init__(self, me: int, height: int, stakes: Sequence[int]) -> None:
        self.me = me
        self.height = height
        self._stakes = stakes
        self._quorum = quorum_stake(stakes)
        self._third = sum(stakes) // 3 + 1
        self.round = -1  # not voting yet
        self.lock: Block | None = None
        self.lock_round = -1
        self.final: Block | None = None
        self.final_round = -1
        self.blocks: list[Block] = []
        self._tallies: dict[tuple[int, VoteKind], Tally] = {}
        self._rounds: list[int] = []  # with a vote, ascending
        self._begun = False
        self._cast: dict[tuple[int, VoteKind], Vote] = {}
        self._accused: set[tuple[int, VoteKind, int]] = set()

    def on_block(self, block: Block) -> Reaction:
        """Take a block of this height that has been checked and stands on what is final."""
        reaction = Reaction()
        if block in self.blocks or self.final is not None:
            return reaction
        self.blocks.append(block)
        self._join(reaction)
        self._review(reaction)
        return reaction

    def begin(self, parent: Block) -> Reaction:
        """Vote from now on: the block below, on which this height's have to stand, is final."""
        reaction = Reaction()
        if self._begun or self.final is not None:
            return reaction
        self._begun = True
        self.blocks = [block for block in self.blocks if block.parent is parent]
        self._join(reaction)
        self._review(reaction)
        return reaction

    def on_vote(self, vote: Vote) -> Reaction:
        """Count another node's vote."""
        if self.final is not None:
            return self.on_late_vote(vote)
        tally = self._tally(vote.round, vote.kind)
        if not tally.add(vote.voter, vote.block, self._stakes[vote.voter]):
            return self._compare(tally, vote)
        rises = vote.round > self.round >= 0 and self._stake_in(vote.round) >= self._third
        decides = tally.stake[vote.block] >= self._quorum and vote.block in self.blocks
        if not (rises or decides):
            return NOTHING
        reaction = Reaction()
        if rises:
            self._enter(vote.round, reaction)
        self._review(reaction)
        return reaction

    def on_votes(self, kind: VoteKind, block: Block, voters: Sequence[int]) -> Reaction:
        """Count votes of others for one block in the first round, those counted before included."""
        if self.final is not None or not voters:
            return NOTHING
        tally = self._tally(0, kind)
        new = [voter for voter in voters if tally.add(voter, block, self._stakes[voter])]
        if not new or tally.stake[block] < self._quorum or block not in self.blocks:
            return NOTHING
        reaction = Reaction()
        self._review(reaction)
        return reaction

    def not_counted(self, kind: VoteKind, voters: Sequence[int]) -> list[int]:
        """Those of some voters whose vote of the first round has not been counted."""
        tally = self._tallies.get((0, kind))
        return [voter for voter in voters if tally is None or voter not in tally.voted]

    def on_late_vote(self, vote: Vote) -> Reaction:
        """Take a vote on a height that is over: it moves nothing any more, but may contradict another."""
        tally = self._tally(vote.round, vote.kind)
        if tally.add(vote.voter, vote.block, self._stakes[vote.voter]):
            return NOTHING
        return self._compare(tally, vote)

    def accuse(self, vote: Vote) -> Reaction:
        """Hold a vote against its voter that contradicts an earlier one, once a round and kind."""
        case = (vote.round, vote.kind, vote.voter)
        if case in self._accused:
            return NOTHING
        self._accused.add(case)
        return Reaction(equivocation=vote)

    def on_timeout(self, round_number: int) -> Reaction:
        """Rise to the next round if the one that timed out is still the current one."""
        reaction = Reaction()
        if self.final is None and self.round == round_number:
            self._enter(round_number + 1, reaction)
            self._review(reaction)
        return reaction

    def known_votes(self) -> list[Vote]:
        """Votes to pass on to a peer that may lack them, its own and others': all, or those that show what is final."""
        return [
            Vote(kind, self.height, number, block, voter)
            for (number, kind), tally in sorted(self._tallies.items())
            for voter, block in tally.voted.items()
            if self.final is None or (kind is VoteKind.PRECOMMIT and block is self.final)
        ]

    def _tally(self, round_number: int, kind: VoteKind) -> Tally:
        tally = self._tallies.get((round_number, kind))
        if tally is None:
            tally = self._tallies[round_number, kind] = Tally()
            self._rounds = sorted({number for number, _ in self._tallies})
        return tally

    def _compare(self, tally: Tally, vote: Vote) -> Reaction:
        return NOTHING if tally.voted[vote.voter] is vote.block else self.accuse(vote)

    def _stake_in(self, round_number: int) -> int:
        tallies = [self._tallies[round_number, kind] for kind in VoteKind if (round_number, kind) in self._tallies]
        voters = {voter for tally in tallies for voter in tally.voted}
        return sum(self._stakes[voter] for voter in voters)

    def _choice(self) -> Block | None:
        if self.lock is not None:
            return self.lock
        return heaviest(self.blocks[1:], self.blocks[0]) if self.blocks else None

    def _vote(self, kind: VoteKind, block: Block, reaction: Reaction) -> None:
        key = (self.round, kind)
        if key in self._cast:
            return
        vote = Vote(kind, self.height, self.round, block, self.me)
        self._cast[key] = vote
        self._tally(*key).add(self.me, block, self._stakes[self.me])
        reaction.votes.append(vote)

    def _join(self, reaction: Reaction) -> None:
        """Start to vote: in the first round, or in the latest that more than a third of the stake has reached."""
        if self._begun and self.round < 0 and self.blocks:
            reached = [number for number in self._rounds if number > 0 and self._stake_in(number) >= self._third]
            self._enter(max(reached, default=0), reaction)

    def _enter(self, round_number: int, reaction: Reaction) -> None:
        self.round = round_number
        reaction.timer_round = round_number
        choice = self._choice()
        if choice is not None:
            self._vote(VoteKind.PREVOTE, choice, reaction)

    def _majority(self, round_number: int, kind: VoteKind) -> Block | None:
        tally = self._tallies.get((round_number, kind))
        if tally is None or tally.total < self._quorum:
            return None
        for block, stake in tally.stake.items():
            if stake >= self._quorum and block in self.blocks:
                return block
        return None

    def _review(self, reaction: Reaction) -> None:
        """Look for majorities: they lock, precommit and make final."""
        for round_number in self._rounds:
            block = self._majority(round_number, VoteKind.PREVOTE)
            if block is not None and round_number > self.lock_round and round_number <= self.round:
                self.lock, self.lock_round = block, round_number
                reaction.locked = block
            if block is not None and round_number == self.round and self.lock is block:
                self._vote(VoteKind.PRECOMMIT, block, reaction)
        for round_number in self._rounds:
            block = self._majority(round_number, VoteKind.PRECOMMIT)
            if block is not None:
                self.final, self.final_round = block, round_number
                reaction.final = block
                return
