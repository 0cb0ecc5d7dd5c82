"""One node's part in finality: it casts votes, counts those of others, and lets rounds time out.

The rules are in :mod:`bitcell_sim.chain.finality`; here they meet the network and the clock. Votes cast and locks are
on disk and survive a crash of the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.finality import NOTHING, HeightVoting, Reaction, Vote, VoteKind
from bitcell_sim.chain.finality_upstream import UpstreamVoting
from bitcell_sim.chain.miners import halves
from bitcell_sim.chain.records import EvidenceRecord, FinalRecord, VoteRecord
from bitcell_sim.kernels.mempool import NEVER
from bitcell_sim.network.transport import Kind
from bitcell_sim.units import seconds_to_ns

if TYPE_CHECKING:
    from bitcell_sim.chain.node import Node

ATTEMPTS_MAX = 1 << 10  # names of draws: height, then attempt or round
_HEIGHTS_MAX = 1 << 32  # names of votes: voter, then height
_KIND_NAMES = tuple(kind.name.lower() for kind in VoteKind)
FORGED = -1  # number of a block that only an equivocator's votes speak of
_KEPT_HEIGHTS = 4  # heights below the final one whose votes are kept for peers that come back


class Voter:
    """Votes of one node.

    Parameters
    ----------
    node : Node
        Whose.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._mesh = node.mesh
        self._stakes = [entry.stake for entry in node.mesh.deployment.node]
        self._voting: dict[int, HeightVoting] = {}
        self._forged: dict[int, Block] = {}
        quirks = node.mesh.protocol.quirks
        own_ways = partial(UpstreamVoting, locking=not quirks.no_locking, summed=quirks.votes_summed)
        self._upstream = quirks.no_locking or quirks.votes_summed  # then each vote is an event where it arrives
        self._new_voting = own_ways if self._upstream else HeightVoting
        self._told: set[tuple[int, int]] = set()  # nodes still voting on a height that is final here, and the height

    def locks(self, above: int) -> dict[int, Block]:
        """Locked block of every height above the final one."""
        voting = self._voting.items()
        return {height: at.lock for height, at in voting if height > above and at.lock is not None}

    def take_block(self, block: Block) -> None:
        """Take a checked block that stands on what is final; vote on it if what it stands on directly is."""
        self._react(block.height, self._at(block.height).on_block(block))
        self.begin()

    def begin(self) -> None:
        """Vote on the height above the final one, unless the node has yet to catch up."""
        if not self._node.synced:
            return
        final = self._node.final
        self._react(final.height + 1, self._at(final.height + 1).begin(final))

    def on_quorum(self, kind: VoteKind, block: Block) -> None:
        """Count the votes of the first round that have arrived: they reach a quorum now, unless they did before."""
        ballots, me, now = self._mesh.ballots, self._node.index, self._mesh.now
        if ballots.quorum_ns(kind, block, me) == now and self._counts(block):
            self._react(
                block.height, self._at(block.height).on_votes(kind, block, ballots.arrived(kind, block, me, now))
            )

    def on_second(self, vote: Vote, first_ns: int) -> None:
        """Take a vote of the first round that contradicts one which arrived before, unless that one was lost."""
        voting = self._at(vote.height) if self._counts(vote.block) else self._voting.get(vote.height)
        if voting is None or not self._mesh.is_up(self._node.index):
            return
        kept = first_ns >= self._mesh.state.boot_ns[self._node.index] or not voting.not_counted(vote.kind, [vote.voter])
        self._react(vote.height, voting.accuse(vote) if kept else NOTHING)

    def compare_notes(self, height: int) -> None:
        """Where several blocks are voted on, pass on what this node holds: two votes of one voter have to meet."""
        if len(self._mesh.ballots.blocks(height)) > 1:
            self._pass_on(self._mesh.ballots.votes(height, self._node.index, self._mesh.now))

    def _pass_on(self, votes: Iterable[Vote]) -> None:
        peers, now = self._mesh.peers(self._node.index), self._mesh.now
        for vote in votes:
            if vote.voter != self._node.index:
                self._send(vote, peers, again=now)

    def _counts(self, block: Block) -> bool:
        """Whether votes for a block that arrive now can still count here."""
        return block.height > self._node.final.height and self._mesh.is_up(self._node.index)

    def take_arrived(self) -> None:
        """Count all votes of first rounds that have arrived by now; too few of each kind to decide anything."""
        for block in self._voted_on():
            for kind in VoteKind:
                voters = self._mesh.ballots.arrived(kind, block, self._node.index, self._mesh.now)
                self._react(block.height, self._at(block.height).on_votes(kind, block, voters))

    def crash(self) -> None:
        """Hear again of blocks that were on their way here when they were voted on."""
        for block in self._voted_on():
            for voter, at_ns in self._mesh.ballots.due(block, self._node.index, self._mesh.now):
                self._node.download.hear_of(block, voter, at_ns)

    def reboot(self) -> None:
        """Votes that came meanwhile are lost; a process that has started again waits anew."""
        ballots, me = self._mesh.ballots, self._node.index
        for block in self._voted_on():
            for kind in VoteKind:
                voters = ballots.arrived(kind, block, me, self._mesh.now)
                at_ns = ballots.lose(kind, block, me, self._at(block.height).not_counted(kind, voters))
                if self._mesh.now < at_ns < NEVER:
                    self._mesh.env.call_at(at_ns, self.on_quorum, kind, block)
        for height, voting in self._voting.items():
            self._start_timer(height, voting.round)

    def forget(self) -> None:
        """Lose all votes and locks."""
        self._voting.clear()

    def _voted_on(self) -> list[Block]:
        """Blocks above the final one that votes are under way for."""
        ballots = self._mesh.ballots
        return [block for height in ballots.heights(self._node.final.height) for block in ballots.blocks(height)]

    def take_vote(self, vote: Vote) -> None:
        """Count a vote of a later round that arrives; who still votes on what is final here is told so."""
        if self._counts(vote.block):
            self._react(vote.height, self._at(vote.height).on_vote(vote))
        elif vote.height in self._voting and self._mesh.is_up(self._node.index):
            over = self._voting[vote.height]
            self._react(vote.height, over.on_late_vote(vote))
            if vote.round > over.final_round and (vote.voter, vote.height) not in self._told:
                self._told.add((vote.voter, vote.height))
                self._node.tell(vote.voter)

    def repeat(self, peer: int) -> None:
        """Pass the votes that this node knows on to a peer that may lack them, others' votes too."""
        self.take_arrived()
        for height in sorted(self._voting):
            for vote in self._voting[height].known_votes():
                if vote.voter != peer:
                    self._send(vote, (peer,), again=self._mesh.now)

    def forget_below(self, final_height: int) -> None:
        """Drop what no peer can lack any more."""
        old = [height for height in self._voting if height < final_height - _KEPT_HEIGHTS]
        for height in old:
            del self._voting[height]
            self._forged.pop(height, None)
        if old:
            self._told = {case for case in self._told if case[1] not in old}
            self._mesh.ballots.forget_below(min(node.final.height for node in self._mesh.nodes) - _KEPT_HEIGHTS)

    def _at(self, height: int) -> HeightVoting:
        voting = self._voting.get(height)
        if voting is None:
            voting = self._voting[height] = self._new_voting(self._node.index, height, self._stakes)
        return voting

    def _react(self, height: int, reaction: Reaction) -> None:
        if reaction is NOTHING:
            return
        if reaction.equivocation is not None:
            self._accuse(reaction.equivocation)
        for vote in reaction.votes:
            self._cast(vote)
        if reaction.timer_round is not None:
            self._start_timer(height, reaction.timer_round)
        voting = self._voting[height]
        if reaction.final is not None and height <= self._node.final.height:
            self._contradict(reaction.final, voting.final_round)
        elif reaction.final is not None:
            self._node.finalise(reaction.final, voting.final_round)
        elif reaction.locked is not None:
            self._node.follow(reaction.locked)

    def _contradict(self, block: Block, vote_round: int) -> None:
        """A block of a height that is over has become final too: the node stays, but it has seen two."""
        if self._node.final.ancestor(block.height) is not block:
            self._mesh.record(FinalRecord(self._node.index, block.index, self._mesh.now, vote_round))

    def _accuse(self, vote: Vote) -> None:
        offence = (vote.voter, vote.height, vote.round, _KIND_NAMES[vote.kind])
        self._mesh.record(EvidenceRecord(self._node.index, *offence, self._mesh.now))
        if vote.voter not in (self._node.index, *self._node.accused):
            self._node.accused.add(vote.voter)
            held = self._mesh.ballots.votes(vote.height, self._node.index, self._mesh.now)
            self._pass_on([vote, *(first for first in held if first.voter == vote.voter)])

    def _cast(self, vote: Vote) -> None:
        kind = _KIND_NAMES[vote.kind]
        self._mesh.record(VoteRecord(self._node.index, vote.height, vote.round, kind, vote.block.index, self._mesh.now))
        self._node.way_back.reach("first-vote")
        peers = self._mesh.peers(self._node.index)
        if self._mesh.miners.equivocates(vote.height, self._node.index):
            one, other = halves(peers)
            self._send(vote, one)
            self._send(replace(vote, block=self._rival(vote.block)), other)
        else:
            self._send(vote, peers)

    def _rival(self, block: Block) -> Block:
        """Another block of the same height for an equivocator's second vote: one that is there, or one that is not."""
        for other in self._at(block.height).blocks:
            if other is not block:
                return other
        return self._forged.setdefault(block.height, replace(block, index=FORGED, built_ns=block.built_ns + 1))

    def _send(self, vote: Vote, targets: Sequence[int], *, again: int = 0) -> None:
        name = ((vote.voter * _HEIGHTS_MAX + vote.height) * ATTEMPTS_MAX + vote.round) * 2 + int(vote.kind)
        size, source, call_at = self._mesh.protocol.wire.vote_bytes, self._node.index, self._mesh.env.call_at
        nodes, arrivals_ns = self._mesh.transport.copies_ns(Kind.VOTE, source, targets, name, size, again)
        for target, at_ns in zip(targets, arrivals_ns.tolist(), strict=True):
            if at_ns < 0:
                continue
            node = self._mesh.nodes[target]
            node.download.hear_of(vote.block, vote.voter, at_ns)
            if vote.round > 0 or self._upstream:
                call_at(at_ns, node.voter.take_vote, vote)
        if vote.round == 0 and not self._upstream:
            now = self._mesh.now
            for other, at_ns in self._mesh.ballots.file(vote.kind, vote.block, vote.voter, now, nodes, arrivals_ns):
                call_at(at_ns, self._mesh.nodes[other].voter.on_quorum, vote.kind, vote.block)
            self._take_back(vote)

    def _take_back(self, vote: Vote) -> None:
        """See to it that of two votes of one node for different blocks only the first counts, wherever both arrive."""
        ballots, call_at = self._mesh.ballots, self._mesh.env.call_at
        for block, node, at_ns, first_ns in ballots.first_only(vote.kind, vote.block, vote.voter):
            voter = self._mesh.nodes[node].voter
            quorum_ns = ballots.quorum_ns(vote.kind, block, node)
            if self._mesh.now < quorum_ns < NEVER:
                call_at(quorum_ns, voter.on_quorum, vote.kind, block)
            if node != vote.voter:
                second = Vote(vote.kind, vote.height, vote.round, block, vote.voter)
                call_at(at_ns, voter.on_second, second, first_ns)

    def _start_timer(self, height: int, round_number: int) -> None:
        if round_number < 0:
            return
        rules = self._mesh.protocol.finality
        after = seconds_to_ns(rules.timeout_s + rules.timeout_step_s * round_number)
        boot_ns = int(self._mesh.state.boot_ns[self._node.index])
        self._mesh.env.call_at(self._mesh.now + after, self._on_timer, height, round_number, boot_ns)

    def _on_timer(self, height: int, round_number: int, boot_ns: int) -> None:
        node = self._node.index
        alive = self._mesh.is_up(node) and self._mesh.state.boot_ns[node] == boot_ns
        if alive and height in self._voting and height > self._node.final.height:
            self._react(height, self._voting[height].on_timeout(round_number))
